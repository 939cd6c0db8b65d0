//! The process under test: the example `oracle` with a pipeline, a journal and a store in one folder.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tokio::time::Instant;

use crate::account::Account;
use crate::journal::{BASE, Entry, Journal};
use crate::setup::wait_for;

/// What is run: the options of the source, the other nodes and the edges.
#[derive(Debug, Clone)]
pub(crate) struct Pipeline {
    /// Options of the oracle but the journal, such as `rate: 20000, batch: 100, tags: 10`.
    pub(crate) source: String,
    /// The other nodes, one a line.
    pub(crate) nodes: String,
    /// The edges, one a line.
    pub(crate) edges: String,
}

impl Pipeline {
    /// oracle → sqlite, one edge with these options, such as `durable: true`.
    pub(crate) fn into_store(source: &str, edge: &str, store: &str) -> Self {
        Self {
            source: source.to_owned(),
            nodes: format!("store: {{ type: sqlite, path: plant.db, {store} }}"),
            edges: if edge.is_empty() { "oracle -> store".into() } else { format!("oracle -> store: {{ {edge} }}") },
        }
    }

    /// oracle → recorder, which keeps no position.
    pub(crate) fn into_record(source: &str, edge: &str, tags: u64, folder: &Path) -> Self {
        let path = folder.join("recorded");
        let nodes = format!("store: {{ type: recorder, tags: {tags}, path: {} }}", path.display());
        Self { nodes, ..Self::into_store(source, edge, "") }
    }

    fn text(&self, journal: &Path) -> String {
        let indented =
            |text: &str, with: &str| text.lines().map(|line| format!("  {with}{line}\n")).collect::<String>();
        let edges = self.edges.lines().map(|line| match line.split_once(": ") {
            Some((way, options)) => format!("  - {{ {way}: {options} }}\n"),
            None => format!("  - {line}\n"),
        });
        format!(
            "version: 1\nname: crash\nnodes:\n  oracle: {{ type: oracle, journal: {}, {} }}\n{}edges:\n{}",
            journal.display(),
            self.source,
            indented(&self.nodes, ""),
            edges.collect::<String>(),
        )
    }
}

/// Where a pipeline lives, from one life to the next.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    pub(crate) folder: PathBuf,
    /// Where the engine keeps its data; elsewhere for a test that fills it.
    pub(crate) data: PathBuf,
}

impl Home {
    pub(crate) fn new(folder: PathBuf) -> Self {
        let data = folder.join("data");
        Self { folder, data }
    }

    pub(crate) fn journal_file(&self) -> PathBuf {
        self.folder.join("journal")
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::read(&fs::read_to_string(self.journal_file()).unwrap_or_default())
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.data.join("crash/plant.db")
    }

    /// What became of all that the journal knows of.
    pub(crate) fn account(&self, tags: u64) -> Account {
        Account::of(&self.journal(), &self.store(), tags)
    }

    /// What the `recorder` of [`Pipeline::into_record`] wrote.
    pub(crate) fn recorded(&self) -> String {
        fs::read_to_string(self.folder.join("recorded")).unwrap_or_default()
    }

    /// Waits until a record is in the store.
    pub(crate) fn wait_for_row(&self, number: u64, limit: Duration) -> Option<()> {
        wait_for(limit, || {
            let connection = Connection::open_with_flags(self.store(), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
            let sql = "SELECT 1 FROM samples WHERE time = ? LIMIT 1";
            connection.query_row(sql, [BASE + number as i64], |_| Ok(())).ok()
        })
    }

    /// What every life so far said on stderr.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }

    /// Starts a life.
    pub(crate) fn start(&self, pipeline: &Pipeline, arguments: &[&str], environment: &[(&str, String)]) -> Engine {
        let file = self.folder.join("crash.yaml");
        fs::write(&file, pipeline.text(&self.journal_file())).unwrap();
        let stderr = OpenOptions::new().append(true).create(true).open(self.folder.join("stderr")).unwrap();
        let heard = fs::metadata(self.journal_file()).map_or(0, |file| file.len());
        let said = stderr.metadata().unwrap().len();
        let mut command = Command::new(program());
        command.arg("run").arg(&file).arg("--data-dir").arg(&self.data).args(arguments);
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "off"]);
        }
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let born = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        Engine { child, home: self.clone(), born, heard, said }
    }
}

/// The example, which lies beside the folder of this test. An old one would test an old engine.
fn program() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let program = own.ancestors().nth(2).unwrap().join("examples/oracle");
    let how = "cargo build --workspace --example oracle";
    let built = |file: &Path| file.metadata().and_then(|file| file.modified());
    let age = built(&program).unwrap_or_else(|_| panic!("{} is missing: {how}", program.display()));
    let sources = fs::read_to_string(program.with_extension("d")).unwrap_or_default();
    for source in sources.split_whitespace().skip(1) {
        let is_newer = built(Path::new(source)).is_ok_and(|edited| age < edited);
        assert!(!is_newer, "{} is older than {source}: {how}", program.display());
    }
    program
}

/// A running process. It is killed with this handle.
pub(crate) struct Engine {
    child: Child,
    home: Home,
    pub(crate) born: Instant,
    /// Bytes of the journal that were read.
    heard: u64,
    /// Bytes of stderr before this life.
    said: u64,
}

impl Engine {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// What was written into the journal since this was asked last.
    pub(crate) fn news(&mut self) -> Vec<Entry> {
        let Ok(mut file) = File::open(self.home.journal_file()) else { return Vec::new() };
        let mut text = String::new();
        file.seek(SeekFrom::Start(self.heard)).unwrap();
        file.read_to_string(&mut text).unwrap();
        text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
        self.heard += text.len() as u64;
        Journal::read(&text).0
    }

    /// Waits until something is acknowledged that was not yet.
    pub(crate) fn next_ack(&mut self, limit: Duration) -> Option<Duration> {
        let since = Instant::now();
        wait_for(limit, || self.news().iter().any(|entry| matches!(entry, Entry::Acknowledged(_))).then_some(()))
            .map(|()| since.elapsed())
    }

    /// Whether it ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for it to end by itself.
    pub(crate) fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        wait_for(limit, || self.child.try_wait().unwrap())
    }

    /// Ends it as if it had never known of it.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and sees that it does so in peace.
    pub(crate) fn stop(mut self) {
        // The shell's own `kill`: a slim Debian has no other.
        let id = self.child.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -TERM $0", &id]).status().unwrap().success());
        let status = self.wait(Duration::from_secs(30)).unwrap_or_else(|| panic!("did not stop: {}", self.said()));
        assert!(status.success(), "{status}: {}", self.said());
    }

    /// What this life said on stderr so far.
    pub(crate) fn said(&self) -> String {
        self.home.said().get(self.said as usize..).unwrap_or_default().to_owned()
    }

    /// A line of `/proc/<id>/status` in KiB, such as `VmRSS`.
    pub(crate) fn memory(&self, what: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(what)).unwrap();
        line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
