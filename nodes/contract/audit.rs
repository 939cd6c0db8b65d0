//! What a node did to the world outside, one entry for each deed, kept by the runtime: who wrote what where, and how it ended.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Timestamp;

/// The book of what a node wrote to devices.
///
/// A node that wants it says so in `build` by [`Audit::keep`], asks for [`Audit::room`] before each deed, and notes it when it
/// knows how it ended. The runtime stores what was noted within a second or so, and at the end. While the disk is away the
/// book fills, and a full book means that nothing may be done: what is not noted has not to happen.
#[derive(Debug, Clone, Default)]
pub struct Audit(Arc<Mutex<Book>>);

#[derive(Debug, Default)]
struct Book {
    wanted: bool,
    entries: VecDeque<Entry>,
}

/// One deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When its outcome was known.
    pub time: Timestamp,
    /// The tag of the record that asked for it.
    pub tag: &'static str,
    /// The device, such as `tcp://10.0.0.7:502 unit 1`.
    pub device: String,
    /// What was written to there, such as `holding:5`.
    pub address: String,
    /// What was asked for, such as `78.4`.
    pub value: String,
    /// What went over the wire, such as `0x429C 0xCCCD`.
    pub raw: String,
    /// What was there before in the same form, if it was read.
    pub old: Option<String>,
    /// How it ended, in one word.
    pub outcome: &'static str,
    /// More about it, for people; empty if there is nothing to add.
    pub reason: String,
}

/// The book is full: the disk does not take what was noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{} writes wait to be noted on disk, and more are not", Audit::MOST)]
pub struct AuditFull;

impl Audit {
    /// Most entries that wait for the disk.
    pub const MOST: usize = 1024;

    /// Says that this node keeps a book. For `build`.
    pub fn keep(&self) {
        self.book().wanted = true;
    }

    /// How many more entries can be noted. Who alone notes here can rely on it until he does.
    pub fn room(&self) -> usize {
        Self::MOST.saturating_sub(self.book().entries.len())
    }

    /// Notes what was done.
    pub fn note(&self, entry: Entry) -> Result<(), AuditFull> {
        let mut book = self.book();
        if Self::MOST <= book.entries.len() {
            return Err(AuditFull);
        }
        book.entries.push_back(entry);
        Ok(())
    }

    /// For the runtime: whether the node keeps a book.
    pub fn is_wanted(&self) -> bool {
        self.book().wanted
    }

    /// For the runtime: whether there is something that is not on disk yet.
    pub fn is_new(&self) -> bool {
        !self.book().entries.is_empty()
    }

    /// For the runtime: what is not on disk yet, oldest first. It counts as written from now on.
    pub fn take_new(&self) -> Vec<Entry> {
        self.book().entries.drain(..).collect()
    }

    /// For the runtime: what was taken could not be written, and is to be taken again.
    pub fn not_written(&self, entries: Vec<Entry>) {
        let mut book = self.book();
        for entry in entries.into_iter().rev() {
            book.entries.push_front(entry);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(time: i64) -> Entry {
        Entry {
            time: Timestamp(time),
            tag: "a",
            device: "tcp://plc unit 1".to_owned(),
            address: "coil:0".to_owned(),
            value: "true".to_owned(),
            raw: "1".to_owned(),
            old: None,
            outcome: "written",
            reason: String::new(),
        }
    }

    #[test]
    fn entries_are_taken_once_in_their_order_and_again_if_they_could_not_be_written() {
        let audit = Audit::default();
        audit.note(entry(1)).unwrap();
        audit.note(entry(2)).unwrap();
        let taken = audit.take_new();
        assert_eq!((taken.len(), audit.is_new()), (2, false));
        audit.note(entry(3)).unwrap();
        audit.not_written(taken);
        assert_eq!(audit.take_new(), [1, 2, 3].map(entry));
    }

    #[test]
    fn a_full_book_takes_no_more() {
        let audit = Audit::default();
        for time in 0..Audit::MOST {
            assert_eq!(audit.room(), Audit::MOST - time);
            audit.note(entry(time as i64)).unwrap();
        }
        assert_eq!(audit.room(), 0);
        assert_eq!(audit.note(entry(0)), Err(AuditFull));
    }
}
