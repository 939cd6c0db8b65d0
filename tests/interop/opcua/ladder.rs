//! What is taken up after a loss, what is made anew, and what is told of what was missed.

use std::time::Duration;

use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::server::Server;
use super::{node, number, pipeline, plant};
use crate::peers::port_that_no_client_gets;
use crate::pipeline::{Pipeline, Record};
use crate::turn::{alone, beside_others};

const RECOVERY: Duration = Duration::from_millis(5200);

/// Reads until a record is what is wanted; and all that came.
pub(super) async fn until(
    pipeline: &mut Pipeline,
    end: Instant,
    mut wanted: impl FnMut(&Record) -> bool,
) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let Some(record) = pipeline.until(end).await else {
            panic!("it did not come; {:?}\n{}", &records[records.len().saturating_sub(20)..], pipeline.said())
        };
        let is = wanted(&record);
        records.push(record);
        if is {
            return records;
        }
    }
}

/// Passes connections on to a server, until they are cut.
pub(super) struct Line {
    pub(super) url: String,
    listener: TcpListener,
    to: u16,
}

impl Line {
    pub(super) async fn to(server: &Server) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port_that_no_client_gets())).await.unwrap();
        let url = format!("opc.tcp://{}", listener.local_addr().unwrap());
        Self { url, listener, to: server.port }
    }

    /// Passes on for so long; then all connections are cut.
    pub(super) async fn pass(&self, span: Duration) {
        let mut passing = JoinSet::new();
        let end = tokio::time::sleep(span);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                came = self.listener.accept() => {
                    let (mut near, _) = came.unwrap();
                    let to = self.to;
                    passing.spawn(async move {
                        let mut far = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                        let _ = copy_bidirectional(&mut near, &mut far).await;
                    });
                }
            }
        }
    }
}

#[tokio::test]
async fn a_line_that_is_cut_costs_no_value_as_the_subscription_lives_on() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&["--every", "20"]).await else { return };
    let line = Line::to(&server).await;
    let insecure = "    security: { policy: None, allow_insecure: true }\n    publishing: 100ms\n    keep_alive: 1s\n";
    let counter = format!("{}, queue: 10000", plant("counter"));
    let node = node(&line.url, insecure, &[("counter", &counter)]);
    let mut pipeline = Pipeline::start(&[("ua", node)].into());
    let mut records = Vec::new();
    for _ in 0..4 {
        let passing = line.pass(Duration::from_secs(4));
        tokio::pin!(passing);
        loop {
            tokio::select! {
                () = &mut passing => break,
                record = pipeline.until(Instant::now() + Duration::from_secs(60)) => records.extend(record),
            }
        }
    }
    let bad: Vec<&Record> = records.iter().filter(|record| record.quality != "good").collect();
    assert_eq!(bad.len(), 3, "one for each cut but the last: {bad:?}\n{}", pipeline.said());
    assert!(bad.iter().all(|record| record.quality == "bad:not_connected"), "{bad:?}");
    let numbers: Vec<i64> = records.iter().filter_map(number).collect();
    assert!(300 < numbers.len(), "{}", numbers.len());
    let breaks: Vec<&[i64]> = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
    assert!(breaks.is_empty(), "{breaks:?}\n{}", pipeline.said());
    pipeline.stop().await;
}

#[tokio::test]
async fn a_subscription_that_is_deleted_behind_our_back_is_made_anew_and_the_hole_is_told() {
    let _turn = beside_others().await;
    let Some(mut server) = Server::start(&["--every", "50"]).await else { return };
    let mut pipeline =
        pipeline(&server, "    publishing: 100ms\n    keep_alive: 1s\n", &[("counter", &plant("counter"))]);
    let end = || Instant::now() + Duration::from_secs(20);
    until(&mut pipeline, end(), |record| number(record).is_some()).await;
    server.tell(&json!({ "forget": "subscriptions" })).await;
    let records = until(&mut pipeline, end(), |record| record.quality != "good").await;
    assert_eq!(records.last().map(|record| record.quality.as_str()), Some("bad:data_lost"), "{}", pipeline.said());
    let back = Instant::now() + RECOVERY;
    until(&mut pipeline, back, |record| number(record).is_some()).await;
    pipeline.stop().await;
}

