//! What nodes keep over a restart, on virtual time: nodes that count, and a pipeline that is stopped, killed and started again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fieldflow::runtime::{Finished, Running};
use fieldflow::telemetry::Exporter;
use fieldflow_contract::*;
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::probes::{Probe, probe};
use super::{GRACE, numbers, plan_in};

/// Counts in its document, and tells its probe.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CountConfig {
    id: String,
    /// The transform stores when there is no more input, rather than after each batch.
    #[serde(default)]
    at_the_end: bool,
}

/// Counts its connects; it has nothing to read, and never ends.
pub(crate) struct CountSource;
/// Counts the batches.
pub(crate) struct CountTransform;
/// Counts its connects.
pub(crate) struct CountSink;

struct Counter {
    at_the_end: bool,
    probe: Arc<Probe>,
    saved: Saved,
    /// As it is stored; not known before the first verb.
    count: Option<i64>,
}

impl Counter {
    fn new(config: &CountConfig, context: &BuildContext) -> Self {
        context.saved.keep();
        let saved = context.saved.clone();
        Self { at_the_end: config.at_the_end, probe: probe(&config.id), saved, count: None }
    }

    fn count(&mut self) {
        let kept = || self.saved.load().map_or(0, |bytes| String::from_utf8(bytes).unwrap().parse().unwrap());
        let count = self.count.unwrap_or_else(kept) + 1;
        self.count = Some(count);
        self.probe.written.lock().unwrap().push(count);
    }

    fn store(&self) {
        self.saved.store(self.count.unwrap_or_default().to_string().into_bytes()).unwrap();
    }
}

impl NodeSpec for CountSource {
    const TYPE: &'static str = "count_source";
    const ROLE: Role = Role::Source;
    const EXAMPLE: &'static str = "id: a";
    type Config = CountConfig;
    fn ports(_: &CountConfig) -> Ports {
        Ports::source(Carries::Values)
    }
    fn build(config: CountConfig, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::source(Counter::new(&config, context)))
    }
}

impl Source for Counter {
    async fn connect(&mut self) -> Result<(), NodeError> {
        self.count();
        self.store();
        Ok(())
    }
    async fn read(&mut self) -> Result<Delivery, NodeError> {
        std::future::pending().await
    }
}

impl NodeSpec for CountTransform {
    const TYPE: &'static str = "count_transform";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "id: a";
    type Config = CountConfig;
    fn ports(_: &CountConfig) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }
    fn build(config: CountConfig, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Counter::new(&config, context)))
    }
}

impl Transform for Counter {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        self.count();
        if !self.at_the_end {
            self.store();
        }
        out.emit(batch);
        Ok(())
    }
    fn finish(&mut self, _: Timestamp, _: &mut Outputs) {
        self.store();
    }
}

impl NodeSpec for CountSink {
    const TYPE: &'static str = "count_sink";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = "id: a";
    type Config = CountConfig;
    fn ports(_: &CountConfig) -> Ports {
        Ports::sink(Carries::Any)
    }
    fn build(config: CountConfig, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Counter::new(&config, context)))
    }
}

impl Sink for Counter {
    async fn connect(&mut self) -> Result<(), NodeError> {
        self.count();
        self.store();
        Ok(())
    }
    async fn write(&mut self, _: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        Ok(())
    }
}

fn start(dir: &Path, body: &str) -> Running {
    plan_in(dir, body, &Exporter::new().unwrap(), true).start()
}

/// Runs a pipeline of this folder for so long.
async fn run(dir: &Path, body: &str, time: Duration) -> Finished {
    start(dir, body).run_until(sleep(time), GRACE).await
}

fn state(dir: &Path) -> Connection {
    Connection::open(dir.join("test/state.db")).unwrap()
}

/// Five batches within a second.
fn five(id: &str, options: &str) -> String {
    format!(
        "nodes: {{ a: {{ type: script, id: {id}.a, batches: 5, every: 100ms }}, s: {{ type: count_source, id: {id}.s }}, \
         n: {{ type: count_transform, id: {id}.n{options} }}, b: {{ type: count_sink, id: {id}.b }} }}\n\
         edges: [a -> n -> b, s -> b]"
    )
}

const WHILE: Duration = Duration::from_secs(3);

#[tokio::test(start_paused = true)]
async fn what_a_node_keeps_is_there_before_its_first_verb() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        assert!(run(dir.path(), &five("k1", ""), WHILE).await.drained);
    }
    assert_eq!(probe("k1.s").written(), numbers(1..4));
    assert_eq!(probe("k1.n").written(), numbers(1..16));
    assert_eq!(probe("k1.b").written(), numbers(1..4));
    assert!(!dir.path().join("test/state.db-wal").metadata().is_ok_and(|log| log.len() != 0), "closed in peace");
}

#[tokio::test(start_paused = true)]
async fn what_a_node_stores_at_its_end_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        run(dir.path(), &five("k2", ", at_the_end: true"), WHILE).await;
    }
    assert_eq!(probe("k2.n").written(), numbers(1..11));
}

