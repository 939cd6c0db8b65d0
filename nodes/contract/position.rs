//! How far the reader of a durable edge has come.

use std::sync::Arc;

/// Everything of a durable edge up to and with a batch.
///
/// The position is kept by whoever takes the batches, together with them where that is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The edge: `<pipeline>/<from.port>/<to>`. It stays the same whatever else is edited in the file.
    pub edge: Arc<str>,
    /// Which queue the sequence counts in: a number made up when the queue's file was made, never 0 and at most 2⁶³ − 1. A
    /// position of another epoch says nothing: its file was deleted or moved aside.
    pub epoch: u64,
    /// The last batch that was taken, counted from 1, at most 2⁴⁷.
    pub sequence: u64,
}
