//! Numbers as people see them: differences, slopes and sums of short decimals, rounded once.
//!
//! 0.3 − 0.1 is 0.2 here, and integers are never led through a double. What is no short decimal is worked out in doubles.

use std::cmp::Ordering;

use fieldflow_contract::{Quality, Value};

use super::decimal::{PLACES, POWERS, digits, divide, double_of};

/// Up to here every integer is a double.
const WHOLE: u128 = 1 << 53;

/// From here on [`divide`] has no room.
const DIVISOR: u128 = 1 << 72;

/// The value as a double, if it is a number; a single counts as the decimal that it is printed as.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::F32(single) => Some(double_of(*single)),
        _ => value.as_f64(),
    }
}

/// A number of JSON: an integer where it is one, else a double; what fits neither is text.
pub(crate) fn of_json(number: &serde_json::Number) -> Value {
    match (number.as_i64(), number.as_u64(), number.as_f64()) {
        (Some(whole), _, _) => Value::I64(whole),
        (_, Some(whole), _) => Value::U64(whole),
        (_, _, Some(float)) => Value::F64(float),
        _ => Value::Text(number.to_string().into()),
    }
}

/// Why there is no working with the value, if there is none.
pub(crate) fn unusable(value: &Value) -> Option<Quality> {
    match number(value) {
        None => Some(Quality::BAD_TYPE_MISMATCH),
        Some(number) if !number.is_finite() => Some(Quality::BAD_OUT_OF_RANGE),
        Some(_) => None,
    }
}

/// `to` − `from`, if both are numbers.
pub(crate) fn difference(from: &Value, to: &Value) -> Option<f64> {
    slope(from, to, 1, 1)
}

/// (`to` − `from`) · `per` / `over`, if both are numbers. `over` is not 0.
pub(crate) fn slope(from: &Value, to: &Value, per: u64, over: u64) -> Option<f64> {
    // Most often one time is a multiple of the other, and small numbers divide faster.
    let (per, over) = match (per, over) {
        (0, _) | (_, 0) => (per, over),
        _ if over.is_multiple_of(per) => (1, over / per),
        _ if per.is_multiple_of(over) => (per / over, 1),
        _ => (per, over),
    };
    let exactly = || {
        let ((from, less), (to, more)) = (digits(from)?, digits(to)?);
        let places = less.max(more);
        let from = from.checked_mul(i128::from(POWERS[places - less]))?;
        let to = to.checked_mul(i128::from(POWERS[places - more]))?;
        let top = to.checked_sub(from)?.checked_mul(i128::from(per))?;
        let divisor = u128::from(POWERS[places].unsigned_abs()).checked_mul(u128::from(over))?;
        (divisor < DIVISOR).then(|| share(top, divisor))
    };
    let plainly = || Some((number(to)? - number(from)?) * per as f64 / over as f64);
    exactly().or_else(plainly)
}

/// Which of two numbers is the greater, without a rounding in between. NaN is greater than all.
pub(crate) fn compare(one: &Value, two: &Value) -> Ordering {
    if let (Some(one), Some(two)) = (whole(one), whole(two)) {
        return one.cmp(&two);
    }
    let (one, two) = (number(one).unwrap_or(f64::NAN), number(two).unwrap_or(f64::NAN));
    one.partial_cmp(&two).unwrap_or_else(|| one.is_nan().cmp(&two.is_nan()))
}

/// Integers, and the doubles that are so large that they are integers: one of them may be the nearest to several of the others,
/// and if they counted as equal to it, there would be no order.
fn whole(value: &Value) -> Option<i128> {
    match *value {
        Value::I64(v) => Some(i128::from(v)),
        Value::U64(v) => Some(i128::from(v)),
        _ => number(value).filter(|v| (WHOLE as f64..=1e30).contains(&v.abs())).map(|v| v as i128),
    }
}

/// The double that is nearest to the share; the divisor is below [`DIVISOR`] and not 0.
fn share(top: i128, divisor: u128) -> f64 {
    if top.unsigned_abs() <= WHOLE && divisor <= WHOLE {
        // Both are doubles, so the division rounds once.
        return top as i64 as f64 / divisor as u64 as f64;
    }
    divide(top, divisor)
}

