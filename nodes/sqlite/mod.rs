//! `sqlite`: records into an SQLite database, acknowledged when they are committed.
//!
//! One thread owns the connection ([`writer`]); the sink hands it batches and awaits the commit. The tables are for
//! fieldflow, the view `samples` is for everybody else.

mod look;
mod moves;
mod retention;
mod rows;
#[cfg(test)]
mod tests;
mod upkeep;
#[cfg(test)]
mod upkeep_tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{
    At, Batch, BuildContext, BuildError, ByteSize, Carries, Cause, Clock, Disk, Facts, Findings, Gather, Keeps,
    Looking, Node, NodeError, NodeSpec, Owned, Ports, Position, Role, Sink, Span, Tally, Thing,
};
use fieldflow_storage::{Durability, Format, Settings, Worker};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use retention::Retention;
use writer::Writer;

/// The file. To change its schema, add a migration; the view `samples` keeps its columns whatever lies below it.
const FORMAT: Format = Format {
    application_id: 0x4646_4C57,
    what: "a store of fieldflow",
    migrations: &[include_str!("schema/1.sql"), include_str!("schema/2.sql")],
};

/// What a row of a number takes of the disk once it was sorted, in bytes: a test measures it.
const ROW: f64 = 33.0;
/// What is written for it in all: into the log and from there into the file, once as it comes and once as it is sorted.
/// Measured at 1000 rows/s: 200 bytes.
const WRITTEN: f64 = 6.0 * ROW;

/// `type: sqlite`
pub(crate) struct Sqlite;

/// Stores every record in an SQLite database, and acknowledges it when it is committed.
///
/// Read the database through its view `samples(tag TEXT, time INTEGER, value, quality INTEGER)`, also while the pipeline
/// runs: `time` is in microseconds since 1970 in UTC, `quality` is an OPC UA status code, 0 for good. A boolean is 0 or 1. A
/// number is an INTEGER or a REAL, but an integer above 9223372036854775807 is TEXT, with which SQL can calculate. A float
/// that is not a number is the TEXT `NaN`: `avg` takes it for 0, so add `WHERE value <> 'NaN'` if your device sends it.
/// Infinity is a REAL. Text is TEXT, bytes are a BLOB, a failed read without a value is NULL.
///
/// A record that is sent again after a failure between the disk and the acknowledgement can be there twice. Not so over a
/// durable edge: how far it was taken is committed together with the records, so that each is there exactly once.
///
/// New rows lie in order of arrival; in the pauses between commits they are sorted by tag and time, some ten thousand at once,
/// so that the history of a tag is found fast and flash wears little. The view shows all of them at any time.
///
/// A disk that is full holds up what is wired to this node, until there is room again; nothing that was acknowledged is lost.
/// So does a reader that holds the database open for so long that the log beside it reaches 256 MiB. After a crash the file is
/// looked at for damage, for a second at most; a damaged one is moved to `<name>.corrupt-<time>` and a new one is begun.
///
/// Its gauges: `wal_bytes`, `database_bytes`, `free_disk_bytes`, and `hot_rows`, which are not sorted yet. Its errors, besides
/// those of every sink: `corrupt_file`, `log_held`, `upkeep_failed`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The database file. It is made if it is not there, for its owner alone. A relative path begins at the pipeline's own
    /// folder, `data/<name of the pipeline>/`. It must lie on a local disk, not on a network share.
    pub(crate) path: PathBuf,
    /// What an acknowledged record survives. Default `power`.
    #[serde(default)]
    pub(crate) durability: Durability,
    /// When to commit: whichever comes first. More rows a commit are faster and wear the disk less; until the commit, nothing
    /// is acknowledged.
    #[serde(default)]
    pub(crate) flush: Flush,
    /// What may be deleted. Default: nothing. Only rows of this store are meant: what a durable edge still has to deliver lies
    /// in a file of its own, which retention never touches.
    #[serde(default)]
    pub(crate) retention: Retention,
    /// The size of a file `<path>.ballast` that only takes room: when the disk is full it is deleted, so that SQLite has room to
    /// tidy up, and made again when twice its size is free. Default 16MiB; 0B for none. At most 1GiB.
    #[serde(default = "ballast")]
    pub(crate) ballast: ByteSize,
}

fn ballast() -> ByteSize {
    ByteSize(16 << 20)
}

