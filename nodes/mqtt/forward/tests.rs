//! The sink against a broker that the test plays.

use std::cell::Cell;
use std::sync::Arc;

use fieldflow_contract::{
    Batch, BuildContext, Findings, NodeError, Position, Record, Sink, SystemClock, Tag, Timestamp, Value,
};
use serde_json::json;

use super::config::Config;
use super::settings;
use super::sink::Forward;
use crate::mqtt::client::Scripted;
use crate::mqtt::sparkplug::{DataType, Datum, Metric, Payload, REBIRTH};

/// CONNACK of MQTT 5 without properties.
pub(super) const WELCOME: &[u8] = &[0x20, 3, 0, 0, 0];

/// A sink, the broker, and the place of the sink.
pub(super) struct Plant {
    pub(super) sink: Forward,
    pub(super) broker: Scripted,
    pub(super) context: BuildContext,
    _folder: tempfile::TempDir,
}

pub(super) async fn plant(options: serde_json::Value) -> Plant {
    let broker = Scripted::start().await;
    let mut all = json!({ "url": broker.url(), "topic": "s/{tag}", "user_properties": false, "payload": "value" });
    options.as_object().unwrap().iter().for_each(|(key, value)| all[key] = value.clone());
    let config: Config = serde_json::from_value(all).unwrap();
    let mut findings = Findings::default();
    config.resolve(&mut findings);
    assert_eq!(findings.0, []);
    let folder = tempfile::tempdir().unwrap();
    let context = BuildContext::alone("cloud", folder.path(), Arc::new(SystemClock));
    let sink = Forward::new(settings(&config).unwrap(), &context).unwrap();
    Plant { sink, broker, context, _folder: folder }
}

impl Plant {
    pub(super) async fn connect(&mut self, connack: &[u8]) -> Peer {
        let (connected, peer) = tokio::join!(self.sink.connect(), self.broker.welcome(connack));
        connected.unwrap();
        Peer(peer)
    }
}

/// The broker's side of a connection.
pub(super) struct Peer(pub(super) crate::mqtt::client::Peer);

impl Peer {
    /// The next message: its topic, its payload and its number. For MQTT 5 without properties but that of text.
    pub(super) async fn message(&mut self) -> (String, Vec<u8>, [u8; 2]) {
        let body = self.0.expect(3).await;
        let end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
        let topic = String::from_utf8(body[2..end].to_vec()).unwrap();
        let properties = usize::from(body[end + 2]);
        (topic, body[end + 3 + properties..].to_vec(), [body[end], body[end + 1]])
    }

    pub(super) async fn answer(&mut self, step: u8, id: [u8; 2], code: u8) {
        self.0.send(&[step, 3, id[0], id[1], code]).await;
    }

    /// Takes messages, and answers each with this.
    pub(super) async fn take(&mut self, codes: &[u8]) -> Vec<String> {
        let mut topics = Vec::new();
        for code in codes {
            let (topic, _, id) = self.message().await;
            self.answer(0x40, id, *code).await;
            topics.push(topic);
        }
        topics
    }
}

pub(super) fn batch(tags: &[&str]) -> Batch {
    let record = |tag: &&str| Record::good(Tag::new(tag).unwrap(), Timestamp(0), Value::I64(1));
    Batch::new(tags.iter().map(record).collect(), Timestamp(0)).unwrap()
}

fn is_disconnected(told: &Result<(), NodeError>) -> bool {
    matches!(told, Err(NodeError::Disconnected(_)))
}

#[tokio::test]
async fn a_write_is_done_when_the_last_message_is_acknowledged_and_not_before() {
    let mut plant = plant(json!({})).await;
    let mut peer = plant.connect(WELCOME).await;
    let done = Cell::new(false);
    let batches = [batch(&["a", "b"]), batch(&["c"])];
    let write = async {
        plant.sink.write(&batches, &[]).await.unwrap();
        done.set(true);
    };
    let broker = async {
        let mut ids = Vec::new();
        for wanted in ["s/a", "s/b", "s/c"] {
            let (topic, payload, id) = peer.message().await;
            assert_eq!((topic.as_str(), payload.as_slice()), (wanted, b"1".as_slice()));
            ids.push(id);
        }
        // Out of order, as brokers may.
        for id in [ids[2], ids[0]] {
            peer.answer(0x40, id, 0).await;
        }
        // A ping in between: what was sent before it has been looked at.
        peer.0.send(&[0xD0, 0]).await;
        tokio::task::yield_now().await;
        assert!(!done.get(), "the second one is not acknowledged");
        peer.answer(0x40, ids[1], 0x10).await;
    };
    tokio::join!(write, broker);
}

