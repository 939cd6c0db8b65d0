//! Whether payloads become the records that the manual promises; more of it stands in `cases/decode/`.

use fieldflow_contract::{Port, Saved};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::transform::kit::testing::build_with;

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

fn prepared(options: Json) -> (Box<dyn Transform>, Tally) {
    build_with(&Decode, options, &Saved::default())
}

fn message(value: Value) -> Record {
    Record::good(Tag::new("decode/test").unwrap(), NOW, value)
}

fn bytes(bytes: &[u8]) -> Record {
    message(Value::Bytes(bytes.into()))
}

fn text(text: &str) -> Record {
    message(Value::Text(text.into()))
}

/// What leaves by the default port and by `rejected`.
fn run(node: &mut dyn Transform, records: Vec<Record>) -> (Vec<Record>, Vec<Record>) {
    let mut out = Outputs::default();
    node.apply(Batch::new(records, NOW).unwrap(), &mut out).unwrap();
    let (mut decoded, mut rejected) = (Vec::new(), Vec::new());
    for emission in out.take_emissions() {
        let to = if emission.port == Port::REJECTED { &mut rejected } else { &mut decoded };
        assert!(to.is_empty(), "one batch a port");
        to.extend(emission.batch.into_records());
    }
    (decoded, rejected)
}

fn values(options: Json, record: Record) -> Vec<Value> {
    let (decoded, rejected) = run(&mut *prepared(options).0, vec![record]);
    assert_eq!(rejected, []);
    decoded.into_iter().map(|record| record.value).collect()
}

fn paths(tags: &Json) -> Json {
    json!({ "json": { "tags": tags } })
}

fn one_field(kind: &str, endian: &str) -> Json {
    json!({ "binary": { "endian": endian, "fields": [{ "name": "v", "as": kind }] } })
}

