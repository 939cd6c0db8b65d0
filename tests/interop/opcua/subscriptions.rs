//! What is in which subscription, what the server makes of it, and what it sends because of it.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::ladder::{Line, until};
use super::server::Server;
use super::values::within;
use super::{node, number, pipeline, plant};
use crate::peers::port_that_no_client_gets;
use crate::pipeline::{Pipeline, Record};
use crate::turn::beside_others;

async fn node_opcua(options: &[&str]) -> Option<(Server, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    Some((Server::node(port_that_no_client_gets(), folder.path(), options).await?, folder))
}

/// How many subscriptions the server has.
async fn subscriptions(server: &Server) -> i64 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
    command.args(["browse", &server.url, "--policy", "None", "--allow-insecure", "--format", "json"]);
    command.args(["--from", "i=2274", "--match", "ServerDiagnosticsSummary/CurrentSubscriptionCount"]);
    let output = command.output().await.unwrap();
    let list: serde_json::Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    list[0]["value"].as_i64().unwrap_or_else(|| panic!("{list}"))
}

/// Tags `item0`, `item1`, … with these options.
fn items(count: usize, options: &str) -> Vec<(String, String)> {
    (0..count).map(|n| (format!("item{n}"), format!("{}{options}", plant(&format!("item{n}"))))).collect()
}

fn listed(tags: &[(String, String)]) -> Vec<(&str, &str)> {
    tags.iter().map(|(tag, options)| (tag.as_str(), options.as_str())).collect()
}

fn numbers(records: &[Record], tag: &str) -> Vec<i64> {
    records.iter().filter(|record| record.tag == tag).filter_map(number).collect()
}

#[tokio::test]
async fn tags_with_intervals_of_their_own_come_at_them_and_none_loses_a_value_when_the_line_is_cut() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&["--every", "20", "--items", "1"]).await else { return };
    let line = Line::to(&server).await;
    let options = "    security: { policy: None, allow_insecure: true }\n    publishing: 100ms\n    keep_alive: 1s\n    queue: 10000\n";
    let (often, seldom) = (plant("counter"), format!("{}, publishing: 1500ms", plant("item0")));
    let node = node(&line.url, options, &[("often", &often), ("seldom", &seldom)]);
    let mut pipeline = Pipeline::start(&[("ua", node)].into());
    let mut records: Vec<(Instant, Record)> = Vec::new();
    for _ in 0..3 {
        let passing = line.pass(Duration::from_secs(5));
        tokio::pin!(passing);
        loop {
            tokio::select! {
                () = &mut passing => break,
                record = pipeline.until(Instant::now() + Duration::from_secs(60)) => {
                    records.extend(record.map(|record| (Instant::now(), record)));
                }
            }
        }
    }
    let came =
        |tag: &str| records.iter().filter(|(_, record)| record.tag == tag).map(|(at, _)| *at).collect::<Vec<_>>();
    let bursts = |tag: &str| came(tag).windows(2).filter(|pair| Duration::from_millis(500) < pair[1] - pair[0]).count();
    assert!((5..=16).contains(&bursts("seldom")), "{}", bursts("seldom"));
    assert!(bursts("often") <= 4, "{}", bursts("often"));
    let records: Vec<Record> = records.into_iter().map(|(_, record)| record).collect();
    for tag in ["often", "seldom"] {
        let bad: Vec<&str> = records
            .iter()
            .filter(|record| record.tag == tag && record.quality != "good")
            .map(|record| record.quality.as_str())
            .collect();
        assert_eq!(bad, ["bad:not_connected"; 2], "{tag}: {}", pipeline.said());
        let numbers = numbers(&records, tag);
        assert!(200 < numbers.len(), "{tag}: {}", numbers.len());
        let breaks: Vec<&[i64]> = numbers.windows(2).filter(|pair| pair[1] != pair[0] + 1).collect();
        assert!(breaks.is_empty(), "{tag}: {breaks:?}\n{}", pipeline.said());
    }
    pipeline.stop().await;
}

