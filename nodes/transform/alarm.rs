//! `alarm`: tells when values leave their limits and when they come back.
//!
//! Parts: `config` has the options, `state` the limits of one tag and their delays.

mod config;
mod state;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Level, Node, NodeSpec, Outputs, Ports, Record,
    Role, Tag, Timestamp, Transform, Value, Yield,
};

use self::config::Config;
use self::state::{Limits, Told, Watched};
use crate::transform::kit::batches::{Fate, Frame, edit};
use crate::transform::kit::deadlines::Deadlines;
use crate::transform::kit::names::Naming;
use crate::transform::kit::number::number;
use crate::transform::kit::per_tag::PerTag;
use crate::transform::kit::rules::Rules;
use crate::transform::kit::shelf::Shelf;

/// `type: alarm`
pub(crate) struct Alarm;

/// The port for transitions.
const ALARMS: &str = "alarms";

impl NodeSpec for Alarm {
    const TYPE: &'static str = "alarm";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"*.temperature\", hihi: 90, hi: 80, lo: 5, hysteresis: 2, on_delay: 5s }
  - { tags: \"*.pressure\", hi: 6.5, off_delay: 10s, bad: alarm }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Values, Carries::Same).with_optional(ALARMS, Carries::Values).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::Each)
    }

    fn check(config: &Config, findings: &mut Findings) {
        config::check(config, findings);
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let rules = config.rules.into_iter().map(|rule| (rule.tags.clone(), Limits::new(&rule)));
        Ok(Node::transform(Alarms {
            rules: Rules::new(rules),
            names: Naming::new(Some(&config.name))?,
            tags: PerTag::default(),
            deadlines: Deadlines::default(),
            shelf: Shelf::new(&context.saved, &context.tally),
        }))
    }
}

struct Alarms {
    rules: Rules<Limits>,
    names: Naming,
    tags: PerTag<Tracked>,
    deadlines: Deadlines,
    shelf: Shelf<Told>,
}

/// What is known of a tag.
struct Tracked {
    /// The tag of its transitions; `None` if the template makes none, and then nothing else here is used.
    name: Option<Tag>,
    watched: Watched,
    /// The last transition, by this process or by the one before it.
    told: Option<Told>,
    is_uncertain: bool,
    /// The time of the last record.
    time: Timestamp,
}

impl Tracked {
    fn see(&mut self, limits: &Limits, record: &Record, transitions: &mut Vec<Record>) {
        self.turn(limits, record.time, transitions);
        let is_usable = !record.quality.is_bad() && number(&record.value).is_some_and(|number| !number.is_nan());
        self.is_uncertain = is_usable && record.quality.level() == Level::Uncertain;
        self.watched.see(limits, is_usable.then_some(&record.value), record.time);
        self.turn(limits, record.time, transitions);
    }

    /// Tells all that is due by this time of the tag's own clock.
    fn turn(&mut self, limits: &Limits, now: Timestamp, transitions: &mut Vec<Record>) {
        while let Some((time, state)) = self.watched.turn(limits, now) {
            self.told = Some(Told::new(state, self.is_uncertain, time));
            transitions.extend(self.transition());
        }
    }

    /// The last transition, as it is told.
    fn transition(&self) -> Option<Record> {
        let (tag, told) = (self.name?, self.told?);
        let value = Value::Text(told.state.word().into());
        Some(Record { tag, quality: told.quality(), time: told.time(), value })
    }

    /// How long after the last record a delay runs out, if there is one.
    fn wait(&mut self, limits: &Limits) -> Option<Duration> {
        self.watched.next_turn(limits).map(|next| next.since(self.time))
    }
}

impl Alarms {
    fn watch(&mut self, batch: &Batch, transitions: &mut Vec<Record>) {
        let Self { rules, names, tags, deadlines, shelf } = self;
        for record in batch.records() {
            let Some(limits) = rules.of(record.tag) else { continue };
            let tracked = tags.of(record.tag, || {
                let told = shelf.take(record.tag.name());
                let watched = Watched::new(limits, told.map(|told| told.state).unwrap_or_default());
                let new = Tracked { name: names.of(record.tag), watched, told, is_uncertain: false, time: record.time };
                // It was on its way when the program stopped, and nobody knows how far it came.
                transitions.extend(new.transition());
                new
            });
            // What waited on disk is no news if something newer was seen meanwhile.
            if batch.is_replayed() && record.time < tracked.time {
                continue;
            }
            tracked.see(limits, record, transitions);
            tracked.time = record.time;
            match tracked.wait(limits) {
                Some(wait) => deadlines.set(record.tag, wait, batch.received()),
                None => deadlines.clear(record.tag),
            }
        }
    }

    /// Sends transitions on, and keeps the states over a restart.
    fn tell(&mut self, transitions: Vec<Record>, now: Timestamp, out: &mut Outputs) {
        if !transitions.is_empty() {
            let told = self.tags.iter().filter_map(|(tag, tracked)| Some((tag.name(), tracked.told?)));
            self.shelf.store(told);
            Frame::at(now).emit_to(ALARMS, transitions, out);
        }
    }
}

impl Transform for Alarms {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let (mut transitions, received) = (Vec::new(), batch.received());
        self.watch(&batch, &mut transitions);
        let Self { rules, names, .. } = self;
        edit(batch, out, |record| {
            let has_name = !rules.names(record.tag) || names.of(record.tag).is_some();
            if has_name { Fate::Passes } else { Fate::Rejected }
        });
        self.tell(transitions, received, out);
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        self.deadlines.look(now);
        let mut transitions = Vec::new();
        while let Some((tag, waited)) = self.deadlines.pop(now) {
            let (Some(limits), Some(tracked)) = (self.rules.of(tag), self.tags.get(tag)) else { continue };
            tracked.turn(limits, tracked.time + waited, &mut transitions);
            if let Some(wait) = tracked.wait(limits) {
                self.deadlines.extend(tag, wait);
            }
        }
        self.tell(transitions, now, out);
    }
}
