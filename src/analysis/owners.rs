//! Files, names and ports that two nodes want for themselves.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use fieldflow_contract::{At, Thing};

use super::net::Net;
use crate::config::PipelineFile;
use crate::diagnostics::{Diagnostic, Place, Report, codes};

/// Reports each thing that a node of the file owns and another one has taken before.
pub(super) fn check(net: &Net<'_>, file: &PipelineFile, report: &mut Report) {
    let mut taken: HashMap<Thing, (usize, At)> = HashMap::new();
    for (node, (_, facts)) in net.nodes.iter().enumerate() {
        for owned in &facts.owns {
            let Some(entry) = file.nodes.get(node) else { continue };
            let thing = tidied(&owned.what, &net.graph.name);
            let Some((first, at)) = taken.get(&thing) else {
                taken.insert(thing, (node, owned.at.clone()));
                continue;
            };
            let (Some(first_entry), name) = (file.nodes.get(*first), net.name(*first)) else { continue };
            report.push(twice(&thing, entry.place_of(&owned.at), &entry.name, (first_entry.place_of(at), name)));
        }
    }
}

/// What is said of a thing that has two owners: a node, and the one that has it already.
pub(super) fn twice(thing: &Thing, place: Place, node: &str, (first, owner): (Place, &str)) -> Diagnostic {
    let (what, help) = match thing {
        Thing::File(path) => (format!("the file {}", path.display()), "give it a file of its own"),
        Thing::Other(words) => (words.clone(), "give it one of its own"),
    };
    let message = format!("`{node}` and `{owner}` both want {what} for themselves");
    let found = Diagnostic::new(&codes::TWO_OWNERS, message).at(place);
    found.related(first, format!("`{owner}` has it")).help(format!("{help}, or wire both ways into one node"))
}

/// The thing, with a path as plain as it can be told without looking.
fn tidied(thing: &Thing, pipeline: &str) -> Thing {
    match thing {
        Thing::File(path) => Thing::File(plain(&Path::new(pipeline).join(path))),
        other @ Thing::Other(_) => other.clone(),
    }
}

/// The path without `.` and `..`.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some() => _ = plain.pop(),
            part => plain.push(part),
        }
    }
    plain
}
