//! The time of day on tokio's time: on paused time it stands still with it.

use fieldflow_contract::{Clock, Timestamp};
use tokio::time::Instant;

/// A clock that began at some time of day and goes on with tokio's timers. On paused time it is virtual: an hour of waiting
/// passes at once, and two runs see the same times.
#[derive(Debug, Clone, Copy)]
pub struct TimerClock {
    began: Timestamp,
    at: Instant,
}

impl TimerClock {
    /// A clock that shows this time now.
    pub fn starting(began: Timestamp) -> Self {
        Self { began, at: Instant::now() }
    }

    /// The moment at which it shows this time; now if that has gone by.
    pub fn moment(&self, time: Timestamp) -> Instant {
        self.at + time.since(self.began)
    }
}

impl Clock for TimerClock {
    fn now(&self) -> Timestamp {
        self.began + self.at.elapsed()
    }
}
