//! Expressions over a record: `value * 1.8 + 32`, `good && value > last("line1.limit")`.
//!
//! The language is Rhai's, expressions only: no statements, no loops, no assignment, no functions of one's own, no I/O. What
//! an expression may name is fixed (see [`MANUAL`]), so that everything else is found when it is compiled. Numbers mix as on
//! paper: `7 / 2` is 3.5 although both are whole.
//!
//! Invariant: nothing that comes over the wire makes an expression panic or run long.

mod comparisons;
mod functions;
mod language;
mod others;

use fieldflow_contract::{Level, Quality, Record, Tag, TagMap, Value};
use rhai::{AST, Dynamic, Engine, EvalAltResult, ImmutableString, Scope};

use self::others::Others;
use super::decimal::double_of;
use super::quality::worse;

/// What can be named in an expression, for the manual and for help.
pub(crate) const MANUAL: &str = "known are value, quality, good, time, tag; last(\"t\"), last_or(\"t\", x), age(\"t\"); abs \
    sign round floor ceil trunc sqrt exp ln log10 pow sin cos tan asin acos atan atan2 min max clamp; int float number text \
    bit is_number is_text is_null; len contains starts_with ends_with lower upper trim";

/// What is wrong with an expression, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Line and column in the expression, counted from 1.
    pub(crate) at: Option<(usize, usize)>,
    /// What is wrong, in a sentence without a full stop.
    pub(crate) what: String,
    /// What to write instead, if that is known.
    pub(crate) help: Option<String>,
}

impl Wrong {
    /// The sentence with the place in front.
    pub(crate) fn message(&self) -> String {
        match self.at {
            Some((1, column)) => format!("column {column} of the expression: {}", self.what),
            Some((line, column)) => format!("line {line}, column {column} of the expression: {}", self.what),
            None => format!("in the expression: {}", self.what),
        }
    }
}

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    ast: AST,
    uses: Uses,
}

impl Expression {
    /// Whether it asks for the quality itself, and so has an answer for Bad records too.
    pub(crate) fn asks_for_quality(&self) -> bool {
        self.uses.quality || self.uses.good
    }
}

/// Which names an expression uses; the others need not be set.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "one for each name; they have nothing to do with each other")]
struct Uses {
    value: bool,
    quality: bool,
    good: bool,
    time: bool,
    tag: bool,
    others: bool,
}

/// Finds what is wrong with an expression.
pub(crate) fn check(text: &str) -> Result<(), Wrong> {
    Expressions::default().compile(text).map(drop)
}

/// The same of one that is to be a condition: it has to come to true or false.
pub(crate) fn check_condition(text: &str) -> Result<(), Wrong> {
    let expression = Expressions::default().compile(text)?;
    if language::can_be_condition(&expression.ast) {
        return Ok(());
    }
    let help = Some("compare it with something, such as `value > 3`".to_owned());
    Err(Wrong { at: None, what: "it never comes to true or false".to_owned(), help })
}

/// The expressions of one node, and the last values of the other tags that they read.
pub(crate) struct Expressions {
    engine: Engine,
    scope: Scope<'static>,
    others: Others,
    /// The word of the last quality, and the names of tags, as the language holds them.
    word: (Quality, ImmutableString),
    names: TagMap<ImmutableString>,
}

impl Default for Expressions {
    fn default() -> Self {
        let others = Others::default();
        let mut scope = Scope::new();
        // A name is looked for from the last, so the one that is set most often is that.
        scope.push("tag", ImmutableString::new()).push("time", 0.0).push("quality", ImmutableString::new());
        scope.push("good", true).push("value", ());
        Self {
            engine: language::engine(&others),
            scope,
            others,
            word: (Quality::GOOD, Quality::GOOD.to_string().into()),
            names: TagMap::default(),
        }
    }
}

impl Expressions {
    /// Compiles an expression. From now on [`Expressions::saw`] remembers the tags that it reads by `last`.
    pub(crate) fn compile(&mut self, text: &str) -> Result<Expression, Wrong> {
        let (ast, uses, read) = language::compile(&self.engine, &self.scope, text)?;
        for name in read {
            self.others.watch(&name).map_err(|error| Wrong { at: None, what: error.to_string(), help: None })?;
        }
        Ok(Expression { ast, uses })
    }

    /// Remembers the record for those that ask for the last value of its tag.
    pub(crate) fn saw(&mut self, record: &Record) {
        self.others.saw(record);
    }

