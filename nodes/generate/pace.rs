//! The pace: when records are due, and which ones are given up.
//!
//! The schedule is counted from its start, never from the last batch, so that delays do not add up.

use std::time::Duration;

use tokio::time::Instant;

/// Longest that a record waits for its batch to fill.
const FILL: f64 = 0.1;

/// A schedule of records: record n is due n / rate seconds after the start.
pub(super) struct Pace {
    rate: f64,
    /// Records in a full batch.
    batch: u64,
    /// The number of the next record.
    next: u64,
}

impl Pace {
    /// The schedule for a rate, with batches of at most `batch` records.
    pub(super) fn new(rate: f64, batch: u64) -> Self {
        // The cast ends at the largest integer, and `clamp` has the word after that.
        Self { rate, batch: ((rate * FILL) as u64).clamp(1, batch), next: 0 }
    }

    /// Records in a full batch at this rate.
    pub(super) fn batch(&self) -> u64 {
        self.batch
    }

    /// Records a second.
    pub(super) fn rate(&self) -> f64 {
        self.rate
    }

    /// Waits until the next so many records are due.
    pub(super) async fn wait(&self, start: Instant, records: u64) {
        let last = self.next.saturating_add(records.saturating_sub(1));
        // A rate of one record a millennium is allowed, but no timer reaches that far.
        let due = Duration::try_from_secs_f64(last as f64 / self.rate).unwrap_or(Duration::MAX);
        while let Some(rest) = due.checked_sub(start.elapsed()).filter(|rest| !rest.is_zero()) {
            tokio::time::sleep(rest.min(Duration::from_secs(3600))).await;
        }
    }

    /// Takes the next so many records off the schedule; gives the number of the first, and how many before it were missed.
    ///
    /// Of what is late, one second's worth is caught up on, and one batch at least.
    pub(super) fn take(&mut self, elapsed: Duration, records: u64) -> (u64, u64) {
        let due = ((elapsed.as_secs_f64() * self.rate) as u64).saturating_add(1);
        let late = due.saturating_sub(self.next);
        let missed = late.saturating_sub((self.rate.ceil() as u64).max(self.batch));
        let first = self.next.saturating_add(missed);
        self.next = first.saturating_add(records);
        (first, missed)
    }
}
