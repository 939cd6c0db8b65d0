//! Tests of `round`; the checks and what becomes of whole records are tested in `cases/round`.

use fieldflow_contract::Value;
use proptest::prelude::*;

use super::*;

fn decimals(places: u32, value: &Value) -> Value {
    changed(Grid::decimals(places).unwrap().round(value), value)
}

fn step(step: f64, value: &Value) -> Value {
    changed(Grid::step(step).unwrap().round(value), value)
}

fn significant(digits: u32, value: &Value) -> Value {
    changed(Significant::new(digits).unwrap().round(value), value)
}

fn changed(rounded: Rounded, value: &Value) -> Value {
    match rounded {
        Rounded::To(value) => value,
        Rounded::Same => value.clone(),
        other => panic!("{value:?} became {other:?}"),
    }
}

#[test]
fn people_get_the_digits_that_they_expect() {
    for (places, value, expected) in [
        (1, Value::F64(78.449_999_999_999_99), Value::F64(78.4)),
        (1, Value::F32(78.449_99), Value::F32(78.4)),
        (2, Value::F64(1.005), Value::F64(1.01)),
        (2, Value::F64(-1.005), Value::F64(-1.01)),
        (2, Value::F32(1.005), Value::F32(1.01)),
        (2, Value::F64(1.004_999_999_999_999_7), Value::F64(1.0)),
        (0, Value::F64(-2.5), Value::F64(-3.0)),
        (0, Value::F64(0.499_999_999_999_999_94), Value::F64(0.0)),
        (15, Value::F64(0.1 + 0.2), Value::F64(0.3)),
        (3, Value::F64(1e300), Value::F64(1e300)),
        (3, Value::F64(1e-300), Value::F64(0.0)),
        (1, Value::F64(45_035_996_273_704.95), Value::F64(45_035_996_273_705.0)),
        (3, Value::I64(i64::MIN), Value::I64(i64::MIN)),
    ] {
        assert_eq!(decimals(places, &value), expected, "{value:?} to {places}");
    }
}

#[test]
fn no_minus_is_left_before_a_zero() {
    let Value::F64(zero) = decimals(0, &Value::F64(-0.4)) else { panic!("not a double") };
    assert!(zero == 0.0 && zero.is_sign_positive());
}

#[test]
fn steps_make_multiples_and_integers_stay_integers_where_they_can() {
    for (size, value, expected) in [
        (0.25, Value::F64(0.375), Value::F64(0.5)),
        (0.1, Value::F64(0.250_000_1), Value::F64(0.3)),
        (0.3, Value::F64(1.04), Value::F64(0.9)),
        (0.3, Value::F64(1.05), Value::F64(1.2)),
        (5.0, Value::I64(-13), Value::I64(-15)),
        (5.0, Value::U64(12), Value::U64(10)),
        (5.0, Value::F64(12.5), Value::F64(15.0)),
        (0.25, Value::I64(7), Value::I64(7)),
        (2.5, Value::I64(7), Value::F64(7.5)),
        (2.5, Value::I64(5), Value::F64(5.0)),
        (0.333_333_333_333_333_3, Value::F64(0.6), Value::F64(0.666_666_666_666_666_6)),
        (0.123_456_789_012_345_66, Value::F64(1.0), Value::F64(0.987_654_312_098_765_3)),
    ] {
        assert_eq!(step(size, &value), expected, "{value:?} by {size}");
    }
    assert_eq!(Grid::step(10.0).unwrap().round(&Value::U64(u64::MAX)), Rounded::NoRoom);
}

