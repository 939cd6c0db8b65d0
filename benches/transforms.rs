//! What each transform costs a record, by itself: batches of 256 records of 1,000 tags, nobody else reading them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{
    Batch, BuildContext, Findings, Node, Outputs, Record, SystemClock, Tag, Timestamp, Transform, Value,
};
use fieldflow_nodes::BUILTIN;
use tokio::time::Instant;

const TAGS: usize = 1000;
const RECORDS: usize = 256 * 4000;
const ROUNDS: usize = 5;

/// The options of a node, and what a record may cost in nanoseconds.
const NODES: &[(&str, u32)] = &[
    (r#"{ "type": "scale", "rules": [ { "tags": "*", "linear": { "factor": 0.1, "offset": -40 } } ] }"#, 20),
    (r#"{ "type": "clamp", "rules": [ { "tags": "*", "min": 0, "max": 800 } ] }"#, 20),
    (r#"{ "type": "round", "rules": [ { "tags": "*", "decimals": 1 } ] }"#, 20),
    (r#"{ "type": "dedupe" }"#, 60),
    (r#"{ "type": "deadband", "rules": [ { "tags": "*", "absolute": 0.5 } ], "max_silence": "60s" }"#, 60),
    (r#"{ "type": "swinging_door", "rules": [ { "tags": "*", "deviation": 0.3 } ] }"#, 60),
    (r#"{ "type": "throttle", "period": "2s" }"#, 60),
    (r#"{ "type": "debounce", "rules": [ { "tags": "*", "for": "3s" } ] }"#, 60),
    (r#"{ "type": "rate", "rules": [ { "tags": "*" } ] }"#, 60),
    (r#"{ "type": "counter", "rules": [ { "tags": "*", "max": 65536 } ] }"#, 60),
    (r#"{ "type": "median", "samples": 5 }"#, 60),
    (r#"{ "type": "stale", "rules": [ { "tags": "*", "after": "10s" } ] }"#, 60),
    (r#"{ "type": "map", "rules": [ { "tags": "*", "value": "value * 1.8 + 32" } ] }"#, 600),
];

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn main() {
    // `cargo test --benches` and `cargo clippy` build this file; only `cargo bench` shall run it.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    println!(
        "{RECORDS} records in batches of 256, {TAGS} tags, median of {ROUNDS} runs; the bare loop drops the batches"
    );
    let bare = median(|| {
        let batches = batches();
        let began = Instant::now();
        batches.into_iter().for_each(drop);
        began.elapsed()
    });
    println!("  {:<14} {:>6.1} ns a record", "bare loop", nanos(bare));
    for (options, most) in NODES {
        let mut options: serde_json::Value = serde_json::from_str(options).expect("the table is right");
        let kind = options.as_object_mut().and_then(|map| map.remove("type")).expect("the table names a type");
        let took = median(|| run(build(kind.as_str().unwrap_or_default(), options.clone())));
        let took = nanos(took.saturating_sub(bare));
        println!("  {:<14} {took:>6.1} ns a record (at most {most})", kind.as_str().unwrap_or_default());
    }
}

fn run(mut node: Box<dyn Transform>) -> Duration {
    let (batches, mut out) = (batches(), Outputs::default());
    let began = Instant::now();
    for batch in batches {
        node.apply(batch, &mut out).expect("no transform of the table breaks");
        std::hint::black_box(node.due());
        out.take_emissions().for_each(drop);
        out.take_filtered().for_each(drop);
    }
    began.elapsed()
}

/// Every tag has a value that changes a little from time to time, one record a millisecond over all tags.
fn batches() -> Vec<Batch> {
    let tags: Vec<Tag> = (0..TAGS).map(|n| Tag::new(&format!("bench.t{n}")).expect("a thousand tags fit")).collect();
    let record = |n: usize| {
        let value = (n / TAGS) as f64 * 0.25 + (n % TAGS) as f64;
        Record::good(tags[n % TAGS], Timestamp(1_767_225_600_000_000 + n as i64 * 1000), Value::F64(value))
    };
    let batch = |at: usize| {
        let records: Vec<Record> = (at..at + 256).map(record).collect();
        let received = records[255].time;
        Batch::new(records, received).expect("a batch of 256")
    };
    (0..RECORDS).step_by(256).map(batch).collect()
}

fn build(kind: &str, options: serde_json::Value) -> Box<dyn Transform> {
    let kind = BUILTIN.iter().find(|known| known.type_name() == kind).expect("the table names a known type");
    let prepared = kind.prepare(options).unwrap_or_else(|finding| panic!("{}: {}", kind.type_name(), finding.message));
    let mut findings = Findings::default();
    prepared.check(&mut findings);
    assert!(findings.0.is_empty(), "{}: {findings:?}", kind.type_name());
    let context = BuildContext::alone("bench", Path::new(""), Arc::new(SystemClock));
    match prepared.build(&context) {
        Ok(Node::Transform(node)) => node,
        _ => panic!("{} is no transform", kind.type_name()),
    }
}

fn median(mut once: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..ROUNDS).map(|_| once()).collect();
    times.sort_unstable();
    times[ROUNDS / 2]
}

fn nanos(took: Duration) -> f64 {
    took.as_nanos() as f64 / RECORDS as f64
}
