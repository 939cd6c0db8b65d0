//! `cast`: values of another type.

mod convert;

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality,
    Record, Role, TagSelector, Transform, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::convert::{Fault, convert};
use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::quality::worse;
use crate::transform::kit::rules::{self, Rules};

/// `type: cast`
pub(crate) struct Cast;

/// Turns values into another type: whole numbers, floats, booleans, text or bytes.
///
/// The first rule that names a tag is used; a record that no rule names passes as it came.
///
/// | to | from |
/// |---|---|
/// | `i64`, `u64` | floats rounded as `round` says; `true` is 1; text in decimal, `0x` hex, or as a float |
/// | `f64`, `f32` | the nearest there is; a single as people see it, 78.4 as 78.4; beyond 2⁵³ (2²⁴ for `f32`) whole numbers lose digits |
/// | `bool` | 0 is `false` and any other number `true`; text `true on yes 1` and `false off no 0`, in any case |
/// | `text` | the shortest text that reads back as the same number, `NaN`, `Infinity`, `-Infinity`; `true`, `false`; bytes if they are UTF-8 |
/// | `bytes` | text as UTF-8; numbers only by the type `encode`, which knows their order |
///
/// Spaces around a text that is to be a number or a boolean do not matter. A value that cannot be turned keeps its type and
/// becomes `bad:type_mismatch` (bytes that are no UTF-8: `bad:decoding`; NaN as a whole number or boolean:
/// `bad:out_of_range`), unless it is Bad already. Null stays Null; a Good one becomes `bad:type_mismatch`.
///
/// Bad quality: cast like any other, and the reason that is there already is kept.
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

/// Which type some tags are to have.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// The type that the values are to have.
    pub(crate) to: Kind,
    /// What to do with a number that the type has no room for. Default `bad`.
    #[serde(default)]
    pub(crate) on_overflow: OnOverflow,
    /// How a float becomes a whole number. Default `nearest`.
    #[serde(default)]
    pub(crate) round: Rounding,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// True or false.
    Bool,
    /// A whole number from −2⁶³ to 2⁶³ − 1.
    I64,
    /// A whole number from 0 to 2⁶⁴ − 1.
    U64,
    /// A single.
    F32,
    /// A double.
    F64,
    /// Text.
    Text,
    /// Raw bytes.
    Bytes,
}

/// What to do with a number that the type has no room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnOverflow {
    /// It keeps its value and type and becomes `bad:out_of_range`.
    #[default]
    Bad,
    /// It becomes the nearest that there is room for; Good becomes `good:clamped`.
    Saturate,
    /// It goes to `rejected` as it came.
    Reject,
}

/// How a float becomes a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Rounding {
    /// To the nearest, half away from zero: 2.5 is 3, −2.5 is −3.
    #[default]
    Nearest,
    /// To the one below: −2.5 is −3.
    Down,
    /// To the one above: −2.5 is −2.
    Up,
    /// Towards zero, by cutting the decimals off: −2.5 is −2.
    Truncate,
}

impl NodeSpec for Cast {
    const TYPE: &'static str = "cast";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"counter.*\", to: u64, on_overflow: saturate }
  - { tags: \"*.running\", to: bool }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Any).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts { retypes: true, ..Facts::passes(Yield::Each) }
    }

    fn check(config: &Config, findings: &mut Findings) {
        rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            let has_room = matches!(rule.to, Kind::Bool | Kind::Text | Kind::Bytes);
            if has_room && rule.on_overflow != OnOverflow::Bad {
                findings
                    .warning(
                        At::from("rules").index(n).key("on_overflow"),
                        "there is room for every number in this type",
                    )
                    .help("leave the option out: it is for `i64`, `u64`, `f32` and `f64`");
            }
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        let rules = config.rules.into_iter().map(|rule| (rule.tags.clone(), rule));
        Ok(Node::transform(Caster { rules: Rules::new(rules) }))
    }
}

struct Caster {
    rules: Rules<Rule>,
}

impl Rule {
    fn judge(&self, record: &Record) -> Fate {
        let becomes = |value, quality| Fate::Becomes(Record { value, quality, ..*record });
        let kept = |reason| becomes(record.value.clone(), worse(record.quality, reason));
        match convert(&record.value, self.to, self.round) {
            Ok(value) => becomes(value, record.quality),
            Err(Fault::Mismatch) => kept(Quality::BAD_TYPE_MISMATCH),
            Err(Fault::NotANumber) => kept(Quality::BAD_OUT_OF_RANGE),
            Err(Fault::NotUtf8) => kept(Quality::BAD_DECODING),
            Err(Fault::Overflow(nearest)) => match self.on_overflow {
                OnOverflow::Bad => kept(Quality::BAD_OUT_OF_RANGE),
                OnOverflow::Reject => Fate::Rejected,
                OnOverflow::Saturate => {
                    let quality = if record.quality.is_good() { Quality::GOOD_CLAMPED } else { record.quality };
                    becomes(nearest, quality)
                }
            },
        }
    }
}

impl Transform for Caster {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| self.rules.of(record.tag).map_or(Fate::Passes, |rule| rule.judge(record)));
        Ok(())
    }
}
