//! What is known of one window of one tag, and what leaves of it.

use fieldflow_contract::{Level, Quality, Timestamp, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::steps::Steps;
use crate::transform::kit::number::{Sum, compare, number};

/// Most values that `p95` keeps of a window.
pub(super) const MOST_SAMPLES: usize = 10_000;

/// What leaves of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Aggregate {
    /// The mean of the values, each counting the same.
    Avg,
    /// The mean over time: each value counts for as long as it held, the last one before the window too.
    TimeAvg,
    /// The lowest value.
    Min,
    /// The highest value.
    Max,
    /// The sum of the values.
    Sum,
    /// How many values there were.
    Count,
    /// The value with the earliest time.
    First,
    /// The value with the latest time.
    Last,
    /// The standard deviation of a sample (n − 1); of a single value it is 0.
    Stddev,
    /// The value that 95 of 100 do not exceed: by nearest rank, so it is one of the values.
    P95,
    /// Good records out of 100.
    GoodPercent,
}

impl Aggregate {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::TimeAvg => "time_avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
            Self::Stddev => "stddev",
            Self::P95 => "p95",
            Self::GoodPercent => "good_percent",
        }
    }
}

/// The aggregates that are asked for, so that no more is kept of the values than they need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs(u16);

impl Needs {
    pub(super) fn of(aggregates: &[Aggregate]) -> Self {
        Self(aggregates.iter().fold(0, |all, aggregate| all | 1 << *aggregate as u16))
    }

    fn any<const N: usize>(self, of: [Aggregate; N]) -> bool {
        self.0 & Self::of(&of).0 != 0
    }
}

/// What is known of one window of one tag.
#[derive(Debug, Clone)]
pub(super) struct Window {
    pub(super) start: Timestamp,
    next_start: Timestamp,
    /// Records of any quality.
    records: u64,
    good: u64,
    /// Values that enter the aggregates.
    values: u64,
    has_uncertain: bool,
    has_fractions: bool,
    sum: Sum,
    extremes: Option<(Value, Value)>,
    /// Made when the first value comes that it is needed for.
    seldom: Option<Box<Seldom>>,
}

/// What few ask for. A window that is short of it stays where the processor finds it quickly.
#[derive(Debug, Clone)]
struct Seldom {
    first: Option<(Timestamp, Value)>,
    last: Option<(Timestamp, Value)>,
    mean: f64,
    squares: f64,
    samples: Samples,
    steps: Steps,
}

impl Seldom {
    fn new(next_start: Timestamp) -> Box<Self> {
        let (samples, steps) = (Samples::default(), Steps::new(next_start));
        Box::new(Self { first: None, last: None, mean: 0.0, squares: 0.0, samples, steps })
    }
}

impl Window {
    pub(super) fn new(start: Timestamp, next_start: Timestamp) -> Self {
        Self {
            start,
            next_start,
            records: 0,
            good: 0,
            values: 0,
            has_uncertain: false,
            has_fractions: false,
            sum: Sum::default(),
            extremes: None,
            seldom: None,
        }
    }

    /// Takes a value in; `None` is one that must not be used.
    pub(super) fn add(&mut self, time: Timestamp, value: Option<&Value>, level: Level, needs: Needs) {
        self.records += 1;
        let of_bool;
        let as_number = match value {
            Some(Value::Bool(on)) => {
                of_bool = Value::U64(u64::from(*on));
                Some(&of_bool)
            }
            number => number,
        };
        if let (Some(value), Some(as_number)) = (value, as_number) {
            self.values += 1;
            self.good += u64::from(level == Level::Good);
            self.has_uncertain |= level == Level::Uncertain;
            self.take(time, value, as_number, needs);
        }
        if needs.any([Aggregate::TimeAvg]) {
            self.seldom().steps.add(time, as_number.cloned());
        }
    }

    fn seldom(&mut self) -> &mut Seldom {
        self.seldom.get_or_insert_with(|| Seldom::new(self.next_start))
    }

    fn take(&mut self, time: Timestamp, value: &Value, as_number: &Value, needs: Needs) {
        if needs.any([Aggregate::Avg, Aggregate::Sum]) {
            self.has_fractions |= matches!(value, Value::F32(_) | Value::F64(_));
            self.sum.add(as_number, 1);
        }
        if needs.any([Aggregate::Min, Aggregate::Max]) {
            let (min, max) = self.extremes.get_or_insert_with(|| (value.clone(), value.clone()));
            if order(value, min).is_lt() {
                *min = value.clone();
            }
            if order(value, max).is_gt() {
                *max = value.clone();
            }
        }
        if needs.any([Aggregate::First, Aggregate::Last]) {
            let Seldom { first, last, .. } = self.seldom();
            if first.as_ref().is_none_or(|(first, _)| time < *first) {
                *first = Some((time, value.clone()));
            }
            if last.as_ref().is_none_or(|(last, _)| *last <= time) {
                *last = Some((time, value.clone()));
            }
        }
        if needs.any([Aggregate::Stddev, Aggregate::P95]) {
            let x = number(as_number).unwrap_or(f64::NAN);
            // Welford: no difference of large squares.
            let values = self.values as f64;
            let Seldom { mean, squares, samples, .. } = self.seldom();
            let from_mean = x - *mean;
            *mean += from_mean / values;
            *squares += from_mean * (x - *mean);
            if needs.any([Aggregate::P95]) {
                samples.add(x);
            }
        }
    }

