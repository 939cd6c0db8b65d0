//! A node's own figures: what happened inside it that no record tells.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Figures of what goes on inside a node, by a fixed word each: counts (`timeout`, `missed_poll`) and gauges (`wal_bytes`).
///
/// The words are `&'static str` so that nothing from the wire can ever become the label of a metric.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Figures>>);

#[derive(Debug, Default)]
struct Figures {
    counts: BTreeMap<&'static str, u64>,
    gauges: BTreeMap<&'static str, f64>,
}

impl Tally {
    /// Adds to the count of a word.
    pub fn add(&self, kind: &'static str, times: u64) {
        *self.figures().counts.entry(kind).or_default() += times;
    }

    /// Sets the gauge of a name, in base units: bytes, seconds, rows.
    pub fn set(&self, name: &'static str, value: f64) {
        self.figures().gauges.insert(name, value);
    }

    /// All counts so far.
    pub fn snapshot(&self) -> BTreeMap<&'static str, u64> {
        self.figures().counts.clone()
    }

    /// All gauges as they stand.
    pub fn gauges(&self) -> BTreeMap<&'static str, f64> {
        self.figures().gauges.clone()
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_and_gauges_stand() {
        let tally = Tally::default();
        for n in [2, 1] {
            tally.clone().add("timeout", n);
            tally.clone().set("wal_bytes", n as f64);
        }
        assert_eq!((tally.snapshot(), tally.gauges()), ([("timeout", 3)].into(), [("wal_bytes", 1.0)].into()));
    }
}
