//! Checks the tree against a JSON Schema as schemars writes it, and finds everything that is wrong in one pass.
//!
//! Only what such schemas hold is understood; a test walks all schemas and fails on a keyword that is not in [`KEYWORDS`].

mod choice;
mod map;
mod range;
mod words;

use std::ops::Range;
use std::sync::Arc;

use fieldflow_contract::{At, Step, check_format};
use serde_json::Value;

use crate::config::scalar;
use crate::config::suggest;
use crate::config::tree::{Item, Tree};
use crate::diagnostics::{Code, Diagnostic, Place, Report, SourceText, codes};

/// The keywords that are checked, and those that only describe.
#[cfg(test)]
pub(super) const KEYWORDS: &[&str] = &[
    "$defs",
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "const",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "oneOf",
    "prefixItems",
    "properties",
    "required",
    "type",
    "x-format", // These describe:
    "$schema",
    "default",
    "description",
    "examples",
    "pattern",
    "title",
];

/// A value of the file and what it is checked against.
pub(super) struct Subject<'a> {
    /// The schema with its `$defs`.
    pub(super) schema: &'a Value,
    /// What the whole is called: a node type, the pipeline file.
    pub(super) name: String,
    /// What is already known of the place: the path from the whole to the value that is checked.
    pub(super) at: At,
    /// The file.
    pub(super) source: &'a Arc<SourceText>,
}

/// Checks a value; `key` is the place of its name. A text from outside becomes a number or a boolean where one is wanted.
pub(super) fn check(subject: Subject<'_>, item: &mut Item, key: &Range<usize>, report: &mut Report) {
    let schema = subject.schema;
    Checker { root: schema, name: subject.name, at: subject.at, source: subject.source, report }
        .value(item, key, schema);
}

struct Checker<'a> {
    root: &'a Value,
    name: String,
    at: At,
    source: &'a Arc<SourceText>,
    report: &'a mut Report,
}

impl<'a> Checker<'a> {
    fn value(&mut self, item: &mut Item, key: &Range<usize>, schema: &'a Value) {
        match &item.value {
            // It was reported where it could not be had.
            Tree::Unknown => return,
            Tree::Float(value) if !value.is_finite() => {
                let found = self.found(
                    &codes::OUT_OF_RANGE,
                    format!("a finite number is wanted for {}", self.here()),
                    item,
                    key,
                );
                return self.report.push(found);
            }
            _ => {}
        }
        let schema = self.resolve(schema);
        for part in list(schema, "allOf") {
            self.value(item, key, part);
        }
        let branches = self.branches(schema);
        if !branches.is_empty() {
            return self.choice(item, key, &branches);
        }
        let types = types(schema);
        if !types.is_empty() && !types.iter().any(|kind| fits(&item.value, kind)) && !coerce(item, &types) {
            return self.wrong_type(item, key, &[schema]);
        }
        if let Some(allowed) = words::allowed(schema) {
            return match item.value {
                Tree::Text(_) | Tree::Substituted(_) => self.word(item, key, &allowed),
                Tree::Null if types.contains(&"null") => {}
                _ => self.wrong_type(item, key, &[schema]),
            };
        }
        match &item.value {
            Tree::Int(value) => self.number(*value as f64, item, key, schema),
            Tree::UInt(value) => self.number(*value as f64, item, key, schema),
            Tree::Float(value) => self.number(*value, item, key, schema),
            Tree::Text(_) | Tree::Substituted(_) => self.text(item, key, schema),
            Tree::List(_) => self.list(item, key, schema),
            Tree::Map(_) => self.map(item, key, schema),
            _ => {}
        }
    }

