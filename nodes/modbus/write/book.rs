//! How commands end: the words for it, and the book in which each write is noted.

use std::sync::Arc;

use fieldflow_contract::{Audit, BuildContext, Cause, Clock, Entry, Record};

use super::target::{Raw, Target, shown};
use crate::modbus::frame::Request;
use crate::modbus::session::meaning;

/// Why a command was not done.
pub(super) enum Undone {
    /// It is settled: a word for the counters, and the reason.
    Refused(&'static str, String),
    /// Nothing was sent, and it may be tried again when the line is back.
    Later(Cause),
}

/// Where every write is noted.
pub(super) struct Book {
    pub(super) audit: Audit,
    pub(super) clock: Arc<dyn Clock>,
    device: String,
}

/// A write that may be under way. If nobody lives to see how it ends, it is noted as that.
pub(super) struct Underway {
    entry: Option<Entry>,
    audit: Audit,
    clock: Arc<dyn Clock>,
}

impl Book {
    /// The book of a node that writes to this device; nothing is noted yet.
    pub(super) fn new(context: &BuildContext, device: String) -> Self {
        context.audit.keep();
        Self { audit: context.audit.clone(), clock: Arc::clone(&context.clock), device }
    }

    /// A write that is about to be sent.
    pub(super) fn begin(&self, record: &Record, target: &Target, raw: &Raw, old: Option<u16>) -> Underway {
        let entry = Entry {
            time: self.clock.now(),
            tag: record.tag.name(),
            device: self.device.clone(),
            address: target.address(),
            value: shown(&record.value),
            raw: raw.shown(),
            old: old.map(|word| Raw::Words(vec![word]).shown()),
            outcome: "unknown",
            reason: "fieldflow was stopped before the device had answered".to_owned(),
        };
        Underway { entry: Some(entry), audit: self.audit.clone(), clock: Arc::clone(&self.clock) }
    }
}

impl Underway {
    /// Nothing was sent.
    pub(super) fn forget(mut self) {
        self.entry = None;
    }

    /// Notes how it ended, in a word, and why.
    pub(super) fn end(mut self, outcome: &'static str, reason: String) -> &'static str {
        if let Some(entry) = &mut self.entry {
            (entry.outcome, entry.reason) = (outcome, reason);
        }
        outcome
    }

    /// Notes that it was not done, or not surely.
    pub(super) fn failed(self, outcome: &'static str, reason: String) -> Undone {
        Undone::Refused(self.end(outcome, reason.clone()), reason)
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

/// What an exception says about a write: whether it was surely not done, and the reason in words.
pub(super) fn refusal(code: u8, request: &Request) -> (&'static str, String) {
    let meant = meaning(code);
    let function = request.function();
    match (code, request) {
        (0x01, Request::MaskRegister { .. }) => (
            "refused",
            format!(
                "{meant}: the device does not know function 22, which changes some bits of a register; with \
                 `read_modify_write: true` they are changed by reading it and writing it back"
            ),
        ),
        (0x01, Request::WriteCoil { .. } | Request::WriteRegister { .. }) => (
            "refused",
            format!("{meant}: the device does not know function {function}; with `multiple: true` 15 and 16 are used"),
        ),
        (0x01, _) => ("refused", format!("{meant}: the device does not know function {function}")),
        (0x02 | 0x03 | 0x06 | 0x07 | 0x0A, _) => ("refused", meant),
        // It began and failed, or a gateway lost sight of it, or the maker alone knows what it means.
        _ => ("unknown", format!("outcome unknown: {meant}; it is not sent again")),
    }
}
