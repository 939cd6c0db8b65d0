//! The options of `counter`.

use std::time::Duration;

use fieldflow_contract::{At, Findings, Span, TagSelector};
use schemars::JsonSchema;
use serde::Deserialize;

use super::count::values;
use crate::transform::kit::names;
use crate::transform::kit::rules;

/// Makes a total, a difference or a rate of what a meter counts, across its wraps and its restarts.
///
/// A reading that is lower than the last one is a wrap if the last one was in the last tenth of `max` and the new one is in
/// the first tenth, or if the count across the end is at most `max_delta`; else the counter began again. No difference is ever
/// negative. Whole numbers are counted as such, up to 2⁶⁴; what has fractions is counted in decimals and leaves as a double.
/// A total begins at 0 with the first reading of a tag. The first rule that names a tag is used; a record that no rule names
/// passes as it came.
///
/// A reading that is older than the last one, by at most an hour or out of a queue on disk, is late; it is let go as `late`,
/// for what it has to tell is counted already. One that is older by more comes from a clock that was set back. Other reasons
/// are `first` (a difference or a rate has nothing before it), `reset` (what was counted is not known) and `time` (a rate over
/// no time). A record whose tag makes no name by `as` goes to `rejected` as it came.
///
/// Bad quality: a Bad record passes with its quality, and with the total as it stands, or without a value for a difference or
/// a rate. The last reading is kept, because a meter goes on counting while nobody can read it: the next Good reading counts
/// all since then. So it is with `uncertain:last_usable`, `uncertain:substitute` and `uncertain:initial`, which are no
/// readings; others that are Uncertain count. What is no number keeps its value with `bad:type_mismatch`; a negative number,
/// one beyond `max`, NaN and infinity with `bad:out_of_range`, and so does a total that is too large.
/// Restart: the last reading and the total of each tag are kept, so the total goes on, with what was counted meanwhile. They
/// are stored together each `save_every` and at the end, and soon after the first reading of a tag; after a power cut the total
/// catches up from the reading that was stored with it, unless the counter has wrapped or begun again since then: then it is
/// taken for one wrap or one restart. Differences and rates go on from the reading that was stored, too, so after a kill what
/// was counted since then is told a second time, and one that had left but not arrived is not told again, even by a durable edge:
/// the reading that comes again is late. Where every count matters, store the total and take the difference when it is read.
/// Time: the time of the records for rates and for what is late; the machine's for storing.
/// Memory: one reading for each tag that came by, bounded by the table of tags; what is stored is bounded to 16 MiB, some
/// 150,000 tags (beyond it nothing new is stored, and `not_kept` counts).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
    /// How often what is kept over a restart is stored, if anything was counted. Longer than zero. Default 10s.
    #[serde(default = "ten_seconds")]
    pub(crate) save_every: Span,
}

/// How some counters behave, and what is wanted of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `*.energy`, or a list of them.
    pub(crate) tags: TagSelector,
    /// Where the counter wraps to 0: 65536 for 16 bits, 4294967296 for 32, 1000000 for six digits. The highest value that it
    /// shows, such as 65535 or 999999, says the same. At least 9. Default: it never wraps, so a lower reading is a restart.
    #[serde(default)]
    #[schemars(range(min = 9))]
    pub(crate) max: Option<u64>,
    /// What leaves. Default `total`.
    #[serde(default)]
    pub(crate) output: Output,
    /// The time that a rate is for: with `1h` it is the count in an hour. Only with `output: rate`. Default 1s.
    #[serde(default)]
    pub(crate) per: Option<Span>,
    /// The most that can be counted between two readings, over the longest outage. A lower reading is a wrap, too, if the count
    /// across the end is not more than this; and after a restart of the counter nothing is counted if it shows more than this,
    /// so that a reading that is only a little lower makes no spike. Nor is anything counted if a reading is higher than the
    /// last one by more: that is another meter, or a wrong reading (`reset`). At least 1. Default: not known.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(crate) max_delta: Option<u64>,
    /// What counts when the counter began again. Default `value`.
    #[serde(default)]
    pub(crate) reset: Reset,
    /// The name of the result, such as `"{tag}.total"`; `{tag}` is the name that came, `{tag[1]}` its second part between
    /// dots or slashes. Default: the same tag.
    #[serde(default, rename = "as")]
    pub(crate) name: Option<String>,
}

/// What leaves for each reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Output {
    /// What was counted since the reading before.
    Delta,
    /// What was counted since then, for each `per` of the time between.
    Rate,
    /// What was counted since the very first reading.
    #[default]
    Total,
}

/// What counts when the counter began again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reset {
    /// What it shows: it began at 0. What it had counted between the last reading and its restart is lost.
    #[default]
    Value,
    /// Nothing: the new reading is only what the next one is measured from.
    Skip,
}

fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}

/// Reports what the schema cannot see.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    if config.save_every.0.is_zero() {
        findings.error("save_every", "a time longer than zero is wanted here").help("say 10s");
    }
    rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
    for (n, rule) in config.rules.iter().enumerate() {
        check_rule(rule, &At::from("rules").index(n), findings);
    }
}

fn check_rule(rule: &Rule, at: &At, findings: &mut Findings) {
    if let Some(max) = rule.max.filter(|max| *max < 9) {
        findings.error(at.clone().key("max"), format!("{max} is too little to tell a wrap from a restart")).help(
            "say how many values the counter shows: 65536 for 16 bits, 4294967296 for 32, 1000000 for six digits",
        );
    }
    if rule.max_delta == Some(0) {
        findings
            .error(at.clone().key("max_delta"), "a counter that counts nothing between two readings")
            .help("say the most that it can count between two readings, or leave the option out");
    }
    if let (Some(max), Some(most)) = (rule.max, rule.max_delta)
        && values(max) <= u128::from(most).saturating_mul(2)
    {
        findings
            .warning(at.clone().key("max_delta"), "with half of `max` or more, a restart is easily taken for a wrap")
            .related(at.clone().key("max"), "where the counter wraps");
    }
    match (rule.per, rule.output) {
        (Some(per), Output::Rate) if per.0.is_zero() => {
            findings.error(at.clone().key("per"), "a rate for no time at all").help("say 1s or 1h");
        }
        (Some(_), Output::Delta | Output::Total) => {
            findings
                .error(at.clone().key("per"), "only a rate is for a time")
                .help("add `output: rate`, or leave `per` out");
        }
        _ => {}
    }
    if let Some(name) = &rule.name {
        names::check_derived(name, &[], &at.clone().key("as"), findings);
    }
}