#[test]
fn significant_digits_are_counted_from_the_first_that_is_not_zero() {
    for (digits, value, expected) in [
        (3, Value::F64(12345.0), Value::F64(12300.0)),
        (3, Value::F64(0.012_345), Value::F64(0.0123)),
        (3, Value::F64(-999.6), Value::F64(-1000.0)),
        (3, Value::F64(0.099_95), Value::F64(0.1)),
        (1, Value::F64(0.01), Value::F64(0.01)),
        (2, Value::F32(0.01), Value::F32(0.01)),
        (3, Value::F32(78.45), Value::F32(78.5)),
        (3, Value::F64(1.2345e-200), Value::F64(1.23e-200)),
        (3, Value::F64(-1.235e200), Value::F64(-1.24e200)),
        (15, Value::F64(9.999_999_999_999_996e22), Value::F64(1e23)),
        (2, Value::F64(5e-324), Value::F64(5e-324)),
        (2, Value::F64(0.0), Value::F64(0.0)),
        (2, Value::I64(-1250), Value::I64(-1300)),
        (2, Value::I64(0), Value::I64(0)),
        (4, Value::I64(i64::MAX), Value::I64(9_223_000_000_000_000_000)),
    ] {
        assert_eq!(significant(digits, &value), expected, "{value:?} to {digits}");
    }
    assert_eq!(Significant::new(5).unwrap().round(&Value::I64(i64::MAX)), Rounded::NoRoom);
    assert_eq!(Significant::new(1).unwrap().round(&Value::F64(f64::MAX)), Rounded::NoRoom);
}

/// A decimal as text, for the standard library to read.
fn text(digits: i64, places: u32) -> String {
    format!("{digits}e-{places}")
}

/// Half away from zero, on the digits.
fn rounded(digits: i64, places: u32, to: u32) -> String {
    let cut = 10_i128.pow(places.saturating_sub(to));
    let (whole, rest) = (i128::from(digits) / cut, i128::from(digits) % cut);
    let whole = if cut <= 2 * rest.abs() { whole + i128::from(digits.signum()) } else { whole };
    format!("{whole}e-{}", places.min(to))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_decimal_is_rounded_as_with_a_pencil(
        digits in -999_999_999_999_999_i64..=999_999_999_999_999, shift in 0_u32..15, places in 0_u32..16, to in 0_u32..=15,
    ) {
        let digits = digits / 10_i64.pow(shift);
        let value = Value::F64(text(digits, places).parse().unwrap());
        let expected: f64 = rounded(digits, places, to).parse().unwrap();
        prop_assert_eq!(decimals(to, &value), Value::F64(expected));
    }

    #[test]
    fn a_middle_goes_away_from_zero(digits in -9_999_999_i64..=9_999_999, to in 0_u32..7) {
        let value = Value::F64(text(10 * digits + 5 * digits.signum(), to + 1).parse().unwrap());
        let expected: f64 = text(digits + digits.signum(), to).parse().unwrap();
        prop_assert_eq!(decimals(to, &value), Value::F64(expected));
    }

    #[test]
    fn a_single_counts_as_the_decimal_that_it_is_printed_as(digits in -999_999_i64..=999_999, places in 0_u32..8, to in 0_u32..8) {
        let value = Value::F32(text(digits, places).parse().unwrap());
        let expected: f32 = rounded(digits, places, to).parse().unwrap();
        prop_assert_eq!(decimals(to, &value), Value::F32(expected));
    }

    #[test]
    fn significant_digits_are_those_of_the_decimal(
        digits in 1_i64..=999_999_999_999_999, shift in 0_u32..15, exponent in -320_i32..290, to in 1_u32..=15,
    ) {
        let digits = digits / 10_i64.pow(shift) * if exponent % 2 == 0 { 1 } else { -1 };
        prop_assume!(digits != 0);
        let count = digits.unsigned_abs().ilog10() + 1;
        let value: f64 = format!("{digits}e{exponent}").parse().unwrap();
        prop_assume!(value.is_normal());
        let cut = count.saturating_sub(to);
        let (whole, _) = rounded(digits, cut, 0).split_once('e').map(|(w, e)| (w.to_owned(), e.to_owned())).unwrap();
        let expected: f64 = format!("{whole}e{}", exponent + cut as i32).parse().unwrap();
        prop_assert_eq!(significant(to, &Value::F64(value)), Value::F64(expected));
    }

    #[test]
    fn what_is_rounded_is_near_and_is_not_rounded_again(value in -1e6..1e6, size in 1e-3..1e3) {
        let once = step(size, &Value::F64(value));
        prop_assert!((once.as_f64().unwrap() - value).abs() <= size * 0.500_001);
        prop_assert_eq!(step(size, &once), once);
    }
}
