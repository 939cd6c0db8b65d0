//! The binary as a person uses it: verbs, exit codes, signals, what it prints and what it leaves behind.

mod flaps;
mod plant;
mod secrets;
mod tables;
mod tools;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::generated::{root, up_to_date};

pub(crate) fn fieldflow(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
    command.args(args).current_dir(root()).stdin(Stdio::null()).env_remove("RUST_LOG");
    command
}

pub(crate) fn ask(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = fieldflow(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// A pipeline in a folder of its own, with the demo's device on a free port.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) file: PathBuf,
}

impl Site {
    pub(crate) fn demo() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let demo = fs::read_to_string(root().join("pipelines/demo.yaml")).unwrap();
        Self::of(&demo.replace("127.0.0.1:1502", &format!("127.0.0.1:{port}")))
    }

    pub(crate) fn of(yaml: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("site.yaml");
        fs::write(&file, yaml).unwrap();
        Self { dir, file }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) fn run(&self, more: &[&str]) -> Command {
        let mut command = fieldflow(&["run", self.file.to_str().unwrap(), "--data-dir", self.data().to_str().unwrap()]);
        command.args(more);
        command
    }

    fn samples(&self) -> i64 {
        let database = rusqlite::Connection::open(self.data().join("demo/boiler.db")).unwrap();
        database.query_row("SELECT count(*) FROM samples WHERE quality = 0", [], |row| row.get(0)).unwrap()
    }
}

/// A running pipeline; it is ended with the test.
pub(crate) struct Started {
    pub(crate) child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    heard: String,
}

impl Started {
    pub(crate) fn new(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        Self { child, stderr, heard: String::new() }
    }

    /// Reads stderr up to a line with these words.
    pub(crate) fn hear(&mut self, words: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.stderr.read_line(&mut line).unwrap(), 0, "ended before it said `{words}`:\n{}", self.heard);
            self.heard.push_str(&line);
            if line.contains(words) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for the end; the exit code and all that was said on stderr.
    pub(crate) fn end(mut self) -> (i32, String) {
        self.stderr.read_to_string(&mut self.heard).unwrap();
        (self.child.wait().unwrap().code().unwrap(), std::mem::take(&mut self.heard))
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_demo_runs_against_simulated_devices_and_stores_samples() {
    let site = Site::demo();
    let (code, said) = Started::new(&mut site.run(&["--simulate", "--for", "2s", "--listen", "off"])).end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("simulating") && said.contains("everything on its way arrived"), "{said}");
    assert!(10 < site.samples(), "two seconds of five tags: {said}");
}

#[test]
fn a_signal_drains_and_stops_in_peace() {
    for name in ["-TERM", "-INT"] {
        let site = Site::demo();
        let mut started = Started::new(&mut site.run(&["--simulate", "--listen", "off"]));
        for _ in 0..4 {
            started.hear("running");
        }
        started.signal(name);
        let (code, said) = started.end();
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("everything on its way arrived"), "{said}");
        assert!(!site.data().join("demo/boiler.db-wal").exists(), "the database was closed tidily");
    }
}

#[test]
fn a_signal_that_comes_twice_at_once_still_drains() {
    let site = Site::of(
        "version: 1\nname: x\nnodes: { g: { type: generate, rate: 100, tags: { a: { counter: {} } } }, s: { type: sqlite, path: /proc/x/x.db } }\nedges: [g -> s]\n",
    );
    let mut started = Started::new(&mut site.run(&["--listen", "off", "--grace", "1s"]));
    started.hear("disconnected");
    started.signal("-TERM");
    started.hear("stopping");
    started.signal("-TERM");
    let (code, said) = started.end();
    assert!(code == 0 && said.contains("the grace time was over"), "{said}");
}

#[test]
fn a_second_instance_is_refused_and_told_who_is_there() {
    let site = Site::demo();
    let mut first = Started::new(&mut site.run(&["--simulate", "--listen", "off"]));
    first.hear("running");
    let (code, said) = Started::new(&mut site.run(&["--listen", "off"])).end();
    assert_eq!(code, 2);
    assert!(said.contains(&format!("process {}", first.child.id())), "{said}");
}

