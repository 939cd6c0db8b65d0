//! `deadband`: lets a record go whose value has hardly moved.

use std::time::Duration;

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Place, Ports,
    Quality, Record, Role, Span, TagMap, TagSelector, Timestamp, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::{Fate, edit};
use crate::transform::kit::rules::{self, Rules};

/// `type: deadband`
pub(crate) struct Deadband;

/// Drops a number that has moved no further than a threshold since the last one of its tag that passed.
///
/// The first rule that names a tag is used; a record that no rule names passes as it came. A move must be greater than the
/// threshold to pass; one that equals it is dropped, and that is judged on decimals: from 0.7 to 0.8 is 0.1, not a little
/// more. A threshold of 0 drops exact repeats. Because each value is compared with the last one that *passed*, a slow drift
/// cannot creep away: what is dropped is within the threshold of what passed before it.
///
/// The first record of a tag always passes, and so does every change of quality, of which the next move is then measured.
/// Numbers of different kinds are compared as numbers, so 1 and 1.0 are the same. Text, bytes, booleans and Null pass when
/// they change. NaN and infinity pass when they come and when they go, and are dropped while they stay.
///
/// Bad quality: the first Bad record passes; further ones of the same reason are judged by their value like any other.
/// Restart: nothing is kept over it, so the first record of each tag passes again.
/// Time: the time of the records, not of the machine. Nothing is emitted by time alone.
/// Memory: one record for each tag that came by, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
    /// Longest silence of a tag: an unchanged record still passes when at least this time has gone by since the last one
    /// that passed, such as `60s`. A record that is older than the last one passes too, so that a clock that was set back
    /// silences nothing. Longer than zero. Default: none. A rule may name its own.
    #[serde(default)]
    pub(crate) max_silence: Option<Span>,
    /// Hold-off: no record passes sooner than this after the last one of its tag, however far it moved, unless its quality
    /// changes. What is dropped so may be beyond the threshold, and passes only with the next record: for polled tags, not
    /// for those that tell changes only. Longer than zero. Default: none. A rule may name its own.
    #[serde(default)]
    pub(crate) min_interval: Option<Span>,
}

/// The threshold of some tags: `absolute`, or `percent` with `of`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// The threshold in the tag's own unit. Zero or more.
    #[serde(default)]
    pub(crate) absolute: Option<f64>,
    /// The threshold in percent, 0 to 100.
    #[serde(default)]
    pub(crate) percent: Option<f64>,
    /// What `percent` is a share of. Default `span` where a span is given; else it must be said.
    #[serde(default)]
    pub(crate) of: Option<Of>,
    /// The range of the tag in its own unit, lowest and highest, such as `[0, 10]`. For `of: span`.
    #[serde(default)]
    pub(crate) span: Option<[f64; 2]>,
    /// The longest silence of these tags, in the place of that of the node.
    #[serde(default)]
    pub(crate) max_silence: Option<Span>,
    /// The hold-off of these tags, in the place of that of the node.
    #[serde(default)]
    pub(crate) min_interval: Option<Span>,
}

/// What a percentage is a share of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Of {
    /// Of the range of the tag, from the lower end of `span` to the upper.
    Span,
    /// Of the last value that passed. Near zero that is next to nothing, so that everything passes.
    Last,
}

impl NodeSpec for Deadband {
    const TYPE: &'static str = "deadband";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"temperature.*\", absolute: 0.5 }
  - { tags: \"pressure.*\", percent: 1, of: span, span: [0, 10] }
max_silence: 60s
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost).place(Place::Thins)
    }

    fn check(config: &Config, findings: &mut Findings) {
        check_times(config.max_silence, config.min_interval, &At::root(), findings);
        rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            let at = At::from("rules").index(n);
            check(rule, &at, findings);
            check_times(rule.max_silence, rule.min_interval, &at, findings);
            // Where only one of them is the rule's own, the two do not stand together.
            match (rule.max_silence, rule.min_interval) {
                (Some(silence), None) => {
                    check_order(Some(silence), config.min_interval, &at.key("max_silence"), findings);
                }
                (None, Some(interval)) => {
                    check_order(config.max_silence, Some(interval), &at.key("min_interval"), findings);
                }
                _ => {}
            }
        }
    }

    fn build(config: Config, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Gate::new(config)?))
    }
}

fn check(rule: &Rule, at: &At, findings: &mut Findings) {
    match (rule.absolute, rule.percent) {
        (None, None) => {
            findings.error(at.clone(), "the rule has no threshold").help("add `absolute`, or `percent` with `of`");
        }
        (Some(_), Some(_)) => {
            findings
                .error(at.clone().key("percent"), "a rule has one threshold, and this one has `absolute` already")
                .related(at.clone().key("absolute"), "the other threshold");
        }
        (Some(absolute), None) if !(absolute.is_finite() && 0.0 <= absolute) => {
            findings.error(at.clone().key("absolute"), "a threshold is a number that is not negative");
        }
        (None, Some(percent)) if !(0.0..=100.0).contains(&percent) => {
            findings.error(at.clone().key("percent"), "a percentage from 0 to 100 is wanted here");
        }
        _ => {}
    }
    if rule.percent.is_some() && rule.of.is_none() && rule.span.is_none() {
        findings
            .error(at.clone().key("percent"), "percent of what?")
            .help("add `of: span` with `span: [lowest, highest]`, or `of: last`");
    }
    if rule.percent.is_some() && rule.of == Some(Of::Span) && rule.span.is_none() {
        findings.error(at.clone().key("of"), "the span is missing").help("add `span: [lowest, highest]`");
    }
    for (name, given) in [("of", rule.of.is_some()), ("span", rule.span.is_some())] {
        if given && rule.percent.is_none() {
            findings.error(at.clone().key(name), format!("`{name}` is for `percent`")).help("leave it out");
        }
    }
    if let Some([low, high]) = rule.span {
        if rule.of == Some(Of::Last) {
            findings.error(at.clone().key("span"), "`of: last` needs no span").help("leave it out, or say `of: span`");
        } else if !(low < high && low.is_finite() && high.is_finite()) {
            findings
                .error(at.clone().key("span"), "the first end of a span lies below the second")
                .help("say the lowest and the highest value of the tag, such as [0, 10]");
        }
    }
}