#[tokio::test]
async fn qos_2_is_done_at_pubcomp() {
    let mut plant = plant(json!({ "qos": 2 })).await;
    let mut peer = plant.connect(WELCOME).await;
    let batches = [batch(&["a"])];
    let done = Cell::new(false);
    let write = async {
        plant.sink.write(&batches, &[]).await.unwrap();
        done.set(true);
    };
    let broker = async {
        let (_, _, id) = peer.message().await;
        peer.0.send(&[0x50, 2, id[0], id[1]]).await;
        assert_eq!(peer.0.expect(6).await, id);
        assert!(!done.get());
        peer.0.send(&[0x70, 2, id[0], id[1]]).await;
    };
    tokio::join!(write, broker);
}

#[tokio::test]
async fn after_a_lost_connection_all_behind_the_first_that_is_not_acknowledged_goes_again() {
    let mut plant = plant(json!({})).await;
    let mut peer = plant.connect(WELCOME).await;
    let batches = [batch(&["a", "b"]), batch(&["c", "d"])];
    let (told, ()) = tokio::join!(plant.sink.write(&batches, &[]), async {
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(peer.message().await.2);
        }
        peer.answer(0x40, ids[0], 0).await;
        // The fourth has arrived, but the second may have been lost on its way: both go again, in order.
        peer.answer(0x40, ids[3], 0).await;
        drop(peer);
    });
    assert!(is_disconnected(&told), "{told:?}");
    let mut peer = plant.connect(WELCOME).await;
    let (told, topics) = tokio::join!(plant.sink.write(&batches, &[]), peer.take(&[0, 0, 0]));
    assert_eq!((told, topics), (Ok(()), ["s/b", "s/c", "s/d"].map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn no_more_is_under_way_than_the_broker_wants() {
    let mut plant = plant(json!({})).await;
    // Receive maximum 1.
    let mut peer = plant.connect(&[0x20, 6, 0, 0, 3, 33, 0, 1]).await;
    let batches = [batch(&["a", "b", "c"])];
    let (told, ()) = tokio::join!(plant.sink.write(&batches, &[]), async {
        for _ in 0..3 {
            let (_, _, id) = peer.message().await;
            let next = peer.0.packet();
            let early = tokio::time::timeout(std::time::Duration::from_millis(20), next).await;
            assert!(early.is_err(), "{early:?}");
            peer.answer(0x40, id, 0).await;
        }
    });
    told.unwrap();
}

#[tokio::test]
async fn a_message_that_is_refused_for_good_is_rejected_and_its_neighbours_are_sent_once() {
    let mut plant = plant(json!({})).await;
    let mut peer = plant.connect(WELCOME).await;
    let batches = [batch(&["a"]), batch(&["b", "c"])];
    let (told, topics) = tokio::join!(plant.sink.write(&batches, &[]), peer.take(&[0, 0x99, 0]));
    assert!(matches!(told, Err(NodeError::Rejected(_))), "{told:?}");
    assert_eq!(topics.len(), 3);
    // The runtime offers them one by one then; nothing goes over the wire any more.
    assert_eq!(plant.sink.write(&batches[..1], &[]).await, Ok(()));
    let told = plant.sink.write(&batches[1..], &[]).await;
    let Err(NodeError::RejectedPart(part, cause)) = told else { panic!("{told:?}") };
    assert_eq!((part.records(), cause.message.contains("0x99")), (&batches[1].records()[..1], true));
    let next = [batch(&["d"])];
    let (told, topics) = tokio::join!(plant.sink.write(&next, &[]), peer.take(&[0]));
    assert_eq!((told, topics), (Ok(()), vec!["s/d".to_owned()]));
}

#[tokio::test]
async fn a_message_that_is_refused_for_a_time_is_sent_again_with_those_of_its_topic() {
    let mut plant = plant(json!({})).await;
    let mut peer = plant.connect(WELCOME).await;
    let batches = [batch(&["a", "b", "a", "c"])];
    let (told, ()) = tokio::join!(plant.sink.write(&batches, &[]), async {
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(peer.message().await.2);
        }
        for (id, code) in ids.into_iter().zip([0x97, 0, 0, 0]) {
            peer.answer(0x40, id, code).await;
        }
    });
    assert!(is_disconnected(&told), "{told:?}");
    // The connection is the same.
    plant.sink.connect().await.unwrap();
    let (told, topics) = tokio::join!(plant.sink.write(&batches, &[]), peer.take(&[0, 0]));
    assert_eq!((told, topics), (Ok(()), ["s/a", "s/a"].map(str::to_owned).to_vec()));
}

#[tokio::test]
async fn what_a_person_must_act_upon_is_said_once() {
    let mut plant = plant(json!({})).await;
    let mut peer = plant.connect(WELCOME).await;
    let batches = [batch(&["a"])];
    for _ in 0..2 {
        let (told, _) = tokio::join!(plant.sink.write(&batches, &[]), peer.take(&[0x87]));
        assert!(is_disconnected(&told), "{told:?}");
    }
    let said = plant.context.notices.last();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("not authorised") && said[0].contains("every 30 s"), "{said:?}");
}

