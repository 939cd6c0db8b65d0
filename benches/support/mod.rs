//! Pipelines for the benches, and the bare loop beside them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fieldflow::config::{self, ProcessEnv};
use fieldflow::diagnostics::Report;
use fieldflow::graph;
use fieldflow::runtime::{Environment, Plan};
use fieldflow::telemetry::Exporter;
use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Node, NodeError, NodeKind, NodeSpec, Outputs, Ports, Position,
    Role, Sink, SystemClock, Transform,
};
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::runtime::Runtime;
use tokio::time::Instant;

static KINDS: LazyLock<Vec<&'static dyn NodeKind>> = LazyLock::new(|| {
    let own: [&'static dyn NodeKind; 2] = [&Pass, &Nowhere];
    fieldflow_nodes::BUILTIN.iter().copied().chain(own).collect()
});

/// A folder on the disk that the build is on: a temporary file system would measure no disk.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        Self { folder: tempfile::tempdir_in(target).expect("the target folder can be written") }
    }

    fn fresh(&self) -> PathBuf {
        tempfile::tempdir_in(&self.folder).expect("the bench's folder can be written").keep()
    }

    /// Runs a pipeline to the end of its input and says how long that took, start and end included.
    fn run(&self, runtime: &Runtime, body: &str) -> Duration {
        let folder = self.fresh();
        let path = folder.join("bench.yaml");
        std::fs::write(&path, format!("version: 1\nname: bench\n{body}")).expect("the file can be written");
        let mut report = Report::default();
        let graph =
            config::load(&path, &KINDS, &ProcessEnv, &mut report).and_then(|file| graph::check(&file, &mut report));
        let graph = graph.unwrap_or_else(|| panic!("{}", report.render_human(false)));
        let exporter = Exporter::new().expect("an exporter");
        let environment = Environment { data_dir: folder.clone(), clock: Arc::new(SystemClock), exporter: &exporter };
        let plan = Plan::new(&graph, &environment).expect("a plan");
        let took = runtime.block_on(async {
            let began = Instant::now();
            let finished = plan.start().run_until(std::future::pending(), Duration::from_secs(60)).await;
            assert!(finished.drained && finished.broken.is_none(), "{finished:?}");
            began.elapsed()
        });
        std::fs::remove_dir_all(&folder).expect("the folder can be removed");
        took
    }

    /// A chain of this many nodes between a generator of 1,000 tags and a sink that forgets, on one thread.
    pub(crate) fn chain(&self, node: &str, length: usize, records: u64) -> Duration {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let nodes: String = (0..length).map(|n| format!("  n{n}: {node}\n")).collect();
        let chain: String = (0..length).map(|n| format!("n{n} -> ")).collect();
        let body =
            format!("nodes:\n{}{nodes}  out: {{ type: nowhere }}\nedges:\n  - gen -> {chain}out\n", generator(records));
        self.run(&runtime, &body)
    }
}

/// Ramps of 1,000 tags, so that no value repeats.
fn generator(records: u64) -> String {
    let tags: String = (0..1000).map(|n| format!("\"t.{n}\": {{ counter: {{}} }}, ")).collect();
    format!("  gen: {{ type: generate, rate: max, batch: 256, count: {records}, tags: {{ {tags} }} }}\n")
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
        super::SCALE,
    );
    bench.run(&runtime, &body)
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

/// No options.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A transform that passes everything on: what is left is the cost of the hop.
struct Pass;

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

/// A sink that forgets.
struct Nowhere;

impl NodeSpec for Nowhere {
    const TYPE: &'static str = "nowhere";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = "{}";
    type Config = Nothing;
    fn ports(_: &Nothing) -> Ports {
        Ports::sink(Carries::Any)
    }
    fn build(_: Nothing, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Self))
    }
}

impl Sink for Nowhere {
    async fn connect(&mut self) -> Result<(), NodeError> {
        Ok(())
    }
    async fn write(&mut self, _: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        Ok(())
    }
}
