//! `window`: aggregates over windows of time.
//!
//! Parts: `config` has the options, `tag` the windows of one tag, `aggregate` what is known of one window, `steps` the average
//! over time.

mod aggregate;
mod config;
mod steps;
mod tag;
#[cfg(test)]
mod tests;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Findings, Node, NodeSpec, Outputs, Ports, Record, Role, Tag,
    Timestamp, Transform,
};

use self::aggregate::{Aggregate, Needs};
use self::config::{Config, NAMES};
use self::tag::{Shape, Tagged, Taken};
use super::naming::expand;
use super::per_tag::{Deadlines, Heard, PerTag};
use super::rules::Rules;
use crate::template::Template;

/// `type: window`
pub(crate) struct Window;

/// The port for what comes for a window that is over.
const LATE: &str = "late";

impl NodeSpec for Window {
    const TYPE: &'static str = "window";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
tags: \"press.*\"
size: 1m
of: [avg, max, good_percent]
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Values, Carries::Values).with_optional(LATE, Carries::Same).with_rejected()
    }

    fn check(config: &Config, findings: &mut Findings) {
        config::check(config, findings);
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        let shape = Shape::new(config.size.0, config.every.unwrap_or(config.size).0, config.lateness.0);
        Ok(Node::transform(Windows {
            rules: Rules::one(config.tags, ()),
            shape: shape.ok_or_else(|| BuildError("a window needs a length".to_owned()))?,
            needs: Needs::of(&config.of),
            of: config.of,
            template: Template::parse(&config.name, NAMES).map_err(BuildError)?,
            tags: PerTag::default(),
            deadlines: Deadlines::default(),
        }))
    }
}

struct Windows {
    rules: Rules<()>,
    shape: Shape,
    of: Vec<Aggregate>,
    needs: Needs,
    template: Template,
    tags: PerTag<Tagged>,
    deadlines: Deadlines,
}

impl Transform for Windows {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        if !batch.records().iter().any(|record| self.rules.index(record.tag).is_some()) {
            out.emit(batch);
            return Ok(());
        }
        let (received, is_replayed) = (batch.received(), batch.is_replayed());
        let (mut results, mut late, mut unnamed) = (Vec::new(), Vec::new(), Vec::new());
        let mut taken = 0;
        let Self { rules, shape, of, needs, template, tags, deadlines } = self;
        for record in batch.into_records() {
            if rules.index(record.tag).is_none() {
                results.push(record);
                continue;
            }
            let (place, tagged) = tags.of(record.tag, || Tagged::new(names(template, record.tag, of)));
            let heard = Heard::received(received);
            match tagged.take(&record, heard, is_replayed, *shape, *needs, of, &mut results) {
                Taken::Late => late.push(record),
                Taken::Unnamed => unnamed.push(record),
                Taken::In => {
                    taken += 1;
                    tagged.look_again(place, *shape, deadlines);
                }
            }
        }
        out.filtered("aggregated", taken);
        let as_it_came = |records: Vec<Record>| {
            Batch::new(records, received).map(|batch| if is_replayed { batch.replayed() } else { batch })
        };
        if let Some(batch) = as_it_came(results) {
            out.emit(batch);
        }
        if let Some(batch) = as_it_came(late) {
            out.emit_to(LATE, batch);
        }
        if let Some(batch) = as_it_came(unnamed) {
            out.reject(batch);
        }
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        let mut results = Vec::new();
        while let Some(due) = self.deadlines.pop(now) {
            let Some((_, tagged)) = self.tags.at(due.place) else { continue };
            if due.is_for(&mut tagged.queued) {
                tagged.close_by_clock(now, self.shape, &self.of, &mut results);
                tagged.look_again(due.place, self.shape, &mut self.deadlines);
            }
        }
        if let Some(batch) = Batch::new(results, now) {
            out.emit(batch);
        }
    }

    fn finish(&mut self, now: Timestamp, out: &mut Outputs) {
        let mut results = Vec::new();
        for tagged in self.tags.iter_mut() {
            tagged.close_unfinished(self.shape, &self.of, &mut results);
        }
        if let Some(batch) = Batch::new(results, now) {
            out.emit(batch);
        }
    }
}

/// The tags of the aggregates of a tag, if the template makes a name for each.
fn names(template: &Template, tag: Tag, of: &[Aggregate]) -> Option<Box<[Tag]>> {
    of.iter().map(|aggregate| expand(template, tag, aggregate.word())).collect()
}
