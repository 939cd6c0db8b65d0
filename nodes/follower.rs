//! For tests: the time of day on tokio's time, so that a paused test holds both.

use fieldflow_contract::{Clock, Timestamp};
use tokio::time::Instant;

/// A clock that stood at a time when it was made.
pub(crate) struct Follower {
    began: Instant,
    at: Timestamp,
}

impl Follower {
    pub(crate) fn from(at: Timestamp) -> Self {
        Self { began: Instant::now(), at }
    }
}

impl Clock for Follower {
    fn now(&self) -> Timestamp {
        self.at + self.began.elapsed()
    }
}
