//! Edge nodes that the test plays, through a broker that it plays as well: each rule, right and wrong.

use std::time::Duration;

use bytes::BytesMut;
use fieldflow_contract::{BuildContext, Delivery, NodeError, Quality, Source as _, Tag, Tally, Timestamp, Value};
use serde_json::json;

use super::Host;
use crate::mqtt::client::{Peer, Scripted, WELCOME};
use crate::mqtt::source::subscriber::Subscriber;
use crate::mqtt::source::tests::{connect, connected, read};
use crate::mqtt::source::topics::Topics;
use crate::mqtt::sparkplug::{BD_SEQ, DataType, Datum, Metric, Payload, REBIRTH};

const NBIRTH: &str = "spBv1.0/g/NBIRTH/n";
const NDATA: &str = "spBv1.0/g/NDATA/n";
const NDEATH: &str = "spBv1.0/g/NDEATH/n";

fn metric(name: &str, alias: u64, value: f64) -> Metric {
    let names = (!name.is_empty()).then(|| name.to_owned());
    let datum = Datum::One(Value::F64(value));
    Metric { name: names, alias: (alias != 0).then_some(alias), ..Metric::new(DataType::Double, Some(&datum)) }
}

fn session(number: i64) -> Metric {
    let datum = Datum::One(Value::I64(number));
    Metric { name: Some(BD_SEQ.to_owned()), ..Metric::new(DataType::Int64, Some(&datum)) }
}

/// A node, its broker, and what became of it.
struct Rig {
    broker: Scripted,
    node: Subscriber,
    context: BuildContext,
    peer: Peer,
}

async fn rig(more: serde_json::Value) -> Rig {
    let broker = Scripted::start().await;
    let mut options = json!({ "url": broker.url(), "topics": ["spBv1.0/#"], "payload": "sparkplug" });
    for (key, value) in more.as_object().unwrap() {
        options[key] = value.clone();
    }
    let (node, context, peer) = connected(options, &broker, WELCOME).await;
    Rig { broker, node, context, peer }
}

impl Rig {
    async fn send(&mut self, topic: &str, seq: Option<u8>, metrics: Vec<Metric>) {
        let payload = Payload { timestamp: Some(1_000), seq, metrics };
        self.peer.publish(topic.as_bytes(), 0, 0, &payload.encode()).await;
    }

    async fn born(&mut self) {
        self.send(NBIRTH, Some(0), vec![session(7), metric("a", 1, 1.0), metric("b", 2, 2.0)]).await;
        assert_eq!(self.hear(2).await, ["g/n/a 1.0 good", "g/n/b 2.0 good"]);
    }

    async fn hear(&mut self, records: usize) -> Vec<String> {
        said(&read(&mut self.node, records).await)
    }

