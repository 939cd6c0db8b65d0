//! The file as a tree of values, each of which knows its place.

use std::ops::Range;

use fieldflow_contract::{At, Step};

/// Something that stands in the file, with the bytes that it takes up there.
#[derive(Debug, Clone)]
pub(super) struct Item<T = Tree> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A value of the file.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Float(f64),
    Text(String),
    /// A text that came, in part at least, out of the environment or a file. It is never shown.
    Substituted(String),
    /// A value that could not be had. That was reported; nothing more is said of it.
    Unknown,
    List(Vec<Item>),
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: Item<String>,
    pub(super) value: Item,
}

impl Item {
    /// The text, wherever it came from.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Tree::Text(text) | Tree::Substituted(text) => Some(text),
            _ => None,
        }
    }

    /// The entries, if it is a map.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Tree::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a key, if it is a map that has it.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.value == key)
    }

    /// The entry of this key, which is then no longer here.
    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        let Tree::Map(entries) = &mut self.value else { return None };
        let place = entries.iter().position(|entry| entry.key.value == key)?;
        Some(entries.remove(place))
    }

    /// The value in JSON; `None` if there is anything in it that could not be had or that JSON cannot hold.
    pub(super) fn to_json(&self) -> Option<serde_json::Value> {
        use serde_json::Value;
        Some(match &self.value {
            Tree::Null => Value::Null,
            Tree::Bool(value) => Value::Bool(*value),
            Tree::Int(value) => Value::from(*value),
            Tree::UInt(value) => Value::from(*value),
            Tree::Float(value) => Value::Number(serde_json::Number::from_f64(*value)?),
            Tree::Text(text) | Tree::Substituted(text) => Value::String(text.clone()),
            Tree::Unknown => return None,
            Tree::List(items) => Value::Array(items.iter().map(Self::to_json).collect::<Option<_>>()?),
            Tree::Map(entries) => {
                let pair = |entry: &Entry| Some((entry.key.value.clone(), entry.value.to_json()?));
                Value::Object(entries.iter().map(pair).collect::<Option<_>>()?)
            }
        })
    }

    /// Where the value at this path stands: its own place, the key of a map or list, or the nearest one above that is in
    /// the file. `key` is the place of the value's own name.
    pub(super) fn place_of(&self, at: &At, key: &Range<usize>) -> Range<usize> {
        let (mut item, mut key) = (self, key.clone());
        for step in &at.0 {
            let next = match (step, &item.value) {
                (Step::Key(name), Tree::Map(_)) => item.entry(name).map(|entry| (&entry.value, entry.key.span.clone())),
                (Step::Index(index), Tree::List(items)) => items.get(*index).map(|item| (item, item.span.clone())),
                _ => None,
            };
            match next {
                Some((below, name)) => (item, key) = (below, name),
                None => break,
            }
        }
        if matches!(item.value, Tree::Map(_) | Tree::List(_)) || item.span.is_empty() { key } else { item.span.clone() }
    }
}
