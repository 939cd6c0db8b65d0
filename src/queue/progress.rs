//! Which batches of an edge are done: everything up to one, and some beyond it.

use std::collections::BTreeMap;

/// The done batches of one edge. Bounded by the gaps between them, and so by what is on its way.
#[derive(Debug, Default)]
pub(super) struct Progress {
    taken: u64,
    /// Done ranges beyond `taken`, by their first batch; they neither touch nor overlap.
    beyond: BTreeMap<u64, u64>,
}

impl Progress {
    pub(super) fn behind(taken: u64) -> Self {
        Self { taken, beyond: BTreeMap::new() }
    }

    /// Everything up to and with this batch is done.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// How many batches are done.
    pub(super) fn count(&self) -> u64 {
        self.beyond.iter().fold(self.taken, |count, (from, upto)| count + (upto - from + 1))
    }

    /// The done ranges beyond the one at the beginning.
    pub(super) fn beyond(&self) -> impl ExactSizeIterator<Item = (u64, u64)> {
        self.beyond.iter().map(|(from, upto)| (*from, *upto))
    }

    /// The first batch from this one on that is not done.
    pub(super) fn first_open(&self, from: u64) -> u64 {
        let from = from.max(self.taken + 1);
        let within = self.beyond.range(..=from).next_back().filter(|(_, upto)| from <= **upto);
        within.map_or(from, |(_, upto)| upto + 1)
    }

    /// The first batch behind this one that is done.
    pub(super) fn next_done(&self, behind: u64) -> Option<u64> {
        self.beyond.range(behind + 1..).next().map(|(from, _)| *from)
    }

    pub(super) fn is_done(&self, sequence: u64) -> bool {
        sequence <= self.taken || self.beyond.range(..=sequence).next_back().is_some_and(|(_, end)| sequence <= *end)
    }

    /// Notes that these batches are done.
    pub(super) fn done(&mut self, mut from: u64, mut upto: u64) {
        if upto <= self.taken {
            return;
        }
        // Swallow every range that touches the new one.
        while let Some((&start, &end)) = self.beyond.range(..=upto.saturating_add(1)).next_back() {
            if end.saturating_add(1) < from {
                break;
            }
            self.beyond.remove(&start);
            from = from.min(start);
            upto = upto.max(end);
        }
        if from <= self.taken + 1 {
            self.taken = upto;
        } else {
            self.beyond.insert(from, upto);
        }
    }

    /// What would be taken if these batches were done as well, in rising order.
    pub(super) fn taken_with(&self, sequences: impl Iterator<Item = u64>) -> u64 {
        let mut taken = self.taken;
        for sequence in sequences {
            let bridge = |taken: u64| self.beyond.get(&(taken + 1)).copied();
            if sequence == taken + 1 {
                taken = sequence;
            }
            while let Some(end) = bridge(taken) {
                taken = end;
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_knows_what_a_set_would_know(ranges in prop::collection::vec((1..60_u64, 0..9_u64), 0..40), more in prop::collection::btree_set(1..60_u64, 0..9)) {
            let (mut progress, mut set) = (Progress::behind(0), BTreeSet::new());
            let contiguous = |set: &BTreeSet<u64>| (1..100).take_while(|n| set.contains(n)).count() as u64;
            for (from, length) in ranges {
                progress.done(from, from + length);
                set.extend(from..=from + length);
                prop_assert_eq!(progress.taken(), contiguous(&set));
                for n in 1..80 {
                    prop_assert_eq!(progress.is_done(n), set.contains(&n), "{}", n);
                    prop_assert_eq!(progress.first_open(n), (n..200).find(|n| !set.contains(n)).unwrap());
                    if !set.contains(&n) {
                        prop_assert_eq!(progress.next_done(n), set.range(n..).next().copied());
                    }
                }
                prop_assert_eq!(progress.count(), set.len() as u64);
                prop_assert!(progress.beyond().all(|(from, upto)| (from..=upto).all(|n| set.contains(&n))));
            }
            let with: BTreeSet<u64> = set.union(&more).copied().collect();
            prop_assert_eq!(progress.taken_with(more.into_iter()), contiguous(&with));
        }
    }
}
