//! What the cases of a pipeline have exercised: nodes, ports, and what the edges do when they are full.

use std::collections::BTreeMap;

use fieldflow_contract::Port;

use crate::graph::{Graph, GraphEdge, Storage, WhenFull};
use crate::telemetry::{EdgeSnapshot, PipelineSnapshot};

/// Everything of a pipeline that can be exercised, and whether it was.
#[derive(Debug, Clone, Default)]
pub struct Coverage {
    /// In the order of the file: what it is, and whether some case did it.
    parts: Vec<(Part, bool)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Node(String),
    Port(String, String),
    Full { from: String, to: String, when_full: WhenFull },
    Spill { from: String, to: String },
}

impl Coverage {
    /// Nothing of the pipeline is exercised yet.
    pub(super) fn of(graph: &Graph) -> Self {
        let nodes = graph.nodes().map(|node| Part::Node(node.name.clone()));
        let mut parts: Vec<Part> = nodes.collect();
        for edge in graph.edges() {
            let port = Part::Port(edge.from.name.clone(), edge.port.to_string());
            if *edge.port != Port::DEFAULT && !parts.contains(&port) {
                parts.push(port);
            }
        }
        parts.extend(graph.edges().flat_map(full));
        Self { parts: parts.into_iter().map(|part| (part, false)).collect() }
    }

    /// Notes what a run has done.
    pub(super) fn saw(&mut self, run: &PipelineSnapshot) {
        let sent: BTreeMap<(&str, &str), u64> = run
            .nodes
            .iter()
            .flat_map(|node| node.sent.iter().map(|(port, records)| ((node.name.as_str(), port.as_str()), *records)))
            .collect();
        for (part, done) in &mut self.parts {
            *done |= match part {
                Part::Node(name) => run.nodes.iter().any(|node| {
                    node.name == *name && (node.received != 0 || node.sent.iter().any(|(_, records)| *records != 0))
                }),
                Part::Port(node, port) => {
                    sent.get(&(node.as_str(), port.as_str())).is_some_and(|records| *records != 0)
                }
                Part::Full { from, to, when_full } => edge(run, from, to).is_some_and(|edge| match when_full {
                    WhenFull::Block => !edge.blocked.is_zero(),
                    other => edge.dropped.get(other.word()).is_some_and(|records| *records != 0),
                }),
                Part::Spill { from, to } => {
                    edge(run, from, to).is_some_and(|edge| edge.disk_entered.is_some_and(|records| records != 0))
                }
            };
        }
    }

    /// Adds what another case has exercised.
    pub fn join(&mut self, other: &Self) {
        if self.parts.is_empty() {
            self.clone_from(other);
        }
        for ((_, done), (_, also)) in self.parts.iter_mut().zip(&other.parts) {
            *done |= also;
        }
    }

    /// What no case has exercised, in words.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.parts.iter().filter(|(_, done)| !done);
        missing
            .map(|(part, _)| match part {
                Part::Node(name) => format!("node {name}"),
                Part::Port(node, port) => format!("port {node}.{port}"),
                Part::Full { from, to, when_full } => format!("edge {from} -> {to} when full ({})", when_full.word()),
                Part::Spill { from, to } => format!("edge {from} -> {to} when full (spill)"),
            })
            .collect()
    }
}

fn edge<'a>(run: &'a PipelineSnapshot, from: &str, to: &str) -> Option<&'a EdgeSnapshot> {
    run.edges.iter().find(|edge| edge.from == from && edge.to == to)
}

/// What an edge does when it is full: with a disk, both when memory is full and when the disk is.
fn full(edge: GraphEdge<'_>) -> Vec<Part> {
    let (from, to) = (edge.origin(), edge.to.name.clone());
    match &edge.options.storage {
        Storage::Memory => vec![Part::Full { from, to, when_full: edge.options.when_full }],
        Storage::Durable(disk) => vec![Part::Full { from, to, when_full: disk.when_full }],
        Storage::Spill(disk) => {
            vec![Part::Spill { from: from.clone(), to: to.clone() }, Part::Full { from, to, when_full: disk.when_full }]
        }
    }
}
