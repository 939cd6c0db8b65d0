//! One round of the keeper: everything that one commit does.

use fieldflow_contract::{Ack, Audit, Entry, Saved};

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
    /// Whose documents it stores.
    pub(super) saved: Vec<Saved>,
    /// Whose writes it notes.
    pub(super) audited: Vec<(Audit, Vec<Entry>)>,
}

impl Round {
    pub(super) fn is_empty(&self) -> bool {
        self.only_stores() && self.group.taken.is_empty()
    }

    /// Whether it does nothing but look for what grew too old.
    pub(super) fn only_looks(&self) -> bool {
        self.group.evict.iter().all(|evict| evict.bytes == 0) && self.group.taken.is_empty() && self.brings_nothing()
    }

    /// Whether it does nothing but store what is done as done.
    pub(super) fn only_stores(&self) -> bool {
        self.group.evict.is_empty() && self.brings_nothing()
    }

    fn brings_nothing(&self) -> bool {
        let Group { puts, damaged, letters, documents, writes, .. } = &self.group;
        puts.is_empty() && damaged.is_empty() && letters.is_empty() && documents.is_empty() && writes.is_empty()
    }
}
