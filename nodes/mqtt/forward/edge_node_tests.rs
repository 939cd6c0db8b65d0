//! Births, numbers and commands of an edge node.

use std::sync::Arc;

use fieldflow_contract::{Batch, BuildContext, Quality, Record, SystemClock, Tag, Timestamp, Value};

use super::edge_node::EdgeNode;
use super::payload::{Draft, Drafts};
use super::topic::NAMES;
use crate::mqtt::client::Message;
use crate::mqtt::sparkplug::{DataType, Datum, Metric, Payload, REBIRTH};
use crate::template::Template;

const NOW: Timestamp = Timestamp(5_000_000);

fn context() -> BuildContext {
    BuildContext::alone("cloud", std::path::Path::new("/nowhere"), Arc::new(SystemClock))
}

fn node(device: Option<&str>, context: &BuildContext) -> EdgeNode {
    let parse = |text: &str| Template::parse(text, NAMES).unwrap();
    EdgeNode::new(("plant".to_owned(), "gw".to_owned()), device.map(parse), parse("{tag[-1]}"), context)
}

fn batch(records: &[(&str, Value)]) -> Batch {
    let record = |(at, (tag, value)): (usize, &(&str, Value))| {
        Record::good(Tag::new(tag).unwrap(), Timestamp(at as i64 * 1000), value.clone())
    };
    Batch::new(records.iter().enumerate().map(record).collect(), NOW).unwrap()
}

fn read(draft: &Draft) -> (String, Payload) {
    (draft.topic.to_string(), Payload::decode(draft.payload.clone()).unwrap())
}

fn data(node: &mut EdgeNode, batch: &Batch) -> Drafts {
    node.encode(batch, |_| true, |_| 10_000, NOW)
}

fn datum(metric: &Metric, kind: DataType) -> Option<Value> {
    match metric.datum(kind) {
        Ok(Some(Datum::One(value))) => Some(value),
        _ => None,
    }
}

#[test]
fn births_tell_all_metrics_and_data_their_aliases() {
    let mut node = node(Some("{tag[0]}"), &context());
    let will = node.will(NOW);
    node.connected();
    let records =
        batch(&[("press.temp", Value::F64(1.5)), ("press.on", Value::Bool(true)), ("oven.temp", Value::I64(-7))]);
    assert_eq!(node.meet(std::slice::from_ref(&records), |_, _| true), []);
    let births: Vec<_> = node.births(NOW).iter().map(read).collect();
    node.born();
    let topics: Vec<&str> = births.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics, ["spBv1.0/plant/NBIRTH/gw", "spBv1.0/plant/DBIRTH/gw/press", "spBv1.0/plant/DBIRTH/gw/oven"]);
    assert_eq!(births.iter().map(|(_, payload)| payload.seq).collect::<Vec<_>>(), [Some(0), Some(1), Some(2)]);
    let death = Payload::decode(will.payload.clone()).unwrap();
    assert_eq!((will.topic.as_str(), death.seq), ("spBv1.0/plant/NDEATH/gw", None));
    let bd_seq = |payload: &Payload| datum(&payload.metrics[0], DataType::Int64);
    assert_eq!((bd_seq(&births[0].1), bd_seq(&death)), (Some(Value::I64(0)), Some(Value::I64(0))));
    assert_eq!(births[0].1.metrics[1].name.as_deref(), Some(REBIRTH));
    let names: Vec<_> = births[1].1.metrics.iter().map(|metric| metric.name.clone().unwrap()).collect();
    assert_eq!(names, ["temp", "on"]);

    let sent: Vec<_> = data(&mut node, &records).messages.iter().map(read).collect();
    assert_eq!(sent[0].0, "spBv1.0/plant/DDATA/gw/press");
    assert_eq!((sent[0].1.seq, sent[1].1.seq), (Some(3), Some(4)));
    let metric = &sent[1].1.metrics[0];
    assert_eq!((metric.alias, metric.name.clone(), metric.kind), (Some(2), None, None));
    assert_eq!(datum(metric, DataType::Int64), Some(Value::I64(-7)));
    assert!(node.births(NOW).is_empty(), "nothing is new");
}

