//! Maps: keys that are not known, keys that are missing, and what stands below the others.

use std::ops::Range;

use fieldflow_contract::Step;
use serde_json::{Map, Value};

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
                    meant.extend(self.unknown_key(&entry.key, &known, properties));
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
    fn unknown_key<'k>(
        &mut self,
        key: &Item<String>,
        known: &[&'k str],
        properties: Option<&'a Map<String, Value>>,
    ) -> Option<&'k str> {
        let below = properties.and_then(|properties| self.level_below(&key.value, properties));
        let (meant, help) = match (self.decimal(key), below) {
            (Some(number), _) => (None, Some(format!("write `{number}`: the decimal sign is a point"))),
            (None, Some((above, where_to))) => (Some(above), Some(where_to)),
            _ => suggest::help(&key.value, known, "known here"),
        };
        let meant = meant.and_then(|meant| known.iter().copied().find(|name| *name == meant));
        let message = format!("`{}` is not an option of {}", words::clip(&key.value), self.here());
        let place = Place::new(self.source, key.span.clone());
        let label = if known.is_empty() { "no option is known here" } else { "not known" };
        self.report.push(Diagnostic::new(&codes::UNKNOWN_KEY, message).at(place).label(label).maybe_help(help));
        meant
    }

    /// The number that a decimal comma in a map on one line has cut in two: `0,1`.
    fn decimal(&self, key: &Item<String>) -> Option<String> {
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let before = self.source.text().get(..key.span.start)?.strip_suffix(',')?;
        let start = before.rfind(|c: char| !c.is_ascii_digit()).map_or(0, |at| at + 1);
        let whole = before.get(start..).filter(|whole| is_digits(whole) && is_digits(&key.value))?;
        Some(format!("{whole}.{}", key.value))
    }

    /// The key of this level under which such an option is known, if it is known under one only, and what to do with it.
    fn level_below(&self, name: &str, properties: &'a Map<String, Value>) -> Option<(&'a str, String)> {
        let holds =
            |schema: &'a Value| schema.get("properties").is_some_and(|properties| properties.get(name).is_some());
        let mut found = properties.iter().filter_map(|(above, schema)| {
            let schema = self.resolve(schema);
            let element = schema.get("items").map(|items| self.resolve(items));
            let each = schema.get("additionalProperties").map(|each| self.resolve(each));
            if holds(schema) {
                Some((above.as_str(), format!("write it under `{above}`")))
            } else if element.is_some_and(holds) {
                Some((
                    above.as_str(),
                    format!("write it in an element of the list `{above}`: `{above}: [{{ {name}: … }}]`"),
                ))
            } else if each.is_some_and(holds) {
                Some((above.as_str(), format!("write it under one of the names in `{above}`")))
            } else {
                None
            }
        });
        found.next().filter(|_| found.next().is_none())
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
