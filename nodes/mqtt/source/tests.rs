//! The source against a broker that the test plays.

use std::path::Path;
use std::sync::Arc;

use fieldflow_contract::{Delivery, NodeError, Outcome, Source as _, SystemClock, Value};
use serde_json::json;

use super::*;
use crate::mqtt::client::{Peer, Scripted, WELCOME};

fn node(options: serde_json::Value, folder: &Path) -> (Subscriber, BuildContext) {
    let context = BuildContext::alone("in", folder, Arc::new(SystemClock));
    let config: Config = serde_json::from_value(options).unwrap();
    (subscriber(&config, &context).unwrap(), context)
}

pub(super) fn options(broker: &Scripted) -> serde_json::Value {
    json!({ "url": broker.url(), "topics": ["t/+"], "payload": "text" })
}

/// A node that has subscribed, and its broker.
pub(super) async fn connected(
    options: serde_json::Value,
    broker: &Scripted,
    connack: &[u8],
) -> (Subscriber, BuildContext, Peer) {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, context) = node(options, dir.path());
    let peer = connect(&mut node, broker, connack).await;
    (node, context, peer)
}

pub(super) async fn connect(node: &mut Subscriber, broker: &Scripted, connack: &[u8]) -> Peer {
    let serve = async {
        let mut peer = broker.welcome(connack).await;
        peer.grant(&[2]).await;
        peer
    };
    let (connected, peer) = tokio::join!(node.connect(), serve);
    connected.unwrap();
    peer
}

pub(super) async fn read(node: &mut Subscriber, records: usize) -> Vec<Delivery> {
    let mut all: Vec<Delivery> = Vec::new();
    while all.iter().map(|delivery| delivery.batch.len()).sum::<usize>() < records {
        all.push(node.read().await.unwrap());
    }
    all
}

pub(super) fn resolve(all: Vec<Delivery>) {
    for delivery in all {
        delivery.ack.resolve(Outcome::Delivered);
    }
}

pub(super) fn shown(all: &[Delivery]) -> Vec<String> {
    let records = all.iter().flat_map(|delivery| delivery.batch.records());
    records.map(|record| format!("{} {:?} {}", record.tag, record.value, record.quality)).collect()
}

#[tokio::test]
async fn a_message_is_acknowledged_when_all_before_it_are_delivered() {
    let broker = Scripted::start().await;
    let (mut node, _, mut peer) = connected(options(&broker), &broker, WELCOME).await;
    peer.publish(b"t/a", 1, 1, b"one").await;
    let mut all = read(&mut node, 1).await;
    peer.publish(b"t/b", 1, 2, b"two").await;
    all.extend(read(&mut node, 1).await);
    assert_eq!(shown(&all), ["t/a Text(\"one\") good", "t/b Text(\"two\") good"]);
    let [first, second] = <[Delivery; 2]>::try_from(all).unwrap();
    second.ack.resolve(Outcome::Delivered);
    // Nothing is acknowledged yet: a ping comes first.
    peer.send(&[0x62, 2, 0, 99]).await;
    assert_eq!(peer.expect(7).await, [0, 99]);
    first.ack.resolve(Outcome::Rejected);
    assert_eq!([peer.expect(4).await, peer.expect(4).await], [[0, 1], [0, 2]]);
    let ((), last) = tokio::join!(node.close(), peer.packet());
    assert_eq!(last, Some((0xE0, vec![])));
}

#[tokio::test]
async fn what_was_lost_on_its_way_is_not_acknowledged_and_comes_again() {
    let broker = Scripted::start().await;
    let (mut node, _, mut peer) = connected(options(&broker), &broker, WELCOME).await;
    peer.publish(b"t/a", 1, 1, b"one").await;
    let old = read(&mut node, 1).await.pop().unwrap();
    peer.publish(b"t/b", 1, 2, b"two").await;
    let lost = read(&mut node, 1).await.pop().unwrap();
    drop(lost.ack);
    let error = node.read().await.unwrap_err();
    assert!(matches!(&error, NodeError::Disconnected(cause) if cause.message.contains("come again")), "{error:?}");
    assert!(peer.packet().await.is_some_and(|(first, _)| first == 0xE0));
    let mut peer = connect(&mut node, &broker, &[0x20, 3, 1, 0, 0]).await;
    // An answer to the old connection reaches nobody.
    old.ack.resolve(Outcome::Delivered);
    peer.publish(b"t/a", 1, 1, b"one").await;
    let again = read(&mut node, 1).await.pop().unwrap();
    peer.send(&[0x62, 2, 0, 99]).await;
    assert_eq!(peer.expect(7).await, [0, 99], "nothing else was acknowledged");
    again.ack.resolve(Outcome::Delivered);
    assert_eq!(peer.expect(4).await, [0, 1]);
}

