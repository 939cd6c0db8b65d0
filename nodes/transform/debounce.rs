//! `debounce`: a state counts when it has held for a while.

use std::time::Duration;

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality,
    Record, Role, Span, TagMap, TagSelector, Timestamp, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Frame, rewrite};
use crate::transform::kit::deadlines::Deadlines;
use crate::transform::kit::rules::{self, Rules};

/// `type: debounce`
pub(crate) struct Debounce;

/// Emits a new state of a tag only when it has held for a while, so that a bouncing contact is one change.
///
/// For states: coils, switches, modes, texts. The first rule that names a tag is used; a record that no rule names passes as
/// it came. One record leaves for each state: repeats of a state are dropped, and so are states that did not hold. The first
/// record of a tag passes at once. So does every change of quality, and it ends whatever was waiting to hold.
///
/// A state holds until a different value comes; a source that is silent meanwhile does not end it. What leaves is the first
/// record of the state, with its own time, which is `for` ago by then. States are equal as in `dedupe`: NaN equals NaN, the
/// integer 1 is not the float 1.0.
///
/// Bad quality: every Bad record with another value or another reason than the last one passes at once; repeats are dropped.
/// Restart: nothing is kept over it, so the first record of each tag passes again. A state that still has to hold is emitted
/// when the pipeline stops, and lost if the process is killed; so is one that has left, but has not yet arrived at a sink or on a
/// durable edge.
/// Time: the time of the records says how long a state has held. Where nothing comes that could end it, the clock of the
/// machine does, from when the node saw its first record.
/// Memory: two values for each tag that came by, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
}

/// How long the states of some tags have to hold.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `door.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// How long a state has to hold, or with `edge: leading` how long changes are locked out, such as `200ms`. Longer than
    /// zero.
    #[serde(rename = "for")]
    pub(crate) hold: Span,
    /// When a new state is emitted. Default `trailing`.
    #[serde(default)]
    pub(crate) edge: Edge,
}

/// When a new state is emitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Edge {
    /// When it has held for so long.
    #[default]
    Trailing,
    /// At once; then changes are locked out for so long. If another state is there when that ends, it is emitted, and locks
    /// out again.
    Leading,
}

impl NodeSpec for Debounce {
    const TYPE: &'static str = "debounce";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"door.*\", for: 200ms }
  - { tags: emergency_stop, for: 2s, edge: leading }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost).forgets()
    }

    fn check(config: &Config, findings: &mut Findings) {
        rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            if rule.hold.0.is_zero() {
                findings
                    .error(At::from("rules").index(n).key("for"), "every state holds for no time")
                    .help("say how long a state has to hold, such as 200ms; `dedupe` drops repeats alone");
            }
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Debouncer::new(config)))
    }
}

struct Debouncer {
    rules: Rules<Hold>,
    states: TagMap<State>,
    deadlines: Deadlines,
}

#[derive(Clone, Copy)]
struct Hold {
    time: Duration,
    edge: Edge,
}

struct State {
    /// What was emitted last.
    value: Value,
    quality: Quality,
    /// From when `for` counts: the first record of the next state, or with `leading` the start of the lock-out.
    from: Timestamp,
    /// The first record of a state that is not emitted yet.
    next: Option<Record>,
}

/// How many were let go.
#[derive(Default)]
struct Gone {
    repeats: u64,
    bounces: u64,
}

impl State {
    fn new(record: &Record) -> Self {
        Self { value: record.value.clone(), quality: record.quality, from: record.time, next: None }
    }

    /// The next state has held, or the lock-out is over.
    fn settle(&mut self, hold: Hold) -> Option<Record> {
        let next = self.next.take()?;
        self.value = next.value.clone();
        if hold.edge == Edge::Leading {
            self.from = self.from + hold.time;
        }
        Some(next)
    }
}

impl Debouncer {
    fn new(config: Config) -> Self {
        let rules = config.rules.into_iter().map(|rule| (rule.tags, Hold { time: rule.hold.0, edge: rule.edge }));
        Self { rules: Rules::new(rules), states: TagMap::default(), deadlines: Deadlines::default() }
    }

    /// Whether the record passes; what leaves before it is put into the list.
    fn judge(&mut self, record: &Record, received: Timestamp, before: &mut Vec<Record>, gone: &mut Gone) -> bool {
        let Some(&hold) = self.rules.of(record.tag) else { return true };
        let slot = self.states.slot(record.tag);
        let Some(state) = slot else {
            *slot = Some(State::new(record));
            return true;
        };
        if hold.time <= record.time.since(state.from)
            && let Some(settled) = state.settle(hold)
        {
            before.push(settled);
            self.deadlines.clear(record.tag);
        }
        let is_repeat = state.quality == record.quality && state.value.same_as(&record.value);
        // A lock-out that began in the future ends when the clock is set back behind it.
        let is_open = hold.time <= record.time.since(state.from).max(state.from.since(record.time));
        let passes = !is_repeat
            && (state.quality != record.quality
                || record.quality.is_bad()
                || (hold.edge == Edge::Leading && is_open && state.next.is_none()));
        match &state.next {
            Some(next) if !is_repeat && !passes && next.value.same_as(&record.value) => {
                gone.repeats += 1;
                return false;
            }
            Some(_) => {
                gone.bounces += 1;
                self.deadlines.clear(record.tag);
                state.next = None;
            }
            None => {}
        }
        if passes {
            *state = State::new(record);
        } else if is_repeat {
            gone.repeats += 1;
        } else {
            if hold.edge == Edge::Trailing {
                state.from = record.time;
            }
            let wait = hold.time.saturating_sub(record.time.since(state.from));
            self.deadlines.set(record.tag, wait, received);
            state.next = Some(record.clone());
        }
        passes
    }
}

impl Transform for Debouncer {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let (received, mut gone) = (batch.received(), Gone::default());
        rewrite(batch, out, |record, before| self.judge(record, received, before, &mut gone));
        out.filtered("duplicate", gone.repeats);
        out.filtered("bounce", gone.bounces);
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        self.deadlines.look(now);
        let mut settled = Vec::new();
        while let Some((tag, _)) = self.deadlines.pop(now) {
            if let (Some(&hold), Some(state)) = (self.rules.of(tag), self.states.slot(tag)) {
                settled.extend(state.settle(hold));
            }
        }
        Frame::at(now).emit(settled, out);
    }

    fn finish(&mut self, now: Timestamp, out: &mut Outputs) {
        let states = &mut self.states;
        let next =
            self.deadlines.drain().filter_map(|tag| states.slot(tag).as_mut().and_then(|state| state.next.take()));
        let mut next: Vec<Record> = next.collect();
        next.sort_by_key(|record| record.time);
        Frame::at(now).emit(next, out);
    }
}

#[cfg(test)]
mod tests;
