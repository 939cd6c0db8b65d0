//! The source against a device that behaves, and against one that does not.

use std::time::Duration;

use fieldflow_contract::{Cause, NodeError, Quality, Record, Source as _, Timestamp, Value};
use serde_json::json;
use tokio::time::{Instant, advance};

use super::peer::{FrozenTime, Peer, source};
use super::source::Poller;

/// The records of the next poll as text: `name=value` or `name=quality`.
async fn poll(source: &mut Poller) -> Vec<String> {
    source.read().await.unwrap().batch.records().iter().map(text).collect()
}

fn text(record: &Record) -> String {
    match &record.value {
        Value::Null => format!("{}={}", record.tag, record.quality),
        Value::U64(value) => format!("{}={value}", record.tag),
        value => format!("{}={value:?}", record.tag),
    }
}

fn cause(error: NodeError) -> Cause {
    match error {
        NodeError::Disconnected(cause) => cause,
        other => panic!("not a lost connection: {other:?}"),
    }
}

#[tokio::test]
async fn neighbours_come_in_one_request_and_each_tag_gets_its_own_registers() {
    let peer = Peer::listen().await;
    let tags = json!({
        "a": { "at": "holding:10" }, "b": { "at": "holding:11", "as": "u32" }, "c": { "at": "holding:13", "order": "BA" },
        "d": { "at": "holding:11.1" },
    });
    let (mut source, tally) = source(&peer.url(), &tags, &json!({ "unit": 7 }));
    source.connect().await.unwrap();
    let mut line = peer.accept().await;
    let (records, asked) = tokio::join!(poll(&mut source), line.serve_one());
    assert_eq!(records, ["a=10", "b=720908", "d=Bool(true)", "c=3328"]);
    assert_eq!((asked.unit, asked.function, asked.start, asked.count), (7, 3, 10, 4));
    assert_eq!(tally.snapshot().get("exception"), None);
}

#[tokio::test]
async fn a_late_answer_is_never_taken_for_the_next_one_and_costs_no_connection() {
    let peer = Peer::listen().await;
    let (mut source, tally) =
        source(&peer.url(), &json!({ "a": { "at": "holding:20" } }), &json!({ "timeout": "100ms" }));
    source.connect().await.unwrap();
    let mut line = peer.accept().await;
    let frozen = FrozenTime::begin();
    let (records, late) = tokio::join!(poll(&mut source), async {
        let asked = line.request().await;
        advance(Duration::from_millis(101)).await;
        asked
    });
    assert_eq!(records, ["a=bad:timeout"]);
    assert_eq!(tally.snapshot()["timeout"], 1);
    drop(frozen);
    // The late answer fits the next request, but for its transaction; and it comes once before it and once with it.
    line.send(&late.registers(&[666])).await;
    let (records, ()) = tokio::join!(poll(&mut source), async {
        let asked = line.request().await;
        line.send(&[late.registers(&[667]), asked.own_addresses()].concat()).await;
    });
    assert_eq!(records, ["a=20"]);
    assert_eq!(tally.snapshot()["late"], 2);
}

