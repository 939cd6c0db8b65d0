//! A live run as the input of a new case: what the sources emit goes into files, and to no sink.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fieldflow_contract::{
    Batch, BoxFuture, BuildContext, BuildError, Carries, Cause, Clock, Delivery, DynSource, Findings, Node, NodeError,
    Ports, Position, Prepared, Role, Sink, Timestamp, write_json_line,
};

use super::find::folder_of;
use crate::graph::Graph;
use crate::runtime::{Environment, Finished, Plan};
use crate::telemetry::Exporter;

/// How a recording went.
#[derive(Debug)]
pub struct Captured {
    /// The new case.
    pub case: PathBuf,
    /// Records that the sources emitted.
    pub records: u64,
    /// Those of them that were not Good.
    pub not_good: u64,
    /// How the run ended.
    pub finished: Finished,
}

/// Runs the sources of a pipeline until `stop` and writes what they emit into a new case of this name. The sinks are not
/// touched. `records` counts while it runs. Until it is over the case lies in a hidden folder, so that no test takes half of
/// it for the whole.
pub async fn capture(
    graph: &Graph,
    name: &str,
    clock: Arc<dyn Clock>,
    records: &Arc<AtomicU64>,
    stop: impl Future<Output = ()>,
) -> Result<Captured, String> {
    let case = folder_of(&graph.path).join(name);
    let partial = case.with_file_name(format!(".{name}.partial"));
    if case.exists() {
        return Err(format!("{} exists already: choose another name, or delete it", case.display()));
    }
    if partial.exists() {
        let (partial, case) = (partial.display(), case.display());
        return Err(format!(
            "{partial} is what was left of a recording that was cut off: rename it to {case}, or delete it"
        ));
    }
    let failed = |error: std::io::Error| format!("{} cannot be written: {error}", case.display());
    let data = tempfile::tempdir().map_err(failed)?;
    let exporter = Exporter::new().map_err(|error| error.to_string())?;
    let environment = Environment { data_dir: data.path().to_owned(), clock, exporter: &exporter, virtual_time: false };
    fs::create_dir_all(&partial).map_err(failed)?;
    let not_good = Arc::<AtomicU64>::default();
    let tapped = graph.stand_in(|node| match node.kind.role() {
        Role::Source => {
            let file = partial.join(format!("{}.in.jsonl", node.name));
            let (records, not_good) = (Arc::clone(records), Arc::clone(&not_good));
            Some(Arc::new(Tapped { inner: Arc::clone(&node.prepared), file, records, not_good }))
        }
        Role::Sink => Some(Arc::new(Drained)),
        Role::Transform => None,
    });
    let running = Plan::new(&tapped, &environment).map_err(|error| error.to_string())?.start();
    let finished = running.run_until(stop, Duration::from_secs(10)).await;
    fs::rename(&partial, &case).map_err(failed)?;
    let (records, not_good) = (records.load(Ordering::Relaxed), not_good.load(Ordering::Relaxed));
    Ok(Captured { case, records, not_good, finished })
}

/// A source whose records go into a file on their way.
struct Tapped {
    inner: Arc<dyn Prepared>,
    file: PathBuf,
    records: Arc<AtomicU64>,
    not_good: Arc<AtomicU64>,
}

impl Prepared for Tapped {
    fn ports(&self) -> Ports {
        self.inner.ports()
    }

    fn check(&self, _: &mut Findings) {}

    fn check_files(&self, _: &Path, _: &mut Findings) {}

    fn build(&self, context: &BuildContext) -> Result<Node, BuildError> {
        let Node::Source(inner) = self.inner.build(context)? else {
            return Err(BuildError("a source was built as something else".to_owned()));
        };
        let open = File::options().create(true).append(true).open(&self.file);
        let file = open.map_err(|error| BuildError(format!("{} cannot be written: {error}", self.file.display())))?;
        Ok(Node::Source(Box::new(Tap {
            inner,
            file: Mutex::new(file),
            records: Arc::clone(&self.records),
            not_good: Arc::clone(&self.not_good),
        })))
    }
}

struct Tap {
    inner: Box<dyn DynSource>,
    file: Mutex<File>,
    records: Arc<AtomicU64>,
    not_good: Arc<AtomicU64>,
}

impl Tap {
    /// A batch is written whole, and an empty line tells where it ends.
    fn note(&self, batch: &Batch) -> Result<(), NodeError> {
        let mut lines = String::new();
        for record in batch.records() {
            write_json_line(record, &mut lines);
            lines.push('\n');
        }
        lines.push('\n');
        let not_good = batch.records().iter().filter(|record| !record.quality.is_good()).count();
        self.not_good.fetch_add(not_good as u64, Ordering::Relaxed);
        self.records.fetch_add(batch.len() as u64, Ordering::Relaxed);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.write_all(lines.as_bytes());
        written.map_err(|error| NodeError::Broken(Cause::new(format!("the recording cannot be written: {error}"))))
    }
}

impl DynSource for Tap {
    fn connect(&mut self) -> BoxFuture<'_, Result<(), NodeError>> {
        self.inner.connect()
    }

    fn read(&mut self) -> BoxFuture<'_, Result<Delivery, NodeError>> {
        Box::pin(async {
            let delivery = self.inner.read().await?;
            self.note(&delivery.batch)?;
            Ok(delivery)
        })
    }

    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch> {
        let batch = self.inner.outage(cause, now)?;
        // What cannot be written is found out at the next read.
        let _ = self.note(&batch);
        Some(batch)
    }

    fn close(&mut self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

/// A sink that takes everything and keeps nothing.
struct Drained;

impl Prepared for Drained {
    fn ports(&self) -> Ports {
        Ports::sink(Carries::Any).with_rejected()
    }

    fn check(&self, _: &mut Findings) {}

    fn check_files(&self, _: &Path, _: &mut Findings) {}

    fn build(&self, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Drain))
    }
}

struct Drain;

impl Sink for Drain {
    async fn connect(&mut self) -> Result<(), NodeError> {
        Ok(())
    }

    async fn write(&mut self, _: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        Ok(())
    }
}
