//! Tests of `replay`, on tokio's paused time.

use fieldflow_contract::Value;
use serde_json::{Value as Json, json};

use super::*;
use crate::follower::Follower;

fn line(time: &str, value: i64) -> String {
    format!("{{\"t\":\"2026-01-01T{time}Z\",\"tag\":\"replay.n\",\"value\":{value}}}\n")
}

struct Playing {
    player: Player,
    folder: tempfile::TempDir,
}

impl Playing {
    fn new(text: &str, options: &Json) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("in.jsonl"), text).unwrap();
        let mut all = json!({ "path": "in.jsonl" });
        all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let clock = Arc::new(Follower::from(Timestamp(1_000_000_000)));
        let context = BuildContext::alone("replay", folder.path(), clock);
        Self { player: Player::new(serde_json::from_value(all).unwrap(), &context), folder }
    }

    async fn start(text: &str, options: &Json) -> Self {
        let mut playing = Self::new(text, options);
        Source::connect(&mut playing.player).await.unwrap();
        playing
    }

    /// The next batch: the values in it, the time of its first record, and the milliseconds since the start.
    async fn next(&mut self) -> Option<(Vec<Value>, Timestamp, u64)> {
        match Source::read(&mut self.player).await {
            Ok(delivery) => {
                let (first, at) = (delivery.batch.records()[0].time, self.player.start.elapsed().as_millis() as u64);
                Some((delivery.batch.into_records().into_iter().map(|record| record.value).collect(), first, at))
            }
            Err(NodeError::Ended) => None,
            Err(error) => panic!("{error}"),
        }
    }

    async fn all(&mut self) -> Vec<(Vec<i64>, u64)> {
        let mut all = Vec::new();
        while let Some((values, _, at)) = self.next().await {
            let number = |value| if let Value::I64(number) = value { number } else { panic!("{value:?}") };
            all.push((values.into_iter().map(number).collect(), at));
        }
        all
    }
}

fn capture() -> String {
    [line("00:00:00", 1), line("00:00:00", 2), line("00:00:01", 3), line("00:00:00.5", 4), line("02:00:00.5", 5)]
        .concat()
}

#[tokio::test(start_paused = true)]
async fn the_recorded_distances_are_kept_and_a_step_back_is_none() {
    for (options, at) in [
        (json!({}), [0, 1_000, 1_000, 7_201_000]),
        (json!({ "speed": 10 }), [0, 100, 100, 720_100]),
        (json!({ "speed": 0.5 }), [0, 2_000, 2_000, 14_402_000]),
        (json!({ "pace": "max" }), [0, 0, 0, 0]),
    ] {
        let told = Playing::start(&capture(), &options).await.all().await;
        let values: Vec<_> = told.iter().map(|(values, _)| values.clone()).collect();
        assert_eq!(values, [vec![1, 2], vec![3], vec![4], vec![5]]);
        // Tokio's timer counts in milliseconds and rounds up.
        assert!(told.iter().zip(at).all(|((_, told), at)| (at..=at + 2).contains(told)), "{options}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_times_are_those_of_the_file_or_of_the_moment() {
    let mut recorded = Playing::start(&capture(), &json!({})).await;
    assert_eq!(recorded.next().await.unwrap().1, "2026-01-01T00:00:00Z".parse().unwrap());
    assert_eq!(recorded.next().await.unwrap().1, "2026-01-01T00:00:01Z".parse().unwrap());
    let mut now = Playing::start(&capture(), &json!({ "times": "now" })).await;
    now.next().await.unwrap();
    let (_, time, _) = now.next().await.unwrap();
    assert_eq!(time, now.player.clock.now());
}

#[tokio::test(start_paused = true)]
async fn it_begins_again_after_the_last_distance() {
    let text = [line("00:00:00", 1), line("00:00:03", 2)].concat();
    let mut playing = Playing::start(&text, &json!({ "repeat": true })).await;
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(playing.next().await.unwrap().2 / 1000);
    }
    assert_eq!(told, [0, 3, 6, 9, 12]);
    let mut single = Playing::start(&line("00:00:00", 1), &json!({ "repeat": true })).await;
    let mut told = Vec::new();
    for _ in 0..3 {
        told.push(single.next().await.unwrap().2 / 1000);
    }
    assert_eq!(told, [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_file_without_records_ends_at_once_even_if_it_repeats() {
    for options in [json!({}), json!({ "repeat": true })] {
        let mut playing = Playing::start("\n\n", &options).await;
        assert_eq!(playing.all().await, []);
        assert_eq!(playing.all().await, [], "the end stays the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_line_that_has_gone_wrong_is_refused_and_the_others_are_played() {
    let text = [&line("00:00:00", 1), "oops\n", &line("00:00:01", 2)].concat();
    let mut playing = Playing::start(&text, &json!({})).await;
    let Err(NodeError::Rejected(cause)) = Source::read(&mut playing.player).await else { panic!("not refused") };
    assert!(cause.message.contains("in.jsonl, line 2: not a record"), "{cause}");
    Source::connect(&mut playing.player).await.unwrap();
    assert_eq!(playing.all().await.into_iter().map(|(values, _)| values).collect::<Vec<_>>(), [[1], [2]]);
    Source::close(&mut playing.player).await;
}

#[tokio::test]
async fn a_file_that_is_gone_stops_the_pipeline() {
    let mut playing = Playing::new("", &json!({}));
    std::fs::remove_file(playing.folder.path().join("in.jsonl")).unwrap();
    assert!(matches!(Source::connect(&mut playing.player).await, Err(NodeError::Broken(_))));
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_given_up_while_it_waits_loses_nothing() {
    let mut playing = Playing::start(&capture(), &json!({})).await;
    playing.next().await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(10), Source::read(&mut playing.player)).await.is_err());
    assert_eq!(playing.next().await.unwrap().0, [Value::I64(3)]);
}

#[test]
fn every_wrong_line_is_told_up_to_a_limit() {
    let playing = Playing::new(&"oops\n".repeat(50), &json!({}));
    let check = |path: &str| {
        let mut findings = Findings::default();
        let config = serde_json::from_value(json!({ "path": path })).unwrap();
        Replay::check_files(&config, playing.folder.path(), &mut findings);
        findings.0.into_iter().map(|found| found.message).collect::<Vec<_>>()
    };
    let told = check("in.jsonl");
    assert_eq!(told.len(), TOLD + 1);
    assert!(told[19].starts_with("in.jsonl, line 20: ") && told[20].contains("perhaps more"), "{told:?}");
    assert!(check("other.jsonl")[0].contains("cannot read `other.jsonl`"));
    assert!(check(".")[0].contains("no ordinary file"));
}
