//! asyncua, as it is started, told what to do, stopped and killed.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::peers::{missing, port_that_no_client_gets};

/// A running server. It is killed with this handle, and ends by itself when the test does.
pub(super) struct Server {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    pub(super) port: u16,
    pub(super) url: String,
}

impl Server {
    /// Starts it at a free port; `None` if it is not installed and may be missing.
    pub(super) async fn start(options: &[&str]) -> Option<Self> {
        Self::at(port_that_no_client_gets(), options).await
    }

    /// Starts it at this port.
    pub(super) async fn at(port: u16, options: &[&str]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/interop/venv/bin/python");
        if !python.with_file_name("uasubscribe").exists() {
            missing("asyncua", &format!("asyncua in {} is missing; tests/run installs it", python.display()));
            return None;
        }
        let mut command = Command::new(python);
        command.arg(root.join("tests/interop/asyncua_server.py")).arg(port.to_string()).args(options);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(Duration::from_secs(240), answers.next_line()).await.expect("it starts").unwrap();
        assert_eq!(first, Some(format!("PORT {port}")));
        Some(Self { child, commands, answers, port, url: format!("opc.tcp://127.0.0.1:{port}") })
    }

    /// Gives it a command, and waits until it is done.
    pub(super) async fn tell(&mut self, command: &serde_json::Value) {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let answer = timeout(Duration::from_secs(20), self.answers.next_line()).await.expect("it answers").unwrap();
        assert_eq!(answer.as_deref(), Some("OK"), "{command}");
    }

    /// Ends it as a power cut would.
    pub(super) async fn kill(mut self) -> u16 {
        self.child.kill().await.unwrap();
        self.port
    }

    /// Has it stand still, or go on.
    pub(super) async fn signal(&self, signal: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("sh").args(["-c", "kill -$0 $1", signal, &id]).status().await.unwrap();
        assert!(sent.success());
    }
}
