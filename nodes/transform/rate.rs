//! `rate`: how fast a value changes.

use std::time::Duration;

use std::path::Path;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Level, NUMBERS, Node, NodeSpec, Outputs, Place,
    Ports, Quality, Record, Role, Span, Tag, TagMap, TagSelector, Timestamp, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::names::{self, Naming};
use crate::transform::kit::number::{slope, unusable};
use crate::transform::kit::rules::Rules;

/// `type: rate`
pub(crate) struct Rate;

/// Gives how fast a value changes: its difference to the value before, for each `per` of the time between them.
///
/// For levels, positions and temperatures; a counter that wraps or starts again from 0 is for `counter` with `output: rate`.
/// The result is a double in the place of the value, of the tag that `as` says, with the time and the quality of the later of
/// the two records. Short decimals are exact: from 0.1 to 0.3 in a second is 0.2.
///
/// The first value of a tag gives no rate, nor does one that is as old as the last or older, nor the first after a gap; they
/// are what the next is measured from, and are counted as `first`, `time`, `gap` and `negative`. A record whose tag makes no
/// name by `as` goes to `rejected` as it came.
///
/// Bad quality: a Bad record passes without its value, so that a fault is told at once. After it, and after any change between
/// Good and Uncertain, the measuring starts anew. The change to Uncertain passes without a value, as there is no rate yet.
/// What is no number keeps its value with `bad:type_mismatch`; NaN, infinity and a result that is too large with
/// `bad:out_of_range`.
/// Restart: nothing is kept over it, so the first value of each tag gives no rate.
/// Time: the time of the records, not of the machine.
/// Memory: one value for each tag that came by, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags to work on: a name, a pattern such as `level.*`, or a list of them; others pass untouched. Default: all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// The time that the rate is for: with `1m` it is the change in a minute. Longer than zero. Default 1s.
    #[serde(default = "second")]
    pub(crate) per: Span,
    /// Longest time between two values that still gives a rate; after a longer one it starts anew. Longer than zero.
    /// Default: none, any gap is measured across.
    #[serde(default)]
    pub(crate) max_gap: Option<Span>,
    /// Whether to let go of rates below 0, which for what can only grow are a restart of the device. Default false.
    #[serde(default)]
    pub(crate) non_negative: bool,
    /// The name of the result, such as `"{tag}.rate"`; `{tag}` is the name that came, `{tag[1]}` its second part between dots
    /// or slashes. Default: the same tag.
    #[serde(default, rename = "as")]
    pub(crate) name: Option<String>,
}

fn second() -> Span {
    Span(Duration::from_secs(1))
}

impl NodeSpec for Rate {
    const TYPE: &'static str = "rate";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
tags: \"tank.*.level\"
per: 1m
max_gap: 10m
as: \"{tag}.per_minute\"
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Values, Carries::Values).with_rejected()
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        Facts::renames(Yield::AtMost).place(Place::Sums).of_types(config.tags.as_ref(), NUMBERS)
    }

    fn check(config: &Config, findings: &mut Findings) {
        if config.per.0.is_zero() {
            findings
                .error("per", "a rate for no time at all")
                .help("say 1s for the change in a second, 1h for that in an hour");
        }
        if config.max_gap.is_some_and(|span| span.0.is_zero()) {
            findings
                .error("max_gap", "between two values there is always some time, so nothing would give a rate")
                .help("leave the option out to measure across any gap");
        }
        if let Some(name) = &config.name {
            names::check_derived(name, &[], &"as".into(), findings);
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Rates {
            rules: Rules::one(config.tags, ()),
            names: Naming::new(config.name.as_deref())?,
            meter: Meter {
                per: config.per.0.as_micros() as u64,
                max_gap: config.max_gap.map(|span| span.0),
                non_negative: config.non_negative,
            },
            last: TagMap::default(),
        }))
    }
}

struct Rates {
    rules: Rules<()>,
    names: Naming,
    meter: Meter,
    last: TagMap<Last>,
}

/// What the next value of a tag is measured from.
struct Last {
    level: Level,
    /// None while the tag is Bad.
    value: Option<(Value, Timestamp)>,
}

struct Meter {
    /// In microseconds.
    per: u64,
    max_gap: Option<Duration>,
    non_negative: bool,
}

