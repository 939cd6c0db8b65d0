//! From messages to deliveries: what may travel together, and what is acknowledged when all of it has arrived.

use std::collections::VecDeque;
use std::ops::Range;

use fieldflow_contract::{Ack, Batch, Delivery, Outcome, Record, Timestamp};

use super::answer::Answer;
use super::outbox::Outbox;
use crate::mqtt::client::Window;

/// Most records of a batch.
pub(super) const BATCH: usize = 1024;

/// Messages that are acknowledged together. One that expires, or that is to be answered, is a piece by itself.
#[derive(Default)]
pub(super) struct Piece {
    /// Records, and whether they are of the past: each a batch.
    parts: Vec<(Vec<Record>, bool)>,
    receipts: Option<Range<u64>>,
    pub(super) expires: Option<Timestamp>,
    pub(super) answer: Option<Answer>,
}

/// Deliveries that are to leave, each with the receipt after its last message.
pub(super) type Ready = VecDeque<(Delivery, Option<u64>)>;

impl Piece {
    pub(super) fn put(&mut self, record: Record, is_of_the_past: bool) {
        match self.parts.last_mut() {
            Some((records, was)) if *was == is_of_the_past && records.len() < BATCH => records.push(record),
            _ => self.parts.push((vec![record], is_of_the_past)),
        }
    }

    /// Receipts come without a gap, as they are given in the order of arrival.
    pub(super) fn owe(&mut self, receipt: Option<u64>) {
        let Some(receipt) = receipt else { return };
        let first = self.receipts.as_ref().map_or(receipt, |range| range.start);
        self.receipts = Some(first..receipt + 1);
    }

    /// Makes deliveries of it. What is owed is acknowledged when the last of them has arrived; at once, if there is none.
    pub(super) fn send(self, window: &Window, now: Timestamp, outbox: &Outbox, ready: &mut Ready) {
        let Self { parts, receipts, expires, answer } = self;
        let until = receipts.as_ref().map(|range| range.end);
        let ack = if receipts.is_none() && answer.is_none() {
            Ack::none()
        } else {
            let (window, outbox) = (window.clone(), outbox.clone());
            Ack::explained(move |outcome, reason| {
                match (outcome, receipts) {
                    (_, None) => {}
                    (Outcome::Delivered | Outcome::Dropped | Outcome::Rejected, Some(receipts)) => {
                        window.done(receipts);
                    }
                    (Outcome::Failed, Some(_)) => window.lost(),
                }
                if let Some(answer) = answer {
                    answer.tell(outcome, reason.as_deref(), &outbox);
                }
            })
        };
        for (records, is_of_the_past) in parts {
            let Some(batch) = Batch::new(records, now) else { continue };
            let batch = if is_of_the_past { batch.replayed() } else { batch };
            ready.push_back((Delivery { batch: batch.expiring(expires), ack: ack.clone() }, until));
        }
        // The clones speak for the batches; this one has no more to say.
        ack.resolve(Outcome::Delivered);
    }
}
