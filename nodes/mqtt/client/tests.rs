//! The client against a broker that the test plays.

use std::time::Duration;

use fieldflow_contract::{BuildContext, Findings, Span, SystemClock};
use std::sync::Arc;
use tokio::time::Instant;

use super::scripted::{Peer, Scripted, WELCOME};
use super::*;

pub(super) fn client(urls: &[String], change: impl FnOnce(&mut Options)) -> (Client, BuildContext, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let context = BuildContext::alone("in", dir.path(), Arc::new(SystemClock));
    let mut findings = Findings::default();
    let config = LinkConfig {
        url: None,
        urls,
        version: Version::V5,
        client_id: None,
        username: None,
        password: None,
        keep_alive: Span(Duration::from_secs(60)),
        timeout: Span(Duration::from_secs(5)),
        fail_back: Span(Duration::from_secs(60)),
        tls: None,
    };
    let mut options = config.resolve(&mut findings).unwrap();
    assert_eq!(findings.0, []);
    change(&mut options);
    (Client::new(options, &context).unwrap(), context, dir)
}

async fn open(connack: &[u8], change: impl FnOnce(&mut Options)) -> (Connection, Peer) {
    let broker = Scripted::start().await;
    let (mut client, _, _dir) = client(&[broker.url()], change);
    let (connection, peer) = tokio::join!(client.connect(), broker.welcome(connack));
    (connection.unwrap(), peer)
}

fn message(qos: Qos, topic: &str) -> Message {
    Message { topic: topic.to_owned(), payload: "1".into(), qos, ..Message::default() }
}

#[tokio::test]
async fn publishes_are_resolved_by_their_own_answers() {
    let (connection, mut peer) = open(WELCOME, |_| {}).await;
    let publisher = connection.publisher();
    let none = publisher.publish(message(Qos::AtMostOnce, "a")).await.unwrap();
    let one = publisher.publish(message(Qos::AtLeastOnce, "b")).await.unwrap();
    let two = publisher.publish(message(Qos::ExactlyOnce, "c")).await.unwrap();
    none.await.unwrap();
    peer.expect(3).await;
    let [one_id, two_id] = [peer.expect(3).await, peer.expect(3).await].map(|body| [body[3], body[4]]);
    peer.send(&[0x50, 2, two_id[0], two_id[1]]).await;
    assert_eq!(peer.expect(6).await, two_id);
    peer.send(&[0x70, 2, two_id[0], two_id[1]]).await;
    two.await.unwrap();
    peer.send(&[0x40, 3, one_id[0], one_id[1], 0x97]).await;
    let refusal = one.await.unwrap_err();
    assert_eq!((refusal.code, refusal.reaction), (Some(0x97), Reaction::Retry));
    let close = connection.close();
    let ((), last) = tokio::join!(close, peer.packet());
    assert_eq!(last, Some((0xE0, vec![])), "a clean goodbye");
}

#[tokio::test]
async fn no_more_is_under_way_than_the_broker_wants_and_what_it_cannot_take_is_refused() {
    // Receive maximum 1, QoS 1, nothing retained, 40 bytes.
    let connack = [0x20, 15, 0, 0, 12, 33, 0, 1, 36, 1, 37, 0, 39, 0, 0, 0, 40];
    let (connection, mut peer) = open(&connack, |_| {}).await;
    let publisher = connection.publisher();
    let mut retained = message(Qos::AtLeastOnce, "a");
    retained.retain = true;
    let mut long = message(Qos::AtLeastOnce, "a");
    long.payload = vec![0; 40].into();
    for (wrong, code) in [
        (message(Qos::ExactlyOnce, "a"), 0x9B),
        (retained, 0x9A),
        (long, 0x95),
        (message(Qos::AtLeastOnce, "a/+"), 0x90),
    ] {
        let refusal = publisher.publish(wrong).await.unwrap_err();
        assert_eq!((refusal.code, refusal.reaction), (Some(code), Reaction::Person));
    }
    let first = publisher.publish(message(Qos::AtLeastOnce, "a")).await.unwrap();
    let _second = publisher.publish(message(Qos::AtLeastOnce, "b")).await.unwrap();
    let id = peer.expect(3).await;
    let more = tokio::time::timeout(Duration::from_millis(50), peer.packet()).await;
    assert!(more.is_err(), "one at a time: {more:?}");
    peer.send(&[0x40, 2, id[3], id[4]]).await;
    first.await.unwrap();
    peer.expect(3).await;
}

