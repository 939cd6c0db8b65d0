//! `filter`: lets pass what is wanted and lets go what is not.

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality,
    Record, Role, TagMap, TagSelector, Tally, Transform, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::condition::{Asked, Condition, Met};
use crate::transform::kit::expression::Expressions;

/// `type: filter`
pub(crate) struct Filter;

/// Lets records pass or go by tag, quality, range or expression.
///
/// A record passes if it meets `keep`, where that is given, and does not meet `drop`, where that is given. For some tags
/// only, say `tags` beside them; records of other tags pass untouched.
///
/// A change of quality passes every filter: where a record is let go because of its value (`range`, or a `when` that does
/// not ask for `quality` or `good`), it passes all the same if its quality is not that of the one before of its tag, or if it is the first of its tag and not Good. What is let go by its tag, or by `quality`, is what was asked for, and
/// goes in any case.
///
/// A record for which `when` has no answer (a text in arithmetic or compared with a number, another tag that is Bad or has no value yet) and that is
/// no change goes to `rejected`; `last_or` puts a value in the place of one that is missing.
///
/// Bad quality: the value of a Bad record is not judged; such a record passes if it is a change, and of those that follow
/// `keep` lets go and `drop` lets pass.
/// Restart: nothing is kept over it, so the first record of a tag that is not Good passes again.
/// Time: none; the records keep theirs.
/// Memory: the last quality of each tag, bounded by the table of tags; one value for each tag that stands in a `last`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags that the filter is for; records of others pass untouched. Default: all. To keep or drop by tag, write `tags`
    /// into `keep` or `drop`.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// Only what meets this passes, such as `{ range: [-40, 120] }` or `{ tags: "press.*" }`.
    #[serde(default)]
    pub(crate) keep: Option<Condition>,
    /// What meets this does not pass, such as `{ tags: "debug.*" }` or `{ quality: { max: bad } }`.
    #[serde(default)]
    pub(crate) drop: Option<Condition>,
}

impl NodeSpec for Filter {
    const TYPE: &'static str = "filter";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
tags: \"oven.*\"
keep: { range: [-40, 1200] }
drop: { tags: \"oven.debug.*\" }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost)
    }

    fn check(config: &Config, findings: &mut Findings) {
        if config.keep.is_none() && config.drop.is_none() {
            findings.error(At::root(), "the filter does not say what passes").help("add `keep`, `drop` or both");
        }
        for (key, condition) in [("keep", &config.keep), ("drop", &config.drop)] {
            if let Some(condition) = condition {
                condition.check(&At::from(key), findings);
            }
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let mut expressions = Expressions::default();
        let mut asked = |condition: Option<Condition>| {
            condition.map(|condition| Asked::new(condition, &mut expressions)).transpose()
        };
        let (keep, drop) = (asked(config.keep)?, asked(config.drop)?);
        let known = TagMap::default();
        let tally = context.tally.clone();
        Ok(Node::transform(Gate { tags: config.tags, keep, drop, expressions, known, tally }))
    }
}

struct Gate {
    tags: Option<TagSelector>,
    keep: Option<Asked>,
    drop: Option<Asked>,
    expressions: Expressions,
    known: TagMap<Known>,
    tally: Tally,
}

#[derive(Clone, Copy)]
struct Known {
    /// Whether the filter is for the tag.
    is_for: bool,
    /// The quality of its last record; Good before the first.
    quality: Quality,
}

impl Gate {
    fn judge(&mut self, record: &Record) -> Fate {
        let known = self.known.slot(record.tag).get_or_insert_with(|| Known {
            is_for: self.tags.as_ref().is_none_or(|tags| tags.selects(record.tag)),
            quality: Quality::GOOD,
        });
        if !known.is_for {
            return Fate::Passes;
        }
        let changed = std::mem::replace(&mut known.quality, record.quality) != record.quality;
        let unless_changed = if changed { Fate::Passes } else { Fate::Goes("condition") };
        if let Some(keep) = &mut self.keep {
            match keep.of(record, &mut self.expressions) {
                Met::Yes => {}
                Met::NotByValue | Met::Unknown | Met::Failed if changed => {}
                Met::No | Met::NotByValue | Met::Unknown => return Fate::Goes("condition"),
                Met::Failed => return Fate::Rejected,
            }
        }
        match &mut self.drop {
            None => Fate::Passes,
            Some(drop) => match drop.of(record, &mut self.expressions) {
                Met::Yes if drop.judges_values() => unless_changed,
                Met::Yes => Fate::Goes("condition"),
                Met::No | Met::NotByValue | Met::Unknown => Fate::Passes,
                Met::Failed if changed => Fate::Passes,
                Met::Failed => Fate::Rejected,
            },
        }
    }
}

impl Transform for Gate {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let rejected = edit(batch, out, |record| {
            let fate = self.judge(record);
            self.expressions.saw(record);
            fate
        });
        if rejected != 0 {
            self.tally.add("no_answer", rejected);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
