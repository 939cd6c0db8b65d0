//! From the question to the rows: tag by tag, each in the order of time.

use fieldflow_contract::{Record, Tag};

use super::bucket::{Bucketing, Buckets};
use super::format::{Row, Sheet};
use super::select::Range;
use super::{Failure, Store};

/// A question to a database.
pub(in crate::cli) struct Ask {
    /// Of which tags.
    pub(in crate::cli) tags: Vec<Tag>,
    /// Of which time.
    pub(in crate::cli) range: Range,
    /// What of it.
    pub(in crate::cli) what: What,
    /// At most so many rows.
    pub(in crate::cli) limit: u64,
    /// Where the rows go, for messages.
    pub(in crate::cli) to: String,
}

/// What is asked of each tag.
pub(in crate::cli) enum What {
    /// So many of the newest samples.
    Newest(u32),
    /// All samples.
    Samples,
    /// The samples summed up.
    Buckets(Bucketing),
}

/// How far the answer is.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Beat {
    /// Samples read.
    pub(in crate::cli) samples: u64,
    /// The part of the whole, by tags and time, from 0 to 1.
    pub(in crate::cli) part: f64,
}

/// Writes the answer row by row; how many rows it has. `beat` is called between slices, and can put an end to it.
pub(in crate::cli) fn answer(
    store: &Store,
    ask: &Ask,
    sheet: &mut dyn Sheet,
    beat: &mut dyn FnMut(Beat) -> Result<(), Failure>,
) -> Result<u64, Failure> {
    let mut out = Out { sheet, to: &ask.to, left: ask.limit, rows: 0 };
    let mut samples = 0;
    for (done, tag) in ask.tags.iter().enumerate() {
        let mut tell = |read: usize, part: f64| {
            samples += read as u64;
            beat(Beat { samples, part: (done as f64 + part) / ask.tags.len() as f64 })
        };
        match &ask.what {
            What::Newest(count) => {
                let newest = store.newest(*tag, ask.range, *count)?;
                for record in &newest {
                    out.row(Row::Sample(record))?;
                }
                tell(newest.len(), 1.0)?;
            }
            What::Samples => samples_of(store, *tag, ask.range, &mut out, &mut tell)?,
            What::Buckets(bucketing) => buckets_of(store, *tag, ask.range, bucketing, &mut out, &mut tell)?,
        }
        if out.left == 0 {
            break;
        }
    }
    out.sheet.finish().map_err(|error| Failure::writing(&ask.to, &error))?;
    Ok(out.rows)
}

type Tell<'a> = &'a mut dyn FnMut(usize, f64) -> Result<(), Failure>;

fn samples_of(store: &Store, tag: Tag, range: Range, out: &mut Out<'_>, tell: Tell<'_>) -> Result<(), Failure> {
    let mut gauge = Gauge::new(range);
    for slice in store.slices(tag, range) {
        let slice = slice?;
        for record in &slice {
            out.row(Row::Sample(record))?;
        }
        tell(slice.len(), gauge.part(&slice))?;
        if out.left == 0 {
            break;
        }
    }
    Ok(())
}

fn buckets_of(
    store: &Store,
    tag: Tag,
    range: Range,
    bucketing: &Bucketing,
    out: &mut Out<'_>,
    tell: Tell<'_>,
) -> Result<(), Failure> {
    // The value that held when the range began counts for the time until the first sample in it.
    let before = Range { from: i64::MIN, to: range.from, now: range.now };
    let held = if bucketing.needs_the_value_before() { store.newest(tag, before, 1)?.pop() } else { None };
    let mut buckets = Buckets::new(tag, bucketing, range, held.as_ref());
    let mut gauge = Gauge::new(range);
    for slice in store.slices(tag, range) {
        let slice = slice?;
        for record in &slice {
            if let Some(bucket) = buckets.add(record) {
                out.row(Row::Bucket(&bucket))?;
            }
        }
        tell(slice.len(), gauge.part(&slice))?;
        if out.left == 0 {
            return Ok(());
        }
    }
    buckets.finish().map_or(Ok(()), |bucket| out.row(Row::Bucket(&bucket)))
}

/// Rows out, up to the limit.
struct Out<'a> {
    sheet: &'a mut dyn Sheet,
    to: &'a str,
    left: u64,
    rows: u64,
}

impl Out<'_> {
    fn row(&mut self, row: Row<'_>) -> Result<(), Failure> {
        if self.left != 0 {
            self.sheet.row(row).map_err(|error| Failure::writing(self.to, &error))?;
            self.left -= 1;
            self.rows += 1;
        }
        Ok(())
    }
}

/// How far a time is in a range whose beginning may only be known from its first sample.
struct Gauge {
    from: Option<i64>,
    to: i64,
}

impl Gauge {
    fn new(range: Range) -> Self {
        Self { from: (range.from != i64::MIN).then_some(range.from), to: range.to.min(range.now) }
    }

    fn part(&mut self, slice: &[Record]) -> f64 {
        let (Some(first), Some(last)) = (slice.first(), slice.last()) else { return 1.0 };
        let from = *self.from.get_or_insert(first.time.0) as f64;
        ((last.time.0 as f64 - from) / (self.to as f64 - from).max(1.0)).clamp(0.0, 1.0)
    }
}