#[tokio::test]
async fn what_is_under_way_fails_with_the_connection_and_says_why() {
    let (mut connection, mut peer) = open(WELCOME, |_| {}).await;
    let receipt = connection.publisher().publish(message(Qos::AtLeastOnce, "a")).await.unwrap();
    peer.expect(3).await;
    peer.send(&[0xE0, 2, 0x8E, 0]).await;
    let refusal = receipt.await.unwrap_err();
    assert!(refusal.message.contains("another client has taken the session over"), "{refusal}");
    assert_eq!(connection.receive(&mut Vec::new(), 1).await.unwrap_err(), refusal);
    assert_eq!(connection.ended(), Some(&refusal));
    assert!(connection.publisher().publish(message(Qos::AtMostOnce, "a")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_acknowledges_nothing_is_given_up_though_it_answers_pings() {
    let (connection, mut peer) = open(WELCOME, |options| options.keep_alive = Duration::from_secs(10)).await;
    let receipt = connection.publisher().publish(message(Qos::AtLeastOnce, "a")).await.unwrap();
    let since = Instant::now();
    let answer = async {
        let mut pings = 0;
        while let Some((first, _)) = peer.packet().await {
            if first == 0xC0 {
                pings += 1;
                peer.send(&[0xD0, 0]).await;
            }
        }
        pings
    };
    let (refusal, pings) = tokio::join!(receipt, answer);
    assert!(refusal.unwrap_err().message.contains("acknowledged no message within 15s"));
    assert!(pings == 1 && since.elapsed() < Duration::from_secs(17), "{pings} {:?}", since.elapsed());
}

#[tokio::test]
async fn a_message_is_acknowledged_when_it_is_done_and_in_order() {
    let (mut connection, mut peer) = open(WELCOME, |_| {}).await;
    for (id, qos) in [(5, 1), (6, 2), (7, 1)] {
        peer.publish(b"t", qos, id, b"x").await;
    }
    let mut all = Vec::new();
    while all.len() < 3 {
        connection.receive(&mut all, 10).await.unwrap();
    }
    let receipts: Vec<u64> = all.iter().filter_map(|inbound| inbound.receipt).collect();
    connection.window.done(receipts[1]..receipts[2] + 1);
    connection.window.done(receipts[0]..receipts[0] + 1);
    let first = [peer.packet().await, peer.packet().await, peer.packet().await].map(|packet| packet.unwrap());
    assert_eq!(first, [(0x40, vec![0, 5]), (0x50, vec![0, 6]), (0x40, vec![0, 7])]);
    // Until it is released, a message of QoS 2 that comes again is not taken for another one.
    peer.publish(b"t", 2, 6, b"x").await;
    assert_eq!(peer.expect(5).await, [0, 6]);
    peer.send(&[0x62, 2, 0, 6]).await;
    assert_eq!(peer.expect(7).await, [0, 6]);
    peer.publish(b"t", 2, 6, b"y").await;
    all.clear();
    connection.receive(&mut all, 10).await.unwrap();
    assert_eq!(all[0].message.payload, "y");
    connection.window.lost();
    assert!(peer.packet().await.is_some_and(|(first, _)| first == 0xE0), "given up, so that it comes again");
}

#[tokio::test]
async fn a_node_that_takes_nothing_is_sent_no_more_than_the_hand_off_holds() {
    let (mut connection, mut peer) = open(WELCOME, |options| options.receive_maximum = 64).await;
    let flood = async {
        for n in 0..200_000_u32 {
            // More than any socket holds.
            peer.publish(b"t", 0, 0, &n.to_be_bytes().repeat(50)).await;
        }
    };
    let stuck = tokio::time::timeout(Duration::from_millis(300), flood).await;
    assert!(stuck.is_err(), "200,000 messages went somewhere");
    let mut all = Vec::new();
    connection.receive(&mut all, usize::MAX).await.unwrap();
    assert_eq!(all.len(), 64);
    while all.len() < 1000 {
        connection.receive(&mut all, usize::MAX).await.unwrap();
    }
    let order = all.iter().enumerate().all(|(n, got)| got.message.payload.starts_with(&(n as u32).to_be_bytes()));
    assert!(order, "none is missing");
}
