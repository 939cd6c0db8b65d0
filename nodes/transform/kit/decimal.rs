//! Straight lines over decimals, as a person works them out with a pencil, rounded once to the nearest double.
//!
//! 3 × 0.1 is 0.3 here, not 0.30000000000000004. Options and values are decimals in people's minds, and almost always
//! short ones, so the line is kept as integers, `(factor · n + offset) / divisor`, and divided once at the end. What is no
//! short decimal, or too large, is worked out in plain doubles.

use std::fmt::LowerExp;

use fieldflow_contract::Value;

/// Most digits behind the point of a value that is still taken as a decimal.
pub(crate) const PLACES: usize = 9;

const TEN: [f64; PLACES + 1] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

/// 1, 10, 100, … as integers. Looked up, as working them out costs more than all the rest of an exact sum.
pub(crate) const POWERS: [i64; PLACES + 1] = {
    let mut powers = [1; PLACES + 1];
    let mut at = 1;
    while at <= PLACES {
        powers[at] = 10 * powers[at - 1];
        at += 1;
    }
    powers
};

/// Up to here every integer is a double.
const WHOLE: u128 = 1 << 53;

/// Up to here a decimal times its power of ten is off by less than a half, so that rounding finds its digits.
const DIGITS: f64 = (1_u64 << 51) as f64;

/// A straight line: a number to a number.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The line over values with as many digits behind the point as the index says.
    exact: [Option<Step>; PLACES + 1],
    /// A point of the line; then how far it rises over how long a run.
    from: (f64, f64),
    rise: f64,
    run: f64,
    /// The end of a range, which is hit exactly.
    end: Option<(f64, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    factor: i64,
    offset: i128,
    divisor: u128,
    /// The divisor as a double, if it is one.
    double: Option<f64>,
}

impl Line {
    /// The line `value · factor + offset`.
    pub(crate) fn linear(factor: f64, offset: f64) -> Self {
        let exact = || {
            let ([factor, offset], ten) = integers([factor, offset])?;
            Some([factor, offset, ten])
        };
        Self { exact: steps(exact()), from: (0.0, offset), rise: factor, run: 1.0, end: None }
    }

    /// The line that takes `from[0]` to `to[0]` and `from[1]` to `to[1]`.
    pub(crate) fn through(from: [f64; 2], to: [f64; 2]) -> Self {
        let exact = || {
            let ([low, high, to_low, to_high], ten) = integers([from[0], from[1], to[0], to[1]])?;
            let (run, rise) = (high.checked_sub(low)?, to_high.checked_sub(to_low)?);
            let offset = to_low.checked_mul(run)?.checked_sub(low.checked_mul(rise)?)?;
            Some([rise.checked_mul(ten)?, offset, run.checked_mul(ten)?])
        };
        Self {
            exact: steps(exact()),
            from: (from[0], to[0]),
            rise: to[1] - to[0],
            run: from[1] - from[0],
            end: Some((from[1], to[1])),
        }
    }

    /// Where the line takes a value; `None` if that is not a number.
    pub(crate) fn at(&self, value: &Value) -> Option<f64> {
        Some(match *value {
            Value::I64(v) => self.exactly(i128::from(v), 0).unwrap_or_else(|| self.plainly(v as f64)),
            Value::U64(v) => self.exactly(i128::from(v), 0).unwrap_or_else(|| self.plainly(v as f64)),
            Value::F32(v) => self.float(f64::from(v), digits_f32(v)),
            Value::F64(v) => self.float(v, digits_f64(v)),
            _ => return None,
        })
    }

    fn float(&self, value: f64, digits: Option<(i64, usize)>) -> f64 {
        let Some((mut digits, mut places)) = digits else { return self.plainly(value) };
        loop {
            if let Some(exact) = self.exactly(i128::from(digits), places) {
                return exact;
            }
            // There may be room for the same number without the zeros at its end.
            if places == 0 || digits % 10 != 0 {
                return self.plainly(value);
            }
            (digits, places) = (digits / 10, places - 1);
        }
    }

