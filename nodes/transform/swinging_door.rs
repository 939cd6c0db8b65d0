//! `swinging_door`: lets go what a straight line between two records tells as well.

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Place, Ports,
    Record, Role, Span, TagSelector, Timestamp, Transform, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Frame, rewrite};
use crate::transform::kit::deadlines::Deadlines;
use crate::transform::kit::per_tag::PerTag;
use crate::transform::kit::rules::{self, Rules};
use door::{Door, Limits};

mod door;

/// `type: swinging_door`
pub(crate) struct SwingingDoor;

/// Drops numbers that lie on the straight line between those that it emits, to within a deviation.
///
/// For measured values that are stored and drawn as lines, not for states. The first rule that names a tag is used; a record
/// that no rule names passes as it came. What is promised: draw straight lines between the records that left, and each one
/// that was dropped lies no further than `deviation` above or below them (to within the rounding of doubles, and except for
/// what `min_time` swallows). The first and the last number of a tag always leave, as does every change of quality with the
/// number before it.
///
/// The newest record of each tag is held until the next shows whether it is needed, so a record leaves one record late; set
/// `max_time` where that may be long. Times of a tag stay in order as they came; between tags the order may change. Text,
/// bytes, booleans, Null, NaN and infinity are on no line: they pass when they change, and the record before them leaves too.
///
/// Bad quality: Bad records are on no line either: they pass when value or reason change.
/// Restart: nothing is kept over it, so the first record of each tag passes again. What is held is emitted when the pipeline
/// stops, and lost if the process is killed; so is what had been held and has left, but has not yet arrived at a sink or on a
/// durable edge.
/// Time: the time of the records. `max_time` also ends by the clock of the machine where nothing else comes. A record that is
/// older than the one before it begins a new line, so that a clock that was set back silences nothing.
/// Memory: two records for each tag that came by, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
}

/// How far some tags may be off.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// How far a dropped value may lie from the line, in the tag's own unit. Zero or more; 0 drops only what lies exactly on
    /// it. Half of what the reader can see is a good choice.
    pub(crate) deviation: f64,
    /// Longest time from one number that leaves to the next, such as `10m`, as far as there are any; a repeat of what is on
    /// no line leaves too when this has gone by. Longer than zero. Default: none, a line may be of any length.
    #[serde(default)]
    pub(crate) max_time: Option<Span>,
    /// No number leaves sooner than this after the last one, unless its quality changes: what comes meanwhile is dropped,
    /// however far it lies from the line. Against noise on polled tags. Longer than zero. Default: none.
    #[serde(default)]
    pub(crate) min_time: Option<Span>,
}

impl NodeSpec for SwingingDoor {
    const TYPE: &'static str = "swinging_door";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"temperature.*\", deviation: 0.2, max_time: 10m }
  - { tags: \"flow.*\", deviation: 1.5, max_time: 10m, min_time: 1s }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost).place(Place::Thins).forgets()
    }

    fn check(config: &Config, findings: &mut Findings) {
        rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            check(rule, &At::from("rules").index(n), findings);
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Compressor::new(config)))
    }
}

fn check(rule: &Rule, at: &At, findings: &mut Findings) {
    if !(rule.deviation.is_finite() && 0.0 <= rule.deviation) {
        findings
            .error(at.clone().key("deviation"), "a deviation is a number that is not negative")
            .help("say how far a value may be off, in the tag's own unit");
    }
    if rule.max_time.is_some_and(|span| span.0.is_zero()) {
        findings
            .error(at.clone().key("max_time"), "within no time every record leaves")
            .help("leave it out, or say how long a straight line may be, such as 10m");
    }
    if rule.min_time.is_some_and(|span| span.0.is_zero()) {
        findings.error(at.clone().key("min_time"), "nothing comes sooner than that").help("leave it out");
    }
    if let (Some(max), Some(min)) = (rule.max_time, rule.min_time)
        && max < min
    {
        findings
            .error(at.clone().key("max_time"), format!("the longest time {max} is shorter than the shortest, {min}"))
            .related(at.clone().key("min_time"), "the shortest time");
    }
}

struct Compressor {
    rules: Rules<Limits>,
    doors: PerTag<Door>,
    deadlines: Deadlines,
}

impl Compressor {
    fn new(config: Config) -> Self {
        let rules = config.rules.into_iter().map(|rule| {
            let [max_time, min_time] = [rule.max_time, rule.min_time].map(|span| span.map(|span| span.0));
            (rule.tags, Limits { deviation: rule.deviation, max_time, min_time })
        });
        Self { rules: Rules::new(rules), doors: PerTag::default(), deadlines: Deadlines::default() }
    }

    /// Whether the record leaves at once; what leaves before it is put into the list, and what is dropped is counted.
    fn judge(&mut self, record: &Record, received: Timestamp, before: &mut Vec<Record>, dropped: &mut u64) -> bool {
        let Some(limits) = self.rules.of(record.tag) else { return true };
        let Some(door) = self.doors.get(record.tag) else {
            self.doors.of(record.tag, || Door::new(record));
            return true;
        };
        let had = door.deadline(limits);
        let step = door.step(record, limits, before);
        let has = door.deadline(limits);
        if had != has {
            match has {
                Some(end) => {
                    let wait = end.since(record.time);
                    self.deadlines.set(record.tag, wait, received);
                }
                None => self.deadlines.clear(record.tag),
            }
        }
        *dropped += u64::from(step.dropped);
        step.leaves
    }
}

impl Transform for Compressor {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let (received, mut dropped) = (batch.received(), 0);
        rewrite(batch, out, |record, before| self.judge(record, received, before, &mut dropped));
        out.filtered("on_the_line", dropped);
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        self.deadlines.look(now);
        let mut released = Vec::new();
        while let Some((tag, _)) = self.deadlines.pop(now) {
            released.extend(self.doors.get(tag).and_then(Door::release));
        }
        Frame::at(now).emit(released, out);
    }

    fn finish(&mut self, now: Timestamp, out: &mut Outputs) {
        let mut held: Vec<Record> = self.doors.iter_mut().filter_map(|(_, door)| door.release()).collect();
        held.sort_by_key(|record| record.time);
        Frame::at(now).emit(held, out);
    }
}

#[cfg(test)]
mod tests;
