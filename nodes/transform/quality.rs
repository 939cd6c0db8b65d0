//! `quality`: overrides qualities, and holds back what is not good enough.

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality,
    Record, Role, TagSelector, Transform, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::condition::{Qualities, Severity};
use crate::transform::kit::rules::{self, Rules};

/// `type: quality`
pub(crate) struct SetQuality;

/// Sets the quality of records, or sends those that are not good enough to `rejected`.
///
/// The first rule that names a tag is used; a record that no rule names passes as it came. The value always stays as it is.
///
/// Bad quality: what the rules say; a record that is let through keeps its reason unless `set` replaces it.
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

/// What to do with some tags: exactly one of `set` and `minimum`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them. Default: all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// The quality that the records get, such as `uncertain` or `bad:out_of_range`. Take care with `good`: nobody behind this
    /// node learns of a fault any more.
    #[serde(default)]
    pub(crate) set: Option<Quality>,
    /// Which records `set` is for, such as `{ max: uncertain }` or `{ is: ["bad:busy"] }`; others keep their quality. Default:
    /// all.
    #[serde(default)]
    pub(crate) only: Option<Qualities>,
    /// The least quality that passes, `good` or `uncertain`: what is worse goes to `rejected` as it came, a change of quality
    /// too. Where `rejected` leads nowhere it is counted as discarded.
    #[serde(default)]
    pub(crate) minimum: Option<Severity>,
}

impl NodeSpec for SetQuality {
    const TYPE: &'static str = "quality";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"*.estimated\", set: \"uncertain:substitute\", only: { min: good } }
  - { tags: \"billing.*\", minimum: good }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost)
    }

    fn check(config: &Config, findings: &mut Findings) {
        let tags = config.rules.iter().map(|rule| rule.tags.clone().unwrap_or_else(TagSelector::all));
        rules::check_order(&tags.collect::<Vec<_>>(), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            check(rule, &At::from("rules").index(n), findings);
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        let rules = config.rules.into_iter().map(|rule| {
            let action = match (rule.set, rule.minimum) {
                (Some(set), None) => Action::Set(set, rule.only.unwrap_or_default()),
                (None, Some(min)) => Action::Hold(Qualities { min: Some(min), ..Qualities::default() }),
                _ => return Err(BuildError("a rule needs exactly one of `set` and `minimum`".to_owned())),
            };
            Ok((rule.tags.unwrap_or_else(TagSelector::all), action))
        });
        Ok(Node::transform(Setter { rules: Rules::new(rules.collect::<Result<Vec<_>, _>>()?) }))
    }
}

fn check(rule: &Rule, at: &At, findings: &mut Findings) {
    match (&rule.set, &rule.minimum) {
        (None, None) => {
            findings.error(at.clone(), "the rule does not say what to do").help("add `set` or `minimum`");
        }
        (Some(_), Some(_)) => {
            findings
                .error(at.clone().key("minimum"), "a rule does one thing, and this one has `set` already")
                .help("put a second node of this type behind this one");
        }
        _ => {}
    }
    if rule.minimum == Some(Severity::Bad) {
        findings
            .error(at.clone().key("minimum"), "nothing is worse than Bad, so every record would pass")
            .help("say `good` or `uncertain`");
    }
    if let Some(only) = &rule.only {
        only.check(&at.clone().key("only"), findings);
        if rule.set.is_none() {
            findings.error(at.clone().key("only"), "`only` says which records `set` is for").help("add `set`");
        }
    }
}

struct Setter {
    rules: Rules<Action>,
}

enum Action {
    /// This quality, for those.
    Set(Quality, Qualities),
    /// Those pass.
    Hold(Qualities),
}

impl Setter {
    fn judge(&mut self, record: &Record) -> Fate {
        match self.rules.of(record.tag) {
            Some(Action::Set(set, only)) if *set != record.quality && only.hold(record.quality) => {
                Fate::Becomes(Record { quality: *set, ..record.clone() })
            }
            Some(Action::Hold(these)) if !these.hold(record.quality) => Fate::Rejected,
            _ => Fate::Passes,
        }
    }
}

impl Transform for Setter {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| self.judge(record));
        Ok(())
    }
}
