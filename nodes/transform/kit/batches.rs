//! What becomes of the records of a batch: changed in place, let go, refused, or made into other batches.
//!
//! A batch in which there is nothing to do goes on as it is, even if others read it too.

use fieldflow_contract::{Batch, Outputs, PortName, Record, Timestamp};

/// What becomes of a record.
#[derive(Debug)]
pub(crate) enum Fate {
    /// It passes as it is.
    Passes,
    /// It passes as this.
    Becomes(Record),
    /// It is let go on purpose, for this reason.
    Goes(&'static str),
    /// It leaves by `rejected`, as it came.
    Rejected,
}

/// Asks `judge` once for each record, in order, what becomes of it. What passes leaves as one batch, and so does what is
/// rejected; what is let go is counted. How many were rejected.
pub(crate) fn edit(mut batch: Batch, out: &mut Outputs, mut judge: impl FnMut(&Record) -> Fate) -> u64 {
    let (mut left, mut change) = (Left::default(), None);
    for (at, record) in batch.records().iter().enumerate() {
        match judge(record) {
            Fate::Passes => left.stays(),
            Fate::Becomes(new) => {
                change = Some((at, new));
                break;
            }
            Fate::Goes(reason) => left.goes(at, reason),
            Fate::Rejected => left.is_rejected(at, record),
        }
    }
    // From here on there is something to change: a batch that others read too is copied now.
    if let Some((first, new)) = change {
        let mut new = Some(new);
        for (at, record) in batch.records_mut().iter_mut().enumerate().skip(first) {
            match new.take().map_or_else(|| judge(record), Fate::Becomes) {
                Fate::Passes => left.stays(),
                Fate::Becomes(new) => {
                    *record = new;
                    left.stays();
                }
                Fate::Goes(reason) => left.goes(at, reason),
                Fate::Rejected => left.is_rejected(at, record),
            }
        }
    }
    left.give(batch, out)
}

/// Which records of a batch do not stay in it.
#[derive(Default)]
struct Left {
    /// For each record so far whether it stays; empty as long as all do.
    stay: Vec<bool>,
    /// How many were let go, by reason; a batch seldom has more than one or two.
    gone: Vec<(&'static str, u64)>,
    rejected: Vec<Record>,
}

impl Left {
    fn stays(&mut self) {
        if !self.stay.is_empty() {
            self.stay.push(true);
        }
    }

    fn leaves(&mut self, at: usize) {
        self.stay.resize(at, true);
        self.stay.push(false);
    }

    fn goes(&mut self, at: usize, reason: &'static str) {
        self.leaves(at);
        match self.gone.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => self.gone.push((reason, 1)),
        }
    }

    fn is_rejected(&mut self, at: usize, record: &Record) {
        self.leaves(at);
        self.rejected.push(record.clone());
    }

    fn give(self, batch: Batch, out: &mut Outputs) -> u64 {
        if self.stay.is_empty() {
            out.emit(batch);
            return 0;
        }
        for (reason, count) in self.gone {
            out.filtered(reason, count);
        }
        let (frame, rejected) = (Frame::of(&batch), self.rejected.len() as u64);
        let mut stay = self.stay.into_iter();
        if let Some(batch) = batch.filter(|_| stay.next().unwrap_or(true)) {
            out.emit(batch);
        }
        frame.reject(self.rejected, out);
        rejected
    }
}

/// For those that hold records back: `judge` puts what leaves before a record into the list and says whether the record itself
/// passes; it counts by itself what is let go.
pub(crate) fn rewrite(batch: Batch, out: &mut Outputs, mut judge: impl FnMut(&Record, &mut Vec<Record>) -> bool) {
    let mut made = Vec::new();
    let mut as_it_is = true;
    for (at, record) in batch.records().iter().enumerate() {
        let passes = judge(record, &mut made);
        if as_it_is && (!passes || !made.is_empty()) {
            as_it_is = false;
            made.splice(0..0, batch.records()[..at].iter().cloned());
        }
        if !as_it_is && passes {
            made.push(record.clone());
        }
    }
    if as_it_is { out.emit(batch) } else { Frame::of(&batch).emit(made, out) }
}

/// What batches of new records take over from the one that they are made of: when it was received, whether it waited on disk,
/// and when it expires.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    received: Timestamp,
    replayed: bool,
    expires: Option<Timestamp>,
}

impl Frame {
    pub(crate) fn of(batch: &Batch) -> Self {
        Self { received: batch.received(), replayed: batch.is_replayed(), expires: batch.expires() }
    }

