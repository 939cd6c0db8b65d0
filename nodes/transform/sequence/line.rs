//! The count of one tag: which counter is wanted next, which ones came, and what is held.

use std::collections::BTreeMap;

use fieldflow_contract::{Record, Tag, Timestamp};

/// How many counters back one is remembered: a bit each.
const REMEMBERED: u64 = 64;

/// How far a counter may be off before it is another count.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) wrap: u64,
    max_gap: u64,
    remembered: u64,
}

impl Limits {
    pub(super) fn new(wrap: u64, max_gap: Option<u64>) -> Self {
        let quarter = (wrap / 4).max(1);
        Self { wrap, max_gap: max_gap.unwrap_or(quarter.min(16_384)), remembered: quarter.min(REMEMBERED) }
    }
}

/// What a counter means after those that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is the one that was wanted.
    Next,
    /// So many before it have not come yet; at least one.
    Ahead(u64),
    /// It came before.
    Duplicate,
    /// It was given up, or it is from before the first.
    Late,
    /// The device counts anew.
    Restart,
}

/// A frame that waits for those before it.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) record: Record,
    /// How many were held before it, over all tags.
    pub(super) arrival: u64,
    /// When it has waited long enough; `None` until the clock was seen.
    pub(super) until: Option<Timestamp>,
}

/// One tag.
#[derive(Debug)]
pub(super) struct Line {
    /// The counter that is wanted next.
    wanted: u64,
    /// The same, but it goes on where the counter wraps: what is held is in its order.
    number: u64,
    /// Bit n tells whether the counter n + 1 before the wanted one came.
    came: u64,
    /// What is held, by number.
    pub(super) held: BTreeMap<u64, Held>,
    /// The tag that tells what was lost, once it was needed and the table of tags had room for it.
    pub(super) lost: Option<Tag>,
}

impl Line {
    /// A count that begins with this counter, which has come.
    pub(super) fn new(counter: u64, limits: Limits) -> Self {
        let mut line = Self { wanted: counter, number: 0, came: 0, held: BTreeMap::new(), lost: None };
        line.pass(0, limits);
        line
    }

    /// The number that the wanted counter has.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Takes the counter as the wanted one if it is that and nothing is held: what nearly always happens.
    pub(super) fn goes_on(&mut self, counter: u64, limits: Limits) -> bool {
        let goes_on = counter == self.wanted && self.held.is_empty();
        if goes_on {
            self.pass(0, limits);
        }
        goes_on
    }

    pub(super) fn meaning(&self, counter: u64, limits: Limits) -> Meaning {
        let ahead = if self.wanted <= counter { counter - self.wanted } else { limits.wrap - self.wanted + counter };
        let behind = limits.wrap - 1 - ahead;
        if ahead == 0 {
            Meaning::Next
        } else if ahead <= limits.max_gap {
            if self.held.contains_key(&(self.number + ahead)) { Meaning::Duplicate } else { Meaning::Ahead(ahead) }
        } else if limits.remembered <= behind {
            Meaning::Restart
        } else if self.came >> behind & 1 == 1 {
            Meaning::Duplicate
        } else {
            Meaning::Late
        }
    }

    /// The frame behind so many missing ones has passed.
    pub(super) fn pass(&mut self, missing: u64, limits: Limits) {
        let steps = missing + 1;
        self.number += steps;
        // Two steps at most: a gap is shorter than half of the counter.
        self.wanted += steps;
        if limits.wrap <= self.wanted {
            self.wanted -= limits.wrap;
        }
        self.came = u32::try_from(steps).ok().and_then(|steps| self.came.checked_shl(steps)).unwrap_or(0) | 1;
    }

    /// A frame has come that was given up.
    pub(super) fn came_late(&mut self, counter: u64, limits: Limits) {
        let behind =
            if counter < self.wanted { self.wanted - counter } else { limits.wrap - counter + self.wanted } - 1;
        self.came |= 1_u64.checked_shl(behind as u32).unwrap_or(0);
    }

    /// The count begins anew with this counter, which has come. Nothing is held any more.
    pub(super) fn restart(&mut self, counter: u64, limits: Limits) {
        (self.wanted, self.came) = (counter, 0);
        self.pass(0, limits);
    }
}