    fn exactly(&self, digits: i128, places: usize) -> Option<f64> {
        let step = self.exact[places].as_ref()?;
        // At most 64 bits times 60 bits, plus 124 bits: it fits into 127.
        let top = digits * i128::from(step.factor) + step.offset;
        Some(match step.double {
            // Both are doubles, so the division rounds once.
            Some(divisor) if top.unsigned_abs() <= WHOLE => top as i64 as f64 / divisor,
            _ => divide(top, step.divisor),
        })
    }

    fn plainly(&self, value: f64) -> f64 {
        match self.end {
            Some((end, to)) if value == end => to,
            _ => self.from.1 + (value - self.from.0) * self.rise / self.run,
        }
    }
}

/// The line `(factor · n + offset) / divisor` for each number of digits behind the point, where it fits.
fn steps(line: Option<[i128; 3]>) -> [Option<Step>; PLACES + 1] {
    let Some(line @ [factor, offset, divisor]) = line else { return [None; PLACES + 1] };
    let common = line.iter().fold(0, |common, n| gcd(common, n.unsigned_abs()));
    // A divisor of 0 is a range of no length; a check has refused it.
    let Some(common) = i128::try_from(common).ok().filter(|_| divisor != 0) else { return [None; PLACES + 1] };
    let common = if divisor < 0 { -common } else { common };
    std::array::from_fn(|places| {
        let ten = 10_i128.pow(places as u32);
        let divisor = divisor.checked_div(common)?.checked_mul(ten)?.unsigned_abs();
        Some(Step {
            factor: i64::try_from(factor.checked_div(common)?).ok().filter(|factor| factor.unsigned_abs() < 1 << 60)?,
            offset: offset.checked_div(common)?.checked_mul(ten).filter(|offset| offset.unsigned_abs() < 1 << 124)?,
            // See `divide` for the limit.
            divisor: Some(divisor).filter(|&divisor| divisor < 1 << 72)?,
            double: Some(divisor as f64).filter(|&double| double as u128 == divisor),
        })
    })
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The double that is nearest to `top / divisor`, for a divisor below 2⁷².
pub(crate) fn divide(top: i128, divisor: u128) -> f64 {
    let magnitude = top.unsigned_abs();
    if magnitude == 0 {
        return 0.0;
    }
    // With its first bit at the top, the quotient has 55 bits or more: those of a double, one to round by, and one that says
    // whether anything follows.
    let shift = magnitude.leading_zeros();
    let shifted = magnitude << shift;
    let quotient = shifted / divisor;
    let rest = shifted - quotient * divisor;
    let nearest = (quotient | u128::from(rest != 0)) as f64 * 0.5_f64.powi(shift as i32);
    if top < 0 { -nearest } else { nearest }
}

/// The shortest decimals of these numbers as integers, and the one power of ten that all of them are to be divided by.
fn integers<const N: usize>(numbers: [f64; N]) -> Option<([i128; N], i128)> {
    let mut decimals = [(0_i128, 0_u32); N];
    for (decimal, number) in decimals.iter_mut().zip(numbers) {
        *decimal = decimal_of(number)?;
    }
    let places = decimals.iter().map(|&(_, places)| places).max().unwrap_or(0);
    let mut integers = [0; N];
    for (integer, (digits, own)) in integers.iter_mut().zip(decimals) {
        *integer = digits.checked_mul(10_i128.checked_pow(places - own)?)?;
    }
    Some((integers, 10_i128.checked_pow(places)?))
}

/// The shortest decimal that is read as this double or single: its digits, and how many stand behind the point.
pub(crate) fn decimal_of(number: impl LowerExp) -> Option<(i128, u32)> {
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let behind = mantissa.split_once('.').map_or(0, |(_, behind)| behind.len());
    let digits: i128 = mantissa.replace('.', "").parse().ok()?;
    let exponent = exponent.parse::<i32>().ok()? - i32::try_from(behind).ok()?;
    match u32::try_from(exponent) {
        Ok(zeros) => Some((digits.checked_mul(10_i128.checked_pow(zeros)?)?, 0)),
        Err(_) => Some((digits, exponent.unsigned_abs())),
    }
}

/// The digits of a double that is a short decimal, and how many stand behind the point.
pub(crate) fn digits_f64(value: f64) -> Option<(i64, usize)> {
    let size = value.abs();
    if DIGITS <= size || size.is_nan() {
        return None;
    }
    // Most values have three digits behind the point or less, and shorter numbers divide faster. If the longest that has
    // room does not fit, no shorter one does.
    let longest = TEN.iter().rposition(|ten| size * ten < DIGITS)?;
    [0, 3.min(longest), longest].into_iter().find_map(|places| {
        let digits = nearest(value * TEN[places]);
        (digits as f64 / TEN[places] == value).then_some((digits, places))
    })
}

/// The double that people see in a single: 78.4 for the single 78.4, not 78.4000015258789.
pub(crate) fn double_of(value: f32) -> f64 {
    match digits_f32(value) {
        Some((digits, places)) => digits as f64 / TEN[places],
        None => value.to_string().parse().unwrap_or_else(|_| f64::from(value)),
    }
}

/// The same for a single: of the decimals that are read as it, the shortest, which is the one that people see.
pub(crate) fn digits_f32(value: f32) -> Option<(i64, usize)> {
    let digits = |places: usize| {
        let scaled = f64::from(value) * TEN[places];
        let digits = nearest(scaled);
        (scaled.abs() < DIGITS && (digits as f64 / TEN[places]) as f32 == value).then_some((digits, places))
    };
    // What does not fit with four does not fit with fewer, which halves the way to the long ones. Beyond 2e11, where four
    // have no room, a single is no short decimal any more.
    let shortest = if digits(4).is_some() { 0 } else { 5 };
    (shortest..=PLACES).find_map(digits)
}

/// The digits of a number that is a short decimal, and how many stand behind the point: 784 and 1 for 78.4.
pub(crate) fn digits(value: &Value) -> Option<(i128, usize)> {
    let short = match *value {
        Value::I64(v) => return Some((i128::from(v), 0)),
        Value::U64(v) => return Some((i128::from(v), 0)),
        Value::F32(v) => digits_f32(v),
        Value::F64(v) => digits_f64(v),
        _ => None,
    };
    short.map(|(digits, places)| (i128::from(digits), places))
}

/// Rounds to the nearest integer; a cast is much faster than `round` where the processor has no instruction for that.
fn nearest(value: f64) -> i64 {
    (value + 0.5_f64.copysign(value)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The decimal `digits / 10^places` as text, for the standard library to read.
    fn text(digits: i128, places: u32) -> String {
        let sign = if digits < 0 { "-" } else { "" };
        let (digits, places) = (format!("{:0>40}", digits.unsigned_abs()), places as usize);
        format!("{sign}{}.{}", &digits[..40 - places], &digits[40 - places..])
    }

    fn double(digits: i128, places: u32) -> f64 {
        text(digits, places).parse().unwrap()
    }

    #[test]
    fn people_get_the_decimals_that_they_expect() {
        for (value, factor, offset, expected) in [
            (Value::I64(3), 0.1, 0.0, 0.3),
            (Value::U64(1234), 0.1, 0.0, 123.4),
            (Value::F64(78.4), 0.1, 0.0, 7.84),
            (Value::F32(78.4), 0.1, 0.0, 7.84),
            (Value::F32(0.1), 1.0, 0.2, 0.3),
            (Value::I64(-7), 0.01, 0.1, 0.03),
            (Value::F64(1.1), 1.1, 0.0, 1.21),
            (Value::I64(1 << 62), 1000.0, 1.0, 4_611_686_018_427_387_904_001.0),
        ] {
            assert_eq!(Line::linear(factor, offset).at(&value), Some(expected), "{value:?} {factor} {offset}");
        }
    }

    #[test]
    fn a_long_factor_is_exact_over_short_values() {
        let expected = double(1234 * 5_555_555_555_555_556, 20);
        assert_eq!(Line::linear(0.555_555_555_555_555_6, 0.0).at(&Value::F64(0.1234)), Some(expected));
    }

    #[test]
    fn the_ends_of_a_range_are_hit_even_by_long_numbers() {
        let (from, to) = ([0.123_456_789_012_345_6, 1e300], [-7.0e-300, 0.1 + 0.2]);
        let line = Line::through(from, to);
        assert_eq!(line.at(&Value::F64(from[0])), Some(to[0]));
        assert_eq!(line.at(&Value::F64(from[1])), Some(to[1]));
    }

    #[test]
    fn what_fits_no_decimal_is_worked_out_in_doubles() {
        let third = 1.0 / 3.0;
        assert_eq!(Line::linear(third, 1.0).at(&Value::F64(third)), Some(third * third + 1.0));
        assert_eq!(Line::linear(1e-300, 0.0).at(&Value::I64(3)), Some(3e-300));
        assert_eq!(Line::linear(1e300, 0.0).at(&Value::F64(1e300)), Some(f64::INFINITY));
        assert!(Line::linear(0.1, 0.0).at(&Value::F64(f64::NAN)).unwrap().is_nan());
        assert_eq!(Line::linear(0.1, 0.0).at(&Value::F32(f32::NEG_INFINITY)), Some(f64::NEG_INFINITY));
        assert_eq!(Line::linear(0.1, 0.0).at(&Value::Bool(true)), None);
    }

    prop_compose! {
        /// A decimal of up to nine digits, up to six of them behind the point.
        fn decimal()(size in 0_u32..=9, places in 0_u32..=6, seed in any::<i64>()) -> (i128, u32) {
            (i128::from(seed) % 10_i128.pow(size), places)
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn a_linear_rule_gives_the_double_nearest_to_the_true_decimal(x in decimal(), f in decimal(), o in decimal()) {
            let places = (x.1 + f.1).max(o.1);
            let expected = double(x.0 * f.0 * 10_i128.pow(places - x.1 - f.1) + o.0 * 10_i128.pow(places - o.1), places);
            let line = Line::linear(double(f.0, f.1), double(o.0, o.1));
            prop_assert_eq!(line.at(&Value::F64(double(x.0, x.1))), Some(expected));
        }

        #[test]
        fn a_single_counts_as_the_decimal_that_it_is_printed_as(x in -9_999_999_i128..=9_999_999, places in 0_u32..=6, f in decimal()) {
            let single: f32 = text(x, places).parse().unwrap();
            let expected = double(x * f.0, places + f.1);
            // Seven digits are not always told apart by a single; where they are not, its own shortest form counts.
            prop_assume!(format!("{single:?}").parse::<f64>().unwrap() == double(x, places));
            prop_assert_eq!(Line::linear(double(f.0, f.1), 0.0).at(&Value::F32(single)), Some(expected));
        }

        #[test]
        fn a_range_gives_the_double_nearest_to_the_true_decimal(
            x in decimal(), low in (-9999_i128..=9999, 0_u32..=3), span in 0_u32..5, to in (any::<i32>(), any::<i32>()), places in 0_u32..4,
        ) {
            // A run of a power of ten, so that the result is a decimal.
            let high = (low.0 + 10_i128.pow(span + low.1), low.1);
            let (to_low, to_high) = (i128::from(to.0), i128::from(to.1));
            let common = x.1.max(low.1);
            let run = x.0 * 10_i128.pow(common - x.1) - low.0 * 10_i128.pow(common - low.1);
            let expected = double(run * (to_high - to_low) + to_low * 10_i128.pow(span + common), span + common + places);
            let line = Line::through([double(low.0, low.1), double(high.0, high.1)], [double(to_low, places), double(to_high, places)]);
            prop_assert_eq!(line.at(&Value::F64(double(x.0, x.1))), Some(expected));
        }

        #[test]
        fn there_and_back_again(from in (-1e6..1e6, 1.0..1e6), to in (-1e6..1e6, 1.0..1e6), x in -1e6..1e6) {
            let (from, to) = ([from.0, from.0 + from.1], [to.0, to.0 - to.1]);
            let there = Line::through(from, to).at(&Value::F64(x)).unwrap();
            let back = Line::through(to, from).at(&Value::F64(there)).unwrap();
            // What the steps between can lose: the spacing of doubles at the largest number on the way, seen from `from`.
            let steepness = (from[1] - from[0]) / (to[0] - to[1]);
            let largest = there.abs().max(to[0].abs()).max(to[1].abs());
            prop_assert!((back - x).abs() <= 8.0 * f64::EPSILON * (largest * steepness + 3e6), "{x} {there} {back}");
        }

        #[test]
        fn division_rounds_to_the_nearest_double(top in any::<i128>(), shift in 0_u32..127, places in 0_u32..22) {
            let top = top >> shift;
            prop_assert_eq!(divide(top, 10_u128.pow(places)), format!("{top}e-{places}").parse::<f64>().unwrap());
        }
    }
}
