//! What a counter keeps over a restart: the last reading and the total of each tag, together.
//!
//! Because they belong together, an old document does no harm: the total catches up from its own reading.

use fieldflow_contract::Timestamp;
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
