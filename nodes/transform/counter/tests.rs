//! Tests of `counter`: nothing is counted twice, nothing is lost, and nothing makes a spike.

use fieldflow_contract::{Saved, Tag};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::transform::kit::testing::{apply, at, build_with, play, with};

fn counter(saved: &Saved, rule: &Json) -> Box<dyn Transform> {
    let mut options = json!({ "rules": [rule] });
    options["rules"][0]["tags"] = "*".into();
    build_with(&Counter, options, saved).0
}

fn told(node: &mut dyn Transform, readings: &[u64]) -> Vec<Value> {
    let records = readings.iter().zip(0..).map(|(&reading, n)| at("counter.t", n, Value::U64(reading))).collect();
    play(node, records).into_iter().map(|record| record.value).collect()
}

#[test]
fn the_highest_value_and_the_number_of_values_say_the_same() {
    for (max, values) in [
        (65_536, 65_536),
        (65_535, 65_536),
        (999_999, 1_000_000),
        (1_000_000, 1_000_000),
        (5000, 5000),
        (u64::MAX, 1 << 64),
    ] {
        assert_eq!(count::values(max), values, "{max}");
    }
}

#[test]
fn the_largest_counters_are_exact_to_the_last_digit() {
    let mut node = counter(&Saved::default(), &json!({ "max": u64::MAX }));
    let readings = [u64::MAX - 2, u64::MAX - 1, u64::MAX, 0, 1];
    assert_eq!(told(&mut *node, &readings), [0, 1, 2, 3, 4].map(Value::U64));
}

#[test]
fn a_total_that_is_too_large_says_so() {
    let mut node = counter(&Saved::default(), &json!({}));
    let records = [0, u64::MAX, 5, 6].map(|reading| at("counter.full", 0, Value::U64(reading)));
    let told = play(&mut *node, records.to_vec());
    assert_eq!(told[2].quality, Quality::BAD_OUT_OF_RANGE);
    assert_eq!(told[2].value, Value::U64(u64::MAX));
}

#[test]
fn a_reading_that_is_a_little_lower_makes_no_spike_if_the_most_is_known() {
    let mut node = counter(&Saved::default(), &json!({ "max": 65536, "max_delta": 100, "output": "delta" }));
    assert_eq!(told(&mut *node, &[50_000, 49_999, 50_010, 7]), [11, 7].map(Value::U64));
}

#[test]
fn what_stands_in_for_a_reading_is_not_counted() {
    let mut node = counter(&Saved::default(), &json!({}));
    let records = vec![
        at("counter.in", 0, Value::U64(1000)),
        with(Quality::UNCERTAIN_SUBSTITUTE, at("counter.in", 1, Value::U64(0))),
        with(Quality::BAD_TIMEOUT, at("counter.in", 2, Value::Null)),
        at("counter.in", 3, Value::U64(1007)),
    ];
    let told: Vec<_> = play(&mut *node, records).into_iter().map(|record| record.value).collect();
    assert_eq!(told, [0, 0, 0, 7].map(Value::U64));
}

#[test]
fn what_waited_on_disk_is_no_restart_of_the_counter() {
    let mut node = counter(&Saved::default(), &json!({}));
    play(&mut *node, vec![at("counter.disk", 100_000, Value::U64(500))]);
    let mut out = Outputs::default();
    let old = Batch::one(at("counter.disk", 0, Value::U64(400)), Timestamp(0)).replayed();
    node.apply(old, &mut out).unwrap();
    assert_eq!(out.take_filtered().collect::<Vec<_>>(), [("late", 1)]);
    assert_eq!(play(&mut *node, vec![at("counter.disk", 100_001, Value::U64(501))])[0].value, Value::U64(1));
}

