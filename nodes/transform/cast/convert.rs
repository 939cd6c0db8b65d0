//! One value into another type.

use std::sync::Arc;

use fieldflow_contract::Value;

use super::{Kind, Rounding};
use crate::transform::kit::decimal::double_of;

/// Why a value has no form in a type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// It is of a kind, or says something, that has none.
    Mismatch,
    /// NaN, which is no whole number and no boolean.
    NotANumber,
    /// The bytes are no text.
    NotUtf8,
    /// There is no room for it; this is the nearest.
    Overflow(Value),
}

/// 2⁶³ and 2⁶⁴: the first doubles for which the types have no room.
const TWO_63: f64 = 9_223_372_036_854_775_808.0;
const TWO_64: f64 = 18_446_744_073_709_551_616.0;

/// A number without its type. Whole ones are kept as such: a double has no room for the last digits.
#[derive(Debug, Clone, Copy)]
enum Number {
    Whole(i128),
    Float(f64),
}

pub(super) fn convert(value: &Value, to: Kind, round: Rounding) -> Result<Value, Fault> {
    match (value, to) {
        (Value::Null, _) => Err(Fault::Mismatch),
        (Value::Bool(_), Kind::Bool)
        | (Value::I64(_), Kind::I64)
        | (Value::U64(_), Kind::U64)
        | (Value::F32(_), Kind::F32)
        | (Value::F64(_), Kind::F64)
        | (Value::Text(_), Kind::Text)
        | (Value::Bytes(_), Kind::Bytes) => Ok(value.clone()),
        (_, Kind::Text) => text(value),
        (Value::Text(text), Kind::Bytes) => Ok(Value::Bytes(Arc::from(text.as_bytes()))),
        (_, Kind::Bytes) => Err(Fault::Mismatch),
        (Value::Text(text), Kind::Bool) => word(text.trim()).map(Value::Bool).ok_or(Fault::Mismatch),
        (_, Kind::Bool) => match number(value)? {
            Number::Whole(n) => Ok(Value::Bool(n != 0)),
            Number::Float(x) if x.is_nan() => Err(Fault::NotANumber),
            Number::Float(x) => Ok(Value::Bool(x != 0.0)),
        },
        (_, Kind::I64) => match whole(number(value)?, round)? {
            Number::Whole(n) => i64::try_from(n).map(Value::I64).map_err(|_| nearest_i64(n < 0)),
            Number::Float(x) if (-TWO_63..TWO_63).contains(&x) => Ok(Value::I64(x as i64)),
            Number::Float(x) => Err(nearest_i64(x < 0.0)),
        },
        (_, Kind::U64) => match whole(number(value)?, round)? {
            Number::Whole(n) => u64::try_from(n).map(Value::U64).map_err(|_| nearest_u64(n < 0)),
            Number::Float(x) if (0.0..TWO_64).contains(&x) => Ok(Value::U64(x as u64)),
            Number::Float(x) => Err(nearest_u64(x < 0.0)),
        },
        (_, Kind::F64) => Ok(Value::F64(match number(value)? {
            Number::Whole(n) => n as f64,
            Number::Float(x) => x,
        })),
        (_, Kind::F32) => match number(value)? {
            Number::Whole(n) => Ok(Value::F32(n as f32)),
            Number::Float(x) if x.is_finite() && (x as f32).is_infinite() => {
                Err(Fault::Overflow(Value::F32(if x < 0.0 { f32::MIN } else { f32::MAX })))
            }
            Number::Float(x) => Ok(Value::F32(x as f32)),
        },
    }
}

fn nearest_i64(below: bool) -> Fault {
    Fault::Overflow(Value::I64(if below { i64::MIN } else { i64::MAX }))
}

fn nearest_u64(below: bool) -> Fault {
    Fault::Overflow(Value::U64(if below { 0 } else { u64::MAX }))
}

/// The number rounded to a whole one; large floats are whole already and stay what they are.
fn whole(number: Number, round: Rounding) -> Result<Number, Fault> {
    match number {
        Number::Float(x) if x.is_nan() => Err(Fault::NotANumber),
        Number::Float(x) => Ok(Number::Float(match round {
            Rounding::Nearest => x.round(),
            Rounding::Down => x.floor(),
            Rounding::Up => x.ceil(),
            Rounding::Truncate => x.trunc(),
        })),
        whole @ Number::Whole(_) => Ok(whole),
    }
}

fn number(value: &Value) -> Result<Number, Fault> {
    match value {
        Value::Bool(v) => Ok(Number::Whole((*v).into())),
        Value::I64(v) => Ok(Number::Whole((*v).into())),
        Value::U64(v) => Ok(Number::Whole((*v).into())),
        Value::F32(v) => Ok(Number::Float(double_of(*v))),
        Value::F64(v) => Ok(Number::Float(*v)),
        Value::Text(text) => read(text.trim()).ok_or(Fault::Mismatch),
        Value::Null | Value::Bytes(_) => Err(Fault::Mismatch),
    }
}

fn read(text: &str) -> Option<Number> {
    if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        // A sign behind the prefix is none of ours, though the library takes it.
        let digits = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
        return i128::from_str_radix(hex, 16).ok().filter(|_| digits).map(Number::Whole);
    }
    match text.parse::<i128>() {
        Ok(whole) => Some(Number::Whole(whole)),
        Err(_) => text.parse().ok().map(Number::Float),
    }
}

