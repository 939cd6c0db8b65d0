//! What became of a case, and how it is blessed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{Record, Role, write_json_line};
use tokio::time::Instant;

use super::case::{Case, read_records, strangers};
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
        if let Some((node, cause)) = &played.finished.broken {
            self.failures.push(format!("the pipeline broke at node `{node}`: {cause}"));
        }
        for (edge, records) in &played.finished.left {
            self.failures.push(format!("{records} records were left in the edge {edge} an hour after the end"));
        }
        if played.unaccounted != 0 {
            self.failures
                .push(format!("{} records are unaccounted for: this is a bug in fieldflow", played.unaccounted));
        }
        for (sink, records) in &played.outputs {
            let file = format!("{sink}.out.jsonl");
            match (read_records(&case.folder.join(&file)), how.bless) {
                (Ok(Some(expected)), false) => {
                    self.failures.extend(difference(&file, &expected, records, case.tolerance, how.colour));
                }
                (Ok(Some(expected)), true)
                    if difference(&file, &expected, records, case.tolerance, false).is_none() => {}
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
        self.failures
            .extend(case.counters.iter().filter_map(|(name, expected)| counted(name, *expected, &played.metrics)));
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

/// What is wrong with a metric: `name` or `name{label="value",…}` with any of its labels; several that fit are summed.
fn counted(wanted: &str, expected: f64, metrics: &BTreeMap<String, f64>) -> Option<String> {
    let (name, labels) = series(wanted);
    let fits = |known: &str| {
        let (known, has) = series(known);
        known == name && labels.iter().all(|label| has.contains(label))
    };
    let is_known = crate::telemetry::catalogue::METRICS.iter().any(|metric| {
        let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        metric.name == name
    });
    if !is_known {
        return Some(format!("case.yaml: expect.counters: there is no metric `{name}`"));
    }
    let got: f64 = metrics.iter().filter(|(known, _)| fits(known)).map(|(_, value)| value).sum();
    (got != expected).then(|| format!("{wanted} is {got}, expected {expected}"))
}

fn series(text: &str) -> (&str, Vec<&str>) {
    let Some((name, labels)) = text.split_once('{') else { return (text, Vec::new()) };
    (name, labels.trim_end_matches('}').split(',').map(str::trim).filter(|label| !label.is_empty()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_by_any_of_their_labels() {
        let metrics = BTreeMap::from([
            (r#"fieldflow_node_errors_total{pipeline="p",node="a",type="x",kind="panic"}"#.to_owned(), 2.0),
            (r#"fieldflow_node_errors_total{pipeline="p",node="b",type="x",kind="panic"}"#.to_owned(), 3.0),
        ]);
        let check = |name: &str, value| counted(name, value, &metrics);
        assert_eq!(check("fieldflow_node_errors_total", 5.0), None);
        assert_eq!(check(r#"fieldflow_node_errors_total{node="b", kind="panic"}"#, 3.0), None);
        assert_eq!(check(r#"fieldflow_node_errors_total{node="c"}"#, 0.0), None, "what never happened is 0");
        assert!(check(r#"fieldflow_node_errors_total{node="a"}"#, 1.0).unwrap().ends_with("is 2, expected 1"));
        assert!(check("fieldflow_node_erors_total", 1.0).unwrap().contains("no metric"));
    }
}