fn check_times(silence: Option<Span>, interval: Option<Span>, at: &At, findings: &mut Findings) {
    if silence.is_some_and(|span| span.0.is_zero()) {
        findings
            .error(at.clone().key("max_silence"), "a silence of no length lets every record pass")
            .help("leave the option out to drop whatever is within the threshold");
    }
    if interval.is_some_and(|span| span.0.is_zero()) {
        findings
            .error(at.clone().key("min_interval"), "a hold-off of no length holds nothing off")
            .help("leave it out");
    }
    check_order(silence, interval, &at.clone().key("max_silence"), findings);
}

fn check_order(silence: Option<Span>, interval: Option<Span>, at: &At, findings: &mut Findings) {
    if let (Some(silence), Some(interval)) = (silence, interval)
        && silence < interval
    {
        findings
            .error(at.clone(), format!("the longest silence of {silence} is shorter than the hold-off of {interval}"))
            .help("let `max_silence` be longer than `min_interval`");
    }
}

struct Gate {
    rules: Rules<Band>,
    last: TagMap<Passed>,
}

/// The last record of a tag that passed.
struct Passed {
    value: Value,
    quality: Quality,
    time: Timestamp,
}

struct Band {
    threshold: Threshold,
    max_silence: Option<Duration>,
    min_interval: Option<Duration>,
}

enum Threshold {
    Absolute(f64),
    /// This much of the last value, 0 to 1.
    OfLast(f64),
}

/// What becomes of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Passes,
    Within,
    TooSoon,
}

impl Gate {
    fn new(config: Config) -> Result<Self, BuildError> {
        let (silence, interval) = (config.max_silence, config.min_interval);
        let rules = config.rules.into_iter().map(|rule| {
            let threshold = match (rule.absolute, rule.percent, rule.span) {
                (Some(absolute), None, _) => Threshold::Absolute(absolute),
                (None, Some(percent), Some([low, high])) => Threshold::Absolute((high - low) * percent / 100.0),
                (None, Some(percent), None) => Threshold::OfLast(percent / 100.0),
                _ => return Err(BuildError("a rule needs either `absolute` or `percent`".to_owned())),
            };
            let max_silence = rule.max_silence.or(silence).map(|span| span.0);
            let min_interval = rule.min_interval.or(interval).map(|span| span.0);
            Ok((rule.tags, Band { threshold, max_silence, min_interval }))
        });
        Ok(Self { rules: Rules::new(rules.collect::<Result<Vec<_>, _>>()?), last: TagMap::default() })
    }

    /// Whether the record passes; if so, it is the one that the next is compared with.
    fn judge(&mut self, record: &Record) -> Verdict {
        let Some(band) = self.rules.of(record.tag) else { return Verdict::Passes };
        let slot = self.last.slot(record.tag);
        let verdict = slot.as_ref().map_or(Verdict::Passes, |last| band.judge(last, record));
        if verdict == Verdict::Passes {
            *slot = Some(Passed { value: record.value.clone(), quality: record.quality, time: record.time });
        }
        verdict
    }
}

impl Band {
    fn judge(&self, last: &Passed, record: &Record) -> Verdict {
        if last.quality != record.quality {
            return Verdict::Passes;
        }
        let is_older = record.time < last.time;
        let passed_by = record.time.since(last.time);
        if self.min_interval.is_some_and(|interval| !is_older && passed_by < interval) {
            return Verdict::TooSoon;
        }
        let is_due = self.max_silence.is_some_and(|silence| is_older || silence <= passed_by);
        if is_due || self.threshold.is_exceeded(&last.value, &record.value) {
            return Verdict::Passes;
        }
        Verdict::Within
    }
}

impl Threshold {
    fn is_exceeded(&self, last: &Value, value: &Value) -> bool {
        let (Some(was), Some(is)) = (last.as_f64(), value.as_f64()) else { return !last.same_as(value) };
        let threshold = match self {
            Self::Absolute(absolute) => *absolute,
            Self::OfLast(share) => was.abs() * share,
        };
        if let (Some(was), Some(is)) = (integer(last), integer(value)) {
            return threshold < (is - was).unsigned_abs() as f64;
        }
        if !was.is_finite() || !is.is_finite() {
            return was != is && !(was.is_nan() && is.is_nan());
        }
        // How far the numbers and the threshold may be from the decimals that they stand for.
        let slack = match (last, value) {
            _ if threshold == 0.0 => 0.0,
            (Value::F32(_), _) | (_, Value::F32(_)) => f64::from(f32::EPSILON),
            _ => 2.0 * f64::EPSILON,
        };
        threshold + slack * was.abs().max(is.abs()) < (is - was).abs()
    }
}

/// Integers are compared as such: doubles lose their last digits.
fn integer(value: &Value) -> Option<i128> {
    match *value {
        Value::I64(v) => Some(i128::from(v)),
        Value::U64(v) => Some(i128::from(v)),
        _ => None,
    }
}

impl Transform for Gate {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        edit(batch, out, |record| match self.judge(record) {
            Verdict::Passes => Fate::Passes,
            Verdict::Within => Fate::Goes("deadband"),
            Verdict::TooSoon => Fate::Goes("min_interval"),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests;
