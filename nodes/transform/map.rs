//! `map`: values worked out by an expression.

use std::path::Path;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, Carries, Cause, Facts, Findings, Node, NodeSpec, Outputs, Ports, Quality,
    Record, Role, TagSelector, Tally, Transform, Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::transform::kit::batches::Frame;
use crate::transform::kit::expression::{self, Expression, Expressions};
use crate::transform::kit::names::{self, Naming};
use crate::transform::kit::quality::worse;
use crate::transform::kit::rules::{self, Rules};

/// `type: map`
pub(crate) struct Map;

/// Works out values by an expression over value, quality, time, tag and the last values of other tags.
///
/// The first rule that names a tag is used, whenever a record of that tag comes; a record that no rule names passes as it
/// came. An expression is checked before the run, and an error is told with its place.
///
/// **Names.** `value`; `quality`, a text such as `good` or `bad:timeout`; `good`, whether the quality is; `time`, the
/// record's, in seconds since 1970 UTC with six digits; `tag`, its name.
/// **Other tags.** `last("line1.speed")` is the last value that came to this node of that tag, as it came; of the record's
/// own tag it is the one before. If none came yet there is no result (`bad:no_data`), if it is Bad there is none either, for
/// the same reason; if it is Uncertain, so is the result. `last_or("line1.speed", 0)` puts a number in the place of what is
/// missing or Bad. `age("line1.speed")` is by how many seconds it is older than the record.
/// **Numbers.** `+ - * / % **`; `/` never cuts off: `7 / 2` is 3.5, `floor(7 / 2)` is 3.0. Whole numbers stay whole else, and
/// `& | ^ << >>` work on them; shifted by 64 or more, nothing is left. A whole number of 2⁶³ or more is read as a double, and
/// loses its last digits. A sign binds most closely: `-3 ** 2` is 9, `-(3 ** 2)` is -9. Singles are read as people see them,
/// 78.4 as 78.4. `abs sign round(x) round(x, places) floor
/// ceil trunc sqrt exp ln log10 pow sin cos tan asin acos atan atan2 min max clamp(x, low, high) int float bit(x, n)`.
/// **Conditions.** `== != < <= > >= && || !`, `if value > 3 { "high" } else { "low" }`,
/// `switch int(value) { 0 => "off", 1 | 2 => "on", _ => "?" }`. Two numbers compare, or two texts, and `==` and `!=` two booleans;
/// between others, or with NaN, there is no result. Null compares with nothing: `is_null(value)` asks for it, and `value ?? 0` puts
/// a number in its place. A `switch` knows only what is exactly so: a double 0.0 is no 0 to it, so write `switch int(value)`.
/// **Texts.** `text(value) + " bar"`, `number("12.5") text(x) is_number(x) is_text(x) is_null(x) len contains(t, part) starts_with
/// ends_with lower upper trim`.
/// There are no loops, no variables, no comments and no functions of one's own, and nothing of the machine can be reached.
///
/// A record for which there is no result keeps its value (a new tag gets Null) and becomes Bad: `bad:out_of_range` for
/// overflow, a division by zero or a result that is not finite, `bad:type_mismatch` for what cannot be worked on, such as a
/// text in arithmetic or compared with a number, bytes, or a Null, `bad:no_data` for an expression without a result, such as an `if` without `else`.
/// It is counted as `no_result`. Nothing is ever dropped here: that is for `filter`.
///
/// `rejected` gets what cannot be named: see `tag`.
///
/// Bad quality: a Bad record is not worked on and passes with its quality, unless `on_bad` is `evaluate`.
/// Restart: nothing is kept over it; `last` has no value until one comes.
/// Time: that of the records.
/// Memory: one value for each tag that stands in a `last`, and the new name of each tag, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The rules, at least one; the first that names a tag is used for it.
    #[schemars(length(min = 1))]
    pub(crate) rules: Vec<Rule>,
}

/// What to work out for some tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// The tags that the rule is for: a name, a pattern such as `press.*`, or a list of them.
    pub(crate) tags: TagSelector,
    /// The new value, such as `value * 1.8 + 32`.
    pub(crate) value: String,
    /// The new quality, as a text such as `if last("pump.on") { "good" } else { "uncertain" }`; `value` is the one that came.
    /// Not asked where `value` has no result. Default: the worst of all that was read.
    #[serde(default)]
    pub(crate) quality: Option<String>,
    /// The tag of the result, such as `{tag}.fahrenheit`; `{tag[1]}` is a part between `/` or `.`, counted from 0, from the
    /// end if negative. The record that came passes too, before it, unless `keep` is false. A record whose tag has no such
    /// part, or whose new name is too long, goes to `rejected`. Default: the value is replaced.
    #[serde(default)]
    pub(crate) tag: Option<String>,
    /// Whether the record that came passes beside the one of the new `tag`. Default true.
    #[serde(default)]
    pub(crate) keep: Option<bool>,
    /// What to do with a record that is Bad. Default `pass`.
    #[serde(default)]
    pub(crate) on_bad: OnBad,
}

/// What to do with a record that is Bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnBad {
    /// It keeps its value and quality; one of a new tag gets its quality and Null.
    #[default]
    Pass,
    /// It is worked on like any other, and stays Bad unless `quality` says otherwise.
    Evaluate,
}

impl NodeSpec for Map {
    const TYPE: &'static str = "map";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
rules:
  - { tags: \"*.celsius\", value: \"value * 1.8 + 32\", tag: \"{tag[0]}.fahrenheit\" }
  - { tags: pump.current, value: 'value * last(\"pump.voltage\") / 1000', tag: pump.kilowatt }
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::transform(Carries::Values, Carries::Values).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::renames(Yield::AtMost)
    }