/// The reason is that of the connection, and says nothing of the messages that were under way.
#[tokio::test]
async fn a_broker_that_ends_the_connection_over_a_packet_refuses_no_record() {
    let mut plant = plant(json!({})).await;
    let mut peer = plant.connect(WELCOME).await;
    let batches = [batch(&["a", "b"])];
    let (told, ()) = tokio::join!(plant.sink.write(&batches, &[]), async {
        peer.message().await;
        peer.0.send(&[0xE0, 1, 0x95]).await;
    });
    assert!(is_disconnected(&told), "{told:?}");
    assert!(format!("{told:?}").contains("0x95"), "{told:?}");
}

#[tokio::test]
async fn batches_are_split_to_what_the_broker_takes_and_a_record_that_is_too_long_is_rejected() {
    let mut plant = plant(json!({ "payload": "json_batch", "topic": "all" })).await;
    // Maximum packet size 300.
    let mut peer = plant.connect(&[0x20, 8, 0, 0, 5, 39, 0, 0, 1, 44]).await;
    let many = batch(&["a", "b", "c", "d", "e", "f"]);
    let (told, lists) = tokio::join!(plant.sink.write(std::slice::from_ref(&many), &[]), async {
        let (mut lists, mut count) = (0, 0);
        while count < 6 {
            let (_, payload, id) = peer.message().await;
            assert!(payload.len() <= 300);
            count += serde_json::from_slice::<Vec<serde_json::Value>>(&payload).unwrap().len();
            peer.answer(0x40, id, 0).await;
            lists += 1;
        }
        lists
    });
    assert_eq!((told, 1 < lists), (Ok(()), true));
    let tag = Tag::new("long").unwrap();
    let long = Record::good(tag, Timestamp(0), Value::Text("x".repeat(300).into()));
    let told = plant.sink.write(&[Batch::one(long, Timestamp(0))], &[]).await;
    let Err(NodeError::RejectedPart(_, cause)) = told else { panic!("{told:?}") };
    assert!(cause.message.contains("can be sent"), "{cause}");
}

#[tokio::test]
async fn the_status_is_told_at_connect_at_the_end_and_by_the_will() {
    let mut plant = plant(json!({ "status": { "topic": "status/{pipeline}", "offline": "gone" } })).await;
    let (connected, mut peer) = tokio::join!(plant.sink.connect(), async {
        let mut peer = Peer(plant.broker.accept().await);
        let connect = peer.0.expect(1).await;
        let holds = |text: &str| connect.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(holds("status/alone") && holds("gone"), "{connect:?}");
        assert_eq!(connect[7] & 0x3C, 0x2C, "a will, retained, of QoS 1");
        peer.0.send(WELCOME).await;
        let (first, body) = peer.0.packet().await.unwrap();
        assert_eq!((first, body.ends_with(b"online")), (0x33, true));
        let id = [body[14], body[15]];
        peer.answer(0x40, id, 0).await;
        peer
    });
    connected.unwrap();
    tokio::join!(plant.sink.close(), async {
        let (topic, payload, id) = peer.message().await;
        assert_eq!((topic.as_str(), payload.as_slice()), ("status/alone", b"gone".as_slice()));
        peer.answer(0x40, id, 0).await;
        assert_eq!(peer.0.packet().await, Some((0xE0, vec![])));
    });
}

