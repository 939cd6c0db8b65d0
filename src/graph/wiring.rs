//! Names to nodes: each edge of the file with the two nodes that it connects, as far as they exist.

use std::collections::HashMap;

use fieldflow_contract::{Port, PortName, Role};

use crate::config::{EdgeEntry, NodeEntry, PipelineFile, suggest};
use crate::diagnostics::{Diagnostic, Report, codes};

/// An edge between two nodes that exist, which are named by their place in the file.
pub(super) struct Wired<'a> {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) port: PortName,
    pub(super) entry: &'a EdgeEntry,
}

/// All edges between nodes that exist.
pub(super) struct Wiring<'a> {
    pub(super) edges: Vec<Wired<'a>>,
    /// For each node, whether an edge begins at it that is wrong: then nothing is said of its outputs.
    pub(super) doubtful_output: Vec<bool>,
    /// The same for its input.
    pub(super) doubtful_input: Vec<bool>,
}

/// How often a name is compared with others in search of what was meant: a hostile file has thousands of both.
const MOST_COMPARED: usize = 200_000;

/// Finds the nodes that the edges name, and reports those that do not exist or do not take the edge.
pub(super) fn wire<'a>(file: &'a PipelineFile, report: &mut Report) -> Wiring<'a> {
    let index: HashMap<&str, usize> = file.nodes.iter().enumerate().map(|(n, node)| (node.name.as_str(), n)).collect();
    let doubtful = vec![!file.edges_complete; file.nodes.len()];
    let mut wiring = Wiring { edges: Vec::new(), doubtful_output: doubtful.clone(), doubtful_input: doubtful };
    let mut known: HashMap<(usize, PortName, usize), &EdgeEntry> = HashMap::new();
    let mut compared = 0;
    let mut meant: Vec<usize> = Vec::new();
    for entry in &file.edges {
        let mut node = |end: &crate::config::Endpoint| {
            let found = index.get(end.node.as_str()).copied();
            if found.is_none() {
                compared += file.nodes.len();
                let nodes = if compared <= MOST_COMPARED { file.nodes.as_slice() } else { &[] };
                let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
                let (near, help) = suggest::help(&end.node, &names, "the nodes are");
                meant.extend(near.and_then(|name| index.get(name)));
                let wrong = Diagnostic::new(&codes::UNKNOWN_NODE, format!("there is no node `{}`", end.node));
                report.push(wrong.at(end.place.clone()).label("no such node").maybe_help(help));
            }
            found
        };
        let (from, to) = (node(&entry.from), node(&entry.to));
        let port = from.and_then(|from| output(&file.nodes[from], entry, report));
        let takes = to.is_some_and(|to| takes_input(&file.nodes[to], entry, report));
        match (from, to, port) {
            (Some(from), Some(to), Some(port)) if takes => match known.insert((from, port.clone(), to), entry) {
                Some(before) => {
                    let message =
                        format!("`{}` is connected to `{}` twice", file.nodes[from].name, file.nodes[to].name);
                    let wrong = Diagnostic::new(&codes::DOUBLE_EDGE, message).at(entry.place());
                    let wrong = wrong.label("and again here").related(before.place(), "first here");
                    report.push(wrong.help("delete one of the two: every record would arrive twice"));
                }
                None => wiring.edges.push(Wired { from, to, port, entry }),
            },
            (from, to, _) => {
                if let Some(from) = from {
                    wiring.doubtful_output[from] = true;
                }
                if let Some(to) = to {
                    wiring.doubtful_input[to] = true;
                }
            }
        }
    }
    // What was probably meant by a misspelt name is not to be blamed for the edge that it lacks.
    for node in meant {
        wiring.doubtful_output[node] = true;
        wiring.doubtful_input[node] = true;
    }
    wiring
}

/// The output that an edge begins at. Of a node with errors it is taken on trust.
fn output(node: &NodeEntry, entry: &EdgeEntry, report: &mut Report) -> Option<PortName> {
    let wanted = entry.from.port.as_deref().unwrap_or(Port::DEFAULT);
    let Some(ready) = &node.ready else { return Some(wanted.to_owned().into()) };
    if let Some(port) = ready.ports.outputs.iter().find(|port| port.name == wanted) {
        return Some(port.name.clone());
    }
    let names: Vec<&str> = ready.ports.outputs.iter().map(|port| port.name.as_ref()).collect();
    let is_sink = node.kind.is_some_and(|kind| kind.role() == Role::Sink);
    let wrong = if is_sink && wanted == Port::DEFAULT {
        let help = suggest::listed(names.iter().copied());
        Diagnostic::new(&codes::EDGE_OUT_OF_SINK, format!("`{}` is a sink: no edge begins at it", node.name))
            .maybe_help(help.map(|names| {
                format!("it has only the output {names}: `{}.{}`", node.name, first(&ready.ports.outputs))
            }))
    } else {
        let (_, help) = suggest::help(wanted, &names, "its outputs are");
        let message = match entry.from.port {
            Some(_) => format!("`{}` has no output `{wanted}`", node.name),
            None => format!("`{}` has no default output", node.name),
        };
        Diagnostic::new(&codes::UNKNOWN_PORT, message)
            .help(help.unwrap_or_else(|| format!("`{}` has no outputs", node.name)))
    };
    report.push(wrong.at(entry.from.place.clone()));
    None
}

fn first(outputs: &[Port]) -> &str {
    outputs.first().map_or(Port::DEFAULT, |port| port.name.as_ref())
}

fn takes_input(node: &NodeEntry, entry: &EdgeEntry, report: &mut Report) -> bool {
    let takes = node.kind.is_none_or(|kind| kind.role() != Role::Source);
    if !takes {
        let wrong =
            Diagnostic::new(&codes::EDGE_INTO_SOURCE, format!("`{}` is a source: no edge ends at it", node.name));
        let wrong = wrong.at(entry.to.place.clone()).related(node.place.clone(), "a source");
        report.push(wrong.help("take this end out, or turn the arrow round"));
    }
    takes
}
