//! Transforms in an order that makes no sense, and edges that are smaller than one batch.

use fieldflow_contract::{Place, Role, Yield};

use super::net::Net;
use crate::config::PipelineFile;
use crate::diagnostics::{Diagnostic, Report, codes};

/// Pairs of transforms of which the first must not come before the second: what is wrong with it, and what to do.
const WRONG: [(Place, Place, &str, &str); 5] = [
    (
        Place::Thins,
        Place::Scales,
        "compares its thresholds with raw numbers, because the numbers are scaled only behind it",
        "scale first, so that thresholds are in engineering units",
    ),
    (
        Place::Thins,
        Place::Sums,
        "takes away what the node behind it counts, so that the result is that of the changes and not of the values",
        "work it out first, then let go of what has not changed",
    ),
    (Place::Renders, Place::Scales, "makes text of the numbers that are to be scaled behind it", "scale first"),
    (Place::Renders, Place::Thins, "makes text of the numbers that are to be compared behind it", "compare first"),
    (Place::Renders, Place::Sums, "makes text of the numbers that are to be worked on behind it", "work on them first"),
];

/// Warns of both.
pub(super) fn check(net: &Net<'_>, file: &PipelineFile, report: &mut Report) {
    transforms(net, file, report);
    batches(net, file, report);
}

fn transforms(net: &Net<'_>, file: &PipelineFile, report: &mut Report) {
    // Of each kind of step, one node that lies before, if there is any.
    let mut before: Vec<[Option<usize>; 2]> = vec![[None; 2]; net.nodes.len()];
    let slot = |place: Place| match place {
        Place::Thins => Some(0),
        Place::Renders => Some(1),
        _ => None,
    };
    for node in &net.order {
        let place = net.nodes[*node].1.place;
        for (first, second, what, help) in &WRONG {
            let Some(earlier) = slot(*first).and_then(|slot| before[*node][slot]).filter(|_| place == *second) else {
                continue;
            };
            let message = format!("`{}` {what} (`{}`)", net.name(earlier), net.name(*node));
            let (Some(here), Some(there)) = (file.nodes.get(earlier), file.nodes.get(*node)) else { continue };
            let found = Diagnostic::new(&codes::ORDER, message).at(here.place.clone());
            report.push(found.related(there.place.clone(), "comes behind it").help(*help));
        }
        let mut passed = before[*node];
        if let Some(slot) = slot(place) {
            passed[slot] = Some(*node);
        }
        for edge in &net.out_of[*node] {
            let into = &mut before[net.edges[*edge].to];
            into.iter_mut().zip(passed).for_each(|(into, passed)| *into = into.or(passed));
        }
    }
}

fn batches(net: &Net<'_>, file: &PipelineFile, report: &mut Report) {
    // The largest batch that leaves each node, and the source that sends it.
    let mut leaving: Vec<Option<(u64, usize)>> = vec![None; net.nodes.len()];
    for node in &net.order {
        let (graph_node, facts) = &net.nodes[*node];
        if graph_node.kind.role() == Role::Source {
            leaving[*node] = facts.batch.map(|batch| (batch, *node));
        }
        // What lets records go makes batches smaller; whether it does, and by how much, nobody knows.
        let passes_whole = facts.yields == Yield::Each || graph_node.kind.role() == Role::Source;
        let Some((batch, source)) = leaving[*node].filter(|_| passes_whole) else { continue };
        for edge in &net.out_of[*node] {
            let hop = &net.edges[*edge];
            let holds = hop.edge.options.capacity as u64;
            if holds < batch
                && let Some(entry) = file.edges.get(*edge)
            {
                let message = format!(
                    "`{}` holds {holds} records, and `{}` sends up to {batch} at once",
                    hop.name(),
                    net.name(source)
                );
                let found = Diagnostic::new(&codes::SMALL_EDGE, message).at(entry.place());
                let help = format!("give it a few batches: `capacity: {}`", batch.saturating_mul(4).min(1 << 20));
                report.push(found.related(file.nodes[source].place.clone(), "the batches come from here").help(help));
            }
            leaving[hop.to] = leaving[hop.to].max(Some((batch, source)));
        }
    }
}
