//! Tests of the expressions.

use fieldflow_contract::Timestamp;
use proptest::prelude::*;

use super::functions::FUNCTIONS;
use super::*;

fn record(value: Value) -> Record {
    Record::good(Tag::new("line1.speed").unwrap(), Timestamp(1_500_000), value)
}

fn evaluate(text: &str, record: &Record) -> Result<(Value, Quality), Quality> {
    let mut all = Expressions::default();
    let expression = all.compile(text).unwrap_or_else(|wrong| panic!("{text}: {}", wrong.message()));
    all.evaluate(&expression, record)
}

#[test]
fn numbers_mix_as_on_paper() {
    for (text, value, result) in [
        ("value * 1.8 + 32", Value::I64(100), Value::F64(212.0)),
        ("value * 2", Value::F64(1.5), Value::F64(3.0)),
        ("value / 10", Value::I64(784), Value::F64(78.4)),
        ("1 + value / 2 * 2", Value::I64(7), Value::F64(8.0)),
        ("value", Value::F32(78.4), Value::F64(78.4)),
        ("value", Value::U64(u64::MAX), Value::F64(u64::MAX as f64)),
        ("value + 1", Value::I64(1 << 60), Value::I64((1 << 60) + 1)),
        ("value & 4", Value::I64(6), Value::I64(4)),
        ("bit(value, 2)", Value::I64(6), Value::Bool(true)),
        ("sqrt(value)", Value::I64(16), Value::F64(4.0)),
        ("max(value, 2.5)", Value::I64(2), Value::F64(2.5)),
        ("clamp(value, 0, 10)", Value::I64(11), Value::I64(10)),
        ("round(value, 1)", Value::F64(2.25), Value::F64(2.3)),
        ("int(value)", Value::F64(-2.7), Value::I64(-2)),
        ("if value > 3 { \"high\" } else { \"low\" }", Value::I64(4), Value::Text("high".into())),
        ("switch value { 1 => 10, 2 | 3 => 20, _ => 30 }", Value::I64(3), Value::I64(20)),
        ("number(value) + 1", Value::Text(" 12.5".into()), Value::F64(13.5)),
        ("if value > 3 { 1 }", Value::I64(1), Value::Null),
        ("is_null(value)", Value::Null, Value::Bool(true)),
        ("1 < value && value <= 2.5 || value == 7", Value::F64(2.5), Value::Bool(true)),
        ("value == 5", Value::F64(5.0), Value::Bool(true)),
        ("value != true", Value::Bool(true), Value::Bool(false)),
        ("value < \"b\"", Value::Text("a".into()), Value::Bool(true)),
        ("value + 1 > 2 * 3 == true", Value::I64(6), Value::Bool(true)),
        ("\"http://\" + value", Value::Text("/*".into()), Value::Text("http:///*".into())),
        ("\"\\\"//\" + value", Value::Text("".into()), Value::Text("\"//".into())),
        ("-3 ** 2", Value::Null, Value::I64(9)),
        ("tag + \"/\" + quality", Value::Null, Value::Text("line1.speed/good".into())),
        ("good && time == 1.5", Value::Null, Value::Bool(true)),
        ("`${value} rpm`", Value::I64(5), Value::Text("5 rpm".into())),
    ] {
        assert_eq!(evaluate(text, &record(value)), Ok((result, Quality::GOOD)), "{text}");
    }
}

