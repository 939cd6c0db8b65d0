//! What a counter keeps over a restart: the last reading and the total of each tag, together.
//!
//! Because they belong together, an old document does no harm: the total catches up from its own reading.

use std::collections::BTreeMap;

use fieldflow_contract::{Saved, Tally, Timestamp};
use serde::{Deserialize, Serialize};

use super::count::Amount;

/// What is kept of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The last reading.
    pub(super) raw: Amount,
    /// What was counted up to it.
    pub(super) total: Amount,
    /// Its time, in microseconds.
    pub(super) time: i64,
}

impl Kept {
    pub(super) fn time(&self) -> Timestamp {
        Timestamp(self.time)
    }
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    tags: BTreeMap<String, Kept>,
}

const VERSION: u32 = 1;

/// The shelf for it. What is on it of tags that did not come by yet stays there.
pub(super) struct Shelf {
    saved: Saved,
    tally: Tally,
    restored: Option<BTreeMap<String, Kept>>,
}

impl Shelf {
    pub(super) fn new(saved: &Saved, tally: &Tally) -> Self {
        saved.keep();
        Self { saved: saved.clone(), tally: tally.clone(), restored: None }
    }

    /// Takes what was kept of a tag.
    pub(super) fn take(&mut self, tag: &str) -> Option<Kept> {
        self.restored().remove(tag)
    }

    /// Stores what there is now.
    pub(super) fn store(&mut self, tags: impl Iterator<Item = (&'static str, Kept)>) {
        let known: BTreeMap<String, Kept> = tags.map(|(tag, kept)| (tag.to_owned(), kept)).collect();
        let mut all = self.restored().clone();
        all.extend(known.clone());
        // If there is no room for all, tags that are perhaps gone for good make way for those that are there.
        let stored = [all, known].into_iter().any(|tags| {
            let document = serde_json::to_vec(&Document { version: VERSION, tags }).unwrap_or_default();
            !document.is_empty() && self.saved.store(document).is_ok()
        });
        if !stored {
            self.tally.add("not_kept", 1);
        }
    }

    /// What was there at the start; read when it is wanted first, as it is not there yet while the node is built.
    fn restored(&mut self) -> &mut BTreeMap<String, Kept> {
        self.restored.get_or_insert_with(|| {
            let Some(document) = self.saved.load() else { return BTreeMap::new() };
            match serde_json::from_slice::<Document>(&document) {
                Ok(Document { version: VERSION, tags }) => tags,
                _ => {
                    self.tally.add("kept_unreadable", 1);
                    BTreeMap::new()
                }
            }
        })
    }
}
