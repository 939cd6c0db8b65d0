//! The options of `alarm`.

use std::time::Duration;

use fieldflow_contract::{At, Findings, Span, TagSelector};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::names;
use crate::transform::kit::rules;

/// Watches values against limits and tells when an alarm comes, changes or goes.
///
/// Every record leaves untouched and in order by the default port. By the port `alarms` leaves one record for each transition,
/// of the tag that `as` says, with the new state as text: `hihi`, `hi`, `normal`, `lo`, `lolo`, or `bad` with `bad: alarm`. The
/// same state is never told twice in a row, but for a restart, and what is normal from the start is not told. The first rule
/// that names a tag is used; a tag that no rule names is not watched.
///
/// A limit is exceeded by a value beyond it, not by one that equals it, when that has lasted for `on_delay`; it is over when
/// the value has come back by `hysteresis` or more and that has lasted for `off_delay`. Each limit has its own delays; the most
/// severe of those that are exceeded is the state. A limit on the other side ends those of this one at once. A value holds
/// until the next one, so delays run out without new records, too, by the machine's clock since the last one came.
///
/// The time of a transition is the time at which the state was entered, as OPC UA has it: that of the record, plus the delay
/// if there is one.
///
/// What waited on disk and is older than what was seen since then passes without being watched.
///
/// Bad quality: what is Bad, no number or NaN leaves limits as they are and begins their delays anew; with `bad: alarm` it is
/// an alarm itself, with the same delays. Uncertain values count; the transition is then Uncertain, else Good.
/// Restart: the last transition of each tag is kept, so the end of an alarm is told if it was over meanwhile. It is told once
/// more, with its own time, before the first record of the tag that comes after a restart: nobody knows whether it had arrived
/// when the program stopped, and an alarm told twice is better than one that is lost. Running delays begin anew.
/// Time: the time of the records; the machine's for delays while no more comes.
/// Memory: the state of each tag that came by, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
    /// The name of what leaves by `alarms`: `{tag}` is the name that came, `{tag[1]}` its second part between dots or
    /// slashes. A record whose tag makes no name goes to `rejected` instead of on. Default `"{tag}.alarm"`.
    #[serde(default = "name", rename = "as")]
    pub(crate) name: String,
}

/// The limits of some tags: at least one of the four, or `bad: alarm`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// The upper limit for `hihi`, above `hi`.
    #[serde(default)]
    pub(crate) hihi: Option<f64>,
    /// The upper limit for `hi`.
    #[serde(default)]
    pub(crate) hi: Option<f64>,
    /// The lower limit for `lo`.
    #[serde(default)]
    pub(crate) lo: Option<f64>,
    /// The lower limit for `lolo`, below `lo`.
    #[serde(default)]
    pub(crate) lolo: Option<f64>,
    /// How far a value comes back from a limit before that is over, in the unit of the value. It acts on clearing only. Not
    /// negative. Default 0.
    #[serde(default)]
    pub(crate) hysteresis: f64,
    /// How long a limit is exceeded before that is an alarm. Default 0s.
    #[serde(default = "none")]
    pub(crate) on_delay: Span,
    /// How long the value is back before an alarm is over. Default 0s.
    #[serde(default = "none")]
    pub(crate) off_delay: Span,
    /// What a value that must not be used is. Default `ignore`.
    #[serde(default)]
    pub(crate) bad: Bad,
}

/// What a value that must not be used is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bad {
    /// No news: the alarm stays as it is.
    #[default]
    Ignore,
    /// An alarm, `bad`, more severe than all others.
    Alarm,
}

fn name() -> String {
    "{tag}.alarm".to_owned()
}

fn none() -> Span {
    Span(Duration::ZERO)
}

/// Reports what the schema cannot see.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
    for (n, rule) in config.rules.iter().enumerate() {
        check_rule(rule, &At::from("rules").index(n), findings);
    }
    names::check_derived(&config.name, &[], &"as".into(), findings);
    if config.name == "{tag}" {
        findings
            .warning("as", "alarms have the name of the values that they are about")
            .help("such as \"{tag}.alarm\"");
    }
}

fn check_rule(rule: &Rule, at: &At, findings: &mut Findings) {
    let limits = [("lolo", rule.lolo), ("lo", rule.lo), ("hi", rule.hi), ("hihi", rule.hihi)];
    let given: Vec<(&str, f64)> = limits.iter().filter_map(|(name, limit)| limit.map(|limit| (*name, limit))).collect();
    if given.is_empty() && rule.bad == Bad::Ignore {
        findings.error(at.clone(), "the rule has no limit").help("add at least one of `hihi`, `hi`, `lo` and `lolo`");
    }
    for (name, limit) in &given {
        if !limit.is_finite() {
            findings.error(at.clone().key(*name), "an ordinary number is wanted here, neither NaN nor infinite");
        }
    }
    for ((below, lower), (above, higher)) in given.iter().zip(given.iter().skip(1)) {
        if higher <= lower {
            findings
                .error(at.clone().key(*above), format!("`{above}` is {higher}, which is not above `{below}`"))
                .related(at.clone().key(*below), format!("{lower}"))
                .help("from bottom to top they are lolo, lo, hi, hihi");
        }
    }
    let hysteresis = rule.hysteresis;
    if !(hysteresis.is_finite() && 0.0 <= hysteresis) {
        findings
            .error(at.clone().key("hysteresis"), "how far a value comes back is finite and not negative")
            .help("say it in the unit of the value, such as 0.5");
    }
    // Only the inner two: there a value would have to be beyond the one to end the other.
    let (lowest, highest) = (rule.hi.or(rule.hihi), rule.lo.or(rule.lolo));
    if let (Some(upper), Some(lower)) = (lowest, highest)
        && lower < upper
        && upper - lower <= hysteresis
    {
        findings
            .error(
                at.clone().key("hysteresis"),
                format!("between {lower} and {upper} there is no room to come back by {hysteresis}"),
            )
            .help("say less than the distance between the inner limits");
    }
}
