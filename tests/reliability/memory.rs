//! A sink that takes nothing more: what waits before it stays within what the edges are configured to hold.

use std::time::Duration;

use crate::engine::{Home, Pipeline};
use crate::setup::{Setup, figure, pass};

/// Bytes of a record with a number in it.
const RECORD: u64 = 40;
const CAPACITY: u64 = 250_000;
/// KiB that SQLite keeps of the file of the durable edges, which an empty one does not fill.
const CACHE: u64 = 4096;

#[test]
fn a_stalled_sink_costs_no_more_memory_than_the_edges_may_hold() {
    let setup = Setup::new("stalled sink behind memory");
    let edges = format!("oracle -> pass: {{ capacity: {CAPACITY} }}\npass -> stalled: {{ capacity: {CAPACITY} }}");
    let (grown, allowed) = stall(&setup, &edges, 2 * CAPACITY, 0);
    assert!(allowed / 2 < grown, "{grown} KiB: the edges are not full, so nothing was tried");
}

#[test]
fn a_stalled_sink_behind_a_durable_edge_costs_no_more_memory_than_its_capacity() {
    let setup = Setup::new("stalled sink behind a durable edge");
    let edges = format!("oracle -> pass\npass -> stalled: {{ durable: true, capacity: {CAPACITY} }}");
    stall(&setup, &edges, CAPACITY + 8192, CACHE);
}

/// Lets a pipeline stall; how much its memory has grown and may have grown, in KiB.
fn stall(setup: &Setup, edges: &str, capacity: u64, cache: u64) -> (u64, u64) {
    let time = Duration::from_secs(figure("FIELDFLOW_STALL_SECONDS", 10));
    // An edge takes the places for its batches when it is made, about 72 bytes for each record that it may hold.
    let (base, _) = peak(&Home::new(setup.folder("base")), edges, 1000, Duration::from_secs(1));
    let (full, sent) = peak(&Home::new(setup.folder("full")), edges, 100_000, time);
    let grown = full.saturating_sub(base);
    let allowed = capacity * RECORD * 12 / 10 / 1024 + cache;
    setup.says(format_args!(
        "{sent} records sent in {time:?}; {full} KiB, of which {base} when the edges are empty: {grown} of {allowed} KiB"
    ));
    assert!(grown <= allowed, "{grown} KiB where the edges may hold {allowed}");
    (grown, allowed)
}

/// The most memory that a stalled pipeline took, in KiB, and how many records were sent.
fn peak(home: &Home, edges: &str, rate: u64, time: Duration) -> (u64, u64) {
    let pipeline = Pipeline {
        source: format!("rate: {rate}, batch: 250, tags: 100"),
        nodes: "pass: { type: dedupe }\nstalled: { type: stall }".to_owned(),
        edges: edges.to_owned(),
    };
    let engine = home.start(&pipeline, &[], &[]);
    let mut most = 0;
    while engine.born.elapsed() < time {
        pass(Duration::from_millis(100));
        most = most.max(engine.memory("VmRSS:"));
    }
    engine.kill();
    (most, home.journal().next())
}
