//! Tests of `clamp`; the checks and what becomes of whole records are tested in `cases/clamp`.

use fieldflow_contract::{Tag, Timestamp};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn clamped(rule: &Json, value: Value) -> Option<Record> {
    let mut rule = rule.clone();
    rule["tags"] = json!("*");
    let mut clamper = Clamper::new(serde_json::from_value(json!({ "rules": [rule] })).unwrap());
    let record = Record::good(Tag::new("clamp.a").unwrap(), Timestamp(0), value);
    let mut out = Outputs::default();
    clamper.apply(Batch::one(record, Timestamp(0)), &mut out).unwrap();
    let dropped: u64 = out.take_filtered().map(|(_, records)| records).sum();
    let mut emissions = out.take_emissions();
    let left = emissions.next().map(|emission| emission.batch.into_records().remove(0));
    assert_eq!(u64::from(left.is_none()), dropped);
    left
}

#[test]
fn every_kind_of_number_keeps_its_kind() {
    for (min, max, value, expected) in [
        (0.5, 9.5, Value::I64(-3), Value::I64(1)),
        (0.5, 9.5, Value::U64(12), Value::U64(9)),
        (-9.5, -0.5, Value::U64(12), Value::I64(-1)),
        (0.0, 1e19, Value::U64(u64::MAX), Value::U64(10_000_000_000_000_000_000)),
        (1e19, 2e19, Value::I64(5), Value::U64(10_000_000_000_000_000_000)),
        (0.1, 0.9, Value::F32(1.0), Value::F32(0.9)),
        (0.1, 0.9, Value::F64(-0.0), Value::F64(0.1)),
        (0.1, 0.9, Value::I64(5), Value::F64(0.9)),
        (1e30, 2e30, Value::I64(5), Value::F64(1e30)),
        (1e300, 2e300, Value::F32(5.0), Value::F32(f32::MAX)),
    ] {
        let told = clamped(&json!({ "min": min, "max": max }), value.clone()).unwrap();
        assert_eq!((told.value, told.quality), (expected, Quality::GOOD_CLAMPED), "{value:?} in {min} to {max}");
    }
}

#[test]
fn the_limits_are_inside_also_for_singles() {
    for value in [Value::F32(0.1), Value::F32(0.3), Value::F64(0.1), Value::F64(0.3)] {
        let told = clamped(&json!({ "min": 0.1, "max": 0.3 }), value.clone()).unwrap();
        assert_eq!((told.value, told.quality), (value, Quality::GOOD));
    }
}

#[test]
fn what_is_not_finite_is_outside_of_any_limits_and_stays_what_it_is() {
    for value in [Value::F64(f64::INFINITY), Value::F64(f64::NAN), Value::F32(f32::NEG_INFINITY)] {
        for on_exceed in ["clamp", "uncertain", "bad"] {
            let told = clamped(&json!({ "max": 5, "on_exceed": on_exceed }), value.clone()).unwrap();
            assert!(told.value.same_as(&value));
            assert_eq!(told.quality, Quality::BAD_OUT_OF_RANGE);
        }
        assert_eq!(clamped(&json!({ "max": 5, "on_exceed": "drop" }), value), None);
    }
}

fn any_number() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::U64),
        (-100_i64..100).prop_map(Value::I64),
        prop::num::f32::NORMAL.prop_map(Value::F32),
        (-100.0..100.0).prop_map(Value::F64),
        prop::num::f64::NORMAL.prop_map(Value::F64),
    ]
}

proptest! {
    #[test]
    fn what_leaves_lies_inside_and_what_was_inside_is_untouched(
        value in any_number(), low in -100.0..100.0, span in 0.0..100.0,
    ) {
        let told = clamped(&json!({ "min": low, "max": low + span }), value.clone()).unwrap();
        let (was, is) = (value.as_f64().unwrap(), told.value.as_f64().unwrap());
        // The nearest single may lie just outside of the limit.
        let slack = if matches!(value, Value::F32(_)) { 1e-5 } else { 0.0 };
        prop_assert!((low - slack..=low + span + slack).contains(&is), "{is}");
        if told.quality == Quality::GOOD {
            prop_assert_eq!(told.value, value);
        } else {
            prop_assert!(!(low..=low + span).contains(&was));
        }
    }
}
