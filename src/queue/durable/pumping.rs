//! A durable edge as its pump sees it: what to hand over next.

use fieldflow_contract::Batch;

use super::DurableEdge;

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
    /// Read from this batch on.
    Read(Place),
    /// Read this batch, and hand it over once more; or give it up if it failed before.
    Again(Place, u8),
    /// Wait for `more`.
    Wait,
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

    /// What to hand over next.
    pub(in crate::queue) fn step(&self) -> Step {
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
        if state.last < state.next {
            let over = state.sender_gone && state.pending_records == 0 && state.on_their_way.is_empty();
            return if over { Step::End } else { Step::Wait };
        }
        state.pump_busy = true;
        let next = state.next;
        let place = Place { epoch: state.epoch, sequence: next };
        while state.window.front().is_some_and(|(sequence, _)| *sequence < next) {
            state.pop_window();
        }
        match state.pop_window_if(next) {
            Some(batch) => {
                state.hand_over(next, &batch);
                Step::Live(place, batch)
            }
            None => Step::Read(place),
        }
    }

    /// Notes that a batch that was read is handed over; `false` if it is done or its queue is gone meanwhile.
    pub(in crate::queue) fn takes(&self, Place { epoch, sequence }: Place, batch: &Batch) -> bool {
        let mut state = self.state();
        if state.epoch != epoch || state.progress.is_done(sequence) || sequence < state.next {
            return false;
        }
        state.hand_over(sequence, batch);
        true
    }

    /// A batch that cannot be decoded: it is set aside and counted.
    pub(in crate::queue) fn damaged(&self, Place { epoch, sequence }: Place, records: u64, reason: &str) {
        let mut state = self.state();
        if state.epoch != epoch || sequence < state.next {
            return;
        }
        state.damaged.push((sequence, reason.to_owned()));
        state.next = state.next.max(sequence + 1);
        state.pass(sequence, records);
        state.give_up(sequence, sequence, records, "damaged");
        drop(state);
        self.work.notify_one();
    }

    /// Nothing of what was read lies before this batch: what should be there is gone.
    pub(in crate::queue) fn nothing_before(&self, Place { epoch, sequence }: Place) {
        let mut state = self.state();
        if state.epoch == epoch && state.next < sequence {
            let gone = state.next;
            state.progress.done(gone, sequence - 1);
            state.next = sequence;
        }
    }
}
