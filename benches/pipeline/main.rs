//! What the house costs, beside a bare loop in the same run.
//!
//! `cargo bench` prints: an edge hop and a transform in nanoseconds a record, and generator → scale → dedupe → sqlite in rows
//! a second beside a bare prepared-insert loop with the same table, PRAGMAs and rows a transaction. Ratios hold between
//! machines, absolute figures do not.

mod runs;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use runs::{Gate, Pass, backlog, bare_inserts, chain, durable_rows, nanos, sqlite_rows};
use support::{Bench, median};

const RECORDS: u64 = 4_000_000;
const ROWS: u64 = 3_000_000;
const ROUNDS: usize = 5;

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn main() {
    // `cargo test --benches` and `cargo clippy` build this file; only `cargo bench` shall run it.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let bench = Bench::new(&[&Pass, &Gate]);
    println!("batches of 256 records, {RECORDS} records a run, one thread, median of {ROUNDS} runs");
    let hop = slope(&bench, "{ type: pass }");
    report("edge hop with a node that passes everything on", hop, 25);
    report("scale, linear, without its hop", slope(&bench, SCALE).saturating_sub(hop), 20);
    report("dedupe, 1,000 tags, without its hop", slope(&bench, "{ type: dedupe }").saturating_sub(hop), 60);

    for durability in ["power", "process"] {
        println!(
            "\n{ROWS} rows, 5000 a transaction, durability: {durability}, median of {ROUNDS} runs, one after the other"
        );
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            bare.push(bare_inserts(&bench, durability, ROWS));
            ours.push(sqlite_rows(&bench, durability, ROWS));
        }
        let (bare, ours) = (rate(ROWS, median(bare)), rate(ROWS, median(ours)));
        println!("  bare prepared insert loop           {bare:>10.0} rows/s");
        println!("  generate → scale → dedupe → sqlite  {ours:>10.0} rows/s");
        println!("  ratio                               {:>10.2} (at least 0.50)", ours / bare);
    }

    println!("\n{ROWS} rows through a durable edge, median of {ROUNDS} runs, one after the other");
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_inserts(&bench, "power", ROWS));
        ours.push(durable_rows(&bench, ROWS));
    }
    let (bare, ours) = (rate(ROWS, median(bare)), rate(ROWS, median(ours)));
    println!("  bare prepared insert loop           {bare:>10.0} rows/s");
    println!("  generate → durable edge → sqlite    {ours:>10.0} rows/s");
    println!("  ratio                               {:>10.2} (at least 0.35)", ours / bare);

    // 20 bytes a record: about a quarter of a gigabyte, or as much as is asked for.
    let records = std::env::var("FIELDFLOW_BACKLOG").ok().and_then(|text| text.parse().ok()).unwrap_or(20_000_000);
    let found = backlog(&bench, records);
    let (ingest, drain) = (rate(records, found.ingest), rate(records, found.drain));
    println!("\na backlog of {records} records, {} MiB on disk", found.bytes >> 20);
    println!("  taken in                            {ingest:>10.0} records/s");
    println!("  drained                             {drain:>10.0} records/s, {:.2} × (at least 2)", drain / ingest);
    println!("  from the start to its first record  {:>10.0?} (less than 2 s)", found.open);
}

const SCALE: &str = "{ type: scale, rules: [ { tags: \"*\", linear: { factor: 0.1, offset: -40 } } ] }";

/// What one more node of this kind costs: the slope between a chain of one and a chain of nine.
fn slope(bench: &Bench, node: &str) -> Duration {
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        short.push(chain(bench, node, 1, RECORDS));
        long.push(chain(bench, node, 9, RECORDS));
    }
    median(long).saturating_sub(median(short)) / 8
}

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn report(what: &str, took: Duration, most: u32) {
    println!("  {what:<48} {:>6.1} ns a record (at most {most})", nanos(took, RECORDS));
}

fn rate(rows: u64, took: Duration) -> f64 {
    rows as f64 / took.as_secs_f64()
}
