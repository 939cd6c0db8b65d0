//! From the file to the graph: everything that does not fit together, in one pass.

use std::collections::HashSet;

use fieldflow_contract::Role;
use petgraph::graph::DiGraph;

use crate::config::PipelineFile;
use crate::diagnostics::{Code, Diagnostic, Report, codes};
use crate::graph::wiring::{Wired, Wiring, wire};
use crate::graph::{Graph, GraphNode, Wire, carries, cycles};

/// How many names of a cycle are shown.
const SHOWN: usize = 12;

/// Checks how the nodes fit together. The graph, if nothing was wrong with it or with the file.
pub fn check(file: &PipelineFile, report: &mut Report) -> Option<Graph> {
    if file.nodes.is_empty() {
        // That was reported; every edge would only say it again.
        return None;
    }
    let errors_before = report.errors();
    let wiring = wire(file, report);
    let cycles = cyclic(file, &wiring.edges, report);
    if !cycles {
        carries::check(file, &wiring.edges, report);
    }
    loose_ends(file, &wiring, cycles, report);
    (file.sound && report.errors() == errors_before).then(|| build(file, &wiring.edges)).flatten()
}

fn build(file: &PipelineFile, edges: &[Wired<'_>]) -> Option<Graph> {
    let mut wired = DiGraph::new();
    let mut indices = Vec::new();
    for node in &file.nodes {
        let ready = node.ready.clone()?;
        let (name, kind) = (node.name.clone(), node.kind?);
        let (ports, options, prepared) = (ready.ports, ready.options, ready.prepared);
        indices.push(wired.add_node(GraphNode { name, kind, ports, options, prepared }));
    }
    for edge in edges {
        let wire = Wire { port: edge.port.clone(), options: edge.entry.options.clone() };
        wired.add_edge(indices[edge.from], indices[edge.to], wire);
    }
    Some(Graph {
        name: file.name.clone(),
        description: file.description.clone(),
        path: file.path.clone(),
        base_dir: file.base_dir.clone(),
        secrets: file.secrets.clone(),
        wired,
    })
}

/// Reports each cycle; whether there is any.
fn cyclic(file: &PipelineFile, edges: &[Wired<'_>], report: &mut Report) -> bool {
    let pairs: Vec<(usize, usize)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
    let cycles = cycles::find(file.nodes.len(), &pairs);
    for cycle in &cycles {
        let Some((last, others)) = cycle.split_last() else { continue };
        let name = |node: usize| file.nodes[node].name.as_str();
        let mut names: Vec<&str> = cycle.iter().take(SHOWN).map(|edge| name(edges[*edge].from)).collect();
        if SHOWN < cycle.len() {
            names.push("…");
        }
        names.push(name(edges[*last].to));
        let message = format!("the edges form a cycle: {}", names.join(" -> "));
        let found = Diagnostic::new(&codes::CYCLE, message).at(edges[*last].entry.place()).label("leads back");
        let found = others
            .iter()
            .take(SHOWN)
            .fold(found, |found, edge| found.related(edges[*edge].entry.place(), "part of the cycle"));
        report.push(found.help("take out one of these edges"));
    }
    !cycles.is_empty()
}

/// Reports nodes that nothing reaches, and outputs that lead nowhere.
fn loose_ends(file: &PipelineFile, wiring: &Wiring<'_>, cycles: bool, report: &mut Report) {
    let count = file.nodes.len();
    let used: HashSet<(usize, &str)> = wiring.edges.iter().map(|edge| (edge.from, edge.port.as_ref())).collect();
    let (mut entered, mut left) = (vec![false; count], vec![false; count]);
    for edge in &wiring.edges {
        entered[edge.to] = true;
        left[edge.from] = true;
    }
    let mut found = |node: usize, code: &'static Code, message: String, help: &str| {
        report.push(Diagnostic::new(code, message).at(file.nodes[node].place.clone()).help(help));
    };
    // If only one node gives nothing away and only one gets nothing, they are each other's.
    let role = |n: usize| file.nodes[n].kind.map(fieldflow_contract::NodeKind::role);
    let without = |flags: &[bool], never: Role| {
        let mut all = (0..count).filter(|n| !flags[*n] && role(*n).is_none_or(|role| role != never));
        all.next().filter(|_| all.next().is_none()).map(|n| file.nodes[n].name.as_str())
    };
    let (gets_nothing, gives_nothing) = (without(&entered, Role::Source), without(&left, Role::Sink));
    let other = |found: Option<&str>, own: &str| found.filter(|name| *name != own).unwrap_or("…").to_owned();
    // A node of which nothing is known, or with which something else is wrong, may yet lead to a sink.
    let mut ends_well: Vec<bool> = Vec::with_capacity(count);
    for (n, node) in file.nodes.iter().enumerate() {
        let name = &node.name;
        let role = node.kind.map(fieldflow_contract::NodeKind::role);
        if role.is_some_and(|role| role != Role::Source) && !entered[n] && !wiring.doubtful_input[n] {
            let help = format!("connect it: `{} -> {name}`", other(gives_nothing, name));
            found(n, &codes::NO_INPUT, format!("no edge leads into `{name}`"), &help);
        }
        let mut settled = role.is_none_or(|role| role == Role::Sink) || wiring.doubtful_output[n] || cycles;
        if settled {
            ends_well.push(true);
            continue;
        }
        if !left[n] {
            settled = true;
            let help = format!("connect it: `{name} -> {}`", other(gets_nothing, name));
            found(n, &codes::NO_WAY_TO_A_SINK, format!("`{name}` leads nowhere: no edge begins at it"), &help);
        } else if let Some(ready) = &node.ready {
            for port in ready.ports.outputs.iter().filter(|port| port.required) {
                if !used.contains(&(n, port.name.as_ref())) {
                    settled = true;
                    let help = format!("connect it: `{name}.{} -> …`", port.name);
                    found(n, &codes::UNUSED_OUTPUT, format!("output `{}` of `{name}` is not used", port.name), &help);
                }
            }
        }
        ends_well.push(settled);
    }
    for n in without_a_way(&wiring.edges, ends_well) {
        let message = format!("what `{}` gives away ends nowhere", file.nodes[n].name);
        found(n, &codes::NO_WAY_TO_A_SINK, message, "connect it, or what follows it, to a sink");
    }
}

/// The nodes from which none of `ends` can be reached.
fn without_a_way(edges: &[Wired<'_>], mut ends: Vec<bool>) -> Vec<usize> {
    let mut before = vec![Vec::new(); ends.len()];
    for edge in edges {
        before[edge.to].push(edge.from);
    }
    let mut next: Vec<usize> = (0..ends.len()).filter(|n| ends[*n]).collect();
    while let Some(node) = next.pop() {
        for from in before[node].iter().copied() {
            if !std::mem::replace(&mut ends[from], true) {
                next.push(from);
            }
        }
    }
    (0..ends.len()).filter(|n| !ends[*n]).collect()
}
