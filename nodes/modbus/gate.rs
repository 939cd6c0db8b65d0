//! Who may use a line next: one at a time, in the order in which they came, writes ahead of polls.
//!
//! Cancel safe: a waiter who walks away, even with the pass already on its way to him, lets the next one in.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Who waits: a command of a person or a program is more urgent than the next look at a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A poll. As many may wait as there are nodes.
    Poll,
    /// A write. Goes ahead of all polls; at most [`Gate::WRITES`] wait.
    Write,
}

/// The one way to a line.
#[derive(Debug, Default)]
pub(super) struct Gate(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    busy: bool,
    /// Writes since the last poll while a poll waited.
    ahead: usize,
    writes: VecDeque<oneshot::Sender<()>>,
    polls: VecDeque<oneshot::Sender<()>>,
}

/// The right to use the line, until it is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a>(&'a Gate);

/// A place in the queue. Dropped with the pass in it, it hands the pass on.
struct Place<'a> {
    gate: &'a Gate,
    called: Option<oneshot::Receiver<()>>,
}

impl Gate {
    /// How many writes may wait. One more is refused: it would be stale before its turn.
    pub(super) const WRITES: usize = 64;
    /// How many writes go ahead of a poll that waits, so that a flood of them does not stop all polling.
    const AHEAD: usize = 8;

    /// Waits for the line; `None` if too many writes wait already.
    pub(super) async fn enter(&self, urgency: Urgency) -> Option<Pass<'_>> {
        let mut place = {
            let mut queue = self.queue();
            if !queue.busy {
                queue.busy = true;
                return Some(Pass(self));
            }
            let waiting = match urgency {
                Urgency::Poll => &mut queue.polls,
                Urgency::Write if Self::WRITES <= queue.writes.len() => return None,
                Urgency::Write => &mut queue.writes,
            };
            let (call, called) = oneshot::channel();
            waiting.push_back(call);
            Place { gate: self, called: Some(called) }
        };
        if let Some(called) = &mut place.called {
            // The queue lives as long as the gate, so the caller never goes away before he calls.
            let _ = called.await;
        }
        place.called = None;
        Some(Pass(self))
    }

    fn leave(&self) {
        let mut queue = self.queue();
        loop {
            let poll_first = Self::AHEAD <= queue.ahead && !queue.polls.is_empty();
            let next = if poll_first { None } else { queue.writes.pop_front() };
            queue.ahead = if next.is_some() && !queue.polls.is_empty() { queue.ahead + 1 } else { 0 };
            let Some(next) = next.or_else(|| queue.polls.pop_front()) else {
                queue.busy = false;
                return;
            };
            // Who has walked away is passed over.
            if next.send(()).is_ok() {
                return;
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(mut called) = self.called.take() {
            // Closed first: no call can come between the look and the end.
            called.close();
            if called.try_recv().is_ok() {
                self.gate.leave();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future as _;
    use std::task::{Context, Poll, Waker};

    /// Polls a future once.
    macro_rules! once {
        ($future:expr) => {
            $future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
    }

    fn enter(gate: &Gate, urgency: Urgency) -> std::pin::Pin<Box<impl Future<Output = Option<Pass<'_>>>>> {
        Box::pin(gate.enter(urgency))
    }

    #[test]
    fn writes_go_ahead_of_polls_and_each_in_its_order() {
        let gate = Gate::default();
        let Poll::Ready(Some(pass)) = once!(enter(&gate, Urgency::Poll)) else { panic!("free") };
        let mut polls = [enter(&gate, Urgency::Poll), enter(&gate, Urgency::Poll)];
        let mut write = enter(&gate, Urgency::Write);
        for poll in &mut polls {
            assert!(once!(poll).is_pending());
        }
        assert!(once!(write).is_pending());
        drop(pass);
        assert!(once!(polls[0]).is_pending());
        let Poll::Ready(Some(pass)) = once!(write) else { panic!("the write is next") };
        drop(pass);
        assert!(once!(polls[1]).is_pending());
        assert!(once!(polls[0]).is_ready(), "and is dropped at once");
        assert!(once!(polls[1]).is_ready());
        assert!(once!(enter(&gate, Urgency::Poll)).is_ready(), "free again");
    }

    #[test]
    fn who_walks_away_lets_the_next_one_in() {
        let gate = Gate::default();
        let Poll::Ready(Some(pass)) = once!(enter(&gate, Urgency::Poll)) else { panic!("free") };
        let (mut first, mut second, mut third) =
            (enter(&gate, Urgency::Poll), enter(&gate, Urgency::Poll), enter(&gate, Urgency::Poll));
        assert!(once!(first).is_pending() && once!(second).is_pending() && once!(third).is_pending());
        drop(first);
        drop(pass);
        // It was the second's turn already when he left.
        drop(second);
        assert!(once!(third).is_ready());
    }

    #[test]
    fn a_flood_of_writes_is_bounded_and_leaves_room_for_a_poll() {
        let gate = Gate::default();
        let Poll::Ready(Some(mut pass)) = once!(enter(&gate, Urgency::Poll)) else { panic!("free") };
        let mut poll = enter(&gate, Urgency::Poll);
        assert!(once!(poll).is_pending());
        let mut writes: VecDeque<_> = (0..Gate::WRITES).map(|_| enter(&gate, Urgency::Write)).collect();
        assert!(writes.iter_mut().all(|write| once!(write).is_pending()));
        assert!(matches!(once!(enter(&gate, Urgency::Write)), Poll::Ready(None)), "one too many");
        for _ in 0..Gate::AHEAD {
            drop(pass);
            let mut write = writes.pop_front().unwrap();
            let Poll::Ready(Some(next)) = once!(write) else { panic!("a write's turn") };
            pass = next;
        }
        drop(pass);
        assert!(once!(poll).is_ready());
    }
}
