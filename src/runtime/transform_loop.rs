//! The loop around a transform: take, apply, send on; ticks, panics.

use std::time::Duration;

use fieldflow_contract::{Ack, Cause, Delivery, Emission, Node, Outcome, Outputs, Port, Transform};
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, MissedTickBehavior};

use super::edge::Arrival;
use super::fanout::Fanout;
use super::guard::{Panicked, guard_call};
use super::inbox::Inbox;
use super::node_task::{Exit, NodeTask};

/// Runs a transform until its edges are closed and empty, or it cannot go on.
pub(super) async fn run(mut task: NodeTask, mut node: Box<dyn Transform>, mut inbox: Inbox, fanout: Fanout) -> Exit {
    let mut out = Outputs::default();
    let mut ticks = ticker(node.as_ref());
    task.status.running();
    task.durable_inputs.iter().for_each(|edge| edge.resume(&[]));
    loop {
        consume_budget().await;
        let input = tokio::select! {
            biased;
            // Ticks are rare and input need never pause, so they are asked for first.
            () = tick(&mut ticks) => Input::Tick,
            arrival = inbox.recv() => Input::from(arrival),
        };
        let since = Instant::now();
        let (worked, ack, records) = match input {
            Input::End => break,
            Input::Tick => {
                let now = task.context.clock.now();
                (guard_call(|| node.tick(now, &mut out)).map(Ok), Ack::none(), 0)
            }
            Input::Batch(Delivery { batch, ack }) => {
                let records = batch.len() as u64;
                task.status.received(records);
                (guard_call(|| node.apply(batch, &mut out)), ack, records)
            }
        };
        match worked {
            Ok(Ok(())) => {
                task.worked(since);
                send_on(&task, &mut out, &fanout, ack).await;
            }
            Ok(Err(cause)) => {
                ack.resolve(Outcome::Failed);
                return task.broken(cause);
            }
            Err(panicked) => {
                // What it had emitted of this batch is gone with it; the source is told so.
                out = Outputs::default();
                task.status.discarded("panic", records);
                ack.resolve(Outcome::Failed);
                node = match rebuild(&mut task, panicked).await {
                    Ok(anew) => anew,
                    Err(cause) => return task.broken(cause),
                };
                ticks = ticker(node.as_ref());
            }
        }
    }
    task.done()
}

enum Input {
    Batch(Delivery),
    Tick,
    End,
}

impl From<Option<Arrival>> for Input {
    fn from(arrival: Option<Arrival>) -> Self {
        arrival.map_or(Self::End, |arrival| Self::Batch(arrival.delivery))
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

fn ticker(node: &dyn Transform) -> Option<tokio::time::Interval> {
    let every: Option<Duration> = guard_call(|| node.tick_every()).unwrap_or(None);
    every.filter(|every| !every.is_zero()).map(|every| {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks
    })
}

async fn tick(ticks: &mut Option<tokio::time::Interval>) {
    match ticks {
        Some(ticks) => drop(ticks.tick().await),
        None => std::future::pending().await,
    }
}
