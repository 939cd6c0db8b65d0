//! Whether records become the text that the manual promises, and whether `decode` makes the same records of it.

use fieldflow_contract::{Quality, Timestamp};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::decode::Decode;
use super::*;
use crate::transform::kit::testing::build;

const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

/// What leaves by the default port; nothing may leave by another.
fn run(node: &mut dyn Transform, records: Vec<Record>) -> Vec<Record> {
    let mut out = Outputs::default();
    node.apply(Batch::new(records, NOW).unwrap(), &mut out).unwrap();
    let all: Vec<_> = out.take_emissions().collect();
    assert!(all.iter().all(|made| made.port == "out"), "{all:?}");
    all.into_iter().flat_map(|made| made.batch.into_records()).collect()
}

fn record(tag: &str, value: Value) -> Record {
    Record::good(Tag::new(tag).unwrap(), NOW, value)
}

fn texts(options: Json, records: Vec<Record>) -> Vec<String> {
    let text = |record: Record| match record.value {
        Value::Text(text) => text.to_string(),
        other => panic!("{other:?} is no text"),
    };
    run(&mut *build(&Encode, options), records).into_iter().map(text).collect()
}

fn line(record: Record) -> String {
    texts(json!({ "as": "line_protocol" }), vec![record]).remove(0)
}

