//! `dedupe`: lets a record go that says what the last one said.

use std::time::Duration;

use std::path::Path;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality, Record,
    Role, Span, TagMap, TagSelector, Timestamp, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::rules::Rules;

/// `type: dedupe`
pub(crate) struct Dedupe;

/// Drops a record whose value and quality both equal those of the last record that passed of the same tag.
///
/// The first record of a tag always passes, and so does every change of quality, so a fault and its end are never hidden.
/// Values are equal if kind and value are: NaN equals NaN, −0 equals 0, the integer 1 is not the float 1.0.
///
/// Bad quality: a repeated Bad record is a repeat like any other; the first one passes.
/// Restart: nothing is kept over it, so the first record of each tag passes again.
/// Time: the time of the records, not of the machine.
/// Memory: one record for each tag that came by, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags to work on: a name, a pattern such as `press.*`, or a list of them; others pass untouched. Default: all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// Longest silence of a tag: an unchanged record still passes when at least this time has gone by since the last one
    /// that passed, such as `60s`. A record that is older than the last one passes too, so that a clock that was set back
    /// silences nothing. Longer than zero. Default: none, an unchanged value never passes again.
    #[serde(default)]
    pub(crate) max_silence: Option<Span>,
}

impl NodeSpec for Dedupe {
    const TYPE: &'static str = "dedupe";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "max_silence: 60s\n";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost)
    }

    fn check(config: &Config, findings: &mut Findings) {
        if config.max_silence.is_some_and(|span| span.0.is_zero()) {
            findings
                .error("max_silence", "a silence of no length lets every record pass")
                .help("leave the option out to drop all repeats, or leave the node out to drop none");
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Gate {
            rules: Rules::one(config.tags, ()),
            max_silence: config.max_silence.map(|span| span.0),
            last: TagMap::default(),
        }))
    }
}

struct Gate {
    rules: Rules<()>,
    max_silence: Option<Duration>,
    last: TagMap<Passed>,
}

/// The last record of a tag that passed.
struct Passed {
    value: Value,
    quality: Quality,
    time: Timestamp,
}

impl Gate {
    /// Whether the record passes; if so, it is the one that the next is compared with.
    fn passes(&mut self, record: &Record) -> bool {
        if !self.rules.names(record.tag) {
            return true;
        }
        let slot = self.last.slot(record.tag);
        if let Some(last) = slot
            && last.quality == record.quality
            && last.value.same_as(&record.value)
        {
            let due = self
                .max_silence
                .is_some_and(|silence| record.time < last.time || silence <= record.time.since(last.time));
            if due {
                last.time = record.time;
            }
            return due;
        }
        *slot = Some(Passed { value: record.value.clone(), quality: record.quality, time: record.time });
        true
    }
}

impl Transform for Gate {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| if self.passes(record) { Fate::Passes } else { Fate::Goes("duplicate") });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::Tag;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn gate(max_silence: Option<Duration>) -> Gate {
        Gate { rules: Rules::one(None, ()), max_silence, last: TagMap::default() }
    }

    fn record(tag: &str, time: i64, value: Value) -> Record {
        Record::good(Tag::new(tag).unwrap(), Timestamp(time), value)
    }

    fn run(gate: &mut Gate, records: Vec<Record>) -> (Vec<Record>, u64) {
        let mut out = Outputs::default();
        gate.apply(Batch::new(records, Timestamp(0)).unwrap(), &mut out).unwrap();
        let kept = out.take_emissions().flat_map(|emission| emission.batch.into_records()).collect();
        (kept, out.take_filtered().map(|(_, records)| records).sum())
    }

    #[test]
    fn an_unchanged_value_is_dropped_and_a_change_of_quality_passes() {
        let mut bad = record("dedupe.a", 2, Value::I64(7));
        bad.quality = Quality::BAD_TIMEOUT;
        let records =
            vec![record("dedupe.a", 0, Value::I64(7)), record("dedupe.a", 1, Value::I64(7)), bad.clone(), bad];
        let (kept, dropped) = run(&mut gate(None), records);
        assert_eq!(kept.iter().map(|record| record.time.0).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(dropped, 2);
    }

    #[test]
    fn a_clock_set_back_does_not_silence_a_tag() {
        let mut gate = gate(Some(Duration::from_micros(10)));
        let times = [100, 105, 110, 119, 50, 55, 60];
        let records = times.iter().map(|&time| record("dedupe.b", time, Value::F64(f64::NAN))).collect();
        let (kept, _) = run(&mut gate, records);
        assert_eq!(kept.iter().map(|record| record.time.0).collect::<Vec<_>>(), [100, 110, 50, 60]);
    }

    #[test]
    fn a_batch_without_repeats_is_not_copied_even_if_it_is_shared() {
        let records = vec![record("dedupe.c", 0, Value::I64(1)), record("dedupe.c", 1, Value::I64(2))];
        let batch = Batch::new(records, Timestamp(0)).unwrap();
        let (shared, mut out) = (batch.clone(), Outputs::default());
        gate(None).apply(batch, &mut out).unwrap();
        let emission = out.take_emissions().next().unwrap();
        assert_eq!(emission.batch.records().as_ptr(), shared.records().as_ptr());
    }

    #[test]
    fn a_batch_of_repeats_leaves_nothing() {
        let mut gate = gate(None);
        run(&mut gate, vec![record("dedupe.d", 0, Value::Bool(true))]);
        let (kept, dropped) = run(&mut gate, vec![record("dedupe.d", 1, Value::Bool(true)); 3]);
        assert_eq!((kept.len(), dropped), (0, 3));
    }

    /// The rule once more, over names and without a thought for speed.
    fn model(max_silence: Option<i64>, records: &[Record]) -> Vec<Record> {
        let mut last: HashMap<&str, Record> = HashMap::new();
        let mut kept = Vec::new();
        for record in records {
            let same = last
                .get(record.tag.name())
                .is_some_and(|last| last.value.same_as(&record.value) && last.quality == record.quality);
            let due = max_silence.is_some_and(|silence| {
                last.get(record.tag.name())
                    .is_some_and(|last| record.time < last.time || last.time.0 + silence <= record.time.0)
            });
            if !same || due {
                last.insert(record.tag.name(), record.clone());
                kept.push(record.clone());
            }
        }
        kept
    }

    fn any_record() -> impl Strategy<Value = Record> {
        let value = prop::sample::select(vec![Value::I64(1), Value::F64(1.0), Value::F64(-0.0), Value::F64(0.0)]);
        let quality = prop::sample::select(vec![Quality::GOOD, Quality::GOOD, Quality::BAD]);
        (0..3, value, quality, 0..100_i64).prop_map(|(tag, value, quality, time)| Record {
            quality,
            ..record(&format!("dedupe.model.{tag}"), time, value)
        })
    }

    proptest! {
        #[test]
        fn it_keeps_what_the_naive_model_keeps(
            batches in prop::collection::vec(prop::collection::vec(any_record(), 1..12), 1..8),
            max_silence in prop::option::of(1..40_i64),
        ) {
            let mut gate = gate(max_silence.map(|micros| Duration::from_micros(micros as u64)));
            let (mut kept, mut dropped) = (Vec::new(), 0);
            for batch in &batches {
                let (some, filtered) = run(&mut gate, batch.clone());
                kept.extend(some);
                dropped += filtered;
            }
            let all = batches.concat();
            prop_assert_eq!(all.len() as u64, kept.len() as u64 + dropped);
            prop_assert_eq!(kept, model(max_silence, &all));
        }
    }
}
