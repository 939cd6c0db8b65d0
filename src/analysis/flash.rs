//! How many bytes are written to the local disk a day, for who has to know how long a flash lasts.
//!
//! An estimate, on the high side. Each record is written into the log of SQLite and, at a checkpoint, into the file. Each commit
//! writes whole pages into the log however little it brings: measured two for a batch on a durable edge (its own and the figures
//! of the edge), two more where it is stored later that the batch is done, one for a store, and one more for the
//! place that an edge has come to. A batch is a commit; where nobody knows how many records are in one, each counts as alone.
//! What the file system adds of its own is not known here.

use fieldflow_contract::{Facts, Port, Role, Yield};

use super::capacity::ON_DISK;
use super::net::Net;
use super::rates::Rates;
use crate::graph::{GraphNode, Storage};

/// The same in words, for the report.
pub(super) const HOW: &str = "at most, estimated: each record through the log and into the file, and whole pages at each \
    commit, which each batch makes (each record, where nobody knows how many are in a batch); an edge that spills writes \
    while it is full, which is not counted, nor is what the file system adds";

/// A page in the log, with its head.
const PAGE: f64 = 4096.0 + 24.0;
/// Pages of a commit that puts a batch on an edge, and of one that stores that it is done.
const EDGE_PAGES: f64 = 2.0;
/// What is done is stored with the next batch, if that comes within this time in seconds; else by itself.
const TAKEN: f64 = 0.2;
const DAY: f64 = 86_400.0;

/// Bytes written a day; `None` where nobody knows.
pub(super) struct Flash {
    /// By each edge; an edge in memory writes nothing.
    pub(super) edges: Vec<Option<f64>>,
    /// By each node; only a sink that has a store here writes.
    pub(super) nodes: Vec<Option<f64>>,
}

impl Flash {
    pub(super) fn of(net: &Net<'_>, rates: &Rates) -> Self {
        let batches = Batches::of(net, rates);
        let edge = |(number, hop): (usize, &super::net::Hop<'_>)| match hop.edge.options.storage {
            Storage::Memory | Storage::Spill(_) => Some(0.0),
            Storage::Durable(_) => {
                let (records, batches) = (rates.edges[number].most()?, batches.edges[number]?);
                let done_later = if batches * TAKEN < 1.0 { batches } else { 0.0 };
                Some(DAY * (2.0 * ON_DISK * records + PAGE * EDGE_PAGES * (batches + done_later)))
            }
        };
        let node = |(number, (node, facts)): (usize, &(&GraphNode, Facts))| {
            let Some(disk) = facts.disk else { return Some(0.0) };
            let (records, batches) = (rates.into[number].most()?, batches.into[number]?);
            let commits = batches.min(1.0 / disk.commit.as_secs_f64());
            let positions =
                node.kind.keeps_position() && net.into[number].iter().any(|edge| net.edges[*edge].is_durable());
            let pages = if positions { 2.0 } else { 1.0 };
            Some(DAY * (disk.written * records + PAGE * pages * commits))
        };
        Self {
            edges: net.edges.iter().enumerate().map(edge).collect(),
            nodes: net.nodes.iter().enumerate().map(node).collect(),
        }
    }

    /// By all edges.
    pub(super) fn edges(&self) -> Option<f64> {
        self.edges.iter().copied().sum()
    }

    /// By all.
    pub(super) fn all(&self) -> Option<f64> {
        self.edges.iter().chain(&self.nodes).copied().sum()
    }
}

/// Batches a second, at most.
struct Batches {
    edges: Vec<Option<f64>>,
    into: Vec<Option<f64>>,
}

impl Batches {
    fn of(net: &Net<'_>, rates: &Rates) -> Self {
        let mut batches = Self { edges: vec![None; net.edges.len()], into: vec![Some(0.0); net.nodes.len()] };
        for node in &net.order {
            let facts = &net.nodes[*node].1;
            let coming = batches.into[*node];
            for edge in &net.out_of[*node] {
                let hop = &net.edges[*edge];
                let leaving = match (net.role(*node), facts.yields) {
                    (Role::Source, _) => facts.batches,
                    // What is rejected came in.
                    (Role::Sink, _) | (_, Yield::Each | Yield::AtMost) => coming,
                    _ if *hop.edge.port == *Port::REJECTED => coming,
                    _ => None,
                };
                // There is a record in each.
                let records = rates.edges[*edge].most();
                let leaving = leaving.zip(records).map(|(batches, records)| batches.min(records)).or(records);
                batches.edges[*edge] = leaving;
                batches.into[hop.to] = batches.into[hop.to].zip(leaving).map(|(one, other)| one + other);
            }
        }
        batches
    }
}
