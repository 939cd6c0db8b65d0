//! Tests of `window`: against windows counted by hand, and the two clocks.

use std::collections::BTreeMap;

use fieldflow_contract::{Quality, Record, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::transform::kit::testing::{apply, at, build, emitted, play, with};

fn window(options: Json) -> Box<dyn Transform> {
    build(&Window, options)
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

fn finished(node: &mut dyn Transform) -> Vec<Record> {
    let mut out = Outputs::default();
    node.finish(Timestamp(0), &mut out);
    emitted(&mut out)
}

/// Time in seconds, value and quality.
fn plain(records: Vec<Record>) -> Vec<(i64, Value, Quality)> {
    records.into_iter().map(|record| (record.time.0 / 1_000_000, record.value, record.quality)).collect()
}

#[test]
fn a_dead_tag_holds_no_other_and_is_closed_by_the_machines_clock_whatever_its_own_says() {
    let mut node = window(json!({ "size": "10s", "of": ["count"], "as": "{tag}" }));
    // The clock of the device is an hour behind.
    let mut out = Outputs::default();
    let first = vec![at("window.dead", 3600, Value::I64(1)), at("window.alive", 3600, Value::I64(1))];
    apply(&mut *node, Batch::new(first, seconds(7204)).unwrap(), &mut out);
    let alive = Batch::one(at("window.alive", 3610, Value::I64(1)), seconds(7213));
    apply(&mut *node, alive, &mut out);
    let told = emitted(&mut out);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].tag.name(), told[0].time), ("window.alive", seconds(3600)));
    assert_eq!(node.due(), Some(seconds(7214)));
    node.tick(seconds(7214), &mut out);
    let told = emitted(&mut out);
    assert_eq!((told.len(), told[0].tag.name()), (1, "window.dead"));
    // The other was heard of last at 7213, when its window had ten seconds to go.
    while node.due() != Some(seconds(7223)) {
        node.tick(node.due().unwrap(), &mut out);
    }
    assert_eq!(emitted(&mut out), []);
}

#[test]
fn a_clock_that_was_set_back_loses_no_more_than_a_window() {
    let mut node = window(json!({ "size": "10s", "of": ["count"], "as": "{tag}" }));
    play(&mut *node, vec![at("window.back", 1_000_000, Value::I64(1))]);
    let told = play(&mut *node, (5..35).map(|n| at("window.back", n, Value::I64(1))).collect());
    let partial = Quality::UNCERTAIN_SUB_NORMAL;
    assert_eq!(
        plain(told),
        [(1_000_000, Value::U64(1), partial), (10, Value::U64(5), partial), (20, Value::U64(10), Quality::GOOD)]
    );
}

#[test]
fn what_waited_on_disk_is_late_and_sets_no_clock_back() {
    let mut node = window(json!({ "size": "10s", "of": ["count"], "as": "{tag}" }));
    play(&mut *node, vec![at("window.disk", 1000, Value::I64(1))]);
    let mut out = Outputs::default();
    let old: Vec<Record> = (0..100).map(|n| at("window.disk", n, Value::I64(n))).collect();
    node.apply(Batch::new(old.clone(), seconds(0)).unwrap().replayed(), &mut out).unwrap();
    let emissions: Vec<_> = out.take_emissions().collect();
    assert_eq!((emissions.len(), &*emissions[0].port), (1, "late"));
    assert!(emissions[0].batch.is_replayed());
    assert_eq!(emissions[0].batch.records(), old);
}

#[test]
fn time_avg_is_right_in_any_order_as_long_as_the_window_is_open() {
    let of = json!({ "size": "10s", "lateness": "10s", "of": ["time_avg"], "as": "{tag}" });
    let mut node = window(of);
    let told = play(
        &mut *node,
        [(0, 1), (12, 7), (5, 3), (2, 2), (30, 0)].map(|(t, v)| at("window.order", t, Value::I64(v))).to_vec(),
    );
    // 2·1 + 3·2 + 5·3, then 2·3 (carried) + 8·7.
    assert_eq!(plain(told)[..2], [(0, Value::F64(2.3), Quality::GOOD), (10, Value::F64(6.2), Quality::GOOD)]);
}

#[test]
fn more_values_than_are_put_in_order_give_the_same_average() {
    let mut node = window(json!({ "size": "1000s", "of": ["time_avg"], "as": "{tag}" }));
    let told = play(&mut *node, (0..=1000).map(|n| at("window.many", n, Value::I64(n))).collect());
    assert_eq!(plain(told), [(0, Value::F64(499.5), Quality::GOOD)]);
}

#[test]
fn times_at_the_ends_of_the_world_do_no_harm() {
    let mut node = window(json!({ "size": "1h", "every": "7s", "of": ["count", "time_avg", "p95"] }));
    for time in [i64::MAX, i64::MIN, 0, i64::MIN, i64::MAX, i64::MAX - 1] {
        let record = Record { time: Timestamp(time), ..at("window.ends", 0, Value::I64(1)) };
        play(&mut *node, vec![record]);
        node.tick(Timestamp(i64::MAX), &mut Outputs::default());
    }
    finished(&mut *node);
}

