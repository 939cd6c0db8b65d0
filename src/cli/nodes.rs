//! `fieldflow nodes`: the catalogue of node types, from their code.

use std::fmt::Write as _;

use fieldflow_contract::NodeKind;
use serde_json::Value;

use super::{Exit, Kinds, output};
use crate::config::suggest::nearest;

/// List the node types, or print one with its options, defaults and an example.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fieldflow nodes modbus")]
pub(super) struct Args {
    /// The type.
    r#type: Option<String>,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let Some(wanted) = &args.r#type else {
        let width = kinds.iter().map(|kind| kind.type_name().len()).max().unwrap_or_default();
        for kind in kinds {
            let (name, role) = (kind.type_name(), kind.role().word());
            output::data(format_args!("{name:width$}  {role:9}  {}\n", summary(*kind)));
        }
        return Exit::Well;
    };
    let Some(kind) = kinds.iter().find(|kind| kind.type_name() == wanted) else {
        let known = kinds.iter().map(|kind| kind.type_name());
        let hint = nearest(wanted, known).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
        output::error(format_args!("there is no node type `{wanted}`{hint}"));
        return Exit::No;
    };
    output::data(manual(*kind));
    Exit::Well
}

/// What a node type does, in one line.
pub fn summary(kind: &dyn NodeKind) -> String {
    description(&kind.schema()).lines().next().unwrap_or_default().to_owned()
}

/// The manual of a node type: what it does, its options, an example.
fn manual(kind: &dyn NodeKind) -> String {
    let schema = kind.schema();
    let mut text = format!("{} ({})\n\n{}\n\nOptions:\n", kind.type_name(), kind.role().word(), description(&schema));
    options(&schema, &schema, 1, &mut text);
    if let Some(quirks) = kind.quirks() {
        text.push_str("\nQuirks of the simulated device (`fieldflow simulate --quirks`):\n");
        options(&quirks, &quirks, 1, &mut text);
    }
    let _ = write!(text, "\nExample:\n  {}:\n    type: {}\n", kind.type_name(), kind.type_name());
    for line in kind.example().trim_end().lines() {
        let _ = writeln!(text, "    {line}");
    }
    text
}

/// How deep options of options are shown: the tags of a node and what stands in them.
const DEEPEST: usize = 4;

fn options(schema: &Value, root: &Value, depth: usize, text: &mut String) {
    let required = |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|other| other == name));
    let indent = "  ".repeat(depth);
    for (name, option) in schema["properties"].as_object().into_iter().flatten() {
        let shape = resolve(option, root);
        let mut facts = vec![kind_word(shape, root)];
        match &option["default"] {
            Value::Null if required(name) => facts.push("required".to_owned()),
            Value::Null => {}
            default => facts.push(format!("default {}", default.as_str().map_or(default.to_string(), str::to_owned))),
        }
        let _ = writeln!(text, "{indent}{name}: {}", facts.join(", "));
        for line in description(option).lines() {
            let _ = writeln!(text, "{indent}    {line}");
        }
        if depth < DEEPEST {
            nested(shape, root, depth + 1, text);
        }
    }
}

/// The options inside an option: its own, or those of a map's values, of a list's elements, of each of several shapes.
fn nested(shape: &Value, root: &Value, depth: usize, text: &mut String) {
    if shape["properties"].is_object() {
        return options(shape, root, depth, text);
    }
    let below = [&shape["additionalProperties"], &shape["items"]];
    let branches = shape["oneOf"].as_array().into_iter().chain(shape["anyOf"].as_array()).flatten();
    for inner in below.into_iter().chain(branches).filter(|inner| inner.is_object()) {
        nested(resolve(inner, root), root, depth, text);
    }
}

fn resolve<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let target = schema["$ref"].as_str().and_then(|reference| root.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(schema)
}

fn description(schema: &Value) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// What stands at an option, in a word or two.
fn kind_word(schema: &Value, root: &Value) -> String {
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().filter(|word| !word.is_null());
        return words.map(|word| word.as_str().map_or(word.to_string(), str::to_owned)).collect::<Vec<_>>().join(" | ");
    }
    let branches: Vec<&Value> =
        schema["oneOf"].as_array().or(schema["anyOf"].as_array()).into_iter().flatten().collect();
    if !branches.is_empty() {
        let words = branches.iter().map(|branch| match branch["const"].as_str() {
            Some(word) => word.to_owned(),
            None => kind_word(resolve(branch, root), root),
        });
        let words: Vec<String> = words.filter(|word| word != "null").collect();
        return words.join(" | ");
    }
    match (schema["x-format"].as_str(), &schema["type"]) {
        (Some("span"), _) => "duration".to_owned(),
        (Some("size"), _) => "size".to_owned(),
        (Some("share"), _) => "share".to_owned(),
        (_, Value::String(word)) => word.clone(),
        (_, Value::Array(words)) => {
            words.iter().filter_map(Value::as_str).filter(|word| *word != "null").collect::<Vec<_>>().join(" | ")
        }
        _ => "value".to_owned(),
    }
}
