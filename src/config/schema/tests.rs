//! That the checker knows every keyword that any schema of ours holds.

use fieldflow_contract::NodeKind;
use serde_json::Value;

use super::KEYWORDS;
use crate::config::published::own_schemas;

/// The keywords of a schema that the checker does not know, each with where it stands.
fn unknown(schema: &Value, path: &str, found: &mut Vec<String>) {
    let Value::Object(schema) = schema else { return };
    for (keyword, value) in schema {
        let path = format!("{path}/{keyword}");
        if !KEYWORDS.contains(&keyword.as_str()) {
            found.push(path.clone());
        }
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(named)) => {
                named.iter().for_each(|(name, schema)| unknown(schema, &format!("{path}/{name}"), found));
            }
            ("anyOf" | "oneOf", _) if schema.contains_key("properties") => {
                // serde's `flatten`: it cannot deny unknown keys, so the checker does not speak it.
                found.push(path);
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems", Value::Array(several)) => {
                for schema in several {
                    unknown(schema, &path, found);
                }
            }
            ("items" | "additionalProperties", one) => unknown(one, &path, found),
            ("$ref", Value::String(target)) if !target.starts_with("#/$defs/") => found.push(path),
            ("pattern", _) if !schema.contains_key("x-format") && !path.contains("pipeline") => {
                // Nobody checks a pattern: the node has to, or `x-format` says how.
                found.push(path);
            }
            _ => {}
        }
    }
}

fn all_unknown(kinds: &[&dyn NodeKind]) -> Vec<String> {
    let mut found = Vec::new();
    for schema in own_schemas() {
        unknown(&schema, "pipeline", &mut found);
    }
    for kind in kinds {
        unknown(&kind.schema(), kind.type_name(), &mut found);
    }
    found
}

#[test]
fn the_checker_knows_every_keyword_of_every_schema() {
    assert_eq!(all_unknown(fieldflow_nodes::BUILTIN), Vec::<String>::new());
}

#[test]
fn a_keyword_that_is_not_known_is_noticed() {
    let schema = serde_json::json!({ "properties": { "a": { "anyOf": [{ "not": {} }] } }, "patternProperties": {} });
    let mut found = Vec::new();
    unknown(&schema, "x", &mut found);
    assert_eq!(found.len(), 2, "{found:?}");
}
