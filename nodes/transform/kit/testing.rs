//! For tests: builds a transform and plays records through it.

use std::path::Path;
use std::sync::Arc;

use fieldflow_contract::{
    Batch, BuildContext, Findings, Node, NodeKind, Outputs, Port, Quality, Record, Saved, Severity, SystemClock, Tag,
    Tally, Timestamp, Transform, Value,
};

/// A transform with these options.
pub(crate) fn build(kind: &dyn NodeKind, options: serde_json::Value) -> Box<dyn Transform> {
    build_with(kind, options, &Saved::default()).0
}

/// The same with what it keeps over a restart, and with its counters.
pub(crate) fn build_with(
    kind: &dyn NodeKind,
    options: serde_json::Value,
    saved: &Saved,
) -> (Box<dyn Transform>, Tally) {
    let alone = BuildContext::alone("test", Path::new(""), Arc::new(SystemClock));
    let context = BuildContext { saved: saved.clone(), ..alone };
    let ready = kind.prepare(options).unwrap();
    let mut findings = Findings::default();
    ready.check(&mut findings);
    assert!(findings.0.iter().all(|found| found.severity != Severity::Error), "{findings:?}");
    match ready.build(&context).unwrap() {
        Node::Transform(node) => (node, context.tally),
        _ => panic!("not a transform"),
    }
}

/// A Good record at so many seconds.
pub(crate) fn at(tag: &str, seconds: i64, value: Value) -> Record {
    Record::good(Tag::new(tag).unwrap(), Timestamp(seconds * 1_000_000), value)
}

/// The same record with another quality.
pub(crate) fn with(quality: Quality, record: Record) -> Record {
    Record { quality, ..record }
}

/// What left by the default port.
pub(crate) fn emitted(out: &mut Outputs) -> Vec<Record> {
    let default = out.take_emissions().filter(|emission| emission.port == Port::DEFAULT);
    default.flat_map(|emission| emission.batch.into_records()).collect()
}

/// Plays the records as one batch, received at the time of the last, and lets the node look at the clock if it wants to; what
/// leaves by the default port.
pub(crate) fn play(node: &mut dyn Transform, records: Vec<Record>) -> Vec<Record> {
    let mut out = Outputs::default();
    let received = records.last().map_or(Timestamp(0), |record| record.time);
    apply(node, Batch::new(records, received).unwrap(), &mut out);
    emitted(&mut out)
}

/// Gives a node a batch and a look at the clock behind it, as the engine does.
pub(crate) fn apply(node: &mut dyn Transform, batch: Batch, out: &mut Outputs) {
    let now = batch.received();
    node.apply(batch, out).unwrap();
    if node.due().is_some_and(|due| due <= now) {
        node.tick(now, out);
        assert!(node.due().is_none_or(|due| now < due), "what was due was done and is due once more");
    }
}

/// What left, in order, and how many were let go.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Played {
    pub(crate) left: Vec<Record>,
    pub(crate) filtered: u64,
}

impl Played {
    /// What left of one tag.
    pub(crate) fn of(&self, tag: Tag) -> Vec<&Record> {
        self.left.iter().filter(|record| record.tag == tag).collect()
    }

    fn take(&mut self, mut out: Outputs) {
        self.left.extend(out.take_emissions().flat_map(|emission| emission.batch.into_records()));
        self.filtered += out.take_filtered().map(|(_, records)| records).sum::<u64>();
    }
}

/// Plays records as they would come live: each at its own time, and a tick whenever one is due on the way.
pub(crate) fn live(transform: &mut impl Transform, records: &[Record]) -> Played {
    let mut played = Played::default();
    let mut now = Timestamp(i64::MIN);
    for record in records {
        while let Some(due) = transform.due().filter(|due| *due <= record.time) {
            let mut out = Outputs::default();
            now = now.max(due);
            transform.tick(now, &mut out);
            assert_ne!(transform.due(), Some(due), "what was due was done and is due once more");
            played.take(out);
        }
        now = now.max(record.time);
        let mut out = Outputs::default();
        transform.apply(Batch::one(record.clone(), now), &mut out).unwrap();
        played.take(out);
    }
    end(transform, now, played)
}

/// Plays records as they come after an outage: all at once, in batches of so many, with the clock far beyond.
pub(crate) fn replayed(transform: &mut impl Transform, records: &[Record], at_once: usize) -> Played {
    let mut played = Played::default();
    let now = Timestamp(1 << 60);
    for records in records.chunks(at_once) {
        let mut out = Outputs::default();
        let batch = Batch::new(records.to_vec(), records[0].time).unwrap().replayed();
        transform.apply(batch, &mut out).unwrap();
        if transform.due().is_some_and(|due| due <= now) {
            transform.tick(now, &mut out);
        }
        played.take(out);
    }
    end(transform, now, played)
}

fn end(transform: &mut impl Transform, now: Timestamp, mut played: Played) -> Played {
    let mut out = Outputs::default();
    transform.finish(now, &mut out);
    played.take(out);
    played
}
