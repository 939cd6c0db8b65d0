//! Letting records go and changing records, without a copy of a batch in which there is nothing to do.

use fieldflow_contract::{Batch, Quality, Record, Value};

/// The batch with only the records that pass. `passes` is asked once for each record, in order; a batch of which all pass
/// goes on as it is, even if others read it too.
pub(super) fn sieve(batch: Batch, mut passes: impl FnMut(&Record) -> bool) -> Option<Batch> {
    let Some(first) = batch.records().iter().position(|record| !passes(record)) else { return Some(batch) };
    let mut at = 0;
    batch.filter(|record| {
        at += 1;
        at <= first || (at != first + 1 && passes(record))
    })
}

/// What becomes of a batch record by record: `judge` puts what leaves before a record into the list and says whether the
/// record itself passes. A batch of which all pass with nothing between them goes on as it is.
pub(super) fn rewrite(batch: Batch, mut judge: impl FnMut(&Record, &mut Vec<Record>) -> bool) -> Option<Batch> {
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
    if as_it_is {
        return Some(batch);
    }
    let made = Batch::new(made, batch.received());
    if batch.is_replayed() { made.map(Batch::replayed) } else { made }
}

/// Changes the records for which `judge` has a new value or quality. A batch in which it has none is not touched.
pub(super) fn amend(batch: &mut Batch, mut judge: impl FnMut(&Record) -> Option<(Value, Quality)>) {
    let Some(first) = batch.records().iter().position(|record| judge(record).is_some()) else { return };
    for record in batch.records_mut().iter_mut().skip(first) {
        if let Some((value, quality)) = judge(record) {
            (record.value, record.quality) = (value, quality);
        }
    }
}

/// The first reason is the one to look for, so a later one replaces nothing but a better quality.
pub(super) fn spoilt(quality: Quality, reason: Quality) -> Quality {
    if quality.level() < reason.level() { reason } else { quality }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::{Tag, Timestamp};

    fn batch(values: &[i64]) -> Batch {
        let tag = Tag::new("sieve").unwrap();
        Batch::new(values.iter().map(|&v| Record::good(tag, Timestamp(v), Value::I64(v))).collect(), Timestamp(0))
            .unwrap()
    }

    #[test]
    fn each_record_is_asked_about_once_and_in_order() {
        let mut asked = Vec::new();
        let kept = sieve(batch(&[1, 2, 3, 4]), |record| {
            asked.push(record.time.0);
            record.time.0 % 2 == 1
        });
        assert_eq!(asked, [1, 2, 3, 4]);
        assert_eq!(kept.unwrap().records().iter().map(|record| record.time.0).collect::<Vec<_>>(), [1, 3]);
        assert!(sieve(batch(&[1, 2]), |_| false).is_none());
    }

    #[test]
    fn a_batch_is_rewritten_in_order_and_stays_one_that_waited_on_disk() {
        let before = batch(&[8, 9]).into_records();
        let made = rewrite(batch(&[1, 2, 3, 4]).replayed(), |record, made| {
            made.extend(before.iter().filter(|_| record.time.0 == 3).cloned());
            record.time.0 != 4
        });
        let made = made.unwrap();
        assert!(made.is_replayed());
        assert_eq!(made.records().iter().map(|record| record.time.0).collect::<Vec<_>>(), [1, 2, 8, 9, 3]);
        assert!(rewrite(batch(&[1, 2]), |_, _| false).is_none());
    }

    #[test]
    fn a_shared_batch_with_nothing_to_do_is_not_copied() {
        let shared = batch(&[1, 2]);
        let mut same = rewrite(sieve(shared.clone(), |_| true).unwrap(), |_, _| true).unwrap();
        amend(&mut same, |_| None);
        assert_eq!(same.records().as_ptr(), shared.records().as_ptr());
    }
}
