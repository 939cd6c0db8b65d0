//! The loop around a transform: take, apply, send on; what is due by time, what is held back, panics.

use std::collections::VecDeque;
use std::time::Duration;

use fieldflow_contract::{Ack, Cause, Delivery, Emission, Node, Outcome, Outputs, Port, Timestamp, Transform};
use tokio::task::coop::consume_budget;
use tokio::time::Instant;

use super::edge::Arrival;
use super::fanout::Fanout;
use super::guard::{Panicked, guard_call};
use super::inbox::Inbox;
use super::node_task::{Exit, NodeTask};

/// The clock is looked at so often while something is due, because it may be set meanwhile.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(10);

/// Runs a transform until its edges are closed and empty, or it cannot go on.
pub(super) async fn run(mut task: NodeTask, mut node: Box<dyn Transform>, mut inbox: Inbox, fanout: Fanout) -> Exit {
    let mut out = Outputs::default();
    let mut held = Held::default();
    task.loaded().await;
    // A transform may wait for what never comes. If it panics here it does so again after its first batch.
    let mut due = guard_call(|| node.due()).unwrap_or_default();
    task.status.running();
    task.durable_inputs.iter().for_each(|edge| edge.resume(&[]));
    loop {
        consume_budget().await;
        let input = tokio::select! {
            biased;
            // What is due is rare and input need never pause, so it is asked for first.
            now = reached(&task, due) => Input::Due(now),
            arrival = inbox.recv() => Input::from(arrival),
        };
        let since = Instant::now();
        let ended = matches!(input, Input::End);
        let (worked, records) = match input {
            Input::End => {
                let now = task.context.clock.now();
                (guard_call(|| node.finish(now, &mut out)).map(Ok), 0)
            }
            Input::Due(now) => (guard_call(|| node.tick(now, &mut out)).map(Ok), 0),
            Input::Batch(Delivery { batch, ack }) => {
                let records = batch.len() as u64;
                task.status.received(records);
                held.take(ack);
                (guard_call(|| node.apply(batch, &mut out)), records)
            }
        };
        match worked.and_then(|worked| guard_call(|| worked.map(|()| (node.due(), node.holds_since())))) {
            Ok(Ok((next, holds))) => {
                task.worked(since);
                let ack = held.release(holds.filter(|_| !ended));
                send_on(&task, &mut out, &fanout, ack).await;
                due = next;
            }
            Ok(Err(cause)) => {
                held.fail();
                return task.broken(cause);
            }
            Err(panicked) => {
                // What it had emitted and what it held is gone with it; the source is told so.
                out = Outputs::default();
                task.status.discarded("panic", records);
                held.fail();
                node = match rebuild(&mut task, panicked).await {
                    Ok(anew) => anew,
                    Err(cause) => return task.broken(cause),
                };
                due = guard_call(|| node.due()).unwrap_or_default();
            }
        }
        if ended {
            return task.done();
        }
    }
}

enum Input {
    Batch(Delivery),
    Due(Timestamp),
    End,
}

impl From<Option<Arrival>> for Input {
    fn from(arrival: Option<Arrival>) -> Self {
        arrival.map_or(Self::End, |arrival| Self::Batch(arrival.delivery))
    }
}

/// Waits until something is due; the time then.
async fn reached(task: &NodeTask, due: Option<Timestamp>) -> Timestamp {
    let Some(due) = due else { return std::future::pending().await };
    loop {
        let now = task.context.clock.now();
        if due <= now {
            return now;
        }
        // A timer may be a little early; it never has to wait for less than it can tell.
        let wait = due.since(now).clamp(Duration::from_millis(1), LOOK_AT_THE_CLOCK);
        tokio::time::sleep(wait).await;
    }
}

/// The acks of the batches of which the transform may still hold something back, oldest first.
#[derive(Default)]
struct Held {
    acks: VecDeque<Ack>,
    /// How many acks were released: the number of the batch before the first that is here.
    released: u64,
}

impl Held {
    fn take(&mut self, ack: Ack) {
        self.acks.push_back(ack);
    }

    /// The acks of all batches before that one, as one; of all if nothing is held.
    fn release(&mut self, holds: Option<u64>) -> Ack {
        let upto = holds.map_or(u64::MAX, |oldest| oldest.saturating_sub(1));
        let count = upto.saturating_sub(self.released).min(self.acks.len() as u64);
        self.released += count;
        let mut acks = self.acks.drain(..count as usize);
        match (acks.next(), acks.len()) {
            (None, _) => Ack::none(),
            (Some(only), 0) => only,
            (Some(first), _) => Ack::join(std::iter::once(first).chain(acks).collect()),
        }
    }

    /// What was held is lost. The node is built anew, so its count of batches begins again.
    fn fail(&mut self) {
        self.acks.drain(..).for_each(|ack| ack.resolve(Outcome::Failed));
        self.released = 0;
    }
}

async fn rebuild(task: &mut NodeTask, panicked: Panicked) -> Result<Box<dyn Transform>, Cause> {
    match task.rebuild(panicked, false).await? {
        Some(Node::Transform(anew)) => {
            task.status.running();
            Ok(anew)
        }
        _ => Err(Cause::new("the node was rebuilt as something else than a transform")),
    }
}

/// Sends on what a batch became; its ack is split over all of it. Nothing emitted means filtered, and so delivered.
async fn send_on(task: &NodeTask, out: &mut Outputs, fanout: &Fanout, ack: Ack) {
    for (reason, records) in out.take_filtered() {
        task.status.discarded(reason, records);
    }
    let mut emissions = out.take_emissions();
    let Some(mut next) = emissions.next() else { return ack.resolve(Outcome::Delivered) };
    for after in emissions {
        emit(fanout, next, ack.clone()).await;
        next = after;
    }
    // The last one takes the ack itself.
    emit(fanout, next, ack).await;
}

async fn emit(fanout: &Fanout, Emission { port, batch }: Emission, ack: Ack) {
    if port == Port::REJECTED {
        fanout.reject(batch, ack, "the node cannot work on it").await;
    } else {
        fanout.send(&port, batch, ack).await;
    }
}
