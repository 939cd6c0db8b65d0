//! `clamp`: keeps numbers between limits, or marks those that are not.

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality,
    Record, Role, TagMap, TagSelector, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::quality::worse;
use crate::transform::kit::rules::{self, Rules};

/// `type: clamp`
pub(crate) struct Clamp;

/// Keeps numbers between limits, or marks or drops those that lie outside.
///
/// The first rule that names a tag is used; a record that no rule names passes as it came. The limits themselves are inside.
/// Integers stay integers: a limit of 0.5 keeps them at 1 or above. Only if no integer lies between the limits, or none that
/// has room in 64 bits, the result is a double. Singles are compared with the limit as a single, so that 0.1 is 0.1.
///
/// A mark or `good:clamped` is put only on a quality that is better: an Uncertain value that is clamped keeps its reason.
/// NaN and infinity are outside of any limits and are never made a number: they keep their value and get `bad:out_of_range`,
/// or are dropped if the rule says `drop`. With `drop`, the first record after a change of quality is not dropped but becomes
/// `bad:out_of_range`, so that no end of a fault is hidden. Text, bytes, booleans and Null keep their value and get `bad:type_mismatch`.
///
/// Bad quality: a Bad record passes as it came, whatever its value; it is told already, and is never dropped.
/// Restart: nothing is kept over it; before the first record of a tag it counts as Good.
/// Time: none; the records keep theirs.
/// Memory: which rule is for which tag, and with `drop` its last quality, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
}

/// The limits of some tags: `min`, `max` or both.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// The lowest value that is inside, in the tag's own unit. Default: none.
    #[serde(default)]
    pub(crate) min: Option<f64>,
    /// The highest value that is inside, in the tag's own unit. Default: none.
    #[serde(default)]
    pub(crate) max: Option<f64>,
    /// What is done with a value outside. Default `clamp`.
    #[serde(default)]
    pub(crate) on_exceed: OnExceed,
}

/// What is done with a value outside of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OnExceed {
    /// It becomes the limit, and Good becomes `good:clamped`.
    #[default]
    Clamp,
    /// It is kept, and Good becomes `uncertain:out_of_range`.
    Uncertain,
    /// It is kept, and what is not Bad becomes `bad:out_of_range`.
    Bad,
    /// The record is dropped, unless the quality of its tag has changed: then it is kept and becomes `bad:out_of_range`.
    Drop,
}

impl NodeSpec for Clamp {
    const TYPE: &'static str = "clamp";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"level.*\", min: 0, max: 100 }
  - { tags: \"pt100.*\", min: -200, max: 850, on_exceed: bad }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Values, Carries::Values)
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost).of_numbers(config.rules.iter().map(|rule| &rule.tags))
    }

    fn check(config: &Config, findings: &mut Findings) {
        rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            check(rule, &At::from("rules").index(n), findings);
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Clamper::new(config)))
    }
}

fn check(rule: &Rule, at: &At, findings: &mut Findings) {
    let limits = [("min", rule.min), ("max", rule.max)];
    for (name, limit) in limits {
        if limit.is_some_and(|limit| !limit.is_finite()) {
            findings
                .error(at.clone().key(name), "an ordinary number is wanted here, neither NaN nor infinite")
                .help(format!("leave `{name}` out where there is no such limit"));
        }
    }
    match (rule.min, rule.max) {
        (None, None) => {
            findings.error(at.clone(), "the rule has no limit").help("add `min`, `max` or both");
        }
        (Some(min), Some(max)) if max < min => {
            findings
                .error(at.clone().key("min"), format!("the lowest value {min} lies above the highest, {max}"))
                .related(at.clone().key("max"), "the highest value");
        }
        _ => {}
    }
}

struct Clamper {
    rules: Rules<Limits>,
    /// The quality that came last of the tags of which records are dropped.
    last: TagMap<Quality>,
}

struct Limits {
    min: f64,
    max: f64,
    /// The integers between the limits.
    whole: (i128, i128),
    on_exceed: OnExceed,
}

