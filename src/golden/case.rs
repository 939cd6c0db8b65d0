//! A case as it lies on disk: what goes in, what goes wrong, and what else is expected.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{Record, Role, Timestamp, from_json_line};
use schemars::JsonSchema;
use serde::Deserialize;

use super::counter::Counter;
use super::fault::{Fault, Faults, Moment};
use super::script::Script;
use crate::config;
use crate::diagnostics::Report;
use crate::graph::Graph;

/// Where `case.yaml` says nothing of it and there is no record: a round time.
const NO_INPUT: Timestamp = Timestamp(1_767_225_600_000_000);

/// The longest case. A mistyped year would play for ever, with a timer every few seconds.
const LONGEST: Duration = Duration::from_secs(400 * 86_400);

/// Most records of one file of a case.
pub(super) const MOST_RECORDS: usize = 1_000_000;

/// `case.yaml`: all of it is optional.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct CaseFile {
    /// What the case shows.
    description: Option<String>,
    /// How far a float may be from what is expected, as an absolute difference. Default 0: exactly equal.
    #[schemars(range(min = 0.0))]
    tolerance: f64,
    /// When the input ends, if that is not with the last record or fault: a time, or so long after the first record.
    until: Option<Moment>,
    /// What is expected beside the records.
    expect: Expect,
    /// What goes wrong, and when.
    faults: Vec<Fault>,
}

/// What is expected beside the records.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    /// Metrics as they stand at the end, by their name with any of their labels:
    /// `fieldflow_node_discarded_records_total{node="changes"}: 3`. Where several fit, their sum is meant.
    counters: BTreeMap<String, f64>,
}

/// A case that is ready to be played.
pub(super) struct Case {
    pub(super) folder: PathBuf,
    pub(super) tolerance: f64,
    pub(super) counters: Vec<Counter>,
    pub(super) faults: Faults,
    /// The time of the first record.
    pub(super) began: Timestamp,
    /// When the input ends.
    pub(super) ends: Timestamp,
    /// What goes in, by source, in the order of the file.
    pub(super) scripts: Vec<Arc<Script>>,
}

impl Case {
    /// Reads a case of this pipeline; else everything that is wrong with it.
    pub(super) fn read(folder: &Path, graph: &Graph) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let file = read_case_file(folder).map_err(|report| vec![report])?;
        let sources = graph.nodes().filter(|node| node.kind.role() == Role::Source);
        let mut inputs: Vec<((String, bool), Batches)> = Vec::new();
        for source in sources {
            match read_records(&folder.join(format!("{}.in.jsonl", source.name))) {
                Ok(Some(lines)) => inputs.push(((source.name.clone(), source.kind.resends()), lines.batches())),
                Ok(None) => wrong.push(format!(
                    "{0}.in.jsonl is missing: it holds what the source `{0}` emits; an empty file means that it is silent",
                    source.name
                )),
                Err(mut errors) => wrong.append(&mut errors),
            }
        }
        wrong.extend(strays(folder, graph));
        let times = || inputs.iter().flat_map(|(_, batches)| batches.iter().flatten()).map(|record| record.time);
        let began = times().min().unwrap_or(NO_INPUT);
        let faults = Faults::plan(&file.faults, began, graph);
        let faults = faults.map_err(|reason| wrong.push(reason)).unwrap_or_default();
        let until = file.until.map(|until| until.when(began));
        let ends = until.or(times().max().max(faults.over)).unwrap_or(began).max(began);
        if LONGEST < ends.since(began) {
            wrong
                .push(format!("the case goes from {began} to {ends}: is a year mistyped? At most 400 days are played"));
        }
        // A fault that lasts beyond the end is over with the input.
        wrong.extend(Faults::check_times(&file.faults, began, ends).err());
        let mut counters = Vec::new();
        for (text, expected) in &file.expect.counters {
            match Counter::read(text, *expected, graph) {
                Ok(counter) => counters.push(counter),
                Err(reason) => wrong.push(reason),
            }
        }
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let scripts = inputs.into_iter().enumerate();
        let scripts = scripts.map(|(n, (source, batches))| {
            let befalls = faults.of_source(&source.0);
            Arc::new(Script::new(n, source, batches, befalls, ends))
        });
        let scripts = scripts.collect();
        let (folder, tolerance) = (folder.to_owned(), file.tolerance);
        Ok(Self { folder, tolerance, counters, faults, began, ends, scripts })
    }
}