/// A sum of numbers, exact while they are short decimals.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sum {
    /// In units of the last place that a short decimal can have.
    exact: i128,
    /// What no longer fitted there, and all after it.
    plain: Option<f64>,
}

impl Sum {
    const UNIT: u128 = 10_u128.pow(PLACES as u32);

    /// Adds a number so many times.
    pub(crate) fn add(&mut self, value: &Value, times: u64) {
        if self.plain.is_none() {
            let exactly = || {
                let (digits, places) = digits(value)?;
                let unit = i128::from(times).checked_mul(i128::from(POWERS[PLACES - places]))?;
                self.exact.checked_add(digits.checked_mul(unit)?)
            };
            if let Some(sum) = exactly() {
                self.exact = sum;
                return;
            }
        }
        *self.plain.get_or_insert(0.0) += number(value).unwrap_or(f64::NAN) * times as f64;
    }

    /// The sum divided by a number that is not 0.
    pub(crate) fn over(&self, count: u64) -> f64 {
        let divisor = Self::UNIT.saturating_mul(u128::from(count));
        match self.plain {
            None if divisor < DIVISOR => share(self.exact, divisor),
            plain => (divide(self.exact, Self::UNIT) + plain.unwrap_or(0.0)) / count as f64,
        }
    }

    /// The sum as an integer, if it is one and fits.
    pub(crate) fn whole(&self) -> Option<Value> {
        let unit = Self::UNIT as i128;
        if self.plain.is_some() || self.exact % unit != 0 {
            return None;
        }
        let sum = self.exact / unit;
        i64::try_from(sum).map(Value::I64).or_else(|_| u64::try_from(sum).map(Value::U64)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn differences_and_slopes_are_the_decimals_that_people_expect() {
        for (from, to, per, over, expected) in [
            (Value::F64(0.1), Value::F64(0.3), 1, 1, 0.2),
            (Value::F32(78.4), Value::F64(78.5), 1, 1, 0.1),
            (Value::U64(u64::MAX - 1), Value::U64(u64::MAX), 1, 1, 1.0),
            (Value::I64(i64::MIN), Value::U64(u64::MAX), 1, 1, 27_670_116_110_564_327_423.0),
            (Value::I64(0), Value::F64(0.7), 60_000_000, 1_000_000, 42.0),
            (Value::I64(0), Value::I64(1), 1_000_000, 3_000_000, 1.0 / 3.0),
            (Value::F64(1e300), Value::F64(3e300), 2, 4, 1e300),
        ] {
            assert_eq!(slope(&from, &to, per, over), Some(expected), "{from:?} {to:?}");
        }
        assert_eq!(difference(&Value::I64(1), &Value::Bool(true)), None);
    }

    #[test]
    fn a_sum_of_tenths_is_what_a_pencil_says_and_goes_on_beyond_its_room() {
        let mut sum = Sum::default();
        (0..10).for_each(|_| sum.add(&Value::F64(0.1), 1));
        assert_eq!((sum.over(1), sum.over(10), sum.whole()), (1.0, 0.1, Some(Value::I64(1))));
        sum.add(&Value::F64(1e300), 2);
        assert_eq!((sum.over(2), sum.whole()), (1e300, None));
    }

    #[test]
    fn large_integers_are_compared_as_integers() {
        assert_eq!(compare(&Value::U64(u64::MAX), &Value::U64(u64::MAX - 1)), Ordering::Greater);
        assert_eq!(compare(&Value::I64(-1), &Value::U64(0)), Ordering::Less);
        assert_eq!(compare(&Value::F64(f64::NAN), &Value::I64(0)), Ordering::Greater);
        assert_eq!(compare(&Value::F32(0.1), &Value::F64(0.1)), Ordering::Equal);
    }

    proptest! {
        #[test]
        fn nothing_overflows(from in any::<f64>(), to in any::<u64>(), per in 1_u64.., over in 1_u64..) {
            slope(&Value::F64(from), &Value::U64(to), per, over);
            slope(&Value::U64(to), &Value::I64(i64::MIN), per, over);
            let mut sum = Sum::default();
            sum.add(&Value::U64(to), per);
            sum.add(&Value::F64(from), over);
            sum.add(&Value::U64(to), u64::MAX);
            sum.over(per);
            sum.whole();
        }
    }
}