fn word(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| word.eq_ignore_ascii_case(text));
    match () {
        () if is(&["true", "on", "yes", "1"]) => Some(true),
        () if is(&["false", "off", "no", "0"]) => Some(false),
        () => None,
    }
}

/// The words that fieldflow writes everywhere.
fn not_finite(float: f64) -> &'static str {
    match float {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

fn text(value: &Value) -> Result<Value, Fault> {
    let text: Arc<str> = match value {
        Value::Bool(v) => v.to_string().into(),
        Value::I64(v) => v.to_string().into(),
        Value::U64(v) => v.to_string().into(),
        Value::F32(v) if v.is_finite() => v.to_string().into(),
        Value::F32(v) => not_finite(f64::from(*v)).into(),
        Value::F64(v) if v.is_finite() => v.to_string().into(),
        Value::F64(v) => not_finite(*v).into(),
        Value::Text(text) => Arc::clone(text),
        Value::Bytes(bytes) => std::str::from_utf8(bytes).map_err(|_| Fault::NotUtf8)?.into(),
        Value::Null => return Err(Fault::Mismatch),
    };
    Ok(Value::Text(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cast(value: &Value, to: Kind) -> Result<Value, Fault> {
        convert(value, to, Rounding::Nearest)
    }

    #[test]
    fn the_ends_of_the_whole_numbers_are_exact() {
        for (value, to, result) in [
            (Value::U64(i64::MAX as u64), Kind::I64, Ok(Value::I64(i64::MAX))),
            (Value::U64(i64::MAX as u64 + 1), Kind::I64, Err(nearest_i64(false))),
            (Value::F64(TWO_63), Kind::I64, Err(nearest_i64(false))),
            (Value::F64(-TWO_63), Kind::I64, Ok(Value::I64(i64::MIN))),
            (Value::F64((1_u64 << 53) as f64), Kind::I64, Ok(Value::I64(1 << 53))),
            (Value::F64(TWO_64), Kind::U64, Err(nearest_u64(false))),
            (Value::F64(TWO_63), Kind::U64, Ok(Value::U64(1 << 63))),
            (Value::I64(-1), Kind::U64, Err(nearest_u64(true))),
            (Value::F64(-0.4), Kind::U64, Ok(Value::U64(0))),
            (Value::F64(-0.5), Kind::U64, Err(nearest_u64(true))),
            (Value::F64(f64::INFINITY), Kind::I64, Err(nearest_i64(false))),
            (Value::F64(f64::NAN), Kind::I64, Err(Fault::NotANumber)),
            (Value::F64(f64::NAN), Kind::Bool, Err(Fault::NotANumber)),
            (Value::F64(1e39), Kind::F32, Err(Fault::Overflow(Value::F32(f32::MAX)))),
            (Value::F64(f64::INFINITY), Kind::F32, Ok(Value::F32(f32::INFINITY))),
            (Value::F32(78.4), Kind::F64, Ok(Value::F64(78.4))),
            (Value::F32(78.4), Kind::Text, Ok(Value::Text("78.4".into()))),
            (Value::F32(f32::NEG_INFINITY), Kind::Text, Ok(Value::Text("-Infinity".into()))),
            (Value::F64(f64::INFINITY), Kind::Text, Ok(Value::Text("Infinity".into()))),
            (Value::Text("9223372036854775807".into()), Kind::I64, Ok(Value::I64(i64::MAX))),
            (Value::Text("9223372036854775808".into()), Kind::I64, Err(nearest_i64(false))),
            (Value::Text(" 0xFF ".into()), Kind::U64, Ok(Value::U64(255))),
            (Value::Text("0x-1".into()), Kind::I64, Err(Fault::Mismatch)),
            (Value::Text("2.5e1".into()), Kind::I64, Ok(Value::I64(25))),
            (Value::Text("".into()), Kind::F64, Err(Fault::Mismatch)),
            (Value::Bytes([0xff].as_slice().into()), Kind::Text, Err(Fault::NotUtf8)),
        ] {
            assert_eq!(cast(&value, to), result, "{value:?} as {to:?}");
        }
    }

    #[test]
    fn a_float_is_rounded_as_it_is_asked() {
        for (round, results) in [
            (Rounding::Nearest, [3, -3]),
            (Rounding::Down, [2, -3]),
            (Rounding::Up, [3, -2]),
            (Rounding::Truncate, [2, -2]),
        ] {
            let results = results.map(|n| Ok(Value::I64(n)));
            assert_eq!([2.5, -2.5].map(|x| convert(&Value::F64(x), Kind::I64, round)), results, "{round:?}");
        }
    }

    proptest! {
        #[test]
        fn numbers_come_back_from_text(n in any::<i64>(), u in any::<u64>(), x in any::<f64>(), s in any::<f32>()) {
            for (value, kind) in
                [(Value::I64(n), Kind::I64), (Value::U64(u), Kind::U64), (Value::F64(x), Kind::F64), (Value::F32(s), Kind::F32)]
            {
                let there = cast(&value, Kind::Text).unwrap();
                prop_assert!(cast(&there, kind).unwrap().same_as(&value));
            }
        }

        #[test]
        fn a_whole_number_is_cast_exactly_or_not_at_all(n in any::<i64>()) {
            prop_assert_eq!(cast(&Value::I64(n), Kind::U64).is_ok(), 0 <= n);
            if let Ok(Value::U64(u)) = cast(&Value::I64(n), Kind::U64) {
                prop_assert_eq!(i128::from(u), i128::from(n));
            }
        }
    }
}
