//! A sink that takes nothing more: what waits before it stays within what the edges are configured to hold.

use std::time::Duration;

use crate::engine::{Home, Pipeline};
use crate::setup::{Setup, figure, pass};

/// Bytes of a record with a number in it.
const RECORD: u64 = 40;
const CAPACITY: u64 = 250_000;

#[test]
fn a_stalled_sink_does_not_cost_more_memory_than_the_edges_may_hold() {
    let setup = Setup::new("stalled sink");
    let time = Duration::from_secs(figure("FIELDFLOW_STALL_SECONDS", 10));
    // An edge takes the places for its batches when it is made, about 72 bytes for each record that it may hold.
    let base = peak(&Home::new(setup.folder("base")), 1, Duration::from_secs(1));
    let full = peak(&Home::new(setup.folder("full")), 100_000, time);
    let grown = full.saturating_sub(base);
    let allowed = 2 * CAPACITY * RECORD * 12 / 10 / 1024;
    setup.says(format_args!(
        "{full} KiB after {time:?} behind two edges of {CAPACITY} records, {base} KiB when they are empty: {grown} of {allowed} KiB"
    ));
    assert!(grown <= allowed, "{grown} KiB where the edges may hold {allowed}");
    assert!(allowed / 2 < grown, "{grown} KiB: the edges are not full, so nothing was tried");
}

/// The most memory that a stalled pipeline took, in KiB.
fn peak(home: &Home, rate: u64, time: Duration) -> u64 {
    let pipeline = Pipeline {
        source: format!("rate: {rate}, batch: 250, tags: 100"),
        nodes: "pass: { type: dedupe }\nstalled: { type: stall }".to_owned(),
        edges: format!("oracle -> pass: {{ capacity: {CAPACITY} }}\npass -> stalled: {{ capacity: {CAPACITY} }}"),
    };
    let engine = home.start(&pipeline, &[], &[]);
    let mut most = 0;
    while engine.born.elapsed() < time {
        pass(Duration::from_millis(100).min(time));
        most = most.max(engine.memory("VmRSS:"));
    }
    engine.kill();
    most
}
