//! What `fieldflow probe` asks of a device, and what it is told.

use std::time::Duration;

use serde_json::Value;

use crate::BoxFuture;

/// A look at a device, without a pipeline. It reads and never writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Where the device is.
    pub url: String,
    /// Which of the units behind that address.
    pub unit: u8,
    /// What to read, in the words of the protocol.
    pub at: String,
    /// Whether to show what each sequence of bytes would make of it.
    pub try_orders: bool,
    /// Longest wait for the connection and for each answer.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Probed {
    /// What was read.
    pub tables: Vec<ProbeTable>,
    /// Whether the device gave any value at all.
    pub any: bool,
}

/// One way to look at what was read.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeTable {
    /// What it is called in JSON.
    pub name: &'static str,
    /// The names of the columns.
    pub columns: &'static [&'static str],
    /// As many values as there are columns; null is an empty cell.
    pub rows: Vec<Vec<Value>>,
}

/// A probe under way. It fails with a sentence if the device cannot be reached.
pub type Probing = BoxFuture<'static, Result<Probed, String>>;
