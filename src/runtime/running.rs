//! A pipeline at work: starting it, watching it, stopping it, and what was left when it ended.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{Cause, Node};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::node_task::Exit;
use super::plan::{ObservedEdge, Plan, PlannedNode};
use super::status::NodeStatus;
use super::{sink_loop, source_loop, transform_loop};
use crate::graph::Secrets;
use crate::queue::{Keeper, pump};
use crate::telemetry::{EdgeSnapshot, PipelineSnapshot};

/// A disk that is away at the end is not waited for.
const KEEPER_CLOSES_WITHIN: Duration = Duration::from_secs(5);

/// A pipeline at work.
pub struct Running {
    observer: Observer,
    tasks: JoinSet<(String, Exit)>,
    keeper: Arc<Keeper>,
    /// The keeper's task: it ends after all others, with what they brought it.
    keeping: JoinSet<()>,
    stop: CancellationToken,
    secrets: Arc<Secrets>,
}

/// Takes snapshots of a pipeline, at any time and from anywhere, also after its end.
#[derive(Clone)]
pub struct Observer {
    pipeline: Arc<str>,
    nodes: Arc<[Arc<NodeStatus>]>,
    edges: Arc<[ObservedEdge]>,
}

impl Observer {
    /// This moment.
    pub fn snapshot(&self) -> PipelineSnapshot {
        PipelineSnapshot {
            pipeline: self.pipeline.to_string(),
            nodes: self.nodes.iter().map(|node| node.snapshot()).collect(),
            edges: self.edges.iter().map(ObservedEdge::snapshot).collect(),
        }
    }
}

impl ObservedEdge {
    fn snapshot(&self) -> EdgeSnapshot {
        let mut snapshot = self.memory.snapshot();
        if let Some(durable) = &self.durable {
            durable.add_to(&mut snapshot);
        }
        snapshot
    }
}

/// How a pipeline ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// The node that could not go on, and why, without secrets.
    pub broken: Option<(String, Cause)>,
    /// Whether everything that was on its way arrived within the grace time.
    pub drained: bool,
    /// What was left in the edges, as `from -> to` and records.
    pub left: Vec<(String, u64)>,
    /// Batches that were on their way and whose source was never told that they arrived.
    pub unresolved: u64,
}

impl Plan {
    /// Starts every node.
    pub fn start(self) -> Running {
        let nodes: Arc<[_]> = self.nodes.iter().map(|node| Arc::clone(&node.task.status)).collect();
        let observer = Observer { pipeline: self.pipeline.into(), nodes, edges: self.edges.into() };
        let mut tasks = JoinSet::new();
        for PlannedNode { name, node, task, inbox, fanout, times } in self.nodes {
            tasks.spawn(async move {
                let exit = match node {
                    Node::Source(source) => source_loop::run(task, source, fanout).await,
                    Node::Transform(transform) => transform_loop::run(task, transform, inbox, fanout).await,
                    Node::Sink(sink) => sink_loop::run(task, sink, inbox, fanout, times).await,
                };
                (name, exit)
            });
        }
        for (edge, outlet) in self.pumps {
            let (keeper, stop) = (Arc::clone(&self.keeper), self.stop.clone());
            tasks.spawn(async move {
                let name = edge.name().to_owned();
                pump(edge, keeper, outlet, stop).await;
                (name, Exit::Done)
            });
        }
        let mut keeping = JoinSet::new();
        keeping.spawn(Arc::clone(&self.keeper).run());
        Running { observer, tasks, keeper: self.keeper, keeping, stop: self.stop, secrets: self.secrets }
    }
}

impl Running {
    /// Who takes snapshots.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// Runs until all input has ended, a node is broken, or `stop` is done; then drains for at most `grace`.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>, grace: Duration) -> Finished {
        self.drive(stop, grace).await
    }

    /// The same, unless `kill` is done first: then everything ends where it stands, as in a crash, and `None` is the answer.
    pub async fn run_until_killed(
        mut self,
        stop: impl Future<Output = ()>,
        grace: Duration,
        kill: impl Future<Output = ()>,
    ) -> Option<Finished> {
        let finished = tokio::select! {
            biased;
            finished = self.drive(stop, grace) => Some(finished),
            () = kill => None,
        };
        if finished.is_none() {
            self.tasks.shutdown().await;
            self.keeping.shutdown().await;
        }
        finished
    }

    async fn drive(&mut self, stop: impl Future<Output = ()>, grace: Duration) -> Finished {
        let mut broken = None;
        let mut stop = std::pin::pin!(stop);
        let mut deadline: Option<Instant> = None;
        let drained = loop {
            let over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let begin_to_stop = tokio::select! {
                () = &mut stop, if deadline.is_none() => true,
                () = over => break false,
                // It ends after all others, so here it can only have panicked: without it the durable edges would stand still.
                Some(Err(error)) = self.keeping.join_next() => {
                    broken = broken.or_else(|| Some(("(runtime)".to_owned(), Cause::new(error.to_string()))));
                    true
                }
                ended = self.tasks.join_next() => match ended {
                    None => break true,
                    Some(Ok((node, Exit::Broken(cause)))) => {
                        broken = broken.or(Some((node, cause)));
                        true
                    }
                    Some(Ok((_, Exit::Done))) => false,
                    // The loops catch what a node does; a panic of a loop itself is a bug, and is said aloud.
                    Some(Err(error)) => {
                        broken = broken.or_else(|| Some(("(runtime)".to_owned(), Cause::new(error.to_string()))));
                        true
                    }
                },
            };
            if begin_to_stop && deadline.is_none() {
                info!(pipeline = %self.observer.pipeline, "stopping: sources first, then what is on its way");
                self.stop.cancel();
                deadline = Some(Instant::now() + grace);
            }
        };
        self.tasks.shutdown().await;
        self.keeper.close();
        // What could not be stored by then is stored as not done: it comes again.
        let _ = tokio::time::timeout(KEEPER_CLOSES_WITHIN, self.keeping.join_next()).await;
        self.finished(broken, drained)
    }

    fn finished(&self, broken: Option<(String, Cause)>, drained: bool) -> Finished {
        let snapshot = self.observer.snapshot();
        let left = snapshot.edges.iter().filter(|edge| edge.depth != 0);
        let failed =
            |node: &crate::telemetry::NodeSnapshot| node.source.map(|source| source.outstanding + source.resolved[3]);
        let broken = broken.map(|(node, cause)| {
            let message = self.secrets.hide(&cause.message).into_owned();
            (node, Cause { message, ..cause })
        });
        Finished {
            broken,
            drained,
            left: left.map(|edge| (format!("{} -> {}", edge.from, edge.to), edge.depth)).collect(),
            unresolved: snapshot.nodes.iter().filter_map(failed).sum(),
        }
    }
}
