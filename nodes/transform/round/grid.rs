//! The nearest multiple of a decimal unit, half away from zero, by the decimals that numbers are printed as.
//!
//! Nearly always a division in doubles is sure of the multiple. Only where it comes so close to the middle between two that
//! the last bits of a double decide, the decimal is looked at.

use std::fmt::LowerExp;

use fieldflow_contract::Value;

use crate::transform::kit::decimal::{decimal_of, digits_f32, digits_f64};

/// Up to here every integer is a double.
const WHOLE: f64 = (1_u64 << 53) as f64;
/// The same for singles.
const WHOLE_SINGLE: f64 = (1_u64 << 24) as f64;
/// How far a quotient of two doubles may be from that of their decimals, as a share of it; twice what it can be.
const DOUBT: f64 = 2.0 * f64::EPSILON;
/// The same with a single.
const DOUBT_SINGLE: f64 = f32::EPSILON as f64;
/// Up to this power, a power of ten is a double.
const TENS: i32 = 22;

/// What became of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rounded {
    Same,
    To(Value),
    /// It is not finite, or would not fit into its kind.
    NoRoom,
    NoNumber,
}

/// The multiples of a unit, `digits / 10^places`.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    digits: i128,
    places: u32,
    size: f64,
    /// The digits and the power of ten as doubles, if they are.
    doubles: Option<(f64, f64)>,
    whole: Whole,
}

/// What the grid does to integers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Whole {
    /// All of them lie on it.
    Kept,
    /// Some do, and everything on it is one.
    Rounded,
    /// What is on it need not be an integer.
    Doubles,
}

impl Grid {
    /// Numbers with so many digits behind the point.
    pub(super) fn decimals(places: u32) -> Option<Self> {
        Self::new(1, places)
    }

    /// Multiples of a step.
    pub(super) fn step(step: f64) -> Option<Self> {
        decimal_of(step).and_then(|(digits, places)| Self::new(digits, places))
    }

    fn new(digits: i128, places: u32) -> Option<Self> {
        let ten = 10_i128.checked_pow(places)?;
        if digits <= 0 {
            return None;
        }
        Some(Self {
            digits,
            places,
            size: format!("{digits}e-{places}").parse().ok()?,
            doubles: (digits as f64 as i128 == digits && ten as f64 as i128 == ten)
                .then_some((digits as f64, ten as f64)),
            whole: match places {
                0 if digits == 1 => Whole::Kept,
                0 => Whole::Rounded,
                _ if ten % digits == 0 => Whole::Kept,
                _ => Whole::Doubles,
            },
        })
    }

    pub(super) fn round(&self, value: &Value) -> Rounded {
        match *value {
            Value::I64(v) => self.integer(i128::from(v), value),
            Value::U64(v) => self.integer(i128::from(v), value),
            Value::F32(v) => {
                single(v, self.float(f64::from(v), WHOLE_SINGLE, DOUBT_SINGLE, || decimal(digits_f32(v), v)))
            }
            Value::F64(v) => double(v, self.float(v, WHOLE, DOUBT, || decimal(digits_f64(v), v))),
            _ => Rounded::NoNumber,
        }
    }

    fn integer(&self, integer: i128, value: &Value) -> Rounded {
        match self.whole {
            Whole::Kept => Rounded::Same,
            Whole::Rounded => whole(value, nearest(integer, self.digits).checked_mul(self.digits)),
            Whole::Doubles => Rounded::To(Value::F64(self.float(integer as f64, WHOLE, DOUBT, || Some((integer, 0))))),
        }
    }

    /// From `no_room` units on, doubles (or singles) lie so far apart that the value itself is the nearest.
    fn float(&self, value: f64, no_room: f64, doubt: f64, decimal: impl FnOnce() -> Option<(i128, u32)>) -> f64 {
        let units = value / self.size;
        let size = units.abs();
        if size.is_nan() || no_room <= size {
            return value;
        }
        let below = size as i64 as f64;
        if size * doubt < (size - below - 0.5).abs()
            && let Some((digits, ten)) = self.doubles
        {
            let multiple = (if size - below < 0.5 { below } else { below + 1.0 }) * digits;
            // Each of them is a double, so that only one step rounds.
            if multiple <= WHOLE || ten == 1.0 {
                let rounded = multiple / ten;
                return if multiple != 0.0 && value < 0.0 { -rounded } else { rounded };
            }
        }
        decimal().and_then(|decimal| self.exactly(decimal)).unwrap_or_else(|| units.round() * self.size)
    }

    fn exactly(&self, (digits, places): (i128, u32)) -> Option<f64> {
        let (top, bottom) = match self.places.checked_sub(places) {
            Some(more) => (digits.checked_mul(10_i128.checked_pow(more)?)?, self.digits),
            None => (digits, self.digits.checked_mul(10_i128.checked_pow(places - self.places)?)?),
        };
        let multiple = nearest(top, bottom).checked_mul(self.digits)?;
        match self.doubles {
            Some((_, ten)) if multiple.unsigned_abs() <= WHOLE as u128 => Some(multiple as f64 / ten),
            _ => format!("{multiple}e-{}", self.places).parse().ok(),
        }
    }
}