/// When to commit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Flush {
    /// Commit when so many rows wait. Default 5000, from 1 to 100000.
    #[schemars(range(min = 1, max = 100_000))]
    pub(crate) rows: u32,
    /// Commit when the first row has waited so long. Default 50ms, from 0s (at once) to 60s.
    pub(crate) every: Span,
}

impl Default for Flush {
    fn default() -> Self {
        Self { rows: 5000, every: Span(Duration::from_millis(50)) }
    }
}

impl NodeSpec for Sqlite {
    const TYPE: &'static str = "sqlite";
    const ROLE: Role = Role::Sink;
    const KEEPS_POSITION: bool = true;
    const EXAMPLE: &'static str = "path: plant.db\ndurability: power\nflush: { rows: 5000, every: 50ms }\n\
        retention: { max_age: 90d, max_bytes: 4GiB }\n";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::sink(Carries::Any).with_rejected()
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        let keeps = match config.durability {
            Durability::Power => Keeps::Power,
            Durability::Process => Keeps::Process,
        };
        let Retention { max_age, max_bytes } = config.retention;
        let disk = Disk {
            record: ROW,
            written: WRITTEN,
            commit: config.flush.every.0,
            max_bytes: max_bytes.map(|bytes| bytes.0),
            max_age: max_age.map(|age| age.0),
        };
        let owns = vec![Owned { at: "path".into(), what: Thing::File(config.path.clone()) }];
        Facts { keeps, disk: Some(disk), owns, ..Facts::default() }
    }

    fn check(config: &Config, findings: &mut Findings) {
        if config.path.file_name().is_none() {
            findings.error("path", "the path of a file is wanted here").help("path: plant.db");
        }
        if Duration::from_secs(60) < config.flush.every.0 {
            findings.error(At::from("flush").key("every"), "at most 60s: until the commit, nothing is acknowledged");
        }
        if 1 << 30 < config.ballast.0 {
            findings.error("ballast", "at most 1GiB: room to tidy up is all that is needed");
        }
        config.retention.check(findings);
    }

    fn look(config: &Config, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        Ok(Some(look::begin(config, context, within)))
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Store {
            thread: format!("sqlite-{}", context.node),
            settings: Settings {
                path: context.data_dir.join(config.path),
                durability: config.durability,
                patience: Duration::from_secs(5),
            },
            retention: config.retention,
            ballast: config.ballast.0,
            clock: Arc::clone(&context.clock),
            tally: context.tally.clone(),
            gather: Gather { records: config.flush.rows as usize, wait: config.flush.every.0 },
            worker: None,
        }))
    }
}

/// The sink: the async face of the thread that writes.
struct Store {
    thread: String,
    settings: Settings,
    retention: Retention,
    ballast: u64,
    clock: Arc<dyn Clock>,
    tally: Tally,
    gather: Gather,
    worker: Option<Worker<Writer>>,
}

impl Sink for Store {
    async fn connect(&mut self) -> Result<(), NodeError> {
        if self.worker.is_none() {
            let (clock, tally) = (Arc::clone(&self.clock), self.tally.clone());
            let writer = Writer::new(self.settings.clone(), self.retention, self.ballast, clock, tally);
            let worker = Worker::start_with(&self.thread, writer, Writer::rest)
                .map_err(|error| NodeError::Disconnected(Cause::new(format!("cannot start a thread: {error}"))))?;
            self.worker = Some(worker);
        }
        self.on_thread(Writer::connect).await
    }

    fn gather(&self) -> Gather {
        self.gather
    }

    async fn positions(&mut self) -> Result<Vec<Position>, NodeError> {
        self.on_thread(Writer::positions).await
    }

    async fn write(&mut self, batches: &[Batch], positions: &[Position]) -> Result<(), NodeError> {
        let (batches, positions) = (batches.to_vec(), positions.to_vec());
        self.on_thread(move |writer| writer.write(&batches, &positions)).await
    }

    async fn close(&mut self) {
        if let Some(worker) = self.worker.take() {
            worker.finish(Writer::close).await;
        }
    }
}

impl Store {
    async fn on_thread<R: Send + 'static>(
        &mut self,
        job: impl FnOnce(&mut Writer) -> Result<R, NodeError> + Send + 'static,
    ) -> Result<R, NodeError> {
        match &mut self.worker {
            Some(worker) => worker.call(job).await,
            None => Err(NodeError::Disconnected(Cause::new(format!("{} is not open", self.settings.path.display())))),
        }
    }
}
