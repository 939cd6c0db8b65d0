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
    assert_eq!(settings.line.endpoints[0].to_string(), "tcp://plc:502");
    assert_eq!((settings.limits.registers, settings.limits.bits, settings.limits.gap), (125, 2000, 0));
    let [c, r] = &settings.points[..] else { panic!("two tags") };
    assert_eq!((c.name.as_str(), c.layout.kind, c.every), ("c", Kind::Bool, Duration::from_secs(1)));
    assert_eq!((r.name.as_str(), r.layout.kind), ("r", Kind::U16));
    assert_eq!(r.need, Need { table: Table::Input, start: 3, count: 1 });
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = resolve(json!({
        "url": "udp://h", "unit": 0, "every": "0ms", "timeout": "10us",
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

#[test]
fn every_mistake_about_the_line_is_told_at_its_place() {
    for (options, at, said) in [
        (json!({ "standby": ["tcp://plc"] }), "standby[0]", "the address of `url`"),
        (json!({ "standby": ["plc"] }), "standby[0]", "not a url"),
        (json!({ "demote_after": 0 }), "demote_after", "0 failures"),
        (json!({ "probe_every": "0s" }), "probe_every", "too short"),
        (json!({ "keep_alive": "0s" }), "keep_alive", "too short"),
        (json!({ "holes": ["holding:9..7"] }), "holes[0]", "no range"),
        (json!({ "holes": ["holding:1.2"] }), "holes[0]", "no range"),
        (json!({ "holes": ["40001"] }), "holes[0]", "which table"),
        (json!({ "holes": ["coil:0", "holding:0..5"] }), "tags.t.at", "lies in the hole holding:0..5"),
        (json!({ "url": "tls://plc" }), "url", "whom to trust"),
        (json!({ "url": "tls://plc", "tls": { "ca": "a", "key": "b" } }), "tls", "belong together"),
        (json!({ "tls": { "ca": "a" } }), "tls", "for tls:// only"),
        (json!({ "register": { "id": "a" } }), "register", "for listen:// only"),
        (json!({ "heartbeat": "a" }), "heartbeat", "for listen:// only"),
        (json!({ "framing": "rtu" }), "framing", "for listen:// only"),
        (json!({ "url": "listen://127.0.0.1:5020", "heartbeat": "hex:F" }), "heartbeat", "not 1 to 64 bytes"),
        (json!({ "url": "listen://127.0.0.1:5020", "register": { "id": "" } }), "register", "not 1 to 64 bytes"),
        (json!({ "url": "listen://127.0.0.1:5020", "heartbeat": "hex:01" }), "heartbeat", "each answer of unit 1"),
        (json!({ "url": "listen://127.0.0.1:5020", "standby": ["tcp://plc"] }), "standby", "no second address"),
    ] {
        let mut all = json!({ "url": "tcp://plc", "tags": { "t": { "at": "holding:3" } } });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let found = resolve(all).err().unwrap_or_default();
        assert!(
            matches!(&found[..], [(place, message)] if place == at && message.contains(said)),
            "{options}: {found:?}"
        );
    }
}
