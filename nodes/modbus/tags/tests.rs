//! What the options of a tag resolve to, and how each mistake in them is told.

use serde_json::{Value as Json, json};

use super::super::codec::{Half, Order};
use super::*;
use fieldflow_contract::{Severity, Value};

/// The points of these tags, and each finding as `place: message`, warnings with `?` before them.
fn resolve(options: &Json) -> (Vec<Point>, Vec<String>) {
    let mut all = json!({ "url": "tcp://plc" });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let config: Config = serde_json::from_value(all).unwrap();
    let mut findings = Findings::default();
    let points = config.points(None, &mut findings);
    let mark = |severity| if severity == Severity::Warning { "?" } else { "" };
    let shown =
        |found: &fieldflow_contract::Finding| format!("{}{}: {}", mark(found.severity), found.at, found.message);
    (points, findings.0.iter().map(shown).collect())
}

fn tags(tags: &Json) -> (Vec<Point>, Vec<String>) {
    resolve(&json!({ "tags": tags }))
}

/// The only point of a tag with these options.
fn point(options: &Json) -> Point {
    let (mut points, found) = tags(&json!({ "t": options }));
    assert!(found.is_empty() && points.len() == 1, "{found:?}");
    points.remove(0)
}

/// `name table:start kind first+count` of each.
fn places(points: &[Point]) -> Vec<String> {
    let part = |point: &Point| match point.layout.part {
        None => String::new(),
        Some(Part { first, count: None }) => format!(" {first}"),
        Some(Part { first, count: Some(count) }) => format!(" {first}+{count}"),
    };
    let place = |point: &Point| {
        let Need { table, start, .. } = point.need;
        format!("{} {table}:{start} {}{}", point.name, point.layout.kind.word(), part(point))
    };
    points.iter().map(place).collect()
}

#[test]
fn a_bit_is_named_in_the_address_or_beside_it() {
    for options in [json!({ "at": "holding:5.3" }), json!({ "at": "holding:5", "as": "bit", "bit": 3 })] {
        let layout = point(&options).layout;
        assert_eq!((layout.kind, layout.part), (Kind::Bit, Some(Part { first: 3, count: None })));
    }
}

#[test]
fn each_type_takes_its_registers_and_its_order() {
    for (options, registers, order) in [
        (json!({ "as": "u8" }), 1, Order::of_half(Half::Low)),
        (json!({ "as": "i8", "half": "high" }), 1, Order::of_half(Half::High)),
        (json!({ "as": "u24" }), 2, Order::parse("_ABC", Kind::U24, 2).unwrap()),
        (json!({ "as": "u48", "order": "EFCDAB" }), 3, Order::parse("EFCDAB", Kind::U48, 3).unwrap()),
        (json!({ "as": "mod10k", "length": 3 }), 3, Order::parse("EFCDAB", Kind::Mod10k, 3).unwrap()),
        (json!({ "as": "bytes", "length": 5 }), 5, Order::parse("AB", Kind::Bytes, 5).unwrap()),
        (json!({ "as": "string", "length": 5, "order": "BA" }), 5, Order::parse("BA", Kind::String, 5).unwrap()),
    ] {
        let mut options = options;
        options["at"] = json!("holding:0");
        let found = point(&options);
        assert_eq!((found.need.count, found.layout.registers), (registers, registers), "{options}");
        assert_eq!(found.layout.order, order, "{options}");
    }
    let text = point(&json!({ "at": "input:0", "as": "string", "length": 8, "chars": 1, "pad": "space" })).layout;
    assert_eq!(
        (text.text.half, text.text.pad, text.room()),
        (Some(Half::Low), Some(super::super::codec::Pad::Space), 8)
    );
}

