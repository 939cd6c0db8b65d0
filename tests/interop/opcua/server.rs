//! asyncua and node-opcua, as they are started, told what to do, stopped and killed.

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
        Some(Self::run(command, port).await)
    }

    /// Starts node-opcua at this port, with its certificates in this folder.
    pub(super) async fn node(port: u16, folder: &Path, options: &[&str]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let modules = root.join("target/interop/npm/node_modules");
        if !modules.join("node-opcua-server").exists() {
            missing("node-opcua", &format!("node-opcua in {} is missing; tests/run installs it", modules.display()));
            return None;
        }
        let mut command = Command::new("node");
        command.arg(root.join("tests/interop/node_opcua_server.js")).arg(port.to_string()).arg(folder).args(options);
        command.env("NODE_OPCUA", modules);
        Some(Self::run(command, port).await)
    }

    async fn run(mut command: Command, port: u16) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let commands = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let started = timeout(Duration::from_secs(240), async {
            // Some have more to say.
            while let Some(line) = answers.next_line().await.unwrap() {
                if line == format!("PORT {port}") {
                    return true;
                }
            }
            false
        });
        assert!(started.await.expect("it starts"));
        Self { child, commands, answers, port, url: format!("opc.tcp://127.0.0.1:{port}") }
    }

    /// Gives it a command, and waits until it is done.
    pub(super) async fn tell(&mut self, command: &serde_json::Value) {
        self.commands.write_all(format!("{command}\n").as_bytes()).await.unwrap();
        let answered = timeout(Duration::from_secs(20), async {
            while self.answers.next_line().await.unwrap().expect("it runs") != "OK" {}
        });
        answered.await.unwrap_or_else(|_| panic!("no answer to {command}"));
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
