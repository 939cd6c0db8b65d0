//! What a value is multiplied with because another register says so: SunSpec's scale factors and their like.
//!
//! Values and factors are decimals in people's minds, so the product is worked out in decimals and rounded once: 1234 with the
//! exponent −2 is 12.34, and 3 times 0.1 is 0.3.

use std::sync::{Mutex, PoisonError};

use fieldflow_contract::{Quality, Value};

use super::tags::Means;

/// The largest exponent of ten that a register can mean, up or down; SunSpec's limit.
const MOST: i64 = 10;

const TEN: [f64; MOST as usize + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

/// Up to here every integer is a double.
const WHOLE: u64 = 1 << 53;

/// The last good value of a register that says what to multiply with; many tags can share it.
#[derive(Debug)]
pub(super) struct Held {
    means: Means,
    known: Mutex<Option<Known>>,
}

#[derive(Debug, Clone)]
enum Known {
    /// Of ten; not beyond [`MOST`].
    Exponent(i64),
    /// A finite number other than 0.
    Number(Value),
}

impl Held {
    /// A factor that was not read yet.
    pub(super) fn new(means: Means) -> Self {
        Self { means, known: Mutex::new(None) }
    }

    /// Takes what the register says, unless that is no factor.
    pub(super) fn learn(&self, value: &Value, quality: Quality) {
        let number = if quality.is_good() { value.as_f64().filter(|number| number.is_finite()) } else { None };
        let known = match (self.means, number) {
            (Means::Factor, Some(number)) if number != 0.0 => Known::Number(value.clone()),
            (Means::Exponent, Some(number)) if number.fract() == 0.0 && number.abs() <= MOST as f64 => {
                Known::Exponent(number as i64)
            }
            _ => return,
        };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
    }

    /// The value times the factor. A Bad value stays what it is.
    pub(super) fn apply(&self, value: Value, quality: Quality) -> (Value, Quality) {
        if quality.is_bad() {
            return (value, quality);
        }
        let product = match &*self.known.lock().unwrap_or_else(PoisonError::into_inner) {
            None => return (Value::Null, Quality::BAD_NO_DATA),
            Some(Known::Exponent(exponent)) => shifted(&value, *exponent),
            Some(Known::Number(factor)) => times(&value, factor),
        };
        match product {
            Some(product) => (product, quality),
            None => (Value::Null, Quality::BAD_OUT_OF_RANGE),
        }
    }
}

/// The value times a power of ten. Always a double, so that the type does not change with the exponent.
fn shifted(value: &Value, exponent: i64) -> Option<Value> {
    let ten = TEN.get(usize::try_from(exponent.unsigned_abs()).ok()?)?;
    let integer = match value {
        Value::I64(value) => Some((*value as f64, value.unsigned_abs())),
        Value::U64(value) => Some((*value as f64, *value)),
        _ => None,
    };
    match integer {
        // Both are doubles, so this rounds once.
        Some((integer, magnitude)) if magnitude <= WHOLE => {
            Some(Value::F64(if exponent < 0 { integer / ten } else { integer * ten }))
        }
        _ => double(value, Some((1, exponent))),
    }
}

/// The value times a number. Integers stay integers.
fn times(value: &Value, factor: &Value) -> Option<Value> {
    match (whole(value), whole(factor)) {
        (Some(a), Some(b)) => {
            let product = a.checked_mul(b)?;
            let unsigned = matches!((value, factor), (Value::U64(_), Value::U64(_)));
            if unsigned {
                u64::try_from(product).ok().map(Value::U64)
            } else {
                i64::try_from(product).ok().map(Value::I64)
            }
        }
        _ => double(value, decimal(factor)),
    }
}

fn whole(value: &Value) -> Option<i128> {
    match value {
        Value::I64(value) => Some(i128::from(*value)),
        Value::U64(value) => Some(i128::from(*value)),
        _ => None,
    }
}

/// The double nearest to the product of both decimals; what is not finite stays so.
fn double(value: &Value, factor: Option<(i128, i64)>) -> Option<Value> {
    let number = value.as_f64()?;
    if !number.is_finite() {
        return Some(Value::F64(number));
    }
    let ((digits, places), (by, more)) = (decimal(value)?, factor?);
    // At most 20 digits times 17.
    let product: f64 = format!("{}e{}", digits.checked_mul(by)?, places + more).parse().ok()?;
    product.is_finite().then_some(Value::F64(product))
}

/// The shortest decimal that is this value: its digits, and the power of ten that they count in.
fn decimal(value: &Value) -> Option<(i128, i64)> {
    let text = match value {
        Value::F32(value) => format!("{value:e}"),
        Value::F64(value) => format!("{value:e}"),
        _ => return whole(value).map(|whole| (whole, 0)),
    };
    let (mantissa, exponent) = text.split_once('e')?;
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    Some((mantissa.replace('.', "").parse().ok()?, exponent.parse::<i64>().ok()? - fraction as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn held(means: Means, says: &Value) -> Held {
        let held = Held::new(means);
        held.learn(says, Quality::GOOD);
        held
    }

    fn product(means: Means, says: &Value, value: Value) -> Value {
        let (value, quality) = held(means, says).apply(value, Quality::GOOD);
        assert_eq!(quality, Quality::GOOD);
        value
    }

    #[test]
    fn an_exponent_moves_the_point_exactly() {
        for (value, exponent, expected) in [
            (Value::U64(1234), -2, 12.34),
            (Value::I64(-7), -1, -0.7),
            (Value::U64(3), -1, 0.3),
            (Value::U64(12), 3, 12_000.0),
            (Value::U64(5), 0, 5.0),
            (Value::U64(18_446_744_073_709_551_615), -10, 1_844_674_407.370_955_2),
            (Value::F32(78.4), -1, 7.84),
            (Value::F64(0.3), 1, 3.0),
            (Value::F64(-0.0), 1, 0.0),
            (Value::F64(f64::INFINITY), 1, f64::INFINITY),
        ] {
            assert_eq!(
                product(Means::Exponent, &Value::I64(exponent), value.clone()),
                Value::F64(expected),
                "{value:?}"
            );
        }
    }

    #[test]
    fn a_factor_multiplies_and_integers_stay_integers() {
        for (value, factor, expected) in [
            (Value::U64(3), Value::F32(0.1), Value::F64(0.3)),
            (Value::F32(0.1), Value::U64(3), Value::F64(0.3)),
            (Value::F64(1.1), Value::F64(1.1), Value::F64(1.21)),
            (Value::U64(3), Value::U64(20), Value::U64(60)),
            (Value::U64(3), Value::I64(20), Value::I64(60)),
            (Value::I64(-3), Value::U64(20), Value::I64(-60)),
        ] {
            assert_eq!(product(Means::Factor, &factor, value.clone()), expected, "{value:?}");
        }
        let too_much = held(Means::Factor, &Value::U64(2)).apply(Value::U64(u64::MAX), Quality::GOOD);
        assert_eq!(too_much, (Value::Null, Quality::BAD_OUT_OF_RANGE));
        let too_much = held(Means::Factor, &Value::F64(1e200)).apply(Value::F64(1e200), Quality::GOOD);
        assert_eq!(too_much, (Value::Null, Quality::BAD_OUT_OF_RANGE));
    }

    #[test]
    fn what_is_no_factor_leaves_the_last_one_in_place() {
        let held = Held::new(Means::Exponent);
        assert_eq!(held.apply(Value::U64(5), Quality::GOOD), (Value::Null, Quality::BAD_NO_DATA));
        held.learn(&Value::I64(-1), Quality::GOOD);
        for (says, quality) in [
            (Value::I64(-32_768), Quality::GOOD),
            (Value::I64(11), Quality::GOOD),
            (Value::F32(0.5), Quality::GOOD),
            (Value::F32(f32::NAN), Quality::GOOD),
            (Value::I64(2), Quality::UNCERTAIN_OUT_OF_RANGE),
            (Value::Null, Quality::BAD_SENSOR_FAILURE),
        ] {
            held.learn(&says, quality);
            assert_eq!(held.apply(Value::U64(5), Quality::GOOD).0, Value::F64(0.5), "{says:?}");
        }
        let factor = Held::new(Means::Factor);
        factor.learn(&Value::U64(0), Quality::GOOD);
        assert_eq!(factor.apply(Value::U64(5), Quality::GOOD).1, Quality::BAD_NO_DATA);
    }

    #[test]
    fn the_quality_of_the_value_stays() {
        let held = held(Means::Exponent, &Value::I64(1));
        let saturated = held.apply(Value::I64(32_767), Quality::UNCERTAIN_OUT_OF_RANGE);
        assert_eq!(saturated, (Value::F64(327_670.0), Quality::UNCERTAIN_OUT_OF_RANGE));
        let failed = held.apply(Value::Null, Quality::BAD_SENSOR_FAILURE);
        assert_eq!(failed, (Value::Null, Quality::BAD_SENSOR_FAILURE));
    }

    proptest! {
        #[test]
        fn an_exponent_gives_the_double_that_the_digits_say(value: i64, exponent in -10_i64..=10) {
            let expected: f64 = format!("{value}e{exponent}").parse().unwrap();
            prop_assert_eq!(product(Means::Exponent, &Value::I64(exponent), Value::I64(value)), Value::F64(expected));
        }
    }
}
