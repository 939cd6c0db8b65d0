//! The loop around a sink: gather, write, acknowledge; reconnect, reject, panics.

use std::collections::VecDeque;
use std::sync::Arc;

use fieldflow_contract::{Batch, Cause, Delivery, DynSink, Gather, Node, NodeError, Outcome, Position};
use fieldflow_storage::crash_point;
use metrics::Histogram;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout_at};

use super::edge::Arrival;
use super::fanout::Fanout;
use super::guard::{Panicked, guard, guard_call};
use super::inbox::Inbox;
use super::node_task::{CLOSE_WITHIN, Exit, NodeTask};
use crate::queue::{DurableEdge, Origin};
use crate::telemetry::NodeState;

/// The two distributions that a sink feeds.
pub(super) struct SinkTimes {
    pub(super) commit: Histogram,
    pub(super) latency: Histogram,
}

/// Runs a sink until its edges are closed and empty, or it cannot go on.
pub(super) async fn run(
    task: NodeTask,
    sink: Box<dyn DynSink>,
    mut inbox: Inbox,
    fanout: Fanout,
    times: SinkTimes,
) -> Exit {
    let mut sink = SinkLoop { task, sink, fanout, times };
    if let Err(cause) = sink.connect().await {
        return sink.task.broken(cause);
    }
    sink.task.status.running();
    loop {
        let first = tokio::select! {
            biased;
            first = inbox.recv() => Ok(first),
            panicked = sink.idle() => Err(panicked),
        };
        let done = match first {
            Ok(Some(first)) => {
                let group = gather(first, &mut inbox, sink.wanted()).await;
                sink.deliver(group).await
            }
            Ok(None) => break,
            Err(panicked) => sink.begin_anew(panicked).await,
        };
        if let Err(cause) = done {
            return sink.task.broken(cause);
        }
    }
    let _ = tokio::time::timeout(CLOSE_WITHIN, guard(sink.sink.close())).await;
    sink.task.done()
}

/// As many deliveries as the sink wants for one write.
async fn gather(first: Arrival, inbox: &mut Inbox, wanted: Gather) -> Vec<Arrival> {
    let deadline = Instant::now() + wanted.wait;
    let mut records = first.delivery.batch.len();
    let mut group = vec![first];
    while records < wanted.records {
        let next = match inbox.try_recv() {
            Some(next) => next,
            None if wanted.wait.is_zero() => break,
            None => match timeout_at(deadline, inbox.recv()).await {
                Ok(Some(next)) => next,
                Ok(None) | Err(_) => break,
            },
        };
        records += next.delivery.batch.len();
        group.push(next);
    }
    group
}

struct SinkLoop {
    task: NodeTask,
    sink: Box<dyn DynSink>,
    fanout: Fanout,
    times: SinkTimes,
}

impl SinkLoop {
    /// Opens the link, for as long as it takes, and lets the durable edges go on behind what the sink has stored.
    async fn connect(&mut self) -> Result<(), Cause> {
        loop {
            match guard(self.try_connect()).await {
                // After a loss only a write shows that it works: with a full disk, connecting does.
                Ok(Ok(())) => return Ok(()),
                Ok(Err(
                    NodeError::Disconnected(cause)
                    | NodeError::Rejected(cause)
                    | NodeError::RejectedPart(_, cause)
                    | NodeError::Postponed(_, cause),
                )) => self.lost(&cause).await,
                Ok(Err(NodeError::Broken(cause))) => return Err(cause),
                Ok(Err(NodeError::Ended)) => return Err(Cause::new("the sink takes no more records")),
                Err(panicked) => self.restart(panicked).await?,
            }
        }
    }

    async fn try_connect(&mut self) -> Result<(), NodeError> {
        self.task.loaded().await;
        self.sink.connect().await?;
        if self.task.durable_inputs.is_empty() {
            return Ok(());
        }
        let positions = self.sink.positions().await?;
        crash_point("sink.positions.read");
        // A sink that panics here is found out when it writes.
        let takes_all = guard_call(|| self.sink.takes_all()).unwrap_or(true);
        for edge in &self.task.durable_inputs {
            edge.resume(&positions);
            if takes_all {
                edge.take_up();
            }
        }
        Ok(())
    }