#[test]
fn it_is_stored_after_a_while_and_only_if_something_was_counted() {
    let saved = Saved::default();
    let mut node = counter(&saved, &json!({}));
    assert!(saved.is_wanted() && node.due().is_none());
    told(&mut *node, &[4]);
    assert_eq!(node.due(), None, "a tag that is new is stored at once");
    assert!(saved.take_new().is_some());
    told(&mut *node, &[5, 6]);
    assert_eq!(node.due(), Some(Timestamp(11_000_000)));
    node.tick(Timestamp(11_000_000), &mut Outputs::default());
    let document = String::from_utf8(saved.take_new().unwrap()).unwrap();
    assert_eq!(document, r#"{"version":1,"tags":{"counter.t":{"raw":6,"total":2,"time":1000000}}}"#);
    play(&mut *node, vec![at("counter.t", 1, Value::U64(6))]);
    assert_eq!(node.due(), None);
    node.finish(Timestamp(0), &mut Outputs::default());
    assert_eq!(saved.take_new(), None);
}

#[test]
fn a_total_goes_on_if_the_program_was_killed_within_the_first_moment() {
    let saved = Saved::default();
    assert_eq!(told(&mut *counter(&saved, &json!({})), &[100]), [0].map(Value::U64));
    assert_eq!(told(&mut *counter(&saved, &json!({})), &[107]), [7].map(Value::U64));
}

#[test]
fn tags_that_come_one_by_one_are_not_stored_each_time() {
    let saved = Saved::default();
    let mut node = counter(&saved, &json!({}));
    let mut stored = 0;
    for n in 0..1000 {
        let record = at(&format!("counter.many.{n}"), 0, Value::U64(1));
        let received = Timestamp(n * 10_000);
        apply(&mut *node, Batch::one(record, received), &mut Outputs::default());
        stored += u64::from(saved.take_new().is_some());
    }
    assert_eq!(stored, 10);
}

#[test]
fn tags_that_do_not_come_by_keep_what_was_stored_of_them() {
    let saved = Saved::default();
    saved.found(br#"{"version":1,"tags":{"counter.gone":{"raw":7,"total":70.5,"time":0}}}"#.to_vec());
    let mut node = counter(&saved, &json!({}));
    told(&mut *node, &[1]);
    node.finish(Timestamp(0), &mut Outputs::default());
    let mut node = counter(&saved, &json!({}));
    assert_eq!(play(&mut *node, vec![at("counter.gone", 1, Value::F64(7.1))])[0].value, Value::F64(70.6));
}

#[test]
fn a_document_that_cannot_be_read_is_a_new_beginning() {
    let saved = Saved::default();
    saved.found(b"{".to_vec());
    assert_eq!(told(&mut *counter(&saved, &json!({})), &[3, 4]), [0, 1].map(Value::U64));
}

/// A meter with 1000 values, what it does, and what it truly counts.
#[derive(Debug, Clone)]
enum Act {
    Count(u64),
    /// Begins again at 0, then counts; only where that can be told from a wrap and from going on.
    Restart(u64),
    /// The program is stopped and started.
    Stop,
    Fault,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![8 => (0..50_u64).prop_map(Act::Count), 1 => (0..50_u64).prop_map(Act::Restart), 1 => Just(Act::Stop), 1 => Just(Act::Fault)]
}

proptest! {
    #[test]
    fn the_total_is_the_true_count_over_wraps_restarts_and_stops(begin in 0..1000_u64, acts in prop::collection::vec(act(), 1..200)) {
        let (mut shown, mut truth) = (begin, 0);
        let saved = Saved::default();
        let mut node = counter(&saved, &json!({ "max": 1000 }));
        play(&mut *node, vec![at("counter.model", 0, Value::U64(shown))]);
        for (act, time) in acts.into_iter().zip(1..) {
            let quality = if matches!(act, Act::Fault) { Quality::BAD_TIMEOUT } else { Quality::GOOD };
            match act {
                Act::Count(n) => (shown, truth) = ((shown + n) % 1000, truth + n),
                Act::Restart(n) if n < shown && shown <= 900 => (shown, truth) = (n, truth + n),
                Act::Stop => {
                    node.finish(Timestamp(0), &mut Outputs::default());
                    node = counter(&saved, &json!({ "max": 1000 }));
                }
                Act::Restart(_) | Act::Fault => {}
            }
            let told = play(&mut *node, vec![with(quality, at("counter.model", time, Value::U64(shown)))]);
            prop_assert_eq!(&told[0].value, &Value::U64(truth));
        }
    }

    #[test]
    fn a_delta_is_never_negative_and_never_more_than_the_dial(readings in prop::collection::vec(any::<u16>(), 1..100), skip in any::<bool>()) {
        let rule = json!({ "max": 65536, "output": "delta", "reset": if skip { "skip" } else { "value" } });
        let readings: Vec<u64> = readings.into_iter().map(u64::from).collect();
        for delta in told(&mut *counter(&Saved::default(), &rule), &readings) {
            let Value::U64(delta) = delta else { panic!("not a whole number") };
            prop_assert!(delta < 65_536);
        }
    }

    #[test]
    fn after_a_kill_the_total_catches_up_from_what_was_stored(
        counts in prop::collection::vec(0..1_000_000_u64, 2..60), stored in 0..60_usize, killed in 0..60_usize,
    ) {
        let saved = Saved::default();
        let mut node = counter(&saved, &json!({}));
        let mut shown = 12_345;
        let mut last = Value::Null;
        for (n, count) in counts.iter().enumerate() {
            shown += count;
            last = play(&mut *node, vec![at("counter.kill", n as i64, Value::U64(shown))])[0].value.clone();
            if n == stored.min(killed) {
                node.tick(Timestamp(0), &mut Outputs::default());
            }
            if n == killed {
                node = counter(&saved, &json!({}));
            }
        }
        prop_assert_eq!(last, Value::U64(counts[1..].iter().sum()));
    }

    #[test]
    fn fractions_add_up_without_drift(steps in prop::collection::vec(0..1000_u64, 1..300)) {
        let mut node = counter(&Saved::default(), &json!({ "max": 100_000 }));
        let mut shown = 99_990_u64 * 10;
        let mut records = vec![at("counter.tenths", 0, Value::F64(shown as f64 / 10.0))];
        for step in &steps {
            shown = (shown + step) % 1_000_000;
            records.push(at("counter.tenths", 0, Value::F64(shown as f64 / 10.0)));
        }
        let told = play(&mut *node, records).pop().unwrap();
        prop_assert_eq!(told.value, Value::F64(steps.iter().sum::<u64>() as f64 / 10.0));
    }
}

#[test]
fn a_tag_without_a_name_is_refused_as_it_came() {
    let mut node = counter(&Saved::default(), &json!({ "as": "{tag[7]}" }));
    let record = at("counter.unnamed", 0, Value::U64(5));
    let mut out = Outputs::default();
    node.apply(Batch::one(record.clone(), Timestamp(0)), &mut out).unwrap();
    let refused: Vec<_> = out.take_emissions().map(|refused| (refused.port, refused.batch.into_records())).collect();
    assert_eq!(refused, [("rejected".into(), vec![record])]);
    assert!(Tag::new("counter.unnamed").is_ok());
}
