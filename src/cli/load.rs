//! From a file's path to a checked graph: what most verbs begin with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Exit, Kinds, output};
use crate::analysis::{Analysis, Budget, across};
use crate::config::{self, PipelineFile, ProcessEnv};
use crate::diagnostics::Report;
use crate::graph::{self, Graph};

/// Reads and checks a file; what is wrong with it goes into the report. The graph, if nothing is wrong with this file.
pub(super) fn check(path: &Path, kinds: Kinds, budget: &Budget, report: &mut Report) -> Option<(PipelineFile, Graph)> {
    let errors_before = report.errors();
    let file = config::load(path, kinds, &ProcessEnv, report)?;
    let graph = graph::check(&file, report)?;
    if report.errors() == errors_before {
        Analysis::of(&graph).check(&file, budget, report);
    }
    (report.errors() == errors_before).then_some((file, graph))
}

/// Reads and checks all files for a verb that needs them right; prints what is wrong.
pub(super) fn graphs(paths: &[PathBuf], kinds: Kinds) -> Result<Vec<Graph>, Exit> {
    let mut report = Report::default();
    let check = |path: &PathBuf| check(path, kinds, &Budget::default(), &mut report);
    let files: Vec<(PipelineFile, Graph)> = paths.iter().filter_map(check).collect();
    across::check(&files, Path::new(""), kinds, &mut report);
    if !report.is_empty() {
        output::message(report.render_human(output::coloured(&std::io::stderr())));
    }
    match (report.has_errors(), report.is_unreadable()) {
        (_, true) => Err(Exit::Unasked),
        (true, _) => Err(Exit::No),
        _ => Ok(files.into_iter().map(|(_, graph)| graph).collect()),
    }
}

/// The quirks of simulated devices, by the type of the nodes that talk to them.
pub(super) type Quirks = BTreeMap<String, Vec<serde_json::Value>>;

/// Reads a file of quirks; prints what is wrong with it. No file is no quirks.
pub(super) fn quirks(path: Option<&Path>, kinds: Kinds) -> Result<Quirks, Exit> {
    let Some(path) = path else { return Ok(Quirks::new()) };
    let mut report = Report::default();
    let shapes = kinds.iter().filter_map(|kind| Some((kind.type_name(), kind.quirks()?)));
    let quirks = config::lists(path, "the file of quirks", shapes, &mut report);
    if !report.is_empty() {
        output::message(report.render_human(output::coloured(&std::io::stderr())));
    }
    quirks.ok_or(if report.is_unreadable() { Exit::Unasked } else { Exit::No })
}
