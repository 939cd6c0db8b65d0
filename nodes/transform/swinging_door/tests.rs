//! Tests of `swinging_door`; what it does on the clock is tested in `cases/swinging_door`.

use std::time::Duration;

use fieldflow_contract::{Quality, Tag, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::transform::kit::testing::{live, replayed};

fn compressor(mut rule: Json) -> Compressor {
    rule["tags"] = json!("*");
    Compressor::new(serde_json::from_value(json!({ "rules": [rule] })).unwrap())
}

fn tag(n: usize) -> Tag {
    Tag::new(&format!("swinging_door.{n}")).unwrap()
}

fn points(points: &[(i64, f64)]) -> Vec<Record> {
    points.iter().map(|&(time, value)| Record::good(tag(0), Timestamp(time), Value::F64(value))).collect()
}

fn left(rule: Json, input: &[(i64, f64)]) -> Vec<(i64, f64)> {
    let played = live(&mut compressor(rule), &points(input));
    assert_eq!(played.filtered + played.left.len() as u64, input.len() as u64);
    played.left.iter().map(|record| (record.time.0, record.value.as_f64().unwrap())).collect()
}

#[test]
fn of_a_straight_line_only_its_ends_leave_and_of_a_bend_its_corner() {
    let ramp: Vec<(i64, f64)> = (0..50).map(|n| (n, 2.0 * n as f64)).collect();
    assert_eq!(left(json!({ "deviation": 0.1 }), &ramp), [(0, 0.0), (49, 98.0)]);
    let bend: Vec<(i64, f64)> = (0..50).map(|n| (n, if n < 20 { 0.0 } else { n as f64 - 20.0 })).collect();
    assert_eq!(left(json!({ "deviation": 0.1 }), &bend), [(0, 0.0), (20, 0.0), (49, 29.0)]);
}

#[test]
fn a_step_leaves_with_the_record_before_it() {
    let step = [(0, 1.0), (1, 1.0), (2, 1.0), (3, 9.0), (4, 9.0), (5, 9.0)];
    assert_eq!(left(json!({ "deviation": 0.5 }), &step), [(0, 1.0), (2, 1.0), (3, 9.0), (5, 9.0)]);
    let at_once = [(0, 1.0), (5, 1.0), (5, 9.0), (5, 9.0), (6, 9.2)];
    assert_eq!(left(json!({ "deviation": 0.5 }), &at_once), [(0, 1.0), (5, 1.0), (5, 9.0), (6, 9.2)]);
}

#[test]
fn a_line_that_only_its_own_end_misses_is_not_drawn() {
    // The doors of the textbook are still open at the third point: a line from 0 to 5 misses the second by no more than 1.
    // But the line to the third point itself, 0 to 7, passes the second at 3.5, which is too far.
    let points = [(0, 0.0), (1, 2.0), (2, 7.0), (3, 7.0)];
    assert_eq!(left(json!({ "deviation": 1 }), &points)[..2], [(0, 0.0), (1, 2.0)]);
}

#[test]
fn a_clock_that_was_set_back_begins_a_new_line() {
    let back = [(100, 0.0), (101, 1.0), (102, 2.0), (50, 3.0), (51, 3.0), (52, 3.0)];
    let played = replayed(&mut compressor(json!({ "deviation": 0.1 })), &points(&back), 6);
    assert_eq!(played.left.iter().map(|record| record.time.0).collect::<Vec<_>>(), [100, 102, 50, 52]);
}

#[test]
fn numbers_that_are_out_of_proportion_leave() {
    let extremes = [(0, -f64::MAX), (1, f64::MAX), (2, -f64::MAX), (3, f64::NAN), (4, f64::NAN), (5, 1.0), (6, 1.0)];
    assert_eq!(left(json!({ "deviation": 1e308 }), &extremes).len(), 6);
}

#[test]
fn within_min_time_nothing_leaves_but_a_change_of_quality() {
    let mut records = points(&[(0, 0.0), (3, 50.0), (9, 0.0), (10, 0.0), (20, 30.0), (25, 0.0), (26, 0.0), (40, 0.0)]);
    records[6].quality = Quality::UNCERTAIN;
    let played = live(&mut compressor(json!({ "deviation": 1, "min_time": "10us" })), &records);
    assert_eq!(played.left.iter().map(|record| record.time.0).collect::<Vec<_>>(), [0, 10, 20, 26, 40]);
}

/// Two tags that wander, stand still, jump and now and then fail; each step so much later than the one before.
fn any_records(later: std::ops::Range<i64>, faults: u32) -> impl Strategy<Value = Vec<Record>> {
    prop::collection::vec((0..2_usize, later, -30..30_i32, 0..4_usize, 0..25_u32), 1..150).prop_map(move |steps| {
        let (mut time, mut values) = (0, [0.0; 2]);
        let record = |(n, later, move_by, kind, fault): (usize, i64, i32, usize, u32)| {
            time += later;
            values[n] += f64::from(move_by) * [0.0, 0.01, 0.1, 1.0][kind];
            let (value, quality) = match fault {
                _ if faults <= fault => (Value::F64(values[n]), Quality::GOOD),
                0 => (Value::Null, Quality::BAD_TIMEOUT),
                1 => (Value::F64(values[n]), Quality::UNCERTAIN),
                _ => (Value::F64(f64::NAN), Quality::GOOD),
            };
            Record { quality, ..Record::good(tag(n), Timestamp(time), value) }
        };
        steps.into_iter().map(record).collect()
    })
}

/// How far a record lies from the straight line between two others.
fn off(from: &Record, to: &Record, record: &Record) -> f64 {
    let [from_value, to_value, value] = [from, to, record].map(|record| record.value.as_f64().unwrap_or(f64::NAN));
    let run = (to.time.0 - from.time.0) as f64;
    let share = if run == 0.0 { 0.0 } else { (record.time.0 - from.time.0) as f64 / run };
    (from_value + (to_value - from_value) * share - value).abs()
}

fn rule(deviation: f64, max_time: Option<u64>) -> Json {
    json!({ "deviation": deviation, "max_time": max_time.map(|micros| format!("{micros}us")) })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_is_dropped_lies_within_the_deviation_of_the_line_between_its_neighbours(
        records in any_records(1..9, 3), deviation in 0.0..3.0, max_time in prop::option::of(1..60_u64),
    ) {
        let played = live(&mut compressor(rule(deviation, max_time)), &records);
        prop_assert_eq!(played.filtered + played.left.len() as u64, records.len() as u64);
        for n in 0..2 {
            let all: Vec<&Record> = records.iter().filter(|record| record.tag == tag(n)).collect();
            let left = played.of(tag(n));
            prop_assert!(left.windows(2).all(|pair| pair[0].time < pair[1].time));
            for (at, record) in all.iter().enumerate() {
                // Times are told apart, so that they tell the records.
                let next = left.partition_point(|other| other.time < record.time);
                if left.get(next).is_some_and(|other| other.time == record.time) {
                    continue;
                }
                prop_assert!(at != 0 && next != 0, "the first record leaves");
                prop_assert_eq!(all[at - 1].quality, record.quality, "a change of quality leaves");
                let before = left[next - 1];
                if record.quality.is_bad() || record.value.same_as(&Value::F64(f64::NAN)) {
                    prop_assert!(before.value.same_as(&record.value) && before.quality == record.quality);
                } else {
                    prop_assert!(next < left.len(), "the last number leaves");
                    prop_assert!(before.quality == record.quality && left[next].quality == record.quality);
                    let off = off(before, left[next], record);
                    prop_assert!(off <= deviation + 1e-9, "{off} {record:?}");
                }
            }
            if let Some(max) = max_time.map(Duration::from_micros) {
                for pair in left.windows(2).filter(|pair| max < pair[1].time.since(pair[0].time)) {
                    // Repeats of what is on no line leave with the first one that comes after that.
                    let is_number = |record: &Record| record.value.as_f64().is_some_and(f64::is_finite);
                    let between = all.iter().filter(|record| pair[0].time < record.time && record.time < pair[1].time);
                    prop_assert!(!between.into_iter().any(|record| is_number(record)), "one could have left sooner");
                }
            }
        }
    }

    #[test]
    fn that_holds_also_for_records_of_the_same_time(records in any_records(0..2, 0), deviation in 0.0..3.0) {
        let played = live(&mut compressor(rule(deviation, None)), &records);
        for n in 0..2 {
            let left = played.of(tag(n));
            for record in records.iter().filter(|record| record.tag == tag(n)) {
                let lines = left.windows(2).map(|pair| (pair[0], pair[1])).chain(left.iter().map(|one| (*one, *one)));
                let beside = lines.filter(|(from, to)| from.time <= record.time && record.time <= to.time);
                let off = beside.map(|(from, to)| off(from, to, record)).fold(f64::INFINITY, f64::min);
                prop_assert!(off <= deviation + 1e-9, "{off} {record:?}");
            }
        }
    }

    #[test]
    fn what_comes_late_from_disk_is_judged_by_its_own_time(
        records in any_records(0..9, 3), max_time in prop::option::of(1..60_u64), at_once in 1..9_usize,
    ) {
        let live = live(&mut compressor(rule(1.0, max_time)), &records);
        let replayed = replayed(&mut compressor(rule(1.0, max_time)), &records, at_once);
        for n in 0..2 {
            prop_assert_eq!(format!("{:?}", live.of(tag(n))), format!("{:?}", replayed.of(tag(n))));
        }
    }
}
