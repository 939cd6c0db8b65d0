//! The servers: where they are, how one is started, and what happens if it is not there.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::memory::Memory;

/// A server that nobody here wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Pymodbus,
    Libmodbus,
}

/// A running server. It is killed with this handle, and ends by itself when the test does: its standard input is the test's.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
    _memory: NamedTempFile,
}

impl Peer {
    /// Starts it on a free port, or on the port that is named; `None` if it is not installed and may be missing.
    pub(crate) async fn start(self, memory: &Memory, port: Option<u16>) -> Option<Server> {
        let mut command = self.command()?;
        let file = NamedTempFile::new().unwrap();
        std::fs::write(&file, memory.to_string()).unwrap();
        command.arg(file.path()).args(port.map(|port| port.to_string()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let read = timeout(Duration::from_secs(20), stdout.read_line(&mut first)).await;
        assert!(matches!(read, Ok(Ok(_))), "{self:?} did not start within 20 s: {read:?}");
        let port = first.trim().strip_prefix("PORT ").and_then(|port| port.parse().ok());
        let port = port.unwrap_or_else(|| panic!("{self:?} began with `{first}` rather than its port"));
        Some(Server { child, port, _memory: file })
    }

    fn command(self) -> Option<Command> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let peers = root.join("target/interop");
        match self {
            Self::Pymodbus => {
                let mut command = Command::new(self.installed(peers.join("venv/bin/python"))?);
                command.arg(root.join("tests/interop/pymodbus_server.py"));
                Some(command)
            }
            Self::Libmodbus => Some(Command::new(self.installed(peers.join("libmodbus_server"))?)),
        }
    }

    #[expect(clippy::explicit_write, reason = "what `eprintln!` says, a test that passes keeps to itself")]
    fn installed(self, program: PathBuf) -> Option<PathBuf> {
        if program.exists() {
            return Some(program);
        }
        let missing = format!("{} is missing; tests/run installs it", program.display());
        let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
        assert!(!is("CI", "true") && !is("FIELDFLOW_PEERS", "required"), "{missing}");
        writeln!(std::io::stderr(), "SKIPPED the interop test against {self:?}: {missing}").unwrap();
        None
    }
}

impl Server {
    /// Ends it as a power cut would: nothing is said to anybody.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
