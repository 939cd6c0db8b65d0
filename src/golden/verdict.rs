//! What became of a case, and how it is blessed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{Record, Role, write_json_line};
use tokio::time::Instant;

use super::case::{Case, Lines, read_records, strangers};
use super::compare::difference;
use super::coverage::Coverage;
use super::play::{Played, play};
use crate::graph::Graph;

/// What became of a case.
#[derive(Debug, Clone)]
pub struct Verdict {
    /// The case's folder.
    pub case: PathBuf,
    /// Everything that is not as it is expected; empty if the case passed.
    pub failures: Vec<String>,
    /// The files that were written or deleted because they were to be blessed.
    pub blessed: Vec<PathBuf>,
    /// How long it took.
    pub took: Duration,
    /// What it exercised.
    pub coverage: Coverage,
}

/// How cases are judged.
#[derive(Debug, Clone, Copy, Default)]
pub struct Judging {
    /// Write what came out as what is expected.
    pub bless: bool,
    /// Show differences in colour.
    pub colour: bool,
}

/// Plays a case of this pipeline and judges what came out.
pub fn judge(graph: &Graph, folder: &Path, how: Judging) -> Verdict {
    let began = Instant::now();
    let mut verdict = Verdict {
        case: folder.to_owned(),
        failures: Vec::new(),
        blessed: Vec::new(),
        took: Duration::ZERO,
        coverage: Coverage::default(),
    };
    match Case::read(folder, graph) {
        Ok(case) => match play(graph, &case) {
            Ok(played) => verdict.hold(graph, &case, &played, how),
            Err(reason) => verdict.failures.push(reason),
        },
        Err(reasons) => verdict.failures = reasons,
    }
    verdict.took = began.elapsed();
    verdict
}

impl Verdict {
    /// Whether everything was as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    fn hold(&mut self, graph: &Graph, case: &Case, played: &Played, how: Judging) {
        self.coverage = played.coverage.clone();
        self.ran(case, played);
        // What went wrong on the way is not to become what is expected.
        if how.bless && !self.passed() {
            self.failures.push("nothing was blessed".to_owned());
            return;
        }
        for (sink, records) in &played.outputs {
            let file = format!("{sink}.out.jsonl");
            let found = read_records(&case.folder.join(&file));
            let differs = |lines: &Lines, colour| difference(&file, lines, records, case.tolerance, colour);
            match (found, how.bless) {
                (Ok(Some(lines)), false) => self.failures.extend(differs(&lines, how.colour)),
                (Ok(Some(lines)), true) if differs(&lines, false).is_none() => {}
                (_, true) => self.bless(&case.folder.join(&file), |path| write(path, records)),
                (Ok(None), false) => self.failures.push(format!(
                    "{file} is missing: it holds what the sink `{sink}` receives; `fieldflow test --bless {}` writes it",
                    case.folder.display()
                )),
                (Err(mut reasons), false) => self.failures.append(&mut reasons),
            }
        }
        let is_sink = |name: &str| graph.nodes().any(|node| node.name == name && node.kind.role() == Role::Sink);
        for stray in strangers(&case.folder, ".out.jsonl", |name| (!is_sink(name)).then(|| name.to_owned())) {
            let file = format!("{stray}.out.jsonl");
            if how.bless {
                self.bless(&case.folder.join(file), |path| fs::remove_file(path));
            } else {
                self.failures.push(format!("{file}: the pipeline has no sink `{stray}`"));
            }
        }
    }

    /// What is to be said of the run, whatever the sinks received.
    fn ran(&mut self, case: &Case, played: &Played) {
        let finished = &played.finished;
        if let Some((node, cause)) = &finished.broken {
            self.failures.push(format!("the pipeline broke at node `{node}`: {cause}"));
        }
        for (edge, records) in &finished.left {
            self.failures.push(format!("{records} records were left in the edge {edge} an hour after the end"));
        }
        if finished.left.is_empty() && finished.broken.is_none() && (!finished.drained || finished.unresolved != 0) {
            let batches = finished.unresolved;
            self.failures.push(format!("{batches} batches were still on their way an hour after the end"));
        }
        if played.unaccounted != 0 {
            self.failures
                .push(format!("{} records are unaccounted for: this is a bug in fieldflow", played.unaccounted));
        }
        for (node, records) in &played.buried {
            if !case.counters.iter().any(|counter| counter.knows_of_rejected(node)) {
                self.failures.push(format!(
                    "{records} records were rejected by `{node}`, and nothing is wired to `{node}.rejected`; if that is meant, \
                     let case.yaml say `expect: {{ counters: {{ 'fieldflow_node_discarded_records_total{{node=\"{node}\", \
                     reason=\"rejected\"}}': {records} }} }}`"
                ));
            }
        }
        self.failures.extend(case.counters.iter().filter_map(|counter| counter.check(&played.metrics)));
    }

    fn bless(&mut self, path: &Path, act: impl FnOnce(&Path) -> io::Result<()>) {
        match act(path) {
            Ok(()) => self.blessed.push(path.to_owned()),
            Err(error) => self.failures.push(format!("{} cannot be blessed: {error}", path.display())),
        }
    }
}

fn write(path: &Path, records: &[Record]) -> io::Result<()> {
    let mut text = String::new();
    for record in records {
        write_json_line(record, &mut text);
        text.push('\n');
    }
    fs::write(path, text)
}
