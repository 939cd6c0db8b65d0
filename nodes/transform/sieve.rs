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
    fn a_shared_batch_with_nothing_to_do_is_not_copied() {
        let shared = batch(&[1, 2]);
        let mut same = sieve(shared.clone(), |_| true).unwrap();
        amend(&mut same, |_| None);
        assert_eq!(same.records().as_ptr(), shared.records().as_ptr());
    }
}
