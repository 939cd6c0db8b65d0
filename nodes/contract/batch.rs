//! The batch: records that arrived together.

use std::sync::Arc;

use crate::{Record, Timestamp};

/// One or more records that arrived together, with the time they were received.
///
/// A clone shares the records; they are copied when one of several owners changes them, and never along a linear chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    records: Arc<Vec<Record>>,
    received: Timestamp,
    replayed: bool,
    expires: Option<Timestamp>,
}

impl Batch {
    /// A batch of these records, or `None` where there are none: a batch is never empty.
    pub fn new(records: Vec<Record>, received: Timestamp) -> Option<Self> {
        (!records.is_empty()).then(|| Self { records: Arc::new(records), received, replayed: false, expires: None })
    }

    /// A batch of one record.
    pub fn one(record: Record, received: Timestamp) -> Self {
        Self { records: Arc::new(vec![record]), received, replayed: false, expires: None }
    }

    /// The records, in order of arrival. Never empty.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// How many records; at least one.
    #[expect(clippy::len_without_is_empty, reason = "a batch is never empty")]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// When the batch was received.
    pub fn received(&self) -> Timestamp {
        self.received
    }

    /// Whether the batch waited on disk because its way was blocked, and comes now after newer values may have been seen.
    pub fn is_replayed(&self) -> bool {
        self.replayed
    }

    /// The same batch, marked as one that waited on disk.
    #[must_use]
    pub fn replayed(mut self) -> Self {
        self.replayed = true;
        self
    }

    /// When whoever sent it wants it no longer acted upon, such as a command that came too late. Only what acts on a plant
    /// looks at it: a value that is stored does not expire.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// The same batch, with the end of its use.
    #[must_use]
    pub fn expiring(mut self, expires: Option<Timestamp>) -> Self {
        self.expires = expires;
        self
    }

    /// Bytes that the records take in memory.
    pub fn bytes(&self) -> usize {
        self.records.iter().map(Record::bytes).sum()
    }

    /// The records, to change in place. Copies them first if somebody else still reads them.
    pub fn records_mut(&mut self) -> &mut [Record] {
        let records: &mut Vec<Record> = Arc::make_mut(&mut self.records);
        records
    }

    /// The batch with only the records that `keep` wants, or `None` if it wants none.
    pub fn filter(mut self, mut keep: impl FnMut(&Record) -> bool) -> Option<Self> {
        match Arc::get_mut(&mut self.records) {
            Some(records) => records.retain(keep),
            None => self.records = Arc::new(self.records.iter().filter(|record| keep(record)).cloned().collect()),
        }
        (!self.records.is_empty()).then_some(self)
    }

    /// The records by themselves; copied only if somebody else still reads them.
    pub fn into_records(self) -> Vec<Record> {
        Arc::unwrap_or_clone(self.records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tag, Value};

    fn batch(values: &[i64]) -> Batch {
        let tag = Tag::new("batch.test").unwrap();
        let records = values.iter().map(|&v| Record::good(tag, Timestamp(v), Value::I64(v))).collect();
        Batch::new(records, Timestamp(0)).unwrap()
    }

    #[test]
    fn a_sole_owner_changes_in_place() {
        let mut sole = batch(&[1, 2]);
        let before = sole.records().as_ptr();
        sole.records_mut()[0].value = Value::I64(9);
        let kept = sole.expiring(Some(Timestamp(5))).filter(|record| record.value == Value::I64(9)).unwrap();
        assert_eq!((kept.records().as_ptr(), kept.expires()), (before, Some(Timestamp(5))));
        assert_eq!(kept.len(), 1);
    }

    #[test]
    fn a_shared_batch_is_copied_on_write() {
        let one = batch(&[1, 2]);
        let mut two = one.clone();
        two.records_mut()[0].value = Value::I64(9);
        assert_eq!(one.records()[0].value, Value::I64(1));
        assert!(one.clone().filter(|_| false).is_none());
        assert_eq!(one.len(), 2);
    }
}
