//! What the options resolve to, and how each mistake in them is told.

use super::super::address::Table;
use super::super::codec::Kind;
use super::super::plan::Need;
use super::*;
use serde_json::{Value as Json, json};

fn resolve(options: Json) -> Result<Settings, Vec<(String, String)>> {
    let config: Config = serde_json::from_value(options).unwrap();
    let mut findings = Findings::default();
    let settings = config.resolve(None, &mut findings);
    settings.ok_or_else(|| findings.0.iter().map(|found| (found.at.to_string(), found.message.clone())).collect())
}

#[test]
fn what_is_left_out_has_its_default() {
    let settings =
        resolve(json!({ "url": "tcp://plc", "tags": { "r": { "at": "input:3" }, "c": { "at": "coil:1" } } })).unwrap();
    assert_eq!(settings.endpoint.to_string(), "tcp://plc:502");
    assert_eq!((settings.limits.registers, settings.limits.bits, settings.limits.gap), (125, 2000, 0));
    let [c, r] = &settings.points[..] else { panic!("two tags") };
    assert_eq!((c.name.as_str(), c.layout.kind, c.every), ("c", Kind::Bool, Duration::from_secs(1)));
    assert_eq!((r.name.as_str(), r.layout.kind), ("r", Kind::U16));
    assert_eq!(r.need, Need { table: Table::Input, start: 3, count: 1 });
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = resolve(json!({
        "url": "rtu:///dev/ttyS0", "unit": 0, "every": "0ms", "timeout": "10us",
        "registers_per_request": 126, "bits_per_request": 0,
        "tags": { "a": { "at": "x" }, "b": { "at": "holding:0", "as": "u32", "order": "AB", "length": 1 } },
    }));
    let places: Vec<String> = found.err().unwrap_or_default().into_iter().map(|(at, _)| at).collect();
    assert_eq!(
        places,
        [
            "unit",
            "every",
            "timeout",
            "registers_per_request",
            "bits_per_request",
            "url",
            "tags.a.at",
            "tags.b.length",
            "tags.b.order"
        ]
    );
}

#[test]
fn a_node_without_tags_and_a_value_wider_than_a_request_are_refused() {
    let found = resolve(json!({ "url": "tcp://plc", "tags": {} })).err().unwrap();
    assert_eq!(found[0].0, "tags");
    assert_eq!(resolve(json!({ "url": "tcp://plc" })).err().unwrap()[0].0, "tags");
    assert!(resolve(json!({ "url": "tcp://plc", "tags_from": "map.csv" })).is_ok(), "that is for the file to say");
    let wide =
        json!({ "url": "tcp://plc", "registers_per_request": 3, "tags": { "t": { "at": "holding:0", "as": "f64" } } });
    assert!(resolve(wide).err().unwrap()[0].1.contains("takes 4 registers"));
}

#[test]
fn the_schema_knows_the_types_and_refuses_what_it_does_not_know() {
    let schema = schemars::schema_for!(Config).to_value();
    let text = schema.to_string();
    assert!(
        text.contains(r#"["bool","bit","i8","u8","i16","u16","i24","u24","i32","u32","i48","u48","i64","u64","f16""#)
    );
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["properties"]["unit"]["default"], json!(1));
    assert!(serde_json::from_value::<Config>(json!({ "url": "tcp://plc", "tags": {}, "uint": 1 })).is_err());
}
