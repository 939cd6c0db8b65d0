//! `alarm`: tells when values leave their limits and when they come back.
//!
//! Parts: `config` has the options, `state` the limits of one tag and their delays.

mod config;
mod state;
#[cfg(test)]
mod tests;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Findings, Level, Node, NodeSpec, Outputs, Ports, Quality, Record,
    Role, Tag, Timestamp, Transform, Value,
};

use self::config::Config;
use self::state::{Limits, State, Watched};
use super::naming::Naming;
use super::number::number;
use super::per_tag::{Deadlines, Heard, PerTag, Queued};
use super::rules::Rules;
use super::shelf::Shelf;

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
    shelf: Shelf<State>,
}

/// What is known of a tag.
struct Tracked {
    /// The tag of its transitions; `None` if the template makes none, and then nothing else here is used.
    name: Option<Tag>,
    watched: Watched,
    is_uncertain: bool,
    /// The last record, and when it came.
    time: Timestamp,
    heard: Heard,
    queued: Queued,
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
        let quality = if self.is_uncertain { Quality::UNCERTAIN } else { Quality::GOOD };
        while let Some((time, state)) = self.watched.turn(limits, now) {
            let value = Value::Text(state.word().into());
            transitions.extend(self.name.map(|tag| Record { tag, quality, time, value }));
        }
    }

    /// Wants to be looked at when a delay runs out by the machine's clock.
    fn look_again(&mut self, place: u32, limits: &Limits, deadlines: &mut Deadlines) {
        if let Some(next) = self.watched.next_turn(limits) {
            deadlines.set(place, self.heard.after(next.since(self.time)), &mut self.queued);
        }
    }
}

impl Alarms {
    fn watch(&mut self, batch: &Batch, transitions: &mut Vec<Record>) {
        let Self { rules, names, tags, deadlines, shelf } = self;
        let heard = Heard::received(batch.received());
        for record in batch.records() {
            let Some(limits) = rules.of(record.tag) else { continue };
            let (place, tracked) = tags.of(record.tag, || Tracked {
                name: names.of(record.tag),
                watched: Watched::new(limits, shelf.take(record.tag.name()).unwrap_or_default()),
                is_uncertain: false,
                time: record.time,
                heard,
                queued: Queued::default(),
            });
            // What waited on disk is no news if something newer was seen meanwhile.
            if batch.is_replayed() && record.time < tracked.time {
                continue;
            }
            tracked.see(limits, record, transitions);
            (tracked.time, tracked.heard) = (record.time, heard);
            tracked.look_again(place, limits, deadlines);
        }
    }

    /// Sends transitions on, and keeps the states over a restart.
    fn tell(&mut self, transitions: Vec<Record>, now: Timestamp, out: &mut Outputs) {
        let Some(batch) = Batch::new(transitions, now) else { return };
        let states = self.tags.iter().map(|(tag, tracked)| (tag.name(), tracked.watched.told()));
        self.shelf.store(states.filter(|(_, told)| *told != State::Normal));
        out.emit_to(ALARMS, batch);
    }
}

impl Transform for Alarms {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let (mut transitions, received) = (Vec::new(), batch.received());
        self.watch(&batch, &mut transitions);
        let Self { rules, names, .. } = self;
        let mut has_name = |tag: Tag| rules.index(tag).is_none() || names.of(tag).is_some();
        if batch.records().iter().all(|record| has_name(record.tag)) {
            out.emit(batch);
        } else {
            let refused = batch.clone().filter(|record| !has_name(record.tag));
            if let Some(batch) = batch.filter(|record| has_name(record.tag)) {
                out.emit(batch);
            }
            if let Some(batch) = refused {
                out.reject(batch);
            }
        }
        self.tell(transitions, received, out);
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        let mut transitions = Vec::new();
        while let Some(due) = self.deadlines.pop(now) {
            let Some((tag, tracked)) = self.tags.at(due.place) else { continue };
            let Some(limits) = self.rules.of(tag).filter(|_| due.is_for(&mut tracked.queued)) else { continue };
            if let Some(next) = tracked.watched.next_turn(limits)
                && tracked.heard.is_over(next.since(tracked.time), now)
            {
                let time = tracked.time + tracked.heard.until(now);
                tracked.turn(limits, time, &mut transitions);
            }
            tracked.look_again(due.place, limits, &mut self.deadlines);
        }
        self.tell(transitions, now, out);
    }
}
