//! Tests of `debounce`; what it does on the clock is tested in `cases/debounce`.

use fieldflow_contract::Tag;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::transform::kit::testing::{live, replayed};

fn debouncer(hold: u64, edge: &str) -> Debouncer {
    let rule = json!({ "tags": "*", "for": format!("{hold}us"), "edge": edge });
    Debouncer::new(serde_json::from_value(json!({ "rules": [rule] })).unwrap())
}

fn tag(n: usize) -> Tag {
    Tag::new(&format!("debounce.{n}")).unwrap()
}

/// Records of one tag at these times.
fn states(states: &[(i64, i64)]) -> Vec<Record> {
    states.iter().map(|&(time, state)| Record::good(tag(0), Timestamp(time), Value::I64(state))).collect()
}

fn left(records: &[Record]) -> Vec<(i64, i64)> {
    let state = |record: &Record| match record.value {
        Value::I64(state) => (record.time.0, state),
        _ => panic!("not a state"),
    };
    records.iter().map(state).collect()
}

#[test]
fn a_bounce_is_one_change_at_its_last_edge() {
    let bounce = states(&[(0, 0), (20, 1), (21, 0), (22, 1), (24, 0), (25, 1), (30, 1), (34, 1), (35, 1), (50, 1)]);
    let played = live(&mut debouncer(10, "trailing"), &bounce);
    assert_eq!((left(&played.left), played.filtered), (vec![(0, 0), (25, 1)], 8));
    let played = live(&mut debouncer(10, "leading"), &bounce);
    assert_eq!((left(&played.left), played.filtered), (vec![(0, 0), (20, 1)], 8));
}

#[test]
fn a_state_that_is_there_when_the_lock_out_ends_is_emitted_and_locks_out_again() {
    let pulse = states(&[(0, 0), (20, 1), (23, 0), (31, 1), (39, 0), (60, 0)]);
    let played = live(&mut debouncer(10, "leading"), &pulse);
    assert_eq!(left(&played.left), [(0, 0), (20, 1), (23, 0)]);
    let played = live(&mut debouncer(10, "leading"), &states(&[(0, 0), (20, 1), (23, 0), (31, 1), (60, 1)]));
    assert_eq!(left(&played.left), [(0, 0), (20, 1), (23, 0), (31, 1)]);
}

#[test]
fn a_state_between_two_others_is_emitted_only_if_it_held() {
    for (until, expected) in [(29, vec![(0, 0), (29, 2)]), (30, vec![(0, 0), (20, 1), (30, 2)])] {
        let records = states(&[(0, 0), (20, 1), (until, 2), (60, 2)]);
        assert_eq!(left(&replayed(&mut debouncer(10, "trailing"), &records, 9).left), expected);
        assert_eq!(left(&live(&mut debouncer(10, "trailing"), &records).left), expected);
    }
}

#[test]
fn a_lock_out_does_not_outlast_a_clock_that_was_set_back() {
    let played = replayed(&mut debouncer(10, "leading"), &states(&[(1000, 0), (1020, 1), (30, 0), (45, 1)]), 1);
    assert_eq!(left(&played.left), [(1000, 0), (1020, 1), (30, 0), (45, 1)]);
}

prop_compose! {
    /// Records of two tags, in order of time.
    fn any_records()(steps in prop::collection::vec((0..2_usize, 0..12_i64, 0..3_i64, 0..20_u32), 1..120)) -> Vec<Record> {
        let mut time = 0;
        let record = |(n, later, state, quality): (usize, i64, i64, u32)| {
            time += later;
            let quality = [Quality::BAD_TIMEOUT, Quality::GOOD][quality.min(1) as usize];
            Record { quality, ..Record::good(tag(n), Timestamp(time), Value::I64(state)) }
        };
        steps.into_iter().map(record).collect()
    }
}

proptest! {
    #[test]
    fn what_is_emitted_held_and_the_last_state_arrives(
        records in any_records(), hold in 1..40_i64, is_leading in any::<bool>(),
    ) {
        let edge = if is_leading { "leading" } else { "trailing" };
        let played = live(&mut debouncer(hold as u64, edge), &records);
        prop_assert_eq!(played.filtered + played.left.len() as u64, records.len() as u64);
        for n in 0..2 {
            let all: Vec<&Record> = records.iter().filter(|record| record.tag == tag(n)).collect();
            let left = played.of(tag(n));
            prop_assert!(left.is_sorted_by_key(|record| record.time));
            let state = |record: &&Record| (record.value.clone(), record.quality);
            prop_assert_eq!(left.last().map(state), all.last().map(state));
            for (at, pair) in left.windows(2).enumerate() {
                prop_assert!(state(&pair[0]) != state(&pair[1]), "each state leaves once");
                // What was still waiting at the end need not have held.
                if !is_leading && pair[0].quality == pair[1].quality && pair[1].quality.is_good() && at + 2 < left.len() {
                    let held = all.iter().filter(|record| pair[1].time < record.time && record.time < pair[1].time + Duration::from_micros(hold as u64));
                    prop_assert!(held.into_iter().all(|record| state(record) == state(&pair[1])));
                }
            }
        }
    }

    #[test]
    fn what_comes_late_from_disk_is_judged_by_its_own_time(
        records in any_records(), hold in 1..40_u64, is_leading in any::<bool>(), at_once in 1..9_usize,
    ) {
        let edge = if is_leading { "leading" } else { "trailing" };
        let live = live(&mut debouncer(hold, edge), &records);
        let replayed = replayed(&mut debouncer(hold, edge), &records, at_once);
        prop_assert_eq!(live.filtered, replayed.filtered);
        for n in 0..2 {
            prop_assert_eq!(live.of(tag(n)), replayed.of(tag(n)));
        }
    }
}
