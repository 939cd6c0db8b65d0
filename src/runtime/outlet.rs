//! Where a port's batches go: into memory, onto the disk first, or onto the disk when memory is full.

use std::sync::Arc;

use fieldflow_contract::{Ack, Batch, Delivery};

use super::edge::EdgeSender;
use crate::queue::{self, DurableEdge, Origin};

/// The beginning of an edge.
pub(super) enum Outlet {
    /// An edge in memory.
    Memory(EdgeSender),
    /// `durable: true`: committed, then handed over by the pump.
    Durable(Arc<DurableEdge>),
    /// `when_full: spill`: in memory while that has room, else behind what waits on disk until that is handed over.
    Spill(Arc<EdgeSender>, Arc<DurableEdge>),
}

impl Outlet {
    /// Puts a delivery in, as the edge's policy says.
    pub(super) async fn send(&self, delivery: Delivery) {
        match self {
            Self::Memory(memory) => memory.send(delivery).await,
            Self::Durable(durable) => durable.put(delivery.batch, delivery.ack).await,
            Self::Spill(memory, durable) => {
                // Order: nothing overtakes what went to the disk.
                let left = if durable.is_drained() { memory.send_now(delivery) } else { Err(delivery) };
                if let Err(delivery) = left {
                    durable.put(delivery.batch, delivery.ack).await;
                }
            }
        }
    }
}

impl Drop for Outlet {
    /// The node is gone: what is in the edge is all there will be.
    fn drop(&mut self) {
        if let Self::Durable(durable) | Self::Spill(_, durable) = self {
            durable.close();
        }
    }
}

/// Where the pump of a durable edge hands over to: the memory before the consumer.
pub(super) struct PumpOutlet(pub(super) Arc<EdgeSender>);

impl queue::Outlet for PumpOutlet {
    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    async fn hand_over(&self, batch: Batch, ack: Ack, origin: Origin) {
        self.0.send_from(Delivery { batch, ack }, origin).await;
    }
}
