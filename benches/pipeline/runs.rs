//! What is measured: chains of nodes, rows into SQLite, a backlog on disk; and the bare loop beside them.

use std::future::pending;
use std::sync::LazyLock;
use std::time::Duration;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Node, NodeError, NodeSpec, Outputs, Ports, Position, Role, Sink,
    Transform,
};
use rusqlite::Connection;
use tokio::sync::watch;
use tokio::time::Instant;

use super::SCALE;
use super::support::{Bench, Nothing, two_workers};

/// A chain of this many nodes between a generator of 1,000 tags and a sink that forgets, on one thread.
pub(crate) fn chain(bench: &Bench, node: &str, length: usize, records: u64) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let nodes: String = (0..length).map(|n| format!("  n{n}: {node}\n")).collect();
    let chain: String = (0..length).map(|n| format!("n{n} -> ")).collect();
    let body =
        format!("nodes:\n{}{nodes}  out: {{ type: nowhere }}\nedges:\n  - gen -> {chain}out\n", generator(records));
    bench.run(&runtime, &body, pending())
}

/// Ramps of 1,000 tags, so that no value repeats.
fn generator(records: u64) -> String {
    let tags: String = (0..1000).map(|n| format!("\"t.{n}\": {{ counter: {{}} }}, ")).collect();
    format!("  gen: {{ type: generate, rate: max, batch: 256, count: {records}, tags: {{ {tags} }} }}\n")
}

/// generator → durable edge → sqlite.
pub(crate) fn durable_rows(bench: &Bench, rows: u64) -> Duration {
    let body = format!(
        "nodes:\n{}  store: {STORE}\nedges:\n  - gen -> store: {{ durable: true, capacity: 65536 }}\n",
        generator(rows)
    );
    bench.run(&two_workers(), &body, pending())
}

/// What a backlog costs, in one folder: taking it in while the sink stands still, opening it, and draining it into a sink that
/// forgets.
pub(crate) struct Backlog {
    /// Until everything was acknowledged.
    pub(crate) ingest: Duration,
    /// From the start to the first record that came from it.
    pub(crate) open: Duration,
    /// From the first record to the last.
    pub(crate) drain: Duration,
    /// How large it was on disk.
    pub(crate) bytes: u64,
}

/// Builds a backlog of this many records and drains it.
pub(crate) fn backlog(bench: &Bench, rows: u64) -> Backlog {
    let folder = bench.fresh();
    let runtime = two_workers();
    let edges = "edges:\n  - gen -> out: { durable: true, capacity: 65536, max_bytes: 64GiB }\n";
    let nodes = |count| format!("nodes:\n{}  out: {{ type: gate }}\n{edges}", generator(count));
    OPEN.send_replace(false);
    let (ingest, bytes) = runtime.block_on(async {
        let running = bench.plan(&folder, &nodes(rows)).start();
        let (observer, began) = (running.observer(), Instant::now());
        let resolved = async {
            loop {
                let source = observer.snapshot().nodes[0].source.expect("a source");
                // Every batch was sent and acknowledged.
                if source.resolved.iter().sum::<u64>() == rows.div_ceil(256) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let mut ingest = Duration::ZERO;
        let watch = async {
            resolved.await;
            ingest = began.elapsed();
        };
        running.run_until(watch, Duration::from_millis(100)).await;
        (ingest, observer.snapshot().edges[0].disk_bytes.expect("a durable edge"))
    });
    OPEN.send_replace(true);
    let (open, drain) = runtime.block_on(async {
        let began = Instant::now();
        let running = bench.plan(&folder, &nodes(1)).start();
        let observer = running.observer();
        let written = || observer.snapshot().nodes[1].written;
        let mut first = Duration::ZERO;
        let watch = async {
            while written() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            first = began.elapsed();
            while written() < rows {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        running.run_until(watch, Duration::from_secs(10)).await;
        (first, began.elapsed().saturating_sub(first))
    });
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    Backlog { ingest, open, drain, bytes }
}

const STORE: &str = "{ type: sqlite, path: bench.db, durability: power, flush: { rows: 5000, every: 50ms } }";

/// Whether the gate is open.
static OPEN: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(true));

/// A sink that forgets, while its gate is open.
pub(crate) struct Gate;

impl NodeSpec for Gate {
    const TYPE: &'static str = "gate";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = "";
    type Config = Nothing;
    fn ports(_: &Nothing) -> Ports {
        Ports::sink(Carries::Any)
    }
    fn build(_: Nothing, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Self))
    }
}

impl Sink for Gate {
    async fn connect(&mut self) -> Result<(), NodeError> {
        Ok(())
    }
    async fn write(&mut self, _: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        OPEN.subscribe().wait_for(|open| *open).await.map(drop).map_err(|_| NodeError::Ended)
    }
}

/// generator → scale → dedupe → sqlite, on two workers.
pub(crate) fn sqlite_rows(bench: &Bench, durability: &str, rows: u64) -> Duration {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let body = format!(
        "nodes:\n{}  eng: {}\n  chg: {{ type: dedupe }}\n  \
         store: {{ type: sqlite, path: bench.db, durability: {durability}, flush: {{ rows: 5000, every: 50ms }} }}\n\
         edges:\n  - {{ gen -> eng -> chg -> store: {{ capacity: 16384 }} }}\n",
        generator(rows),
        SCALE,
    );
    bench.run(&runtime, &body, pending())
}

/// The bare loop: one prepared insert a row, 5,000 rows a transaction, the sink's own table and PRAGMAs.
pub(crate) fn bare_inserts(bench: &Bench, durability: &str, rows: u64) -> Duration {
    let folder = bench.fresh();
    let synchronous = if durability == "power" { "FULL" } else { "NORMAL" };
    let connection = Connection::open(folder.join("bare.db")).expect("a database");
    connection
        .execute_batch(&format!(
            "PRAGMA page_size=4096; PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA wal_autocheckpoint=1000;
             CREATE TABLE hot(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, tag INTEGER NOT NULL, value ANY, \
             quality INTEGER NOT NULL) STRICT;"
        ))
        .expect("a table");
    let began = Instant::now();
    let mut insert =
        connection.prepare("INSERT INTO hot(time, tag, value, quality) VALUES (?, ?, ?, ?)").expect("a statement");
    for first in (0..rows).step_by(5000) {
        connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
        for row in first..(first + 5000).min(rows) {
            let values = (1_767_225_600_000_000 + row as i64, (row % 1000) as i64, row as f64 * 0.1, 0_i64);
            insert.execute(values).expect("a row");
        }
        connection.execute_batch("COMMIT").expect("a commit");
    }
    let took = began.elapsed();
    drop(insert);
    drop(connection);
    std::fs::remove_dir_all(&folder).expect("the folder can be removed");
    took
}

pub(crate) fn nanos(took: Duration, records: u64) -> f64 {
    took.as_nanos() as f64 / records as f64
}

/// A transform that passes everything on: what is left is the cost of the hop.
pub(crate) struct Pass;

impl NodeSpec for Pass {
    const TYPE: &'static str = "pass";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "{}";
    type Config = Nothing;
    fn ports(_: &Nothing) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }
    fn build(_: Nothing, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Self))
    }
}

impl Transform for Pass {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        out.emit(batch);
        Ok(())
    }
}
