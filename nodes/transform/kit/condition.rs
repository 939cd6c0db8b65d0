//! Conditions on a record, by tag, quality, range and expression: what `filter` and `route` ask.

use fieldflow_contract::{At, BuildError, Findings, Level, Quality, Record, TagMap, TagSelector, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::expression::{self, Expression, Expressions};
use super::number::number;

/// What a record has to be. All that is given must hold; at least one is.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Condition {
    /// The tag is one of these: a name, a pattern such as `press.*`, or a list of them.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// The quality is one of these.
    #[serde(default)]
    pub(crate) quality: Option<Qualities>,
    /// The value is a number within `[low, high]`, both ends included; NaN, texts, booleans and bytes are in no range.
    #[serde(default)]
    pub(crate) range: Option<[f64; 2]>,
    /// An expression that comes to `true`, such as `value > last("line.limit")`; the type `map` says what it may hold.
    #[serde(default)]
    pub(crate) when: Option<String>,
}

/// Qualities. All that is given must hold; at least one is.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Qualities {
    /// This or better: `min: uncertain` is Good and Uncertain.
    #[serde(default)]
    pub(crate) min: Option<Severity>,
    /// This or worse: `max: uncertain` is Uncertain and Bad.
    #[serde(default)]
    pub(crate) max: Option<Severity>,
    /// Exactly one of these, such as `[bad:timeout, bad:not_connected]`; a bare `bad` is only that code.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) is: Option<Vec<Quality>>,
}

/// One of the three severities of a quality.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// The value can be used.
    Good,
    /// The value may be wrong.
    Uncertain,
    /// The value must not be used.
    Bad,
}

impl Severity {
    fn level(self) -> Level {
        match self {
            Self::Good => Level::Good,
            Self::Uncertain => Level::Uncertain,
            Self::Bad => Level::Bad,
        }
    }
}

impl Qualities {
    /// Whether a quality is one of these.
    pub(crate) fn hold(&self, quality: Quality) -> bool {
        // The better level is the lesser one.
        self.min.is_none_or(|min| quality.level() <= min.level())
            && self.max.is_none_or(|max| max.level() <= quality.level())
            && self.is.as_ref().is_none_or(|these| these.contains(&quality))
    }

    /// Reports qualities that say nothing or that no quality can be.
    pub(crate) fn check(&self, at: &At, findings: &mut Findings) {
        if self.min.is_none() && self.max.is_none() && self.is.is_none() {
            findings.error(at.clone(), "which qualities is not said").help("add `min`, `max` or `is`");
        }
        if let (Some(min), Some(max)) = (self.min, self.max)
            && min < max
        {
            findings
                .error(at.clone(), "no quality is so good and so bad at once")
                .help("`min: uncertain` is Good and Uncertain; `max: uncertain` is Uncertain and Bad");
        }
    }
}

impl Condition {
    /// Reports what is wrong with the condition.
    pub(crate) fn check(&self, at: &At, findings: &mut Findings) {
        if self.tags.is_none() && self.quality.is_none() && self.range.is_none() && self.when.is_none() {
            findings
                .error(at.clone(), "the condition says nothing")
                .help("add one or more of `tags`, `quality`, `range` and `when`");
        }
        if let Some(qualities) = &self.quality {
            qualities.check(&at.clone().key("quality"), findings);
        }
        if let Some([low, high]) = self.range
            && (high < low || low.is_nan() || high.is_nan())
        {
            findings
                .error(at.clone().key("range"), format!("nothing lies between {low} and {high}"))
                .help("write the lower end first");
        }
        if let Some(Err(wrong)) = self.when.as_deref().map(expression::check_condition) {
            let message = wrong.message();
            findings.error(at.clone().key("when"), message).help = wrong.help;
        }
    }
}

/// How a record stands to a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// All of it holds.
    Yes,
    /// Not by its tag or its quality.
    No,
    /// Not by its value.
    NotByValue,
    /// Tag and quality hold; the value is Bad and cannot be judged.
    Unknown,
    /// The expression has no answer.
    Failed,
}

/// A condition, ready to be asked. Which tags it is for is remembered, bounded by the table of tags.
pub(crate) struct Asked {
    condition: Condition,
    when: Option<Expression>,
    is_for: TagMap<bool>,
}

impl Asked {
    pub(crate) fn new(condition: Condition, all: &mut Expressions) -> Result<Self, BuildError> {
        let when = condition.when.as_deref().map(|text| all.compile(text));
        let when = when.transpose().map_err(|wrong| BuildError(wrong.message()))?;
        Ok(Self { condition, when, is_for: TagMap::default() })
    }

    /// Whether the answer hangs on the value, and so may not hide a change of quality.
    pub(crate) fn judges_values(&self) -> bool {
        self.condition.range.is_some() || self.when.as_ref().is_some_and(|when| !when.asks_for_quality())
    }

    pub(crate) fn of(&mut self, record: &Record, all: &mut Expressions) -> Met {
        if let Some(tags) = &self.condition.tags
            && !*self.is_for.slot(record.tag).get_or_insert_with(|| tags.selects(record.tag))
        {
            return Met::No;
        }
        if self.condition.quality.as_ref().is_some_and(|these| !these.hold(record.quality)) {
            return Met::No;
        }
        let bad = record.quality.is_bad();
        if bad && self.judges_values() {
            return Met::Unknown;
        }
        if self.condition.range.is_some_and(|range| !lies(&record.value, range)) {
            return Met::NotByValue;
        }
        match self.when.as_ref().map(|when| all.holds(when, record)) {
            None | Some(Ok(true)) => Met::Yes,
            Some(Ok(false)) if self.judges_values() => Met::NotByValue,
            Some(Ok(false)) => Met::No,
            Some(Err(_)) if bad => Met::Unknown,
            Some(Err(_)) => Met::Failed,
        }
    }
}

fn lies(value: &Value, [low, high]: [f64; 2]) -> bool {
    number(value).is_some_and(|number| low <= number && number <= high)
}