#[tokio::test]
async fn a_hole_is_filled_from_the_history_of_the_server() {
    let _turn = beside_others().await;
    let Some(mut server) = Server::start(&["--every", "50", "--history"]).await else { return };
    let tags = [("counter", plant("counter")), ("other", plant("Int32"))];
    let listed: Vec<(&str, &str)> = tags.iter().map(|(tag, options)| (*tag, options.as_str())).collect();
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n    keep_alive: 1s\n", &listed);
    let end = || Instant::now() + Duration::from_secs(20);
    let mut records = until(&mut pipeline, end(), |record| number(record).is_some_and(|value| 20 < value)).await;
    for _ in 0..2 {
        server.tell(&json!({ "forget": "subscriptions" })).await;
        let lost = |record: &Record| record.tag == "other" && record.quality == "bad:data_lost";
        records.extend(until(&mut pipeline, end(), lost).await);
        let back = Instant::now() + Duration::from_secs(1);
        records.extend(until(&mut pipeline, end(), |record| number(record).is_some() && back < Instant::now()).await);
    }
    let counter: Vec<&Record> = records.iter().filter(|record| record.tag == "counter").collect();
    assert!(counter.iter().all(|record| record.quality == "good"), "there is no hole: {}", pipeline.said());
    let numbers: Vec<i64> = counter.iter().copied().filter_map(number).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let other: Vec<&str> =
        records.iter().filter(|record| record.tag == "other").map(|record| record.quality.as_str()).collect();
    assert_eq!(other, ["good", "bad:data_lost", "good", "bad:data_lost", "good"], "it has no history");
    pipeline.stop().await;
}

#[tokio::test]
async fn namespaces_that_move_over_a_restart_are_found_again() {
    let _turn = beside_others().await;
    let port = port_that_no_client_gets();
    let Some(mut server) = Server::at(port, &["--namespaces", "urn:plant"]).await else { return };
    server.tell(&json!({ "set": "Int32", "to": 11 })).await;
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n    keep_alive: 1s\n", &[("value", &plant("Int32"))]);
    let end = || Instant::now() + Duration::from_secs(20);
    until(&mut pipeline, end(), |record| number(record) == Some(11)).await;
    server.kill().await;
    let mut server = Server::at(port, &["--namespaces", "urn:new,urn:other,urn:plant"]).await.unwrap();
    server.tell(&json!({ "set": "Int32", "to": 22 })).await;
    until(&mut pipeline, end(), |record| number(record) == Some(22)).await;
    pipeline.stop().await;
}

#[tokio::test]
async fn ten_thousand_items_are_heard_and_heard_again_after_a_restart() {
    let _turn = alone().await;
    let port = port_that_no_client_gets();
    let Some(server) = Server::at(port, &["--items", "10000"]).await else { return };
    let names: Vec<(String, String)> = (0..10_000).map(|n| (format!("i{n}"), plant(&format!("item{n}")))).collect();
    let listed: Vec<(&str, &str)> = names.iter().map(|(tag, options)| (tag.as_str(), options.as_str())).collect();
    let mut pipeline = pipeline(&server, "    publishing: 1s\n", &listed);
    let begun = Instant::now();
    pipeline.first_of_each(10_000).await;
    println!("10,000 items are heard after {:?}", begun.elapsed());
    server.kill().await;
    let bad = pipeline.first_of_each(10_000).await;
    assert!(bad.values().all(|record| record.quality.starts_with("bad:")));
    let _server = Server::at(port, &["--items", "10000"]).await.unwrap();
    let mut good = std::collections::BTreeSet::new();
    let end = Instant::now() + Duration::from_secs(60);
    while good.len() < 10_000 {
        let record =
            pipeline.until(end).await.unwrap_or_else(|| panic!("{} are back:\n{}", good.len(), pipeline.said()));
        if number(&record).is_some() {
            good.insert(record.tag);
        }
    }
    pipeline.stop().await;
}
