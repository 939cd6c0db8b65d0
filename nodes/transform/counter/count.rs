//! The arithmetic of a counter: what was counted between two readings, and whether it wrapped or began again.

use fieldflow_contract::{Quality, Value};
use serde::{Deserialize, Serialize};

use crate::transform::kit::number::{difference, number};

/// A count: whole as long as whole numbers come in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Amount {
    /// Whole, and never led through a double.
    Whole(u64),
    /// Of a counter that shows fractions. Finite and not negative.
    Real(f64),
}

impl Amount {
    pub(super) const NONE: Self = Self::Whole(0);

    /// The reading in a value, or why there is none.
    pub(super) fn read(value: &Value) -> Result<Self, Quality> {
        let whole = match *value {
            Value::U64(v) => Some(v),
            Value::I64(v) => Some(u64::try_from(v).map_err(|_| Quality::BAD_OUT_OF_RANGE)?),
            _ => None,
        };
        match (whole, number(value)) {
            (Some(whole), _) => Ok(Self::Whole(whole)),
            (None, Some(real)) if real.is_finite() && 0.0 <= real => Ok(Self::Real(real)),
            (None, Some(_)) => Err(Quality::BAD_OUT_OF_RANGE),
            (None, None) => Err(Quality::BAD_TYPE_MISMATCH),
        }
    }

    pub(super) fn value(self) -> Value {
        match self {
            Self::Whole(v) => Value::U64(v),
            Self::Real(v) => Value::F64(v),
        }
    }

    pub(super) fn as_f64(self) -> f64 {
        match self {
            Self::Whole(v) => v as f64,
            Self::Real(v) => v,
        }
    }

    /// The sum, unless there is no room for it. Short decimals add up to short decimals.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Whole(one), Self::Whole(two)) => one.checked_add(two).map(Self::Whole),
            (one, Self::Real(two)) => real(difference(&Value::F64(-two), &one.value())),
            (Self::Real(one), two) => real(difference(&Value::F64(-one), &two.value())),
        }
    }

    /// The difference to a smaller amount.
    fn less(self, smaller: Self) -> Option<Self> {
        match (self, smaller) {
            (Self::Whole(one), Self::Whole(two)) => one.checked_sub(two).map(Self::Whole),
            (one, two) => real(difference(&two.value(), &one.value())),
        }
    }
}

fn real(sum: Option<f64>) -> Option<Amount> {
    sum.filter(|sum| sum.is_finite() && 0.0 <= *sum).map(Amount::Real)
}

/// How a counter behaves at its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dial {
    /// How many different values it shows, if it is known to wrap.
    values: Option<u128>,
    /// The most that can be counted between two readings.
    max_delta: Option<u64>,
    /// Whether a counter that began again has counted from 0 to what it shows.
    counts_from_zero: bool,
}

/// What a reading says after the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// So much was counted.
    Counted(Amount),
    /// The counter began again or jumped, and what it counted is not known.
    Unknown,
}

impl Dial {
    pub(super) fn new(max: Option<u64>, max_delta: Option<u64>, counts_from_zero: bool) -> Self {
        Self { values: max.map(values), max_delta, counts_from_zero }
    }

    /// Whether the counter can show this.
    pub(super) fn shows(&self, reading: Amount) -> bool {
        self.values.is_none_or(|values| match reading {
            Amount::Whole(reading) => u128::from(reading) < values,
            Amount::Real(reading) => reading < values as f64,
        })
    }

    /// What was counted from one reading to the next.
    pub(super) fn step(&self, last: Amount, now: Amount) -> Step {
        if let Some(delta) = now.less(last) {
            return if self.is_plausible(delta) { Step::Counted(delta) } else { Step::Unknown };
        }
        match self.wrapped(last, now) {
            Some(delta) => Step::Counted(delta),
            None if self.counts_from_zero && self.is_plausible(now) => Step::Counted(now),
            None => Step::Unknown,
        }
    }

    /// The count over the end of the dial, if that is what happened.
    fn wrapped(&self, last: Amount, now: Amount) -> Option<Amount> {
        let values = self.values?;
        let (delta, over_the_end) = match (last, now) {
            (Amount::Whole(last), Amount::Whole(now)) => {
                let (last, now) = (u128::from(last), u128::from(now));
                let delta = u64::try_from(values.checked_sub(last)? + now).ok()?;
                (Amount::Whole(delta), 9 * values < 10 * last && 10 * now < values)
            }
            (last, now) => {
                let values = values as f64;
                let rest = difference(&last.value(), &Value::F64(values)).filter(|rest| 0.0 <= *rest)?;
                let over_the_end = 0.9 * values < last.as_f64() && now.as_f64() < 0.1 * values;
                (Amount::Real(rest).plus(now)?, over_the_end)
            }
        };
        (over_the_end || self.max_delta.is_some_and(|_| self.is_plausible(delta))).then_some(delta)
    }

    fn is_plausible(&self, delta: Amount) -> bool {
        self.max_delta.is_none_or(|most| match delta {
            Amount::Whole(delta) => delta <= most,
            Amount::Real(delta) => delta <= most as f64,
        })
    }
}

/// How many values a counter shows: people say `65536` and `65535`, `1000000` and `999999` and mean the same.
pub(super) fn values(max: u64) -> u128 {
    let next = u128::from(max) + 1;
    let is_round = next.is_power_of_two() || (0..=20).any(|zeros| next == 10_u128.pow(zeros));
    if is_round { next } else { u128::from(max) }
}
