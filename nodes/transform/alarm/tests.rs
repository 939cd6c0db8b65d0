//! Tests of `alarm`: no transition is told twice, none without its cause, and none is forgotten over a restart.

use fieldflow_contract::{Quality, Saved};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::transform::kit::testing::{at, build_with, with};

fn alarm(saved: &Saved, mut rule: Json) -> Box<dyn Transform> {
    rule["tags"] = "*".into();
    build_with(&Alarm, json!({ "rules": [rule] }), saved).0
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp(seconds * 1_000_000)
}

/// The transitions: time in seconds and state.
fn transitions(out: &mut Outputs) -> Vec<(i64, String)> {
    let alarms = out.take_emissions().filter(|emission| emission.port == ALARMS);
    let plain = |record: Record| match record.value {
        Value::Text(state) => (record.time.0 / 1_000_000, state.to_string()),
        other => panic!("{other:?}"),
    };
    alarms.flat_map(|emission| emission.batch.into_records()).map(plain).collect()
}

fn told(node: &mut dyn Transform, records: Vec<Record>) -> Vec<(i64, String)> {
    let mut out = Outputs::default();
    let received = records.last().map_or(Timestamp(0), |record| record.time);
    node.apply(Batch::new(records, received).unwrap(), &mut out).unwrap();
    transitions(&mut out)
}

fn values(tag: &str, values: &[f64]) -> Vec<Record> {
    values.iter().zip(0..).map(|(&value, n)| at(tag, n, Value::F64(value))).collect()
}

fn states(told: &[(i64, String)]) -> Vec<&str> {
    told.iter().map(|(_, state)| state.as_str()).collect()
}

#[test]
fn hysteresis_is_counted_in_decimals_and_acts_on_clearing_only() {
    let mut node = alarm(&Saved::default(), json!({ "hi": 0.3, "lo": 0.1, "hysteresis": 0.1 }));
    let told = told(&mut *node, values("alarm.h", &[0.3, 0.300_001, 0.21, 0.2, 0.1, 0.09, 0.19, 0.2]));
    assert_eq!(told, [(1, "hi".into()), (3, "normal".into()), (5, "lo".into()), (7, "normal".into())]);
}

#[test]
fn a_jump_through_all_limits_is_one_transition() {
    let mut node = alarm(&Saved::default(), json!({ "hihi": 20, "hi": 10, "lo": -10, "lolo": -20 }));
    let told = told(&mut *node, values("alarm.jump", &[25.0, -25.0, -15.0, 15.0, 0.0]));
    assert_eq!(states(&told), ["hihi", "lolo", "lo", "hi", "normal"]);
}

#[test]
fn the_other_side_does_not_wait_for_an_off_delay() {
    let mut node = alarm(&Saved::default(), json!({ "hihi": 20, "lo": -10, "off_delay": "1h" }));
    assert_eq!(states(&told(&mut *node, values("alarm.side", &[25.0, -15.0]))), ["hihi", "lo"]);
}

#[test]
fn a_delay_that_ran_out_between_two_records_is_told_with_its_own_time() {
    let mut node = alarm(&Saved::default(), json!({ "hi": 10, "on_delay": "5s", "off_delay": "3s" }));
    let records = [(0, 11), (20, 9), (40, 11), (44, 9), (60, 12), (64, 12), (65, 5)];
    let told = told(&mut *node, records.map(|(time, value)| at("alarm.between", time, Value::I64(value))).to_vec());
    assert_eq!(told, [(5, "hi".into()), (23, "normal".into()), (65, "hi".into())]);
}

