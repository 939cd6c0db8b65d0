//! Tests of `generate`, on tokio's paused time.

use std::time::Duration;

use fieldflow_contract::Value;
use serde_json::{Value as Json, json};

use super::*;
use crate::follower::Follower;

async fn generator(options: Json) -> Generator {
    let context =
        BuildContext::alone("gen", std::path::Path::new(""), Arc::new(Follower::from(Timestamp(1_000_000_000))));
    let mut generator = Generator::new(&serde_json::from_value(options).unwrap(), &context).unwrap();
    Source::connect(&mut generator).await.unwrap();
    generator
}

async fn read(generator: &mut Generator) -> Vec<Record> {
    Source::read(generator).await.unwrap().batch.into_records()
}

async fn all(options: Json) -> Vec<Record> {
    let mut generator = generator(options).await;
    let mut records = Vec::new();
    while let Ok(delivery) = Source::read(&mut generator).await {
        records.extend(delivery.batch.into_records());
    }
    records
}

fn wrong(options: Json) -> String {
    serde_json::from_value::<Config>(options).unwrap_err().to_string()
}

#[tokio::test(start_paused = true)]
async fn tags_take_turns_by_name_and_records_bear_the_time_they_were_due() {
    let tags = json!({ "gen.b": { "counter": {} }, "gen.a": { "ramp": { "from": 0, "to": 8, "period": "8s" } } });
    let records = all(json!({ "rate": 2, "count": 4, "tags": tags })).await;
    let told: Vec<_> = records.iter().map(|record| (record.tag.name(), record.time.0, record.value.clone())).collect();
    assert_eq!(
        told,
        [
            ("gen.a", 1_000_000_000, Value::F64(0.0)),
            ("gen.b", 1_000_500_000, Value::I64(0)),
            ("gen.a", 1_001_000_000, Value::F64(1.0)),
            ("gen.b", 1_001_500_000, Value::I64(1)),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_rate_is_kept_on_average_whatever_the_batch() {
    for (rate, batch) in [(7.0, 1), (1000.0, 100), (333.3, 65_536), (250_000.0, 100)] {
        let (began, count) = (Instant::now(), (rate * 20.0) as u64);
        let options = json!({ "rate": rate, "batch": batch, "count": count, "tags": { "gen.n": { "counter": {} } } });
        let records = all(options).await;
        assert_eq!(records.len() as u64, count);
        let took = began.elapsed().as_secs_f64();
        // The last record is due one gap before the end; tokio's timer counts in milliseconds.
        assert!((took - (count - 1) as f64 / rate).abs() < 0.002, "{rate} records/s: {count} in {took} s");
    }
}

#[tokio::test(start_paused = true)]
async fn no_record_waits_longer_than_a_tenth_of_a_second_for_its_batch() {
    for rate in [0.5, 15.0, 1000.0] {
        let mut generator = generator(json!({ "rate": rate, "tags": { "gen.n": { "counter": {} } } })).await;
        for _ in 0..20 {
            let records = read(&mut generator).await;
            let waited = generator.clock.now().since(records[0].time);
            assert!(waited < Duration::from_millis(102), "{rate} records/s: {waited:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_hold_up_it_catches_up_on_one_second_and_counts_the_rest() {
    let mut generator = generator(json!({ "rate": 1000, "tags": { "gen.n": { "counter": {} } } })).await;
    let before = read(&mut generator).await;
    tokio::time::advance(Duration::from_secs(10)).await;
    let mut caught_up = Vec::new();
    let held = Instant::now();
    while held.elapsed().is_zero() {
        caught_up.extend(read(&mut generator).await);
    }
    // The last batch was waited for.
    assert_eq!(caught_up.len(), 1000 + 100);
    assert_eq!(caught_up[0].value, Value::I64(before.len() as i64), "a counter has no holes");
    let missed = generator.tally.snapshot()["missed"];
    let gap = caught_up[0].time.since(before[99].time).as_millis() as u64;
    assert_eq!(gap, missed + 1, "one record a millisecond");
    assert!((8_900..=9_100).contains(&missed), "{missed}");
}

#[tokio::test(start_paused = true)]
async fn the_same_options_give_the_same_values() {
    let options = json!({ "rate": 500, "seed": 3, "count": 1000, "tags": {
        "gen.x": { "noise": { "sigma": 2 } }, "gen.s": { "sine": {} }, "gen.r": { "ramp": {} },
    }});
    let (one, two) = (all(options.clone()).await, all(options).await);
    assert!(one.iter().zip(&two).all(|(one, two)| (one.tag, &one.value) == (two.tag, &two.value)));
    assert_eq!(one.len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn at_full_speed_it_lets_other_tasks_have_their_turn() {
    let mut generator = generator(json!({ "rate": "max", "tags": { "gen.n": { "counter": {} } } })).await;
    let turns = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let other = async {
        loop {
            turns.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    };
    let reader = async {
        for _ in 0..1000 {
            let records = read(&mut generator).await;
            assert!(records.iter().all(|record| record.time == records[0].time), "the time of the batch");
        }
    };
    tokio::select! { biased; () = reader => {}, () = other => {} }
    assert!(5 <= turns.load(std::sync::atomic::Ordering::Relaxed), "{turns:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_given_up_while_it_waits_loses_nothing() {
    let mut generator = generator(json!({ "rate": 10, "tags": { "gen.n": { "counter": {} } } })).await;
    read(&mut generator).await;
    assert!(tokio::time::timeout(Duration::from_millis(50), Source::read(&mut generator)).await.is_err());
    assert_eq!(read(&mut generator).await[0].value, Value::I64(1));
}

#[tokio::test(start_paused = true)]
async fn rates_beyond_all_reason_neither_panic_nor_flood() {
    for rate in [1e-300, 1e300] {
        let mut generator = generator(json!({ "rate": rate, "tags": { "gen.n": { "counter": {} } } })).await;
        let day = Duration::from_secs(86_400);
        assert!(!read(&mut generator).await.is_empty());
        tokio::time::advance(day).await;
        let next = tokio::time::timeout(day, Source::read(&mut generator)).await;
        assert_eq!(next.is_ok(), 1.0 < rate, "{rate}");
    }
}

#[test]
fn a_rate_is_a_positive_number_or_max() {
    for rate in [json!(0), json!(-1), json!(-0.5), json!("fast"), json!([1])] {
        let told = wrong(json!({ "rate": rate, "tags": {} }));
        assert!(told.contains("a positive number of records a second, or `max`"), "{told}");
    }
}

#[test]
fn a_signal_has_one_kind_and_no_unknown_option() {
    for signal in
        [json!({}), json!({ "counter": {}, "sine": {} }), json!({ "counter": { "from": 1 } }), json!({ "saw": {} })]
    {
        assert!(!wrong(json!({ "rate": 1, "tags": { "gen.n": signal } })).is_empty());
    }
}
