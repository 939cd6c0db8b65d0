//! What is made of the answers of the broker to the messages of one write.

use std::collections::HashSet;
use std::sync::Arc;

use fieldflow_contract::Batch;

use super::payload::Draft;
use super::progress::{Fate, Held};
use crate::mqtt::client::Refusal;

/// A message, and the batch that it is of; `None` if it is about the node itself.
pub(super) struct Outgoing {
    pub(super) batch: Option<usize>,
    pub(super) draft: Draft,
}

/// What is made of the answers of the broker.
pub(super) struct Answers<'a> {
    pub(super) batches: &'a [Batch],
    pub(super) outgoing: &'a [Outgoing],
    pub(super) held: Held,
    /// Topics of which a message was refused for a time.
    pub(super) held_up: HashSet<Arc<str>>,
    pub(super) trouble: Option<Refusal>,
    /// Whether a message of this write was taken.
    pub(super) has_progress: bool,
}

impl Answers<'_> {
    /// Takes an answer; whether nothing more is to be sent.
    pub(super) fn take(&mut self, number: usize, told: Result<(), Refusal>) -> bool {
        let Some(Outgoing { batch, draft }) = self.outgoing.get(number) else { return true };
        let batch = batch.and_then(|number| self.batches.get(number));
        match (told, batch) {
            (Ok(()), batch) => {
                self.has_progress = true;
                let is_lost = self.trouble.as_ref().is_some_and(|trouble| !trouble.is_of_message);
                if let Some(batch) = batch.filter(|_| !is_lost && !self.held_up.contains(&draft.topic)) {
                    draft.records.iter().for_each(|at| self.held.note(batch, *at, Fate::Sent));
                }
            }
            (Err(refusal), Some(batch)) if is_for_good(&refusal) => {
                for at in &draft.records {
                    self.held.note(batch, *at, Fate::Refused(refusal.message.clone()));
                }
            }
            (Err(refusal), _) => {
                self.held_up.insert(Arc::clone(&draft.topic));
                self.trouble.get_or_insert(refusal);
            }
        }
        self.trouble.is_some()
    }
}

/// Whether a message can never be sent: its topic, its length or its payload is not taken.
fn is_for_good(refusal: &Refusal) -> bool {
    refusal.is_of_message && matches!(refusal.code, Some(0x90 | 0x95 | 0x99))
}