#[test]
fn figures_and_health_are_served() {
    let site = Site::demo();
    let mut started = Started::new(&mut site.run(&["--simulate", "--listen", "127.0.0.1:0"]));
    let line = started.hear("figures at");
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    for _ in 0..4 {
        started.hear("running");
    }
    let metrics = get(&address, "/metrics");
    for metric in fieldflow::telemetry::catalogue::METRICS {
        let conditional = ["_disk_", "_errors_", "_discarded_", "_dropped_", "commit", "latency", "last_record_age"];
        let expected = !conditional.iter().any(|part| metric.name.contains(part));
        assert!(!expected || metrics.contains(metric.name), "{} is missing:\n{metrics}", metric.name);
    }
    assert!(metrics.contains("fieldflow_unaccounted_records{pipeline=\"demo\"} 0\n"), "{metrics}");
    assert!(metrics.contains("# TYPE fieldflow_node_busy_seconds_total counter\n"), "{metrics}");
    let health = get(&address, "/health");
    assert!(
        health.starts_with("HTTP/1.1 200") && health.contains(r#""name":"boiler","type":"modbus","state":"running""#),
        "{health}"
    );
    assert!(get(&address, "/etc/passwd").starts_with("HTTP/1.1 404"));
}

#[test]
fn a_device_that_is_away_is_told_in_health_and_in_one_log_line() {
    let site = Site::demo();
    let mut started = Started::new(&mut site.run(&["--listen", "127.0.0.1:0", "--for", "2s"]));
    let line = started.hear("figures at");
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
    started.hear("disconnected");
    let health = get(&address, "/health");
    assert!(health.contains(r#""status":"degraded""#) && health.contains("reconnecting"), "{health}");
    let (code, said) = started.end();
    assert_eq!(code, 0);
    assert_eq!(said.matches("disconnected").count(), 1, "a failure that repeats is logged once: {said}");
}

#[test]
fn an_address_that_was_asked_for_and_is_taken_is_an_error_the_default_one_a_warning() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::demo();
    let asked = taken.local_addr().unwrap().to_string();
    let (code, said) = Started::new(&mut site.run(&["--simulate", "--for", "1s", "--listen", &asked])).end();
    assert_eq!(code, 2, "{said}");
    assert!(said.contains(&asked), "{said}");

    // Whoever holds it: it is taken.
    let _default = TcpListener::bind("127.0.0.1:9600");
    let (code, said) = Started::new(&mut site.run(&["--simulate", "--for", "1s"])).end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("warning") && said.contains("--listen"), "{said}");
}

#[test]
fn exit_codes_tell_no_from_could_not_be_asked() {
    let bad = Site::of("version: 1\nname: x\nnodes: {}\nedges: [a -> b]\n");
    let file = bad.file.to_str().unwrap();
    assert_eq!(ask(&["validate", "pipelines/demo.yaml"]).0, 0);
    assert_eq!(ask(&["validate", file]).0, 1);
    assert_eq!(ask(&["run", file, "--listen", "off"]).0, 1);
    assert_eq!(ask(&["validate", "no/such/file.yaml"]).0, 2);
    assert_eq!(ask(&["validate"]).0, 2);
    assert_eq!(ask(&["nodes", "modbas"]).0, 1);
    assert!(!bad.data().exists(), "a file that is wrong leaves nothing behind");
}

#[test]
fn findings_can_be_read_by_a_program() {
    let bad = Site::of("version: 1\nname: x\nnodes: { a: { type: consol } }\nedges: []\n");
    let (code, stdout, stderr) = ask(&["validate", bad.file.to_str().unwrap(), "--format", "json"]);
    assert_eq!((code, stderr.as_str()), (1, ""));
    let findings: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let unknown = findings.as_array().unwrap().iter().find(|finding| finding["line"] == 3).unwrap();
    assert!(
        unknown["code"].as_str().unwrap().starts_with('E') && unknown["help"].to_string().contains("console"),
        "{unknown}"
    );
}

#[test]
fn a_dry_run_opens_no_socket_and_writes_no_file() {
    let site = Site::demo();
    assert!(dry_run(&site).is_none_or(|said| said.contains("well")));
    // Records wait for an edge that is gone: in a file at rest, and in one that somebody has open.
    let stopped = crate::queue::Stalled::named("demo").stop();
    for name in ["demo", "demo-2"] {
        fs::create_dir_all(site.data().join(name)).unwrap();
    }
    fs::copy(stopped.state(), site.data().join("demo/state.db")).unwrap();
    assert!(dry_run(&site).is_none_or(|said| said.contains("W0301")));
    let writer = rusqlite::Connection::open(site.data().join("demo/state.db")).unwrap();
    writer.execute_batch("UPDATE edges SET records = 1234").unwrap();
    assert!(dry_run(&site).is_none_or(|said| said.contains("1,234 records")));
    // A hard stop whose index is lost: it could not be read without writing.
    for file in ["state.db", "state.db-wal"] {
        fs::copy(site.data().join("demo").join(file), site.data().join("demo-2").join(file)).unwrap();
    }
    fs::write(&site.file, fs::read_to_string(&site.file).unwrap().replace("name: demo", "name: demo-2")).unwrap();
    assert!(dry_run(&site).is_none_or(|said| said.contains("well")));
}

/// Validates the site's file and looks at every system call that could write; what was said. `None` where there is no strace.
fn dry_run(site: &Site) -> Option<String> {
    let before = names_below(site.dir.path());
    let log = tempfile::NamedTempFile::new().unwrap();
    let traced = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-e",
            "trace=socket,connect,bind,openat,open,creat,mkdir,unlink,rename,ftruncate,write,pwrite64",
            "-o",
        ])
        .arg(log.path())
        .args([env!("CARGO_BIN_EXE_fieldflow"), "validate", "--data-dir", site.data().to_str().unwrap()])
        .arg(&site.file)
        .output();
    assert_eq!(names_below(site.dir.path()), before);
    let Ok(output) = traced else {
        eprintln!("SKIPPED the system calls of a dry run: there is no strace here");
        return None;
    };
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for call in fs::read_to_string(log.path()).unwrap().lines() {
        let opens_to_read =
            call.contains("open") && !["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| call.contains(flag));
        // SQLite opens a log that is there only like this, also to read it.
        let opens_log = call.contains("state.db-wal\", O_RDWR");
        let speaks = call.contains("write(2, ") || call.contains("exited");
        assert!(opens_to_read || opens_log || speaks, "{call}");
    }
    Some(said)
}

