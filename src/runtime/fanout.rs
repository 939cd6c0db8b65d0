//! The outputs of a node: each port with all edges that begin at it.

use std::sync::Arc;

use fieldflow_contract::{Ack, Batch, Delivery, Outcome, Port, PortName};
use futures_util::future::join_all;

use super::outlet::Outlet;
use super::status::NodeStatus;
use crate::queue::Keeper;

/// The wired ports of one node.
pub(super) struct Fanout {
    ports: Vec<(PortName, Vec<Outlet>)>,
    status: Arc<NodeStatus>,
    keeper: Arc<Keeper>,
}

impl Fanout {
    pub(super) fn new(ports: Vec<(PortName, Vec<Outlet>)>, status: Arc<NodeStatus>, keeper: Arc<Keeper>) -> Self {
        Self { ports, status, keeper }
    }

    /// Sends a batch to every edge of a port, each with its share of the ack.
    ///
    /// The edges are served at the same time: a full one that blocks holds up this node, but not its siblings' share of
    /// this batch.
    pub(super) async fn send<'a>(&'a self, port: &str, batch: Batch, ack: Ack) {
        let Some(at) = self.ports.iter().position(|(name, _)| name == port) else {
            // An optional output that nobody wired: let go on purpose.
            self.status.discarded("unwired", batch.len() as u64);
            return ack.resolve(Outcome::Delivered);
        };
        let (_, edges) = &self.ports[at];
        self.status.sent(at, batch.len() as u64);
        match edges.as_slice() {
            [only] => only.send(Delivery { batch, ack }).await,
            edges => {
                let share = |edge: &'a Outlet| edge.send(Delivery { batch: batch.clone(), ack: ack.clone() });
                let sending: Vec<_> = edges.iter().map(share).collect();
                // Each share tells what becomes of it; this one is no longer needed, and its batch must not be seen as shared.
                drop(batch);
                ack.resolve(Outcome::Delivered);
                join_all(sending).await;
            }
        }
    }

    /// Sends a batch that can never pass to the `rejected` port, or to the dead letters.
    pub(super) async fn reject(&self, batch: Batch, ack: Ack, reason: &str) {
        ack.rejected(reason);
        if self.ports.iter().any(|(name, _)| name == Port::REJECTED) {
            self.send(Port::REJECTED, batch, ack).await;
        } else {
            self.status.discarded("rejected", batch.len() as u64);
            self.keeper.bury(self.status.name(), reason, batch, ack).await;
        }
    }
}