#[tokio::test]
async fn what_a_subscription_has_no_room_for_goes_into_another_and_all_of_them_are_taken_over() {
    let _turn = beside_others().await;
    for options in [&["--per-subscription", "15"][..], &["--per-subscription", "15", "--hidden"]] {
        let all = [&["--items", "40", "--every", "100"], options].concat();
        let Some((mut server, _folder)) = node_opcua(&all).await else { return };
        let mut tags = items(40, "");
        tags.push(("last".to_owned(), format!("{}, sampling: 20ms, queue: 1000", plant("counter"))));
        let mut pipeline = pipeline(&server, "    publishing: 100ms\n    keep_alive: 1s\n", &listed(&tags));
        let seen = pipeline.first_of_each(41).await;
        assert!(seen.values().all(|record| record.quality == "good"), "{options:?}: {}", pipeline.said());
        assert_eq!(subscriptions(&server).await, 3, "{options:?}: {}", pipeline.said());
        let mut records = within(&mut pipeline, Duration::from_secs(2)).await;
        server.tell(&json!({ "forget": "sessions" })).await;
        records.extend(within(&mut pipeline, Duration::from_secs(5)).await);
        let mut numbers = numbers(&records, "last");
        numbers.dedup();
        assert!(
            30 < numbers.len() && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{options:?}: {numbers:?}\n{}",
            pipeline.said()
        );
        assert_eq!(subscriptions(&server).await, 3, "taken over, not made anew: {}", pipeline.said());
        server.tell(&json!({ "forget": "subscriptions" })).await;
        let end = Instant::now() + Duration::from_secs(10);
        until(&mut pipeline, end, |record| record.tag == "last" && record.quality == "bad:data_lost").await;
        until(&mut pipeline, end, |record| record.tag == "last" && record.quality == "good").await;
        let records = within(&mut pipeline, Duration::from_secs(2)).await;
        assert!(records.iter().all(|record| record.tag == "last" || record.quality == "good"), "{records:?}");
        assert_eq!(subscriptions(&server).await, 3, "{}", pipeline.said());
        pipeline.stop().await;
    }
}

#[tokio::test]
async fn more_intervals_than_the_server_has_subscriptions_cost_no_tag() {
    let _turn = beside_others().await;
    let Some((server, _folder)) = node_opcua(&["--items", "13"]).await else { return };
    let tags: Vec<(String, String)> = (0..13)
        .map(|n| (format!("item{n}"), format!("{}, publishing: {}ms", plant(&format!("item{n}")), 100 + 50 * n)))
        .collect();
    let mut pipeline = pipeline(&server, "", &listed(&tags));
    let seen = pipeline.first_of_each(13).await;
    assert!(seen.values().all(|record| record.quality == "good"), "{}", pipeline.said());
    assert!(pipeline.said().contains("the server has no more subscriptions: 1 tag"), "{}", pipeline.said());
    pipeline.stop().await;
}

#[tokio::test]
async fn a_request_that_names_more_than_the_server_takes_is_halved_until_it_fits() {
    let _turn = beside_others().await;
    let Some((server, _folder)) = node_opcua(&["--items", "60", "--per-call", "7"]).await else { return };
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n    batch: 60\n", &listed(&items(60, "")));
    let seen = pipeline.first_of_each(60).await;
    assert!(seen.values().all(|record| record.quality == "good"), "{}", pipeline.said());
    pipeline.stop().await;
}