#[tokio::test]
async fn the_session_is_kept_and_its_old_subscriptions_are_ended() {
    let broker = Scripted::start().await;
    let mut options = options(&broker);
    let (mut first, context, peer) = connected(options.clone(), &broker, WELCOME).await;
    drop(peer);
    first.close().await;
    options["topics"] = json!(["u/#", "$share/g/v"]);
    options["qos"] = json!(2);
    let config: Config = serde_json::from_value(options).unwrap();
    let mut node = subscriber(&config, &context).unwrap();
    let serve = async {
        let mut peer = broker.accept().await;
        let connect = peer.expect(1).await;
        peer.send(&[0x20, 3, 1, 0, 0]).await;
        let old = peer.expect(10).await;
        peer.send(&[0xB0, 4, old[0], old[1], 0, 0]).await;
        (connect, old, peer.grant(&[1, 0x87]).await)
    };
    let (connected, (connect, old, subscribe)) = tokio::join!(node.connect(), serve);
    connected.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(connect[7], 0, "not clean, no login");
    assert_eq!(connect[10..][1..6], [17, 0, 9, 0x3A, 0x80], "a week");
    assert!(text(&connect).ends_with("fieldflow-alone-in"), "{}", text(&connect));
    assert!(text(&old).ends_with("t/+"), "{}", text(&old));
    // Retain handling 1, but none for a shared one.
    assert_eq!(subscribe[3..], *b"\0\x03u/#\x12\0\x0A$share/g/v\x02");
    let said = context.notices.last().join("\n");
    assert!(said.contains("grants `u/#` with qos 1 only") && said.contains("not authorised, 0x87"), "{said}");
}

#[tokio::test]
async fn what_no_tag_or_value_can_be_made_of_is_bad_and_is_acknowledged_like_any_other() {
    let broker = Scripted::start().await;
    let mut options = options(&broker);
    options["max_topics"] = json!(3);
    options["payload"] = json!("number");
    let (mut node, context, mut peer) = connected(options, &broker, WELCOME).await;
    for (id, (topic, payload)) in (1..).zip([
        (&b"t/number"[..], &b"7"[..]),
        (b"t/number", b"seven"),
        (b"t/\0+", b"8"),
        (b"t/\xFF", b"9"),
        (b"t/more", b"10"),
    ]) {
        peer.publish(topic, 1, id, payload).await;
    }
    let all = read(&mut node, 5).await;
    assert_eq!(
        shown(&all),
        [
            "t/number I64(7) good",
            "t/number Bytes([115, 101, 118, 101, 110]) bad:decoding",
            "t/\u{FFFD}\u{FFFD} I64(8) bad:decoding",
            "t/\u{FFFD} I64(9) bad:decoding",
            "in/other I64(10) bad:configuration",
        ]
    );
    resolve(all);
    for id in 1..=5 {
        assert_eq!(peer.expect(4).await, [0, id]);
    }
    let counts = context.tally.snapshot();
    assert_eq!(["bad_payload", "bad_topic", "too_many_topics"].map(|word| counts[word]), [1, 2, 1]);
}