    /// What the expression comes to for a record, with the worst quality that went into it: that of the record and of the
    /// other tags that were read.
    ///
    /// The error is the quality that tells why there is no result.
    pub(crate) fn evaluate(&mut self, expression: &Expression, record: &Record) -> Result<(Value, Quality), Quality> {
        self.set(expression.uses, record)?;
        let result = self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, &expression.ast);
        let read = if expression.uses.others { self.others.worst() } else { Quality::GOOD };
        let value = match result {
            Ok(result) => value_of(result).ok_or(Quality::BAD_TYPE_MISMATCH)?,
            Err(error) => return Err(reason(&error)),
        };
        let quality = worse(record.quality, read);
        Ok((value, quality))
    }

    /// Whether the condition holds for a record; an error as for [`Expressions::evaluate`].
    pub(crate) fn holds(&mut self, condition: &Expression, record: &Record) -> Result<bool, Quality> {
        match self.evaluate(condition, record)? {
            (Value::Bool(holds), _) => Ok(holds),
            _ => Err(Quality::BAD_TYPE_MISMATCH),
        }
    }

    fn set(&mut self, uses: Uses, record: &Record) -> Result<(), Quality> {
        if uses.value {
            let value = dynamic(&record.value).ok_or(Quality::BAD_TYPE_MISMATCH)?;
            put(&mut self.scope, "value", value);
        }
        if uses.quality {
            if self.word.0 != record.quality {
                self.word = (record.quality, record.quality.to_string().into());
            }
            put(&mut self.scope, "quality", self.word.1.clone().into());
        }
        if uses.good {
            put(&mut self.scope, "good", record.quality.is_good().into());
        }
        if uses.time {
            put(&mut self.scope, "time", (record.time.0 as f64 / 1e6).into());
        }
        if uses.tag {
            put(&mut self.scope, "tag", name(&mut self.names, record.tag).into());
        }
        if uses.others {
            self.others.begin(record.time);
        }
        Ok(())
    }
}

fn put(scope: &mut Scope<'static>, name: &str, value: Dynamic) {
    if let Some(slot) = scope.get_mut(name) {
        *slot = value;
    }
}

fn name(names: &mut TagMap<ImmutableString>, tag: Tag) -> ImmutableString {
    names.slot(tag).get_or_insert_with(|| tag.name().into()).clone()
}

/// A value as the language knows it; there are no bytes in it.
fn dynamic(value: &Value) -> Option<Dynamic> {
    Some(match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(v) => (*v).into(),
        Value::I64(v) => (*v).into(),
        Value::U64(v) => match i64::try_from(*v) {
            Ok(v) => v.into(),
            Err(_) => (*v as f64).into(),
        },
        Value::F32(v) => double_of(*v).into(),
        Value::F64(v) => (*v).into(),
        Value::Text(text) => ImmutableString::from(&**text).into(),
        Value::Bytes(_) => return None,
    })
}

/// A number of the language as one of the records.
fn dynamic_number(value: &Dynamic) -> Option<Value> {
    value.as_int().map(Value::I64).or_else(|_| value.as_float().map(Value::F64)).ok()
}

/// A result as a value, if it is of a kind that a record can hold.
fn value_of(result: Dynamic) -> Option<Value> {
    if let Ok(v) = result.as_float() {
        return Some(Value::F64(v));
    }
    if let Ok(v) = result.as_int() {
        return Some(Value::I64(v));
    }
    if let Ok(v) = result.as_bool() {
        return Some(Value::Bool(v));
    }
    if result.is_unit() {
        return Some(Value::Null);
    }
    result.into_immutable_string().ok().map(|text| Value::Text(text.as_str().into()))
}

/// The quality that says why there is no result.
fn reason(error: &EvalAltResult) -> Quality {
    match error {
        EvalAltResult::ErrorRuntime(reason, _) => match reason.as_int().map(u32::try_from) {
            Ok(Ok(code)) if Quality(code).level() == Level::Bad => Quality(code),
            _ => Quality::BAD_OUT_OF_RANGE,
        },
        EvalAltResult::ErrorFunctionNotFound(..)
        | EvalAltResult::ErrorMismatchDataType(..)
        | EvalAltResult::ErrorMismatchOutputType(..) => Quality::BAD_TYPE_MISMATCH,
        // Overflow, a division by zero of whole numbers, a text that grows too long.
        _ => Quality::BAD_OUT_OF_RANGE,
    }
}

#[cfg(test)]
mod tests;
