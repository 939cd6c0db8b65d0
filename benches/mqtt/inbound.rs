//! What storing messages costs: QoS 1 from Mosquitto, acknowledged after the commit into SQLite, beside the node with nothing behind
//! it and beside a client that only counts.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::broker::{Bare, Mosquitto};
use super::support::{Bench, Nothing, median, two_workers};
use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, DynSink, Node, NodeError, NodeSpec, Outcome, Ports, Position, Role, Sink,
    SystemClock,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

const ROUNDS: usize = 5;
const MESSAGES: u64 = 100_000;

/// Records that are in SQLite; who waits is told when all of them are.
static STORED: AtomicU64 = AtomicU64::new(0);
static DONE: Notify = Notify::const_new();

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
pub(super) fn run() {
    let bench = Bench::new(&[&Store]);
    let Some(broker) = Mosquitto::start(&bench.fresh(), "max_queued_messages 0") else { return };
    println!("{MESSAGES} messages of QoS 1 that wait in Mosquitto on the same box; median of {ROUNDS}, in turn");
    let (mut bare, mut node, mut stored) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare_loop(&bench, &broker));
        node.push(counted(&bench, &broker));
        stored.push(committed(&bench, &broker));
    }
    let (bare, node, stored) = (median(bare), median(node), median(stored));
    println!("  a client that only counts               {bare:>10} messages/s");
    println!("  the node with nothing behind it         {node:>10} messages/s");
    println!("  mqtt → sqlite, acknowledged after       {stored:>10} messages/s");
    println!("  ratio to the client that only counts    {:>10.2} (at least 0.70)", stored as f64 / bare as f64);
}

fn options(broker: &Mosquitto) -> Value {
    json!({
        "url": format!("mqtt://127.0.0.1:{}", broker.port), "topics": ["bench/#"], "payload": "json", "client_id": "bench",
    })
}

/// A client and nothing else: each message is acknowledged as it comes.
fn bare_loop(bench: &Bench, broker: &Mosquitto) -> u64 {
    let mut bare = Bare::connect(broker, "bare", false);
    bare.subscribe("bare/#");
    drop(bare);
    fill(broker, bench, "bare");
    let rate = rate(Bare::connect(broker, "bare", false).count(MESSAGES));
    // Its session would keep what the others are to get.
    drop(Bare::connect(broker, "bare", true));
    rate
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
    fill(broker, bench, "bench");
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
    fill(broker, bench, "bench");
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

/// Publishes all messages; they wait for the client whose session is there.
fn fill(broker: &Mosquitto, bench: &Bench, to: &str) {
    let body = format!(
        "nodes:\n  in: {{ type: generate, rate: max, count: {MESSAGES}, tags: {{ n: {{ counter: {{}} }} }} }}\n  \
         out: {{ type: mqtt_forward, url: \"mqtt://127.0.0.1:{}\", topic: \"{to}/{{tag}}\", in_flight: 100 }}\n\
         edges:\n  - in -> out: {{ durable: false }}\n",
        broker.port
    );
    let _ = bench.run(&two_workers(), &body, std::future::pending());
}
