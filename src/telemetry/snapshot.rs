//! One moment of a running pipeline, as plain data: what the web, the status line and the ledger read.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a node is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// It opens its link for the first time.
    Starting,
    /// It works.
    Running,
    /// Its link is gone; it tries again with back-off.
    Reconnecting,
    /// It panicked; it is built anew with back-off.
    Restarting,
    /// It is done.
    Stopped,
    /// It cannot go on.
    Broken,
}

impl NodeState {
    /// All states.
    pub const ALL: [Self; 6] =
        [Self::Starting, Self::Running, Self::Reconnecting, Self::Restarting, Self::Stopped, Self::Broken];

    /// The word for it in metrics and in `/health`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Reconnecting => "reconnecting",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
            Self::Broken => "broken",
        }
    }
}

/// One moment of a pipeline.
#[derive(Debug, Clone, Default)]
pub struct PipelineSnapshot {
    /// The pipeline's name.
    pub pipeline: String,
    /// Its nodes, in the order of the file.
    pub nodes: Vec<NodeSnapshot>,
    /// Its edges, in the order of the file.
    pub edges: Vec<EdgeSnapshot>,
}

/// One moment of a node.
#[derive(Debug, Clone)]
pub struct NodeSnapshot {
    /// Its name.
    pub name: String,
    /// Its `type:`.
    pub kind: &'static str,
    /// Whether it is a sink, a transform or a source.
    pub role: fieldflow_contract::Role,
    /// What it is doing.
    pub state: NodeState,
    /// Records that came in.
    pub received: u64,
    /// Records that went out, by port.
    pub sent: Vec<(String, u64)>,
    /// Records that are safe where the sink brought them; 0 for other nodes.
    pub written: u64,
    /// Records let go, by reason.
    pub discarded: BTreeMap<&'static str, u64>,
    /// What went wrong, by kind.
    pub errors: BTreeMap<&'static str, u64>,
    /// Its own gauges, by name.
    pub gauges: BTreeMap<&'static str, f64>,
    /// Time spent working.
    pub busy: Duration,
    /// Time since the last record came or went.
    pub last_record_age: Option<Duration>,
    /// The last error, in words.
    pub last_error: Option<String>,
    /// Where its links stand.
    pub links: Vec<fieldflow_contract::LinkStatus>,
    /// The last things that it had to say, oldest first.
    pub notices: Vec<String>,
    /// What became of its batches, for a source.
    pub source: Option<SourceSnapshot>,
}

/// The ledger of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceSnapshot {
    /// Batches sent off.
    pub sent: u64,
    /// Batches resolved, by outcome in the order of `Outcome::ALL`.
    pub resolved: [u64; 4],
    /// Acks that are still alive.
    pub outstanding: u64,
}

/// One moment of an edge.
#[derive(Debug, Clone, Default)]
pub struct EdgeSnapshot {
    /// Where it begins: `node`, or `node.port`.
    pub from: String,
    /// Where it ends.
    pub to: String,
    /// Records it can hold.
    pub capacity: u64,
    /// Records offered to it.
    pub entered: u64,
    /// Records taken out at its end.
    pub left: u64,
    /// Records dropped, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Records that wait.
    pub depth: u64,
    /// Bytes that the waiting records take.
    pub depth_bytes: u64,
    /// The most that ever waited.
    pub high_water: u64,
    /// Time that the node before it waited for room.
    pub blocked: Duration,
    /// How long the oldest waiting record has waited.
    pub oldest_age: Duration,
    /// Records in the edge's file; `None` for an edge that has none.
    pub disk_records: Option<u64>,
    /// Bytes that they take there.
    pub disk_bytes: Option<u64>,
    /// Records that ever went into the file.
    pub disk_entered: Option<u64>,
}

impl EdgeSnapshot {
    /// Records dropped, whatever the reason.
    pub fn dropped_total(&self) -> u64 {
        self.dropped.values().sum()
    }
}

impl PipelineSnapshot {
    /// What does not add up: for every edge entered = left + dropped + depth, for every source sent = resolved + outstanding.
    pub fn unaccounted(&self) -> u64 {
        let edges = self.edges.iter().map(|edge| edge.entered.abs_diff(edge.left + edge.dropped_total() + edge.depth));
        let sources = self.nodes.iter().filter_map(|node| node.source);
        let sources =
            sources.map(|source| source.sent.abs_diff(source.resolved.iter().sum::<u64>() + source.outstanding));
        edges.sum::<u64>() + sources.sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_vanished_is_seen() {
        let edge =
            EdgeSnapshot { entered: 10, left: 4, dropped: [("drop_oldest", 3)].into(), depth: 2, ..Default::default() };
        let snapshot = PipelineSnapshot { edges: vec![edge.clone()], ..Default::default() };
        assert_eq!(snapshot.unaccounted(), 1);
        let whole = EdgeSnapshot { depth: 3, ..edge };
        assert_eq!(PipelineSnapshot { edges: vec![whole], ..Default::default() }.unaccounted(), 0);
    }
}
