//! Samples of one tag summed up in buckets of time. Pure.
//!
//! A bucket has a row if it has a sample. Bad and uncertain samples only lower `good_percent`, and end the time for which the
//! value before them holds. NaN is no number.

use clap::ValueEnum;
use fieldflow_contract::{Record, Tag, Timestamp, Value};

use super::select::Range;

/// What the samples of a bucket are summed up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(in crate::cli) enum Agg {
    /// The mean of the samples.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The sum.
    Sum,
    /// How many samples of good quality.
    Count,
    /// The first good sample.
    First,
    /// The last good sample.
    Last,
    /// The mean over the time, each value holding until the next sample: for samples stored on change.
    TimeAvg,
    /// The part of all samples that is of good quality, in percent.
    GoodPercent,
}

impl Agg {
    /// Its name as a column.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
            Self::Count => "count",
            Self::First => "first",
            Self::Last => "last",
            Self::TimeAvg => "time_avg",
            Self::GoodPercent => "good_percent",
        }
    }
}

/// How long buckets are, and what they tell.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Bucketing {
    /// In microseconds, above 0.
    pub(super) every: i64,
    /// The columns.
    pub(in crate::cli) aggs: Vec<Agg>,
}

impl Bucketing {
    /// Whether the last sample before the range has a say in it.
    pub(super) fn needs_the_value_before(&self) -> bool {
        self.aggs.contains(&Agg::TimeAvg)
    }

    fn start_of(&self, time: i64) -> i64 {
        time.div_euclid(self.every).saturating_mul(self.every)
    }
}

/// A bucket that is summed up.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) struct Bucket {
    pub(super) tag: Tag,
    pub(super) start: Timestamp,
    /// One for each column.
    pub(super) values: Vec<Value>,
}

/// Sums up samples that come in the order of time.
pub(super) struct Buckets<'a> {
    tag: Tag,
    bucketing: &'a Bucketing,
    range: Range,
    held: Held,
    open: Option<Open>,
}

/// The number that holds until the next sample, and since when.
#[derive(Clone, Copy)]
struct Held {
    since: i64,
    number: Option<f64>,
}

impl Held {
    fn of(record: &Record) -> Self {
        let number = number(&record.value).filter(|_| record.quality.is_good());
        Self { since: record.time.0, number }
    }
}

impl<'a> Buckets<'a> {
    /// Begins; `held` is the last sample before the range.
    pub(super) fn new(tag: Tag, bucketing: &'a Bucketing, range: Range, held: Option<&Record>) -> Self {
        let held = held.map_or(Held { since: range.from, number: None }, Held::of);
        Self { tag, bucketing, range, held, open: None }
    }

    /// Takes the next sample; the bucket before it, if that is over.
    pub(super) fn add(&mut self, record: &Record) -> Option<Bucket> {
        let start = self.bucketing.start_of(record.time.0);
        let over = if self.open.as_ref().is_some_and(|open| open.start != start) { self.close(i64::MAX) } else { None };
        let open = self.open.get_or_insert_with(|| Open::new(start));
        open.weigh(self.held, self.range.from, record.time.0);
        open.add(record);
        self.held = Held::of(record);
        over
    }

    /// The last bucket. Its last value holds until now, for what comes is not known.
    pub(super) fn finish(&mut self) -> Option<Bucket> {
        self.close(self.range.now)
    }

    fn close(&mut self, known: i64) -> Option<Bucket> {
        let mut open = self.open.take()?;
        let end = open.start.saturating_add(self.bucketing.every).min(self.range.to).min(known);
        open.weigh(self.held, self.range.from, end);
        let values = self.bucketing.aggs.iter().map(|agg| open.value(*agg)).collect();
        Some(Bucket { tag: self.tag, start: Timestamp(open.start), values })
    }
}

/// A bucket that samples still come into.
struct Open {
    start: i64,
    samples: u64,
    good: u64,
    first: Value,
    last: Value,
    /// The least and the greatest number, each as it was stored.
    ends: Option<(Value, Value)>,
    numbers: u64,
    sum: f64,
    /// The integral over the time in which a number holds, and that time, in microseconds.
    area: f64,
    held: f64,
}

