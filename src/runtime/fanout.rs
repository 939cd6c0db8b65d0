//! The outputs of a node: each port with all edges that begin at it.

use std::sync::Arc;

use fieldflow_contract::{Ack, Batch, Delivery, Outcome, Port, PortName};
use futures_util::future::join_all;

use super::edge::EdgeSender;
use super::status::NodeStatus;

/// The wired ports of one node.
pub(super) struct Fanout {
    ports: Vec<(PortName, Vec<EdgeSender>)>,
    status: Arc<NodeStatus>,
}

impl Fanout {
    pub(super) fn new(ports: Vec<(PortName, Vec<EdgeSender>)>, status: Arc<NodeStatus>) -> Self {
        Self { ports, status }
    }

    /// Sends a batch to every edge of a port, each with its share of the ack.
    ///
    /// The edges are served at the same time: a full one that blocks holds up this node, but not its siblings' share of
    /// this batch.
    pub(super) async fn send<'a>(&'a self, port: &str, batch: Batch, ack: Ack) {
        let Some(at) = self.ports.iter().position(|(name, _)| name == port) else {
            return self.unwired(port, &batch, ack);
        };
        let (_, edges) = &self.ports[at];
        self.status.sent(at, batch.len() as u64);
        match edges.as_slice() {
            [only] => only.send(Delivery { batch, ack }).await,
            edges => {
                let share = |edge: &'a EdgeSender| edge.send(Delivery { batch: batch.clone(), ack: ack.clone() });
                let sending: Vec<_> = edges.iter().map(share).collect();
                // Each share tells what becomes of it; this one is no longer needed, and its batch must not be seen as shared.
                drop(batch);
                ack.resolve(Outcome::Delivered);
                join_all(sending).await;
            }
        }
    }

    /// Nobody takes what leaves by this port: counted, and for what was rejected the ack says so.
    fn unwired(&self, port: &str, batch: &Batch, ack: Ack) {
        let rejected = port == Port::REJECTED;
        self.status.discarded(if rejected { "rejected" } else { "unwired" }, batch.len() as u64);
        ack.resolve(if rejected { Outcome::Rejected } else { Outcome::Delivered });
    }
}
