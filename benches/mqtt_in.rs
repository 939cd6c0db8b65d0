//! What storing messages costs: QoS 1 from Mosquitto, acknowledged after the commit into SQLite, beside a loop around the same
//! client that only counts.

mod support;

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, DynSink, Node, NodeError, NodeSpec, Outcome, Ports, Position, Role, Sink,
    SystemClock,
};
use serde_json::{Value, json};
use support::{Bench, Nothing, median, two_workers};
use tokio::sync::Notify;
use tokio::time::Instant;

const ROUNDS: usize = 5;
const MESSAGES: u64 = 100_000;
const BROKER: &str = "/usr/sbin/mosquitto";

/// Records that are in SQLite; who waits is told when all of them are.
static STORED: AtomicU64 = AtomicU64::new(0);
static DONE: Notify = Notify::const_new();

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn main() {
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    if !Path::new(BROKER).exists() {
        println!("SKIPPED: there is no {BROKER} (apt-get install mosquitto)");
        return;
    }
    let bench = Bench::new(&[&Store]);
    let broker = Mosquitto::start(&bench.fresh());
    println!("{MESSAGES} messages of QoS 1 that wait in Mosquitto on the same box; median of {ROUNDS}, in turn");
    let (mut bare, mut stored) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(counted(&bench, &broker));
        stored.push(committed(&bench, &broker));
    }
    let (bare, stored) = (median(bare), median(stored));
    println!("  a loop around the client that counts    {bare:>10} messages/s");
    println!("  mqtt → sqlite, acknowledged after       {stored:>10} messages/s");
    println!("  ratio                                   {:>10.2} (at least 0.70)", stored as f64 / bare as f64);
}

fn options(broker: &Mosquitto) -> Value {
    json!({
        "url": format!("mqtt://127.0.0.1:{}", broker.port), "topics": ["bench/#"], "payload": "json", "client_id": "bench",
    })
}

/// The node by itself: each batch is acknowledged as soon as it is counted.
fn counted(bench: &Bench, broker: &Mosquitto) -> u64 {
    let folder = bench.fresh();
    let Node::Source(mut source) = node("mqtt", options(broker), &folder) else { panic!("mqtt is a source") };
    let runtime = two_workers();
    runtime.block_on(async {
        source.connect().await.expect("the broker is there");
        source.close().await;
    });
    broker.fill(bench);
    runtime.block_on(async {
        let began = Instant::now();
        source.connect().await.expect("the broker is there");
        let mut count = 0;
        while count < MESSAGES {
            let delivery = source.read().await.expect("messages");
            count += delivery.batch.len() as u64;
            delivery.ack.resolve(Outcome::Delivered);
        }
        let took = began.elapsed();
        source.close().await;
        rate(took)
    })
}

/// The pipeline, from its first message to the last commit.
fn committed(bench: &Bench, broker: &Mosquitto) -> u64 {
    broker.fill(bench);
    STORED.store(0, Ordering::Relaxed);
    let body = format!("nodes:\n  in: {}\n  store: {{ type: bench_store }}\nedges:\n  - in -> store\n", {
        let mut options = options(broker);
        options["type"] = json!("mqtt");
        options
    });
    let took = std::sync::Mutex::new(Duration::ZERO);
    let began = Instant::now();
    let _ = bench.run(&two_workers(), &body, async {
        DONE.notified().await;
        *took.lock().expect("nobody panicked") = began.elapsed();
    });
    rate(took.into_inner().expect("nobody panicked"))
}

fn rate(took: Duration) -> u64 {
    (MESSAGES as f64 / took.as_secs_f64()) as u64
}

/// A node of the house.
fn node(kind: &str, options: Value, folder: &Path) -> Node {
    let kind = fieldflow_nodes::BUILTIN.iter().find(|known| known.type_name() == kind).expect("a node of the house");
    let prepared = kind.prepare(options).unwrap_or_else(|finding| panic!("{}", finding.message));
    prepared.build(&BuildContext::alone("bench", folder, Arc::new(SystemClock))).expect("a node")
}

/// `sqlite`, watched.
struct Store;
struct Watched(Box<dyn DynSink>);

impl NodeSpec for Store {
    const TYPE: &'static str = "bench_store";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = "{}";
    type Config = Nothing;
    fn ports(_: &Nothing) -> Ports {
        Ports::sink(Carries::Any)
    }
    fn build(_: Nothing, context: &BuildContext) -> Result<Node, BuildError> {
        let kind = fieldflow_nodes::BUILTIN.iter().find(|kind| kind.type_name() == "sqlite").expect("the house has it");
        let prepared = kind.prepare(json!({ "path": "bench.db" })).map_err(|finding| BuildError(finding.message))?;
        match prepared.build(context)? {
            Node::Sink(sink) => Ok(Node::sink(Watched(sink))),
            _ => Err(BuildError("sqlite is a sink".to_owned())),
        }
    }
}

impl Sink for Watched {
    async fn connect(&mut self) -> Result<(), NodeError> {
        self.0.connect().await
    }
    fn gather(&self) -> fieldflow_contract::Gather {
        self.0.gather()
    }
    async fn positions(&mut self) -> Result<Vec<Position>, NodeError> {
        self.0.positions().await
    }
    async fn write(&mut self, batches: &[Batch], positions: &[Position]) -> Result<(), NodeError> {
        self.0.write(batches, positions).await?;
        let count = batches.iter().map(|batch| batch.len() as u64).sum::<u64>();
        if MESSAGES <= STORED.fetch_add(count, Ordering::Relaxed) + count {
            DONE.notify_one();
        }
        Ok(())
    }
    async fn close(&mut self) {
        self.0.close().await;
    }
}

/// A broker that keeps as much as comes. It is killed with this handle.
struct Mosquitto {
    child: Child,
    port: u16,
}

impl Mosquitto {
    fn start(folder: &Path) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a free port").port();
        let config = folder.join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nlog_dest none\n");
        std::fs::write(&config, text).expect("the folder can be written");
        let mut command = Command::new(BROKER);
        command.arg("-c").arg(config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("Mosquitto starts");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Self { child, port }
    }

    /// Publishes all messages; they wait for the client whose session is there.
    fn fill(&self, bench: &Bench) {
        let body = format!(
            "nodes:\n  in: {{ type: generate, rate: max, count: {MESSAGES}, tags: {{ n: {{ counter: {{}} }} }} }}\n  \
             out: {{ type: mqtt_forward, url: \"mqtt://127.0.0.1:{}\", topic: \"bench/{{tag}}\", in_flight: 100 }}\n\
             edges:\n  - in -> out: {{ durable: false }}\n",
            self.port
        );
        let _ = bench.run(&two_workers(), &body, std::future::pending());
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        // It holds nothing that anybody wants.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
