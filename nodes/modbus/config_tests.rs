//! What the options resolve to, and how each mistake in them is told.

use super::super::address::Table;
use super::super::codec::Kind;
use super::super::plan::Need;
use super::*;
use serde_json::{Value as Json, json};

fn resolve(options: Json) -> Result<Settings, Vec<(String, String)>> {
    let config: Config = serde_json::from_value(options).unwrap();
    let mut findings = Findings::default();
    let settings = config.resolve(&mut findings);
    settings.ok_or_else(|| findings.0.iter().map(|found| (found.at.to_string(), found.message.clone())).collect())
}

fn tag(tag: &Json) -> Result<Settings, Vec<(String, String)>> {
    resolve(json!({ "url": "tcp://plc", "tags": { "t": tag } }))
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
fn a_bit_is_named_in_the_address_or_beside_it() {
    for options in [json!({ "at": "holding:5.3" }), json!({ "at": "holding:5", "as": "bit", "bit": 3 })] {
        let point = tag(&options).unwrap().points.remove(0);
        assert_eq!((point.layout.kind, point.layout.bit), (Kind::Bit, 3));
    }
}

#[test]
fn every_mistake_in_a_tag_is_told_at_its_place() {
    for (options, at, said) in [
        (json!({ "at": "40001" }), "tags.t.at", "which table"),
        (json!({ "at": "coil:0", "as": "u16" }), "tags.t.as", "a coil is one bit: it cannot be read as u16"),
        (json!({ "at": "discrete:0", "order": "BA" }), "tags.t.order", "a discrete is one bit"),
        (json!({ "at": "coil:0", "invalid": [1] }), "tags.t.invalid", "`invalid` means nothing"),
        (json!({ "at": "holding:0", "as": "bit" }), "tags.t", "needs `bit`"),
        (json!({ "at": "holding:0.1", "bit": 1 }), "tags.t.bit", "named twice"),
        (json!({ "at": "holding:0", "as": "bit", "bit": 16 }), "tags.t.bit", "no bit 16"),
        (json!({ "at": "holding:0", "bit": 1 }), "tags.t.bit", "read as u16"),
        (json!({ "at": "holding:0.1", "as": "bool" }), "tags.t.at", "read as bool"),
        (json!({ "at": "holding:0", "as": "string" }), "tags.t", "needs `length`"),
        (json!({ "at": "holding:0", "as": "string", "length": 126 }), "tags.t.length", "between 1 and 125"),
        (json!({ "at": "holding:0", "as": "string", "length": 0 }), "tags.t.length", "between 1 and 125"),
        (json!({ "at": "holding:0", "as": "f32", "length": 2 }), "tags.t.length", "length by its type"),
        (json!({ "at": "holding:0", "order": "CDAB" }), "tags.t.order", "u16 has 2 bytes"),
        (json!({ "at": "holding:65535", "as": "f32" }), "tags.t.at", "past the last address"),
        (json!({ "at": "holding:0", "every": "0ms" }), "tags.t.every", "too short"),
        (
            json!({ "at": "holding:0", "invalid": [32768, 65536] }),
            "tags.t.invalid[1]",
            "0x10000 does not fit the 16 bits",
        ),
        (
            json!({ "at": "holding:0", "as": "string", "length": 1, "invalid": [1] }),
            "tags.t.invalid[0]",
            "no raw value",
        ),
    ] {
        let found = tag(&options).err().unwrap_or_default();
        assert!(
            matches!(&found[..], [(place, message)] if place == at && message.contains(said)),
            "{options}: {found:?}"
        );
    }
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
    let wide =
        json!({ "url": "tcp://plc", "registers_per_request": 3, "tags": { "t": { "at": "holding:0", "as": "f64" } } });
    assert!(resolve(wide).err().unwrap()[0].1.contains("takes 4 registers"));
}

#[test]
fn the_schema_knows_the_types_and_refuses_what_it_does_not_know() {
    let schema = schemars::schema_for!(Config).to_value();
    let text = schema.to_string();
    assert!(text.contains(r#"["i16","u16","i32","u32","i64","u64","f32","f64","bool","bit","string""#), "{text}");
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["properties"]["unit"]["default"], json!(1));
    assert!(serde_json::from_value::<Config>(json!({ "url": "tcp://plc", "tags": {}, "uint": 1 })).is_err());
}