fn names_below(folder: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            names.extend(names_below(&path));
        }
        names.push(path);
    }
    names.sort();
    names
}

#[test]
fn graphs_are_printed_as_text_mermaid_and_dot() {
    for format in ["text", "mermaid", "dot"] {
        let (code, stdout, _) = ask(&["graph", "pipelines/demo.yaml", "--format", format]);
        assert_eq!(code, 0);
        up_to_date(&root().join("tests/cli").join(format!("demo.graph.{format}")), &stdout);
    }
}

#[test]
fn the_catalogue_tells_options_defaults_and_an_example() {
    let (code, list, _) = ask(&["nodes"]);
    assert_eq!((code, list.lines().count()), (0, fieldflow_nodes::BUILTIN.len()));
    for kind in fieldflow_nodes::BUILTIN {
        let (code, manual, _) = ask(&["nodes", kind.type_name()]);
        assert_eq!(code, 0);
        up_to_date(&root().join("tests/cli/nodes").join(format!("{}.txt", kind.type_name())), &manual);
    }
}

#[test]
fn help_shows_an_example_for_every_verb() {
    for verb in
        ["run", "validate", "graph", "nodes", "schema", "simulate", "query", "export", "queue", "completions", "probe"]
    {
        let (code, help, _) = ask(&[verb, "--help"]);
        assert_eq!(code, 0);
        assert!(help.contains("Example") && help.contains(&format!("fieldflow {verb}")), "{help}");
    }
    assert!(ask(&["completions", "bash"]).1.contains("fieldflow"));
}