impl Open {
    fn new(start: i64) -> Self {
        let (first, last) = (Value::Null, Value::Null);
        Self { start, samples: 0, good: 0, first, last, ends: None, numbers: 0, sum: 0.0, area: 0.0, held: 0.0 }
    }

    /// Adds the time from when the value was held, at the earliest from the beginning of the bucket and of the range.
    fn weigh(&mut self, held: Held, from: i64, until: i64) {
        let since = held.since.max(self.start).max(from);
        if let Some(number) = held.number
            && since < until
        {
            let time = (until - since) as f64;
            self.area += number * time;
            self.held += time;
        }
    }

    fn add(&mut self, record: &Record) {
        self.samples += 1;
        if !record.quality.is_good() {
            return;
        }
        if self.good == 0 {
            self.first = record.value.clone();
        }
        self.good += 1;
        self.last = record.value.clone();
        let Some(number) = number(&record.value) else { return };
        self.numbers += 1;
        self.sum += number;
        match &mut self.ends {
            None => self.ends = Some((record.value.clone(), record.value.clone())),
            Some((least, _)) if less(&record.value, least) => *least = record.value.clone(),
            Some((_, greatest)) if less(greatest, &record.value) => *greatest = record.value.clone(),
            Some(_) => {}
        }
    }

    fn value(&self, agg: Agg) -> Value {
        let ratio = |of: f64, to: f64| if to == 0.0 { Value::Null } else { Value::F64(of / to) };
        match agg {
            Agg::Avg => ratio(self.sum, self.numbers as f64),
            Agg::Min => self.ends.as_ref().map_or(Value::Null, |(least, _)| least.clone()),
            Agg::Max => self.ends.as_ref().map_or(Value::Null, |(_, greatest)| greatest.clone()),
            Agg::Sum if self.numbers == 0 => Value::Null,
            Agg::Sum => Value::F64(self.sum),
            Agg::Count => Value::U64(self.good),
            Agg::First => self.first.clone(),
            Agg::Last => self.last.clone(),
            Agg::TimeAvg => ratio(self.area, self.held),
            Agg::GoodPercent => ratio(self.good as f64 * 100.0, self.samples as f64),
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| !number.is_nan())
}

fn less(one: &Value, other: &Value) -> bool {
    match (one, other) {
        // Beyond 2⁵³ two integers can be the same double.
        (Value::I64(one), Value::I64(other)) => one < other,
        (Value::U64(one), Value::U64(other)) => one < other,
        _ => number(one) < number(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::Quality;
    use proptest::prelude::*;

    const ALL: [Agg; 9] =
        [Agg::Avg, Agg::Min, Agg::Max, Agg::Sum, Agg::Count, Agg::First, Agg::Last, Agg::TimeAvg, Agg::GoodPercent];

    fn summed(records: &[Record], every: i64, range: Range) -> Vec<Bucket> {
        let (before, rest) = records.split_at(records.partition_point(|record| record.time.0 < range.from));
        let within = &rest[..rest.partition_point(|record| record.time.0 < range.to)];
        let bucketing = Bucketing { every, aggs: ALL.to_vec() };
        let mut buckets = Buckets::new(Tag::new("b").unwrap(), &bucketing, range, before.last());
        let mut all: Vec<Bucket> = within.iter().filter_map(|record| buckets.add(record)).collect();
        all.extend(buckets.finish());
        all
    }

    /// The naive model: looks at all samples again for every bucket, and at every microsecond of it.
    fn model(records: &[Record], every: i64, range: Range) -> Vec<Bucket> {
        let within = |record: &&Record| range.from <= record.time.0 && record.time.0 < range.to;
        let mut starts: Vec<i64> =
            records.iter().filter(within).map(|record| record.time.0 - record.time.0.rem_euclid(every)).collect();
        starts.dedup();
        let bucket = |start: &i64| {
            let inside: Vec<&Record> = records
                .iter()
                .filter(within)
                .filter(|record| *start <= record.time.0 && record.time.0 < start + every)
                .collect();
            let good: Vec<&Record> = inside.iter().filter(|record| record.quality == Quality::GOOD).copied().collect();
            let usable = |record: &&Record| record.quality == Quality::GOOD && record.value.same_as(&record.value);
            let number = |record: &Record| record.value.as_f64().filter(|number| !number.is_nan());
            let numbers: Vec<f64> = good.iter().filter_map(|record| number(record)).collect();
            let mut held = Vec::new();
            // What is known ends now, or at the last sample.
            let known = records.iter().rfind(within).map_or(range.now, |record| record.time.0.max(range.now));
            for at in (*start).max(range.from)..(start + every).min(range.to).min(known) {
                let last = records.iter().rfind(|record| record.time.0 <= at);
                held.extend(last.filter(usable).and_then(number));
            }
            let mean = |of: &[f64]| {
                if of.is_empty() { Value::Null } else { Value::F64(of.iter().sum::<f64>() / of.len() as f64) }
            };
            let of = |found: Option<f64>| found.map_or(Value::Null, Value::F64);
            let sum = if numbers.is_empty() { None } else { Some(numbers.iter().sum()) };
            let values = vec![
                mean(&numbers),
                of(numbers.iter().copied().reduce(f64::min)),
                of(numbers.iter().copied().reduce(f64::max)),
                of(sum),
                Value::U64(good.len() as u64),
                good.first().map_or(Value::Null, |record| record.value.clone()),
                good.last().map_or(Value::Null, |record| record.value.clone()),
                mean(&held),
                Value::F64(good.len() as f64 * 100.0 / inside.len() as f64),
            ];
            Bucket { tag: Tag::new("b").unwrap(), start: Timestamp(*start), values }
        };
        starts.iter().map(bucket).collect()
    }

    /// Small whole numbers, so that the order of additions does not show.
    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            8 => (-50..50_i32).prop_map(|number| Value::F64(f64::from(number))),
            1 => Just(Value::F64(f64::NAN)),
            1 => Just(Value::Null),
            1 => Just(Value::Text("stop".into())),
        ]
    }

    fn records() -> impl Strategy<Value = Vec<Record>> {
        let quality =
            prop::sample::select(vec![Quality::GOOD, Quality::GOOD, Quality::UNCERTAIN, Quality::BAD_TIMEOUT]);
        prop::collection::vec((-60..120_i64, value(), quality), 0..40).prop_map(|mut rows| {
            rows.sort_by_key(|row| row.0);
            let tag = Tag::new("b").unwrap();
            rows.into_iter().map(|(at, value, quality)| Record { tag, quality, time: Timestamp(at), value }).collect()
        })
    }

    proptest! {
        #[test]
        fn buckets_are_what_the_naive_model_says(
            records in records(), every in 1..40_i64, from in -70..60_i64, length in 1..150_i64, now in -70..200_i64,
        ) {
            let range = Range { from, to: from + length, now };
            let (found, wanted) = (summed(&records, every, range), model(&records, every, range));
            prop_assert_eq!(found.len(), wanted.len());
            for (found, wanted) in found.iter().zip(&wanted) {
                prop_assert_eq!(found.start, wanted.start);
                for ((agg, found), wanted) in ALL.iter().zip(&found.values).zip(&wanted.values) {
                    prop_assert!(found.same_as(wanted), "{:?}: {:?}, not {:?}", agg, found, wanted);
                }
            }
        }
    }

    #[test]
    fn integers_stay_integers_where_they_are_only_chosen() {
        let tag = Tag::new("b").unwrap();
        let big = i64::MAX;
        let records: Vec<Record> = [big - 1, big, big - 2]
            .iter()
            .zip(0..)
            .map(|(value, at)| Record::good(tag, Timestamp(at), Value::I64(*value)))
            .collect();
        let all = summed(&records, 10, Range { from: i64::MIN, to: i64::MAX, now: 3 });
        assert_eq!(all[0].values[1..3], [Value::I64(big - 2), Value::I64(big)]);
    }

    #[test]
    fn the_ends_of_time_do_no_harm() {
        let tag = Tag::new("b").unwrap();
        let records = [i64::MIN, i64::MAX - 1].map(|at| Record::good(tag, Timestamp(at), Value::I64(1)));
        let all = summed(&records, 60_000_000, Range { from: i64::MIN, to: i64::MAX, now: i64::MAX });
        assert_eq!(all.len(), 2);
    }
}
