//! Messages that came and are not acknowledged yet, in the order in which they came.
//!
//! A window belongs to one connection: what is said of a message after that connection has ended reaches nobody, and the
//! broker sends the message again on the next one. Acknowledgements leave in the order of arrival, so one message that is
//! late holds back those behind it, and one that was lost ends the connection.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::codec::Qos;

/// See the module. A clone is the same window.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// Something is to be acknowledged, or there is room again.
    wake: Notify,
    /// The first message is another one.
    settled: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The receipt of the first message that is here.
    first: u64,
    open: VecDeque<Open>,
    ready: Vec<(u16, Qos)>,
    /// Bytes of messages that nobody has taken out of the hand-off yet.
    held: usize,
    is_lost: bool,
}

#[derive(Debug)]
struct Open {
    id: u16,
    qos: Qos,
    is_done: bool,
}

impl Window {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a message of QoS 1 or 2; the receipt is what it is known by from now on.
    pub(super) fn open(&self, id: u16, qos: Qos) -> u64 {
        let mut state = self.state();
        state.open.push_back(Open { id, qos, is_done: false });
        state.first + state.open.len() as u64 - 1
    }

    /// Whether a message of this number and QoS is here.
    pub(super) fn has(&self, id: u16, qos: Qos) -> bool {
        self.state().open.iter().any(|open| open.id == id && open.qos == qos)
    }

    /// Messages that are not acknowledged, and bytes in the hand-off.
    pub(super) fn load(&self) -> (usize, usize) {
        let state = self.state();
        (state.open.len(), state.held)
    }

    /// Counts bytes into the hand-off.
    pub(super) fn hold(&self, bytes: usize) {
        self.state().held += bytes;
    }

    /// Counts bytes out of the hand-off.
    pub(super) fn release(&self, bytes: usize) {
        let mut state = self.state();
        state.held = state.held.saturating_sub(bytes);
        drop(state);
        self.0.wake.notify_one();
    }

    /// These messages are safe where they belong: they may be acknowledged.
    pub(crate) fn done(&self, receipts: Range<u64>) {
        let mut state = self.state();
        let state = &mut *state;
        let place = |receipt: u64| usize::try_from(receipt.saturating_sub(state.first)).unwrap_or(usize::MAX);
        let (from, to) = (place(receipts.start), place(receipts.end).min(state.open.len()));
        state.open.iter_mut().take(to).skip(from).for_each(|open| open.is_done = true);
        while state.open.front().is_some_and(|open| open.is_done) {
            state.first += 1;
            state.ready.extend(state.open.pop_front().map(|open| (open.id, open.qos)));
        }
        self.0.wake.notify_one();
        self.0.settled.notify_one();
    }

    /// Messages were lost on their way: the connection is to end, so that they come again.
    pub(crate) fn lost(&self) {
        self.state().is_lost = true;
        self.0.wake.notify_one();
    }

    /// What is to be acknowledged now, in order; `None` if a message was lost.
    pub(super) fn take(&self, ready: &mut Vec<(u16, Qos)>) -> Option<()> {
        let mut state = self.state();
        ready.append(&mut state.ready);
        (!state.is_lost).then_some(())
    }

    /// Waits until all messages before this receipt are acknowledged. For the node alone.
    pub(crate) async fn settled(&self, until: u64) {
        loop {
            let settled = self.0.settled.notified();
            if until <= self.state().first {
                return;
            }
            settled.await;
        }
    }

    /// Waits until there may be something to do. For the task of the connection alone.
    pub(super) async fn changed(&self) {
        self.0.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(window: &Window) -> Vec<u16> {
        let mut ready = Vec::new();
        window.take(&mut ready).unwrap();
        ready.into_iter().map(|(id, _)| id).collect()
    }

    #[test]
    fn acknowledgements_leave_in_the_order_of_arrival() {
        let window = Window::default();
        let receipts: Vec<u64> = [7, 3, 9, 4].map(|id| window.open(id, Qos::AtLeastOnce)).into();
        window.done(receipts[1]..receipts[2] + 1);
        assert_eq!(taken(&window), [0; 0], "the first one is missing");
        window.done(receipts[0]..receipts[0] + 1);
        assert_eq!(taken(&window), [7, 3, 9]);
        window.done(receipts[0]..receipts[2]);
        assert_eq!((taken(&window), window.load().0), (vec![], 1), "said twice");
        window.done(receipts[3]..receipts[3] + 100);
        assert_eq!(taken(&window), [4]);
    }

    #[test]
    fn a_lost_message_ends_the_window_after_what_was_safe_before_it() {
        let window = Window::default();
        let receipts: Vec<u64> = [1, 2].map(|id| window.open(id, Qos::AtLeastOnce)).into();
        window.done(receipts[0]..receipts[1]);
        window.lost();
        let mut ready = Vec::new();
        assert_eq!((window.take(&mut ready), ready), (None, vec![(1, Qos::AtLeastOnce)]));
    }
}
