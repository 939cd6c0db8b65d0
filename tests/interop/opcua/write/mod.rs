//! What `opcua_write` writes is what the servers hold then; what must not be written is not; and nothing is written twice.

mod outage;
mod refused;
mod secure;
mod values;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use super::server::Server;
use super::{pipeline, plant};

const INSECURE: &str = "    security: { policy: None, allow_insecure: true }\n";

/// A pipeline that writes what a file says to a server.
struct Writing {
    folder: TempDir,
    child: Child,
}

/// What became of the commands: `tag raw outcome` of each write that was noted, and what it said.
struct Ended {
    noted: Vec<String>,
    /// Everything else that the book says of them, a line each.
    book: String,
    said: String,
}

/// A command at so many milliseconds after the first one.
fn at(millis: u64, tag: &str, value: Value) -> Value {
    let time = format!("2026-01-01T00:00:{:02}.{:03}000Z", millis / 1000, millis % 1000);
    let mut command = json!({ "t": time, "tag": tag });
    command["value"] = value;
    command
}

fn node(url: &str, options: &str, tags: &[(&str, String)]) -> String {
    let tags: String = tags.iter().map(|(tag, options)| format!("      \"{tag}\": {{ {options} }}\n")).collect();
    format!("    type: opcua_write\n    url: {url}\n    rate: 100\n{options}    tags:\n{tags}")
}

impl Writing {
    fn begin(node: &str, commands: &[Value], edge: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nodes = format!(
            "  commands: {{ type: replay, path: commands.jsonl, times: now }}\n  plc:\n{node}  out: {{ type: console }}\n"
        );
        let edges = format!("  - commands -> plc: {{ {edge} }}\n  - plc.rejected -> out\n");
        let file = format!("version: 1\nname: interop\nnodes:\n{nodes}edges:\n{edges}");
        fs::write(folder.path().join("interop.yaml"), file).unwrap();
        let child = Self::run(folder.path(), commands);
        Self { folder, child }
    }

    fn run(folder: &Path, commands: &[Value]) -> Child {
        let lines: Vec<String> = commands.iter().map(Value::to_string).collect();
        fs::write(folder.join("commands.jsonl"), lines.join("\n")).unwrap();
        let file = |name: &str| fs::OpenOptions::new().create(true).append(true).open(folder.join(name)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
        command.args(["run", "interop.yaml", "--data-dir", "data", "--listen", "off"]).current_dir(folder);
        command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).kill_on_drop(true).spawn().unwrap()
    }

    fn said(&self) -> String {
        let read = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        format!("{}{}", read("stderr"), read("stdout"))
    }

    /// Waits until the commands are done with.
    async fn end(mut self) -> Ended {
        let status = timeout(Duration::from_secs(60), self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("it does not end:\n{}", self.said())).unwrap();
        assert_eq!(status.code(), Some(0), "{}", self.said());
        let state = rusqlite::Connection::open(self.folder.path().join("data/interop/state.db")).unwrap();
        let mut writes = state.prepare("SELECT tag, raw, outcome, address, reason FROM writes ORDER BY id").unwrap();
        let row = |row: &rusqlite::Row<'_>| {
            let [tag, raw, outcome, address, reason] = [0, 1, 2, 3, 4].map(|n| row.get::<_, String>(n).unwrap());
            Ok((format!("{tag} {raw} {outcome}"), format!("{tag} {address} {outcome} {reason}\n")))
        };
        let (noted, book): (Vec<String>, Vec<String>) = writes.query_map((), row).unwrap().map(Result::unwrap).unzip();
        Ended { noted, book: book.concat(), said: self.said() }
    }
}

impl Ended {
    /// Sees that the command of this tag was refused for this reason, and nothing was sent.
    fn must_refuse(&self, tag: &str, why: &str) {
        let refused = format!("{tag}: {why}");
        assert!(self.said.contains(&refused), "`{refused}` was not said:\n{}", self.said);
        assert!(!self.book.contains(&format!("{tag} ")), "{tag} was sent:\n{}", self.book);
    }
}

/// The values that a server holds, as the source reads them.
async fn held(server: &Server, tags: &[&str]) -> Vec<Value> {
    let options: Vec<String> = tags.iter().map(|tag| plant(&format!("w.{tag}"))).collect();
    let listed: Vec<(&str, &str)> = tags.iter().copied().zip(options.iter().map(String::as_str)).collect();
    let mut reading = pipeline(server, "    every: 200ms\n", &listed);
    let mut seen = reading.first_of_each(tags.len()).await;
    reading.stop().await;
    tags.iter().map(|tag| seen.remove(*tag).unwrap().value).collect()
}

/// Waits until something is so.
async fn until(what: &str, is: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(40);
    while !is() {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}