    /// The schema that a `$ref` stands for.
    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        while let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            match target.strip_prefix('#').and_then(|path| self.root.pointer(path)) {
                Some(next) => schema = next,
                None => break,
            }
        }
        schema
    }

    fn text(&mut self, item: &Item, key: &Range<usize>, schema: &Value) {
        let Some(text) = item.text() else { return };
        if let Some(error) =
            schema.get("x-format").and_then(Value::as_str).and_then(|format| check_format(format, text).err())
        {
            // The reason may quote a part of the text, which is too little for the report to know a secret by.
            let reason = match item.value {
                Tree::Text(_) => error.to_string(),
                _ => format!("{} is wanted", words::wanted(&[schema])),
            };
            let help = matches!(item.value, Tree::Text(_)).then(|| words::unit_help(text)).flatten();
            let found = self.found(&codes::BAD_FORMAT, format!("{} cannot be read: {reason}", self.here()), item, key);
            return self.report.push(found.maybe_help(help));
        }
        let length = text.chars().count() as f64;
        if length == 0.0 && range::Bounds::of_length(schema, "Length").excludes(0.0) {
            let found = self.found(&codes::OUT_OF_RANGE, format!("{} must not be empty", self.here()), item, key);
            return self.report.push(found);
        }
        self.length(length, "characters", &range::Bounds::of_length(schema, "Length"), item, key);
    }

    fn list(&mut self, item: &mut Item, key: &Range<usize>, schema: &'a Value) {
        let Tree::List(items) = &item.value else { return };
        self.length(items.len() as f64, "elements", &range::Bounds::of_length(schema, "Items"), item, key);
        let Tree::List(items) = &mut item.value else { return };
        let first = list(schema, "prefixItems");
        for (index, item) in items.iter_mut().enumerate() {
            if let Some(schema) = first.get(index).or_else(|| schema.get("items")) {
                let key = item.span.clone();
                self.below(Step::Index(index), |checker| checker.value(item, &key, schema));
            }
        }
    }

    /// Goes one step down the path.
    fn below(&mut self, step: Step, check: impl FnOnce(&mut Self)) {
        self.at.0.push(step);
        check(self);
        self.at.0.pop();
    }

    /// What the value is called: its path, or what the whole is called.
    fn here(&self) -> String {
        if self.at.0.is_empty() { self.name.clone() } else { format!("`{}`", self.at) }
    }

    fn word(&mut self, item: &Item, key: &Range<usize>, allowed: &[&str]) {
        let written = item.text().unwrap_or_default();
        if allowed.contains(&written) {
            return;
        }
        // Near a secret nothing is suggested: the suggestion would tell what it looks like.
        let help = match item.value {
            Tree::Substituted(_) => suggest::word_help("", allowed),
            _ => suggest::word_help(written, allowed),
        };
        let shown = words::clip(if matches!(item.value, Tree::Substituted(_)) { "***" } else { written });
        let found = self.found(&codes::UNKNOWN_WORD, format!("`{shown}` is not a word for {}", self.here()), item, key);
        self.report.push(found.maybe_help(help));
    }

    fn wrong_type(&mut self, item: &Item, key: &Range<usize>, schemas: &[&Value]) {
        let wanted = words::wanted(schemas);
        let is = words::kind(&item.value);
        let message = format!("{wanted} is wanted for {}, this is {is}", self.here());
        let help = words::type_help(item, self.written(item), schemas);
        let found = self.found(&codes::WRONG_TYPE, message, item, key).label(is);
        self.report.push(found.maybe_help(help));
    }

    /// The value as it is written in the file.
    fn written(&self, item: &Item) -> &'a str {
        self.source.text().get(item.span.clone()).unwrap_or("")
    }

    fn found(&self, code: &'static Code, message: String, item: &Item, key: &Range<usize>) -> Diagnostic {
        let span = if item.span.is_empty() { key } else { &item.span };
        Diagnostic::new(code, message).at(Place::new(self.source, span.clone()))
    }
}

/// The elements of a keyword that holds a list.
fn list<'a>(schema: &'a Value, keyword: &str) -> &'a [Value] {
    schema.get(keyword).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The types that a schema allows; none where it allows all.
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn fits(value: &Tree, kind: &str) -> bool {
    match kind {
        "null" => matches!(value, Tree::Null),
        "boolean" => matches!(value, Tree::Bool(_)),
        "integer" => matches!(value, Tree::Int(_) | Tree::UInt(_)),
        "number" => matches!(value, Tree::Int(_) | Tree::UInt(_) | Tree::Float(_)),
        "string" => matches!(value, Tree::Text(_) | Tree::Substituted(_)),
        "array" => matches!(value, Tree::List(_)),
        "object" => matches!(value, Tree::Map(_)),
        _ => true,
    }
}

/// What comes from outside is a text; where a number or a boolean is wanted it becomes one, if it reads like one.
fn coerce(item: &mut Item, types: &[&str]) -> bool {
    let Tree::Substituted(text) = &item.value else { return false };
    let value = match text.trim() {
        "true" => Some(Tree::Bool(true)),
        "false" => Some(Tree::Bool(false)),
        number => scalar::number(number),
    };
    match value.filter(|value| types.iter().any(|kind| fits(value, kind))) {
        Some(value) => item.value = value,
        None => return false,
    }
    true
}

#[cfg(test)]
mod tests;
