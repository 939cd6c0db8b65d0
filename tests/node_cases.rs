//! The cases of the nodes: `nodes/**/cases/<type>/<case>/`, data that every author writes beside the node.
//!
//! | file | holds |
//! |---|---|
//! | `node.yaml` | `type` and the options |
//! | `input.jsonl` | records; neighbours of the same time are one batch, and that time is the clock's |
//! | `until` | the time at which the input ends, if that is later than the last record |
//! | `expected.jsonl` | what leaves by the default port, in order |
//! | `<port>.expected.jsonl` | what leaves by another port |
//! | `expected.err` | in place of these: a line `path: message` for each error in the options |
//!
//! `UPDATE=1 cargo test` writes what is expected; `git diff` is the review.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fieldflow_contract::{
    Batch, BuildContext, Findings, Node, NodeKind, Outputs, Port, Record, Role, Severity, SystemClock, Timestamp,
    Transform, from_json_line, write_json_line,
};
use fieldflow_nodes::BUILTIN;
use serde_json::Value as Json;

const ERRORS: &str = "expected.err";
const RECORDS: &str = "expected.jsonl";

/// What a case comes to, by the name of the file that says so.
type Told = BTreeMap<String, Vec<String>>;

#[test]
fn every_case_of_every_node_comes_to_what_it_expects() {
    let wrong: Vec<String> = cases().iter().filter_map(|case| check(case).err()).collect();
    assert!(wrong.is_empty(), "\n{}\n(`UPDATE=1 cargo test` writes what is expected)", wrong.join("\n"));
}

#[test]
fn every_transform_has_a_case_that_passes_and_one_that_fails() {
    let mut seen: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for case in cases() {
        let kind = read(&case).expect("a case has a node").0.type_name();
        let folder = case.parent().and_then(Path::file_name).unwrap().to_string_lossy();
        assert_eq!(folder, kind, "{} stands in the folder of another type", case.display());
        let ends = [ERRORS, RECORDS].into_iter().filter(|file| case.join(file).exists());
        seen.entry(folder.into_owned()).or_default().extend(ends);
    }
    for kind in BUILTIN.iter().filter(|kind| kind.role() == Role::Transform) {
        let ends = seen.remove(kind.type_name()).unwrap_or_default();
        assert!(ends.contains(RECORDS), "`{}` has no case with {RECORDS}", kind.type_name());
        assert!(ends.contains(ERRORS), "`{}` has no case with {ERRORS}", kind.type_name());
    }
}

/// The folders `cases/*/*` below `nodes/`, sorted.
fn cases() -> Vec<PathBuf> {
    fn folders(at: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(at).unwrap_or_else(|error| panic!("{}: {error}", at.display()));
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
    }
    fn walk(at: &Path, found: &mut Vec<PathBuf>) {
        for folder in folders(at) {
            if folder.ends_with("cases") {
                found.extend(folders(&folder).iter().flat_map(|kind| folders(kind)));
            } else {
                walk(&folder, found);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("nodes"), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no case was found");
    found
}

fn check(case: &Path) -> Result<(), String> {
    let told = run(case).map_err(|error| format!("{}: {error}", case.display()))?;
    if std::env::var_os("UPDATE").is_some() {
        update(case, &told);
        return Ok(());
    }
    let expected = expected(case);
    if expected.is_empty() {
        return Err(format!("{}: neither {RECORDS} nor {ERRORS}", case.display()));
    }
    let files: BTreeSet<&String> = told.keys().chain(expected.keys()).collect();
    for file in files {
        let (told, expected) = (told.get(file), expected.get(file));
        let same = match (told, expected) {
            (Some(told), Some(expected)) => told.len() == expected.len() && told.iter().zip(expected).all(same),
            _ => false,
        };
        if !same {
            let lines =
                |lines: Option<&Vec<String>>| lines.map_or("  (no such file)".to_owned(), |lines| lines.join("\n  "));
            let (told, expected) = (lines(told), lines(expected));
            return Err(format!("{}\n expected\n  {expected}\n got\n  {told}", case.join(file).display()));
        }
    }
    Ok(())
}

/// Records are compared by value: 10 is 10.0, and the order of the keys does not matter.
fn same((told, expected): (&String, &String)) -> bool {
    fn equal(one: &Json, two: &Json) -> bool {
        match (one, two) {
            (Json::Number(a), Json::Number(b)) => a == b || (a.as_f64() == b.as_f64() && (a.is_f64() || b.is_f64())),
            (Json::Object(a), Json::Object(b)) => {
                a.len() == b.len() && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| equal(value, other)))
            }
            _ => one == two,
        }
    }
    let json = |line: &String| serde_json::from_str::<Json>(line).ok();
    told == expected || json(told).zip(json(expected)).is_some_and(|(told, expected)| equal(&told, &expected))
}

fn expected(case: &Path) -> Told {
    let is_expectation = |name: &String| name == ERRORS || name.ends_with(RECORDS);
    let names = fs::read_dir(case).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(is_expectation).map(|name| (name.clone(), lines(&case.join(name)).unwrap())).collect()
}

fn update(case: &Path, told: &Told) {
    for stale in expected(case).keys().filter(|file| !told.contains_key(*file)) {
        fs::remove_file(case.join(stale)).unwrap();
    }
    for (file, lines) in told {
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        fs::write(case.join(file), text).unwrap();
    }
}

fn lines(path: &Path) -> Result<Vec<String>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
}

