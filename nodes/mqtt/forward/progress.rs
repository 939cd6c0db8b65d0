//! What became of the records of the batches in hand. It outlives a connection, so that what is acknowledged is not sent again.

use std::collections::HashMap;

use fieldflow_contract::{Batch, Record};

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is to be sent.
    Waits,
    /// The link in use does not carry it: it is to be sent over another one.
    Later,
    /// The broker has it.
    Sent,
    /// It can never be sent, for this reason.
    Refused(String),
}

/// The batches in hand. The runtime gives a batch again until it was answered with success or with what of it was refused.
#[derive(Default)]
pub(super) struct Held(HashMap<usize, (Batch, Vec<Fate>)>);

impl Held {
    /// Takes up batches: those that are known go on where they were.
    pub(super) fn take_up(&mut self, batches: &[Batch]) {
        if batches.iter().all(|batch| !self.0.contains_key(&key(batch))) {
            // Others than before: those are answered.
            self.0.clear();
        }
        for batch in batches {
            // The clone keeps the records where they are in memory, and so what they are known by.
            self.0.entry(key(batch)).or_insert_with(|| (batch.clone(), vec![Fate::Waits; batch.len()]));
        }
    }

    /// What became of the records of a batch.
    pub(super) fn fates(&self, batch: &Batch) -> &[Fate] {
        self.0.get(&key(batch)).map_or(&[], |(_, fates)| fates)
    }

    /// Notes what became of a record.
    pub(super) fn note(&mut self, batch: &Batch, record: usize, fate: Fate) {
        if let Some(slot) = self.0.get_mut(&key(batch)).and_then(|(_, fates)| fates.get_mut(record)) {
            *slot = fate;
        }
    }

    /// Decides anew of each record that is not settled.
    pub(super) fn sort(&mut self, batch: &Batch, sort: impl Fn(&Record) -> Fate) {
        let Some((batch, fates)) = self.0.get_mut(&key(batch)) else { return };
        for (fate, record) in fates.iter_mut().zip(batch.records()) {
            if matches!(fate, Fate::Waits | Fate::Later) {
                *fate = sort(record);
            }
        }
    }

    /// Whether some of a batch is to be sent over another link.
    pub(super) fn has_later(&self, batch: &Batch) -> bool {
        self.fates(batch).contains(&Fate::Later)
    }

    /// The records of a batch that were refused, as a batch, and the reasons.
    pub(super) fn refused(&self, batch: &Batch) -> Option<(Batch, Vec<String>)> {
        let fates = self.fates(batch);
        let reason = |fate: &Fate| if let Fate::Refused(reason) = fate { Some(reason.clone()) } else { None };
        let mut reasons: Vec<String> = fates.iter().filter_map(reason).collect();
        if reasons.is_empty() {
            return None;
        }
        reasons.dedup();
        let mut place = 0;
        let refused = batch.clone().filter(|_| {
            place += 1;
            matches!(fates.get(place - 1), Some(Fate::Refused(_)))
        });
        Some((refused?, reasons))
    }

    /// Lets a batch go: it is answered.
    pub(super) fn let_go(&mut self, batch: &Batch) {
        self.0.remove(&key(batch));
    }
}

/// What a batch is known by: where its records are, which is theirs alone while the batch is held.
fn key(batch: &Batch) -> usize {
    batch.records().as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::{Tag, Timestamp, Value};

    fn batch(count: i64) -> Batch {
        let tag = Tag::new("held").unwrap();
        let records = (0..count).map(|n| Record::good(tag, Timestamp(n), Value::I64(n))).collect();
        Batch::new(records, Timestamp(0)).unwrap()
    }

    #[test]
    fn a_batch_that_comes_again_goes_on_where_it_was() {
        let (one, two) = (batch(3), batch(2));
        let mut held = Held::default();
        held.take_up(&[one.clone(), two.clone()]);
        held.note(&one, 0, Fate::Sent);
        held.note(&one, 2, Fate::Refused("no".to_owned()));
        // One by one, after the group was refused.
        held.take_up(std::slice::from_ref(&one));
        assert_eq!(held.fates(&one), [Fate::Sent, Fate::Waits, Fate::Refused("no".to_owned())]);
        let (refused, reasons) = held.refused(&one).unwrap();
        assert_eq!((refused.records(), reasons), (&one.records()[2..], vec!["no".to_owned()]));
        held.let_go(&one);
        held.take_up(std::slice::from_ref(&two));
        assert_eq!((held.fates(&two).len(), held.fates(&one).len(), held.refused(&two)), (2, 0, None));
    }

    #[test]
    fn other_batches_mean_that_the_last_ones_are_answered() {
        let (one, two) = (batch(3), batch(2));
        let mut held = Held::default();
        held.take_up(std::slice::from_ref(&one));
        held.take_up(&[two]);
        assert!(held.fates(&one).is_empty());
    }
}
