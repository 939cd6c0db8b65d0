//! asyncua and node-opcua, as the interop tests start them.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::ITEMS;

/// A running server. It is killed with this handle.
pub(crate) struct Server {
    child: Child,
    pub(crate) name: &'static str,
    pub(crate) url: String,
}

impl Server {
    /// `None` if it is not installed, which is said.
    pub(crate) fn asyncua() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = root.join("target/interop/venv/bin/python");
        let mut command = Command::new(&python);
        command.arg(root.join("tests/interop/asyncua_server.py"));
        Self::start("asyncua", &python.with_file_name("uasubscribe"), command, None)
    }

    /// `None` if it is not installed, which is said.
    pub(crate) fn node_opcua(folder: &Path) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let modules = root.join("target/interop/npm/node_modules");
        let mut command = Command::new("node");
        command.arg(root.join("tests/interop/node_opcua_server.js")).env("NODE_OPCUA", &modules);
        Self::start("node-opcua", &modules.join("node-opcua-server"), command, Some(folder))
    }

    #[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
    fn start(name: &'static str, installed: &Path, mut command: Command, folder: Option<&Path>) -> Option<Self> {
        if !installed.exists() {
            println!("SKIPPED {name}: {} is missing (tests/run installs it)", installed.display());
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port").port();
        command.arg(port.to_string()).args(folder);
        command.args(["--every", "1000", "--items", &ITEMS.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("the server starts");
        let mut said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let ready = format!("PORT {port}");
        assert!(said.any(|line| line.is_ok_and(|line| line == ready)), "{name} did not start");
        // What it says more must go somewhere.
        std::thread::spawn(move || said.for_each(drop));
        Some(Self { child, name, url: format!("opc.tcp://127.0.0.1:{port}") })
    }

    /// Seconds of processor time that it has used; Linux counts in hundredths.
    pub(crate) fn processor_time(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().expect("ticks")).sum();
        ticks / 100.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It holds nothing that anybody wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