    /// How many records to gather. A sink that panics when it is asked is found out when it writes.
    fn wanted(&self) -> Gather {
        guard_call(|| self.sink.gather()).unwrap_or(Gather::PROMPT)
    }

    /// Keeps the link while there is nothing to write; returns when the sink cannot go on as it is. May be dropped at any time:
    /// what is not connected then is found out by the next write.
    async fn idle(&mut self) -> Result<Panicked, Cause> {
        loop {
            match guard(self.sink.idle()).await {
                Ok(NodeError::Broken(cause)) => return Err(cause),
                Ok(NodeError::Ended) => return Err(Cause::new("the sink takes no more records")),
                Ok(
                    NodeError::Disconnected(cause)
                    | NodeError::Rejected(cause)
                    | NodeError::RejectedPart(_, cause)
                    | NodeError::Postponed(_, cause),
                ) => self.lost(&cause).await,
                Err(panicked) => return Ok(panicked),
            }
            self.connect().await?;
            // Nothing is written that would say so.
            self.task.backoff.reset();
            self.task.status.running();
        }
    }

    async fn begin_anew(&mut self, panicked: Result<Panicked, Cause>) -> Result<(), Cause> {
        self.restart(panicked?).await?;
        self.connect().await
    }

    async fn lost(&mut self, cause: &Cause) {
        self.task.status.failing(NodeState::Reconnecting, "disconnected", &cause.message);
        if cause.after_progress {
            self.task.backoff.reset();
        }
        self.task.wait(false).await;
    }

    async fn restart(&mut self, panicked: Panicked) -> Result<(), Cause> {
        match self.task.rebuild(panicked, false).await? {
            Some(Node::Sink(anew)) => {
                self.sink = anew;
                Ok(())
            }
            _ => Err(Cause::new("the node was rebuilt as something else than a sink")),
        }
    }

