//! The batch that a sink has in hand: how far it has come, and what of it was refused.

use std::collections::BTreeSet;

use fieldflow_contract::{Batch, Cause, NodeError};

/// A batch, and how far it has come.
pub(crate) struct Held {
    pub(crate) batch: Batch,
    /// How many of its records are done with.
    pub(crate) done: usize,
    /// Which of them were refused, and why.
    refused: BTreeSet<usize>,
    reasons: Vec<String>,
}

/// Most reasons that are told of one batch.
const MOST_REASONS: usize = 5;

impl Held {
    /// Takes a batch in hand, or goes on with it if it is the one that was in hand before.
    pub(crate) fn take(before: Option<Self>, batch: &Batch) -> Self {
        // The same batch is known by its place in memory, which is its own while it is held.
        let again = before.filter(|held| std::ptr::eq(held.batch.records(), batch.records()));
        again.unwrap_or_else(|| Self { batch: batch.clone(), done: 0, refused: BTreeSet::new(), reasons: Vec::new() })
    }

    /// The record at this place was refused.
    pub(crate) fn refuse(&mut self, place: usize, reason: String) {
        self.refused.insert(place);
        if self.reasons.len() < MOST_REASONS {
            self.reasons.push(reason);
        }
    }

    /// What became of the batch, now that all of it is done with.
    pub(crate) fn outcome(self) -> Result<(), NodeError> {
        let more = self.refused.len().saturating_sub(self.reasons.len());
        let mut index = 0;
        let part = self.batch.filter(|_| {
            index += 1;
            self.refused.contains(&(index - 1))
        });
        let Some(part) = part else { return Ok(()) };
        let mut reasons = self.reasons;
        if 0 < more {
            reasons.push(format!("and {more} more"));
        }
        Err(NodeError::RejectedPart(part, Cause::new(reasons.join("; "))))
    }
}
