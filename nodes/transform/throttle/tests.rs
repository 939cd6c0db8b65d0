//! Tests of `throttle`; what it does on the clock is tested in `cases/throttle`.

use fieldflow_contract::{Tag, Value};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::transform::kit::testing::{live, replayed};

fn throttler(records: u32, period: u64, keep: &str) -> Throttler {
    let config = json!({ "records": records, "period": format!("{period}us"), "keep": keep });
    Throttler::new(serde_json::from_value(config).unwrap())
}

fn tag(n: usize) -> Tag {
    Tag::new(&format!("throttle.{n}")).unwrap()
}

fn records(times: impl IntoIterator<Item = i64>) -> Vec<Record> {
    times
        .into_iter()
        .enumerate()
        .map(|(at, time)| Record::good(tag(0), Timestamp(time), Value::I64(at as i64)))
        .collect()
}

fn times(records: &[Record]) -> Vec<i64> {
    records.iter().map(|record| record.time.0).collect()
}

#[test]
fn a_steady_tag_gives_one_record_a_period() {
    let records = records(0..35);
    for (keep, expected) in [("first", vec![0, 10, 20, 30]), ("last", vec![0, 9, 19, 29, 34])] {
        let played = live(&mut throttler(1, 10, keep), &records);
        assert_eq!(times(&played.left), expected);
        assert_eq!(played.filtered + played.left.len() as u64, 35);
    }
}

#[test]
fn a_clock_that_was_set_back_silences_nothing_and_a_little_disorder_opens_no_period() {
    let played = live(&mut throttler(1, 10, "first"), &records([100, 98, 105, 10, 12, 5, 20, 111]));
    assert_eq!(times(&played.left), [100, 10, 20, 111]);
}

#[test]
fn what_is_held_comes_before_the_record_of_a_later_period() {
    let played = replayed(&mut throttler(1, 10, "last"), &records([0, 3, 25, 26]), 8);
    assert_eq!(times(&played.left), [0, 3, 25, 26]);
}

prop_compose! {
    /// Records of two tags, in order of time.
    fn any_records()(steps in prop::collection::vec((0..2_usize, 0..12_i64, 0..12_u32), 1..120)) -> Vec<Record> {
        let mut time = 0;
        let record = |(at, (n, later, quality)): (usize, (usize, i64, u32))| {
            time += later;
            let quality = [Quality::BAD_TIMEOUT, Quality::GOOD][quality.min(1) as usize];
            Record { quality, ..Record::good(tag(n), Timestamp(time), Value::I64(at as i64)) }
        };
        steps.into_iter().enumerate().map(record).collect()
    }
}

proptest! {
    #[test]
    fn no_period_has_too_many_and_the_newest_arrives(
        records in any_records(), limit in 1..4_u32, period in 1..40_u64, is_last in any::<bool>(),
    ) {
        let played = live(&mut throttler(limit, period, if is_last { "last" } else { "first" }), &records);
        prop_assert_eq!(played.filtered + played.left.len() as u64, records.len() as u64);
        for n in 0..2 {
            let all: Vec<&Record> = records.iter().filter(|record| record.tag == tag(n)).collect();
            let left = played.of(tag(n));
            prop_assert!(left.is_sorted_by_key(|record| record.time));
            prop_assert_eq!(left.first(), all.first());
            if is_last {
                prop_assert_eq!(left.last(), all.last());
            }
            // From one change of quality to the next.
            for run in all.chunk_by(|one, two| one.quality == two.quality) {
                let places: Vec<&Value> = run.iter().map(|record| &record.value).collect();
                let left = left.iter().filter(|record| places.contains(&&record.value)).count() as u64;
                let span = run[run.len() - 1].time.since(run[0].time).as_micros() as u64;
                prop_assert!(1 <= left, "a change of quality passes");
                // The last one may be what was still held at the end.
                prop_assert!(left <= u64::from(limit) * (span / period + 1) + u64::from(is_last));
            }
        }
    }

    #[test]
    fn what_comes_late_from_disk_is_throttled_by_its_own_time(
        records in any_records(), limit in 1..4_u32, period in 1..40_u64, at_once in 1..9_usize,
    ) {
        let live = live(&mut throttler(limit, period, "last"), &records);
        let replayed = replayed(&mut throttler(limit, period, "last"), &records, at_once);
        prop_assert_eq!(live.filtered, replayed.filtered);
        for n in 0..2 {
            prop_assert_eq!(live.of(tag(n)), replayed.of(tag(n)));
        }
    }
}