#[test]
fn the_good_ones_of_a_batch_go_on_and_the_others_are_rejected_as_they_came() {
    let (mut node, tally) = prepared(paths(&json!({ "a": "$.a" })));
    let batch = vec![text(r#"{"a":1}"#), text("{"), message(Value::I64(1)), text(r#"{"b":1}"#), text(r#"{"a":2}"#)];
    let (decoded, rejected) = run(&mut *node, batch.clone());
    assert_eq!(decoded.iter().map(|record| record.value.clone()).collect::<Vec<_>>(), [Value::I64(1), Value::I64(2)]);
    assert_eq!(rejected, batch[1..4]);
    assert_eq!(tally.snapshot(), [("format", 1), ("missing", 1), ("type", 1)].into());
}

#[test]
fn what_is_too_long_too_deep_or_too_much_is_rejected() {
    let (mut node, tally) = prepared(json!({ "json": { "each": "$", "tags": { "a": "$" } } }));
    let list = |count: usize| text(&format!("[{}0]", "0,".repeat(count - 1)));
    let (decoded, rejected) = run(&mut *node, vec![list(MOST_RECORDS)]);
    assert_eq!((decoded.len(), rejected.len()), (MOST_RECORDS, 0));
    let batch = vec![list(MOST_RECORDS + 1), text(&"[".repeat(100_000)), text(&" ".repeat(MOST_BYTES + 1))];
    let (decoded, rejected) = run(&mut *node, batch.clone());
    assert_eq!((decoded, rejected), (Vec::new(), batch));
    assert_eq!(tally.snapshot(), [("format", 1), ("size", 2)].into());
    let (mut table, _) = prepared(json!({ "csv": { "tags": { "a": 0 } } }));
    let (decoded, rejected) = run(&mut *table, vec![text(&",".repeat(5000))]);
    assert_eq!((decoded.len(), rejected.len()), (0, 1));
}

#[test]
fn a_full_or_impossible_name_is_rejected_and_the_table_of_tags_is_left_alone() {
    let (mut node, tally) = prepared(json!({ "json": { "name": "$.n", "tags": { "{name}": "$.v" } } }));
    let long = format!(r#"{{"n":"{}","v":1}}"#, "x".repeat(2000));
    let (_, rejected) = run(&mut *node, vec![text(&long), text(r#"{"n":"","v":1}"#), text(r#"{"n":{},"v":1}"#)]);
    assert_eq!(rejected.len(), 3);
    assert_eq!(tally.snapshot(), [("missing", 2), ("name", 1)].into());
}

#[test]
fn an_empty_list_is_no_fault() {
    let (mut node, _) = prepared(json!({ "json": { "each": "$.a", "tags": { "{tag}.{name}": "$" } } }));
    let mut out = Outputs::default();
    node.apply(Batch::one(text(r#"{"a":[]}"#), NOW), &mut out).unwrap();
    assert_eq!(out.take_emissions().count(), 0);
    assert_eq!(out.take_filtered().collect::<Vec<_>>(), [("empty", 1)]);
}

#[test]
fn a_batch_out_of_the_store_stays_one() {
    let (mut node, _) = prepared(paths(&json!({ "a": "$.a" })));
    let mut out = Outputs::default();
    let batch = Batch::new(vec![text(r#"{"a":1}"#), text("")], Timestamp(7)).unwrap();
    node.apply(batch.replayed(), &mut out).unwrap();
    let made: Vec<_> = out.take_emissions().map(|made| (made.batch.is_replayed(), made.batch.received().0)).collect();
    assert_eq!(made, [(true, 7), (true, 7)]);
}

#[test]
fn json_numbers_keep_their_kind() {
    let read = |number: &str| values(paths(&json!({ "a": "$" })), text(number)).remove(0);
    assert_eq!(read("-5"), Value::I64(-5));
    assert_eq!(read("18446744073709551615"), Value::U64(u64::MAX));
    assert_eq!(read("78.4"), Value::F64(78.4));
    assert_eq!(read("[1, {\"b\": 2}]"), Value::Text(r#"[1,{"b":2}]"#.into()));
    assert_eq!(read("{\"hex\":\"01FF\"}"), Value::Bytes([1, 0xff].as_slice().into()));
    assert_eq!(read("{\"hex\":\"0\"}"), Value::Text(r#"{"hex":"0"}"#.into()));
}

#[test]
fn quotes_of_csv_are_those_of_the_standard() {
    let options = json!({ "csv": { "tags": { "a": 0, "b": 1 } } });
    let read = |text_: &str| values(options.clone(), text(text_));
    let texts = |of: [&str; 2]| of.map(|text| Value::Text(text.into())).to_vec();
    assert_eq!(read("\"x, \"\"y\"\"\",\"l1\r\nl2\"\r\n"), texts(["x, \"y\"", "l1\r\nl2"]));
    assert_eq!(read("\u{feff} x ,\" y \" \n"), texts(["x", " y "]));
    assert_eq!(read("\"1\",true"), [Value::I64(1), Value::Bool(true)]);
    let (mut node, _) = prepared(options);
    let (decoded, rejected) = run(&mut *node, vec![text("\"x"), text("\"x\"y,z"), bytes(b"\xff"), text("\n")]);
    assert_eq!((decoded.len(), rejected.len()), (0, 4));
}

#[test]
fn a_decimal_comma_is_read_where_it_is_asked_for() {
    let options = json!({ "csv": { "delimiter": ";", "decimal": ",", "tags": { "a": 0, "b": 1, "c": 2 } } });
    let found = values(options, text("12,5;1.234;7"));
    assert_eq!(found, [Value::F64(12.5), Value::Text("1.234".into()), Value::I64(7)]);
}

#[test]
fn bits_are_cut_out_and_keep_their_sign() {
    let options = json!({ "binary": { "fields": [
        { "name": "low", "as": "i16", "bits": [0, 12] },
        { "name": "high", "as": "u16", "at": 0, "bits": [12, 4] },
        { "name": "big", "as": "u16", "at": 0, "bits": 14 },
        { "name": "little", "as": "u16", "at": 0, "bits": 14, "endian": "little" },
        { "name": "all", "as": "u16", "at": 0, "bits": [0, 16] },
    ]}});
    let found = values(options, bytes(&[0xAF, 0xFE]));
    let (big, little) = (Value::Bool(false), Value::Bool(true));
    assert_eq!(found, [Value::I64(-2), Value::U64(10), big, little, Value::U64(0xAFFE)]);
}

#[test]
fn the_frame_of_an_adc_is_read_its_checksum_off_already() {
    let options = json!({ "binary": { "fields": [
        { "name": "seq", "as": "u16" }, { "name": "ms", "as": "u32" }, { "name": "payload", "as": "bytes" },
    ]}});
    let (mut node, tally) = prepared(options);
    let mut frame = vec![0x12, 0x34, 0, 1, 0, 0];
    frame.extend([0xA5; 1024]);
    let (decoded, rejected) = run(&mut *node, vec![bytes(&frame), bytes(&frame[..6]), bytes(&frame[..5])]);
    assert_eq!(decoded[0].tag.name(), "decode/test.seq");
    let found: Vec<&Value> = decoded.iter().map(|record| &record.value).collect();
    assert_eq!(found[..2], [&Value::U64(0x1234), &Value::U64(65536)]);
    assert_eq!((found[2], found[5]), (&Value::Bytes([0xA5; 1024].into()), &Value::Bytes([].into())));
    assert_eq!((rejected.len(), tally.snapshot()), (1, [("layout", 1)].into()));
}

#[test]
fn lengths_and_places_count_from_either_end() {
    let fields = json!([
        { "name": "id", "as": "text", "length": 4 },
        { "name": "body", "as": "bytes", "length": -3 },
        { "name": "end", "as": "u8" },
        { "name": "last", "as": "u16", "at": -2 },
    ]);
    let options = json!({ "binary": { "fields": fields } });
    let found = values(options.clone(), bytes(b"ab\0\0xyz\x01\x02\x03"));
    let body = Value::Bytes(b"xyz".as_slice().into());
    assert_eq!(found, [Value::Text("ab".into()), body, Value::U64(1), Value::U64(0x0203)]);
    let (decoded, rejected) = run(&mut *prepared(options).0, vec![bytes(b"ab\0\0\x01\x02"), bytes(b"")]);
    assert_eq!((decoded.len(), rejected.len()), (0, 2));
}

#[test]
fn what_is_left_of_a_frame_is_refused_or_ignored() {
    for (rest, passes) in [("reject", 0), ("ignore", 1)] {
        let (mut node, _) = prepared(json!({ "binary": { "rest": rest, "fields": [{ "name": "v", "as": "u8" }] } }));
        assert_eq!(run(&mut *node, vec![bytes(&[1, 2])]).0.len(), passes, "{rest}");
    }
}

#[test]
fn a_scaled_value_is_exact_and_one_that_is_no_number_says_so() {
    let options = json!({ "binary": { "fields": [
        { "name": "t", "as": "i16", "factor": 0.1, "offset": -40 }, { "name": "f", "as": "f32", "factor": 2 },
    ]}});
    let mut frame = 3_i16.to_be_bytes().to_vec();
    frame.extend(f32::NAN.to_be_bytes());
    let (decoded, _) = run(&mut *prepared(options).0, vec![bytes(&frame)]);
    assert_eq!(decoded[0].value, Value::F64(-39.7));
    assert_eq!(decoded[1].quality, Quality::BAD_OUT_OF_RANGE);
}

/// The bytes of a number of so many bytes, in either order.
fn frame(raw: u64, width: usize, endian: &str) -> Record {
    let mut raw = raw.to_be_bytes()[8 - width..].to_vec();
    if endian == "little" {
        raw.reverse();
    }
    bytes(&raw)
}

proptest! {
    #[test]
    fn integers_of_every_width_come_back(value in any::<i64>(), little in any::<bool>()) {
        let endian = if little { "little" } else { "big" };
        for width in [1, 2, 3, 4, 6, 8_usize] {
            let cut = 64 - 8 * width as u32;
            let (signed, unsigned) = (value << cut >> cut, (value as u64) << cut >> cut);
            for (kind, wanted) in [("i", Value::I64(signed)), ("u", Value::U64(unsigned))] {
                let found = values(one_field(&format!("{kind}{}", 8 * width), endian), frame(unsigned, width, endian));
                prop_assert_eq!(&found, &[wanted], "{}{} {}", kind, 8 * width, endian);
            }
        }
    }

    #[test]
    fn floats_and_booleans_come_back(double in any::<f64>(), single in any::<f32>(), byte in any::<u8>(), little in any::<bool>()) {
        let endian = if little { "little" } else { "big" };
        for (kind, raw, width, wanted) in [
            ("f64", double.to_bits(), 8, Value::F64(double)),
            ("f32", u64::from(single.to_bits()), 4, Value::F32(single)),
            ("bool", u64::from(byte), 1, Value::Bool(byte != 0)),
        ] {
            let found = values(one_field(kind, endian), frame(raw, width, endian));
            prop_assert!(found[0].same_as(&wanted), "{kind} {endian}: {found:?}");
        }
    }

    #[test]
    fn no_payload_makes_it_stumble_and_each_is_told_of(
        raw in prop::collection::vec(any::<u8>(), 0..64),
        json in r#"[\[\]{}:,"a0-9.e \-]{0,40}"#,
        csv in "[,\"\r\na0-9.\\- ]{0,40}",
    ) {
        let tags = json!({ "{tag}.{name}": "$.a", "{tag}.x.{name}": "$[0]" });
        let wide = json!({ "{tag}.a": 0, "{tag}.b": 1 });
        let fields = json!([
            { "name": "a", "as": "u24", "count": 2 }, { "name": "t", "as": "text", "length": -5 },
            { "name": "f", "as": "f32", "at": -4, "factor": 1e300 }, { "name": "b", "as": "bytes" },
        ]);
        for first in [json!(null), json!("hex"), json!("base64")] {
            for mut options in [
                json!({ "json": { "each": "$[*]", "time": "$.e", "quality": "$$.a", "tags": tags } }),
                json!({ "json": { "missing": "bad", "time": "$[0]", "tags": { "a": "$.a" } } }),
                json!({ "csv": { "header": true, "time": "a", "tags": wide } }),
                json!({ "csv": { "missing": "bad", "quality": 2, "tags": wide } }),
                json!({ "binary": { "time": "f", "fields": fields } }),
            ] {
                if !first.is_null() {
                    options["first"] = first.clone();
                }
                let (mut node, _) = prepared(options);
                for record in [bytes(&raw), text(&json), text(&csv)] {
                    let mut out = Outputs::default();
                    node.apply(Batch::one(record, NOW), &mut out).unwrap();
                    let (left, empty) = (out.take_emissions().count(), out.take_filtered().count());
                    prop_assert_eq!(left + empty, 1);
                }
            }
        }
    }
}
