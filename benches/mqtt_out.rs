//! What forwarding costs: messages of QoS 1 to Mosquitto, from a durable edge beside the same client from memory.

mod support;

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::{Bench, median, two_workers};

const ROUNDS: usize = 5;
const RECORDS: u64 = 200_000;
const BROKER: &str = "/usr/sbin/mosquitto";

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    if !Path::new(BROKER).exists() {
        println!("SKIPPED: there is no {BROKER} (apt-get install mosquitto)");
        return;
    }
    let bench = Bench::new(&[]);
    let broker = Mosquitto::start(&bench.fresh());
    println!(
        "{RECORDS} records as messages of QoS 1, a window of 100, Mosquitto on the same box; median of {ROUNDS}, in turn"
    );
    let (mut memory, mut durable) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        memory.push(forwarded(&bench, broker.port, false));
        durable.push(forwarded(&bench, broker.port, true));
    }
    let (memory, durable) = (median(memory), median(durable));
    println!("  mqtt_forward from memory            {memory:>10} messages/s");
    println!("  mqtt_forward from a durable edge    {durable:>10} messages/s");
    println!("  ratio                               {:>10.2} (at least 0.70)", durable as f64 / memory as f64);
}

/// Messages a second, from the start of the pipeline to the last acknowledgement.
fn forwarded(bench: &Bench, port: u16, is_durable: bool) -> u64 {
    let body = format!(
        "nodes:\n  in: {{ type: generate, rate: max, count: {RECORDS}, tags: {{ n: {{ counter: {{}} }} }} }}\n  \
         cloud: {{ type: mqtt_forward, url: \"mqtt://127.0.0.1:{port}\", topic: \"bench/{{tag}}\", in_flight: 100 }}\n\
         edges:\n  - in -> cloud: {{ durable: {is_durable} }}\n"
    );
    let took = bench.run(&two_workers(), &body, std::future::pending());
    (RECORDS as f64 / took.as_secs_f64()) as u64
}

/// A broker that takes a hundred messages at once. It is killed with this handle.
struct Mosquitto {
    child: Child,
    port: u16,
}

impl Mosquitto {
    #[expect(clippy::disallowed_methods, reason = "nothing is told when a broker begins to listen")]
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port").port();
        let config = folder.join("mosquitto.conf");
        let text =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 100\nlog_dest none\n");
        std::fs::write(&config, text).expect("the folder can be written");
        let mut command = Command::new(BROKER);
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("Mosquitto starts");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, port }
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It holds nothing that anybody wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