#[tokio::test(start_paused = true)]
async fn a_kill_costs_the_last_second_and_no_document_is_written_more_often() {
    for (id, edge) in [("k3", "a -> n"), ("k9", "{ a -> n: { durable: true } }")] {
        let (dir, n) = (tempfile::tempdir().unwrap(), probe(&format!("{id}.n")));
        let body = format!(
            "nodes: {{ a: {{ type: script, id: {id}.a, every: 10ms }}, n: {{ type: count_transform, id: {id}.n }}, \
             b: {{ type: probe, id: {id}.b }} }}\nedges: [{edge}, n -> b]"
        );
        let running = start(dir.path(), &body);
        sleep(Duration::from_millis(100)).await;
        let (beside, mut documents) = (state(dir.path()), Vec::<String>::new());
        let sql = "SELECT CAST(document AS TEXT) FROM node_state";
        for _ in 0..595 {
            sleep(Duration::from_millis(10)).await;
            documents.extend(beside.query_row(sql, [], |row| row.get(0)));
        }
        let counted = *n.written().last().unwrap();
        drop((running, beside));
        sleep(Duration::from_millis(1)).await;
        run(dir.path(), &body, WHILE).await;
        let kept = n.written()[counted as usize] - 1;
        assert!((counted - 105..counted).contains(&kept), "{id}: {kept} of {counted}");
        documents.dedup();
        assert!((5..=7).contains(&documents.len()), "{id}: {documents:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_document_is_left_out_and_the_others_are_not() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &five("k4", ""), WHILE).await;
    assert_eq!(state(dir.path()).execute("UPDATE node_state SET document = x'37' WHERE node = 'n'", ()).unwrap(), 1);
    run(dir.path(), &five("k4", ""), WHILE).await;
    assert_eq!(probe("k4.n").written(), [numbers(1..6), numbers(1..6)].concat());
    assert_eq!(probe("k4.b").written(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_node_waits_for_a_disk_that_is_away_and_a_stop_does_not() {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &five("k5", ""), WHILE).await;
    std::fs::rename(dir.path().join("test"), dir.path().join("away")).unwrap();
    // A file is in the place of the folder.
    std::fs::write(dir.path().join("test"), "").unwrap();
    let began = Instant::now();
    let finished = run(dir.path(), &five("k5", ""), WHILE).await;
    assert!(began.elapsed() < WHILE + GRACE + Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!(finished.left, [("a -> n".to_owned(), 50)], "nobody could say what they add up to");
    assert_eq!((probe("k5.s").written(), probe("k5.n").written()), (numbers(1..2), numbers(1..6)));

    let back = async {
        sleep(WHILE).await;
        std::fs::remove_file(dir.path().join("test")).unwrap();
        std::fs::rename(dir.path().join("away"), dir.path().join("test")).unwrap();
        sleep(WHILE).await;
    };
    let finished = start(dir.path(), &five("k5", "")).run_until(back, GRACE).await;
    assert!(finished.drained && finished.unresolved == 0, "{finished:?}");
    assert_eq!((probe("k5.s").written(), probe("k5.n").written()), (numbers(1..3), numbers(1..11)));
}

#[tokio::test(start_paused = true)]
async fn a_new_file_in_the_place_of_a_damaged_one_gets_all_documents() {
    let dir = tempfile::tempdir().unwrap();
    let body = "nodes: { a: { type: script, id: k6.a, every: 10ms }, s: { type: count_source, id: k6.s }, b: { type: probe, id: k6.b } }\n\
                edges: [{ a -> b: { durable: true } }, s -> b]";
    let rot = async {
        sleep(WHILE).await;
        state(dir.path()).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        rot(dir.path(), 2);
        sleep(WHILE).await;
    };
    start(dir.path(), body).run_until(rot, GRACE).await;
    assert_eq!(aside(dir.path()), 1);
    run(dir.path(), body, WHILE).await;
    assert_eq!(probe("k6.s").written(), [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_file_that_rots_between_two_runs_holds_nobody_up() {
    for (id, whole) in [("k7", true), ("k8", false)] {
        let dir = tempfile::tempdir().unwrap();
        run(dir.path(), &five(id, ""), WHILE).await;
        let table = "SELECT rootpage FROM sqlite_schema WHERE name = 'node_state'";
        let page: u32 = state(dir.path()).query_row(table, [], |row| row.get(0)).unwrap();
        rot(dir.path(), if whole { 2 } else { page });
        run(dir.path(), &five(id, ""), WHILE).await;
        assert_eq!(aside(dir.path()), 1, "{id}");
        assert_eq!(probe(&format!("{id}.n")).written(), [numbers(1..6), numbers(1..6)].concat());
    }
}

/// Spoils the file from this page on, counted from 1. By the first it is known as ours.
fn rot(dir: &Path, page: u32) {
    let file = std::fs::OpenOptions::new().write(true).open(dir.join("test/state.db")).unwrap();
    let (from, size) = (u64::from(page - 1) * 4096, file.metadata().unwrap().len());
    std::os::unix::fs::FileExt::write_all_at(&file, &vec![0x5A; (size - from) as usize], from).unwrap();
}

/// How many files were set aside.
fn aside(dir: &Path) -> usize {
    let files = std::fs::read_dir(dir.join("test")).unwrap();
    files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().contains(".corrupt")).count()
}