    fn check(config: &Config, findings: &mut Findings) {
        rules::check_order(config.rules.iter().map(|rule| &rule.tags), findings);
        for (n, rule) in config.rules.iter().enumerate() {
            let at = At::from("rules").index(n);
            let expressions = [("value", Some(&rule.value)), ("quality", rule.quality.as_ref())];
            for (key, text) in expressions.into_iter().filter_map(|(key, text)| Some((key, text?))) {
                if let Err(wrong) = expression::check(text) {
                    let message = wrong.message();
                    findings.error(at.clone().key(key), message).help = wrong.help;
                }
            }
            match &rule.tag {
                Some(tag) => names::check(tag, &[], &at.clone().key("tag"), findings),
                None if rule.keep.is_some() => {
                    findings
                        .error(at.clone().key("keep"), "the result has the tag of the record that came")
                        .help("say the `tag` of the result, or leave `keep` out");
                }
                None => {}
            }
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let mut expressions = Expressions::default();
        let rules = config.rules.into_iter().map(|rule| Mapping::new(rule, &mut expressions));
        let rules = Rules::new(rules.collect::<Result<Vec<_>, _>>()?);
        Ok(Node::transform(Mapper { rules, expressions, words: Words::default(), tally: context.tally.clone() }))
    }
}

struct Mapper {
    rules: Rules<Mapping>,
    expressions: Expressions,
    words: Words,
    tally: Tally,
}

struct Mapping {
    value: Expression,
    quality: Option<Expression>,
    naming: Option<Naming>,
    keep: bool,
    on_bad: OnBad,
}

/// The last word that an expression gave for a quality, so that the same one is not read again for each record.
#[derive(Default)]
struct Words(Option<(std::sync::Arc<str>, Quality)>);

impl Words {
    fn quality(&mut self, word: &std::sync::Arc<str>) -> Option<Quality> {
        match &self.0 {
            Some((last, quality)) if last == word => Some(*quality),
            _ => word.parse().ok().inspect(|quality| self.0 = Some((word.clone(), *quality))),
        }
    }
}

impl Mapping {
    fn new(rule: Rule, expressions: &mut Expressions) -> Result<(TagSelector, Self), BuildError> {
        let mut compile = |text: &str| expressions.compile(text).map_err(|wrong| BuildError(wrong.message()));
        let value = compile(&rule.value)?;
        let quality = rule.quality.as_deref().map(&mut compile).transpose()?;
        let naming = rule.tag.as_deref().map(|text| Naming::new(Some(text))).transpose()?;
        let keep = rule.keep.unwrap_or(true);
        Ok((rule.tags, Self { value, quality, naming, keep, on_bad: rule.on_bad }))
    }

    /// The value and the quality for this record; no value where there is no result.
    fn work_out(&self, record: &Record, all: &mut Expressions, words: &mut Words) -> (Option<Value>, Quality) {
        let worst = |reason| worse(record.quality, reason);
        let (value, mut quality) = match all.evaluate(&self.value, record) {
            Ok((Value::Null, _)) => return (None, worst(Quality::BAD_NO_DATA)),
            Ok((Value::F64(value), _)) if !value.is_finite() => return (None, worst(Quality::BAD_OUT_OF_RANGE)),
            Ok(result) => result,
            Err(reason) => return (None, worst(reason)),
        };
        if let Some(expression) = &self.quality {
            quality = match all.evaluate(expression, record) {
                Ok((Value::Text(word), _)) => words.quality(&word).unwrap_or(Quality::BAD_CONFIGURATION),
                Ok((Value::Null, _)) => quality,
                Ok(_) => Quality::BAD_TYPE_MISMATCH,
                Err(reason) => reason,
            };
        }
        (Some(value), quality)
    }
}

impl Mapper {
    /// Works on one record of a rule and puts what becomes of it into `passed`, or into `rejected` as it came.
    fn map(&mut self, at: usize, mut record: Record, passed: &mut Vec<Record>, rejected: &mut Vec<Record>) -> bool {
        let rule = self.rules.get_mut(at);
        let untouched = record.quality.is_bad() && rule.on_bad == OnBad::Pass;
        let (value, quality) = if untouched {
            (None, record.quality)
        } else {
            rule.work_out(&record, &mut self.expressions, &mut self.words)
        };
        self.expressions.saw(&record);
        let worked = value.is_some() || untouched;
        let Some(naming) = &mut rule.naming else {
            record.quality = quality;
            record.value = value.unwrap_or(record.value);
            passed.push(record);
            return worked;
        };
        let Some(tag) = naming.of(record.tag) else {
            rejected.push(record);
            return worked;
        };
        let derived = Record { tag, quality, time: record.time, value: value.unwrap_or_default() };
        if rule.keep {
            passed.push(record);
        }
        passed.push(derived);
        worked
    }
}

impl Transform for Mapper {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        if batch.records().iter().all(|record| self.rules.index(record.tag).is_none()) {
            // No copy of what only passes; `last` may still want to know of it.
            batch.records().iter().for_each(|record| self.expressions.saw(record));
            out.emit(batch);
            return Ok(());
        }
        let frame = Frame::of(&batch);
        let (mut passed, mut rejected, mut without) = (Vec::with_capacity(batch.len()), Vec::new(), 0);
        for record in batch.into_records() {
            if let Some(at) = self.rules.index(record.tag) {
                without += u64::from(!self.map(at, record, &mut passed, &mut rejected));
            } else {
                self.expressions.saw(&record);
                passed.push(record);
            }
        }
        if without != 0 {
            self.tally.add("no_result", without);
        }
        frame.emit(passed, out);
        frame.reject(rejected, out);
        Ok(())
    }
}
