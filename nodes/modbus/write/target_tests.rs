//! Values to registers: what a reader of them gets back is what was asked for, or nothing is written.

use std::time::Duration;

use fieldflow_contract::{Findings, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::config::Config;
use super::{Means, Raw, Scaling, Target};
use crate::modbus::address::Table;
use crate::modbus::codec::{Kind, Layout};
use crate::modbus::frame::Request;
use crate::modbus::plan::Need;
use crate::transform::kit::decimal::Line;

fn target(options: &Json) -> Target {
    let config = json!({ "url": "tcp://plc", "tags": { "t": options } });
    let config: Config = serde_json::from_value(config).unwrap();
    let mut findings = Findings::default();
    let settings = config.resolve(&mut findings);
    settings.unwrap_or_else(|| panic!("{options}: {:?}", findings.0)).targets.remove(0).1
}

#[test]
fn a_value_is_held_exactly_or_refused_in_words() {
    let word = |word| Ok(vec![word]);
    for (options, value, expected) in [
        (json!({}), Value::U64(65_535), word(65_535)),
        (json!({}), Value::I64(-1), Err("-1 does not fit u16, which goes from 0 to 65535")),
        (json!({}), Value::F64(3.0), word(3)),
        (json!({}), Value::F64(3.5), Err("3.5 is not a whole number")),
        (json!({}), Value::Null, Err("there is no value")),
        (json!({}), Value::Text("3".into()), Err("the text `3` is not a number")),
        (
            json!({ "as": "i16", "invalid": [0x8000] }),
            Value::I64(-32768),
            Err("0x8000 stands for a missing value here"),
        ),
        (json!({ "as": "f16" }), Value::F64(78.4), word(0x54E6)),
        (json!({ "as": "f16" }), Value::F64(1e-9), Err("1e-9 would become 0 as f16")),
        (json!({ "as": "f16" }), Value::U64(2049), Err("2049 would become 2048 as f16")),
        (json!({ "as": "f16" }), Value::F64(70_000.0), Err("70000 is too large for f16")),
        (json!({ "as": "f16" }), Value::F32(f32::INFINITY), Err("inf is no number to write")),
        (json!({ "as": "bcd16" }), Value::U64(1234), word(0x1234)),
        (json!({ "as": "sm16" }), Value::I64(-5), word(0x8005)),
        (json!({ "enum": { "0": "off", "3": "on" } }), Value::Text("on".into()), word(3)),
        (json!({ "enum": { "0": "off", "3": "on" } }), Value::U64(3), word(3)),
        (
            json!({ "enum": { "0": "off", "3": "on" } }),
            Value::U64(2),
            Err("2 is none of the numbers that have a word here"),
        ),
        (
            json!({ "enum": { "0": "off", "3": "on" } }),
            Value::Text("auto".into()),
            Err("`auto` is none of the words of this tag"),
        ),
        (json!({ "as": "string", "length": 1 }), Value::Text("ab".into()), word(0x6162)),
        (
            json!({ "as": "string", "length": 1 }),
            Value::Text("abc".into()),
            Err("a text of 3 bytes does not fit, there is room for 2"),
        ),
        (
            json!({ "as": "string", "length": 1 }),
            Value::Text("a ".into()),
            Err("it would read back without what it ends in, which counts as padding"),
        ),
        (json!({ "as": "bytes", "length": 1 }), Value::Bytes([1, 2].into()), word(0x0102)),
        (json!({ "as": "i16", "scale": 0.1 }), Value::F64(21.5), word(215)),
        (json!({ "as": "i16", "scale": 0.1 }), Value::F32(-0.3), word((-3_i16) as u16)),
        (json!({ "as": "i16", "scale": -0.1, "offset": 100 }), Value::F64(0.1), word(999)),
        (
            json!({ "as": "i16", "scale": 0.1 }),
            Value::F64(21.53),
            Err("21.53 is the value of no whole raw number, the nearest is 215 (scale 0.1, offset 0); round it before"),
        ),
        (
            json!({ "as": "i16", "scale": 0.1 }),
            Value::F64(0.1 + 0.2),
            Err(
                "0.30000000000000004 is the value of no whole raw number, the nearest is 3 (scale 0.1, offset 0); round it before",
            ),
        ),
        (
            json!({ "as": "i16", "scale": 0.001 }),
            Value::U64(40),
            Err("40000 does not fit i16, which goes from -32768 to 32767"),
        ),
        (
            json!({ "as": "i16", "scale": 0.1 }),
            Value::F64(1e300),
            Err("1e300 would be 1e301 as a raw number, which fits no type"),
        ),
        (json!({ "as": "u64", "scale": 1 }), Value::U64(u64::MAX), Ok(vec![u16::MAX; 4])),
        (json!({ "as": "f16", "scale": 0.5 }), Value::F64(1.25), word(0x4100)),
        (json!({ "range": [5, 80.4] }), Value::F32(80.4), Err("80.4 is not a whole number")),
        (json!({ "as": "f16", "range": [5, 80.4] }), Value::F32(80.4), word(0x5506)),
        (json!({ "range": [5, 80] }), Value::F64(4.999), Err("4.999 is outside of 5 to 80")),
        (json!({ "range": [5, 80] }), Value::Text("6".into()), Err("6 is no number")),
        (json!({ "as": "i16", "scale": 0.1, "range": [5, 80] }), Value::I64(81), Err("81 is outside of 5 to 80")),
    ] {
        let mut at = json!({ "at": "holding:0" });
        at.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let raw = target(&at).raw(&value);
        let expected = expected.map(Raw::Words);
        assert_eq!(raw.as_ref().map_err(String::as_str), expected.as_ref().map_err(|why| *why), "{options} {value:?}");
    }
}

#[test]
fn a_part_of_a_register_leaves_the_rest_alone() {
    let bit = target(&json!({ "at": "holding:5.3" }));
    assert_eq!(bit.raw(&Value::Bool(true)), Ok(Raw::Part { word: 8, mask: 8 }));
    assert_eq!(bit.raw(&Value::F64(0.0)), Ok(Raw::Part { word: 0, mask: 8 }));
    assert_eq!(bit.raw(&Value::U64(2)).unwrap_err(), "2 does not fit bit, which goes from 0 to 1");
    let swapped = target(&json!({ "at": "holding:5.3", "order": "BA" }));
    assert_eq!(swapped.raw(&Value::Bool(true)), Ok(Raw::Part { word: 0x0800, mask: 0x0800 }));
    let half = target(&json!({ "at": "holding:5", "as": "i8", "half": "high" }));
    let raw = half.raw(&Value::I64(-2)).unwrap();
    assert_eq!(raw, Raw::Part { word: 0xFE00, mask: 0xFF00 });
    let (plain, careful) =
        (Means { multiple: false, read_modify_write: false }, Means { multiple: false, read_modify_write: true });
    assert_eq!(half.request(&raw, plain), Some(Request::MaskRegister { at: 5, and: 0x00FF, or: 0xFE00 }));
    assert_eq!(half.request(&raw, careful), None, "what is there has to be read");
    let changed = half.changed(0x1234, (0xFE00, 0xFF00), careful);
    assert_eq!(changed, Request::WriteRegister { at: 5, word: 0xFE34 });
    // 24 bits have a byte that means nothing, which is no other tag's.
    let wide = target(&json!({ "at": "holding:5", "as": "u24" }));
    assert_eq!(wide.raw(&Value::U64(0x12_3456)), Ok(Raw::Words(vec![0x0012, 0x3456])));
}

fn scaled(kind: Kind, scale: f64, offset: f64) -> Target {
    let layout = Layout::new(kind, 1);
    let need = Need { table: Table::Holding, start: 0, count: layout.registers };
    let scaling = Some(Scaling { scale, offset });
    Target { need, layout, scaling, range: None, verify: false, min_interval: Duration::ZERO }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_the_scale_node_makes_of_a_raw_number_is_written_as_that_number(
        raw in any::<i32>(), scale in (1_i32..=99_999, 0_i32..=5), offset in (-99_999_i32..=99_999, 0_i32..=3), minus in any::<bool>(),
    ) {
        let decimal = |(digits, places): (i32, i32)| format!("{digits}e-{places}").parse::<f64>().unwrap();
        let (scale, offset) = (if minus { -decimal(scale) } else { decimal(scale) }, decimal(offset));
        let value = Line::linear(scale, offset).at(&Value::I64(raw.into())).unwrap();
        let words = scaled(Kind::I32, scale, offset).raw(&Value::F64(value));
        prop_assert_eq!(words, Ok(Raw::Words(vec![(raw >> 16) as u16, raw as u16])));
    }

    #[test]
    fn no_value_and_no_scale_makes_it_panic_or_write_what_reads_otherwise(
        bits in any::<u64>(), scale in any::<f64>(), offset in any::<f64>(), whole in any::<i64>(), kind in 0_usize..Kind::ALL.len(),
    ) {
        let kind = Kind::ALL[kind].0;
        prop_assume!(scale.is_finite() && scale != 0.0 && offset.is_finite() && kind != Kind::Bit);
        for value in [Value::F64(f64::from_bits(bits)), Value::F32(f32::from_bits(bits as u32)), Value::I64(whole), Value::U64(bits)] {
            let _ = scaled(kind, scale, offset).raw(&value);
            let plain = Target { scaling: None, ..scaled(kind, 1.0, 0.0) };
            if let Ok(Raw::Words(words)) = plain.raw(&value) && kind.is_integer() {
                let (read, quality) = plain.layout.decode(&words);
                prop_assert!(quality.is_good());
                prop_assert_eq!(crate::transform::kit::number::compare(&read, &value), std::cmp::Ordering::Equal);
            }
        }
    }
}