    /// What the window comes to, `end` being how far it is known. `carry` is what held when it began, and then what holds when
    /// the next one begins.
    pub(super) fn close(
        mut self,
        of: &[Aggregate],
        end: Timestamp,
        is_partial: bool,
        carry: &mut Option<Value>,
    ) -> Vec<(Value, Quality)> {
        let steps = self.seldom.as_mut().map(|seldom| std::mem::replace(&mut seldom.steps, Steps::new(end)));
        let time_avg = steps.and_then(|steps| steps.average(carry, self.start, end));
        of.iter().map(|aggregate| self.result(*aggregate, time_avg, is_partial)).collect()
    }

    fn result(&mut self, aggregate: Aggregate, time_avg: Option<f64>, is_partial: bool) -> (Value, Quality) {
        let (value, is_about_the_records) = match aggregate {
            Aggregate::Count => (Some(Value::U64(self.values)), true),
            Aggregate::GoodPercent => (Some(Value::F64(100.0 * self.good as f64 / self.records as f64)), true),
            _ if self.values == 0 => (None, false),
            Aggregate::Avg => (Some(Value::F64(self.sum.over(self.values))), false),
            Aggregate::TimeAvg => (time_avg.map(Value::F64), false),
            Aggregate::Min => (self.extremes.as_ref().map(|(min, _)| min.clone()), false),
            Aggregate::Max => (self.extremes.as_ref().map(|(_, max)| max.clone()), false),
            Aggregate::Sum => {
                let whole = self.sum.whole().filter(|_| !self.has_fractions);
                (Some(whole.unwrap_or_else(|| Value::F64(self.sum.over(1)))), false)
            }
            Aggregate::First => (self.seldom().first.take().map(|(_, first)| first), false),
            Aggregate::Last => (self.seldom().last.take().map(|(_, last)| last), false),
            Aggregate::Stddev => {
                let others = (self.values - 1).max(1) as f64;
                (Some(Value::F64((self.seldom().squares / others).sqrt())), false)
            }
            Aggregate::P95 => (self.seldom().samples.p95().map(Value::F64), false),
        };
        let quality = match &value {
            None => Quality::BAD_NO_DATA,
            Some(Value::F64(result)) if !result.is_finite() => Quality::BAD_OUT_OF_RANGE,
            _ if is_partial => Quality::UNCERTAIN_SUB_NORMAL,
            _ if is_about_the_records => Quality::GOOD,
            _ if self.values < self.records => Quality::UNCERTAIN_SUB_NORMAL,
            _ if self.has_uncertain => Quality::UNCERTAIN,
            _ => Quality::GOOD,
        };
        (value.unwrap_or_default(), quality)
    }
}

fn order(one: &Value, two: &Value) -> std::cmp::Ordering {
    match (one, two) {
        (Value::F64(one), Value::F64(two)) => one.partial_cmp(two).unwrap_or(std::cmp::Ordering::Equal),
        (Value::Bool(one), Value::Bool(two)) => one.cmp(two),
        (Value::Bool(one), two) => compare(&Value::U64(u64::from(*one)), two),
        (one, Value::Bool(two)) => compare(one, &Value::U64(u64::from(*two))),
        (one, two) => compare(one, two),
    }
}

/// Values for `p95`: all of them, or every n-th once there are too many.
#[derive(Debug, Clone)]
struct Samples {
    kept: Vec<f64>,
    seen: u64,
    every: u64,
}

impl Default for Samples {
    fn default() -> Self {
        Self { kept: Vec::new(), seen: 0, every: 1 }
    }
}

impl Samples {
    fn add(&mut self, value: f64) {
        if self.seen.is_multiple_of(self.every) {
            if self.kept.len() == MOST_SAMPLES {
                let mut at = 0_usize;
                self.kept.retain(|_| {
                    at += 1;
                    !at.is_multiple_of(2)
                });
                self.every = self.every.saturating_mul(2);
            }
            if self.seen.is_multiple_of(self.every) {
                self.kept.push(value);
            }
        }
        self.seen += 1;
    }

    fn p95(&mut self) -> Option<f64> {
        let rank = (self.kept.len() * 95).div_ceil(100).checked_sub(1)?;
        (rank < self.kept.len()).then(|| *self.kept.select_nth_unstable_by(rank, f64::total_cmp).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_its_room_p95_is_an_estimate_over_the_whole_window() {
        let mut samples = Samples::default();
        (0..100_000).for_each(|n| samples.add(f64::from(n)));
        assert!(samples.kept.len() <= MOST_SAMPLES);
        let p95 = samples.p95().unwrap();
        assert!((p95 - 95_000.0).abs() < 50.0, "{p95}");
    }

    #[test]
    fn p95_is_one_of_the_values() {
        let mut samples = Samples::default();
        (1..=20).for_each(|n| samples.add(f64::from(n)));
        assert_eq!(samples.p95(), Some(19.0));
        assert_eq!(Samples::default().p95(), None);
    }
}
