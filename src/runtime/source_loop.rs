//! The loop around a source: connect, read, send; back-off, outages, panics, stop.

use fieldflow_contract::{Ack, Cause, Delivery, DynSource, Node, NodeError, Port};
use tokio::task::coop::consume_budget;
use tokio::time::Instant;

use super::fanout::Fanout;
use super::guard::{Panicked, guard, guard_call};
use super::node_task::{CLOSE_WITHIN, Exit, NodeTask};
use crate::telemetry::NodeState;

/// Runs a source until it has no more input, is told to stop, or cannot go on.
pub(super) async fn run(mut task: NodeTask, mut source: Box<dyn DynSource>, fanout: Fanout) -> Exit {
    // An outage is told once, however many tries it takes to end it.
    let mut outage_told = false;
    loop {
        let mut trouble = work(&mut task, source.as_mut(), &fanout, &mut outage_told).await;
        if let Trouble::Link(cause) = &trouble {
            task.status.failing(NodeState::Reconnecting, "disconnected", &cause.message);
            if !outage_told {
                outage_told = true;
                let now = task.context.clock.now();
                match guard_call(|| source.outage(cause, now)) {
                    Ok(Some(batch)) => fanout.send(Port::DEFAULT, batch, task.status.issue(Ack::none())).await,
                    Ok(None) => {}
                    Err(panicked) => trouble = Trouble::Panic(panicked),
                }
            }
        }
        match trouble {
            Trouble::Stop => break,
            Trouble::Broken(cause) => return task.broken(cause),
            Trouble::Link(_) => {
                if !task.wait(true).await {
                    break;
                }
            }
            Trouble::Panic(panicked) => match task.rebuild(panicked, true).await {
                Ok(Some(Node::Source(anew))) => source = anew,
                Ok(Some(_)) => return task.broken(Cause::new("the node was rebuilt as something else than a source")),
                // What has panicked is not used again, not even to close it.
                Ok(None) => return task.done(),
                Err(cause) => return task.broken(cause),
            },
        }
    }
    let _ = tokio::time::timeout(CLOSE_WITHIN, guard(source.close())).await;
    task.done()
}

/// Why a source stopped working.
enum Trouble {
    Stop,
    Link(Cause),
    Broken(Cause),
    Panic(Panicked),
}

impl From<NodeError> for Trouble {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Ended => Self::Stop,
            NodeError::Broken(cause) => Self::Broken(cause),
            NodeError::Disconnected(cause)
            | NodeError::Rejected(cause)
            | NodeError::RejectedPart(_, cause)
            | NodeError::Postponed(_, cause) => Self::Link(cause),
        }
    }
}

/// Connects and reads until something is in the way.
async fn work(task: &mut NodeTask, source: &mut dyn DynSource, fanout: &Fanout, outage_told: &mut bool) -> Trouble {
    let stop = task.stop.clone();
    let connect = async {
        task.loaded().await;
        guard(source.connect()).await
    };
    let connected = tokio::select! {
        biased;
        () = stop.cancelled() => return Trouble::Stop,
        connected = connect => connected,
    };
    match connected {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return error.into(),
        Err(panicked) => return Trouble::Panic(panicked),
    }
    loop {
        // A source that always has more would keep its worker for itself.
        consume_budget().await;
        let read = tokio::select! {
            biased;
            () = stop.cancelled() => return Trouble::Stop,
            read = guard(source.read()) => read,
        };
        match read {
            Ok(Ok(Delivery { batch, ack })) => {
                // Waiting for the next poll is no work, so a source is busy only while it hands over.
                let since = Instant::now();
                fanout.send(Port::DEFAULT, batch, task.status.issue(ack)).await;
                *outage_told = false;
                task.worked(since);
            }
            Ok(Err(NodeError::Rejected(cause))) => {
                task.status.rejecting(&cause.message);
                // A source that refuses everything must not spin.
                if !task.wait(true).await {
                    return Trouble::Stop;
                }
            }
            Ok(Err(error)) => return error.into(),
            Err(panicked) => return Trouble::Panic(panicked),
        }
    }
}
