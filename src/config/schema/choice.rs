//! `anyOf` and `oneOf`: finds the branch that is meant and speaks only of that one.

use std::ops::Range;

use fieldflow_contract::Step;
use serde_json::Value;

use crate::config::schema::{Checker, coerce, fits, list, types, words};
use crate::config::suggest;
use crate::config::tree::{Entry, Item, Tree};
use crate::diagnostics::{Diagnostic, Place, Report, codes};

impl<'a> Checker<'a> {
    /// The branches of a schema, those of its branches among them.
    pub(super) fn branches(&self, schema: &'a Value) -> Vec<&'a Value> {
        let mut branches = Vec::new();
        for branch in list(schema, "anyOf").iter().chain(list(schema, "oneOf")) {
            let branch = self.resolve(branch);
            match self.branches(branch) {
                below if below.is_empty() => branches.push(branch),
                below => branches.extend(below),
            }
        }
        branches
    }

    pub(super) fn choice(&mut self, item: &mut Item, key: &Range<usize>, branches: &[&'a Value]) {
        let fitting: Vec<&'a Value> =
            branches.iter().copied().filter(|branch| types_or_any(branch, &item.value)).collect();
        let variants: Vec<(&'a str, &'a Value)> = branches.iter().filter_map(|branch| variant(branch)).collect();
        let words: Vec<&'a str> = branches.iter().filter_map(|branch| words::allowed(branch)).flatten().collect();
        match &item.value {
            Tree::Text(_) | Tree::Substituted(_) if fitting.iter().all(|branch| words::allowed(branch).is_some()) => {
                self.word_or_variant(item, key, &words, &variants, branches);
            }
            Tree::Map(_) if !fitting.is_empty() && fitting.iter().all(|branch| variant(branch).is_some()) => {
                self.variant(item, key, &variants, &words);
            }
            _ => match fitting.as_slice() {
                [] => self.wrong_type(item, key, branches),
                [only] => self.value(item, key, only),
                _ => {
                    let best = fitting.iter().min_by_key(|branch| self.errors_with(item, key, branch));
                    if let Some(best) = best.copied() {
                        self.value(item, key, best);
                    }
                }
            },
        }
    }

    /// How many errors there would be if this branch were meant.
    fn errors_with(&self, item: &Item, key: &Range<usize>, branch: &'a Value) -> usize {
        let (mut report, mut item) = (Report::new(), item.clone());
        let mut trial = Checker {
            root: self.root,
            name: self.name.clone(),
            at: self.at.clone(),
            source: self.source,
            report: &mut report,
        };
        trial.value(&mut item, key, branch);
        report.errors()
    }

    /// A text where words are known, or variants with details, or neither.
    fn word_or_variant(
        &mut self,
        item: &mut Item,
        key: &Range<usize>,
        words: &[&'a str],
        variants: &[(&'a str, &'a Value)],
        branches: &[&'a Value],
    ) {
        if words.is_empty() && variants.is_empty() {
            let others: Vec<&str> = branches.iter().flat_map(|branch| types(branch)).collect();
            if !coerce(item, &others) {
                return self.wrong_type(item, key, branches);
            }
            return self.choice(item, key, branches);
        }
        let text = item.text().unwrap_or_default();
        if let Some((name, _)) = variants.iter().find(|(name, _)| *name == text && !words.contains(name)) {
            let message = format!("`{name}` of {} needs its details", self.here());
            let found = self.found(&codes::WRONG_TYPE, message, item, key);
            self.report.push(found.help(format!("write `{name}: {{ … }}`")));
        } else {
            let names = variants.iter().map(|(name, _)| *name);
            let known: Vec<&str> = words.iter().copied().chain(names).collect();
            self.word(item, key, &known);
        }
    }

    /// A map with one key, which says which variant is meant.
    fn variant(&mut self, item: &mut Item, key: &Range<usize>, variants: &[(&'a str, &'a Value)], words: &[&str]) {
        let names: Vec<&str> = variants.iter().map(|(name, _)| *name).collect();
        let Tree::Map(entries) = &mut item.value else { return };
        let [Entry { key: name, value }] = entries.as_mut_slice() else {
            let span = if key.is_empty() { item.span.clone() } else { key.clone() };
            let number = if entries.is_empty() { "none" } else { "more than one" };
            let message = format!("exactly one choice is wanted in {}, there is {number}", self.here());
            let found = Diagnostic::new(&codes::NOT_ONE_CHOICE, message).at(Place::new(self.source, span));
            self.report.push(found.maybe_help(suggest::listed(names).map(|names| format!("choose one of {names}"))));
            return;
        };
        if let Some((known, schema)) = variants.iter().find(|(known, _)| *known == name.value) {
            let key = name.span.clone();
            return self.below(Step::Key((*known).to_owned()), |checker| checker.value(value, &key, schema));
        }
        let mut found = Diagnostic::new(
            &codes::UNKNOWN_WORD,
            format!("`{}` is not a choice for {}", words::clip(&name.value), self.here()),
        )
        .at(Place::new(self.source, name.span.clone()));
        found.help = if words.contains(&name.value.as_str()) {
            Some(format!("write the word alone: `{}`", name.value))
        } else {
            suggest::help(&name.value, &names, "known choices").1
        };
        self.report.push(found);
    }
}

/// Whether the value is of one of the types of the branch, or the branch does not say.
fn types_or_any(branch: &Value, value: &Tree) -> bool {
    let types = types(branch);
    if types.is_empty() && words::allowed(branch).is_some() {
        return fits(value, "string");
    }
    types.is_empty() || types.iter().any(|kind| fits(value, kind))
}

/// The name and the details of a branch that is a map with exactly one key, as serde writes an enum.
fn variant(branch: &Value) -> Option<(&str, &Value)> {
    let mut properties = branch.get("properties")?.as_object()?.iter();
    let (name, schema) = properties.next()?;
    let only = properties.next().is_none() && list(branch, "required") == [Value::from(name.as_str())];
    only.then_some((name.as_str(), schema))
}
