//! `scale`: from what the device counts in to what people read.

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Place, Ports,
    Quality, Record, Role, TagSelector, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::decimal::Line;
use crate::transform::kit::quality::worse;
use crate::transform::kit::rules::{self, Rules};

/// `type: scale`
pub(crate) struct Scale;

/// Scales numbers into engineering units: by a factor and an offset, from range to range, or by a square root.
///
/// The first rule that names a tag is used; a record that no rule names passes as it came. What is scaled leaves as a double.
/// Results of `linear` and `range` are decimal-exact: 3 × 0.1 is 0.3, and the single 78.4 × 0.1 is 7.84. That holds for
/// integers and for values of up to 15 digits with up to nine behind the point; others are worked out in doubles.
///
/// Text, bytes, booleans and Null that a rule names keep their value and get the quality `bad:type_mismatch`; a result that
/// is not finite (NaN and infinity stay what they are) gets `bad:out_of_range`.
///
/// Bad quality: the number is scaled like any other, and the reason that is there already is kept.
/// Restart: nothing to keep.
/// Time: none; the records keep theirs.
/// Memory: which rule is for which tag, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
}

/// What to do with some tags: exactly one of `linear`, `range` and `sqrt`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// value · factor + offset.
    #[serde(default)]
    pub(crate) linear: Option<Linear>,
    /// The straight line from one range to another; goes on beyond its ends unless `clamp` is set.
    #[serde(default)]
    pub(crate) range: Option<Ranges>,
    /// The square root of the share of the range, for flow out of differential pressure. Below the lower end the result is
    /// the lower end of `to` and the quality stays; above the upper end the curve goes on unless `clamp` is set.
    #[serde(default)]
    pub(crate) sqrt: Option<Ranges>,
    /// Whether to keep the result of `range` or `sqrt` within `to`; the quality stays. Default false.
    #[serde(default)]
    pub(crate) clamp: bool,
    /// The engineering unit of the result, such as `bar`. For readers of the file; nothing comes of it yet.
    #[serde(default)]
    #[expect(dead_code, reason = "it is there for whoever reads the file")]
    pub(crate) unit: Option<String>,
}

/// A factor and an offset.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Linear {
    /// What the value is multiplied by. Default 1.
    #[serde(default = "one")]
    pub(crate) factor: f64,
    /// What is added after that, in the unit of the result. Default 0.
    #[serde(default)]
    pub(crate) offset: f64,
}

fn one() -> f64 {
    1.0
}

/// From range to range, each `[low, high]`; a high below its low turns the direction round.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ranges {
    /// What comes in, such as `[0, 4095]`. The two ends differ.
    pub(crate) from: [f64; 2],
    /// What goes out, such as `[0, 100]`.
    pub(crate) to: [f64; 2],
}

impl NodeSpec for Scale {
    const TYPE: &'static str = "scale";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"pressure.*\", linear: { factor: 0.1, offset: -1 }, unit: bar }
  - { tags: \"level.*\", range: { from: [0, 4095], to: [0, 100] }, clamp: true, unit: \"%\" }
  - { tags: flow, sqrt: { from: [4, 20], to: [0, 50] }, unit: m3/h }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Values, Carries::Values)
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::Each).place(Place::Scales).of_numbers(config.rules.iter().map(|rule| &rule.tags))
    }

    fn check(config: &Config, findings: &mut Findings) {
        rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            check(rule, &At::from("rules").index(n), findings);
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        let rules = config.rules.into_iter().map(Scaling::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Node::transform(Scaler { rules: Rules::new(rules) }))
    }
}