#[test]
fn a_new_metric_and_a_new_type_are_told_by_a_birth_of_whom_they_belong_to() {
    let mut node = node(Some("{tag[0]}"), &context());
    node.connected();
    node.born();
    for (value, kind) in
        [(Value::Null, DataType::Double), (Value::I64(1), DataType::Int64), (Value::F64(1.0), DataType::Double)]
    {
        let batch = batch(&[("press.x", value)]);
        node.meet(std::slice::from_ref(&batch), |_, _| true);
        let births = node.births(NOW);
        assert_eq!(births.len(), 1);
        let (topic, payload) = read(&births[0]);
        assert_eq!((topic.as_str(), payload.metrics[0].kind), ("spBv1.0/plant/DBIRTH/gw/press", Some(kind)));
        node.born();
    }
    // A type that changes all the time makes no birth each time; its data tells it.
    let mut births = 0;
    for turn in 0..50_i64 {
        let value = if turn % 2 == 0 { Value::I64(turn) } else { Value::F64(0.5) };
        let batch = batch(&[("press.x", value.clone())]);
        node.meet(std::slice::from_ref(&batch), |_, _| true);
        births += node.births(NOW).len();
        node.born();
        let (_, payload) = read(&data(&mut node, &batch).messages[0]);
        let kind = payload.metrics[0].kind;
        assert!(turn < 10 || kind.is_none_or(|kind| datum(&payload.metrics[0], kind) == Some(value)));
    }
    assert!(births < 10, "{births}");
}

#[test]
fn a_rebirth_is_asked_for_by_a_command() {
    let mut node = node(None, &context());
    node.connected();
    node.born();
    let command = |name: &str, value: bool, topic: String| {
        let datum = Datum::One(Value::Bool(value));
        let metric = Metric { name: Some(name.to_owned()), ..Metric::new(DataType::Boolean, Some(&datum)) };
        let payload = Payload { metrics: vec![metric], ..Payload::default() };
        Message { topic, payload: payload.encode().into(), ..Message::default() }
    };
    let topic = node.commands();
    assert_eq!(topic, "spBv1.0/plant/NCMD/gw");
    for message in [
        command(REBIRTH, false, topic.clone()),
        command("other", true, topic.clone()),
        command(REBIRTH, true, "spBv1.0/plant/NCMD/other".to_owned()),
        Message { topic: topic.clone(), payload: "rubbish".into(), ..Message::default() },
    ] {
        node.hear(&message);
        assert!(node.births(NOW).is_empty());
    }
    node.hear(&command(REBIRTH, true, topic));
    assert_eq!(read(&node.births(NOW)[0]).0, "spBv1.0/plant/NBIRTH/gw");
}

#[test]
fn the_number_of_births_goes_on_over_a_restart_and_wraps() {
    let context = context();
    let number =
        |message: &Message| datum(&Payload::decode(message.payload.clone()).unwrap().metrics[0], DataType::Int64);
    let mut first = node(None, &context);
    for wanted in 0..=255 {
        assert_eq!(number(&first.will(NOW)), Some(Value::I64(wanted)));
    }
    assert_eq!(number(&first.will(NOW)), Some(Value::I64(0)));
    assert_eq!(number(&node(None, &context).will(NOW)), Some(Value::I64(1)));
}

#[test]
fn what_waited_on_disk_is_historical_and_bad_is_told() {
    let mut node = node(None, &context());
    let mut bad = Record::good(Tag::new("a.b").unwrap(), Timestamp(0), Value::Null);
    bad.quality = Quality::BAD_TIMEOUT;
    let batch = Batch::one(bad, NOW).replayed();
    node.meet(std::slice::from_ref(&batch), |_, _| true);
    let (_, payload) = read(&data(&mut node, &batch).messages[0]);
    let metric = &payload.metrics[0];
    assert!(metric.is_historical && metric.quality == Some(0) && metric.datum(DataType::Double) == Ok(None));
}

#[test]
fn a_message_is_split_where_it_would_be_too_long_and_names_are_unique() {
    let mut node = node(None, &context());
    let records: Vec<(String, Value)> = (0..20).map(|n| (format!("m.p{n}"), Value::I64(n))).collect();
    let mut named: Vec<(&str, Value)> = records.iter().map(|(tag, value)| (tag.as_str(), value.clone())).collect();
    let long = Value::Text("x".repeat(500).into());
    named.extend([("other.p3", Value::I64(0)), ("m.bdSeq", Value::I64(0)), ("m.long", long)]);
    let batch = batch(&named);
    let refused = node.meet(std::slice::from_ref(&batch), |_, _| true);
    assert_eq!(refused.iter().map(|(_, at, _)| *at).collect::<Vec<_>>(), [20, 21], "{refused:?}");
    let drafts = node.encode(&batch, |_| true, |_| 400, NOW);
    assert!(1 < drafts.messages.len() && drafts.messages.iter().all(|draft| draft.payload.len() <= 400));
    let sent: Vec<usize> = drafts.messages.iter().flat_map(|draft| draft.records.clone()).collect();
    assert_eq!((sent, drafts.refused[0].0), ((0..20).collect(), 22));
}
