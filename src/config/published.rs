//! The JSON Schema of a pipeline file, for editors.
//!
//! It is of draft 7: the language servers for YAML know nothing newer well.

use fieldflow_contract::NodeKind;
use schemars::Schema;
use schemars::transform::{RemoveRefSiblings, ReplacePrefixItems, Transform};
use serde_json::{Map, Value, json};

use crate::config::edge::Edge;
use crate::config::file::Structure;
use crate::config::require::WORDS;

/// The schema of a pipeline file with nodes of these types. Hover texts come from the doc comments of the options.
pub fn pipeline_schema(kinds: &[&'static dyn NodeKind]) -> Value {
    let mut definitions = Map::new();
    let mut root = schemars::schema_for!(Structure).to_value();
    adopt(&mut root, "", &mut definitions);
    let mut edge = schemars::schema_for!(Edge).to_value();
    adopt(&mut edge, "", &mut definitions);
    definitions.insert("Edge".to_owned(), edge);
    for kind in kinds {
        let mut schema = kind.schema();
        adopt(&mut schema, &format!("{}.", kind.type_name()), &mut definitions);
        if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
            properties.insert("type".to_owned(), json!({ "const": kind.type_name() }));
        } else if let Some(schema) = schema.as_object_mut() {
            schema.insert("properties".to_owned(), json!({ "type": { "const": kind.type_name() } }));
        }
        definitions.insert(format!("node.{}", kind.type_name()), schema);
    }
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        merge(
            properties.get_mut("nodes"),
            json!({
                "minProperties": 1,
                "propertyNames": { "pattern": format!("^{NAME}$") },
                "additionalProperties": node(kinds),
            }),
        );
        merge(properties.get_mut("edges"), json!({ "items": edge_line() }));
        merge(properties.get_mut("require"), json!({ "items": requirement() }));
    }
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
        root.insert("definitions".to_owned(), Value::Object(definitions));
    }
    // Any JSON object is a schema to schemars, so this cannot fail.
    let Ok(mut schema) = Schema::try_from(root) else { return Value::Null };
    RemoveRefSiblings::default().transform(&mut schema);
    ReplacePrefixItems::default().transform(&mut schema);
    schema.to_value()
}

/// The schemas of what is in a pipeline file beside the nodes.
#[cfg(test)]
pub(super) fn own_schemas() -> [Value; 2] {
    [schemars::schema_for!(Structure).to_value(), schemars::schema_for!(Edge).to_value()]
}

/// Any node: its type tells which options it has.
fn node(kinds: &[&'static dyn NodeKind]) -> Value {
    let types: Vec<&str> = kinds.iter().map(|kind| kind.type_name()).collect();
    let by_type = kinds.iter().map(|kind| {
        let name = kind.type_name();
        json!({
            "if": { "properties": { "type": { "const": name } }, "required": ["type"] },
            "then": { "$ref": format!("#/definitions/node.{name}") },
        })
    });
    json!({
        "type": "object",
        "description": "A node: its type and its options.",
        "required": ["type"],
        "properties": { "type": { "description": "What the node is.", "enum": types } },
        "allOf": by_type.collect::<Vec<_>>(),
    })
}

/// The name of a node. Not every editor knows letters beyond ASCII by a class, so those that cannot be in it are named.
const NAME: &str = r"[^\s.:>]+";

/// A line under `edges`.
fn edge_line() -> Value {
    let name = format!(r"{NAME}(\.{NAME})?");
    // It ends at a node, which has one input only.
    let chain = format!("^ *{name}( *-> *{name})* *-> *{NAME} *$");
    json!({
        "anyOf": [
            { "type": "string", "pattern": chain, "examples": ["plc -> scale -> store"] },
            {
                "type": "object",
                "description": "A chain with the options of all its hops.",
                "minProperties": 1,
                "maxProperties": 1,
                "patternProperties": { chain: { "anyOf": [{ "$ref": "#/definitions/Edge" }, { "type": "null" }] } },
                "additionalProperties": false,
            },
        ],
    })
}

/// What the words under `require` mean.
const KEEPS: &str = "What must hold of the path. `no_loss`: no edge drops, and what the source has handed over is lost only in \
    the last moment before a kill or a power cut. `at_least_once`: not even then, as the source sends it again. `exactly_once`: as \
    `no_loss`, and nothing that was taken onto the disk arrives twice.";

/// A line under `require`.
fn requirement() -> Value {
    let word = json!({ "type": "string", "description": KEEPS, "enum": WORDS.map(|(word, _)| word) });
    json!({
        "type": "object",
        "description": "A path from a source to a sink, and what must hold of it.",
        "minProperties": 1,
        "maxProperties": 1,
        // Editors complete the value of a key that only has to have a form by `additionalProperties` alone.
        "propertyNames": { "pattern": format!("^ *{NAME} *-> *{NAME} *$") },
        "additionalProperties": word,
    })
}

/// Moves the definitions of a schema to where those of all schemas stand, under names of its own.
fn adopt(schema: &mut Value, prefix: &str, definitions: &mut Map<String, Value>) {
    rename(schema, prefix);
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("$schema");
        if let Some(Value::Object(own)) = schema.remove("$defs") {
            definitions.extend(own.into_iter().map(|(name, schema)| (format!("{prefix}{name}"), schema)));
        }
    }
}

fn rename(value: &mut Value, prefix: &str) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get_mut("$ref")
                && let Some(name) = target.strip_prefix("#/$defs/")
            {
                *target = format!("#/definitions/{prefix}{name}");
            }
            object.values_mut().for_each(|value| rename(value, prefix));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| rename(value, prefix)),
        _ => {}
    }
}

fn merge(schema: Option<&mut Value>, more: Value) {
    if let (Some(Value::Object(schema)), Value::Object(more)) = (schema, more) {
        schema.extend(more);
    }
}