    /// Brings a group to the sink. Each of its deliveries is written and acknowledged, or rejected, and never forgotten.
    async fn deliver(&mut self, group: Vec<Arrival>) -> Result<(), Cause> {
        self.task.status.received(group.iter().map(|arrival| arrival.delivery.batch.len() as u64).sum());
        let mut groups = VecDeque::from([Group { arrivals: group, panicked: false }]);
        while let Some(mut group) = groups.pop_front() {
            consume_budget().await;
            if self.task.durable_inputs.iter().any(|edge| edge.recalls()) {
                group.give_back();
            }
            if group.arrivals.is_empty() {
                continue;
            }
            let batches: Vec<Batch> = group.arrivals.iter().map(|arrival| arrival.delivery.batch.clone()).collect();
            let positions = group.positions();
            let since = Instant::now();
            let mut origins = group.arrivals.iter().map(|arrival| arrival.origin.as_ref().map(Origin::position));
            // A sink that panics here is found out when it writes.
            let _ = guard_call(|| self.sink.origins(&mut origins));
            match guard(self.sink.write(&batches, &positions)).await {
                Ok(Ok(())) => self.written(group.arrivals, since),
                Ok(Err(NodeError::Disconnected(cause))) => {
                    self.lost(&cause).await;
                    self.connect().await?;
                    group.forget_done();
                    groups.push_front(group);
                }
                Ok(Err(NodeError::Rejected(_))) if 1 < group.arrivals.len() => group.split(&mut groups),
                Ok(Err(NodeError::Rejected(cause))) => self.reject(group.arrivals, &cause).await,
                Ok(Err(NodeError::RejectedPart(part, cause))) => self.reject_part(group.arrivals, &part, &cause).await,
                Ok(Err(NodeError::Postponed(which, cause))) => {
                    let rest = self.postpone(group.arrivals, &which, since);
                    if !rest.is_empty() {
                        self.lost(&cause).await;
                        self.connect().await?;
                        groups.push_front(Group { arrivals: rest, panicked: false });
                    }
                }
                Ok(Err(NodeError::Broken(cause))) => return Err(cause),
                Ok(Err(NodeError::Ended)) => return Err(Cause::new("the sink takes no more records")),
                Err(panicked) => {
                    let cause = Cause::new(format!("the sink panicked twice on this batch: {}", panicked.0));
                    self.restart(panicked).await?;
                    self.connect().await?;
                    group.forget_done();
                    // It may have been the sink's state: each batch gets one more try before it is held to be the reason.
                    match (group.panicked, group.arrivals.len()) {
                        (true, 0 | 1) => self.reject(group.arrivals, &cause).await,
                        (true, _) => group.split(&mut groups),
                        (false, _) => {
                            group.panicked = true;
                            groups.push_front(group);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn written(&mut self, arrivals: Vec<Arrival>, since: Instant) {
        self.task.worked(since);
        self.times.commit.record(since.elapsed());
        let first = |arrival: &Arrival| arrival.delivery.batch.records().first().map(|record| record.time);
        if let Some(oldest) = arrivals.iter().filter_map(first).min() {
            self.times.latency.record(self.task.context.clock.now().since(oldest));
        }
        for arrival in arrivals {
            self.task.status.written(arrival.delivery.batch.len() as u64);
            arrival.delivery.ack.resolve(Outcome::Delivered);
            crash_point("sink.ack.told");
        }
    }

    /// Gives back to their edges what the sink cannot take now; the others were written. What no edge keeps is left.
    fn postpone(&mut self, arrivals: Vec<Arrival>, which: &[usize], since: Instant) -> Vec<Arrival> {
        let (mut written, mut rest) = (Vec::new(), Vec::new());
        for (place, arrival) in arrivals.into_iter().enumerate() {
            match &arrival.origin {
                _ if !which.contains(&place) => written.push(arrival),
                // Its edge has it, and does not listen to its ack any more.
                Some(origin) => origin.postpone(),
                None => rest.push(arrival),
            }
        }
        self.written(written, since);
        rest
    }

    /// Rejects some records of a batch; the others were written.
    async fn reject_part(&mut self, arrivals: Vec<Arrival>, part: &Batch, cause: &Cause) {
        self.task.status.rejecting(&cause.message);
        for Arrival { delivery: Delivery { batch, ack }, .. } in arrivals {
            self.task.status.written(batch.len().saturating_sub(part.len()) as u64);
            self.fanout.reject(part.clone(), ack, &cause.message).await;
        }
    }

    async fn reject(&mut self, arrivals: Vec<Arrival>, cause: &Cause) {
        self.task.status.rejecting(&cause.message);
        for Arrival { delivery: Delivery { batch, ack }, .. } in arrivals {
            self.fanout.reject(batch, ack, &cause.message).await;
        }
    }
}

/// Deliveries that are written together.
struct Group {
    arrivals: Vec<Arrival>,
    /// The sink panicked on it before.
    panicked: bool,
}

impl Group {
    /// How far each durable edge is taken once the group is written.
    fn positions(&self) -> Vec<Position> {
        let mut edges: Vec<&Arc<DurableEdge>> = Vec::new();
        let origins = || self.arrivals.iter().filter_map(|arrival| arrival.origin.as_ref());
        for Origin { edge, .. } in origins() {
            if !edges.iter().any(|known| Arc::ptr_eq(known, edge)) {
                edges.push(edge);
            }
        }
        let position = |edge: &&Arc<DurableEdge>| {
            let mut own: Vec<&Origin> = origins().filter(|origin| Arc::ptr_eq(edge, &origin.edge)).collect();
            // One that failed before comes out of turn.
            own.sort_unstable_by_key(|origin| origin.sequence);
            edge.position_with(own.into_iter())
        };
        edges.iter().map(position).collect()
    }

    /// Takes out what the sink had stored although it answered with an error: its position told so.
    fn forget_done(&mut self) {
        let done =
            |arrival: &mut Arrival| arrival.origin.as_ref().is_some_and(super::super::queue::pump::Origin::is_done);
        for arrival in self.arrivals.extract_if(.., done) {
            arrival.delivery.ack.resolve(Outcome::Delivered);
        }
    }

    /// Gives back what an edge recalls: older ones go before it.
    fn give_back(&mut self) {
        let is_recalled = |arrival: &mut Arrival| arrival.origin.as_ref().is_some_and(Origin::is_recalled);
        for arrival in self.arrivals.extract_if(.., is_recalled) {
            arrival.origin.iter().for_each(Origin::postpone);
        }
    }

    /// One by one, in order, before everything else.
    fn split(self, groups: &mut VecDeque<Self>) {
        for arrival in self.arrivals.into_iter().rev() {
            groups.push_front(Self { arrivals: vec![arrival], panicked: self.panicked });
        }
    }
}
