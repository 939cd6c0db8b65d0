//! One round of the keeper: everything that one commit does.

use fieldflow_contract::Ack;

use super::durable::Pending;
use super::file::Group;

/// What one commit does, and who waits for it.
#[derive(Default)]
pub(super) struct Round {
    pub(super) group: Group,
    /// For each edge what it puts in.
    pub(super) pending: Vec<Vec<Pending>>,
    /// Of the dead letters.
    pub(super) acks: Vec<Ack>,
}

impl Round {
    pub(super) fn is_empty(&self) -> bool {
        let Group { puts, taken, evict, damaged, letters, .. } = &self.group;
        puts.is_empty() && taken.is_empty() && evict.is_empty() && damaged.is_empty() && letters.is_empty()
    }

    /// Whether it does nothing but look for what grew too old.
    pub(super) fn only_looks(&self) -> bool {
        let Group { puts, taken, evict, damaged, letters, .. } = &self.group;
        let looks = evict.iter().all(|evict| evict.bytes == 0);
        looks && puts.is_empty() && taken.is_empty() && damaged.is_empty() && letters.is_empty()
    }

    /// Whether it does nothing but store what is done as done.
    pub(super) fn only_stores(&self) -> bool {
        let Group { puts, evict, damaged, letters, .. } = &self.group;
        puts.is_empty() && evict.is_empty() && damaged.is_empty() && letters.is_empty()
    }
}
