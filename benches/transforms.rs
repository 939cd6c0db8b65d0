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

/// The options of a node, and what a record may cost in nanoseconds, if there is a limit: 20 for what remembers nothing but the
/// rule of a tag, 60 for what remembers the tag, and none where the work depends on what stands in the options or the payload.
const NODES: &[(&str, Option<u32>)] = &[
    (r#"{ "type": "scale", "rules": [ { "tags": "*", "linear": { "factor": 0.1, "offset": -40 } } ] }"#, Some(20)),
    (r#"{ "type": "clamp", "rules": [ { "tags": "*", "min": 0, "max": 800 } ] }"#, Some(20)),
    (r#"{ "type": "round", "rules": [ { "tags": "*", "decimals": 1 } ] }"#, Some(20)),
    (r#"{ "type": "cast", "rules": [ { "tags": "*", "to": "i64" } ] }"#, Some(20)),
    (r#"{ "type": "quality", "rules": [ { "tags": "*", "set": "uncertain" } ] }"#, Some(20)),
    (r#"{ "type": "rename", "rules": [ { "tags": "*", "to": "hall3.{tag}" } ] }"#, Some(20)),
    (r#"{ "type": "enrich", "tag": "{site}/{tag}", "labels": { "site": "hall3" } }"#, Some(20)),
    (r#"{ "type": "filter", "keep": { "range": [0, 800] } }"#, Some(20)),
    (r#"{ "type": "route", "routes": { "high": { "range": [800, 1000000] } } }"#, Some(20)),
    (r#"{ "type": "dedupe" }"#, Some(60)),
    (r#"{ "type": "deadband", "rules": [ { "tags": "*", "absolute": 0.5 } ], "max_silence": "60s" }"#, Some(60)),
    (r#"{ "type": "swinging_door", "rules": [ { "tags": "*", "deviation": 0.3 } ] }"#, Some(60)),
    (r#"{ "type": "throttle", "period": "2s" }"#, Some(60)),
    (r#"{ "type": "debounce", "rules": [ { "tags": "*", "for": "3s" } ] }"#, Some(60)),
    (r#"{ "type": "rate" }"#, Some(60)),
    (r#"{ "type": "counter", "rules": [ { "tags": "*", "max": 65536 } ] }"#, Some(60)),
    (r#"{ "type": "median", "samples": 5 }"#, Some(60)),
    (r#"{ "type": "stale", "rules": [ { "tags": "*", "after": "10s" } ] }"#, Some(60)),
    (r#"{ "type": "alarm", "rules": [ { "tags": "*", "hi": 800, "hysteresis": 2, "on_delay": "5s" } ] }"#, Some(60)),
    (r#"{ "type": "window", "size": "1m", "of": ["avg", "max"] }"#, Some(60)),
    (r#"{ "type": "sequence", "wrap": 65536 }"#, Some(60)),
    (r#"{ "type": "map", "rules": [ { "tags": "*", "value": "value * 1.8 + 32" } ] }"#, None),
    (r#"{ "type": "encode", "as": "json" }"#, None),
    (r#"{ "type": "decode", "json": { "tags": { "{tag}": "$.v" } } }"#, None),
    (r#"{ "type": "split", "by": { "separator": ";" } }"#, None),
    (r#"{ "type": "crc_check", "algorithm": "CRC-16/MODBUS" }"#, None),
];

/// What the records hold. A counter steps by one, a frame is eight bytes with a CRC-16 behind.
fn value(kind: &str, n: usize) -> Value {
    let step = n / TAGS;
    match kind {
        "counter" | "sequence" => Value::U64(step as u64),
        "decode" => Value::Text(format!("{{\"v\":{step}.25}}").into()),
        "split" => Value::Text(format!("{step};{step};{step};{step}").into()),
        "crc_check" => Value::Bytes([1, 3, 4, 0, 10, 1, 2, 3, 0xa0, 0x3a].into()),
        _ => Value::F64(step as f64 * 0.25 + (n % TAGS) as f64),
    }
}

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn main() {
    // `cargo test --benches` and `cargo clippy` build this file; only `cargo bench` shall run it.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    println!(
        "{RECORDS} records in batches of 256, {TAGS} tags, median of {ROUNDS} runs, less what it costs to drop the batches"
    );
    let only = std::env::var("FIELDFLOW_TRANSFORM").ok();
    for (options, most) in NODES {
        let mut options: serde_json::Value = serde_json::from_str(options).expect("the table is right");
        let kind = options.as_object_mut().and_then(|map| map.remove("type")).expect("the table names a type");
        let kind = kind.as_str().unwrap_or_default();
        if only.as_deref().is_some_and(|only| only != kind) {
            continue;
        }
        let bare = median(|| {
            let batches = batches(kind);
            let began = Instant::now();
            batches.into_iter().for_each(drop);
            began.elapsed()
        });
        let took = nanos(median(|| run(build(kind, options.clone()), batches(kind))).saturating_sub(bare));
        let limit = most.map_or(String::new(), |most| format!(" (at most {most})"));
        println!("  {kind:<14} {took:>6.1} ns a record{limit}");
    }
}

fn run(mut node: Box<dyn Transform>, batches: Vec<Batch>) -> Duration {
    let mut out = Outputs::default();
    let began = Instant::now();
    for batch in batches {
        let now = batch.received();
        node.apply(batch, &mut out).expect("no transform of the table breaks");
        if node.due().is_some_and(|due| due <= now) {
            node.tick(now, &mut out);
        }
        out.take_emissions().for_each(drop);
        out.take_filtered().for_each(drop);
    }
    began.elapsed()
}

/// Every tag has a value that changes a little from time to time, one record a millisecond over all tags.
fn batches(kind: &str) -> Vec<Batch> {
    let tags: Vec<Tag> = (0..TAGS).map(|n| Tag::new(&format!("bench.t{n}")).expect("a thousand tags fit")).collect();
    let record =
        |n: usize| Record::good(tags[n % TAGS], Timestamp(1_767_225_600_000_000 + n as i64 * 1000), value(kind, n));
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