/// Files that look like a part of the case and are none.
fn strays(folder: &Path, graph: &Graph) -> Vec<String> {
    let mut wrong = strangers(folder, ".in.jsonl", |name| {
        let is_source = graph.nodes().any(|node| node.name == name && node.kind.role() == Role::Source);
        (!is_source).then(|| format!("{name}.in.jsonl: the pipeline has no source `{name}`"))
    });
    for ending in [".jsonl", ".yaml", ".yml"] {
        wrong.extend(strangers(folder, ending, |name| {
            let is_known =
                [".in", ".out"].iter().any(|end| name.ends_with(end)) || (name == "case" && ending == ".yaml");
            (!is_known).then(|| {
                format!("{name}{ending} is no part of a case: <source>.in.jsonl, <sink>.out.jsonl and case.yaml are")
            })
        }));
    }
    wrong
}

fn read_case_file(folder: &Path) -> Result<CaseFile, String> {
    let path = folder.join("case.yaml");
    if fs::symlink_metadata(&path).is_err() {
        return Ok(CaseFile::default());
    }
    let mut report = Report::default();
    let file = config::document::<CaseFile>(&path, "case.yaml", &mut report);
    file.ok_or_else(|| report.render_human(false).trim_end().to_owned())
}

/// The records of a file, and where they stand in it.
#[derive(Default)]
pub(super) struct Lines {
    pub(super) records: Vec<Record>,
    /// The number of each record's line.
    pub(super) numbers: Vec<usize>,
    /// The records that have an empty line before them.
    pub(super) apart: Vec<usize>,
}

type Batches = Vec<Vec<Record>>;

impl Lines {
    /// Records that arrived together: between empty lines, or where there are none, neighbours of the same time.
    fn batches(self) -> Batches {
        if self.apart.is_empty() {
            return self.records.chunk_by(|one, two| one.time == two.time).map(<[_]>::to_vec).collect();
        }
        let mut batches: Batches = Vec::new();
        for (at, record) in self.records.into_iter().enumerate() {
            match batches.last_mut() {
                Some(last) if self.apart.binary_search(&at).is_err() => last.push(record),
                _ => batches.push(vec![record]),
            }
        }
        batches
    }
}

/// The records of a file, one a line; `None` if there is no such file. Else what is wrong with it, by line.
pub(super) fn read_records(path: &Path) -> Result<Option<Lines>, Vec<String>> {
    const MOST_TOLD: usize = 5;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(vec![format!("{name}: {error}")]),
    };
    let (mut lines, mut wrong) = (Lines::default(), Vec::new());
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let read =
            line.map_err(|error| error.to_string()).and_then(|line| match line.trim_start_matches('\u{feff}').trim() {
                "" => Ok(None),
                line => from_json_line(line).map(Some).map_err(|error| error.to_string()),
            });
        match read {
            Ok(Some(record)) => {
                lines.records.push(record);
                lines.numbers.push(number);
            }
            Ok(None) if !lines.records.is_empty() => lines.apart.push(lines.records.len()),
            Ok(None) => {}
            Err(reason) => wrong.push(format!("{name}:{number}: {reason}")),
        }
        if MOST_RECORDS < lines.records.len() {
            wrong.push(format!("{name}:{number}: more than {MOST_RECORDS} records; split it into several cases"));
        }
        if wrong.len() == MOST_TOLD || MOST_RECORDS < lines.records.len() {
            break;
        }
    }
    lines.apart.retain(|at| *at < lines.records.len());
    if wrong.is_empty() { Ok(Some(lines)) } else { Err(wrong) }
}

/// What is to be said of the files with this ending, by the name before it.
pub(super) fn strangers(folder: &Path, ending: &str, say: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut said: Vec<String> = names.filter_map(|name| say(name.strip_suffix(ending)?)).collect();
    said.sort();
    said
}