/// A broker that sends what nobody subscribed to does not get in the way of its own acknowledgements.
#[tokio::test]
async fn what_comes_uninvited_holds_up_nothing() {
    let mut plant = plant(json!({})).await;
    let mut peer = plant.connect(WELCOME).await;
    let batches = [batch(&["a"])];
    let (told, ()) = tokio::join!(plant.sink.write(&batches, &[]), async {
        let (_, _, id) = peer.message().await;
        for n in 1..1000_u16 {
            // As many of QoS 1 as it may.
            peer.0.publish(b"x", u8::from(n <= 100), n, b"uninvited").await;
        }
        peer.answer(0x40, id, 0).await;
    });
    told.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_lost_while_there_is_nothing_to_do_is_noticed() {
    let mut plant = plant(json!({})).await;
    let peer = plant.connect(WELCOME).await;
    drop(peer);
    assert!(matches!(plant.sink.idle().await, NodeError::Disconnected(_)));
    let told = plant.sink.write(&[batch(&["a"])], &[]).await;
    assert!(is_disconnected(&told), "{told:?}");
    plant.connect(WELCOME).await;
}

#[tokio::test]
async fn each_message_tells_where_it_comes_from() {
    let mut plant = plant(json!({ "user_properties": true, "expire": "90s", "payload": "json" })).await;
    let mut peer = plant.connect(WELCOME).await;
    let position = Position { edge: "alone/a.out/cloud".into(), epoch: 0xAB, sequence: 4711 };
    plant.sink.origins(&mut [Some(position), None].into_iter());
    let batches = [batch(&["a", "b"]).replayed(), batch(&["c"])];
    let (told, messages) = tokio::join!(plant.sink.write(&batches, &[]), async {
        let mut messages = Vec::new();
        for _ in 0..3 {
            let body = peer.0.expect(3).await;
            let id = [body[5], body[6]];
            peer.answer(0x40, id, 0).await;
            messages.push(body);
        }
        messages
    });
    told.unwrap();
    let pair = |name: &str, value: &str| {
        let mut bytes = vec![38];
        for text in [name, value] {
            bytes.extend((text.len() as u16).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
        bytes
    };
    let has = |at: usize, wanted: &[u8]| messages[at].windows(wanted.len()).any(|part| part == wanted);
    assert!(has(1, &pair("pipeline", "alone")) && has(1, &pair("stream", "alone/a.out/cloud@ab")));
    assert!(has(0, &pair("sequence", "4711.0")) && has(1, &pair("sequence", "4711.1")));
    assert!(has(1, &pair("replay", "true")) && !has(2, b"replay") && !has(2, b"stream"));
    assert!(has(2, &[2, 0, 0, 0, 90]) && has(2, b"application/json"));
}

#[tokio::test]
async fn an_edge_node_says_its_births_before_its_data_and_again_when_it_is_asked() {
    let options = json!({ "payload": "sparkplug", "topic": null, "sparkplug": { "group": "g" }, "qos": 1 });
    let mut plant = plant(options).await;
    let (connected, mut peer) = tokio::join!(plant.sink.connect(), async {
        let mut peer = Peer(plant.broker.welcome(WELCOME).await);
        peer.0.grant(&[1]).await;
        assert_eq!(peer.take(&[0]).await, ["spBv1.0/g/NBIRTH/alone"]);
        peer
    });
    connected.unwrap();
    let batches = [batch(&["a"])];
    let (told, topics) = tokio::join!(plant.sink.write(&batches, &[]), peer.take(&[0, 0]));
    assert_eq!(
        (told, topics),
        (Ok(()), ["spBv1.0/g/NBIRTH/alone", "spBv1.0/g/NDATA/alone"].map(str::to_owned).to_vec())
    );
    let yes = Datum::One(Value::Bool(true));
    let metric = Metric { name: Some(REBIRTH.to_owned()), ..Metric::new(DataType::Boolean, Some(&yes)) };
    let rebirth = Payload { metrics: vec![metric], ..Payload::default() }.encode();
    peer.0.publish(b"spBv1.0/g/NCMD/alone", 0, 0, &rebirth).await;
    let asked = async {
        assert_eq!(peer.take(&[0]).await, ["spBv1.0/g/NBIRTH/alone"]);
    };
    tokio::select! {
        error = plant.sink.idle() => panic!("{error}"),
        () = asked => {}
    }
    tokio::join!(plant.sink.close(), async {
        assert_eq!(peer.take(&[0]).await, ["spBv1.0/g/NDEATH/alone"]);
    });
}
