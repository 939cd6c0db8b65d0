//! What messages say, which records are in them, and that none is too large.

use fieldflow_contract::{Quality, Record, Tag, Timestamp, Value};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::payload::{Drafts, Encoder, Form};
use super::topic::{NAMES, Topics};
use crate::template::Template;

fn encoder(form: Form, topic: &str) -> Encoder {
    let topics = Topics::new(Template::parse(topic, NAMES).unwrap(), "p", false);
    Encoder::new(form, topics, "p")
}

fn values(name: &str) -> Form {
    Form::Values(Template::parse(name, NAMES).unwrap())
}

fn template(text: &str) -> Form {
    Form::Template(Template::parse(text, super::settings::HOLES).unwrap())
}

fn record(tag: &str, time: i64, value: Value) -> Record {
    Record::good(Tag::new(tag).unwrap(), Timestamp(time), value)
}

fn shown(drafts: &Drafts) -> Vec<(String, String)> {
    let text = |payload: &Vec<u8>| String::from_utf8(payload.clone()).unwrap();
    drafts.messages.iter().map(|draft| (draft.topic.to_string(), text(&draft.payload))).collect()
}

fn all(form: Form, topic: &str, records: &[Record]) -> Vec<(String, String)> {
    shown(&encoder(form, topic).encode(records, |_| true, |_| 1000))
}

fn some_records() -> Vec<Record> {
    let mut bad = record("m.b", 0, Value::Null);
    bad.quality = Quality::BAD_TIMEOUT;
    vec![
        record("m.a", 0, Value::F32(78.4)),
        bad,
        record("n.a", 0, Value::I64(-1)),
        record("m.a", 1, Value::Text("x\"y".into())),
    ]
}

#[test]
fn json_is_a_message_for_each_record() {
    let messages = all(Form::Json, "s/{tag}", &some_records());
    assert_eq!(
        messages[0],
        ("s/m.a".to_owned(), r#"{"t":"1970-01-01T00:00:00.000000Z","tag":"m.a","value":78.4}"#.to_owned())
    );
    assert!(messages[1].1.contains(r#""quality":"bad:timeout""#));
    assert_eq!(messages.len(), 4);
}

#[test]
fn a_batch_is_a_list_for_each_topic() {
    let messages = all(Form::JsonBatch, "s/{tag[0]}", &some_records());
    let topics: Vec<_> = messages.iter().map(|(topic, _)| topic.as_str()).collect();
    let counts: Vec<_> =
        messages.iter().map(|(_, text)| serde_json::from_str::<Vec<Json>>(text).unwrap().len()).collect();
    assert_eq!((topics, counts), (vec!["s/m", "s/n"], vec![3, 1]));
}

#[test]
fn values_of_one_time_are_one_message() {
    let messages = all(values("{tag[-1]}"), "s/{tag[0]}", &some_records());
    let expected = [
        ("s/m", r#"{"t":"1970-01-01T00:00:00.000000Z","values":{"a":78.4,"b":null},"quality":{"b":"bad:timeout"}}"#),
        ("s/n", r#"{"t":"1970-01-01T00:00:00.000000Z","values":{"a":-1}}"#),
        ("s/m", r#"{"t":"1970-01-01T00:00:00.000001Z","values":{"a":"x\"y"}}"#),
    ];
    assert_eq!(messages, expected.map(|(topic, text)| (topic.to_owned(), text.to_owned())));
}

#[test]
fn a_name_that_is_there_already_begins_another_message() {
    let records = [record("m.a", 0, Value::I64(1)), record("n.a", 0, Value::I64(2))];
    assert_eq!(all(values("{tag[-1]}"), "all", &records).len(), 2);
}

#[test]
fn templates_and_bare_values() {
    let records = some_records();
    assert_eq!(
        all(template("{tag[0]}={value} {quality} {time_ms} {pipeline}"), "s", &records)[1].1,
        "m=null bad:timeout 0 p"
    );
    assert_eq!(all(Form::Value, "s", &records)[3].1, "x\"y");
    let bytes = [record("m.a", 0, Value::Bytes([0, 0xFF].as_slice().into()))];
    let drafts = encoder(Form::Value, "s").encode(&bytes, |_| true, |_| 2);
    assert_eq!(drafts.messages[0].payload, [0, 0xFF]);
}

#[test]
fn what_is_too_large_alone_is_refused_and_its_neighbours_go() {
    for form in [Form::Json, Form::JsonBatch, values("{tag}"), Form::Value] {
        let long = Value::Text("x".repeat(900).into());
        let records = [record("m.a", 0, Value::I64(1)), record("m.b", 0, long), record("m.c", 0, Value::I64(2))];
        let drafts = encoder(form, "s/{tag}").encode(&records, |_| true, |_| 300);
        assert_eq!(drafts.refused.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1]);
        assert!(drafts.refused[0].1.contains("at most 300"), "{:?}", drafts.refused);
        assert_eq!(drafts.messages.iter().flat_map(|draft| draft.records.clone()).collect::<Vec<_>>(), [0, 2]);
    }
}

fn records() -> impl Strategy<Value = Vec<Record>> {
    let value =
        prop_oneof![any::<i64>().prop_map(Value::I64), "[a\"é]{0,40}".prop_map(|text| Value::Text(text.into()))];
    let one = (0..3_u8, 0..3_u8, 0..3_i64, value)
        .prop_map(|(line, point, time, value)| record(&format!("l{line}.p{point}"), time, value));
    prop::collection::vec(one, 1..40)
}

proptest! {
    /// Each record that is wanted is in one message or refused, each message is JSON and fits, and the records of a tag go in
    /// their order.
    #[test]
    fn nothing_is_lost_doubled_or_turned_round(
        records in records(), form in 0..4, room in 60..400_usize, from in 0..5_usize, one_topic in any::<bool>(),
    ) {
        let form = match form {
            0 => Form::Json,
            1 => Form::JsonBatch,
            2 => values("{tag}"),
            _ => values("{tag[-1]}"),
        };
        let topic = if one_topic { "all" } else { "s/{tag[0]}" };
        let drafts = encoder(form, topic).encode(&records, |at| from <= at, |_| room);
        let mut seen: Vec<usize> = drafts.refused.iter().map(|(at, _)| *at).collect();
        let mut last: std::collections::HashMap<Tag, usize> = std::collections::HashMap::new();
        for draft in &drafts.messages {
            prop_assert!(draft.payload.len() <= room, "{} > {}", draft.payload.len(), room);
            prop_assert!(serde_json::from_slice::<Json>(&draft.payload).is_ok(), "{:?}", draft);
            for at in &draft.records {
                seen.push(*at);
                let before = last.insert(records[*at].tag, *at);
                prop_assert!(before < Some(*at), "a tag's records are out of order");
            }
        }
        seen.sort_unstable();
        prop_assert_eq!(seen, (from..records.len()).collect::<Vec<_>>());
    }
}