/// Numbers of so many digits from the first that is not zero.
#[derive(Debug, Clone)]
pub(super) struct Significant {
    digits: u32,
    /// The powers of ten from −22 to 23, and up to 22 the grid for numbers from that power to the next.
    powers: Vec<(f64, Grid)>,
}

impl Significant {
    pub(super) fn new(digits: u32) -> Option<Self> {
        let last = i32::try_from(digits).ok()?.checked_sub(1)?;
        let powers = (-TENS..=TENS + 1).map(|power| {
            let unit = power - last;
            let grid = match u32::try_from(unit) {
                Ok(zeros) => Grid::new(10_i128.checked_pow(zeros)?, 0)?,
                Err(_) => Grid::new(1, unit.unsigned_abs())?,
            };
            Some((format!("1e{power}").parse().ok()?, grid))
        });
        Some(Self { digits, powers: powers.collect::<Option<_>>()? })
    }

    pub(super) fn round(&self, value: &Value) -> Rounded {
        match *value {
            Value::I64(v) => whole(value, self.integer(i128::from(v))),
            Value::U64(v) => whole(value, self.integer(i128::from(v))),
            Value::F32(v) => match self.grid(f64::from(v)) {
                Some(grid) => grid.round(value),
                None => single(v, text(v).and_then(|text| self.exactly(&text)).unwrap_or(f64::from(v))),
            },
            Value::F64(v) => match self.grid(v) {
                Some(grid) => grid.round(value),
                None => double(v, text(v).and_then(|text| self.exactly(&text)).unwrap_or(v)),
            },
            _ => Rounded::NoNumber,
        }
    }

    fn integer(&self, integer: i128) -> Option<i128> {
        let count = integer.unsigned_abs().checked_ilog10()? + 1;
        let unit = 10_i128.checked_pow(count.saturating_sub(self.digits))?;
        nearest(integer, unit).checked_mul(unit)
    }

    /// The grid for numbers of this size.
    fn grid(&self, value: f64) -> Option<&Grid> {
        let size = value.abs();
        // The exponent over two, times log 2, is never above the power of ten by more than the rounding of both.
        let two = (size.to_bits() >> 52) as i32 - 1023;
        let guess = usize::try_from(((two * 1233) >> 12) + TENS).ok()?;
        let at = if size < self.powers.get(guess)?.0 { guess.checked_sub(1)? } else { guess };
        let at = if self.powers.get(at + 1)?.0 <= size { at + 1 } else { at };
        // The last power only ends the range of the one before.
        (at + 1 < self.powers.len()).then(|| &self.powers[at].1)
    }

    /// By the text of a number in the form `1.2345e-67`.
    fn exactly(&self, text: &str) -> Option<f64> {
        let (mantissa, exponent) = text.split_once('e')?;
        let behind = mantissa.split_once('.').map_or(0, |(_, behind)| behind.len());
        let digits: i128 = mantissa.replace('.', "").parse().ok()?;
        let exponent = exponent.parse::<i32>().ok()? - i32::try_from(behind).ok()?;
        format!("{}e{exponent}", self.integer(digits)?).parse().ok()
    }
}

/// The decimal of a number; the short ones, which are most of those that lie in the middle, without a look at the text.
fn decimal(short: Option<(i64, usize)>, value: impl LowerExp) -> Option<(i128, u32)> {
    short.map(|(digits, places)| (i128::from(digits), places as u32)).or_else(|| decimal_of(value))
}

fn text<T: LowerExp + Into<f64> + Copy>(value: T) -> Option<String> {
    let double: f64 = value.into();
    (double.is_finite() && double != 0.0).then(|| format!("{value:e}"))
}

/// The integer nearest to a quotient, half away from zero.
fn nearest(top: i128, bottom: i128) -> i128 {
    let (quotient, rest) = (top / bottom, top % bottom);
    if bottom.unsigned_abs() <= 2 * rest.unsigned_abs() { quotient + top.signum() } else { quotient }
}

/// The integer in the kind of the value that it was made of; there is none for the 0 that stays 0.
fn whole(value: &Value, integer: Option<i128>) -> Rounded {
    let made = match (value, integer) {
        (_, None) | (Value::U64(0) | Value::I64(0), _) => return Rounded::Same,
        (Value::U64(_), Some(integer)) => u64::try_from(integer).map(Value::U64).ok(),
        (_, Some(integer)) => i64::try_from(integer).map(Value::I64).ok(),
    };
    match made {
        Some(made) if made == *value => Rounded::Same,
        Some(made) => Rounded::To(made),
        None => Rounded::NoRoom,
    }
}

fn double(was: f64, is: f64) -> Rounded {
    match is {
        _ if !is.is_finite() => Rounded::NoRoom,
        _ if is == was => Rounded::Same,
        _ => Rounded::To(Value::F64(is)),
    }
}

fn single(was: f32, is: f64) -> Rounded {
    match is as f32 {
        is if !is.is_finite() => Rounded::NoRoom,
        is if is == was => Rounded::Same,
        is => Rounded::To(Value::F32(is)),
    }
}
