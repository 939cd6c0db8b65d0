//! How commands end, and the book in which each write is noted.

use std::sync::Arc;

use fieldflow_contract::{Audit, BuildContext, Clock, Entry};

/// Why a command was not done, which is settled by that: a word for the counters, and the reason.
pub(crate) type Refused = (&'static str, String);

/// Where every write is noted.
pub(crate) struct Book {
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    device: String,
}

/// What is about to be written.
pub(crate) struct Deed {
    /// The tag of the record that asks for it.
    pub(crate) tag: &'static str,
    /// What is written to at the device, such as `holding:5`.
    pub(crate) address: String,
    /// What was asked for.
    pub(crate) value: String,
    /// What goes over the wire.
    pub(crate) raw: String,
    /// What was there before in the same form, if it was read.
    pub(crate) old: Option<String>,
}

/// A write that may be under way. If nobody lives to see how it ends, it is noted as that.
pub(crate) struct Underway {
    entry: Option<Entry>,
    audit: Audit,
    clock: Arc<dyn Clock>,
}

impl Book {
    /// The book of a node that writes to this device; nothing is noted yet.
    pub(crate) fn new(context: &BuildContext, device: String) -> Self {
        context.audit.keep();
        Self { audit: context.audit.clone(), clock: Arc::clone(&context.clock), device }
    }

    /// A write that is about to be sent.
    pub(crate) fn begin(&self, deed: Deed) -> Underway {
        let Deed { tag, address, value, raw, old } = deed;
        let entry = Entry {
            time: self.clock.now(),
            tag,
            device: self.device.clone(),
            address,
            value,
            raw,
            old,
            outcome: "unknown",
            reason: "fieldflow was stopped before the device had answered".to_owned(),
        };
        Underway { entry: Some(entry), audit: self.audit.clone(), clock: Arc::clone(&self.clock) }
    }
}

impl Underway {
    /// Nothing was sent.
    pub(crate) fn forget(mut self) {
        self.entry = None;
    }

    /// Notes how it ended, in a word, and why.
    pub(crate) fn end(mut self, outcome: &'static str, reason: String) -> &'static str {
        if let Some(entry) = &mut self.entry {
            (entry.outcome, entry.reason) = (outcome, reason);
        }
        outcome
    }

    /// Notes that it was not done, or not surely.
    pub(crate) fn failed(self, outcome: &'static str, reason: String) -> Refused {
        (self.end(outcome, reason.clone()), reason)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.time = self.clock.now();
            // There is room: it was looked before, and nobody else notes here.
            let _ = self.audit.note(entry);
        }
    }
}
