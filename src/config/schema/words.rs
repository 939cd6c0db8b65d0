//! How the checker speaks: what is wanted, what there is, and what to write instead.

use fieldflow_contract::check_format;
use serde_json::Value;

use crate::config::scalar;
use crate::config::suggest;
use crate::config::tree::{Item, Tree};

/// What a value is, for a person.
pub(super) fn kind(value: &Tree) -> &'static str {
    match value {
        Tree::Null | Tree::Unknown => "nothing",
        Tree::Bool(_) => "true or false",
        Tree::Int(_) | Tree::UInt(_) => "a number",
        Tree::Float(_) => "a decimal number",
        Tree::Text(_) | Tree::Substituted(_) => "a text",
        Tree::List(_) => "a list",
        Tree::Map(_) => "a map",
    }
}

/// The texts that a schema allows, if it allows only certain ones. Lists of other values are left to the node.
pub(super) fn allowed(schema: &Value) -> Option<Vec<&str>> {
    let words = match schema.get("const") {
        Some(one) => std::slice::from_ref(one),
        None => schema.get("enum")?.as_array()?,
    };
    words.iter().filter(|word| !word.is_null()).map(Value::as_str).collect()
}

/// What these schemas want, for a person: `a number or a text`.
pub(super) fn wanted(schemas: &[&Value]) -> String {
    let mut wants: Vec<String> = Vec::new();
    for schema in schemas {
        let types = match super::types(schema) {
            types if types.is_empty() && allowed(schema).is_some() => vec!["string"],
            types => types,
        };
        for kind in types.into_iter().filter(|kind| *kind != "null") {
            let want = match (kind, schema.get("x-format").and_then(Value::as_str)) {
                ("string", Some("span")) => "a duration such as `500ms`",
                ("string", Some("size")) => "a size such as `64KiB`",
                ("string", Some("share")) => "a part such as `25%`",
                ("string", _) if allowed(schema).is_some() => "a word",
                ("string", _) => "a text",
                ("integer", _) => "a whole number",
                ("number", _) => "a number",
                ("boolean", _) => "true or false",
                ("array", _) => "a list",
                _ => "a map",
            };
            if !wants.iter().any(|known| known == want) {
                wants.push(want.to_owned());
            }
        }
    }
    match wants.len() {
        0 => "nothing".to_owned(),
        _ => wants.join(" or "),
    }
}

/// What to write in the place of a value of the wrong type.
pub(super) fn type_help(item: &Item, written: &str, schemas: &[&Value]) -> Option<String> {
    let wants = |wanted: &str| schemas.iter().any(|schema| super::types(schema).contains(&wanted));
    let formats: Vec<&str> = schemas.iter().filter_map(|schema| schema.get("x-format")?.as_str()).collect();
    let number = wants("number") || wants("integer");
    let words: Vec<&str> = schemas.iter().filter_map(|schema| allowed(schema)).flatten().collect();
    match &item.value {
        Tree::Null => Some("write a value behind the colon, or leave the key out".to_owned()),
        Tree::Text(text) if number => number_help(text),
        Tree::Text(text) if wants("boolean") => match text.to_lowercase().as_str() {
            "yes" | "on" | "y" => Some("write `true`".to_owned()),
            "no" | "off" | "n" => Some("write `false`".to_owned()),
            "true" | "false" => Some("take it out of the quotes".to_owned()),
            _ => None,
        },
        Tree::Float(value) if wants("integer") && value.fract() == 0.0 && value.abs() < 9.0e15 => {
            Some(format!("write `{value:.0}`"))
        }
        Tree::Int(_) | Tree::UInt(_) | Tree::Float(_) if formats.contains(&"span") => {
            Some(format!("a duration needs its unit: `{0}ms`, `{0}s`; the units are us ms s m h d", clip(written)))
        }
        Tree::Int(_) | Tree::UInt(_) | Tree::Float(_) if formats.contains(&"size") => {
            Some(format!("a size needs its unit: `{0}B`, `{0}KiB`; the units are B KiB MiB GiB TiB", clip(written)))
        }
        Tree::Int(_) | Tree::UInt(_) | Tree::Float(_) if formats.contains(&"share") => {
            Some(format!("write `{}%`", clip(written)))
        }
        Tree::Int(_) | Tree::UInt(_) | Tree::Float(_) | Tree::Bool(_) if !words.is_empty() => {
            suggest::listed(words).map(|words| format!("known words: {words}"))
        }
        Tree::Int(_) | Tree::UInt(_) | Tree::Float(_) | Tree::Bool(_) if wants("string") => {
            Some(format!("put it in quotes: \"{}\"", clip(written)))
        }
        Tree::Map(_) if wants("array") => {
            Some("write a list: each element on a line of its own, behind `- `".to_owned())
        }
        Tree::List(_) if wants("object") => {
            Some("write it without the hyphens, as `name: …`, each name once".to_owned())
        }
        Tree::List(_) | Tree::Map(_) | Tree::Substituted(_) | Tree::Unknown => None,
        _ if wants("array") => Some(format!("put it in a list: [{}]", clip(written))),
        _ => None,
    }
}

/// Units as others write them, and as they are written here.
const UNITS: &[(&str, &str)] = &[
    ("msec msecs milli millis millisecond milliseconds", "ms"),
    ("sec secs second seconds", "s"),
    ("min mins minute minutes", "m"),
    ("hr hrs hour hours std", "h"),
    ("day days", "d"),
    ("µs usec usecs micros microsecond microseconds", "us"),
    ("byte bytes", "B"),
    ("k kb kib kbyte", "KiB"),
    ("mb mib mbyte", "MiB"),
    ("g gb gib gbyte", "GiB"),
    ("t tb tib tbyte", "TiB"),
];

/// What to write in the place of a duration or size with a unit that is not known.
pub(super) fn unit_help(text: &str) -> Option<String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.')?);
    let plain = unit.trim().to_lowercase();
    let (_, known) = UNITS.iter().find(|(names, _)| names.split(' ').any(|name| name == plain))?;
    let right = format!("{number}{known}");
    let is_right = check_format("span", &right).is_ok() || check_format("size", &right).is_ok();
    is_right.then(|| format!("write `{right}`"))
}

/// A number that stands for thousands: `10k`.
fn thousands(text: &str) -> Option<u64> {
    let (number, scale) = match text.trim().split_at_checked(text.trim().len().checked_sub(1)?)? {
        (number, "k" | "K") => (number, 1_000),
        (number, "M") => (number, 1_000_000),
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale)
}

fn number_help(text: &str) -> Option<String> {
    let bare: String = text.trim().chars().filter(|c| !matches!(c, '_' | ' ' | '\'')).collect();
    if scalar::number(&bare).is_some() {
        return Some(format!("write `{bare}`, without quotes or separators"));
    }
    if scalar::number(&bare.replace(',', ".")).is_some() {
        return Some(format!("write `{}`: the decimal sign is a point", bare.replace(',', ".")));
    }
    if let Some(number) = thousands(text) {
        return Some(format!("write `{number}`"));
    }
    let has_unit = check_format("span", text).is_ok() || check_format("size", text).is_ok();
    has_unit.then(|| "this option is a bare number, without a unit".to_owned())
}

/// A text from the file, short enough to stand in a sentence.
pub(super) fn clip(text: &str) -> String {
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { short + "…" } else { short }
}
