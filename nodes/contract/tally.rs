//! A node's own counters: what happened inside it that no record tells.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts of things that happened inside a node, by a fixed word each (`timeout`, `missed_poll`).
///
/// The words are `&'static str` so that nothing from the wire can ever become the label of a metric.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<BTreeMap<&'static str, u64>>>);

impl Tally {
    /// Adds to the count of a word.
    pub fn add(&self, kind: &'static str, times: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += times;
    }

    /// All counts so far.
    pub fn snapshot(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
