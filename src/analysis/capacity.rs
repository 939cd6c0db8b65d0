//! How much memory and disk each edge can take, and how long an outage it covers.
//!
//! Memory is a bound. What a record takes on disk depends on its batch; it is counted as if each came alone, so that the time
//! that an edge covers is told too short rather than too long. Texts and bytes of a length that nobody knows come on top.

use std::time::Duration;

use fieldflow_contract::{Batch, Record};

use super::net::{Hop, Net};
use super::rates::Rates;
use crate::graph::{Disk, Storage};

/// Bytes that a batch takes beside its records: its own, its ack, and the places of both in the edge.
const PER_BATCH: u64 = 160;
/// Bytes of a number on a durable edge, if each is a batch by itself: a test holds it against what is written.
pub(super) const ON_DISK: f64 = 36.0;

/// What the edges take.
pub(super) struct Capacity {
    pub(super) edges: Vec<EdgeCapacity>,
}

/// What an edge takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct EdgeCapacity {
    /// The most bytes of memory.
    pub(super) memory: u64,
    /// The most bytes of disk.
    pub(super) disk: u64,
    /// How long what comes in has room in it while nothing leaves it, if the rate is known.
    pub(super) covers: Option<Duration>,
}

impl Capacity {
    pub(super) fn of(net: &Net<'_>, rates: &Rates) -> Self {
        let edges = net.edges.iter().zip(&rates.edges);
        Self { edges: edges.map(|(hop, rate)| EdgeCapacity::of(hop, rate.most())).collect() }
    }

    pub(super) fn memory(&self) -> u64 {
        self.edges.iter().fold(0, |sum, edge| sum.saturating_add(edge.memory))
    }

    pub(super) fn disk(&self) -> u64 {
        self.edges.iter().fold(0, |sum, edge| sum.saturating_add(edge.disk))
    }
}

impl EdgeCapacity {
    fn of(hop: &Hop<'_>, rate: Option<f64>) -> Self {
        let options = hop.edge.options;
        let records = options.capacity as u64;
        let values = (size_of::<Record>() as u64).saturating_mul(records);
        let values = options.max_bytes.map_or(values, |most| most.min(values));
        // What is larger than the edge passes alone, so the records may be as many as a batch has; those are the source's.
        let memory = values.saturating_add(PER_BATCH.max(size_of::<Batch>() as u64).saturating_mul(records));
        let waits = |amount: f64| rate.map(|rate| seconds(amount / rate));
        let on_disk = |disk: &Disk| {
            let room = waits(disk.max_bytes as f64 / ON_DISK);
            disk.max_age.map_or(room, |age| room.map(|room| room.min(age)))
        };
        let (disk, covers) = match &options.storage {
            Storage::Memory => (0, waits(records as f64)),
            Storage::Durable(disk) => (disk.max_bytes, on_disk(disk)),
            Storage::Spill(disk) => {
                let both = waits(records as f64).zip(on_disk(disk)).map(|(memory, disk)| memory.saturating_add(disk));
                (disk.max_bytes, both)
            }
        };
        Self { memory, disk, covers }
    }
}

/// So many seconds, as far as a duration goes.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
