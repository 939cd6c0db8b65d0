//! Messages that expire or want an answer, from a broker that the test plays.

use fieldflow_contract::{Clock as _, Outcome, Source as _, SystemClock};
use serde_json::json;

use super::tests::{connected, options, read, shown};
use crate::mqtt::client::{Peer, Scripted, WELCOME};

/// The properties of a command: where the answer goes, and what it is known by.
fn answer_to(topic: &str, more: &[u8]) -> Vec<u8> {
    let mut properties = vec![8];
    properties.extend((topic.len() as u16).to_be_bytes());
    properties.extend(topic.as_bytes());
    properties.extend([9, 0, 2, 0xC0, 0xDE]);
    properties.extend(more);
    properties
}

/// The next packet is an answer: its number, topic and payload. It is acknowledged.
async fn answer(peer: &mut Peer) -> (String, serde_json::Value) {
    let body = peer.expect(3).await;
    let end = 2 + usize::from(body[1]);
    let topic = String::from_utf8(body[2..end].to_vec()).unwrap();
    let id = [body[end], body[end + 1]];
    let properties = &body[end + 3..end + 3 + usize::from(body[end + 2])];
    assert!(properties.windows(5).any(|five| five == [9, 0, 2, 0xC0, 0xDE]), "{properties:02X?}");
    let payload = serde_json::from_slice(&body[end + 3 + properties.len()..]).unwrap();
    peer.send(&[0x40, 2, id[0], id[1]]).await;
    (topic, payload)
}

#[tokio::test]
async fn what_became_of_a_message_is_told_where_it_says_when_it_is_known() {
    let broker = Scripted::start().await;
    let mut options = options(&broker);
    (options["respond"], options["payload"]) = (json!(true), json!("number"));
    let (mut node, context, mut peer) = connected(options, &broker, WELCOME).await;
    for (id, payload) in (1..).zip([&b"1"[..], b"2", b"3", b"x"]) {
        peer.publish_with(&answer_to("replies/me", &[]), b"t/a", 1, id, payload).await;
    }
    // One without a wish, and wishes that cannot be fulfilled.
    peer.publish(b"t/a", 1, 5, b"5").await;
    for (id, topic) in (6..).zip(["t/a", "a/+", "$SYS/x", ""]) {
        peer.publish_with(&answer_to(topic, &[]), b"t/b", 1, id, b"6").await;
    }
    let all = read(&mut node, 9).await;
    assert_eq!(all.iter().take(4).map(|one| one.batch.len()).collect::<Vec<_>>(), [1; 4], "each by itself");
    let mut all = all.into_iter();
    let mut next = || all.next().unwrap().ack;
    next().resolve(Outcome::Delivered);
    let (rejected, dropped, unread) = (next(), next(), next());
    rejected.rejected("a: 2 is outside of 5 to 80");
    rejected.resolve(Outcome::Delivered);
    dropped.resolve(Outcome::Dropped);
    unread.resolve(Outcome::Rejected);
    all.for_each(|one| one.ack.resolve(Outcome::Delivered));
    let (mut acknowledged, mut answers) = (Vec::new(), Vec::new());
    while acknowledged.len() < 9 || answers.len() < 4 {
        let (first, body) = peer.packet().await.unwrap();
        if first >> 4 == 4 {
            acknowledged.push(body[1]);
            continue;
        }
        let end = 2 + usize::from(body[1]);
        assert_eq!((first, &body[2..end]), (0x32, &b"replies/me"[..]));
        let json = body.iter().rposition(|byte| *byte == b'{').unwrap();
        answers.push(serde_json::from_slice::<serde_json::Value>(&body[json..]).unwrap());
        peer.send(&[0x40, 2, body[end], body[end + 1]]).await;
    }
    assert_eq!(acknowledged, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(
        answers,
        [
            json!({ "topic": "t/a", "result": "delivered" }),
            json!({ "topic": "t/a", "result": "rejected", "reason": "a: 2 is outside of 5 to 80" }),
            json!({ "topic": "t/a", "result": "dropped" }),
            json!({ "topic": "t/a", "result": "rejected", "reason": "what it says could not be read: bad:decoding" }),
        ]
    );
    assert_eq!(context.tally.snapshot()["respond_refused"], 4);
}

#[tokio::test]
async fn an_answer_that_was_not_acknowledged_is_given_on_the_next_connection() {
    let broker = Scripted::start().await;
    let mut options = options(&broker);
    options["respond"] = json!(true);
    let (mut node, _, mut peer) = connected(options, &broker, WELCOME).await;
    // Of what is lost and comes again nothing is told; of QoS 0, which does not, it is.
    peer.publish_with(&answer_to("replies/0", &[]), b"t/a", 0, 0, b"0").await;
    drop(read(&mut node, 1).await);
    assert_eq!(answer(&mut peer).await, ("replies/0".to_owned(), json!({ "result": "failed", "topic": "t/a" })));
    peer.publish_with(&answer_to("replies/1", &[]), b"t/a", 1, 1, b"1").await;
    let first = read(&mut node, 1).await.pop().unwrap();
    first.ack.resolve(Outcome::Delivered);
    while peer.packet().await.unwrap().0 >> 4 != 3 {}
    drop(peer);
    node.read().await.unwrap_err();
    let mut peer = super::tests::connect(&mut node, &broker, WELCOME).await;
    assert_eq!(answer(&mut peer).await, ("replies/1".to_owned(), json!({ "result": "delivered", "topic": "t/a" })));
    let ((), last) = tokio::join!(node.close(), peer.packet());
    assert_eq!(last, Some((0xE0, vec![])));
}

#[tokio::test]
async fn a_message_that_expires_is_a_batch_of_its_own_that_knows_when() {
    let broker = Scripted::start().await;
    let (mut node, _, mut peer) = connected(options(&broker), &broker, WELCOME).await;
    peer.publish(b"t/a", 0, 0, b"one").await;
    peer.publish_with(&[2, 0, 0, 0, 60], b"t/a", 0, 0, b"two").await;
    peer.publish_with(&[2, 0, 0, 0, 0], b"t/a", 0, 0, b"over").await;
    peer.publish(b"t/a", 0, 0, b"three").await;
    let before = SystemClock.now();
    let all = read(&mut node, 4).await;
    assert_eq!(shown(&all).len(), 4);
    let expires: Vec<_> = all.iter().map(|one| one.batch.expires()).collect();
    let [None, Some(soon), Some(over), None] = expires[..] else { panic!("{expires:?}") };
    let rest = soon.since(before).as_secs();
    assert!((55..=65).contains(&rest), "{rest}");
    assert!(over <= SystemClock.now());
}
