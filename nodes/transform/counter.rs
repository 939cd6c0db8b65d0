//! `counter`: what a meter counts, across its wraps and its restarts.
//!
//! Parts: `config` has the options, `count` the arithmetic, `kept` what is kept over a restart.

mod config;
mod count;
mod kept;
#[cfg(test)]
mod tests;

use std::time::Duration;

use std::path::Path;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Place, Ports, Quality,
    Record, Role, Tag, Timestamp, Transform, Value, Yield,
};

use self::config::{Config, Output, Reset, Rule};
use self::count::{Amount, Dial, Step};
use self::kept::Kept;
use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::names::Naming;
use crate::transform::kit::number::slope;
use crate::transform::kit::per_tag::PerTag;
use crate::transform::kit::rules::Rules;
use crate::transform::kit::shelf::Shelf;

/// `type: counter`
pub(crate) struct Counter;

/// A reading that is older than the last one by more than this comes from a clock that was set back, as by a device that
/// restarts without one; one that is less so is only late.
const LATE_AT_MOST: Duration = Duration::from_secs(3600);

/// The runtime writes what is stored about so often.
const STORE_AT_MOST: Duration = Duration::from_secs(1);

impl NodeSpec for Counter {
    const TYPE: &'static str = "counter";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"*.pulses\", max: 65536, as: \"{tag}.total\" }
  - { tags: \"*.energy\", max: 999999, output: rate, per: 1h, reset: skip }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Values, Carries::Values).with_rejected()
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        let rules = config.rules.iter().map(|rule| &rule.tags);
        Facts::renames(Yield::AtMost).place(Place::Sums).of_numbers(rules)
    }

    fn check(config: &Config, findings: &mut Findings) {
        config::check(config, findings);
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let rules = config.rules.into_iter().map(|rule| Ok((rule.tags.clone(), Counting::new(&rule)?)));
        Ok(Node::transform(Counters {
            rules: Rules::new(rules.collect::<Result<Vec<_>, BuildError>>()?),
            last: PerTag::default(),
            shelf: Shelf::new(&context.saved, &context.tally),
            save_every: config.save_every.0,
            save_at: None,
            saved_at: None,
        }))
    }
}

struct Counters {
    rules: Rules<Counting>,
    last: PerTag<Option<Kept>>,
    shelf: Shelf<Kept>,
    save_every: Duration,
    /// When to store, if there is something new to store.
    save_at: Option<Timestamp>,
    /// When that was done last.
    saved_at: Option<Timestamp>,
}

struct Counting {
    dial: Dial,
    output: Output,
    /// In microseconds.
    per: u64,
    names: Naming,
}

impl Counting {
    fn new(rule: &Rule) -> Result<Self, BuildError> {
        Ok(Self {
            dial: Dial::new(rule.max, rule.max_delta, rule.reset == Reset::Value),
            output: rule.output,
            per: rule.per.map_or(1_000_000, |per| per.0.as_micros() as u64),
            names: Naming::new(rule.name.as_deref())?,
        })
    }

    /// Counts a record. What leaves bears this name, and the result in the place of the value.
    fn judge(&self, last: &mut Option<Kept>, record: &Record, name: Tag, is_replayed: bool) -> Fate {
        let leaves = |value, quality| Fate::Becomes(Record { tag: name, quality, time: record.time, value });
        if !is_reading(record.quality) {
            let total = last.filter(|_| self.output == Output::Total).map(|last| last.total.value());
            return leaves(total.unwrap_or_default(), record.quality);
        }
        let reading = Amount::read(&record.value);
        let shown = |reading: &Amount| self.dial.shows(*reading);
        let raw = match reading.and_then(|raw| Some(raw).filter(shown).ok_or(Quality::BAD_OUT_OF_RANGE)) {
            Ok(raw) => raw,
            Err(wrong) => return leaves(record.value.clone(), wrong),
        };
        let Some(before) = *last else {
            *last = Some(Kept { raw, total: Amount::NONE, time: record.time.0 });
            let is_told = self.output == Output::Total;
            return if is_told { leaves(Amount::NONE.value(), record.quality) } else { Fate::Goes("first") };
        };
        // Higher or lower: over a wrap or a restart, what came before it is the higher one.
        if is_late(before.time(), record.time, is_replayed) {
            return Fate::Goes("late");
        }
        let step = self.dial.step(before.raw, raw);
        let delta = match step {
            Step::Counted(delta) => delta,
            Step::Unknown => Amount::NONE,
        };
        let Some(total) = before.total.plus(delta) else {
            // There is no room for more; the next one finds none either.
            return leaves(before.total.value(), Quality::BAD_OUT_OF_RANGE);
        };
        *last = Some(Kept { raw, total, time: record.time.0 });
        let value = match (self.output, step) {
            (Output::Total, _) => total.value(),
            (_, Step::Unknown) => return Fate::Goes("reset"),
            (Output::Delta, _) => delta.value(),
            (Output::Rate, _) => match record.time.since(before.time()).as_micros() as u64 {
                0 => return Fate::Goes("time"),
                gap => Value::F64(slope(&Value::U64(0), &delta.value(), self.per, gap).unwrap_or(f64::NAN)),
            },
        };
        let has_room = !matches!(value, Value::F64(rate) if !rate.is_finite());
        leaves(value, if has_room { record.quality } else { Quality::BAD_OUT_OF_RANGE })
    }
}

/// Whether a value of this quality is something that the counter has shown. What stands in for a reading is none, and counting
/// it would be a restart that never was.
fn is_reading(quality: Quality) -> bool {
    let stands_in = [Quality::UNCERTAIN_LAST_USABLE, Quality::UNCERTAIN_SUBSTITUTE, Quality::UNCERTAIN_INITIAL];
    !quality.is_bad() && !stands_in.contains(&quality)
}

fn is_late(last: Timestamp, now: Timestamp, is_replayed: bool) -> bool {
    now < last && (is_replayed || last.since(now) <= LATE_AT_MOST)
}

impl Counters {
    fn save(&mut self, now: Timestamp) {
        (self.save_at, self.saved_at) = (None, Some(now));
        self.shelf.store(self.last.iter().filter_map(|(tag, last)| last.map(|last| (tag.name(), last))));
    }
}

impl Transform for Counters {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let (received, is_replayed) = (batch.received(), batch.is_replayed());
        let Self { rules, last, shelf, .. } = self;
        let (mut has_counted, mut has_begun) = (false, false);
        edit(batch, out, |record| {
            let Some(rule) = rules.of_mut(record.tag) else { return Fate::Passes };
            let Some(name) = rule.names.of(record.tag) else { return Fate::Rejected };
            let last = last.of(record.tag, || shelf.take(record.tag.name()));
            let before = *last;
            let fate = rule.judge(last, record, name, is_replayed);
            has_counted |= before != *last;
            has_begun |= before.is_none() && last.is_some();
            fate
        });
        if has_counted {
            // The earlier one counts, so that a clock that was set back does not keep it from being stored.
            let mut next = received + self.save_every;
            if has_begun {
                // Without its first reading there is nothing from which a total could catch up.
                next = self.saved_at.map_or(received, |saved| received.max(saved + STORE_AT_MOST)).min(next);
            }
            self.save_at = Some(self.save_at.map_or(next, |at| at.min(next)));
        }
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.save_at
    }

    fn tick(&mut self, now: Timestamp, _: &mut Outputs) {
        self.save(now);
    }

    fn finish(&mut self, now: Timestamp, _: &mut Outputs) {
        if self.save_at.is_some() {
            self.save(now);
        }
    }
}
