//! `round`: no more digits than mean anything.

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality,
    Record, Role, TagSelector, Transform, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::quality::worse;
use crate::transform::kit::rules::{self, Rules};
use grid::{Grid, Rounded, Significant};

mod grid;

/// `type: round`
pub(crate) struct Round;

/// Rounds numbers to so many decimals or significant digits, or to the nearest multiple of a step.
///
/// The first rule that names a tag is used; a record that no rule names passes as it came. It is rounded as people round: on
/// the decimal that the number is printed as, half away from zero. 1.005 becomes 1.01 and −2.5 becomes −3; what leaves is the
/// double (or for a single the single) that is nearest to the decimal, so it is printed without a tail of digits.
///
/// Integers stay integers; only a step such as 2.5, which neither is whole nor goes into 1, makes doubles of them.
/// Text, bytes, booleans and Null keep their value and get `bad:type_mismatch`; NaN, infinity and what would no longer fit
/// into its kind keep their value and get `bad:out_of_range`.
///
/// Bad quality: the number is rounded like any other, and the reason that is there already is kept.
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

/// How to round some tags: exactly one of `decimals`, `significant` and `step`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// Digits behind the point, 0 to 15. Integers have none and stay as they are.
    #[serde(default)]
    #[schemars(range(max = 15))]
    pub(crate) decimals: Option<u32>,
    /// Digits from the first that is not zero, 1 to 15: with 3, 12345 becomes 12300 and 0.012345 becomes 0.0123.
    #[serde(default)]
    #[schemars(range(min = 1, max = 15))]
    pub(crate) significant: Option<u32>,
    /// The result is a multiple of this, such as 0.25 or 5, in the tag's own unit. From 1e-15 to 1e15.
    #[serde(default)]
    pub(crate) step: Option<f64>,
}

impl NodeSpec for Round {
    const TYPE: &'static str = "round";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"temperature.*\", decimals: 1 }
  - { tags: energy, significant: 4 }
  - { tags: level, step: 0.25 }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Values, Carries::Values)
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::Each).of_numbers(config.rules.iter().map(|rule| &rule.tags))
    }

    fn check(config: &Config, findings: &mut Findings) {
        rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            check(rule, &At::from("rules").index(n), findings);
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Rounder::new(config)?))
    }
}

fn check(rule: &Rule, at: &At, findings: &mut Findings) {
    let given = [
        ("decimals", rule.decimals.is_some()),
        ("significant", rule.significant.is_some()),
        ("step", rule.step.is_some()),
    ];
    let mut given = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
    match given.next() {
        None => {
            findings
                .error(at.clone(), "the rule does not say how to round")
                .help("add one of `decimals`, `significant` and `step`");
        }
        Some(first) => {
            for other in given {
                findings
                    .error(
                        at.clone().key(other),
                        format!("a rule rounds in one way, and this one has `{first}` already"),
                    )
                    .related(at.clone().key(first), "the other way")
                    .help("leave one of them out");
            }
        }
    }
    if rule.decimals.is_some_and(|decimals| 15 < decimals) {
        findings.error(at.clone().key("decimals"), "a double has no more than 15 digits that can be relied on");
    }
    if rule.significant.is_some_and(|digits| !(1..=15).contains(&digits)) {
        findings.error(at.clone().key("significant"), "1 to 15 digits are wanted here");
    }
    if rule.step.is_some_and(|step| !(1e-15..=1e15).contains(&step)) {
        findings
            .error(at.clone().key("step"), "a step from 1e-15 to 1e15 is wanted here")
            .help("say the smallest difference that means anything, such as 0.25");
    }
}

struct Rounder {
    rules: Rules<Way>,
}

enum Way {
    Grid(Grid),
    Significant(Significant),
}

impl Rounder {
    fn new(config: Config) -> Result<Self, BuildError> {
        let ways = config.rules.into_iter().map(|rule| {
            let way = match (rule.decimals, rule.significant, rule.step) {
                (Some(decimals), None, None) => Grid::decimals(decimals).map(Way::Grid),
                (None, Some(digits), None) => Significant::new(digits).map(Way::Significant),
                (None, None, Some(step)) => Grid::step(step).map(Way::Grid),
                _ => None,
            };
            let wrong = || BuildError("a rule needs exactly one of `decimals`, `significant` and `step`".to_owned());
            way.map(|way| (rule.tags, way)).ok_or_else(wrong)
        });
        Ok(Self { rules: Rules::new(ways.collect::<Result<Vec<_>, _>>()?) })
    }
}

impl Way {
    fn judge(&self, record: &Record) -> Fate {
        let rounded = match self {
            Self::Grid(grid) => grid.round(&record.value),
            Self::Significant(digits) => digits.round(&record.value),
        };
        let reason = match rounded {
            Rounded::Same => return Fate::Passes,
            Rounded::To(value) => return Fate::Becomes(Record { value, ..*record }),
            Rounded::NoRoom => Quality::BAD_OUT_OF_RANGE,
            Rounded::NoNumber => Quality::BAD_TYPE_MISMATCH,
        };
        let quality = worse(record.quality, reason);
        if quality == record.quality { Fate::Passes } else { Fate::Becomes(Record { quality, ..record.clone() }) }
    }
}

impl Transform for Rounder {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| self.rules.of(record.tag).map_or(Fate::Passes, |way| way.judge(record)));
        Ok(())
    }
}

#[cfg(test)]
mod tests;
