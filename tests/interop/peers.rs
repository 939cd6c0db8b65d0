//! The servers: where they are, how one is started, and what happens if it is not there.

use std::env;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::memory::Memory;

/// A server that nobody here wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Pymodbus,
    Libmodbus,
}

/// How it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Modbus TCP, at any free port.
    Tcp,
    /// Modbus TCP, at this port.
    Port(u16),
    /// Modbus RTU over a serial line: two pseudo-terminals that `socat` joins.
    Serial,
}

/// A running server. It is killed with this handle, and ends by itself when the test does: its standard input is the test's.
pub(crate) struct Server {
    child: Child,
    /// Where a node finds it.
    pub(crate) url: String,
    _memory: NamedTempFile,
    _cable: Option<Cable>,
}

/// The serial line between a node and a server.
struct Cable {
    _socat: Child,
    /// It would end at a pipe that is closed. What it says more fits in.
    _said: BufReader<ChildStderr>,
    ends: [String; 2],
}

impl Peer {
    /// Starts it; `None` if it is not installed and may be missing.
    pub(crate) async fn start(self, memory: &Memory, way: Way) -> Option<Server> {
        let mut command = self.command()?;
        let file = NamedTempFile::new().unwrap();
        std::fs::write(&file, memory.to_string()).unwrap();
        let cable = if way == Way::Serial { Some(self.cable().await?) } else { None };
        command.arg(file.path());
        match (way, &cable) {
            (Way::Port(port), _) => _ = command.arg(port.to_string()),
            (_, Some(Cable { ends: [_, end], .. })) => _ = command.arg(end),
            _ => {}
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let first = line(&mut BufReader::new(child.stdout.take().unwrap())).await;
        let at = first.trim().strip_prefix("PORT ");
        let at = at.unwrap_or_else(|| panic!("{self:?} began with `{first}` rather than its port"));
        let url = match &cable {
            Some(Cable { ends: [end, _], .. }) => format!("rtu://{end}?baud=115200&parity=none&stop=1"),
            None => format!("tcp://127.0.0.1:{at}"),
        };
        Some(Server { child, url, _memory: file, _cable: cable })
    }

    async fn cable(self) -> Option<Cable> {
        let mut command = Command::new(self.installed("/usr/bin/socat".into())?);
        // A node that leaves its end is no reason to hang up: another one comes.
        let end = "pty,rawer,ignoreeof";
        command.args(["-d", "-d", end, end]).stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut socat = command.spawn().unwrap();
        let mut said = BufReader::new(socat.stderr.take().unwrap());
        let mut ends = Vec::new();
        while ends.len() < 2 {
            let line = line(&mut said).await;
            ends.extend(line.trim().split_once(" PTY is ").map(|(_, end)| end.to_owned()));
        }
        Some(Cable { _socat: socat, _said: said, ends: ends.try_into().unwrap() })
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

    fn installed(self, program: PathBuf) -> Option<PathBuf> {
        if program.exists() {
            return Some(program);
        }
        missing(&format!("{self:?}"), &format!("{} is missing; tests/run installs it", program.display()));
        None
    }
}

/// The next line of what was just started.
async fn line(said: &mut BufReader<impl AsyncRead + Unpin>) -> String {
    let mut line = String::new();
    let read = timeout(Duration::from_secs(20), said.read_line(&mut line)).await;
    assert!(matches!(read, Ok(Ok(1..))), "it did not start within 20 s: {read:?}");
    line
}

/// A port that is never given to an outgoing connection. One that is could be given to a client which knocks at it while
/// nothing listens there, and that client would then be connected to itself.
pub(crate) fn port_that_no_client_gets() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 10_000) as u16 + NEXT.fetch_add(1, Ordering::Relaxed);
    (first..32_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("a free port")
}

/// Says that a test is skipped, because a peer is missing; fails where it must not be.
#[expect(clippy::explicit_write, reason = "what `eprintln!` says, a test that passes keeps to itself")]
pub(crate) fn missing(peer: &str, why: &str) {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
    assert!(!is("CI", "true") && !is("FIELDFLOW_PEERS", "required"), "{why}");
    writeln!(std::io::stderr(), "SKIPPED the interop test against {peer}: {why}").unwrap();
}

impl Server {
    /// Ends it as a power cut would: nothing is said to anybody.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
