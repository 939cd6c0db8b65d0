//! A server that is killed and comes back, again and again; and one that stands still.

use std::time::Duration;

use tokio::time::Instant;

use super::server::Server;
use super::{number, pipeline, plant};
use crate::peers::port_that_no_client_gets;
use crate::pipeline::{Pipeline, Record};
use crate::turn::{alone, beside_others};

/// Two publishings and five seconds.
const RECOVERY: Duration = Duration::from_millis(5200);
const TAGS: [&str; 3] = ["counter", "Double", "String"];

/// Reads until each tag has a record that is good, or is not, as it is wanted; and all that came.
async fn until_each(pipeline: &mut Pipeline, good: bool, end: Instant) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    let is = |record: &Record| (record.quality == "good") == good;
    while !TAGS.iter().all(|tag| records.iter().any(|record| record.tag == *tag && is(record))) {
        let record = pipeline.until(end).await;
        let record = record.unwrap_or_else(|| panic!("good: {good}, only {records:?}:\n{}", pipeline.said()));
        records.push(record);
    }
    records
}

fn tags() -> Vec<(&'static str, String)> {
    TAGS.iter().map(|tag| (*tag, plant(tag))).collect()
}

#[tokio::test]
async fn a_server_that_is_killed_twenty_times_is_heard_again_each_time() {
    let _turn = alone().await;
    let port = port_that_no_client_gets();
    let options = ["--every", "50"];
    let Some(mut server) = Server::at(port, &options).await else { return };
    let tags = tags();
    let listed: Vec<(&str, &str)> = tags.iter().map(|(tag, options)| (*tag, options.as_str())).collect();
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n    keep_alive: 1s\n", &listed);
    until_each(&mut pipeline, true, Instant::now() + Duration::from_secs(20)).await;
    let rounds = std::env::var("FIELDFLOW_KILLS").map_or(20, |kills| kills.parse().unwrap());
    let mut slowest = Duration::ZERO;
    for round in 0..rounds {
        server.kill().await;
        let bad = until_each(&mut pipeline, false, Instant::now() + RECOVERY).await;
        let bad: Vec<&Record> = bad.iter().filter(|record| record.quality != "good").collect();
        assert_eq!(bad.len(), TAGS.len(), "one bad record a tag, in round {round}: {bad:?}");
        assert!(bad.iter().all(|record| record.value.is_null() && record.quality.starts_with("bad:")), "{bad:?}");
        server = Server::at(port, &options).await.unwrap();
        let back = Instant::now();
        let good = until_each(&mut pipeline, true, back + RECOVERY).await;
        slowest = slowest.max(back.elapsed());
        let told: Vec<&Record> = good.iter().filter(|record| record.quality != "good").collect();
        assert!(told.iter().all(|record| record.quality == "bad:data_lost"), "the hole is told: {told:?}");
        assert_eq!(told.len(), TAGS.len(), "once a tag: {told:?}");
    }
    println!("{rounds} kills, the slowest recovery took {slowest:?}");
    pipeline.stop().await;
}

#[tokio::test]
async fn a_server_that_stands_still_is_noticed_and_heard_when_it_goes_on() {
    let _turn = alone().await;
    let Some(server) = Server::start(&["--every", "50"]).await else { return };
    let tags = tags();
    let listed: Vec<(&str, &str)> = tags.iter().map(|(tag, options)| (*tag, options.as_str())).collect();
    let options = "    publishing: 100ms\n    keep_alive: 1s\n    timeout: 1s\n";
    let mut pipeline = pipeline(&server, options, &listed);
    until_each(&mut pipeline, true, Instant::now() + Duration::from_secs(20)).await;
    server.signal("STOP").await;
    // Three keep-alives, and the time-out of the question whether it lives.
    until_each(&mut pipeline, false, Instant::now() + Duration::from_secs(8)).await;
    server.signal("CONT").await;
    let back = Instant::now();
    let good = until_each(&mut pipeline, true, back + RECOVERY).await;
    let last = good.iter().filter_map(number).max();
    assert!(last.is_some(), "{good:?}");
    println!("heard again after {:?}", back.elapsed());
    pipeline.stop().await;
}

#[tokio::test]
async fn tags_that_are_read_say_once_that_the_server_is_gone_and_are_read_again() {
    let _turn = beside_others().await;
    let port = port_that_no_client_gets();
    let options = ["--every", "50"];
    let Some(server) = Server::at(port, &options).await else { return };
    let tags = tags();
    let listed: Vec<(&str, &str)> = tags.iter().map(|(tag, options)| (*tag, options.as_str())).collect();
    let mut pipeline = pipeline(&server, "    every: 100ms\n    timeout: 1s\n", &listed);
    until_each(&mut pipeline, true, Instant::now() + Duration::from_secs(20)).await;
    server.signal("STOP").await;
    // One that stands still is noticed by the answer that does not come.
    let bad = until_each(&mut pipeline, false, Instant::now() + RECOVERY).await;
    assert_eq!(bad.iter().filter(|record| record.quality == "bad:timeout").count(), TAGS.len(), "{bad:?}");
    server.signal("CONT").await;
    until_each(&mut pipeline, true, Instant::now() + RECOVERY).await;
    server.kill().await;
    let bad = until_each(&mut pipeline, false, Instant::now() + RECOVERY).await;
    assert_eq!(bad.iter().filter(|record| record.quality != "good").count(), TAGS.len(), "once a tag: {bad:?}");
    let _server = Server::at(port, &options).await.unwrap();
    until_each(&mut pipeline, true, Instant::now() + RECOVERY).await;
    pipeline.stop().await;
}