/// What a window comes to: count, sum, min, max, first, last, `time_avg`.
type Told = [Option<f64>; 7];

fn by_hand(records: &[(i64, i64, bool)], size: i64, every: i64) -> BTreeMap<i64, Told> {
    let mut windows = BTreeMap::new();
    let last = records.iter().map(|(time, ..)| *time).max().unwrap();
    for start in (-size..=last).filter(|start| start.rem_euclid(every) == 0) {
        let inside: Vec<_> = records.iter().filter(|(time, ..)| (start..start + size).contains(time)).collect();
        if inside.is_empty() {
            continue;
        }
        let good: Vec<f64> = inside.iter().filter(|(.., good)| *good).map(|(_, value, _)| *value as f64).collect();
        // Second by second: what held at its beginning. A window that is open at the end is known to the last record only.
        let end = if last < start + size { last } else { start + size };
        let held = |second: i64| {
            let before = records.iter().rev().find(|(time, ..)| *time <= second);
            before.filter(|(.., good)| *good).map(|(_, value, _)| *value as f64)
        };
        let over_time: Vec<f64> = (start..end).filter_map(held).collect();
        let time_avg = match over_time.len() {
            0 => inside.last().filter(|(.., good)| *good).map(|(_, value, _)| *value as f64),
            seconds => Some(over_time.iter().sum::<f64>() / seconds as f64),
        };
        windows.insert(
            start,
            [
                Some(good.len() as f64),
                good.iter().copied().reduce(|a, b| a + b),
                good.iter().copied().reduce(f64::min),
                good.iter().copied().reduce(f64::max),
                good.first().copied(),
                good.last().copied(),
                time_avg.filter(|_| !good.is_empty()),
            ],
        );
    }
    windows
}

proptest! {
    #[test]
    fn windows_come_to_what_they_are_by_hand(
        steps in prop::collection::vec((0..15_i64, -50..50_i64, prop::bool::weighted(0.8)), 1..60),
        size in 1..30_i64, overlap in 1..5_i64, shuffle in any::<u64>(),
    ) {
        let every = (size / overlap).max(1);
        let mut time = 0;
        let mut records: Vec<(i64, i64, bool)> = Vec::new();
        for (gap, value, good) in steps {
            time += gap;
            // Two records of the same time in another order are another truth.
            if records.last().is_none_or(|(last, ..)| *last < time) {
                records.push((time, value, good));
            }
        }
        let expected = by_hand(&records, size, every);
        let options = json!({
            "size": format!("{size}s"), "every": format!("{every}s"), "lateness": "100s", "as": "window.model.{agg}",
            "of": ["count", "sum", "min", "max", "first", "last", "time_avg"],
        });
        let mut node = window(options);
        let mut arriving: Vec<Record> = records.iter().map(|&(time, value, good)| {
            with(if good { Quality::GOOD } else { Quality::BAD }, at("window.model", time, Value::I64(value)))
        }).collect();
        // Neighbours change places, which 100 seconds of lateness must put right again; the first stays, as it begins it all.
        for n in (2..arriving.len()).step_by(2) {
            if shuffle >> (n % 64) & 1 == 1 {
                arriving.swap(n - 1, n);
            }
        }
        let mut told: BTreeMap<i64, Told> = BTreeMap::new();
        let results = [play(&mut *node, arriving), finished(&mut *node)].concat();
        for (n, record) in results.into_iter().enumerate() {
            told.entry(record.time.0 / 1_000_000).or_default()[n % 7] = record.value.as_f64();
        }
        prop_assert_eq!(told.len(), expected.len());
        for ((start, told), (_, expected)) in told.iter().zip(&expected) {
            for (told, expected) in told.iter().zip(expected) {
                let same = match (told, expected) {
                    (Some(told), Some(expected)) => (told - expected).abs() < 1e-9,
                    (told, expected) => told == expected,
                };
                prop_assert!(same, "window at {}: {:?} {:?}", start, told, expected);
            }
        }
    }

    #[test]
    fn every_record_is_counted_once_or_late(times in prop::collection::vec(0..200_i64, 1..100), lateness in 0..30_i64) {
        let mut node = window(json!({ "size": "10s", "lateness": format!("{lateness}s"), "of": ["count"], "as": "{tag}" }));
        let mut out = Outputs::default();
        for &time in &times {
            node.apply(Batch::one(at("window.once", time, Value::I64(1)), seconds(0)), &mut out).unwrap();
        }
        node.finish(seconds(0), &mut out);
        let (mut counted, mut late) = (0, 0);
        for emission in out.take_emissions() {
            match &*emission.port {
                LATE => late += emission.batch.len(),
                _ => counted += emission.batch.records().iter().map(|record| record.value.as_f64().unwrap() as usize).sum::<usize>(),
            }
        }
        prop_assert_eq!(counted + late, times.len());
    }
}