#[test]
fn what_has_no_result_says_why() {
    for (text, value, reason) in [
        ("value % 0", Value::I64(7), Quality::BAD_OUT_OF_RANGE),
        ("value + 1", Value::I64(i64::MAX), Quality::BAD_OUT_OF_RANGE),
        ("abs(value)", Value::I64(i64::MIN), Quality::BAD_OUT_OF_RANGE),
        ("int(value)", Value::F64(f64::NAN), Quality::BAD_OUT_OF_RANGE),
        ("int(value)", Value::F64(9_223_372_036_854_775_808.0), Quality::BAD_OUT_OF_RANGE),
        ("bit(value, 64)", Value::I64(1), Quality::BAD_OUT_OF_RANGE),
        ("value * 2", Value::Text("x".into()), Quality::BAD_TYPE_MISMATCH),
        ("value * 2", Value::Null, Quality::BAD_TYPE_MISMATCH),
        ("number(value)", Value::Text("x".into()), Quality::BAD_TYPE_MISMATCH),
        ("value", Value::Bytes([1].as_slice().into()), Quality::BAD_TYPE_MISMATCH),
        ("if value { 1 } else { 2 }", Value::I64(1), Quality::BAD_TYPE_MISMATCH),
        ("clamp(value, 3, 2)", Value::I64(1), Quality::BAD_OUT_OF_RANGE),
        ("last(\"expression.nobody\")", Value::Null, Quality::BAD_NO_DATA),
        ("age(\"expression.nobody\")", Value::Null, Quality::BAD_NO_DATA),
        ("0..3", Value::Null, Quality::BAD_TYPE_MISMATCH),
        ("value > 3", Value::Text("x".into()), Quality::BAD_TYPE_MISMATCH),
        ("value > 3", Value::Bool(true), Quality::BAD_TYPE_MISMATCH),
        ("value <= 3", Value::Null, Quality::BAD_TYPE_MISMATCH),
        ("value == 5", Value::Text("5".into()), Quality::BAD_TYPE_MISMATCH),
        ("value != 5", Value::Null, Quality::BAD_TYPE_MISMATCH),
        ("1 < value < 3", Value::I64(2), Quality::BAD_TYPE_MISMATCH),
        ("value > false", Value::Bool(true), Quality::BAD_TYPE_MISMATCH),
        ("value > 3", Value::F64(f64::NAN), Quality::BAD_OUT_OF_RANGE),
        ("value && true", Value::I64(1), Quality::BAD_TYPE_MISMATCH),
        ("true && value", Value::I64(1), Quality::BAD_TYPE_MISMATCH),
        ("value || false", Value::I64(1), Quality::BAD_TYPE_MISMATCH),
    ] {
        assert_eq!(evaluate(text, &record(value)), Err(reason), "{text}");
    }
}

#[test]
fn what_is_wrong_is_found_with_its_place_before_the_run() {
    for (text, at, said) in [
        ("value * factor", Some((1, 9)), "`factor` is not known"),
        ("value +\n  lst", Some((2, 3)), "`lst` is not known"),
        ("if value > 3 { foo(value) } else { 1 }", Some((1, 16)), "no function `foo`"),
        ("switch value { 1 => foo(1), _ => 2 }", Some((1, 21)), "no function `foo`"),
        ("good && foo(1)", Some((1, 9)), "no function `foo`"),
        ("`${foo(1)}`", Some((1, 4)), "no function `foo`"),
        ("sqrt(value, 2)", Some((1, 1)), "takes 1 arguments, not 2"),
        ("last(tag)", Some((1, 1)), "in quotation marks"),
        ("value +", Some((1, 8)), "it ends too soon"),
        ("(value", None, "`)` is missing"),
        ("value = 3", Some((1, 7)), "'='"),
        ("while true { 1 }", None, ""),
        ("loop { }", None, ""),
        ("let x = 3", None, ""),
        ("eval(\"1\")", None, "eval"),
        ("print(value)", None, "print"),
        ("import \"x\"", None, "import"),
        ("|x| x", None, ""),
        ("", None, "nothing in it"),
        ("value // 2", Some((1, 7)), "a comment"),
        ("value\n + 1 /* 2 */", Some((2, 6)), "a comment"),
        ("value == ()", Some((1, 7)), "`()`"),
        ("value > 5 ? 1 : 2", Some((1, 11)), "`?` is no operator"),
    ] {
        let wrong = check(text).unwrap_err();
        assert!(at.is_none() || wrong.at == at, "{text}: {wrong:?}");
        assert!(wrong.what.contains(said), "{text}: {wrong:?}");
    }
    assert!(check(&"(".repeat(4000)).is_err() && check(&"1+".repeat(4000)).is_err());
}