fn check(rule: &Rule, at: &At, findings: &mut Findings) {
    let given = [("linear", rule.linear.is_some()), ("range", rule.range.is_some()), ("sqrt", rule.sqrt.is_some())];
    let mut given = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
    match given.next() {
        None => {
            findings
                .error(at.clone(), "the rule does not say how to scale")
                .help("add one of `linear`, `range` and `sqrt`");
        }
        Some(first) => {
            for other in given {
                findings
                    .error(
                        at.clone().key(other),
                        format!("a rule scales in one way, and this one has `{first}` already"),
                    )
                    .related(at.clone().key(first), "the other way")
                    .help("make two rules of it; the first that names a tag is used");
            }
        }
    }
    if let Some(Linear { factor, offset }) = rule.linear {
        check_finite(&[factor], &at.clone().key("linear").key("factor"), findings);
        check_finite(&[offset], &at.clone().key("linear").key("offset"), findings);
        if factor == 0.0 {
            findings.warning(at.clone().key("linear").key("factor"), "a factor of 0 makes every value the offset");
        }
        if rule.clamp {
            findings
                .error(at.clone().key("clamp"), "`linear` has no ends to keep the result between")
                .help("use `range`, or leave `clamp` out");
        }
    }
    for (name, ranges) in [("range", rule.range), ("sqrt", rule.sqrt)] {
        let Some(Ranges { from, to }) = ranges else { continue };
        check_finite(&from, &at.clone().key(name).key("from"), findings);
        check_finite(&to, &at.clone().key(name).key("to"), findings);
        if from[0] == from[1] {
            findings
                .error(at.clone().key(name).key("from"), format!("both ends of the range are {}", from[0]))
                .help("say the lowest and the highest value that come in, such as [0, 4095]");
        }
    }
}

fn check_finite(numbers: &[f64], at: &At, findings: &mut Findings) {
    if !numbers.iter().all(|number| number.is_finite()) {
        findings.error(at.clone(), "an ordinary number is wanted here, neither NaN nor infinite");
    }
}

struct Scaler {
    rules: Rules<Scaling>,
}

struct Scaling {
    curve: Curve,
    /// The lowest and the highest result, if it is kept between them.
    clamp: Option<(f64, f64)>,
}

enum Curve {
    Line(Line),
    /// The share of the range as a line, then where its root goes.
    Root(Line, [f64; 2]),
}

impl Scaling {
    fn new(rule: Rule) -> Result<(TagSelector, Self), BuildError> {
        let (curve, to) = match (rule.linear, rule.range, rule.sqrt) {
            (Some(Linear { factor, offset }), None, None) => (Curve::Line(Line::linear(factor, offset)), None),
            (None, Some(Ranges { from, to }), None) => (Curve::Line(Line::through(from, to)), Some(to)),
            (None, None, Some(Ranges { from, to })) => (Curve::Root(Line::through(from, [0.0, 1.0]), to), Some(to)),
            _ => return Err(BuildError("a rule needs exactly one of `linear`, `range` and `sqrt`".to_owned())),
        };
        let clamp = to.filter(|_| rule.clamp).map(|[low, high]| (low.min(high), low.max(high)));
        Ok((rule.tags, Self { curve, clamp }))
    }

    fn judge(&self, record: &Record) -> Fate {
        let Some(scaled) = self.curve.at(&record.value) else {
            let quality = worse(record.quality, Quality::BAD_TYPE_MISMATCH);
            return Fate::Becomes(Record { quality, ..record.clone() });
        };
        if !scaled.is_finite() {
            let quality = worse(record.quality, Quality::BAD_OUT_OF_RANGE);
            return Fate::Becomes(Record { value: Value::F64(scaled), quality, ..*record });
        }
        let value = Value::F64(self.clamp.map_or(scaled, |(low, high)| scaled.max(low).min(high)));
        Fate::Becomes(Record { value, ..*record })
    }
}

impl Curve {
    fn at(&self, value: &Value) -> Option<f64> {
        match self {
            Self::Line(line) => line.at(value),
            Self::Root(share, [low, high]) => share.at(value).map(|share| match share {
                _ if share.is_infinite() => share,
                _ if share <= 0.0 => *low,
                1.0 => *high,
                _ => low + share.sqrt() * (high - low),
            }),
        }
    }
}

impl Transform for Scaler {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| self.rules.of(record.tag).map_or(Fate::Passes, |rule| rule.judge(record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