#[tokio::test]
async fn what_the_server_makes_of_a_request_is_told_kind_by_kind() {
    let _turn = beside_others().await;
    let Some((server, _folder)) = node_opcua(&[]).await else { return };
    let tags = [("a", format!("{}, sampling: 1ms", plant("band"))), ("b", format!("{}, sampling: 1ms", plant("fast")))];
    let listed: Vec<(&str, &str)> = tags.iter().map(|(tag, options)| (*tag, options.as_str())).collect();
    let mut pipeline = pipeline(&server, "    publishing: 1ms\n", &listed);
    pipeline.first_of_each(2).await;
    let said = pipeline.said();
    for words in [
        "has revised the publishing interval: ",
        " instead of 1 ms for 2 tags, such as `a`",
        "has revised the sampling interval: 50 ms instead of 1 ms for 2 tags",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    pipeline.stop().await;
}

#[tokio::test]
async fn a_full_queue_loses_its_oldest_or_its_newest_as_it_is_told_to() {
    let _turn = beside_others().await;
    let Some((mut server, _folder)) = node_opcua(&[]).await else { return };
    let with = |discard: &str| format!("{}, sampling: 10ms, queue: 3, discard: {discard}", plant("band"));
    let (oldest, newest) = (with("oldest"), with("newest"));
    let mut pipeline = pipeline(&server, "    publishing: 3s\n", &[("oldest", &oldest), ("newest", &newest)]);
    pipeline.first_of_each(2).await;
    for to in 1..=8 {
        server.tell(&json!({ "set": "band", "to": to })).await;
        // Longer than a sampling interval.
        sleep(Duration::from_millis(60)).await;
    }
    let records = within(&mut pipeline, Duration::from_secs(4)).await;
    let of = |tag: &str| -> Vec<f64> {
        records.iter().filter(|record| record.tag == tag).filter_map(|record| record.value.as_f64()).collect()
    };
    assert_eq!(of("oldest"), [6.0, 7.0, 8.0], "{records:?}");
    assert_eq!(of("newest"), [1.0, 2.0, 8.0], "{records:?}");
    pipeline.stop().await;
}

#[tokio::test]
async fn a_trigger_says_what_is_news() {
    let _turn = beside_others().await;
    let Some((mut server, _folder)) = node_opcua(&[]).await else { return };
    let with = |trigger: &str| format!("{}, sampling: 10ms, trigger: {trigger}", plant("band"));
    let (status, value, timestamp) = (with("status"), with("value"), with("timestamp"));
    let tags = [("status", status.as_str()), ("value", &value), ("timestamp", &timestamp)];
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n", &tags);
    pipeline.first_of_each(3).await;
    let mut records = Vec::new();
    for (to, status) in [(1, "Good"), (1, "Good"), (2, "UncertainLastUsableValue"), (3, "UncertainLastUsableValue")] {
        server.tell(&json!({ "set": "band", "to": to, "status": status })).await;
        records.extend(within(&mut pipeline, Duration::from_millis(500)).await);
    }
    let of = |tag: &str| -> Vec<f64> {
        records.iter().filter(|record| record.tag == tag).filter_map(|record| record.value.as_f64()).collect()
    };
    assert_eq!(of("status"), [2.0], "{records:?}");
    assert_eq!(of("value"), [1.0, 2.0, 3.0], "{records:?}");
    assert_eq!(of("timestamp"), [1.0, 1.0, 2.0, 3.0], "{records:?}");
    pipeline.stop().await;
}

#[tokio::test]
async fn an_item_that_is_not_there_is_asked_for_again_until_it_is_and_stops_nobody() {
    let _turn = beside_others().await;
    let Some(mut server) = Server::start(&["--every", "100"]).await else { return };
    let (late, counter) = (plant("late"), plant("counter"));
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n", &[("late", &late), ("counter", &counter)]);
    let seen = pipeline.first_of_each(2).await;
    assert_eq!(seen["late"].quality, "bad:0x80340000", "no such node");
    server.tell(&json!({ "add": "late" })).await;
    let end = Instant::now() + Duration::from_secs(20);
    let records = until(&mut pipeline, end, |record| record.tag == "late" && number(record) == Some(7)).await;
    let numbers = numbers(&records, "counter");
    assert!(30 < numbers.len() && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    assert!(pipeline.said().contains("heard now: 1 tag that the server refused before"), "{}", pipeline.said());
    pipeline.stop().await;
}