#[tokio::test]
async fn an_answer_that_fits_no_request_is_bad_and_closes_the_connection() {
    let peer = Peer::listen().await;
    for (bad, word) in [
        ("transaction", "transaction"),
        ("unit", "unit"),
        ("function", "function"),
        ("exception of another function", "function"),
        ("too few", "byte_count"),
        ("too many", "byte_count"),
        ("none", "byte_count"),
        ("byte count without its bytes", "byte_count"),
        ("odd byte count", "byte_count"),
        ("protocol", "protocol"),
        ("empty", "length"),
        ("too long", "length"),
    ] {
        let (mut source, tally) = source(&peer.url(), &json!({ "a": { "at": "holding:0", "as": "u32" } }), &json!({}));
        source.connect().await.unwrap();
        let mut line = peer.accept().await;
        let (records, ()) = tokio::join!(poll(&mut source), async {
            let mut asked = line.request().await;
            let frame = match bad {
                "transaction" => {
                    asked.transaction = asked.transaction.wrapping_sub(1);
                    asked.own_addresses()
                }
                "unit" => {
                    asked.unit += 1;
                    asked.own_addresses()
                }
                "function" => asked.frame(4, &[4, 0, 0, 0, 1]),
                "exception of another function" => asked.frame(0x84, &[2]),
                "too few" => asked.registers(&[0]),
                "too many" => asked.registers(&[0, 1, 2]),
                "none" => asked.registers(&[]),
                "byte count without its bytes" => asked.frame(3, &[4, 0, 0]),
                "odd byte count" => asked.frame(3, &[3, 0, 0, 0]),
                "protocol" => [0, 0, 0, 1, 0, 3, 1, 3, 0].to_vec(),
                "too long" => [0, 0, 0, 0, 1, 3, 1, 3, 0].to_vec(),
                _ => [0, 0, 0, 0, 0, 1, 1].to_vec(),
            };
            line.send(&frame).await;
        });
        assert_eq!(records, ["a=bad:communication"], "{bad}");
        assert_eq!(
            tally.snapshot().into_iter().filter(|(_, count)| *count != 0).collect::<Vec<_>>(),
            [(word, 1)],
            "{bad}"
        );
        line.closed().await;
        let (records, _) = tokio::join!(poll(&mut source), async { peer.accept().await.serve_one().await });
        assert_eq!(records, ["a=1"], "a new connection, without a word");
    }
}

#[tokio::test]
async fn a_device_that_hangs_up_in_the_middle_of_a_frame_is_a_closed_connection() {
    let peer = Peer::listen().await;
    for sent in [0, 5, 10] {
        let (mut source, _) = source(&peer.url(), &json!({ "a": { "at": "holding:0" } }), &json!({}));
        source.connect().await.unwrap();
        let mut line = peer.accept().await;
        let (read, ()) = tokio::join!(source.read(), async {
            let asked = line.request().await;
            line.send(&asked.own_addresses()[..sent]).await;
            drop(line);
        });
        let lost = cause(read.unwrap_err());
        assert_eq!(lost.message, format!("{} closed the connection", peer.url()));
        assert_eq!(lost.quality, Quality::BAD_NOT_CONNECTED);
        let outage: Vec<String> = source.outage(&lost, Timestamp(0)).unwrap().records().iter().map(text).collect();
        assert_eq!(outage, ["a=bad:not_connected"]);
    }
}

