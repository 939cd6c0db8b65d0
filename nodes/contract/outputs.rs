//! What a transform gives away while it works on a batch.

use std::borrow::Cow;

use crate::{Batch, Port};

/// The name of an output.
pub type PortName = Cow<'static, str>;

/// A batch on its way out of a node.
#[derive(Debug)]
pub struct Emission {
    /// The output that it leaves by.
    pub port: PortName,
    /// The records.
    pub batch: Batch,
}

/// Takes what a transform emits and what it lets go, in order.
#[derive(Debug, Default)]
pub struct Outputs {
    emissions: Vec<Emission>,
    filtered: Vec<(&'static str, u64)>,
}

impl Outputs {
    /// Sends a batch out of the default port.
    pub fn emit(&mut self, batch: Batch) {
        self.emit_to(Port::DEFAULT, batch);
    }

    /// Sends a batch out of a named port.
    pub fn emit_to(&mut self, port: impl Into<PortName>, batch: Batch) {
        self.emissions.push(Emission { port: port.into(), batch });
    }

    /// Refuses a batch, as it came: it leaves by the `rejected` port, or is counted as discarded where that is not wired.
    pub fn reject(&mut self, batch: Batch) {
        self.emit_to(Port::REJECTED, batch);
    }

    /// Notes records that were let go on purpose, and why in one word. They count as delivered.
    pub fn filtered(&mut self, reason: &'static str, records: u64) {
        if records != 0 {
            self.filtered.push((reason, records));
        }
    }

    /// Takes all that was emitted so far, in order.
    pub fn take_emissions(&mut self) -> std::vec::Drain<'_, Emission> {
        self.emissions.drain(..)
    }

    /// Takes the counts of what was let go on purpose.
    pub fn take_filtered(&mut self) -> std::vec::Drain<'_, (&'static str, u64)> {
        self.filtered.drain(..)
    }
}
