//! The checked graph: nodes and edges that fit together. Pure data, no I/O, no async.
//!
//! Invariant: a [`Graph`] has no cycle, every edge ends at a node that can take what it carries, and everything that leaves
//! by a required output ends in a sink.

mod carries;
mod check;
mod cycles;
mod render;
mod wiring;

use std::path::PathBuf;
use std::sync::Arc;

use fieldflow_contract::{NodeKind, Port, PortName, Ports, Prepared};
use petgraph::graph::DiGraph;

pub use crate::config::{Disk, EdgeOptions, Storage, WhenFull};
pub use crate::diagnostics::Secrets;

pub use check::check;

/// A pipeline that fits together.
#[derive(Clone)]
pub struct Graph {
    /// The pipeline's name: its identity.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The file that it was read from.
    pub path: PathBuf,
    /// The folder of that file.
    pub base_dir: PathBuf,
    /// What must not be printed.
    pub secrets: Secrets,
    wired: DiGraph<GraphNode, Wire>,
}

/// A node of the graph.
#[derive(Clone)]
pub struct GraphNode {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: &'static dyn NodeKind,
    /// Its input and outputs.
    pub ports: Ports,
    /// Its options in JSON, without `type`.
    pub options: Arc<serde_json::Value>,
    /// Its options, ready to build it.
    pub prepared: Arc<dyn Prepared>,
}

/// What the graph keeps of an edge beside its ends.
#[derive(Clone)]
struct Wire {
    port: PortName,
    options: EdgeOptions,
}

/// An edge of the graph.
#[derive(Clone, Copy)]
pub struct GraphEdge<'a> {
    /// Where it begins.
    pub from: &'a GraphNode,
    /// The output that it begins at.
    pub port: &'a PortName,
    /// Where it ends.
    pub to: &'a GraphNode,
    /// How much it holds, and what it does when it is full.
    pub options: &'a EdgeOptions,
}

impl GraphEdge<'_> {
    /// Where it begins: `node`, or `node.port` for another output than the default one.
    pub fn origin(&self) -> String {
        let GraphNode { name, .. } = self.from;
        if *self.port == Port::DEFAULT { name.clone() } else { format!("{name}.{}", self.port) }
    }
}

impl Graph {
    /// The same graph with others in the places of some nodes.
    #[must_use]
    pub fn stand_in(&self, other: impl Fn(&GraphNode) -> Option<Arc<dyn Prepared>>) -> Self {
        let mut graph = self.clone();
        for node in graph.wired.node_weights_mut() {
            if let Some(prepared) = other(node) {
                node.prepared = prepared;
            }
        }
        graph
    }

    /// The nodes, in the order of the file.
    pub fn nodes(&self) -> impl Iterator<Item = &GraphNode> {
        self.wired.node_weights()
    }

    /// The edges, one for each hop, in the order of the file.
    pub fn edges(&self) -> impl Iterator<Item = GraphEdge<'_>> {
        self.wired.raw_edges().iter().map(|edge| GraphEdge {
            from: &self.wired[edge.source()],
            port: &edge.weight.port,
            to: &self.wired[edge.target()],
            options: &edge.weight.options,
        })
    }

    /// The edges with the numbers of their nodes, counted from 0 in the order of the file.
    pub fn numbered_edges(&self) -> impl Iterator<Item = (GraphEdge<'_>, usize, usize)> {
        let ends = self.wired.raw_edges().iter().map(|edge| (edge.source().index(), edge.target().index()));
        self.edges().zip(ends).map(|(edge, (from, to))| (edge, from, to))
    }
}
