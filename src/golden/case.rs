//! A case as it lies on disk: what goes in, what goes wrong, and what else is expected.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fieldflow_contract::{Record, Role, Timestamp, from_json_line};
use schemars::JsonSchema;
use serde::Deserialize;

use super::fault::{Fault, Faults, Moment};
use super::script::Script;
use crate::config;
use crate::diagnostics::Report;
use crate::graph::Graph;

/// Where `case.yaml` says nothing of it and there is no record: a round time.
const NO_INPUT: Timestamp = Timestamp(1_767_225_600_000_000);

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
    pub(super) counters: BTreeMap<String, f64>,
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
        let mut inputs: Vec<(String, Vec<Record>)> = Vec::new();
        for source in sources {
            match read_records(&folder.join(format!("{}.in.jsonl", source.name))) {
                Ok(Some(records)) => inputs.push((source.name.clone(), records)),
                Ok(None) => wrong.push(format!(
                    "{0}.in.jsonl is missing: it holds what the source `{0}` emits; an empty file means that it is silent",
                    source.name
                )),
                Err(mut errors) => wrong.append(&mut errors),
            }
        }
        wrong.extend(strangers(folder, ".in.jsonl", |name| {
            let is_source = graph.nodes().any(|node| node.name == name && node.kind.role() == Role::Source);
            (!is_source).then(|| format!("{name}.in.jsonl: the pipeline has no source `{name}`"))
        }));
        let first = inputs.iter().filter_map(|(_, records)| records.first()).map(|record| record.time).min();
        let began = first.unwrap_or(NO_INPUT);
        let faults = Faults::plan(&file.faults, began, graph);
        let faults = faults.map_err(|reason| wrong.push(reason)).unwrap_or_default();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let last = inputs.iter().flat_map(|(_, records)| records).map(|record| record.time).max();
        let until = file.until.map(|until| until.when(began));
        let ends = until.or(last.max(faults.over)).unwrap_or(began).max(began);
        let scripts = inputs.into_iter().enumerate();
        let scripts = scripts.map(|(n, (name, records))| {
            let befalls = faults.of_source(&name);
            Arc::new(Script::new(n, name, &records, befalls, ends))
        });
        let scripts = scripts.collect();
        let (folder, tolerance, counters) = (folder.to_owned(), file.tolerance, file.expect.counters);
        Ok(Self { folder, tolerance, counters, faults, began, ends, scripts })
    }
}

fn read_case_file(folder: &Path) -> Result<CaseFile, String> {
    let path = folder.join("case.yaml");
    if !path.exists() {
        return Ok(CaseFile::default());
    }
    let mut report = Report::default();
    let file = config::document::<CaseFile>(&path, "case.yaml", &mut report);
    file.ok_or_else(|| report.render_human(false).trim_end().to_owned())
}

/// The records of a file, one a line; `None` if there is no such file. Else what is wrong with it, by line.
pub(super) fn read_records(path: &Path) -> Result<Option<Vec<Record>>, Vec<String>> {
    const MOST_TOLD: usize = 5;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(vec![format!("{name}: {error}")]),
    };
    let (mut records, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let read = line.map_err(|error| error.to_string()).and_then(|line| match line.trim() {
            "" => Ok(None),
            line => from_json_line(line).map(Some).map_err(|error| error.to_string()),
        });
        match read {
            Ok(record) => records.extend(record),
            Err(reason) => wrong.push(format!("{name}:{}: {reason}", number + 1)),
        }
        if wrong.len() == MOST_TOLD {
            break;
        }
    }
    if wrong.is_empty() { Ok(Some(records)) } else { Err(wrong) }
}

/// What is to be said of the files with this ending, by the name before it.
pub(super) fn strangers(folder: &Path, ending: &str, say: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut said: Vec<String> = names.filter_map(|name| say(name.strip_suffix(ending)?)).collect();
    said.sort();
    said
}
