//! `--connect`: asks what each node talks to, all at the same time, and changes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{At, BuildContext, Finding, Looking, Seen, Severity, SystemClock, ValueType};
use futures_util::future::join_all;

use crate::analysis::Analysis;
use crate::cli::{Exit, output};
use crate::config::PipelineFile;
use crate::diagnostics::{Diagnostic, Report, codes};
use crate::graph::{Graph, GraphNode};

/// Looks, and reports what is not as the file says. What is well is told as it is found, if that is wanted.
pub(super) fn check(
    files: &[(PipelineFile, Graph)],
    data_dir: &Path,
    within: Duration,
    aloud: bool,
    report: &mut Report,
) -> Exit {
    let mut places = Vec::new();
    let mut looks = Vec::new();
    for (number, (file, graph)) in files.iter().enumerate() {
        for (place, (entry, node)) in file.nodes.iter().zip(graph.nodes()).enumerate() {
            match begin(node, graph, data_dir, within) {
                Ok(None) => {}
                Ok(Some(looking)) => {
                    places.push((number, place));
                    // One that forgets the time does not hold up the others.
                    looks.push(in_time(within, looking));
                }
                Err(why) => {
                    report.push(Diagnostic::new(&codes::CANNOT_REACH, why).at(entry.place.clone()));
                }
            }
        }
    }
    let mut all: Vec<Option<Seen>> = Vec::new();
    let exit = crate::cli::run::block_on(async {
        all = join_all(looks).await;
        Exit::Well
    });
    let mut read: Vec<Vec<BTreeMap<String, ValueType>>> =
        files.iter().map(|(file, _)| vec![BTreeMap::new(); file.nodes.len()]).collect();
    for ((number, node), seen) in places.into_iter().zip(all) {
        let (file, graph) = &files[number];
        let entry = &file.nodes[node];
        let Some(Seen { findings, said, types }) = seen else {
            let message = format!("`{}` found no answer within {within:?}", entry.name);
            report.push(Diagnostic::new(&codes::CANNOT_REACH, message).at(entry.place.clone()));
            continue;
        };
        if aloud && !said.is_empty() {
            let said = format!("{}: `{}`: {}", file_of(graph), entry.name, said.join(", "));
            output::message(graph.secrets.hide(&said));
        }
        for Finding { severity, at, message, help, .. } in findings.0 {
            let code = if severity == Severity::Error { &codes::CANNOT_REACH } else { &codes::DOUBTFUL };
            let label = if at == At::root() { String::new() } else { format!("`{at}`") };
            let found = Diagnostic::new(code, message).at(entry.place_of(&at)).label(label);
            report.push(found.maybe_help(help));
        }
        read[number][node] = types;
    }
    for ((file, graph), read) in files.iter().zip(&read) {
        Analysis::of(graph).check_types(file, read, report);
    }
    exit
}

fn file_of(graph: &Graph) -> String {
    graph.path.display().to_string()
}

fn begin(node: &GraphNode, graph: &Graph, data_dir: &Path, within: Duration) -> Result<Option<Looking>, String> {
    let context = BuildContext {
        pipeline: graph.name.clone(),
        data_dir: data_dir.join(&graph.name),
        base_dir: graph.base_dir.clone(),
        ..BuildContext::alone(&node.name, Path::new(""), Arc::new(SystemClock))
    };
    node.prepared.look(&context, within).map_err(|error| error.to_string())
}

/// What was seen, if it did not take much longer than it may.
async fn in_time(within: Duration, looking: Looking) -> Option<Seen> {
    tokio::time::timeout(within.saturating_add(Duration::from_secs(2)), looking).await.ok()
}