impl Meter {
    /// The record that leaves, under this name: with the rate in the place of the value.
    fn judge(&self, last: &mut Option<Last>, record: &Record, name: Tag) -> Fate {
        let leaves = |value, quality| Fate::Becomes(Record { tag: name, quality, time: record.time, value });
        let wrong = if record.quality.is_bad() { None } else { unusable(&record.value) };
        let quality = wrong.unwrap_or(record.quality);
        let level = quality.level();
        if level == Level::Bad {
            *last = Some(Last { level, value: None });
            let value = if wrong.is_some() { record.value.clone() } else { Value::Null };
            return leaves(value, quality);
        }
        match last.replace(Last { level, value: Some((record.value.clone(), record.time)) }) {
            Some(before) if before.level < level => leaves(Value::Null, quality),
            Some(Last { level: before, value: Some((from, since)) }) if before == level => {
                match self.between((&from, since), record) {
                    Ok(rate) if rate.is_finite() => leaves(Value::F64(rate), quality),
                    Ok(rate) => leaves(Value::F64(rate), Quality::BAD_OUT_OF_RANGE),
                    Err(reason) => Fate::Goes(reason),
                }
            }
            _ => Fate::Goes("first"),
        }
    }

    /// The rate from a value to a record, or why there is none.
    fn between(&self, (from, since): (&Value, Timestamp), to: &Record) -> Result<f64, &'static str> {
        let gap = to.time.since(since);
        if gap.is_zero() {
            return Err("time");
        }
        if self.max_gap.is_some_and(|most| most < gap) {
            return Err("gap");
        }
        let rate = slope(from, &to.value, self.per, gap.as_micros() as u64).unwrap_or(f64::NAN);
        if self.non_negative && rate < 0.0 {
            return Err("negative");
        }
        Ok(rate)
    }
}

impl Transform for Rates {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| {
            if !self.rules.names(record.tag) {
                return Fate::Passes;
            }
            let Some(name) = self.names.of(record.tag) else { return Fate::Rejected };
            self.meter.judge(self.last.slot(record.tag), record, name)
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::kit::testing::{at, build, play, with};
    use proptest::prelude::*;
    use serde_json::json;

    fn values(records: &[Record]) -> Vec<Value> {
        records.iter().map(|record| record.value.clone()).collect()
    }

    #[test]
    fn a_straight_ramp_of_decimals_has_one_rate() {
        let mut node = build(&Rate, json!({ "per": "1m" }));
        let ramp = (0..100).map(|n| at("rate.ramp", n, Value::F64((20 + n) as f64 / 10.0))).collect();
        assert_eq!(values(&play(&mut *node, ramp)), vec![Value::F64(6.0); 99]);
    }

    #[test]
    fn a_clock_that_was_set_back_costs_one_value_only() {
        let mut node = build(&Rate, json!({}));
        let times = [100, 101, 5, 6, 7];
        let told = play(&mut *node, times.map(|time| at("rate.back", time, Value::I64(time))).to_vec());
        assert_eq!(told.iter().map(|record| record.time.0 / 1_000_000).collect::<Vec<_>>(), [101, 6, 7]);
    }

    #[test]
    fn a_fault_is_told_at_once_and_not_measured_across() {
        let mut node = build(&Rate, json!({}));
        let told = play(
            &mut *node,
            vec![
                at("rate.fault", 0, Value::I64(0)),
                with(Quality::BAD_TIMEOUT, at("rate.fault", 1, Value::I64(0))),
                at("rate.fault", 2, Value::I64(100)),
                at("rate.fault", 3, Value::I64(101)),
                with(Quality::UNCERTAIN, at("rate.fault", 4, Value::I64(0))),
                with(Quality::UNCERTAIN, at("rate.fault", 5, Value::I64(2))),
                at("rate.fault", 6, Value::I64(50)),
                at("rate.fault", 7, Value::I64(53)),
            ],
        );
        let expected = [
            (1, Value::Null, Quality::BAD_TIMEOUT),
            (3, Value::F64(1.0), Quality::GOOD),
            (4, Value::Null, Quality::UNCERTAIN),
            (5, Value::F64(2.0), Quality::UNCERTAIN),
            (7, Value::F64(3.0), Quality::GOOD),
        ];
        let told: Vec<_> = told.into_iter().map(|r| (r.time.0 / 1_000_000, r.value, r.quality)).collect();
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn the_rates_add_up_to_the_way_that_was_made(steps in prop::collection::vec((1_i64..100, -1000_i64..1000), 1..50)) {
            let mut node = build(&Rate, json!({}));
            let (mut time, mut level, mut records) = (0, 0, vec![at("rate.sum", 0, Value::I64(0))]);
            for (seconds, rise) in &steps {
                (time, level) = (time + seconds, level + rise);
                records.push(at("rate.sum", time, Value::I64(level)));
            }
            let told = play(&mut *node, records);
            let way: f64 = told.iter().zip(&steps).map(|(r, (seconds, _))| r.value.as_f64().unwrap() * *seconds as f64).sum();
            prop_assert!((way - level as f64).abs() < 1e-6);
        }
    }
}
