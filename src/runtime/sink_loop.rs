//! The loop around a sink: gather, write, acknowledge; reconnect, reject, panics.

use std::collections::VecDeque;

use fieldflow_contract::{Batch, Cause, Delivery, DynSink, Gather, Node, NodeError, Outcome, Port};
use metrics::Histogram;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout_at};

use super::fanout::Fanout;
use super::guard::{Panicked, guard};
use super::inbox::Inbox;
use super::node_task::{CLOSE_WITHIN, Exit, NodeTask};
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
    while let Some(group) = gather(&mut inbox, sink.sink.gather()).await {
        if let Err(cause) = sink.deliver(group).await {
            return sink.task.broken(cause);
        }
    }
    let _ = tokio::time::timeout(CLOSE_WITHIN, guard(sink.sink.close())).await;
    sink.task.done()
}

/// As many deliveries as the sink wants for one write; `None` when there will be no more.
async fn gather(inbox: &mut Inbox, wanted: Gather) -> Option<Vec<Delivery>> {
    let first = inbox.recv().await?;
    let deadline = Instant::now() + wanted.wait;
    let mut records = first.batch.len();
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
        records += next.batch.len();
        group.push(next);
    }
    Some(group)
}

struct SinkLoop {
    task: NodeTask,
    sink: Box<dyn DynSink>,
    fanout: Fanout,
    times: SinkTimes,
}

impl SinkLoop {
    /// Opens the link, for as long as it takes.
    async fn connect(&mut self) -> Result<(), Cause> {
        loop {
            match guard(self.sink.connect()).await {
                Ok(Ok(())) => {
                    self.task.status.running();
                    return Ok(());
                }
                Ok(Err(NodeError::Disconnected(cause) | NodeError::Rejected(cause))) => self.lost(&cause).await,
                Ok(Err(NodeError::Broken(cause))) => return Err(cause),
                Ok(Err(NodeError::Ended)) => return Err(Cause::new("the sink takes no more records")),
                Err(panicked) => self.restart(panicked).await?,
            }
        }
    }

    async fn lost(&mut self, cause: &Cause) {
        self.task.status.failing(NodeState::Reconnecting, "disconnected", &cause.message);
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
    async fn deliver(&mut self, group: Vec<Delivery>) -> Result<(), Cause> {
        self.task.status.received(group.iter().map(|delivery| delivery.batch.len() as u64).sum());
        let mut groups = VecDeque::from([Group { deliveries: group, panicked: false }]);
        while let Some(mut group) = groups.pop_front() {
            consume_budget().await;
            let batches: Vec<Batch> = group.deliveries.iter().map(|delivery| delivery.batch.clone()).collect();
            let since = Instant::now();
            match guard(self.sink.write(&batches, &[])).await {
                Ok(Ok(())) => self.written(group.deliveries, since),
                Ok(Err(NodeError::Disconnected(cause))) => {
                    groups.push_front(group);
                    self.lost(&cause).await;
                    self.connect().await?;
                }
                Ok(Err(NodeError::Rejected(_))) if 1 < group.deliveries.len() => group.split(&mut groups),
                Ok(Err(NodeError::Rejected(cause))) => self.reject(group.deliveries, &cause).await,
                Ok(Err(NodeError::Broken(cause))) => return Err(cause),
                Ok(Err(NodeError::Ended)) => return Err(Cause::new("the sink takes no more records")),
                Err(panicked) => {
                    let cause = Cause::new(format!("the sink panicked twice on this batch: {}", panicked.0));
                    self.restart(panicked).await?;
                    self.connect().await?;
                    // It may have been the sink's state: each batch gets one more try before it is held to be the reason.
                    match (group.panicked, group.deliveries.len()) {
                        (true, 1) => self.reject(group.deliveries, &cause).await,
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

    fn written(&mut self, deliveries: Vec<Delivery>, since: Instant) {
        self.task.worked(since);
        self.times.commit.record(since.elapsed());
        let oldest =
            deliveries.iter().filter_map(|delivery| delivery.batch.records().first()).map(|record| record.time).min();
        if let Some(oldest) = oldest {
            self.times.latency.record(self.task.context.clock.now().since(oldest));
        }
        for Delivery { ack, .. } in deliveries {
            ack.resolve(Outcome::Delivered);
        }
    }

    async fn reject(&mut self, deliveries: Vec<Delivery>, cause: &Cause) {
        self.task.status.failing(NodeState::Running, "rejected", &cause.message);
        for Delivery { batch, ack } in deliveries {
            ack.note(Outcome::Rejected);
            self.fanout.send(Port::REJECTED, batch, ack).await;
        }
    }
}

/// Deliveries that are written together.
struct Group {
    deliveries: Vec<Delivery>,
    /// The sink panicked on it before.
    panicked: bool,
}

impl Group {
    /// One by one, in order, before everything else.
    fn split(self, groups: &mut VecDeque<Self>) {
        for delivery in self.deliveries.into_iter().rev() {
            groups.push_front(Self { deliveries: vec![delivery], panicked: self.panicked });
        }
    }
}
