//! Links that are too dear for everything: what they carry goes ahead, and the rest waits on the durable edge for a link that
//! carries all.
//!
//! A batch of which something has to wait is given back to its edge, and comes again, whole. What went ahead of it is not sent
//! again then, as long as this knows of it: in memory, and only so much; after a restart it goes twice.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fieldflow_contract::{Position, TagSelector};

/// Most ranges of batches that are known of a link and a queue. The oldest are forgotten.
const MOST_RANGES: usize = 10_000;

/// A queue: the edge and its epoch.
type Queue = (Arc<str>, u64);

/// Which links carry what, and of which batches they have carried it.
#[derive(Default)]
pub(super) struct Narrow {
    /// Of each broker, what goes over its link; `None` for everything.
    only: Vec<Option<TagSelector>>,
    went: HashMap<(usize, Queue), Ranges>,
}

/// Batches by their numbers, as ranges that neither touch nor overlap, each by its first.
#[derive(Default)]
struct Ranges(BTreeMap<u64, u64>);

impl Narrow {
    pub(super) fn new(only: Vec<Option<TagSelector>>) -> Self {
        Self { only, went: HashMap::new() }
    }

    /// What goes over the link to this broker; `None` for everything.
    pub(super) fn only(&self, broker: Option<usize>) -> Option<&TagSelector> {
        self.only.get(broker?)?.as_ref()
    }

    /// What of this batch went ahead over some link, if anything did.
    pub(super) fn went_ahead(&self, of: &Position) -> impl Iterator<Item = &TagSelector> {
        let queue = (Arc::clone(&of.edge), of.epoch);
        let sequence = of.sequence;
        self.only.iter().enumerate().filter_map(move |(broker, only)| {
            let went = self.went.get(&(broker, queue.clone()))?;
            only.as_ref().filter(|_| went.has(sequence))
        })
    }

    /// Notes that what the link to this broker carries of a batch has arrived.
    pub(super) fn note(&mut self, broker: usize, of: &Position) {
        self.went.entry((broker, (Arc::clone(&of.edge), of.epoch))).or_default().add(of.sequence);
    }
}

impl Ranges {
    fn has(&self, number: u64) -> bool {
        self.0.range(..=number).next_back().is_some_and(|(_, end)| number <= *end)
    }

    fn add(&mut self, number: u64) {
        if self.has(number) {
            return;
        }
        let (mut from, mut upto) = (number, number);
        if let Some(end) = number.checked_add(1).and_then(|next| self.0.remove(&next)) {
            upto = end;
        }
        let before = self.0.range(..number).next_back().map(|(start, end)| (*start, *end));
        if let Some((start, end)) = before
            && end.checked_add(1) == Some(number)
        {
            from = start;
        }
        self.0.insert(from, upto);
        if MOST_RANGES < self.0.len() {
            self.0.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_know_what_a_set_would_know() {
        let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
        for n in 0..500_u64 {
            let number = n * 7919 % 211;
            ranges.add(number);
            set.insert(number);
            assert!((0..=212).all(|n| ranges.has(n) == set.contains(&n)));
        }
        assert_eq!(ranges.0.len(), 1, "they have grown together");
        ranges.add(u64::MAX);
        assert!(ranges.has(u64::MAX) && !ranges.has(u64::MAX - 1));
    }

    #[test]
    fn they_are_bounded() {
        let mut ranges = Ranges::default();
        (0..2 * MOST_RANGES as u64 + 2).step_by(2).for_each(|number| ranges.add(number));
        assert_eq!((ranges.0.len(), ranges.has(0), ranges.has(2)), (MOST_RANGES, false, true));
    }
}