#[test]
fn a_condition_that_is_none_is_found() {
    for text in ["value + 1", "3", "\"on\"", "`${value}`", "abs(value)", "value / 2", "-value"] {
        assert!(check_condition(text).is_err(), "{text}");
    }
    for text in [
        "value",
        "value > 3",
        "!good",
        "good && value > 3",
        "value + 1 == 3",
        "bit(value, 3)",
        "last(\"a\")",
        "if good { value > 3 } else { false }",
        "switch int(value) { 0 => true, _ => false }",
        "true",
        "value ?? false",
    ] {
        assert_eq!(check_condition(text), Ok(()), "{text}");
    }
}

#[test]
fn another_tag_lends_its_value_and_its_doubt() {
    let mut all = Expressions::default();
    let sum = all.compile("value + last(\"expression.limit\")").unwrap();
    let or = all.compile("last_or(\"expression.limit\", 7)").unwrap();
    let age = all.compile("age(\"expression.limit\")").unwrap();
    let mut limit = Record::good(Tag::new("expression.limit").unwrap(), Timestamp(1_000_000), Value::I64(5));
    assert_eq!(all.evaluate(&or, &record(Value::I64(1))), Ok((Value::I64(7), Quality::GOOD)));
    all.saw(&limit);
    assert_eq!(all.evaluate(&sum, &record(Value::I64(1))), Ok((Value::I64(6), Quality::GOOD)));
    assert_eq!(all.evaluate(&age, &record(Value::Null)), Ok((Value::F64(0.5), Quality::GOOD)));
    limit.quality = Quality::UNCERTAIN_LAST_USABLE;
    all.saw(&limit);
    assert_eq!(all.evaluate(&sum, &record(Value::I64(1))), Ok((Value::I64(6), Quality::UNCERTAIN_LAST_USABLE)));
    limit.quality = Quality::BAD_TIMEOUT;
    all.saw(&limit);
    assert_eq!(all.evaluate(&sum, &record(Value::I64(1))), Err(Quality::BAD_TIMEOUT));
    assert_eq!(all.evaluate(&or, &record(Value::I64(1))), Ok((Value::I64(7), Quality::GOOD)));
}

#[test]
fn every_function_is_there_and_in_the_manual() {
    for (name, takes) in FUNCTIONS {
        assert!(MANUAL.contains(name), "{name}");
        let first = ["1", "\"1\""];
        let found = first.iter().flat_map(|one| first.iter().map(move |two| (one, two))).any(|(one, two)| {
            let arguments = [*one, *two, *two][..takes[0]].join(", ");
            let mut all = Expressions::default();
            all.compile(&format!("{name}({arguments})"))
                .is_ok_and(|call| all.evaluate(&call, &record(Value::Null)).err() != Some(Quality::BAD_TYPE_MISMATCH))
        });
        assert!(found, "{name} is not to be called");
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::U64),
        any::<f32>().prop_map(Value::F32),
        any::<f64>().prop_map(Value::F64),
        ".{0,8}".prop_map(|text: String| Value::Text(text.into())),
        prop::collection::vec(any::<u8>(), 0..4).prop_map(|bytes| Value::Bytes(bytes.into())),
    ]
}

proptest! {
    #[test]
    fn no_value_makes_an_expression_panic(value in value(), other in value()) {
        let mut all = Expressions::default();
        let mut other_record = record(other);
        other_record.tag = Tag::new("expression.other").unwrap();
        for text in [
            "value + last(\"expression.other\")", "value - last(\"expression.other\")", "value * last(\"expression.other\")",
            "value / last(\"expression.other\")", "value % last(\"expression.other\")", "value ** last(\"expression.other\")",
            "value << last(\"expression.other\")", "value >> last(\"expression.other\")", "-value", "!value",
            "value < last(\"expression.other\")", "clamp(value, last(\"expression.other\"), 3)", "round(value, 3)",
            "round(value, last(\"expression.other\"))", "int(value)", "abs(value)", "text(value)", "upper(value)",
            "min(value, last(\"expression.other\"))", "bit(value, last(\"expression.other\"))", "value in 1..5", "value ?? 1",
        ] {
            let expression = all.compile(text).unwrap();
            all.saw(&other_record);
            let _ = all.evaluate(&expression, &record(value.clone()));
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(text in "[a-z0-9 +*/()\"{}.,`$|&!<>=-]{0,40}") {
        let _ = check(&text);
    }
}
