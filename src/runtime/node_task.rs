//! What the three loops share: building a node, waiting with back-off, and how a loop ends.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{BuildContext, Cause, Node, Prepared};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::guard::{Panicked, guard_call};
use super::status::NodeStatus;
use crate::queue::{DurableEdge, Keeper};
use crate::telemetry::NodeState;

/// Why a loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Exit {
    /// No more input, or told to stop.
    Done,
    /// The node cannot go on.
    Broken(Cause),
}

/// One node's place in the runtime.
pub(super) struct NodeTask {
    pub(super) prepared: Arc<dyn Prepared>,
    pub(super) context: BuildContext,
    pub(super) status: Arc<NodeStatus>,
    /// Cancelled when sources shall stop. Transforms and sinks stop when their edges are closed and empty.
    pub(super) stop: CancellationToken,
    pub(super) backoff: Backoff,
    /// The durable edges that end here: they begin to hand over when the node is ready for them.
    pub(super) durable_inputs: Vec<Arc<DurableEdge>>,
    pub(super) keeper: Arc<Keeper>,
}

impl NodeTask {
    /// Waits until the node can be used: until what it kept over the restart is there.
    pub(super) async fn loaded(&self) {
        if self.context.saved.is_wanted() {
            self.keeper.loaded().await;
        }
    }

    /// Builds the node anew after a panic: waits, builds, and tries again for as long as building panics.
    ///
    /// `None` when the node shall stop, which only a source does while it waits.
    pub(super) async fn rebuild(&mut self, mut panicked: Panicked, role_stops: bool) -> Result<Option<Node>, Cause> {
        loop {
            self.status.failing(NodeState::Restarting, "panic", &panicked.0);
            if !self.wait(role_stops).await {
                return Ok(None);
            }
            match guard_call(|| self.prepared.build(&self.context)) {
                Ok(Ok(node)) => return Ok(Some(node)),
                Ok(Err(error)) => return Err(Cause::new(error.to_string())),
                Err(again) => panicked = again,
            }
        }
    }

    /// Waits before the next try; `false` when the node shall stop instead.
    pub(super) async fn wait(&mut self, stops: bool) -> bool {
        let wait = self.backoff.step();
        if stops {
            tokio::select! {
                () = self.stop.cancelled() => false,
                () = tokio::time::sleep(wait) => true,
            }
        } else {
            tokio::time::sleep(wait).await;
            true
        }
    }

    /// It worked: what comes next begins without a debt.
    pub(super) fn worked(&mut self, since: Instant) {
        self.backoff.reset();
        self.status.busy(since.elapsed());
        if !self.status.is_running() {
            self.status.running();
        }
    }

    /// Ends the loop because the node cannot go on.
    pub(super) fn broken(&self, cause: Cause) -> Exit {
        self.status.failing(NodeState::Broken, "broken", &cause.message);
        Exit::Broken(cause)
    }

    /// Ends the loop in peace.
    pub(super) fn done(&self) -> Exit {
        self.status.state(NodeState::Stopped);
        Exit::Done
    }
}

/// A close that hangs or panics must not hold up the end.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(5);
