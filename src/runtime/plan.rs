//! From the checked graph to what can be run: every node built, every edge made, nothing started.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use fieldflow_contract::{Audit, BuildContext, Clock, Links, Node, Notices, Port, PortName, Role, Saved, Tally};
use metrics::Histogram;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::backoff::Backoff;
use super::edge::{EdgeAccount, EdgeReceiver, edge};
use super::fanout::Fanout;
use super::guard::guard_call;
use super::inbox::Inbox;
use super::node_task::NodeTask;
use super::outlet::{Outlet, PumpOutlet};
use super::sink_loop::SinkTimes;
use super::status::{NodeStatus, Own};
use crate::graph::{EdgeOptions, Graph, GraphEdge, GraphNode, Secrets, Storage, WhenFull};
use crate::queue::{DurableEdge, Keeper, Limits, Victim};
use crate::telemetry::{Exporter, catalogue};

/// Where and with what a pipeline runs.
pub struct Environment<'a> {
    /// The folder below which each pipeline has its own.
    pub data_dir: PathBuf,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whether tokio's time is virtual, as in tests: then the disk is worked on in place, so that time never runs ahead of it.
    pub virtual_time: bool,
    /// Who keeps the histograms.
    pub exporter: &'a Exporter,
}

/// A pipeline that is ready to start.
pub struct Plan {
    pub(super) pipeline: String,
    pub(super) nodes: Vec<PlannedNode>,
    pub(super) edges: Vec<ObservedEdge>,
    pub(super) pumps: Vec<(Arc<DurableEdge>, PumpOutlet)>,
    pub(super) keeper: Arc<Keeper>,
    pub(super) stop: CancellationToken,
    pub(super) secrets: Arc<Secrets>,
}

/// Where the figures of an edge are: of its memory, and of its file if it has one.
#[derive(Clone)]
pub(super) struct ObservedEdge {
    pub(super) memory: Arc<EdgeAccount>,
    pub(super) durable: Option<Arc<DurableEdge>>,
}

pub(super) struct PlannedNode {
    pub(super) name: String,
    pub(super) node: Node,
    pub(super) task: NodeTask,
    pub(super) inbox: Inbox,
    pub(super) fanout: Fanout,
    pub(super) times: SinkTimes,
}

/// A node could not be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node `{node}` of pipeline `{pipeline}`: {message}")]
pub struct PlanError {
    pipeline: String,
    node: String,
    message: String,
}

impl Plan {
    /// Builds all nodes of the graph. Opens nothing and writes nothing.
    pub fn new(graph: &Graph, environment: &Environment<'_>) -> Result<Self, PlanError> {
        let stop = CancellationToken::new();
        let (folder, clock) = (environment.data_dir.join(&graph.name), Arc::clone(&environment.clock));
        let mut keeper = Keeper::new(&folder, clock, environment.virtual_time);
        let mut wiring = Wiring::of(graph, &mut keeper);
        let built = graph.nodes().map(|node| Built::of(graph, node, environment));
        let built = built.collect::<Result<Vec<_>, _>>()?;
        for Built { node, context, .. } in built.iter().filter(|built| built.context.saved.is_wanted()) {
            keeper.keep(node.name.clone(), node.kind.type_name(), context.saved.clone());
        }
        for Built { node, context, .. } in built.iter().filter(|built| built.context.audit.is_wanted()) {
            keeper.audit(node.name.clone(), context.audit.clone());
        }
        let (keeper, secrets) = (Arc::new(keeper), Arc::new(graph.secrets.clone()));
        let planned = |built| planned(built, environment.exporter, &stop, &secrets, &mut wiring, &keeper);
        let nodes = built.into_iter().map(planned).collect();
        let Wiring { observed: edges, pumps, .. } = wiring;
        Ok(Self { pipeline: graph.name.clone(), nodes, edges, pumps, keeper, stop, secrets })
    }
}

/// A node that was built, and with what.
struct Built<'a> {
    node: &'a GraphNode,
    context: BuildContext,
    ready: Node,
}

impl<'a> Built<'a> {
    fn of(graph: &Graph, node: &'a GraphNode, environment: &Environment<'_>) -> Result<Self, PlanError> {
        let context = BuildContext {
            pipeline: graph.name.clone(),
            node: node.name.clone(),
            data_dir: environment.data_dir.join(&graph.name),
            base_dir: graph.base_dir.clone(),
            clock: Arc::clone(&environment.clock),
            tally: Tally::default(),
            saved: Saved::default(),
            audit: Audit::default(),
            links: Links::default(),
            notices: notices(graph, &node.name),
        };
        let failed = |message: &str| PlanError {
            pipeline: graph.name.clone(),
            node: node.name.clone(),
            message: graph.secrets.hide(message).into_owned(),
        };
        let ready = guard_call(|| node.prepared.build(&context))
            .map_err(|panicked| failed(&format!("building it panicked: {}", panicked.0)))?
            .map_err(|error| failed(&error.to_string()))?;
        Ok(Self { node, context, ready })
    }
}

