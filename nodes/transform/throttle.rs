//! `throttle`: no more than so many records of a tag in a period.

use std::time::Duration;

use std::path::Path;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality, Record,
    Role, Span, TagMap, TagSelector, Timestamp, Transform, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Frame, rewrite};
use crate::transform::kit::deadlines::Deadlines;
use crate::transform::kit::rules::Rules;

/// `type: throttle`
pub(crate) struct Throttle;

/// Lets so many records of each tag pass in a period and drops the others, or all of them but the newest.
///
/// A period is a tag's own and begins with the record that passes first, so that not all tags come at the same moment; it is
/// not aligned to the clock. With `keep: last`, what is too many is held, a newer record takes the place of an older one, and
/// what is held at the end of the period is emitted then, with its own time, as the first record of the period after it. So
/// the newest value always arrives, at most one period late. With `keep: first` it may be lost: a tag that tells changes only
/// then stays at a wrong value. Every change of quality passes at once, begins a new period and takes the place of what is
/// held.
///
/// Bad quality: the first Bad record passes at once; further ones of the same reason are throttled like any other.
/// Restart: nothing is kept over it. What is held is emitted when the pipeline stops, and lost if the process is killed;
/// so is what had been held and has left, but has not yet arrived at a sink or on a durable edge.
/// Time: the time of the records says in which period they are, ahead or back. What is held while nothing else comes is
/// emitted by the clock of the machine. After a clock was set back a new period begins, so it silences nothing.
/// Memory: one record for each tag that came by, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags to throttle: a name, a pattern such as `press.*`, or a list of them. Others pass. Default: all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// Most records of a tag in a period. At least 1. Default 1.
    #[serde(default = "one")]
    pub(crate) records: u32,
    /// The length of a period, such as `10s`. Longer than zero.
    pub(crate) period: Span,
    /// Which of the records of a period are kept. Default `last`.
    #[serde(default)]
    pub(crate) keep: Keep,
}

fn one() -> u32 {
    1
}

/// Which of the records of a period are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Keep {
    /// The first ones; the others are dropped.
    First,
    /// The first ones, and the newest of the others when the period ends.
    #[default]
    Last,
}

impl NodeSpec for Throttle {
    const TYPE: &'static str = "throttle";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "period: 10s\n";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost).forgets()
    }

    fn check(config: &Config, findings: &mut Findings) {
        if config.period.0.is_zero() {
            findings
                .error("period", "any number of records fits into no time")
                .help("say how long a period is, such as 10s, or leave the node out to let every record pass");
        }
        if config.records == 0 {
            findings.error("records", "no record could ever pass").help("let at least 1 record of a period pass");
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Throttler::new(config)))
    }
}

struct Throttler {
    /// Which tags are throttled.
    tags: Rules<()>,
    limit: Limit,
    states: TagMap<State>,
    deadlines: Deadlines,
}

#[derive(Clone, Copy)]
struct Limit {
    records: u32,
    period: Duration,
    keep: Keep,
}

struct State {
    /// The quality of the last record.
    quality: Quality,
    /// When the period began, by the time of the records.
    start: Timestamp,
    /// How many have passed in it.
    passed: u32,
    held: Option<Record>,
}

impl State {
    /// A period that begins with this record.
    fn begin(record: &Record) -> Self {
        Self { quality: record.quality, start: record.time, passed: 1, held: None }
    }

    /// The end of a period in which something was held: the next one begins with that.
    fn release(&mut self, period: Duration) -> Option<Record> {
        let held = self.held.take()?;
        (self.start, self.passed) = (self.start + period, 1);
        Some(held)
    }

    fn is_over(&self, time: Timestamp, period: Duration) -> bool {
        period <= time.since(self.start).max(self.start.since(time))
    }
}

impl Throttler {
    fn new(Config { tags, records, period, keep }: Config) -> Self {
        Self {
            tags: Rules::one(tags, ()),
            limit: Limit { records, period: period.0, keep },
            states: TagMap::default(),
            deadlines: Deadlines::default(),
        }
    }

    /// Whether the record passes; what leaves before it is put into the list, and what is dropped is counted.
    fn judge(&mut self, record: &Record, received: Timestamp, before: &mut Vec<Record>, dropped: &mut u64) -> bool {
        if !self.tags.names(record.tag) {
            return true;
        }
        let Limit { records, period, keep } = self.limit;
        let slot = self.states.slot(record.tag);
        let Some(state) = slot else {
            *slot = Some(State::begin(record));
            return true;
        };
        if state.is_over(record.time, period)
            && let Some(held) = state.release(period)
        {
            before.push(held);
            self.deadlines.clear(record.tag);
        }
        if state.quality != record.quality || state.is_over(record.time, period) {
            if state.held.is_some() {
                *dropped += 1;
                self.deadlines.clear(record.tag);
            }
            *state = State::begin(record);
            return true;
        }
        if state.passed < records {
            state.passed += 1;
            return true;
        }
        if keep == Keep::First || state.held.is_some() {
            *dropped += 1;
        } else {
            self.deadlines.set(record.tag, period.saturating_sub(record.time.since(state.start)), received);
        }
        if keep == Keep::Last {
            state.held = Some(record.clone());
        }
        false
    }
}

impl Transform for Throttler {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let (received, mut dropped) = (batch.received(), 0);
        rewrite(batch, out, |record, before| self.judge(record, received, before, &mut dropped));
        out.filtered("throttled", dropped);
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        self.deadlines.look(now);
        let mut released = Vec::new();
        while let Some((tag, _)) = self.deadlines.pop(now) {
            let state = self.states.slot(tag).as_mut();
            released.extend(state.and_then(|state| state.release(self.limit.period)));
        }
        Frame::at(now).emit(released, out);
    }

    fn finish(&mut self, now: Timestamp, out: &mut Outputs) {
        let states = &mut self.states;
        let held =
            self.deadlines.drain().filter_map(|tag| states.slot(tag).as_mut().and_then(|state| state.held.take()));
        let mut held: Vec<Record> = held.collect();
        held.sort_by_key(|record| record.time);
        Frame::at(now).emit(held, out);
    }
}

#[cfg(test)]
mod tests;