/// The kind and the options that a case names.
fn read(case: &Path) -> Result<(&'static dyn NodeKind, Json), String> {
    let path = case.join("node.yaml");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut options: Json = serde_yaml::from_str(&text).map_err(|error| format!("node.yaml: {error}"))?;
    let kind = options.as_object_mut().and_then(|map| map.remove("type")).ok_or("node.yaml: no `type`")?;
    let known = BUILTIN.iter().copied().find(|known| kind == known.type_name());
    Ok((known.ok_or(format!("node.yaml: no node is of type {kind}"))?, options))
}

fn run(case: &Path) -> Result<Told, String> {
    let (kind, options) = read(case)?;
    let mut findings = Findings::default();
    let ready = kind.prepare(options).map_err(|found| findings.0.push(*found)).ok();
    if let Some(ready) = &ready {
        ready.check(&mut findings);
        ready.check_files(case, &mut findings);
    }
    let errors = findings.0.iter().filter(|finding| finding.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|error| format!("{}: {}", error.at, error.message)).collect();
    let Some(ready) = ready.filter(|_| errors.is_empty()) else {
        return Ok(Told::from([(ERRORS.to_owned(), errors)]));
    };
    let name = case.file_name().unwrap_or_default().to_string_lossy();
    let context = BuildContext::alone(&name, case, Arc::new(SystemClock));
    let Node::Transform(transform) = ready.build(&context).map_err(|error| error.to_string())? else {
        return Err(format!("the options are right, and a {} takes no {}", kind.role().word(), "input.jsonl"));
    };
    let records =
        lines(&case.join("input.jsonl"))?.iter().map(|line| from_json_line(line)).collect::<Result<Vec<_>, _>>();
    let records: Vec<Record> = records.map_err(|error| format!("input.jsonl: {error}"))?;
    let until = match lines(&case.join("until")) {
        Ok(text) => Some(text.concat().trim().parse::<Timestamp>()?),
        Err(_) => None,
    };
    // The clock begins with the input.
    let now = records.first().map_or(Timestamp(i64::MIN), |first| first.time);
    let mut playing = Playing { transform, now, told: Told::new() };
    // The default port is always told, so that an output of nothing is one.
    playing.told.insert(RECORDS.to_owned(), Vec::new());
    for together in records.chunk_by(|one, two| one.time == two.time) {
        playing.tick_until(together[0].time);
        let batch = Batch::new(together.to_vec(), playing.now).ok_or("an empty batch")?;
        let mut out = Outputs::default();
        playing.transform.apply(batch, &mut out).map_err(|cause| cause.to_string())?;
        playing.tell(out);
    }
    playing.tick_until(until.unwrap_or(playing.now));
    let mut out = Outputs::default();
    playing.transform.finish(playing.now, &mut out);
    playing.tell(out);
    Ok(playing.told)
}

/// A transform and its virtual clock.
struct Playing {
    transform: Box<dyn Transform>,
    now: Timestamp,
    told: Told,
}

impl Playing {
    /// Moves the clock on, and calls `tick` whenever it is due on the way.
    fn tick_until(&mut self, end: Timestamp) {
        while let Some(due) = self.transform.due().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let mut out = Outputs::default();
            self.transform.tick(self.now, &mut out);
            self.tell(out);
            assert!(self.transform.due() != Some(due), "what was due at {due} was done and is due once more");
        }
        self.now = self.now.max(end);
    }

    fn tell(&mut self, mut out: Outputs) {
        for emission in out.take_emissions() {
            let file = match &*emission.port {
                Port::DEFAULT => RECORDS.to_owned(),
                port => format!("{port}.{RECORDS}"),
            };
            self.told.entry(file).or_default().extend(emission.batch.records().iter().map(line));
        }
    }
}

fn line(record: &Record) -> String {
    let mut line = String::new();
    write_json_line(record, &mut line);
    line
}