#[test]
fn a_state_is_kept_over_a_restart() {
    let saved = Saved::default();
    let rule = json!({ "hihi": 20, "hi": 10, "hysteresis": 2 });
    let mut node = alarm(&saved, rule.clone());
    assert_eq!(states(&told(&mut *node, values("alarm.kept", &[25.0]))), ["hihi"]);
    let mut node = alarm(&saved, rule.clone());
    assert_eq!(states(&told(&mut *node, values("alarm.kept", &[25.0, 19.0, 18.5]))), ["hihi"]);
    assert_eq!(states(&told(&mut *node, values("alarm.kept", &[18.0]))), ["hi"]);
    // A limit that is no more is no alarm any more.
    let mut node = alarm(&saved, json!({ "hihi": 20 }));
    assert_eq!(states(&told(&mut *node, values("alarm.kept", &[18.0, 18.0]))), ["hi", "normal"]);
    let document = String::from_utf8(saved.load().unwrap()).unwrap();
    assert_eq!(document, r#"{"version":1,"tags":{"alarm.kept":{"state":"normal","is_uncertain":false,"time":0}}}"#);
}

#[test]
fn what_may_not_have_arrived_is_told_once_more_after_a_restart_with_its_own_time() {
    let saved = Saved::default();
    let rule = json!({ "hi": 80 });
    let uncertain = with(Quality::UNCERTAIN, at("alarm.again", 2, Value::I64(85)));
    let out = told(&mut *alarm(&saved, rule.clone()), vec![at("alarm.again", 0, Value::I64(50)), uncertain]);
    assert_eq!(out, [(2, "hi".into())]);
    // Killed before anybody had it. What was told as normal is told again, too.
    let mut node = alarm(&saved, rule.clone());
    let mut out = Outputs::default();
    node.apply(Batch::one(at("alarm.again", 12, Value::I64(85)), seconds(12)), &mut out).unwrap();
    let alarms: Vec<_> = out.take_emissions().filter(|emission| emission.port == ALARMS).collect();
    assert_eq!(alarms[0].batch.records()[0].quality, Quality::UNCERTAIN);
    assert_eq!(told(&mut *node, vec![at("alarm.again", 14, Value::I64(50))]), [(14, "normal".into())]);
    let mut node = alarm(&saved, rule);
    let once_more = told(&mut *node, [20, 21].map(|time| at("alarm.again", time, Value::I64(50))).to_vec());
    assert_eq!(once_more, [(14, "normal".into())]);
}

#[test]
fn a_fault_begins_delays_anew_and_ends_no_alarm() {
    let mut node = alarm(&Saved::default(), json!({ "hi": 10, "on_delay": "5s" }));
    let hi = |time| at("alarm.fault", time, Value::I64(11));
    let bad = |time| with(Quality::BAD_TIMEOUT, at("alarm.fault", time, Value::I64(0)));
    assert_eq!(told(&mut *node, vec![hi(0), bad(4), hi(6), hi(10)]), []);
    assert_eq!(told(&mut *node, vec![hi(11), bad(12), bad(100)]), [(11, "hi".into())]);
}

#[test]
fn values_pass_untouched_even_if_others_read_them_too() {
    let mut node = alarm(&Saved::default(), json!({ "hi": 10 }));
    let batch = Batch::new(values("alarm.pass", &[1.0, 50.0, f64::NAN]), seconds(0)).unwrap();
    let (shared, mut out) = (batch.clone(), Outputs::default());
    node.apply(batch, &mut out).unwrap();
    let first = out.take_emissions().next().unwrap();
    assert_eq!(first.batch.records().as_ptr(), shared.records().as_ptr());
}

#[test]
fn what_waited_on_disk_is_no_news() {
    let mut node = alarm(&Saved::default(), json!({ "hi": 10 }));
    let mut out = Outputs::default();
    for (time, value) in [(100, 1), (50, 11)] {
        let batch = Batch::one(at("alarm.disk", time, Value::I64(value)), seconds(time));
        node.apply(batch.replayed(), &mut out).unwrap();
    }
    assert_eq!(transitions(&mut out), []);
}

proptest! {
    #[test]
    fn transitions_alternate_and_come_back_only_beyond_the_hysteresis(
        moves in prop::collection::vec((-30..30_i32, 0..10_i64, prop::bool::weighted(0.9)), 1..100),
        hysteresis in 0..8_i32, on in 0..6_i64, off in 0..6_i64, with_bad in any::<bool>(),
    ) {
        let rule = json!({
            "hihi": 20, "hi": 10, "lo": -10, "lolo": -20, "hysteresis": hysteresis,
            "on_delay": format!("{on}s"), "off_delay": format!("{off}s"), "bad": if with_bad { "alarm" } else { "ignore" },
        });
        let mut node = alarm(&Saved::default(), rule);
        let (mut time, mut last) = (0, "normal".to_owned());
        let mut out = Outputs::default();
        let mut seen: Vec<(i64, Option<i32>)> = Vec::new();
        for (value, gap, good) in moves {
            time += gap;
            let mut all = Vec::new();
            while let Some(due) = node.due().filter(|due| *due <= seconds(time)) {
                node.tick(due, &mut out);
                prop_assert_ne!(node.due(), Some(due));
            }
            all.extend(transitions(&mut out));
            let quality = if good { Quality::GOOD } else { Quality::BAD };
            seen.push((time, good.then_some(value)));
            all.extend(told(&mut *node, vec![with(quality, at("alarm.model", time, Value::I64(i64::from(value))))]));
            for (when, state) in all {
                prop_assert_ne!(&state, &last);
                // What was seen at that time, or a moment before if a delay ran out just then.
                let held: Vec<i32> = seen.iter().filter(|(at, _)| *at <= when).rev().take(2).filter_map(|(_, value)| *value).collect();
                let cause = |fits: &dyn Fn(i32) -> bool| held.iter().any(|value| fits(*value));
                match (last.as_str(), state.as_str()) {
                    // It hid what was there all the time.
                    ("bad", _) => {}
                    (_, "hihi") => prop_assert!(cause(&|value| value > 20 - hysteresis)),
                    (_, "lolo") => prop_assert!(cause(&|value| value < -20 + hysteresis)),
                    ("hi" | "hihi", "normal") => prop_assert!(cause(&|value| value <= 10 - hysteresis)),
                    ("lo" | "lolo", "normal") => prop_assert!(cause(&|value| value >= -10 + hysteresis)),
                    _ => {}
                }
                last = state;
            }
        }
    }
}