#[tokio::test]
async fn an_answer_in_segments_of_one_byte_is_put_together() {
    let peer = Peer::listen().await;
    let (mut source, _) = source(&peer.url(), &json!({ "a": { "at": "input:9", "as": "u32" } }), &json!({}));
    source.connect().await.unwrap();
    let mut line = peer.accept().await;
    let (records, ()) = tokio::join!(poll(&mut source), async {
        for byte in line.request().await.own_addresses() {
            line.send(&[byte]).await;
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(records, ["a=589834"]);
}

#[tokio::test]
async fn a_register_that_is_refused_is_told_once_and_set_aside() {
    let peer = Peer::listen().await;
    let tags = json!({ "a": { "at": "holding:0" }, "b": { "at": "holding:5" }, "c": { "at": "holding:9" } });
    let (mut source, tally) = source(&peer.url(), &tags, &json!({}));
    source.connect().await.unwrap();
    let mut line = peer.accept().await;
    let (records, ()) = tokio::join!(poll(&mut source), async {
        line.serve_one().await;
        let asked = line.request().await;
        line.send(&asked.exception(2)).await;
        line.serve_one().await;
    });
    assert_eq!(records, ["a=0", "b=bad:configuration", "c=9"]);
    assert_eq!((tally.snapshot()["exception"], tally.snapshot()["set_aside"]), (1, 1));
    let told = source.notices.last();
    assert!(
        told[0].starts_with("`b` at holding:5: refused by the device (exception 02, illegal data address)"),
        "{told:?}"
    );
    assert!(told[0].ends_with("if the manual counts from 1, try holding:4"), "{told:?}");
    let (again, ()) = tokio::join!(poll(&mut source), async {
        for _ in 0..2 {
            line.serve_one().await;
        }
    });
    assert_eq!(again, ["a=0", "c=9"], "on the same connection, without it");
}

#[tokio::test]
async fn what_was_read_before_the_line_broke_is_delivered_first() {
    let peer = Peer::listen().await;
    let tags = json!({ "a": { "at": "holding:0" }, "b": { "at": "holding:5" } });
    let (mut source, _) = source(&peer.url(), &tags, &json!({}));
    source.connect().await.unwrap();
    let mut line = peer.accept().await;
    let (records, ()) = tokio::join!(poll(&mut source), async {
        line.serve_one().await;
        line.request().await;
        drop(line);
    });
    assert_eq!(records, ["a=0"]);
    let lost = cause(source.read().await.unwrap_err());
    assert!(lost.message.ends_with("closed the connection"), "{lost}");
    let outage: Vec<String> = source.outage(&lost, Timestamp(0)).unwrap().records().iter().map(text).collect();
    assert_eq!(outage, ["a=bad:not_connected", "b=bad:not_connected"]);
}

#[tokio::test]
async fn a_read_that_is_dropped_in_the_middle_leaves_no_connection_behind() {
    let peer = Peer::listen().await;
    let (mut source, _) = source(&peer.url(), &json!({ "a": { "at": "holding:0" } }), &json!({}));
    source.connect().await.unwrap();
    let mut line = peer.accept().await;
    let asked = tokio::select! {
        read = source.read() => panic!("nobody answered: {read:?}"),
        asked = line.request() => asked,
    };
    line.send(&asked.registers(&[666])).await;
    let (records, _) = tokio::join!(poll(&mut source), async { peer.accept().await.serve_one().await });
    assert_eq!(records, ["a=0"]);
}

#[tokio::test]
async fn a_slow_device_misses_polls_which_are_counted_and_never_queued() {
    let peer = Peer::listen().await;
    let (mut source, tally) = source(&peer.url(), &json!({ "a": { "at": "holding:0" } }), &json!({ "every": "100ms" }));
    source.connect().await.unwrap();
    let mut line = peer.accept().await;
    let frozen = FrozenTime::begin();
    // The first poll takes 350 ms: those at 100 and 200 ms are missed, the one of 300 ms comes late.
    let slow = async {
        let asked = line.request().await;
        advance(Duration::from_millis(350)).await;
        line.send(&asked.own_addresses()).await;
    };
    let (delivery, ()) = tokio::join!(source.read(), slow);
    let batch = delivery.unwrap().batch;
    assert_eq!(batch.received() - Duration::from_millis(175), batch.records()[0].time, "in the middle of the exchange");
    tokio::join!(poll(&mut source), line.serve_one());
    assert_eq!(tally.snapshot()["missed_poll"], 2);
    // The next one is in step again, at 400 ms, and there is no other before it.
    let next = async {
        tokio::select! {
            biased;
            asked = line.request() => panic!("too early: {asked:?}"),
            () = advance(Duration::from_millis(40)) => {}
        }
        advance(Duration::from_millis(15)).await;
        line.serve_one().await
    };
    tokio::join!(poll(&mut source), next);
    assert_eq!(tally.snapshot()["missed_poll"], 2);
    drop(frozen);
}

#[tokio::test]
async fn each_interval_is_polled_by_itself() {
    let peer = Peer::listen().await;
    let tags = json!({ "fast": { "at": "holding:0" }, "slow": { "at": "holding:1", "every": "1h" } });
    let (mut source, _) = source(&peer.url(), &tags, &json!({}));
    source.connect().await.unwrap();
    let mut line = peer.accept().await;
    let mut polls = Vec::new();
    for _ in 0..4 {
        let (records, _) = tokio::join!(poll(&mut source), line.serve_one());
        polls.push(records.concat());
    }
    polls.sort();
    assert_eq!(polls, ["fast=0", "fast=0", "fast=0", "slow=1"]);
    assert!(source.groups.iter().any(|group| Instant::now() < group.due));
    source.connect().await.unwrap();
    assert!(source.groups.iter().all(|group| group.due <= Instant::now()), "all are due at once on a new connection");
}

#[tokio::test]
async fn a_device_that_is_not_there_is_told_in_words() {
    let url = Peer::listen().await.url();
    let (mut source, _) = source(&url, &json!({ "a": { "at": "holding:0" } }), &json!({}));
    let lost = cause(source.connect().await.unwrap_err());
    assert!(lost.message.starts_with(&format!("{url} refused the connection")), "{lost}");
    assert_eq!(lost.quality, Quality::BAD_NOT_CONNECTED);
}
