//! Tests of `scale`; the arithmetic is tested in `decimal`, the checks in `cases/scale`.

use fieldflow_contract::Timestamp;
use serde_json::{Value as Json, json};

use super::*;
use fieldflow_contract::Tag;

fn scaler(rules: &Json) -> Scaler {
    let config: Config = serde_json::from_value(json!({ "rules": rules })).unwrap();
    let rules = config.rules.into_iter().map(|rule| Scaling::new(rule).unwrap());
    let rules = Rules::new(rules);
    Scaler { rules }
}

fn record(tag: &str, value: Value) -> Record {
    Record::good(Tag::new(tag).unwrap(), Timestamp(0), value)
}

fn scaled(rules: &Json, record: Record) -> Record {
    let mut out = Outputs::default();
    scaler(rules).apply(Batch::one(record, Timestamp(0)), &mut out).unwrap();
    let emission = out.take_emissions().next().unwrap();
    emission.batch.into_records().remove(0)
}

#[test]
fn the_first_rule_that_names_a_tag_is_used_and_others_pass_untouched() {
    let rules = json!([
        { "tags": "scale.a", "linear": { "factor": 2 } },
        { "tags": ["scale.*"], "linear": { "factor": 3 } },
    ]);
    assert_eq!(scaled(&rules, record("scale.a", Value::I64(1))).value, Value::F64(2.0));
    assert_eq!(scaled(&rules, record("scale.b", Value::I64(1))).value, Value::F64(3.0));
    assert_eq!(scaled(&rules, record("other", Value::I64(1))).value, Value::I64(1));
}

#[test]
fn a_clamp_keeps_the_result_between_the_ends_whichever_way_they_lie() {
    let rules = json!([{ "tags": "*", "range": { "from": [0, 10], "to": [100, 0] }, "clamp": true }]);
    for (value, expected) in [(-1, 100.0), (4, 60.0), (11, 0.0)] {
        assert_eq!(scaled(&rules, record("scale.c", Value::I64(value))).value, Value::F64(expected));
    }
}

#[test]
fn a_root_stays_at_its_foot_below_the_range_and_hits_its_end() {
    let rules = json!([{ "tags": "*", "sqrt": { "from": [4, 20], "to": [0.1, 0.3] } }]);
    for (value, expected) in [(3.5, 0.1), (4.0, 0.1), (8.0, 0.2), (20.0, 0.3)] {
        assert_eq!(scaled(&rules, record("scale.d", Value::F64(value))).value, Value::F64(expected));
    }
    let Value::F64(beyond) = scaled(&rules, record("scale.d", Value::F64(68.0))).value else { panic!("not a double") };
    assert!((beyond - 0.5).abs() < 1e-12, "{beyond}");
}

#[test]
fn what_is_no_number_keeps_its_value_and_says_why() {
    let rules = json!([{ "tags": "*", "linear": { "factor": 2 } }]);
    for value in [Value::Text("on".into()), Value::Bool(true), Value::Null] {
        let told = scaled(&rules, record("scale.e", value.clone()));
        assert_eq!((told.value, told.quality), (value, Quality::BAD_TYPE_MISMATCH));
    }
}

#[test]
fn a_first_reason_is_not_replaced_and_a_bad_number_is_scaled_all_the_same() {
    let rules = json!([{ "tags": "*", "linear": { "factor": 2 } }]);
    let mut bad = record("scale.f", Value::Null);
    bad.quality = Quality::BAD_TIMEOUT;
    assert_eq!(scaled(&rules, bad.clone()), bad);
    bad.value = Value::U64(3);
    let told = scaled(&rules, bad);
    assert_eq!((told.value, told.quality), (Value::F64(6.0), Quality::BAD_TIMEOUT));
}

#[test]
fn what_is_not_finite_stays_so_and_is_out_of_range() {
    let linear = json!([{ "tags": "*", "linear": { "factor": 1e300 } }]);
    let clamped = json!([{ "tags": "*", "range": { "from": [0, 1], "to": [0, 1] }, "clamp": true }]);
    let root = json!([{ "tags": "*", "sqrt": { "from": [0, 1], "to": [0, 1] } }]);
    for (rules, value) in [
        (&linear, f64::NAN),
        (&linear, 1e300),
        (&clamped, f64::NAN),
        (&clamped, f64::INFINITY),
        (&root, f64::NAN),
        (&root, f64::NEG_INFINITY),
    ] {
        let told = scaled(rules, record("scale.g", Value::F64(value)));
        assert_eq!(told.quality, Quality::BAD_OUT_OF_RANGE, "{rules} {value}");
        assert!(!told.value.as_f64().unwrap().is_finite(), "{rules} {value}");
    }
}

#[test]
fn a_shared_batch_that_no_rule_names_is_not_copied() {
    let batch = Batch::one(record("scale.h", Value::I64(1)), Timestamp(0));
    let (shared, mut out) = (batch.clone(), Outputs::default());
    scaler(&json!([{ "tags": "no.such.tag", "linear": {} }])).apply(batch, &mut out).unwrap();
    let emission = out.take_emissions().next().unwrap();
    assert_eq!(emission.batch.records().as_ptr(), shared.records().as_ptr());
}