    /// Nothing comes of what was sent before: the next message is heard first.
    async fn hear_nothing_but(&mut self, marker: &str) {
        self.peer
            .publish(format!("spBv1.0/STATE/{marker}").as_bytes(), 0, 0, br#"{"online":true,"timestamp":1}"#)
            .await;
        assert_eq!(self.hear(1).await, [format!("spBv1.0/STATE/{marker} true good")]);
    }

    /// What the node publishes: a wish for a rebirth of this node.
    async fn asked(&mut self, topic: &str) {
        let body = self.peer.expect(3).await;
        let length = usize::from(body[1]);
        assert_eq!(std::str::from_utf8(&body[2..2 + length]).unwrap(), topic);
        let payload = Payload::decode(BytesMut::from(&body[3 + length..]).freeze()).unwrap();
        let [metric] = &payload.metrics[..] else { panic!("{payload:?}") };
        assert_eq!((metric.name.as_deref(), payload.seq), (Some(REBIRTH), None));
        assert_eq!(metric.datum(metric.kind.unwrap()), Ok(Some(Datum::One(Value::Bool(true)))));
    }

    fn count(&self, word: &str) -> u64 {
        self.context.tally.snapshot().get(word).copied().unwrap_or_default()
    }
}

fn said(all: &[Delivery]) -> Vec<String> {
    let records = all.iter().flat_map(|delivery| delivery.batch.records());
    records
        .map(|record| {
            let mut value = String::new();
            fieldflow_contract::write_json_value(&record.value, &mut value);
            format!("{} {value} {}", record.tag, record.quality)
        })
        .collect()
}

#[tokio::test]
async fn births_give_names_types_and_aliases_and_data_is_told_by_them() {
    let mut rig = rig(json!({})).await;
    rig.born().await;
    let mut birth = metric("x", 3, 3.0);
    birth.timestamp = Some(2_000);
    rig.send("spBv1.0/g/DBIRTH/n/d", Some(1), vec![birth]).await;
    let all = read(&mut rig.node, 1).await;
    assert_eq!(said(&all), ["g/n/d/x 3.0 good"]);
    assert_eq!(all[0].batch.records()[0].time.0, 2_000_000);
    rig.send(NDATA, Some(2), vec![metric("", 2, 20.0), metric("a", 0, 10.0)]).await;
    // The type is that of the birth.
    let mut data = metric("", 3, 30.0);
    data.kind = None;
    rig.send("spBv1.0/g/DDATA/n/d", Some(3), vec![data]).await;
    assert_eq!(rig.hear(3).await, ["g/n/b 20.0 good", "g/n/a 10.0 good", "g/n/d/x 30.0 good"]);
    let odd = Metric { quality: Some(500), ..metric("a", 0, 1.0) };
    let null = Metric { raw: None, ..metric("b", 0, 0.0) };
    let wrong = Metric { kind: Some(DataType::Boolean), ..metric("", 1, 0.0) };
    rig.send(NDATA, Some(4), vec![odd, null, wrong]).await;
    assert_eq!(
        rig.hear(3).await,
        ["g/n/a 1.0 uncertain:last_usable", "g/n/b null bad:no_data", "g/n/a null bad:decoding"]
    );
    assert_eq!((rig.count("seq_gaps"), rig.count("rebirth_asked"), rig.count("bad_metrics")), (0, 0, 1));
}

#[tokio::test]
async fn data_before_a_birth_a_gap_and_an_unknown_alias_ask_for_a_rebirth() {
    let mut rig = rig(json!({})).await;
    rig.send(NDATA, Some(5), vec![metric("", 1, 1.0)]).await;
    rig.hear_nothing_but("one").await;
    rig.asked("spBv1.0/g/NCMD/n").await;
    rig.born().await;
    // Two numbers were missed: what is named by its alias may be something else by now.
    rig.send(NDATA, Some(3), vec![metric("", 1, 5.0), metric("b", 0, 6.0)]).await;
    assert_eq!(rig.hear(2).await, ["g/n/a 5.0 uncertain", "g/n/b 6.0 good"]);
    // The node asked a moment ago, and asks again when its time has come.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(2)).await;
    tokio::time::resume();
    rig.send(NDATA, Some(4), vec![metric("", 1, 5.5)]).await;
    assert_eq!(rig.hear(1).await, ["g/n/a 5.5 uncertain"]);
    rig.asked("spBv1.0/g/NCMD/n").await;
    rig.born().await;
    rig.send("spBv1.0/h/NBIRTH/m", Some(9), vec![session(0), metric("c", 1, 1.0)]).await;
    rig.send("spBv1.0/h/NDATA/m", Some(10), vec![metric("", 99, 1.0), metric("", 1, 2.0)]).await;
    assert_eq!(rig.hear(2).await, ["h/m/c 1.0 good", "h/m/c 2.0 good"]);
    rig.asked("spBv1.0/h/NCMD/m").await;
    assert_eq!(
        ["before_birth", "seq_gaps", "unknown_metrics", "rebirth_asked"].map(|word| rig.count(word)),
        [1, 1, 1, 3]
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_is_asked_once_a_second_at_most_and_ever_less_often_while_it_does_not_answer() {
    let mut host = Host::new(10, true, Tally::default());
    let mut topics = Topics::new(10, Tag::new("host/other").unwrap());
    let mut after = Vec::new();
    for tenth in 0..3000_u32 {
        let payload = Payload { timestamp: None, seq: Some(tenth as u8), metrics: vec![] }.encode().into();
        host.take(NDATA, &payload, &mut topics, Timestamp(0), &mut |_, _| {}).unwrap();
        after.extend(host.asks().map(|_| tenth / 10));
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    assert_eq!(after, [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]);
}

#[tokio::test]
async fn nobody_is_asked_if_the_file_says_so() {
    let mut rig = rig(json!({ "rebirth": false })).await;
    rig.send(NDATA, Some(5), vec![metric("", 1, 1.0)]).await;
    rig.hear_nothing_but("one").await;
    rig.peer.send(&[0x62, 2, 0, 99]).await;
    assert_eq!(rig.peer.expect(7).await, [0, 99], "and nothing before it");
}

#[tokio::test]
async fn a_death_of_the_present_session_makes_every_tag_stale_once() {
    let mut rig = rig(json!({})).await;
    rig.born().await;
    rig.send("spBv1.0/g/DBIRTH/n/d", Some(1), vec![metric("x", 3, 3.0)]).await;
    assert_eq!(rig.hear(1).await, ["g/n/d/x 3.0 good"]);
    rig.send(NDEATH, None, vec![session(6)]).await;
    rig.send(NDEATH, None, vec![]).await;
    rig.hear_nothing_but("old").await;
    assert_eq!(rig.count("old_deaths"), 2);
    rig.send("spBv1.0/g/DDEATH/n/d", Some(2), vec![]).await;
    assert_eq!(rig.hear(1).await, ["g/n/d/x 3.0 uncertain:last_usable"]);
    rig.send(NDATA, Some(3), vec![metric("", 1, 11.0)]).await;
    rig.send(NDEATH, None, vec![session(7)]).await;
    assert_eq!(
        rig.hear(3).await,
        ["g/n/a 11.0 good", "g/n/a 11.0 uncertain:last_usable", "g/n/b 2.0 uncertain:last_usable"]
    );
    // What comes before the next birth is not taken for the present.
    rig.send(NDEATH, None, vec![session(7)]).await;
    rig.send(NDATA, Some(4), vec![metric("", 1, 12.0)]).await;
    rig.hear_nothing_but("dead").await;
    rig.asked("spBv1.0/g/NCMD/n").await;
}

#[tokio::test]
async fn a_birth_of_another_session_and_metrics_that_it_has_no_more_are_stale() {
    let mut rig = rig(json!({})).await;
    rig.born().await;
    rig.send(NBIRTH, Some(0), vec![session(7), metric("a", 1, 1.5)]).await;
    assert_eq!(rig.hear(2).await, ["g/n/a 1.5 good", "g/n/b 2.0 uncertain:last_usable"]);
    rig.send(NBIRTH, Some(0), vec![session(8), metric("a", 5, 1.6)]).await;
    assert_eq!(rig.hear(2).await, ["g/n/a 1.5 uncertain:last_usable", "g/n/a 1.6 good"]);
    // The alias of the birth before means nothing any more.
    rig.send(NDATA, Some(1), vec![metric("", 1, 9.0), metric("", 5, 1.7)]).await;
    assert_eq!(rig.hear(1).await, ["g/n/a 1.7 good"]);
    assert_eq!(rig.count("unknown_metrics"), 1);
}

#[tokio::test]
async fn what_is_historical_leaves_in_order_as_replayed_and_is_not_the_present_value() {
    let mut rig = rig(json!({})).await;
    rig.born().await;
    let past = |value| Metric { is_historical: true, ..metric("a", 0, value) };
    rig.send(NDATA, Some(1), vec![metric("a", 0, 5.0), past(3.0), past(4.0), metric("a", 0, 6.0)]).await;
    rig.send(NDATA, Some(2), vec![past(4.5)]).await;
    rig.send(NDEATH, None, vec![session(7)]).await;
    let all = read(&mut rig.node, 7).await;
    let wanted = ["5.0 good", "3.0 good", "4.0 good", "6.0 good", "4.5 good", "6.0 uncertain:last_usable"]
        .map(|end| format!("g/n/a {end}"));
    assert_eq!(said(&all)[..6], wanted);
    let replayed: Vec<(usize, bool)> = all.iter().map(|one| (one.batch.len(), one.batch.is_replayed())).collect();
    assert_eq!(replayed.iter().map(|(count, was)| if *was { *count } else { 0 }).sum::<usize>(), 3, "{replayed:?}");
}

#[tokio::test]
async fn after_a_reconnect_the_nodes_are_asked_and_aliases_are_not_trusted() {
    let mut rig = rig(json!({})).await;
    rig.born().await;
    let Rig { broker, mut node, context, peer } = rig;
    drop(peer);
    let Err(NodeError::Disconnected(cause)) = node.read().await else { panic!() };
    let bad = node.outage(&cause, Timestamp(0)).unwrap();
    assert!(bad.len() == 2 && bad.records().iter().all(|record| record.quality == Quality::BAD_NOT_CONNECTED));
    let peer = connect(&mut node, &broker, WELCOME).await;
    let mut rig = Rig { broker, node, context, peer };
    rig.asked("spBv1.0/g/NCMD/n").await;
    rig.send(NDATA, Some(77), vec![metric("", 1, 5.0), metric("b", 2, 6.0)]).await;
    assert_eq!(rig.hear(2).await, ["g/n/a 5.0 uncertain", "g/n/b 6.0 good"]);
    assert_eq!(rig.count("seq_gaps"), 0);
}

#[tokio::test]
async fn what_is_no_sparkplug_is_bad_and_commands_of_others_are_not_read() {
    let mut rig = rig(json!({})).await;
    for (topic, payload) in
        [("spBv1.0/g/NDATA", &b"x"[..]), ("spBv1.0/g/NBIRTH/n", b"\xFF\xFF"), ("spBv1.0/STATE/h", b"ONLINE")]
    {
        rig.peer.publish(topic.as_bytes(), 0, 0, payload).await;
    }
    let all = rig.hear(3).await;
    assert!(all.iter().all(|said| said.ends_with("bad:decoding")), "{all:?}");
    rig.send("spBv1.0/g/NCMD/n", None, vec![metric(REBIRTH, 0, 1.0)]).await;
    rig.hear_nothing_but("one").await;
    assert_eq!((rig.count("bad_payload"), rig.count("commands_unread")), (3, 1));
}

#[tokio::test]
async fn tables_are_bounded_and_what_has_no_room_is_counted() {
    let mut rig = rig(json!({ "max_topics": 3 })).await;
    let metrics = (1..=5).map(|n| metric(&format!("m{n}"), n, n as f64)).collect();
    rig.send(NBIRTH, Some(0), metrics).await;
    assert_eq!(rig.hear(3).await, ["g/n/m1 1.0 good", "g/n/m2 2.0 good", "g/n/m3 3.0 good"]);
    assert_eq!(rig.count("too_many_topics"), 2);
    // A birth would bring no more, so none is asked for.
    rig.send(NDATA, Some(1), vec![metric("", 5, 1.0), metric("", 1, 1.5)]).await;
    for node in 0..9 {
        rig.send(&format!("spBv1.0/g/NBIRTH/n{node}"), Some(0), vec![]).await;
    }
    for device in 0..9 {
        rig.send(&format!("spBv1.0/g/DBIRTH/n/d{device}"), Some(2 + device), vec![]).await;
    }
    rig.send(NDATA, Some(11), vec![metric("m1", 0, 1.6)]).await;
    assert_eq!(rig.hear(2).await, ["g/n/m1 1.5 good", "g/n/m1 1.6 good"]);
    // One more metric; seven of ten nodes; six of nine devices, whose messages left a gap in what was counted.
    assert_eq!(rig.count("too_many_topics"), 2 + 1 + 7 + 6);
}