#[test]
fn line_protocol_escapes_names_and_texts() {
    let ends = " 1767225600000000000";
    for (tag, wanted) in [
        ("a b,c=d", r"a\ b\,c=d value=1i"),
        ("#a", r"\#a value=1i"),
        ("a\nb\\", r"a\ b/ value=1i"),
        ("grün", "grün value=1i"),
    ] {
        assert_eq!(line(record(tag, Value::I64(1))), format!("{wanted}{ends}"));
    }
    let text = Value::Text(r#"say "hi" \ bye"#.into());
    assert_eq!(line(record("a", text)), format!(r#"a value="say \"hi\" \\ bye"{ends}"#));
    let options = json!({ "as": "line_protocol", "measurement": "m", "labels": { "a b": "{tag}" }, "field": "{tag}" });
    assert_eq!(texts(options, vec![record("x=y", Value::Bool(true))]), [format!(r"m,a\ b=x\=y x\=y=true{ends}")]);
}

#[test]
fn line_protocol_keeps_the_kind_of_a_value_and_leaves_bad_ones_out() {
    for (value, wanted) in [
        (Value::U64(7), "value=7i"),
        (Value::U64(u64::MAX), "value=18446744073709551615u"),
        (Value::F32(78.4), "value=78.4"),
        (Value::F64(1.0), "value=1.0"),
        (Value::F64(1e300), "value=1e300"),
        (Value::F64(f64::NAN), "quality=\"bad:out_of_range\""),
        (Value::Null, "quality=\"bad:no_data\""),
        (Value::Bytes([1, 0xff].as_slice().into()), "value=\"01ff\""),
    ] {
        assert_eq!(line(record("a", value)), format!("a {wanted} 1767225600000000000"));
    }
    let bad = Record { quality: Quality::BAD_TIMEOUT, ..record("a", Value::I64(1)) };
    assert_eq!(line(bad), "a quality=\"bad:timeout\" 1767225600000000000");
    let uncertain = Record { quality: Quality::UNCERTAIN, ..record("a", Value::I64(1)) };
    assert_eq!(line(uncertain), "a value=1i,quality=\"uncertain\" 1767225600000000000");
}

#[test]
fn a_time_that_nanoseconds_cannot_hold_is_rejected() {
    let mut out = Outputs::default();
    let far = Record { time: Timestamp(i64::MAX), ..record("a", Value::I64(1)) };
    let batch = Batch::new(vec![far.clone(), record("a", Value::I64(2))], NOW).unwrap();
    build(&Encode, json!({ "as": "line_protocol", "group": "batch" })).apply(batch, &mut out).unwrap();
    let made: Vec<_> = out.take_emissions().collect();
    assert_eq!((made[0].batch.len(), &*made[1].port, made[1].batch.records()), (1, "rejected", [far].as_slice()));
}

#[test]
fn csv_is_quoted_where_it_must_be() {
    let options = json!({ "as": "csv", "columns": ["value"], "delimiter": ";" });
    for (value, wanted) in [
        (Value::Text("a;b".into()), "\"a;b\""),
        (Value::Text("a\"b".into()), "\"a\"\"b\""),
        (Value::Text(" a".into()), "\" a\""),
        (Value::Text("a,b".into()), "a,b"),
        (Value::Null, "\"\""),
        (Value::F64(f64::INFINITY), "Infinity"),
    ] {
        assert_eq!(texts(options.clone(), vec![record("a", value)]), [wanted]);
    }
}

#[test]
fn a_group_has_the_latest_time_and_the_worst_quality_of_its_records() {
    let later = Record { time: Timestamp(NOW.0 + 5), quality: Quality::UNCERTAIN, ..record("g.a", Value::I64(1)) };
    let bad = Record { quality: Quality::BAD_TIMEOUT, ..record("g.b", Value::Null) };
    let records = vec![record("g.c", Value::I64(0)), later, bad, record("g.a", Value::I64(2))];
    let made = run(&mut *build(&Encode, json!({ "as": "json", "tag": "{tag[0]}", "group": "batch" })), records);
    assert_eq!(made.len(), 1);
    assert_eq!((made[0].time.0, made[0].quality), (NOW.0 + 5, Quality::BAD_TIMEOUT));
    let Value::Text(text) = &made[0].value else { panic!("{made:?}") };
    assert_eq!(serde_json::from_str::<Json>(text).unwrap().as_array().unwrap().len(), 4);
}

#[test]
fn a_batch_out_of_the_store_stays_one() {
    let mut out = Outputs::default();
    let batch = Batch::one(record("a", Value::I64(1)), Timestamp(7)).replayed();
    build(&Encode, json!({ "as": "json" })).apply(batch, &mut out).unwrap();
    let made = out.take_emissions().next().unwrap();
    assert!(made.batch.is_replayed() && made.batch.received() == Timestamp(7));
}

fn any_record() -> impl Strategy<Value = Record> {
    let value = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        (i64::MAX as u64 + 1..).prop_map(Value::U64),
        any::<f64>().prop_map(Value::F64),
        Just(Value::F64(f64::NAN)),
        "[a-z\"\\\\\n,{}☃]{0,8}".prop_map(|text| Value::Text(text.into())),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Bytes(bytes.into())),
    ];
    let quality = prop::sample::select(vec![Quality::GOOD, Quality::GOOD, Quality::UNCERTAIN, Quality(0x80AB_0000)]);
    (0..3, value, quality, -9_000_000_000_000_000..9_000_000_000_000_000_i64).prop_map(|(tag, value, quality, time)| {
        let time = Timestamp(time);
        match quality {
            Quality(0x80AB_0000) => Record { time, quality, ..record(&format!("round.{tag}"), Value::Null) },
            quality => Record { time, quality, ..record(&format!("round.{tag}"), value) },
        }
    })
}

proptest! {
    #[test]
    fn what_is_encoded_as_json_is_decoded_to_the_same_records(
        records in prop::collection::vec(any_record(), 1..8),
        by_batch in any::<bool>(),
    ) {
        let group = if by_batch { "batch" } else { "record" };
        let mut encode = build(&Encode, json!({ "as": "json", "tag": "wire", "group": group }));
        let mut options = json!({ "json": {
            "tags": { "{name}": "$.value" }, "name": "$.tag", "time": "$.t", "quality": "$.quality",
        }});
        if by_batch {
            options["json"]["each"] = json!("$");
        }
        // A wire carries the text alone.
        let wire = |record: Record| Record { quality: Quality::GOOD, ..record };
        let text = run(&mut *encode, records.clone()).into_iter().map(wire).collect();
        let back = run(&mut *build(&Decode, options), text);
        prop_assert_eq!(back.len(), records.len());
        for (back, record) in back.iter().zip(&records) {
            prop_assert!(back.value.same_as(&record.value), "{:?} {:?}", back, record);
            prop_assert_eq!((back.tag, back.quality, back.time), (record.tag, record.quality, record.time));
        }
    }

    #[test]
    fn what_is_encoded_as_csv_is_decoded_to_the_same_texts(texts in prop::collection::vec("[a-z\" ,;\r\n☃]{1,8}", 1..5)) {
        let records: Vec<Record> = texts.iter().map(|text| record("a", Value::Text(text.as_str().into()))).collect();
        let mut encode = build(&Encode, json!({ "as": "csv", "group": "batch", "header": true }));
        let options = json!({ "csv": { "header": true, "name": "tag", "time": "time", "tags": { "{name}": "value" } } });
        let back = run(&mut *build(&Decode, options), run(&mut *encode, records.clone()));
        prop_assert_eq!(back, records);
    }
}
