//! From the checked graph to what can be run: every node built, every edge made, nothing started.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use fieldflow_contract::{BuildContext, Clock, Node, Port, PortName, Role, Tally};
use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::edge::{EdgeAccount, EdgeReceiver, EdgeSender, edge};
use super::fanout::Fanout;
use super::inbox::Inbox;
use super::node_task::NodeTask;
use super::sink_loop::SinkTimes;
use super::status::NodeStatus;
use crate::graph::{Graph, GraphEdge, GraphNode};
use crate::telemetry::{Exporter, catalogue};

/// Where and with what a pipeline runs.
pub struct Environment<'a> {
    /// The folder below which each pipeline has its own.
    pub data_dir: PathBuf,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who keeps the histograms.
    pub exporter: &'a Exporter,
}

/// A pipeline that is ready to start.
pub struct Plan {
    pub(super) pipeline: String,
    pub(super) nodes: Vec<PlannedNode>,
    pub(super) edges: Vec<Arc<EdgeAccount>>,
    pub(super) stop: CancellationToken,
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
        let mut wiring = Wiring::of(graph);
        let nodes = graph.nodes().map(|node| planned(graph, node, environment, &stop, &mut wiring));
        let nodes = nodes.collect::<Result<Vec<_>, _>>()?;
        Ok(Self { pipeline: graph.name.clone(), nodes, edges: wiring.accounts, stop })
    }
}

fn planned(
    graph: &Graph,
    node: &GraphNode,
    environment: &Environment<'_>,
    stop: &CancellationToken,
    wiring: &mut Wiring,
) -> Result<PlannedNode, PlanError> {
    let context = BuildContext {
        node: node.name.clone(),
        data_dir: environment.data_dir.join(&graph.name),
        base_dir: graph.base_dir.clone(),
        clock: Arc::clone(&environment.clock),
        tally: Tally::default(),
    };
    let failed = |message| PlanError { pipeline: graph.name.clone(), node: node.name.clone(), message };
    let built = node.prepared.build(&context).map_err(|error| failed(error.to_string()))?;
    let role = match built {
        Node::Source(_) => Role::Source,
        Node::Transform(_) => Role::Transform,
        Node::Sink(_) => Role::Sink,
    };
    let outputs = wiring.outputs.remove(&node.name).unwrap_or_default();
    let ports = outputs.iter().map(|(port, _)| port.to_string()).collect();
    let kind = node.kind.type_name();
    let (clock, tally) = (Arc::clone(&context.clock), context.tally.clone());
    let status = Arc::new(NodeStatus::new(&graph.name, &node.name, kind, role, ports, clock, tally));
    let labels = [graph.name.as_str(), node.name.as_str(), kind];
    Ok(PlannedNode {
        name: node.name.clone(),
        node: built,
        inbox: Inbox::new(wiring.inputs.remove(&node.name).unwrap_or_default()),
        fanout: Fanout::new(outputs, Arc::clone(&status)),
        times: SinkTimes {
            commit: environment.exporter.histogram(&catalogue::COMMIT, &labels),
            latency: environment.exporter.histogram(&catalogue::LATENCY, &labels),
        },
        task: NodeTask {
            prepared: Arc::clone(&node.prepared),
            context,
            status,
            stop: stop.clone(),
            backoff: Backoff::new(),
        },
    })
}

/// The ends of all edges, by the nodes that they belong to.
struct Wiring {
    outputs: HashMap<String, Vec<(PortName, Vec<EdgeSender>)>>,
    inputs: HashMap<String, Vec<EdgeReceiver>>,
    accounts: Vec<Arc<EdgeAccount>>,
}

impl Wiring {
    fn of(graph: &Graph) -> Self {
        let mut wiring = Self { outputs: HashMap::new(), inputs: HashMap::new(), accounts: Vec::new() };
        for wire in graph.edges() {
            let (sender, receiver, account) = edge(label(&wire), wire.to.name.clone(), wire.options);
            let ports = wiring.outputs.entry(wire.from.name.clone()).or_default();
            match ports.iter_mut().find(|(port, _)| port == wire.port) {
                Some((_, senders)) => senders.push(sender),
                None => ports.push((wire.port.clone(), vec![sender])),
            }
            wiring.inputs.entry(wire.to.name.clone()).or_default().push(receiver);
            wiring.accounts.push(account);
        }
        wiring
    }
}

/// `node`, or `node.port` for any but the default port.
fn label(wire: &GraphEdge<'_>) -> String {
    if wire.port == Port::DEFAULT { wire.from.name.clone() } else { format!("{}.{}", wire.from.name, wire.port) }
}
