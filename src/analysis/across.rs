//! What is wrong between files: names, things that two of them own, and lines that they share.

use std::collections::HashMap;
use std::path::Path;

use fieldflow_contract::{At, Clash, Finding, NodeKind, Severity, Thing, Together};

use super::asks;
use super::owners::{plain, twice};
use crate::config::{NodeEntry, PipelineFile};
use crate::diagnostics::{Diagnostic, Report, codes};
use crate::graph::{Graph, GraphNode};

/// Reports what is wrong between files that are each right by themselves.
pub fn check(files: &[(PipelineFile, Graph)], data_dir: &Path, kinds: &[&dyn NodeKind], report: &mut Report) {
    if files.len() < 2 {
        return;
    }
    names(files, report);
    owners(files, data_dir, report);
    let facts = files.iter().enumerate().flat_map(|(number, (file, graph))| {
        let nodes = file.nodes.iter().zip(graph.nodes());
        nodes.map(move |(entry, node)| (number, entry, node.prepared.facts(&graph.base_dir)))
    });
    let asked = facts.flat_map(|(number, entry, facts)| facts.asks.into_iter().map(move |asks| (number, entry, asks)));
    asks::across(asked, report);
    for kind in kinds {
        together(files, *kind, report);
    }
}

fn names(files: &[(PipelineFile, Graph)], report: &mut Report) {
    let mut first_of: HashMap<&str, &PipelineFile> = HashMap::new();
    for (file, _) in files {
        let Some(twin) = first_of.get(file.name.as_str()) else {
            first_of.insert(&file.name, file);
            continue;
        };
        let (one, two) = (twin.path.display(), file.path.display());
        let message = format!("{one} and {two} are both named `{}`; a name is a pipeline's identity", file.name);
        let mut found = Diagnostic::new(&codes::SAME_PIPELINE, message).help("give each a name of its own");
        if let Some(place) = &file.name_place {
            found = found.at(place.clone());
        }
        if let Some(place) = &twin.name_place {
            found = found.related(place.clone(), "the other one");
        }
        report.push(found);
    }
}

fn owners(files: &[(PipelineFile, Graph)], data_dir: &Path, report: &mut Report) {
    let mut taken: HashMap<Thing, (usize, &NodeEntry, At)> = HashMap::new();
    for (number, (file, graph)) in files.iter().enumerate() {
        for (entry, node) in file.nodes.iter().zip(graph.nodes()) {
            for owned in node.prepared.facts(&graph.base_dir).owns {
                let thing = match &owned.what {
                    Thing::File(path) => Thing::File(plain(&data_dir.join(&graph.name).join(path))),
                    other @ Thing::Other(_) => other.clone(),
                };
                let Some((owner, first, at)) = taken.get(&thing) else {
                    taken.insert(thing, (number, entry, owned.at));
                    continue;
                };
                // Two owners in one file were told with that file, and so were two files of one name.
                if *owner != number && files[*owner].0.name != file.name {
                    let owner = (first.place_of(at), first.name.as_str());
                    report.push(twice(&thing, entry.place_of(&owned.at), &entry.name, owner));
                }
            }
        }
    }
}

/// What the nodes of one type do to what they share, as one file would be told.
fn together(files: &[(PipelineFile, Graph)], kind: &dyn NodeKind, report: &mut Report) {
    let is_of = |node: &GraphNode| node.kind.type_name() == kind.type_name();
    let members = files.iter().enumerate().flat_map(|(number, (file, graph))| {
        let nodes = file.nodes.iter().zip(graph.nodes()).filter(|(_, node)| is_of(node));
        nodes.map(move |(entry, node)| (number, entry, node))
    });
    let members: Vec<(usize, &NodeEntry, &GraphNode)> = members.collect();
    let Some((first, ..)) = members.first() else { return };
    // Files that are included are looked up from one folder; those of another folder are not compared.
    let base_dir = &files[*first].1.base_dir;
    let members: Vec<_> = members.into_iter().filter(|(file, ..)| files[*file].1.base_dir == *base_dir).collect();
    let nodes = members.iter().map(|(_, entry, node)| (entry.name.as_str(), &*node.prepared)).collect();
    for Clash { node, finding, others } in kind.check_together(&Together { nodes, base_dir }) {
        let Some((file, entry, _)) = members.get(node) else { continue };
        let others: Vec<_> =
            others.iter().filter_map(|(other, at, what)| Some((members.get(*other)?, at, what))).collect();
        // What is wrong within a file was told with that file.
        if others.iter().all(|((other, ..), ..)| other == file) {
            continue;
        }
        let Finding { severity, at, message, help, .. } = finding;
        let code = if severity == Severity::Error { &codes::NODE_OPTIONS } else { &codes::NODE_WARNING };
        let mut found = Diagnostic::new(code, message).at(entry.place_of(&at)).maybe_help(help);
        for ((_, other, _), at, what) in others {
            found = found.related(other.place_of(at), what.clone());
        }
        report.push(found);
    }
}