/// Where a value lies.
enum Place {
    Inside,
    /// Outside; and the limit that is next to it, in its own kind. None if it is not finite.
    Outside(Option<Value>),
    NoNumber,
}

impl Clamper {
    fn new(config: Config) -> Self {
        let rules = config.rules.into_iter().map(|rule| (rule.tags.clone(), Limits::new(&rule)));
        Self { rules: Rules::new(rules), last: TagMap::default() }
    }

    fn judge(&mut self, record: &Record) -> Fate {
        let Some(limits) = self.rules.of(record.tag) else { return Fate::Passes };
        let has_changed = limits.on_exceed == OnExceed::Drop && {
            let last = self.last.slot(record.tag).get_or_insert(Quality::GOOD);
            std::mem::replace(last, record.quality) != record.quality
        };
        limits.judge(record, has_changed)
    }
}

impl Limits {
    fn new(rule: &Rule) -> Self {
        let (min, max) = (rule.min.unwrap_or(f64::NEG_INFINITY), rule.max.unwrap_or(f64::INFINITY));
        // Such a cast ends at the ends of the integers, which lie far beyond those of values.
        Self { min, max, whole: (min.ceil() as i128, max.floor() as i128), on_exceed: rule.on_exceed }
    }

    fn place(&self, value: &Value) -> Place {
        match *value {
            Value::I64(v) => self.whole(i128::from(v), false),
            Value::U64(v) => self.whole(i128::from(v), true),
            Value::F32(v) => match v {
                _ if !v.is_finite() => Place::Outside(None),
                _ if v < self.min as f32 => Place::Outside(Some(single(self.min))),
                _ if (self.max as f32) < v => Place::Outside(Some(single(self.max))),
                _ => Place::Inside,
            },
            Value::F64(v) => match v {
                _ if !v.is_finite() => Place::Outside(None),
                _ if v < self.min => Place::Outside(Some(Value::F64(self.min))),
                _ if self.max < v => Place::Outside(Some(Value::F64(self.max))),
                _ => Place::Inside,
            },
            _ => Place::NoNumber,
        }
    }

    fn whole(&self, value: i128, unsigned: bool) -> Place {
        let (low, high) = self.whole;
        let (next, limit) = match value {
            _ if value < low => (low, self.min),
            _ if high < value => (high, self.max),
            _ => return Place::Inside,
        };
        let is_inside = (low..=high).contains(&next);
        let integer = match (u64::try_from(next), i64::try_from(next)) {
            (Ok(next), Err(_)) => Some(Value::U64(next)),
            (Ok(next), _) if unsigned => Some(Value::U64(next)),
            (_, next) => next.ok().map(Value::I64),
        };
        Place::Outside(Some(integer.filter(|_| is_inside).unwrap_or(Value::F64(limit))))
    }

    fn judge(&self, record: &Record, has_changed: bool) -> Fate {
        if record.quality.is_bad() {
            return Fate::Passes;
        }
        let marked = |reason| {
            let quality = worse(record.quality, reason);
            if quality == record.quality { Fate::Passes } else { Fate::Becomes(Record { quality, ..record.clone() }) }
        };
        match (self.place(&record.value), self.on_exceed) {
            (Place::Inside, _) => Fate::Passes,
            (Place::NoNumber, _) => marked(Quality::BAD_TYPE_MISMATCH),
            (Place::Outside(_), OnExceed::Drop) if !has_changed => Fate::Goes("out_of_range"),
            (Place::Outside(None), _) | (_, OnExceed::Bad | OnExceed::Drop) => marked(Quality::BAD_OUT_OF_RANGE),
            (_, OnExceed::Uncertain) => marked(Quality::UNCERTAIN_OUT_OF_RANGE),
            (Place::Outside(Some(value)), _) => {
                let quality = if record.quality.is_good() { Quality::GOOD_CLAMPED } else { record.quality };
                Fate::Becomes(Record { value, quality, ..*record })
            }
        }
    }
}

/// A limit as a single, which has less room.
fn single(limit: f64) -> Value {
    Value::F32((limit as f32).clamp(f32::MIN, f32::MAX))
}

impl Transform for Clamper {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| self.judge(record));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
