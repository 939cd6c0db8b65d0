//! `median`: a moving median, which takes single spikes out and keeps steps sharp.

use std::collections::VecDeque;
use std::time::Duration;

use std::path::Path;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Level, NUMBERS, Node, NodeSpec, Outputs, Place,
    Ports, Quality, Record, Role, Span, TagMap, TagSelector, Timestamp, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::number::{compare, unusable};
use crate::transform::kit::rules::Rules;

/// `type: median`
pub(crate) struct Median;

/// Puts the median of the last few values of a tag in the place of each value, so that single spikes disappear.
///
/// Every record passes, with its own time and quality and with the median as its value, which is one of the values that came
/// and keeps its type. A spike of fewer than half of `samples` values is taken out; a step comes through unblurred and half of
/// `samples` values late. As long as a tag had fewer values than `samples`, the median is that of those; of an even number of
/// values it is the lower one of the two in the middle.
///
/// Bad quality: a Bad record passes as it came and is no part of any median. Any change of quality empties the window of
/// its tag. What is no number keeps its value with `bad:type_mismatch`, NaN and infinity with
/// `bad:out_of_range`.
/// Restart: nothing is kept over it; the window of each tag fills anew.
/// Time: the time of the records, for `max_gap` only; values count in the order in which they arrive.
/// Memory: `samples` values for each tag that came by, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags to work on: a name, a pattern such as `level.*`, or a list of them; others pass untouched. Default: all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// How many values the median is taken of: an odd number from 3 to 101. Default 5.
    #[serde(default = "five")]
    #[schemars(range(min = 3, max = 101))]
    pub(crate) samples: usize,
    /// The window of a tag is emptied when more time than this lies between two of its values, either way. Longer than zero.
    /// Default: none, it is never emptied for that.
    #[serde(default)]
    pub(crate) max_gap: Option<Span>,
}

fn five() -> usize {
    5
}

/// The largest window.
const MOST_SAMPLES: usize = 101;

impl NodeSpec for Median {
    const TYPE: &'static str = "median";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
tags: \"tank.*.level\"
samples: 5
max_gap: 1m
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Values, Carries::Values)
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::Each).place(Place::Sums).of_types(config.tags.as_ref(), NUMBERS)
    }

    fn check(config: &Config, findings: &mut Findings) {
        if !(3..=MOST_SAMPLES).contains(&config.samples) {
            findings.error("samples", format!("a median is taken of 3 to {MOST_SAMPLES} values"));
        } else if config.samples.is_multiple_of(2) {
            findings.error("samples", format!("of {} values, none is in the middle", config.samples)).help(format!(
                "say {} or {}",
                config.samples - 1,
                config.samples + 1
            ));
        }
        if config.max_gap.is_some_and(|span| span.0.is_zero()) {
            findings
                .error("max_gap", "between two values there is always some time, so the window would never fill")
                .help("leave the option out to keep the window over any gap");
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Medians {
            rules: Rules::one(config.tags, ()),
            samples: config.samples.clamp(1, MOST_SAMPLES),
            max_gap: config.max_gap.map(|span| span.0),
            windows: TagMap::default(),
        }))
    }
}

struct Medians {
    rules: Rules<()>,
    samples: usize,
    max_gap: Option<Duration>,
    windows: TagMap<Window>,
}

/// The last values of a tag.
struct Window {
    quality: Quality,
    last: Timestamp,
    arrived: VecDeque<Value>,
    sorted: Vec<Value>,
}

impl Window {
    fn empty(&mut self) {
        self.arrived.clear();
        self.sorted.clear();
    }

    /// Takes a value in, lets the oldest go if there is no more room, and gives the one in the middle.
    fn median(&mut self, value: Value, samples: usize) -> Value {
        if self.arrived.len() == samples
            && let Some(oldest) = self.arrived.pop_front()
            && let Ok(at) = self.sorted.binary_search_by(|known| compare(known, &oldest))
        {
            self.sorted.remove(at);
        }
        let at = self.sorted.partition_point(|known| compare(known, &value).is_lt());
        self.sorted.insert(at, value.clone());
        self.arrived.push_back(value);
        self.sorted.get((self.sorted.len() - 1) / 2).cloned().unwrap_or_default()
    }
}

impl Medians {
    fn judge(&mut self, record: &Record) -> Fate {
        if !self.rules.names(record.tag) {
            return Fate::Passes;
        }
        let wrong = if record.quality.is_bad() { None } else { unusable(&record.value) };
        let quality = wrong.unwrap_or(record.quality);
        let anew = || Window { quality, last: record.time, arrived: VecDeque::new(), sorted: Vec::new() };
        let window = self.windows.slot(record.tag).get_or_insert_with(anew);
        let gap = record.time.since(window.last).max(window.last.since(record.time));
        if window.quality != quality || self.max_gap.is_some_and(|most| most < gap) {
            window.empty();
        }
        (window.quality, window.last) = (quality, record.time);
        match quality.level() {
            Level::Bad if wrong.is_none() => Fate::Passes,
            Level::Bad => Fate::Becomes(Record { quality, ..record.clone() }),
            _ => Fate::Becomes(Record { value: window.median(record.value.clone(), self.samples), ..*record }),
        }
    }
}

impl Transform for Medians {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| self.judge(record));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::kit::testing::{at, build, play};
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn one_wild_value_does_not_come_through() {
        let mut node = build(&Median, json!({ "samples": 3 }));
        let values = [5, 6, 900, 6, 7, 20, 20].map(Value::I64);
        let told = play(&mut *node, values.map(|value| at("median.spike", 0, value)).to_vec());
        let told: Vec<Value> = told.into_iter().map(|record| record.value).collect();
        assert_eq!(told, [5, 5, 6, 6, 7, 7, 20].map(Value::I64));
    }

    fn any_number() -> impl Strategy<Value = Value> {
        let float = prop::sample::select(vec![-0.0, 0.0, 1.5, -7.25, 1e18]).prop_map(Value::F64);
        prop_oneof![
            any::<i64>().prop_map(Value::I64),
            (-5..5_i64).prop_map(Value::I64),
            any::<u64>().prop_map(Value::U64),
            float
        ]
    }

    proptest! {
        #[test]
        fn it_is_the_middle_of_the_last_values_sorted(values in prop::collection::vec(any_number(), 1..60), half in 1..6_usize) {
            let samples = 2 * half + 1;
            let mut node = build(&Median, json!({ "samples": samples }));
            let told = play(&mut *node, values.iter().map(|value| at("median.model", 0, value.clone())).collect());
            prop_assert_eq!(told.len(), values.len());
            for (n, told) in told.iter().enumerate() {
                let mut last = values[(n + 1).saturating_sub(samples)..=n].to_vec();
                last.sort_by(compare);
                prop_assert!(compare(&told.value, &last[(last.len() - 1) / 2]).is_eq(), "{} {:?} {:?}", n, told, last);
            }
        }
    }
}