#[tokio::test]
async fn retained_messages_are_marked_or_skipped_as_the_file_says() {
    for (retained, wanted) in [
        ("keep", vec!["t/a Text(\"old\") good", "t/a Text(\"new\") good"]),
        ("mark", vec!["t/a Text(\"old\") uncertain:initial", "t/a Text(\"new\") good"]),
        ("skip", vec!["t/a Text(\"new\") good"]),
    ] {
        let broker = Scripted::start().await;
        let mut options = options(&broker);
        options["retained"] = json!(retained);
        let (mut node, _, mut peer) = connected(options, &broker, WELCOME).await;
        peer.send(b"\x33\x0b\0\x03t/a\0\x01\0old").await;
        peer.publish(b"t/a", 1, 2, b"new").await;
        let all = read(&mut node, wanted.len()).await;
        assert_eq!(shown(&all), wanted);
        resolve(all);
        assert_eq!([peer.expect(4).await, peer.expect(4).await], [[0, 1], [0, 2]], "{retained}");
    }
}

#[tokio::test]
async fn a_message_that_is_too_long_for_3_1_1_is_told_skipped_and_acknowledged() {
    let broker = Scripted::start().await;
    let mut options = options(&broker);
    options["version"] = json!("3.1.1");
    options["max_payload"] = json!("1KiB");
    let dir = tempfile::tempdir().unwrap();
    let (mut node, context) = node(options, dir.path());
    let serve = async {
        let mut peer = broker.welcome(&[0x20, 2, 0, 0]).await;
        let body = peer.expect(8).await;
        peer.send(&[0x90, 3, body[0], body[1], 1]).await;
        peer
    };
    let (connected, mut peer) = tokio::join!(node.connect(), serve);
    connected.unwrap();
    // 8 MiB of it.
    let flood = async {
        peer.send(&[0x32, 0x87, 0x80, 0x80, 0x04, 0, 3]).await;
        peer.send(b"t/a\0\x01").await;
        for _ in 0..1024 {
            peer.send(&[b'x'; 8192]).await;
        }
        peer.send(b"\x32\x08\0\x03t/b\0\x02y").await;
    };
    let (all, ()) = tokio::join!(read(&mut node, 2), flood);
    assert_eq!(shown(&all), ["t/a Null bad:out_of_range", "t/b Text(\"y\") good"]);
    assert_eq!(context.tally.snapshot()["payload_too_long"], 1);
    resolve(all);
    assert_eq!([peer.expect(4).await, peer.expect(4).await], [[0, 1], [0, 2]]);
}

#[tokio::test]
async fn a_hostile_broker_is_told_in_words_and_left() {
    let broker = Scripted::start().await;
    for (connack, after, said) in [
        (&[0x20, 0xFF, 0xFF, 0xFF, 0x7F][..], &[][..], "does not answer in MQTT: a packet of 268435460 bytes"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", &[], "does not answer with CONNACK"),
        (&[0xD0, 0], &[], "does not answer with CONNACK"),
        (&[0x20, 3, 0, 0xEE, 0], &[], "a reason that is not known, 0xEE"),
        (&[0x20, 3, 0, 0x86, 0], &[], "wrong user name or password, 0x86"),
        (WELCOME, &[0x90, 3, 0xFF, 0xFF, 0], "answers for 0 filters where 1 were asked"),
        (WELCOME, &[0x90, 4, 0xFF, 0xFF, 0, 0x87], "not authorised, 0x87"),
        (WELCOME, &[0x30, 0xFF, 0xFF, 0xFF, 0x7F], "a packet of 268435460 bytes"),
        (WELCOME, &[0xE0, 1, 0xEE], "a reason that is not known, 0xEE"),
        (WELCOME, &[0xE0, 1, 0x8B], "it is shutting down, 0x8B"),
        (WELCOME, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF], "no MQTT, or not what was agreed"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (mut node, _) = node(options(&broker), dir.path());
        let serve = async {
            let mut peer = broker.accept().await;
            peer.expect(1).await;
            peer.send(connack).await;
            if after.is_empty() {
                return peer;
            }
            peer.expect(8).await;
            peer.send(after).await;
            peer
        };
        let (error, _peer) = tokio::join!(node.connect(), serve);
        let error = error.unwrap_err().to_string();
        assert!(error.contains(said), "{connack:02X?} {after:02X?}: {error}");
    }
}

#[tokio::test]
async fn the_next_broker_is_used_while_the_first_is_gone_and_the_first_again() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let first = gone.local_addr().unwrap();
    drop(gone);
    let second = Scripted::start().await;
    let options = json!({
        "urls": [format!("mqtt://{first}"), second.url()], "topics": ["t"], "fail_back": "0s", "payload": "text",
    });
    let (mut node, context, mut peer) = connected(options, &second, WELCOME).await;
    peer.publish(b"t", 0, 0, b"from the second").await;
    assert_eq!(shown(&read(&mut node, 1).await), ["t Text(\"from the second\") good"]);
    let first = Scripted::at(first).await;
    let serve_second = async {
        let filters = peer.expect(10).await;
        peer.send(&[0xB0, 4, filters[0], filters[1], 0, 0]).await;
        assert_eq!(peer.packet().await, Some((0xE0, vec![])), "it is left in peace");
    };
    let serve_first = async {
        loop {
            // The look whether it is there says nothing.
            let mut peer = first.accept().await;
            if peer.packet().await.is_some() {
                peer.send(WELCOME).await;
                peer.grant(&[1]).await;
                peer.publish(b"t", 0, 0, b"from the first").await;
                return peer;
            }
        }
    };
    let (all, _peer, ()) = tokio::join!(read(&mut node, 1), serve_first, serve_second);
    assert_eq!(shown(&all), ["t Text(\"from the first\") good"]);
    let counts = context.tally.snapshot();
    assert_eq!((counts["fail_over"], counts["fail_back"]), (1, 1));
}

