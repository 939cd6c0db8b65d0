//! Builds a transform and plays records through it, for the tests of the transforms.

use std::path::Path;
use std::sync::Arc;

use fieldflow_contract::{
    Batch, BuildContext, Node, NodeKind, NodeSpec, Outputs, Port, Quality, Record, Saved, SystemClock, Tag, Timestamp,
    Transform, Value,
};

/// A transform with these options, and with what it keeps over a restart.
pub(super) fn build<S: NodeSpec>(spec: &S, options: serde_json::Value, saved: &Saved) -> Box<dyn Transform> {
    let alone = BuildContext::alone("test", Path::new(""), Arc::new(SystemClock));
    let context = BuildContext { saved: saved.clone(), ..alone };
    match spec.prepare(options).unwrap().build(&context).unwrap() {
        Node::Transform(node) => node,
        _ => panic!("not a transform"),
    }
}

/// A Good record at so many seconds.
pub(super) fn at(tag: &str, seconds: i64, value: Value) -> Record {
    Record::good(Tag::new(tag).unwrap(), Timestamp(seconds * 1_000_000), value)
}

/// The same record with another quality.
pub(super) fn with(quality: Quality, record: Record) -> Record {
    Record { quality, ..record }
}

/// What left by the default port.
pub(super) fn emitted(out: &mut Outputs) -> Vec<Record> {
    let default = out.take_emissions().filter(|emission| emission.port == Port::DEFAULT);
    default.flat_map(|emission| emission.batch.into_records()).collect()
}

/// Plays the records as one batch, received at the time of the last; what leaves by the default port.
pub(super) fn play(node: &mut dyn Transform, records: Vec<Record>) -> Vec<Record> {
    let mut out = Outputs::default();
    let received = records.last().map_or(Timestamp(0), |record| record.time);
    node.apply(Batch::new(records, received).unwrap(), &mut out).unwrap();
    emitted(&mut out)
}
