//! Mosquitto: a broker that nobody here wrote, and its clients; and the real binary that talks to it.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::peers::{missing, port_that_no_client_gets};

/// Longer than anything here takes on a machine that has other work as well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
const BROKER: &str = "/usr/sbin/mosquitto";

/// A running broker. It is killed with this handle.
pub(crate) struct Mosquitto {
    child: Child,
    dir: TempDir,
    pub(crate) port: u16,
    /// Of its WebSocket.
    pub(crate) web: u16,
}

impl Mosquitto {
    /// Starts it on free ports; `None` if it is not installed and may be missing. `more` is for its configuration, where
    /// `DIR` is its own folder.
    pub(crate) async fn start(more: &str) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let (port, web) = (port_that_no_client_gets(), port_that_no_client_gets());
        let folder = dir.path().display();
        let config = format!(
            "per_listener_settings false\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n\
             max_queued_messages 0\nsys_interval 1\nlog_dest file {folder}/log\n\
             listener {port} 127.0.0.1\n{}\nlistener {web} 127.0.0.1\nprotocol websockets\n",
            more.replace("DIR", &folder.to_string())
        );
        fs::write(dir.path().join("mosquitto.conf"), config).unwrap();
        let child = Self::spawn(dir.path());
        let broker = Self { child, dir, port, web };
        broker.is_there().await;
        Some(broker)
    }

    fn spawn(dir: &Path) -> Child {
        let mut command = Command::new(BROKER);
        // As root it would become another user, who may not write here.
        let config = fs::read_to_string(dir.join("mosquitto.conf")).unwrap();
        if !config.contains("\nuser ") {
            fs::write(dir.join("mosquitto.conf"), format!("{config}user root\n")).unwrap();
        }
        command.arg("-c").arg(dir.join("mosquitto.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(dir.join("stderr")).unwrap());
        command.kill_on_drop(true).spawn().unwrap()
    }

    async fn is_there(&self) {
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            let said = || fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < end, "mosquitto did not start:\n{}", said());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Stops it in peace, so that it writes down what it holds, and starts it again.
    pub(crate) async fn restart(&mut self, meanwhile: Duration) {
        signal(&self.child, "TERM").await;
        timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        sleep(meanwhile).await;
        self.child = Self::spawn(self.dir.path());
        self.is_there().await;
    }

    /// Publishes lines to a topic, and waits until the broker has acknowledged all of them.
    pub(crate) async fn publish(&self, topic: &str, options: &[&str], lines: impl Iterator<Item = String>) {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", topic, "-l"]).args(options);
        let mut child = command.stdin(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        // It may keep the last lines to itself as long as there can be more of them.
        let mut stdin = child.stdin.take().unwrap();
        for line in lines {
            stdin.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        }
        drop(stdin);
        let status = timeout(PATIENCE, child.wait()).await.expect("the broker takes it").unwrap();
        assert!(status.success(), "mosquitto_pub ended with {status}");
    }

    /// Asks as `mosquitto_rr` does, with these options; the correlation data and the answer, if one comes.
    pub(crate) async fn ask(
        &self,
        topic: &str,
        message: &str,
        options: &[&str],
    ) -> Option<(String, serde_json::Value)> {
        let mut command = Command::new("mosquitto_rr");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-V", "5", "-q", "1", "-W", "10"]);
        command.args(["-t", topic, "-m", message, "-F", "%D %p"]).args(options);
        let answer = timeout(PATIENCE, command.kill_on_drop(true).output()).await.expect("it waits no longer").unwrap();
        let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
        let (correlation, json) = answer.trim().split_once(' ')?;
        Some((correlation.to_owned(), serde_json::from_str(json).unwrap()))
    }

    /// The retained message of a topic.
    pub(crate) async fn hear(&self, topic: &str) -> String {
        let mut command = Command::new("mosquitto_sub");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-t", topic, "-C", "1"]);
        let heard = timeout(PATIENCE, command.kill_on_drop(true).output()).await.expect("something to hear").unwrap();
        String::from_utf8_lossy(&heard.stdout).trim().to_owned()
    }
}

fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).exists());
    let is = Path::new(BROKER).exists() && is_there("mosquitto_pub") && is_there("mosquitto_sub");
    if !is {
        missing("Mosquitto", "mosquitto and mosquitto-clients are missing; tests/run installs them");
    }
    is
}

pub(crate) async fn signal(child: &Child, name: &str) {
    let id = child.id().expect("it runs").to_string();
    // The shell's own `kill`: a slim Debian has no other.
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} $0"), &id]).status().await.unwrap();
    assert!(sent.success());
}

/// A pipeline file with its data, run again and again.
pub(crate) struct Flow {
    dir: TempDir,
}

/// One run of it. It is killed with this handle.
pub(crate) struct Run {
    child: Child,
    records: Lines<BufReader<ChildStdout>>,
    folder: PathBuf,
}

impl Flow {
    /// `source` is the YAML of the options of an `mqtt` node in one line, `sink` that of what it leads to.
    pub(crate) fn new(source: &str, sink: &str) -> Self {
        let mut file = "version: 1\nname: interop\nnodes:\n".to_owned();
        writeln!(file, "  meters: {{ type: mqtt, {source} }}\n  out: {{ {sink} }}\nedges:\n  - meters -> out").unwrap();
        Self::of(&file)
    }

    /// A pipeline file as it is.
    pub(crate) fn of(file: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("interop.yaml"), file).unwrap();
        Self { dir }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn start(&self, listen: &str) -> Run {
        let mut child = Command::new(env!("CARGO_BIN_EXE_fieldflow"))
            .args(["run", "interop.yaml", "--data-dir", "data", "--listen", listen])
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::options().create(true).append(true).open(self.dir.path().join("stderr")).unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let records = BufReader::new(child.stdout.take().unwrap()).lines();
        Run { child, records, folder: self.dir.path().to_owned() }
    }
}

impl Run {
    /// The next record that came out, as JSON.
    pub(crate) async fn next(&mut self) -> serde_json::Value {
        let line = timeout(PATIENCE, self.records.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("nothing came within {PATIENCE:?}:\n{}", self.said())).unwrap();
        let line = line.unwrap_or_else(|| panic!("the pipeline ended by itself:\n{}", self.said()));
        serde_json::from_str(&line).unwrap()
    }

    /// Waits for a record of this topic.
    pub(crate) async fn until(&mut self, topic: &str) {
        while self.next().await["tag"] != topic {}
    }

    /// Waits until it says this on stderr.
    pub(crate) async fn says(&self, words: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.said().contains(words) {
            assert!(Instant::now() < end, "it never said `{words}`:\n{}", self.said());
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to stop, and sees that it does so in peace.
    pub(crate) async fn stop(mut self) {
        signal(&self.child, "TERM").await;
        let end = timeout(PATIENCE, async {
            while self.records.next_line().await.unwrap().is_some() {}
            self.child.wait().await.unwrap()
        });
        let status = end.await.unwrap_or_else(|_| panic!("did not stop:\n{}", self.said()));
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).unwrap_or_default()
    }
}

/// What `/metrics` says at a port.
pub(crate) async fn metrics(port: u16) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut all = String::new();
    stream.read_to_string(&mut all).await.unwrap();
    all
}
