//! What the oracle writes down, as it and the tests read it: one line for each thing that happened.
//!
//! `B`: a life begins. `S 0 100`: the records 0 to 99 are about to be sent. `A 0 100`: they were acknowledged. `F 0 100`: their
//! ack came with anything else than `Delivered`.

#![allow(dead_code, reason = "each side reads its own half")]

use std::collections::BTreeMap;

/// The time of record 0, in microseconds; record n is n microseconds later and holds the value n.
pub(crate) const BASE: i64 = 1_767_225_600_000_000;

/// The tag of a record.
pub(crate) fn tag_of(number: u64, tags: u64) -> String {
    format!("oracle.t{}", number % tags)
}

/// The numbers of a batch, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Range {
    pub(crate) first: u64,
    pub(crate) end: u64,
}

/// A line of the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    Begun,
    Sent(Range),
    Acknowledged(Range),
    Failed(Range),
}

impl Entry {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let kind = words.next()?;
        let mut number = || words.next().and_then(|word| word.parse().ok());
        let mut range = || Some(Range { first: number()?, end: number()? });
        match kind {
            "B" => Some(Self::Begun),
            "S" => range().map(Self::Sent),
            "A" => range().map(Self::Acknowledged),
            "F" => range().map(Self::Failed),
            _ => None,
        }
    }
}

/// All that happened, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal(pub(crate) Vec<Entry>);

impl Journal {
    /// Reads the whole lines of a journal.
    pub(crate) fn read(text: &str) -> Self {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Self(whole.lines().filter_map(Entry::parse).collect())
    }

    /// The first number that was never sent.
    pub(crate) fn next(&self) -> u64 {
        self.sent().map(|range| range.end).max().unwrap_or(0)
    }

    /// What was sent and not acknowledged, in order.
    pub(crate) fn unacknowledged(&self) -> Vec<Range> {
        let mut open: BTreeMap<u64, Range> = self.sent().map(|range| (range.first, range)).collect();
        for range in self.acknowledged() {
            open.remove(&range.first);
        }
        open.into_values().collect()
    }

    /// What was sent, again and again if it was.
    pub(crate) fn sent(&self) -> impl Iterator<Item = Range> {
        self.0.iter().filter_map(|entry| if let Entry::Sent(range) = entry { Some(*range) } else { None })
    }

    /// What was acknowledged.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = Range> {
        self.0.iter().filter_map(|entry| if let Entry::Acknowledged(range) = entry { Some(*range) } else { None })
    }

    /// Acks that came with anything else than `Delivered`.
    pub(crate) fn failed(&self) -> usize {
        self.0.iter().filter(|entry| matches!(entry, Entry::Failed(_))).count()
    }
}
