//! What a transform keeps over a restart for each tag: one small JSON document, `{"version":1,"tags":{"name":…}}`.

use std::collections::BTreeMap;

use fieldflow_contract::{Saved, Tally};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Document<T> {
    version: u32,
    tags: BTreeMap<String, T>,
}

const VERSION: u32 = 1;

/// The shelf for it. What is on it of tags that did not come by yet stays there.
pub(crate) struct Shelf<T> {
    saved: Saved,
    tally: Tally,
    /// `None` until it is read.
    restored: Option<BTreeMap<String, T>>,
}

impl<T: Clone + Serialize + DeserializeOwned> Shelf<T> {
    pub(crate) fn new(saved: &Saved, tally: &Tally) -> Self {
        saved.keep();
        Self { saved: saved.clone(), tally: tally.clone(), restored: None }
    }

    /// Takes what was kept of a tag.
    pub(crate) fn take(&mut self, tag: &str) -> Option<T> {
        self.restored().remove(tag)
    }

    /// Stores what there is now.
    pub(crate) fn store(&mut self, tags: impl Iterator<Item = (&'static str, T)>) {
        let known: BTreeMap<String, T> = tags.map(|(tag, kept)| (tag.to_owned(), kept)).collect();
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
    fn restored(&mut self) -> &mut BTreeMap<String, T> {
        self.restored.get_or_insert_with(|| {
            let Some(document) = self.saved.load() else { return BTreeMap::new() };
            if let Ok(Document { version: VERSION, tags }) = serde_json::from_slice(&document) {
                return tags;
            }
            self.tally.add("kept_unreadable", 1);
            BTreeMap::new()
        })
    }
}
