//! The graph by numbers, with what each node tells of itself.

use fieldflow_contract::{Facts, Role};
use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::graph::{Graph, GraphEdge, GraphNode, Storage, WhenFull};

/// A graph, its nodes and edges by numbers in the order of the file.
pub(super) struct Net<'a> {
    pub(super) graph: &'a Graph,
    pub(super) nodes: Vec<(&'a GraphNode, Facts)>,
    pub(super) edges: Vec<Hop<'a>>,
    /// The edges that lead into each node.
    pub(super) into: Vec<Vec<usize>>,
    /// The edges that begin at each node.
    pub(super) out_of: Vec<Vec<usize>>,
    /// The nodes, each before those that it leads to.
    pub(super) order: Vec<usize>,
}

/// An edge with the numbers of its ends.
pub(super) struct Hop<'a> {
    pub(super) edge: GraphEdge<'a>,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Hop<'_> {
    /// As in the file: `plc -> store`.
    pub(super) fn name(&self) -> String {
        format!("{} -> {}", self.edge.origin(), self.edge.to.name)
    }

    /// Whether each batch is on disk before it is acknowledged.
    pub(super) fn is_durable(&self) -> bool {
        matches!(self.edge.options.storage, Storage::Durable(_))
    }

    /// Whether, once full, it makes the node before it wait.
    pub(super) fn blocks(&self) -> bool {
        let policy = match &self.edge.options.storage {
            Storage::Memory => self.edge.options.when_full,
            Storage::Durable(disk) | Storage::Spill(disk) => disk.when_full,
        };
        policy == WhenFull::Block
    }
}

impl<'a> Net<'a> {
    pub(super) fn of(graph: &'a Graph) -> Self {
        let nodes: Vec<_> = graph.nodes().map(|node| (node, node.prepared.facts(&graph.base_dir))).collect();
        let hop = |(edge, from, to)| Hop { edge, from, to };
        let edges: Vec<Hop<'a>> = graph.numbered_edges().map(hop).collect();
        let (mut into, mut out_of) = (vec![Vec::new(); nodes.len()], vec![Vec::new(); nodes.len()]);
        let mut wired: DiGraph<(), ()> = DiGraph::new();
        let numbers: Vec<_> = nodes.iter().map(|_| wired.add_node(())).collect();
        for (number, hop) in edges.iter().enumerate() {
            into[hop.to].push(number);
            out_of[hop.from].push(number);
            wired.add_edge(numbers[hop.from], numbers[hop.to], ());
        }
        let order = toposort(&wired, None).unwrap_or_default().into_iter().map(NodeIndex::index).collect();
        Self { graph, nodes, edges, into, out_of, order }
    }

    /// The name of a node.
    pub(super) fn name(&self, node: usize) -> &'a str {
        &self.nodes[node].0.name
    }

    pub(super) fn role(&self, node: usize) -> Role {
        self.nodes[node].0.kind.role()
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|node| self.role(*node) == Role::Source)
    }

    pub(super) fn sinks(&self) -> impl Iterator<Item = usize> {
        (0..self.nodes.len()).filter(|node| self.role(*node) == Role::Sink)
    }

    /// Each source with each sink that it leads to.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (usize, usize)> {
        self.sources().flat_map(|source| {
            let reached = self.reached(source, |_| true);
            self.sinks().filter(move |sink| reached[*sink]).map(move |sink| (source, sink))
        })
    }

    /// Which nodes can be reached from one, over edges that are let pass.
    pub(super) fn reached(&self, from: usize, passes: impl Fn(&Hop<'_>) -> bool) -> Vec<bool> {
        self.reached_from(vec![from], passes)
    }

    /// Which nodes can be reached from any of these.
    pub(super) fn reached_from(&self, mut next: Vec<usize>, passes: impl Fn(&Hop<'_>) -> bool) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        for node in &next {
            seen[*node] = true;
        }
        while let Some(node) = next.pop() {
            for edge in &self.out_of[node] {
                let hop = &self.edges[*edge];
                if passes(hop) && !std::mem::replace(&mut seen[hop.to], true) {
                    next.push(hop.to);
                }
            }
        }
        seen
    }

    /// From which nodes one can be reached.
    pub(super) fn reaching(&self, to: usize) -> Vec<bool> {
        let mut seen = vec![false; self.nodes.len()];
        let mut next = vec![to];
        seen[to] = true;
        while let Some(node) = next.pop() {
            for edge in &self.into[node] {
                let from = self.edges[*edge].from;
                if !std::mem::replace(&mut seen[from], true) {
                    next.push(from);
                }
            }
        }
        seen
    }
}
