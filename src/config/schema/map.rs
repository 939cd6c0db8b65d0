//! Maps: keys that are not known, keys that are missing, and what stands below the others.

use std::ops::Range;

use fieldflow_contract::Step;
use serde_json::Value;

use crate::config::schema::{Checker, list, range, words};
use crate::config::suggest;
use crate::config::tree::{Item, Tree};
use crate::diagnostics::{Diagnostic, Place, codes};

impl<'a> Checker<'a> {
    pub(super) fn map(&mut self, item: &mut Item, key: &Range<usize>, schema: &'a Value) {
        let Tree::Map(entries) = &item.value else { return };
        let entries_number = entries.len() as f64;
        self.length(entries_number, "keys", &range::Bounds::of_length(schema, "Properties"), item, key);
        let properties = schema.get("properties").and_then(Value::as_object);
        let known: Vec<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let others = schema.get("additionalProperties");
        // A misspelt key is not missing as well.
        let mut meant = Vec::new();
        let Tree::Map(entries) = &mut item.value else { return };
        // An unknown key is reported and taken out, so that the node can still check the others.
        entries.retain_mut(|entry| {
            let name = entry.key.value.as_str();
            let below = match properties.and_then(|properties| properties.get(name)) {
                Some(below) => Some(below),
                // serde passes over unknown keys in silence where a struct forgot to deny them; nothing passes here.
                None if others == Some(&Value::Bool(false)) || (others.is_none() && properties.is_some()) => {
                    meant.extend(self.unknown_key(&entry.key, &known));
                    return false;
                }
                None => others,
            };
            if let Some(below) = below {
                let (step, key) = (Step::Key(name.to_owned()), entry.key.span.clone());
                self.below(step, |checker| checker.value(&mut entry.value, &key, below));
            }
            true
        });
        for required in list(schema, "required").iter().filter_map(Value::as_str) {
            if item.entry(required).is_none() && !meant.contains(&required) {
                self.missing_key(required, properties.and_then(|properties| properties.get(required)), item, key);
            }
        }
    }

    /// Reports a key that is not known, and says which one was probably meant.
    fn unknown_key<'k>(&mut self, key: &Item<String>, known: &[&'k str]) -> Option<&'k str> {
        let (meant, help) = suggest::help(&key.value, known, "known here");
        let message = format!("`{}` is not an option of {}", words::clip(&key.value), self.here());
        let place = Place::new(self.source, key.span.clone());
        let label = if known.is_empty() { "no option is known here" } else { "not known" };
        self.report.push(Diagnostic::new(&codes::UNKNOWN_KEY, message).at(place).label(label).maybe_help(help));
        meant
    }

    fn missing_key(&mut self, name: &str, schema: Option<&'a Value>, item: &Item, key: &Range<usize>) {
        let schema = schema.map(|schema| (schema, self.resolve(schema)));
        let example = schema.and_then(|(outer, inner)| example(outer).or_else(|| example(inner)));
        let help = match example {
            Some(example) => format!("add it, such as `{name}: {example}`"),
            None => format!("add `{name}: …`"),
        };
        let message = format!("{} needs `{name}`", self.here());
        // The name of the map, on one line, tells more than all of its lines.
        let span = if key.is_empty() { item.span.clone() } else { key.clone() };
        let place = Place::new(self.source, span);
        self.report.push(
            Diagnostic::new(&codes::MISSING_KEY, message)
                .at(place)
                .label(format!("`{name}` is missing here"))
                .help(help),
        );
    }
}

fn example(schema: &Value) -> Option<String> {
    match schema.get("examples")?.get(0)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
