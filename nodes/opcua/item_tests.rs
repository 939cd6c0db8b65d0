//! A tag at run time, value by value.

use super::super::config::Config;
use super::*;
use fieldflow_contract::Findings;
use opcua::types::{Array, DateTime, Variant, VariantScalarTypeId};

/// The item of a tag with these options.
fn item(options: &str) -> Item {
    let json = format!(r#"{{"url":"opc.tcp://x","tags":{{"line.speed":{{"node":"ns=2;s=x"{options}}}}}}}"#);
    let config: Config = serde_json::from_str(&json).unwrap();
    Item::new(config.resolve(&mut Findings::default()).unwrap().points.remove(0))
}

fn value(value: Variant, status: u32) -> DataValue {
    DataValue { value: Some(value), status: Some(StatusCode::from(status)), ..DataValue::default() }
}

fn told(item: &mut Item, time: TimeOf, value: &DataValue) -> (Vec<Record>, Tally) {
    let (mut out, tally) = (Vec::new(), Tally::default());
    item.tell(value, None, &Telling { time, now: Timestamp(7), tally: &tally }, &mut out);
    (out, tally)
}

#[test]
fn a_status_is_kept_whole_and_its_severity_is_in_two_bits() {
    let mut item = item("");
    let (records, tally) = told(&mut item, TimeOf::Source, &value(Variant::Int32(5), 0x0000_0480));
    assert_eq!(
        (records[0].quality, &records[0].value),
        (Quality(0x480), &Value::I64(5)),
        "good, whatever its other bits"
    );
    assert_eq!(tally.snapshot(), [("server_queue_overflow", 1)].into());
    let (records, tally) = told(&mut item, TimeOf::Source, &value(Variant::Int32(5), 0x808C_0000));
    assert_eq!(
        (records[0].quality, &records[0].value),
        (Quality::BAD_SENSOR_FAILURE, &Value::Null),
        "no value to be used"
    );
    assert!(tally.snapshot().is_empty());
    let (records, _) = told(&mut item, TimeOf::Source, &value(Variant::Int32(5), 0x4090_0000));
    assert_eq!((records[0].quality, &records[0].value), (Quality::UNCERTAIN_LAST_USABLE, &Value::I64(5)));
}

#[test]
fn a_record_has_the_time_that_was_asked_for_or_the_next_best() {
    let mut item = item("");
    let at = |text| Some(DateTime::parse_from_rfc3339(text).unwrap());
    let whole = DataValue {
        source_timestamp: at("2026-01-01T00:00:01Z"),
        server_timestamp: at("2026-01-01T00:00:02Z"),
        ..value(Variant::Int32(1), 0)
    };
    let unsourced = DataValue { source_timestamp: Some(DateTime::null()), ..whole.clone() };
    let (source, server) = (Timestamp(1_767_225_601_000_000), Timestamp(1_767_225_602_000_000));
    for (time, value, expected) in [
        (TimeOf::Source, &whole, source),
        (TimeOf::Server, &whole, server),
        (TimeOf::Gather, &whole, Timestamp(7)),
        (TimeOf::Source, &unsourced, server),
        (TimeOf::Source, &super::tests::value(Variant::Int32(1), 0), Timestamp(7)),
    ] {
        assert_eq!(told(&mut item, time, value).0[0].time, expected, "{time:?}");
    }
}

#[test]
fn small_changes_are_kept_back_but_no_change_of_quality() {
    let mut item = item(r#","deadband":0.5"#);
    item.hold(item.width().unwrap());
    let steps =
        [(1.0, 0), (1.5, 0), (1.51, 0), (1.6, 0x4000_0000), (f64::NAN, 0), (f64::NAN, 0), (1.0, 0x808C_0000), (1.0, 0)];
    let passed: Vec<bool> = steps
        .iter()
        .map(|(v, q)| !told(&mut item, TimeOf::Gather, &value(Variant::Double(*v), *q)).0.is_empty())
        .collect();
    assert_eq!(passed, [true, false, true, true, true, false, true, true]);
}

#[test]
fn elements_are_tags_of_their_own_and_all_of_them_are_told_to_be_bad() {
    let mut item = item(r#","elements":true"#);
    let array = Array::new(VariantScalarTypeId::Int32, vec![Variant::Int32(3), Variant::Int32(4)]).unwrap();
    let (records, _) = told(&mut item, TimeOf::Gather, &value(Variant::Array(Box::new(array)), 0));
    let names: Vec<&str> = records.iter().map(|record| record.tag.name()).collect();
    assert_eq!(names, ["line.speed[0]", "line.speed[1]"]);
    let mut out = Vec::new();
    item.tell_bad(Quality::BAD_NOT_CONNECTED, Timestamp(9), &mut out);
    assert_eq!(out.iter().map(|record| record.tag.name()).collect::<Vec<_>>(), names);
    let many = Array::new(VariantScalarTypeId::Int32, vec![Variant::Int32(0); 2000]).unwrap();
    let (records, _) = told(&mut item, TimeOf::Gather, &value(Variant::Array(Box::new(many)), 0));
    assert_eq!(records.len(), values::MOST_PARTS);
}

#[test]
fn a_number_of_an_enumeration_becomes_its_name() {
    let mut item = item(r#","names":true"#);
    item.names = Some(Arc::new([(1, "Running".to_owned())].into()));
    assert_eq!(told(&mut item, TimeOf::Gather, &value(Variant::Int32(1), 0)).0[0].value, Value::Text("Running".into()));
    assert_eq!(told(&mut item, TimeOf::Gather, &value(Variant::Int32(2), 0)).0[0].value, Value::I64(2));
}

#[test]
fn what_cannot_be_decoded_is_bad_and_counted() {
    let object = Variant::ExtensionObject(opcua::types::ExtensionObject::null());
    let (records, tally) = told(&mut item(""), TimeOf::Gather, &value(object, 0));
    assert_eq!(records[0].quality, Quality::BAD_TYPE_MISMATCH);
    assert_eq!(tally.snapshot(), [("undecodable", 1)].into());
}

#[test]
fn after_an_outage_each_tag_has_a_value_again_that_is_newer_than_the_outage() {
    let mut item = item("");
    let at = |text| Some(DateTime::parse_from_rfc3339(text).unwrap());
    let old = DataValue { source_timestamp: at("2026-01-01T00:00:01Z"), ..value(Variant::Int32(5), 0) };
    let new = DataValue { source_timestamp: at("2026-01-01T00:00:03Z"), ..value(Variant::Int32(6), 0) };
    let [second, later] = [2, 4].map(|s| Timestamp(1_767_225_600_000_000 + s * 1_000_000));
    let tally = Tally::default();
    let telling = Telling { time: TimeOf::Source, now: later, tally: &tally };
    let mut out = Vec::new();
    item.tell(&old, None, &telling, &mut out);
    item.stand(later, &mut out);
    assert_eq!(out.len(), 1, "there was no outage");
    // The subscription lives on, and nothing has changed.
    item.tell_bad(Quality::BAD_NOT_CONNECTED, second, &mut out);
    item.stand(later, &mut out);
    assert_eq!((out[2].time, &out[2].value), (later, &Value::I64(5)));
    // It lives on, and there is something newer.
    out.clear();
    item.tell_bad(Quality::BAD_NOT_CONNECTED, second, &mut out);
    item.tell(&old, None, &telling, &mut out);
    item.tell(&new, None, &telling, &mut out);
    item.stand(later, &mut out);
    let times: Vec<Timestamp> = out.iter().map(|record| record.time).collect();
    assert_eq!(times[1..], [second - std::time::Duration::from_secs(1), second + std::time::Duration::from_secs(1)]);
    // It is another one, which begins with a value that is older than the outage.
    out.clear();
    item.tell_bad(Quality::BAD_DATA_LOST, second, &mut out);
    item.begin_anew();
    item.tell(&old, None, &telling, &mut out);
    assert_eq!((out[1].time, &out[1].value), (later, &Value::I64(5)));
}