#[test]
fn sentinels_are_written_as_bits_or_as_values() {
    for (kind, invalid, raw) in [
        ("i16", json!([0x8000, -1]), vec![0x8000, 0xFFFF]),
        ("sm16", json!([-1]), vec![0x8001]),
        ("f32", json!([0x7FC0_0000_u32, -9999.0]), vec![0x7FC0_0000, 0xC61C_3C00]),
        ("f64", json!([-9999.0]), vec![0xC0C3_8780_0000_0000]),
        ("u24", json!([0x00FF_FFFF]), vec![0x00FF_FFFF]),
    ] {
        let sentinels = point(&json!({ "at": "holding:0", "as": kind, "invalid": invalid })).layout.sentinels;
        assert_eq!(sentinels.invalid, raw, "{kind}");
    }
    let layout = point(&json!({ "at": "holding:0", "as": "f32", "invalid": ["nan", 0.0] })).layout;
    assert!(layout.sentinels.nan);
    for zero in [[0, 0], [0x8000, 0]] {
        assert_eq!(layout.decode(&zero).0, Value::Null, "both zeros are 0.0");
    }
}

#[test]
fn bits_of_a_value_are_tags_beside_it() {
    let bits = json!({ "pump.run": 0, "pump.fault": 3, "pump.mode": [4, 2] });
    let (points, found) = tags(&json!({ "pump": { "at": "holding:5", "order": "BA", "bits": bits } }));
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(
        places(&points),
        ["pump.fault holding:5 u16 3", "pump.mode holding:5 u16 4+2", "pump.run holding:5 u16 0", "pump holding:5 u16"]
    );
    let values: Vec<Value> = points.iter().map(|point| point.layout.decode(&[0x2900]).0).collect();
    assert_eq!(values, [Value::Bool(true), Value::U64(2), Value::Bool(true), Value::U64(0x29)]);
}

#[test]
fn a_run_of_values_is_a_tag_for_each() {
    for (options, expected) in [
        (json!({ "at": "holding:5", "as": "f32", "count": 2 }), vec!["t.0 holding:5 f32", "t.1 holding:7 f32"]),
        (json!({ "at": "coil:5", "count": 2 }), vec!["t.0 coil:5 bool", "t.1 coil:6 bool"]),
        (json!({ "at": "input:5.15", "count": 2 }), vec!["t.0 input:5 bit 15", "t.1 input:6 bit 0"]),
        (json!({ "at": "holding:65535", "count": 1 }), vec!["t.0 holding:65535 u16"]),
    ] {
        let (points, found) = tags(&json!({ "t": options }));
        assert_eq!((places(&points), found), (expected.into_iter().map(str::to_owned).collect(), vec![]));
    }
    let (points, found) = tags(&json!({ "t": { "at": "holding:0", "count": 65535 } }));
    assert_eq!((points.len(), found.len()), (65_535, 0));
}

#[test]
fn a_factor_is_a_register_of_its_own_type() {
    let factor = point(&json!({ "at": "holding:0", "factor_from": { "at": "holding:40" } })).factor.unwrap();
    assert_eq!((factor.need().start, factor.layout.kind, factor.means), (40, Kind::I16, Means::Exponent));
    let from = json!({ "at": "input:7", "as": "f32", "order": "CDAB", "means": "factor", "invalid": ["nan"] });
    let factor = point(&json!({ "at": "holding:0", "factor_from": from })).factor.unwrap();
    assert_eq!((factor.need().table, factor.need().count, factor.means), (Table::Input, 2, Means::Factor));
    assert!(factor.layout.sentinels.nan);
}

#[test]
fn bare_numbers_mean_what_the_node_says() {
    for (style, start) in [("modicon", 0), ("pdu", 40_001)] {
        let (points, found) = resolve(&json!({ "address_style": style, "tags": { "t": { "at": "40001" } } }));
        assert_eq!((points[0].need.start, found.len()), (start, 0));
    }
}