#[tokio::test]
async fn an_outage_makes_tags_bad_only_where_messages_are_lost() {
    let broker = Scripted::start().await;
    for (clean, wanted) in [(true, 1), (false, 0)] {
        let mut options = options(&broker);
        options["clean"] = json!(clean);
        let (mut node, _, mut peer) = connected(options, &broker, WELCOME).await;
        peer.publish(b"t/a", 0, 0, b"x").await;
        let all = read(&mut node, 1).await;
        drop(peer);
        let Err(NodeError::Disconnected(cause)) = node.read().await else { panic!() };
        let bad = node.outage(&cause, all[0].batch.received());
        assert_eq!(bad.as_ref().map_or(0, fieldflow_contract::Batch::len), wanted);
        assert!(bad.is_none_or(|batch| batch.records()[0].quality.is_bad() && batch.records()[0].value == Value::Null));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_must_mend_is_said_once_and_tried_seldom() {
    let broker = Scripted::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (mut node, context) = node(options(&broker), dir.path());
    let since = tokio::time::Instant::now();
    for _ in 0..3 {
        let (error, _peer) = tokio::join!(node.connect(), broker.welcome(&[0x20, 3, 0, 0x87, 0]));
        assert!(error.unwrap_err().to_string().contains("not authorised"));
    }
    assert!(60 <= since.elapsed().as_secs() && since.elapsed().as_secs() < 65, "{:?}", since.elapsed());
    assert_eq!((context.notices.last().len(), context.tally.snapshot()["person_must_act"]), (1, 1));
    assert!(context.links.snapshot()[0].trouble.as_ref().is_some_and(|why| why.contains("not authorised")));
}

/// Mosquitto 2.0.11 does so, and more than it was allowed to.
#[tokio::test]
async fn a_broker_may_send_all_that_it_has_kept_before_it_answers_the_subscription() {
    let broker = Scripted::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&broker);
    options["receive_maximum"] = json!(2);
    let (mut node, _) = node(options, dir.path());
    let serve = async {
        let mut peer = broker.welcome(&[0x20, 3, 1, 0, 0]).await;
        for id in 1..=9 {
            peer.publish(b"t/a", 1, id, b"old").await;
        }
        let body = peer.expect(8).await;
        for id in 1..=9 {
            assert_eq!(peer.expect(4).await, [0, id]);
        }
        peer.send(&[0x90, 4, body[0], body[1], 0, 0x87]).await;
        peer
    };
    let hear = async {
        node.connect().await.unwrap();
        // The answer is looked at whenever it comes.
        loop {
            match node.read().await {
                Ok(more) => resolve(vec![more]),
                Err(error) => break error.to_string(),
            }
        }
    };
    let (error, _peer) = tokio::join!(hear, serve);
    assert!(error.contains("not authorised, 0x87"), "{error}");
}