    /// For what is made by time alone.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self { received: now, replayed: false, expires: None }
    }

    /// Sends these records as one batch out of the default port, if there are any.
    pub(crate) fn emit(self, records: Vec<Record>, out: &mut Outputs) {
        if let Some(batch) = self.batch(records) {
            out.emit(batch);
        }
    }

    /// The same out of a named port.
    pub(crate) fn emit_to(self, port: impl Into<PortName>, records: Vec<Record>, out: &mut Outputs) {
        if let Some(batch) = self.batch(records) {
            out.emit_to(port, batch);
        }
    }

    /// The same out of `rejected`.
    pub(crate) fn reject(self, records: Vec<Record>, out: &mut Outputs) {
        if let Some(batch) = self.batch(records) {
            out.reject(batch);
        }
    }

    fn batch(self, records: Vec<Record>) -> Option<Batch> {
        let batch = Batch::new(records, self.received)?.expiring(self.expires);
        Some(if self.replayed { batch.replayed() } else { batch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::{Port, Tag, Value};
    use proptest::prelude::*;

    fn record(time: i64) -> Record {
        Record::good(Tag::new("batches").unwrap(), Timestamp(time), Value::I64(time))
    }

    fn batch(times: &[i64]) -> Batch {
        Batch::new(times.iter().map(|time| record(*time)).collect(), Timestamp(7)).unwrap()
    }

    #[test]
    fn a_batch_with_nothing_to_do_is_not_copied() {
        let (shared, mut out) = (batch(&[1, 2]), Outputs::default());
        edit(shared.clone(), &mut out, |_| Fate::Passes);
        rewrite(shared.clone(), &mut out, |_, _| true);
        for made in out.take_emissions() {
            assert_eq!(made.batch.records().as_ptr(), shared.records().as_ptr());
        }
    }

    #[test]
    fn a_batch_is_rewritten_in_order_and_stays_one_that_waited_on_disk() {
        let (before, mut out) = ([record(8), record(9)], Outputs::default());
        rewrite(batch(&[1, 2, 3, 4]).replayed().expiring(Some(Timestamp(9))), &mut out, |record, made| {
            made.extend(before.iter().filter(|_| record.time.0 == 3).cloned());
            record.time.0 != 4
        });
        let made = out.take_emissions().next().unwrap().batch;
        assert_eq!((made.is_replayed(), made.received(), made.expires()), (true, Timestamp(7), Some(Timestamp(9))));
        assert_eq!(made.records().iter().map(|record| record.time.0).collect::<Vec<_>>(), [1, 2, 8, 9, 3]);
        rewrite(batch(&[1, 2]), &mut out, |_, _| false);
        assert!(out.take_emissions().next().is_none());
    }

    proptest! {
        #[test]
        fn each_record_is_asked_about_once_and_comes_out_where_it_belongs(
            fates in prop::collection::vec(0..4_i64, 1..20), is_shared in any::<bool>(),
        ) {
            let records: Vec<i64> = (0..).zip(&fates).map(|(n, fate)| 10 * n + fate).collect();
            let (batch, mut out, mut asked) = (batch(&records), Outputs::default(), Vec::new());
            let other = is_shared.then(|| batch.clone());
            let rejected = edit(batch, &mut out, |record| {
                asked.push(record.time.0);
                match record.time.0 % 10 {
                    0 => Fate::Passes,
                    1 => Fate::Becomes(Record { time: Timestamp(-record.time.0), ..record.clone() }),
                    2 => Fate::Goes("gone"),
                    _ => Fate::Rejected,
                }
            });
            let only = |fates: &[i64]| records.iter().copied().filter(|n| fates.contains(&(n % 10))).collect::<Vec<_>>();
            prop_assert_eq!(&asked, &records);
            prop_assert_eq!(rejected, only(&[3]).len() as u64);
            prop_assert_eq!(out.take_filtered().map(|(_, count)| count).sum::<u64>(), only(&[2]).len() as u64);
            let made: Vec<_> = out.take_emissions().collect();
            let of = |port: &str| {
                let made = made.iter().filter(|made| made.port == *port).flat_map(|made| made.batch.records());
                made.map(|record| record.time.0).collect::<Vec<_>>()
            };
            let passed: Vec<i64> = only(&[0, 1]).into_iter().map(|n| if n % 10 == 1 { -n } else { n }).collect();
            prop_assert_eq!((of(Port::DEFAULT), of(Port::REJECTED)), (passed, only(&[3])));
            let untouched = other.iter().flat_map(Batch::records).all(|record| 0 <= record.time.0);
            prop_assert!(untouched);
        }
    }
}
