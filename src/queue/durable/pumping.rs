//! A durable edge as its pump sees it: what to hand over next.

use fieldflow_contract::Batch;

use super::lanes::{Lane, Turn};
use super::{DurableEdge, OnItsWay};

/// A batch of a queue.
#[derive(Clone, Copy)]
pub(in crate::queue) struct Place {
    /// Which queue: the file may be replaced while the pump is at work on what it has read.
    pub(in crate::queue) epoch: u64,
    pub(in crate::queue) sequence: u64,
}

/// What the pump does next.
pub(in crate::queue) enum Step {
    /// Hand over this batch, which is still in memory.
    Live(Place, Batch),
    /// Read from this batch on, up to that one: all of a lane.
    Read(Lane, Place, u64),
    /// Read this batch, and hand it over once more; or give it up if it failed before.
    Again(Place, u8),
    /// Wait for `more`.
    Wait,
    /// Wait for `more`, or until the backlog is due.
    Later,
    /// Wait for `more`; what there is was postponed, and may stay where it is.
    Postponed,
    /// There will be no more.
    End,
}

impl DurableEdge {
    pub(in crate::queue) async fn wait_for_more(&self) {
        self.more.notified().await;
    }

    pub(in crate::queue) fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// The disk could not be read: the batch waits for its next try, which is no fault of its own.
    pub(in crate::queue) fn not_read(&self, Place { epoch, sequence }: Place) {
        let mut state = self.state();
        if state.epoch == epoch {
            state.again.push_front(sequence);
        }
    }

    /// A batch that failed on its way cannot be handed over again: it is no longer in the file, or cannot be read.
    pub(in crate::queue) fn gone(&self, Place { epoch, sequence }: Place, reason: &'static str) {
        let mut state = self.state();
        if state.epoch != epoch {
            return;
        }
        state.failed.remove(&sequence);
        if let Some(OnItsWay { records, .. }) = state.off_its_way(sequence) {
            state.give_up(sequence, sequence, records, reason);
        }
        drop(state);
        self.work.notify_one();
    }

    /// What to hand over next. What has to be read from the disk only if it is due.
    pub(in crate::queue) fn step(&self, backlog_is_due: bool) -> Step {
        let share = self.limits.replay_share;
        let mut state = self.state();
        state.pump_busy = false;
        if !state.resumed || state.id.is_none() {
            return Step::Wait;
        }
        if let Some(sequence) = state.again.pop_front() {
            state.pump_busy = true;
            let times = state.failed.get(&sequence).copied().unwrap_or_default();
            return Step::Again(Place { epoch: state.epoch, sequence }, times);
        }
        if state.recalled != 0 {
            return Step::Wait;
        }
        let (lane, next, upto) = match state.turn(share, backlog_is_due) {
            Turn::Of(lane, next, upto) => (lane, next, upto),
            Turn::NotDue => return Step::Later,
            Turn::Postponed => return Step::Postponed,
            Turn::Nothing => {
                let over = state.sender_gone && state.pending_records == 0 && state.on_their_way.is_empty();
                return if over { Step::End } else { Step::Wait };
            }
        };
        state.pump_busy = true;
        let place = Place { epoch: state.epoch, sequence: next };
        match state.pop_window_if(next) {
            Some(batch) => {
                state.hand_over(lane, next, &batch);
                state.had(lane, batch.len() as u64, share);
                Step::Live(place, batch)
            }
            None => Step::Read(lane, place, upto),
        }
    }

    /// Notes that a batch that was read is handed over; `false` if it is done or on its way by the other lane, or if its
    /// queue is gone or its lane has gone on elsewhere meanwhile.
    pub(in crate::queue) fn takes(&self, lane: Lane, Place { epoch, sequence }: Place, batch: &Batch) -> bool {
        let mut state = self.state();
        if state.epoch != epoch || !state.is_next(lane, sequence) {
            return false;
        }
        state.hand_over(lane, sequence, batch);
        state.had(lane, batch.len() as u64, self.limits.replay_share);
        true
    }

    /// A batch that cannot be decoded: it is set aside and counted.
    pub(in crate::queue) fn damaged(&self, lane: Lane, place: Place, records: u64, reason: &str) {
        let Place { epoch, sequence } = place;
        let mut state = self.state();
        if state.epoch != epoch || !state.is_next(lane, sequence) {
            return;
        }
        state.damaged.push((sequence, reason.to_owned()));
        state.go_on(lane, sequence + 1);
        state.pass(sequence, records);
        state.give_up(sequence, sequence, records, "damaged");
        drop(state);
        self.work.notify_one();
    }

    /// A lane was read from this batch on, and nothing lies before that one: what should be there is gone. Where the lane has
    /// gone on elsewhere meanwhile this says nothing.
    pub(in crate::queue) fn nothing_before(&self, lane: Lane, Place { epoch, sequence }: Place, first: u64) {
        let mut state = self.state();
        if state.epoch == epoch && state.next_of(lane) == sequence && sequence < first {
            state.pass_by(sequence, first - 1);
            state.go_on(lane, first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::queue::file::Found;
    use crate::queue::{Limits, Victim};
    use crate::telemetry::EdgeSnapshot;
    use fieldflow_contract::{Ack, Outcome, Record, SystemClock, Tag, Timestamp, Value};

    /// It was evicted while it was on its way, and then it failed: nobody has it, so it must be seen as dropped.
    #[tokio::test]
    async fn a_batch_that_failed_and_is_no_longer_in_the_file_is_counted_as_dropped() {
        let limits = Limits {
            capacity: 100,
            max_bytes: 1,
            max_age: None,
            victim: Victim::Oldest,
            replay_rate: None,
            replay_share: None,
        };
        let edge = DurableEdge::new("p/a.out/b".into(), limits, Arc::new(SystemClock), Arc::default());
        edge.opened(1, &Found { id: 1, taken: 0, last: 0, records: 0, bytes: 0 }, None);
        edge.resume(&[]);
        let record = Record::good(Tag::new("gone").unwrap(), Timestamp(0), Value::I64(1));
        edge.put(Batch::one(record, Timestamp(0)), Ack::none()).await;
        edge.committed(edge.take_pending(), &[(1, 10)]);
        let Step::Live(place, _) = edge.step(true) else { panic!("it is in memory") };
        edge.resolved(1, 1, Outcome::Failed);
        assert!(matches!(edge.step(true), Step::Again(..)));
        edge.gone(place, "drop_oldest");
        let mut figures = EdgeSnapshot::default();
        edge.add_to(&mut figures);
        assert_eq!((figures.entered, figures.left, figures.dropped["drop_oldest"], figures.depth), (1, 0, 1, 0));
    }
}
