//! The real binary, running a pipeline whose records come out on stdout.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use fieldflow_contract::{Clock as _, SystemClock};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout, timeout_at};

/// Longer than anything here takes on a machine that has other work as well.
const PATIENCE: Duration = Duration::from_secs(30);

/// A line of `console`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) t: String,
    pub(crate) tag: String,
    pub(crate) value: serde_json::Value,
    #[serde(default = "good")]
    pub(crate) quality: String,
}

fn good() -> String {
    "good".to_owned()
}

/// A running pipeline. It is killed with this handle.
pub(crate) struct Pipeline {
    child: Child,
    records: Lines<BufReader<ChildStdout>>,
    dir: TempDir,
}

/// A write, as the pipeline noted it.
#[derive(Debug)]
pub(crate) struct Noted {
    pub(crate) outcome: String,
    #[expect(dead_code, reason = "for the message of a test that fails")]
    pub(crate) what: String,
}

/// Gives these commands, all of now, to a node, runs to the end, and tells what was noted.
pub(crate) async fn write(node: &str, commands: &[(&str, serde_json::Value)]) -> Vec<Noted> {
    let dir = tempfile::tempdir().unwrap();
    let now = SystemClock.now();
    let line =
        |(tag, value): &(&str, _)| serde_json::json!({ "t": now.to_string(), "tag": tag, "value": value }).to_string();
    let lines: Vec<String> = commands.iter().map(line).collect();
    fs::write(dir.path().join("commands.jsonl"), lines.join("\n")).unwrap();
    let nodes = format!("  commands: {{ type: replay, path: commands.jsonl, pace: max }}\n  plc:\n{node}");
    let file = format!("version: 1\nname: interop\nnodes:\n{nodes}edges:\n  - commands -> plc\n");
    fs::write(dir.path().join("interop.yaml"), file).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_fieldflow"))
        .args(["run", "interop.yaml", "--data-dir", "data", "--listen", "off"])
        .current_dir(dir.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let run = timeout(PATIENCE, run).await.expect("the commands end").unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
    let state = rusqlite::Connection::open(dir.path().join("data/interop/state.db")).unwrap();
    let mut noted = state.prepare("SELECT outcome, tag || ' ' || reason FROM writes ORDER BY id").unwrap();
    let noted = noted.query_map((), |row| Ok(Noted { outcome: row.get(0)?, what: row.get(1)? }));
    noted.unwrap().map(Result::unwrap).collect()
}

impl Pipeline {
    /// Runs these nodes, each a source wired to `console`; a node is the YAML of its options, two blanks in.
    pub(crate) fn start(nodes: &BTreeMap<&str, String>) -> Self {
        let mut file = "version: 1\nname: interop\nnodes:\n  out: { type: console }\n".to_owned();
        for (name, options) in nodes {
            write!(file, "  {name}:\n{options}").unwrap();
        }
        file.push_str("edges:\n");
        for name in nodes.keys() {
            writeln!(file, "  - {name} -> out").unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("interop.yaml"), file).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_fieldflow"))
            .args(["run", "interop.yaml", "--data-dir", "data", "--listen", "off"])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(dir.path().join("stderr")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let records = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, records, dir }
    }

    /// The next record, if it comes in time.
    pub(crate) async fn until(&mut self, end: Instant) -> Option<Record> {
        let line = timeout_at(end, self.records.next_line()).await.ok()?.unwrap();
        let line = line.unwrap_or_else(|| panic!("the pipeline ended by itself:\n{}", self.said()));
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// The first record of each of so many tags.
    pub(crate) async fn first_of_each(&mut self, tags: usize) -> BTreeMap<String, Record> {
        let end = Instant::now() + PATIENCE;
        let mut seen = BTreeMap::new();
        while seen.len() < tags {
            let Some(record) = self.until(end).await else {
                panic!("only {} of {tags} tags came within {PATIENCE:?}:\n{}", seen.len(), self.said())
            };
            seen.entry(record.tag.clone()).or_insert(record);
        }
        seen
    }

    /// Asks it to stop, and sees that it does so in peace.
    pub(crate) async fn stop(mut self) {
        let id = self.child.id().expect("it runs").to_string();
        // The shell's own `kill`: a slim Debian has no other.
        assert!(Command::new("sh").args(["-c", "kill -TERM $0", &id]).status().await.unwrap().success());
        let end = timeout(PATIENCE, async {
            // A pipe that nobody reads would keep it from draining.
            while self.records.next_line().await.unwrap().is_some() {}
            self.child.wait().await.unwrap()
        });
        let status = end.await.unwrap_or_else(|_| panic!("did not stop within {PATIENCE:?}:\n{}", self.said()));
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Where it runs: its file is there, and its data in `data`.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// What it said on stderr so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default()
    }
}
