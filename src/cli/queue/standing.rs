//! The edges of a state file compared with those of the pipeline file: what waits in one that is gone is sent by nobody.

use std::path::Path;

use fieldflow_contract::Port;
use tracing::warn;

use crate::cli::output::grouped;
use crate::config::{PipelineFile, Storage};
use crate::diagnostics::{Diagnostic, Place, Report, codes};
use crate::graph::Graph;
use crate::queue::{Backlog, FILE, Inspector};

/// Where an edge that has stored something stands in the pipeline file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is there, and durable or spilling.
    Kept,
    /// It is there, but in memory only.
    Memory,
    /// It is not there.
    Gone,
}

impl Standing {
    /// For a person.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Kept => "in the file",
            Self::Memory => "no longer durable",
            Self::Gone => "no longer in the pipeline file",
        }
    }

    /// For a program.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Kept => "in_file",
            Self::Memory => "not_durable",
            Self::Gone => "not_in_file",
        }
    }
}

/// The edges of a pipeline file: their identity, and whether they are kept on disk.
pub(super) struct Known(Vec<(String, bool)>);

impl Known {
    /// Those of a file; `None` if not all of them could be read.
    pub(super) fn of_file(file: &PipelineFile) -> Option<Self> {
        let edges = file.edges.iter().map(|edge| {
            let port = edge.from.port.as_deref().unwrap_or(Port::DEFAULT);
            (identity(&file.name, &edge.from.node, port, &edge.to.node), is_kept(&edge.options.storage))
        });
        file.edges_complete.then(|| Self(edges.collect()))
    }

    fn of_graph(graph: &Graph) -> Self {
        let edges = graph.edges().map(|edge| {
            (identity(&graph.name, &edge.from.name, edge.port, &edge.to.name), is_kept(&edge.options.storage))
        });
        Self(edges.collect())
    }

    /// Whether any edge is kept on disk.
    pub(super) fn keeps_any(&self) -> bool {
        self.0.iter().any(|(_, kept)| *kept)
    }

    /// Where the edge of this identity stands.
    pub(super) fn standing(&self, name: &str) -> Standing {
        match self.0.iter().find(|(known, _)| known == name) {
            Some((_, true)) => Standing::Kept,
            Some((_, false)) => Standing::Memory,
            None => Standing::Gone,
        }
    }
}

fn identity(pipeline: &str, from: &str, port: &str, to: &str) -> String {
    format!("{pipeline}/{from}.{port}/{to}")
}

fn is_kept(storage: &Storage) -> bool {
    !matches!(storage, Storage::Memory)
}

/// The parts of an edge's identity: pipeline, node, port, node.
fn parts(name: &str) -> Option<(&str, &str, &str, &str)> {
    let (pipeline, ends) = name.split_once('/')?;
    let (from, to) = ends.split_once('/')?;
    let (from, port) = from.rsplit_once('.')?;
    Some((pipeline, from, port, to))
}

/// An edge as the pipeline file would have it: `plc -> store`.
pub(super) fn shown(name: &str, pipeline: &str) -> String {
    match parts(name).filter(|parts| parts.0 == pipeline) {
        Some((_, from, Port::DEFAULT, to)) => format!("{from} -> {to}"),
        Some((_, from, port, to)) => format!("{from}.{port} -> {to}"),
        None => name.to_owned(),
    }
}

/// What waits in edges that the graph does not keep on disk.
fn orphans(graph: &Graph, inspector: &Inspector) -> Vec<(Backlog, Standing)> {
    let known = Known::of_graph(graph);
    // Whoever cannot read the file is told so where it counts: by `queue ls`, and by the pipeline when it opens it.
    let edges = inspector.edges().unwrap_or_default().into_iter().filter(|edge| edge.records != 0);
    edges
        .map(|edge| (known.standing(&edge.name), edge))
        .filter(|(standing, _)| *standing != Standing::Kept)
        .map(|(standing, edge)| (edge, standing))
        .collect()
}

/// Reports what waits in edges that are not in the file any more. Writes nothing, and is silent where it cannot look.
pub(in crate::cli) fn report(file: &PipelineFile, graph: &Graph, data_dir: &Path, report: &mut Report) {
    let path = data_dir.join(&graph.name).join(FILE);
    let Ok(inspector) = Inspector::untouched(&path) else { return };
    for (edge, standing) in orphans(graph, &inspector) {
        let name = shown(&edge.name, &graph.name);
        let records = grouped(edge.records);
        let what = match standing {
            Standing::Memory => "is no longer durable",
            _ => "is not in the file",
        };
        let message =
            format!("edge `{name}` {what}, and {records} records of it wait in {}: nobody sends them", path.display());
        let back = if standing == Standing::Memory { "make it durable again" } else { "put it back" };
        let help = format!(
            "{back} until they are sent, save them with `fieldflow queue export`, or delete them with `fieldflow queue purge`"
        );
        let mut found = Diagnostic::new(&codes::ORPHANED_BACKLOG, message).help(help);
        if let Some((place, label)) = likely(file, &edge.name) {
            found = found.at(place).label(label);
        }
        report.push(found);
    }
}

/// The edge of the file that this one was made into, as far as can be told: the same, or one with an end in common.
fn likely(file: &PipelineFile, name: &str) -> Option<(Place, &'static str)> {
    let (_, from, port, to) = parts(name)?;
    let port_of = |edge: &crate::config::EdgeEntry| edge.from.port.clone().unwrap_or_else(|| Port::DEFAULT.to_owned());
    let alike = |edge: &crate::config::EdgeEntry| {
        u8::from(edge.from.node == from)
            + u8::from(edge.from.node == from && port_of(edge) == port)
            + u8::from(edge.to.node == to)
    };
    let edge = file.edges.iter().rev().max_by_key(|edge| alike(edge)).filter(|edge| alike(edge) != 0)?;
    Some((edge.place(), if alike(edge) == 3 { "in memory only" } else { "did it become this one?" }))
}

/// Logs what waits in edges that are not in the file any more.
pub(in crate::cli) fn warn(graph: &Graph, data_dir: &Path) {
    let path = data_dir.join(&graph.name).join(FILE);
    if !path.exists() {
        return;
    }
    let Ok(inspector) = Inspector::open(&path) else { return };
    for (edge, standing) in orphans(graph, &inspector) {
        warn!(
            pipeline = graph.name,
            edge = shown(&edge.name, &graph.name),
            records = edge.records,
            "what waits on disk is sent by nobody: the edge is {}; see `fieldflow queue ls`",
            standing.words()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_shown_as_it_is_written_in_the_file() {
        assert_eq!(shown("demo/plc.out/store", "demo"), "plc -> store");
        assert_eq!(shown("demo/store.rejected/bin", "demo"), "store.rejected -> bin");
        assert_eq!(shown("older/plc.out/store", "demo"), "older/plc.out/store");
        assert_eq!(shown("nonsense", "demo"), "nonsense");
    }
}
