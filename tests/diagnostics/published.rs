//! The schema for editors.

use fieldflow::config::pipeline_schema;
use serde_json::Value;

use super::kinds::KINDS;

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get("$ref") {
                found.push(target);
            }
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_of_the_published_schema_leads_somewhere() {
    let schema = pipeline_schema(KINDS);
    let mut found = Vec::new();
    references(&schema, &mut found);
    assert!(found.len() > KINDS.len());
    for target in found {
        assert!(schema.pointer(target.trim_start_matches('#')).is_some(), "{target}");
    }
}

#[test]
fn an_editor_learns_the_options_of_a_node_from_its_type() {
    let schema = pipeline_schema(KINDS);
    let node = &schema["properties"]["nodes"]["additionalProperties"];
    assert_eq!(node["properties"]["type"]["enum"].as_array().unwrap().len(), KINDS.len());
    let values = &schema["definitions"]["node.values"];
    assert_eq!(values["properties"]["unit"]["description"], "The unit. Default 1.");
    assert_eq!(values["properties"]["type"]["const"], "values");
    assert_eq!(values["additionalProperties"], false);
    assert!(!schema.to_string().contains("prefixItems") && !schema.to_string().contains("$defs"));
}