#[test]
fn every_mistake_in_a_tag_is_told_at_its_place() {
    let text = |more: Json| {
        let mut all = json!({ "at": "holding:0", "as": "string", "length": 2 });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    for (options, said) in [
        (json!({ "at": "40001" }), ".at: `40001` alone does not say which table"),
        (json!({ "at": "coil:0", "as": "u16" }), ".as: a coil is one bit: it cannot be read as u16"),
        (json!({ "at": "discrete:0", "order": "BA" }), ".order: a discrete is one bit"),
        (json!({ "at": "coil:0", "invalid": [1] }), ".invalid: a coil is one bit, so `invalid` means nothing"),
        (json!({ "at": "coil:0", "bits": { "b": 0 } }), ".bits: a coil is one bit"),
        (json!({ "at": "coil:0", "enum": { "2": "x" } }), ".enum.2: 2 does not fit bool"),
        (json!({ "at": "holding:0", "as": "bit" }), ": `as: bit` needs `bit`"),
        (json!({ "at": "holding:0.1", "bit": 1 }), ".bit: the bit is named twice"),
        (json!({ "at": "holding:0", "as": "bit", "bit": 16 }), ".bit: a register has no bit 16"),
        (json!({ "at": "holding:0", "bit": 1 }), ".bit: a bit is named, but the tag is read as u16"),
        (json!({ "at": "holding:0.1", "as": "bool" }), ".at: a bit is named, but the tag is read as bool"),
        (json!({ "at": "holding:0", "as": "string" }), ": `as: string` needs `length`"),
        (json!({ "at": "holding:0", "as": "mod10k" }), ": `as: mod10k` needs `length`"),
        (json!({ "at": "holding:0", "as": "mod10k", "length": 5 }), ".length: 5 is not between 2 and 4"),
        (text(json!({ "length": 126 })), ".length: 126 is not between 1 and 125"),
        (text(json!({ "length": 0 })), ".length: 0 is not between 1 and 125"),
        (json!({ "at": "holding:0", "as": "f32", "length": 2 }), ".length: `f32` has its length by its type"),
        (text(json!({ "chars": 3 })), ".chars: 3 characters do not fit"),
        (text(json!({ "half": "high" })), ".half: both halves of each register hold a character"),
        (text(json!({ "chars": 1, "order": "BA" })), ".order: with one character in each register"),
        (json!({ "at": "holding:0", "pad": "nul" }), ".pad: `u16` has no characters"),
        (json!({ "at": "holding:0", "chars": 1 }), ".chars: `u16` has no characters"),
        (json!({ "at": "holding:0", "half": "low" }), ".half: `u16` fills its register"),
        (
            json!({ "at": "holding:0", "as": "u8", "order": "BA" }),
            ".order: the order `BA` means nothing: u8 has one byte",
        ),
        (json!({ "at": "holding:0", "order": "CDAB" }), ".order: the order `CDAB` does not fit: u16 has 2 bytes"),
        (json!({ "at": "holding:65535", "as": "f32" }), ".at: the value ends at 65536, past the last address"),
        (json!({ "at": "holding:65534", "count": 3 }), ".count: the last value ends at 65536, past the last address"),
        (json!({ "at": "holding:65535.1", "count": 16 }), ".count: the last value ends at 65536"),
        (json!({ "at": "holding:0", "count": 0 }), ".count: no value"),
        (json!({ "at": "holding:0", "count": 2, "bits": { "b": 0 } }), ".bits: the bits of several values"),
        (json!({ "at": "holding:0", "every": "0ms" }), ".every: 0s is too short"),
        (json!({ "at": "holding:0", "invalid": [32768, 65536] }), ".invalid[1]: 0x10000 does not fit the 16 bits"),
        (text(json!({ "invalid": [1] })), ".invalid[0]: a string has no raw value"),
        (
            json!({ "at": "holding:0", "as": "u16", "invalid": [-1] }),
            ".invalid[0]: -1 is below zero, which u16 cannot be",
        ),
        (json!({ "at": "holding:0", "as": "i16", "invalid": [-32769] }), ".invalid[0]: -32769 does not fit i16"),
        (json!({ "at": "holding:0", "as": "f32", "invalid": [-9999] }), ".invalid[0]: -9999 is neither the bits"),
        (
            json!({ "at": "holding:0", "as": "i16", "invalid": [1.5] }),
            ".invalid[0]: 1.5 is a decimal, and i16 has none",
        ),
        (json!({ "at": "holding:0", "as": "i16", "invalid": ["nan"] }), ".invalid[0]: every i16 is a number"),
        (
            json!({ "at": "holding:0", "as": "f32", "saturated": ["nan"] }),
            ".saturated[0]: what is not a number is no value",
        ),
        (json!({ "at": "holding:0", "enum": { "x": "off" } }), ".enum.x: `x` is not a whole number"),
        (json!({ "at": "holding:0", "enum": { "65536": "off" } }), ".enum.65536: 65536 does not fit u16"),
        (json!({ "at": "holding:0", "enum": { "1": "a", "0x1": "b" } }), ".enum.1: the number 1 is there twice"),
        (json!({ "at": "holding:0", "as": "f32", "enum": { "1": "a" } }), ".enum: `f32` has no words"),
        (json!({ "at": "holding:0", "bits": { "b": 16 } }), ".bits.b: u16 has no bit 16"),
        (json!({ "at": "holding:0", "bits": { "b": [15, 2] } }), ".bits.b: u16 has no 2 bits from bit 15 on"),
        (json!({ "at": "holding:0", "bits": { "b": [15, 0] } }), ".bits.b: a number of 0 bits says nothing"),
        (json!({ "at": "holding:0", "as": "i16", "bits": { "b": 0 } }), ".bits.b: `i16` has no bits to tell apart"),
        (json!({ "at": "holding:0", "bits": { "t": 0 } }), ".bits.t: the tag `t` is there twice, see `tags.t`"),
        (json!({ "at": "holding:0", "factor_from": { "at": "x" } }), ".factor_from.at: `x` is not a Modbus address"),
        (json!({ "at": "holding:0", "factor_from": { "at": "coil:1" } }), ".factor_from.at: a bit is no factor"),
        (
            json!({ "at": "holding:0", "factor_from": { "at": "holding:1", "as": "string" } }),
            ".factor_from.as: `string` is no factor",
        ),
        (
            json!({ "at": "holding:0", "factor_from": { "at": "holding:1", "order": "CDAB" } }),
            ".factor_from.order: the order `CDAB` does not fit",
        ),
        (text(json!({ "factor_from": { "at": "holding:9" } })), ".factor_from: string cannot be multiplied"),
        (
            json!({ "at": "holding:0", "enum": { "1": "a" }, "factor_from": { "at": "holding:9" } }),
            ".factor_from: `enum` cannot be multiplied",
        ),
    ] {
        let (_, found) = tags(&json!({ "t": options }));
        assert!(matches!(&found[..], [one] if one.starts_with(&format!("tags.t{said}"))), "{options}: {found:#?}");
    }
}

#[test]
fn what_is_probably_a_slip_is_a_warning() {
    let twins = json!({ "a": { "at": "holding:0" }, "b": { "at": "400001" }, "c": { "at": "holding:0", "as": "i16" } });
    assert_eq!(tags(&twins).1, ["?tags.b: `a` and `b` are the same value of the device"]);
    let (points, found) = tags(&json!({ "a": { "at": "holding:0", "as": "f32", "invalid": [9999] } }));
    assert_eq!(found, ["?tags.a.invalid[0]: 9999 stands for the bits of a f32, which is next to nothing"]);
    assert_eq!(points.len(), 1);
}

#[test]
fn a_name_can_be_there_only_once() {
    let (_, found) = tags(&json!({ "a": { "at": "holding:0", "count": 2 }, "a.1": { "at": "holding:9" } }));
    assert_eq!(found, ["tags.a.1: the tag `a.1` is there twice, see `tags.a`"]);
}