fn planned(
    Built { node, context, ready }: Built<'_>,
    exporter: &Exporter,
    stop: &CancellationToken,
    secrets: &Arc<Secrets>,
    wiring: &mut Wiring,
    keeper: &Arc<Keeper>,
) -> PlannedNode {
    let role = match ready {
        Node::Source(_) => Role::Source,
        Node::Transform(_) => Role::Transform,
        Node::Sink(_) => Role::Sink,
    };
    let outputs = wiring.outputs.remove(&node.name).unwrap_or_default();
    let ports = outputs.iter().map(|(port, _)| port.to_string()).collect();
    let kind = node.kind.type_name();
    let own = Own { tally: context.tally.clone(), links: context.links.clone(), notices: context.notices.clone() };
    let names = (context.pipeline.as_str(), node.name.as_str());
    let clock = Arc::clone(&context.clock);
    let status = Arc::new(NodeStatus::new(names, (kind, role), ports, clock, own, Arc::clone(secrets)));
    let labels = [context.pipeline.as_str(), node.name.as_str(), kind];
    let histogram = |metric| match role {
        Role::Sink => exporter.histogram(metric, &labels),
        // Nothing is committed there, and an empty distribution in every scrape would tell nobody anything.
        Role::Source | Role::Transform => Histogram::noop(),
    };
    PlannedNode {
        name: node.name.clone(),
        node: ready,
        inbox: Inbox::new(wiring.inputs.remove(&node.name).unwrap_or_default()),
        fanout: Fanout::new(outputs, Arc::clone(&status), Arc::clone(keeper)),
        times: SinkTimes { commit: histogram(&catalogue::COMMIT), latency: histogram(&catalogue::LATENCY) },
        task: NodeTask {
            prepared: Arc::clone(&node.prepared),
            context,
            status,
            stop: stop.clone(),
            backoff: Backoff::new(),
            durable_inputs: wiring.durable_inputs.remove(&node.name).unwrap_or_default(),
            keeper: Arc::clone(keeper),
        },
    }
}

/// What a node says goes to the log as well, without the secrets in it.
fn notices(graph: &Graph, node: &str) -> Notices {
    let (pipeline, node, secrets) = (graph.name.clone(), node.to_owned(), graph.secrets.clone());
    Notices::telling(move |sentence| info!(pipeline, node, "{}", secrets.hide(sentence)))
}

/// The ends of all edges, by the nodes that they belong to.
#[derive(Default)]
struct Wiring {
    outputs: HashMap<String, Vec<(PortName, Vec<Outlet>)>>,
    inputs: HashMap<String, Vec<EdgeReceiver>>,
    durable_inputs: HashMap<String, Vec<Arc<DurableEdge>>>,
    observed: Vec<ObservedEdge>,
    pumps: Vec<(Arc<DurableEdge>, PumpOutlet)>,
}

impl Wiring {
    fn of(graph: &Graph, keeper: &mut Keeper) -> Self {
        let mut wiring = Self::default();
        for wire in graph.edges() {
            let outlet = wiring.edge(graph, &wire, keeper);
            let ports = wiring.outputs.entry(wire.from.name.clone()).or_default();
            match ports.iter_mut().find(|(port, _)| port == wire.port) {
                Some((_, outlets)) => outlets.push(outlet),
                None => ports.push((wire.port.clone(), vec![outlet])),
            }
        }
        wiring
    }

    /// Makes both ends of an edge, and what lies between them.
    fn edge(&mut self, graph: &Graph, wire: &GraphEdge<'_>, keeper: &mut Keeper) -> Outlet {
        let (from, to) = (label(wire), wire.to.name.clone());
        let disk = match &wire.options.storage {
            Storage::Memory => {
                let (sender, receiver, memory) = edge(from, to, wire.options);
                self.connect(wire, receiver, ObservedEdge { memory, durable: None });
                return Outlet::Memory(sender);
            }
            Storage::Durable(disk) | Storage::Spill(disk) => disk,
        };
        // Half of the capacity waits before the consumer, half before the disk.
        let memory = EdgeOptions {
            capacity: (wire.options.capacity / 2).max(1),
            when_full: WhenFull::Block,
            ..wire.options.clone()
        };
        let (sender, receiver, memory) = edge(from, to, &memory);
        let sender = Arc::new(sender);
        let durable = keeper.edge(
            format!("{}/{}.{}/{}", graph.name, wire.from.name, wire.port, wire.to.name),
            Limits {
                capacity: wire.options.capacity as u64,
                max_bytes: disk.max_bytes,
                max_age: disk.max_age,
                victim: match disk.when_full {
                    WhenFull::DropOldest => Victim::Oldest,
                    WhenFull::DropNewest => Victim::Newest,
                    WhenFull::Block | WhenFull::Conflate => Victim::Block,
                },
                replay_rate: disk.replay_rate.map(f64::from),
                replay_share: disk.replay_share,
            },
        );
        self.connect(wire, receiver, ObservedEdge { memory, durable: Some(Arc::clone(&durable)) });
        self.durable_inputs.entry(wire.to.name.clone()).or_default().push(Arc::clone(&durable));
        self.pumps.push((Arc::clone(&durable), PumpOutlet(Arc::clone(&sender))));
        match wire.options.storage {
            Storage::Spill(_) => Outlet::Spill(sender, durable),
            _ => Outlet::Durable(durable),
        }
    }

    fn connect(&mut self, wire: &GraphEdge<'_>, receiver: EdgeReceiver, observed: ObservedEdge) {
        self.inputs.entry(wire.to.name.clone()).or_default().push(receiver);
        self.observed.push(observed);
    }
}

/// `node`, or `node.port` for any but the default port.
fn label(wire: &GraphEdge<'_>) -> String {
    if wire.port == Port::DEFAULT { wire.from.name.clone() } else { format!("{}.{}", wire.from.name, wire.port) }
}
