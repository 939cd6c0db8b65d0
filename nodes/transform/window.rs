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

use std::path::Path;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Place, Ports, Role, Tag,
    Timestamp, Transform, ValueType, Yield,
};

use self::aggregate::{Aggregate, Needs};
use self::config::{Config, MORE};
use self::tag::{Shape, Tagged, Taken};
use crate::template::Template;
use crate::transform::kit::batches::Frame;
use crate::transform::kit::deadlines::Deadlines;
use crate::transform::kit::names;
use crate::transform::kit::per_tag::PerTag;
use crate::transform::kit::rules::Rules;

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

    fn facts(config: &Config, _: &Path) -> Facts {
        // What is the same of all values and of those that differ is not disturbed by a filter before it.
        let each = [Aggregate::Avg, Aggregate::Sum, Aggregate::Count, Aggregate::Stddev, Aggregate::P95];
        let counts_each = config.of.iter().any(|aggregate| each.contains(aggregate));
        let place = if counts_each { Place::Sums } else { Place::Other };
        let types = &[ValueType::Number, ValueType::Boolean];
        Facts::renames(Yield::Unknown).place(place).forgets().of_types(config.tags.as_ref(), types)
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
            template: names::parse(&config.name, MORE).map_err(BuildError)?,
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
        if !batch.records().iter().any(|record| self.rules.names(record.tag)) {
            out.emit(batch);
            return Ok(());
        }
        let (frame, received, is_replayed) = (Frame::of(&batch), batch.received(), batch.is_replayed());
        let (mut results, mut late, mut unnamed) = (Vec::new(), Vec::new(), Vec::new());
        let mut taken = 0;
        let Self { rules, shape, of, needs, template, tags, deadlines } = self;
        for record in batch.into_records() {
            if !rules.names(record.tag) {
                results.push(record);
                continue;
            }
            let tagged = tags.of(record.tag, || Tagged::new(names(template, record.tag, of)));
            let wait = match tagged.take(&record, is_replayed, *shape, *needs, of, &mut results) {
                Taken::Late => {
                    late.push(record);
                    continue;
                }
                Taken::Unnamed => {
                    unnamed.push(record);
                    continue;
                }
                Taken::In { is_latest } => tagged.wait(*shape).map(|wait| (wait, is_latest)),
            };
            taken += 1;
            match wait {
                Some((wait, true)) => deadlines.set(record.tag, wait, received),
                Some((wait, false)) => deadlines.extend(record.tag, wait),
                None => deadlines.clear(record.tag),
            }
        }
        out.filtered("aggregated", taken);
        frame.emit(results, out);
        frame.emit_to(LATE, late, out);
        frame.reject(unnamed, out);
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        self.deadlines.next()
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        let mut results = Vec::new();
        self.deadlines.look(now);
        while let Some((tag, waited)) = self.deadlines.pop(now) {
            let Some(tagged) = self.tags.get(tag) else { continue };
            tagged.close_by_clock(waited, self.shape, &self.of, &mut results);
            if let Some(wait) = tagged.wait(self.shape) {
                self.deadlines.extend(tag, wait);
            }
        }
        Frame::at(now).emit(results, out);
    }

    fn finish(&mut self, now: Timestamp, out: &mut Outputs) {
        let mut results = Vec::new();
        for (_, tagged) in self.tags.iter_mut() {
            tagged.close_unfinished(self.shape, &self.of, &mut results);
        }
        Frame::at(now).emit(results, out);
    }
}

/// The tags of the aggregates of a tag, if the template makes a name for each.
fn names(template: &Template, tag: Tag, of: &[Aggregate]) -> Option<Box<[Tag]>> {
    of.iter().map(|aggregate| names::expand(template, tag, aggregate.word())).collect()
}
