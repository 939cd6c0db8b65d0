//! What travels on each edge: raw bytes or values, followed from where it arises.

use fieldflow_contract::Carries;
use petgraph::algo::toposort;
use petgraph::graph::DiGraph;

use crate::config::{NodeEntry, PipelineFile};
use crate::diagnostics::{Diagnostic, Report, codes};
use crate::graph::wiring::Wired;

/// What reaches a node or leaves it, and the nodes that it arose from. Both may be there, where several edges meet.
#[derive(Clone, Copy, Default)]
struct Flow {
    bytes: Option<usize>,
    values: Option<usize>,
}

/// Reports bytes that lead into nodes that want values, and the other way round. The edges have no cycle.
pub(super) fn check(file: &PipelineFile, edges: &[Wired<'_>], report: &mut Report) {
    let mut graph: DiGraph<(), ()> = DiGraph::new();
    let nodes: Vec<_> = file.nodes.iter().map(|_| graph.add_node(())).collect();
    let mut leaving = vec![Vec::new(); file.nodes.len()];
    for edge in edges {
        graph.add_edge(nodes[edge.from], nodes[edge.to], ());
        leaving[edge.from].push(edge);
    }
    let Ok(order) = toposort(&graph, None) else { return };
    let mut arriving = vec![Flow::default(); file.nodes.len()];
    for from in order {
        let from = from.index();
        for edge in &leaving[from] {
            let flow = leaves(&file.nodes[from], from, &edge.port, arriving[from]);
            mismatch(file, edge, flow, report);
            let into = &mut arriving[edge.to];
            *into = Flow { bytes: into.bytes.or(flow.bytes), values: into.values.or(flow.values) };
        }
    }
}

/// What leaves a node by an output.
fn leaves(node: &NodeEntry, index: usize, port: &str, arriving: Flow) -> Flow {
    let port = node.ready.as_ref().and_then(|ready| ready.ports.outputs.iter().find(|output| output.name == port));
    match port.map(|port| port.carries) {
        Some(Carries::Bytes) => Flow { bytes: Some(index), values: None },
        Some(Carries::Values) => Flow { bytes: None, values: Some(index) },
        Some(Carries::Same) => arriving,
        Some(Carries::Any) | None => Flow::default(),
    }
}

fn mismatch(file: &PipelineFile, edge: &Wired<'_>, flow: Flow, report: &mut Report) {
    let node = &file.nodes[edge.to];
    let (code, origin, brought, wanted, help) = match (node.ready.as_ref().and_then(|ready| ready.ports.input), flow) {
        (Some(Carries::Values), Flow { bytes: Some(origin), .. }) => {
            let help = format!("decode them first: `{} -> <a decode node> -> {}`", edge.entry.from.node, node.name);
            (&codes::BYTES_INTO_VALUES, origin, "raw bytes", "values", help)
        }
        (Some(Carries::Bytes), Flow { values: Some(origin), .. }) => {
            let help = "put it in front of the node that decodes, or let the source hand over bytes".to_owned();
            (&codes::VALUES_INTO_BYTES, origin, "values", "raw bytes", help)
        }
        _ => return,
    };
    let origin = &file.nodes[origin];
    let message = format!("{brought} from `{}` lead into `{}`, which wants {wanted}", origin.name, node.name);
    let found = Diagnostic::new(code, message).at(edge.entry.place()).label(format!("carries {brought}"));
    report.push(found.related(origin.place.clone(), format!("{brought} come from here")).help(help));
}
