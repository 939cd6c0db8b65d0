//! Tests of `deadband`; the checks, the silence and the hold-off are tested in `cases/deadband`.

use std::collections::HashMap;

use fieldflow_contract::Tag;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn gate(rule: &Json) -> Gate {
    let mut rule = rule.clone();
    rule["tags"] = json!("*");
    Gate::new(serde_json::from_value(json!({ "rules": [rule] })).unwrap()).unwrap()
}

/// Which of the records pass, by their place.
fn passing(gate: &mut Gate, records: Vec<Record>) -> Vec<usize> {
    let records = records.into_iter().enumerate();
    records.filter_map(|(at, record)| (gate.judge(&record) == Verdict::Passes).then_some(at)).collect()
}

fn records(values: impl IntoIterator<Item = Value>) -> Vec<Record> {
    let tag = Tag::new("deadband.a").unwrap();
    values.into_iter().enumerate().map(|(at, value)| Record::good(tag, Timestamp(at as i64), value)).collect()
}

#[test]
fn a_move_that_equals_the_threshold_is_dropped_as_people_reckon() {
    for values in [[0.7, 0.8], [0.8, 0.7], [0.2, 0.3], [1.1, 1.0], [-0.05, 0.05]] {
        let mut gate = gate(&json!({ "absolute": 0.1 }));
        assert_eq!(passing(&mut gate, records(values.map(Value::F64))), [0], "{values:?}");
        let mut gate = super::tests::gate(&json!({ "absolute": 0.1 }));
        assert_eq!(passing(&mut gate, records(values.map(|v| Value::F32(v as f32)))), [0], "{values:?}");
    }
    let mut gate = gate(&json!({ "percent": 10, "of": "last" }));
    assert_eq!(passing(&mut gate, records([0.7, 0.77, 0.771].map(Value::F64))), [0, 2]);
}

#[test]
fn a_threshold_of_zero_drops_exact_repeats_only() {
    let next = 0.1_f64.next_up();
    let values = [Value::F64(0.1), Value::F64(0.1), Value::F64(next), Value::F64(next), Value::F64(0.1)];
    assert_eq!(passing(&mut gate(&json!({ "absolute": 0 })), records(values)), [0, 2, 4]);
    let large = [1 << 60, (1 << 60) + 1, (1 << 60) + 1].map(Value::I64);
    assert_eq!(passing(&mut gate(&json!({ "absolute": 0 })), records(large)), [0, 1]);
}

#[test]
fn integers_are_compared_as_such() {
    let values = [Value::I64(i64::MIN), Value::U64(u64::MAX), Value::U64(u64::MAX - 4), Value::U64(u64::MAX - 6)];
    assert_eq!(passing(&mut gate(&json!({ "absolute": 5 })), records(values)), [0, 1, 3]);
}

#[test]
fn what_is_no_number_passes_when_it_changes() {
    let text = |text: &str| Value::Text(text.into());
    let values =
        [Value::Bool(true), Value::Bool(true), Value::Bool(false), text("a"), text("a"), text("b"), Value::I64(1)];
    assert_eq!(passing(&mut gate(&json!({ "absolute": 100 })), records(values)), [0, 2, 3, 5, 6]);
}

#[test]
fn nan_and_infinity_pass_when_they_come_and_when_they_go() {
    let values = [1.0, f64::NAN, f64::NAN, 1.0, f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, 1.0];
    for rule in [json!({ "absolute": 100 }), json!({ "percent": 100, "of": "last" })] {
        assert_eq!(passing(&mut gate(&rule), records(values.map(Value::F64))), [0, 1, 3, 4, 6, 7]);
    }
}

proptest! {
    /// The values are decimals, so that integers can tell what is within the threshold.
    #[test]
    fn what_is_dropped_is_within_the_threshold_of_the_last_that_passed_and_what_passes_is_not(
        steps in prop::collection::vec((0..3_usize, -500_i32..500, 0..8_u32), 1..200),
        threshold in 0_i32..300, places in 0..4_i32, single in any::<bool>(),
    ) {
        let ten = 10_f64.powi(places);
        let tags = [0, 1, 2].map(|n| Tag::new(&format!("deadband.{n}")).unwrap());
        let mut gate = gate(&json!({ "absolute": f64::from(threshold) / ten }));
        let mut last: HashMap<usize, (i32, Quality)> = HashMap::new();
        for (at, (tag, digits, quality)) in steps.into_iter().enumerate() {
            let value = f64::from(digits) / ten;
            let value = if single { Value::F32(value as f32) } else { Value::F64(value) };
            let quality = [Quality::BAD, Quality::UNCERTAIN, Quality::GOOD][quality.min(2) as usize];
            let record = Record { quality, ..Record::good(tags[tag], Timestamp(at as i64), value) };
            let passes = gate.judge(&record) == Verdict::Passes;
            let expected =
                last.get(&tag).is_none_or(|(was, before)| *before != quality || threshold < (digits - was).abs());
            prop_assert_eq!(passes, expected, "{:?} after {:?}", record, last.get(&tag));
            if passes {
                last.insert(tag, (digits, quality));
            }
        }
    }
}
