//! The one list of metrics: names, kinds, labels and help. README and `/metrics` follow from it.
//!
//! Base units; `_total` on counters; no label ever comes from a payload.

/// What kind of figure a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Only grows, in seconds with a fraction.
    Seconds,
    /// Goes up and down.
    Gauge,
    /// A distribution, in buckets of seconds.
    Histogram,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it tells, with the unit.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($id:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)*) => {
        $(#[doc = $help] pub const $id: Metric = Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help };)*
        /// Every metric, in the order of the manual.
        pub const METRICS: &[Metric] = &[$($id),*];
    };
}

metrics! {
    NODE_RECEIVED = "fieldflow_node_received_records_total", Counter, ["pipeline", "node", "type"],
        "Records that came into the node by its input.";
    NODE_SENT = "fieldflow_node_sent_records_total", Counter, ["pipeline", "node", "type", "port"],
        "Records that left the node, by output port.";
    NODE_DISCARDED = "fieldflow_node_discarded_records_total", Counter, ["pipeline", "node", "type", "reason"],
        "Records that the node let go: filtered on purpose, rejected with nobody wired to take them, lost in a panic.";
    NODE_ERRORS = "fieldflow_node_errors_total", Counter, ["pipeline", "node", "type", "kind"],
        "What went wrong or was missed inside the node, by kind.";
    NODE_GAUGE = "fieldflow_node_gauge", Gauge, ["pipeline", "node", "type", "name"],
        "A figure of the node's own, by name; the manual of the node lists them.";
    NODE_STATE = "fieldflow_node_state", Gauge, ["pipeline", "node", "type", "state"],
        "1 for the state that the node is in, 0 for the others.";
    LINK_STATE = "fieldflow_link_state", Gauge, ["pipeline", "node", "type", "link", "state"],
        "1 for the state that a link of the node is in, 0 for the others.";
    NODE_BUSY = "fieldflow_node_busy_seconds_total", Seconds, ["pipeline", "node", "type"],
        "Seconds that the node spent working on batches.";
    NODE_LAST_RECORD_AGE = "fieldflow_node_last_record_age_seconds", Gauge, ["pipeline", "node", "type"],
        "Seconds since the node last took or gave a record; absent before the first.";
    EDGE_CAPACITY = "fieldflow_edge_capacity_records", Gauge, ["pipeline", "from", "to"],
        "Records that the edge can hold.";
    EDGE_ENTERED = "fieldflow_edge_entered_records_total", Counter, ["pipeline", "from", "to"],
        "Records that were offered to the edge, whatever its policy did with them.";
    EDGE_LEFT = "fieldflow_edge_left_records_total", Counter, ["pipeline", "from", "to"],
        "Records that the node at the end of the edge took.";
    EDGE_DROPPED = "fieldflow_edge_dropped_records_total", Counter, ["pipeline", "from", "to", "reason"],
        "Records that the edge's policy dropped, by reason.";
    EDGE_DEPTH = "fieldflow_edge_depth_records", Gauge, ["pipeline", "from", "to"],
        "Records that wait in the edge.";
    EDGE_DEPTH_BYTES = "fieldflow_edge_depth_bytes", Gauge, ["pipeline", "from", "to"],
        "Bytes of memory that the waiting records take.";
    EDGE_HIGH_WATER = "fieldflow_edge_high_water_records", Gauge, ["pipeline", "from", "to"],
        "The most records that ever waited in the edge.";
    EDGE_BLOCKED = "fieldflow_edge_blocked_seconds_total", Seconds, ["pipeline", "from", "to"],
        "Seconds that the node before the edge waited for room in it.";
    EDGE_OLDEST_AGE = "fieldflow_edge_oldest_record_age_seconds", Gauge, ["pipeline", "from", "to"],
        "Seconds that the oldest waiting record has waited; 0 when the edge is empty.";
    EDGE_DISK_RECORDS = "fieldflow_edge_disk_records", Gauge, ["pipeline", "from", "to"],
        "Records in the file of a durable or spilling edge.";
    EDGE_DISK_BYTES = "fieldflow_edge_disk_bytes", Gauge, ["pipeline", "from", "to"],
        "Bytes that the records in the file of a durable or spilling edge take.";
    SOURCE_SENT = "fieldflow_source_sent_batches_total", Counter, ["pipeline", "node", "type"],
        "Batches that the source sent off.";
    SOURCE_RESOLVED = "fieldflow_source_resolved_batches_total", Counter, ["pipeline", "node", "type", "outcome"],
        "Batches of which the source was told what became of them, by the worst outcome.";
    SOURCE_OUTSTANDING = "fieldflow_source_outstanding_batches", Gauge, ["pipeline", "node", "type"],
        "Batches that are still on their way.";
    COMMIT = "fieldflow_commit_seconds", Histogram, ["pipeline", "node", "type"],
        "Seconds that the sink took until the records were safe, per write.";
    LATENCY = "fieldflow_latency_seconds", Histogram, ["pipeline", "node", "type"],
        "Seconds from the source time of the oldest record of a write until it was safe.";
    UNACCOUNTED = "fieldflow_unaccounted_records", Gauge, ["pipeline"],
        "What does not add up in the ledger of edges and sources. Always 0; anything else is a bug in fieldflow.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        for metric in METRICS {
            assert!(metric.name.starts_with("fieldflow_"), "{}", metric.name);
            assert_eq!(
                metric.name.ends_with("_total"),
                matches!(metric.kind, Kind::Counter | Kind::Seconds),
                "{}",
                metric.name
            );
            assert!(metric.help.ends_with('.') && metric.labels.first() == Some(&"pipeline"), "{}", metric.name);
            assert_eq!(METRICS.iter().filter(|other| other.name == metric.name).count(), 1, "{}", metric.name);
        }
    }
}
