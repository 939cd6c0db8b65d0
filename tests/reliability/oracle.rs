//! The engine with four more node types: a source that knows what it sent and what was acknowledged, a transform that counts,
//! and two sinks.
//!
//! It is what the reliability tests run and kill. The source plays a broker: what was not acknowledged before a crash is sent
//! again after it, under the same numbers. What it sends and what it is told goes into a journal, one `write` a line, before
//! anything else happens; so the journal is right however the process ends.

#[path = "journal.rs"]
mod journal;

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{
    Ack, Batch, BuildContext, BuildError, Carries, Cause, Delivery, Node, NodeError, NodeKind, NodeSpec, Outcome,
    Outputs, Ports, Position, Record, Role, Saved, Sink, Source, Tag, Timestamp, Transform, Value,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use journal::{BASE, Journal, Range, tag_of};

fn main() -> ExitCode {
    // Reads FAILPOINTS, where a test says at which moment the process ends.
    let _scenario = fail::FailScenario::setup();
    let own: [&'static dyn NodeKind; 4] = [&Oracle, &Tally, &Stall, &Recorder];
    let kinds: Vec<_> = fieldflow_nodes::BUILTIN.iter().copied().chain(own).collect();
    fieldflow::cli::main(kinds.leak())
}

/// `type: oracle`
struct Oracle;

/// Sends numbered records and writes down which of them were acknowledged.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Numbers {
    /// The journal; one that is there already says where to go on.
    journal: PathBuf,
    /// Records a second; as fast as it goes if left out.
    rate: Option<f64>,
    /// Records in a batch.
    batch: u64,
    /// Different tags, which take turns.
    tags: u64,
    /// The number at which to end; none if left out. What a crash left unacknowledged is sent again even beyond it.
    until: Option<u64>,
    /// Whether to wait at the end rather than to say that there is no more.
    #[serde(default)]
    stay: bool,
}

impl NodeSpec for Oracle {
    const TYPE: &'static str = "oracle";
    const ROLE: Role = Role::Source;
    const EXAMPLE: &'static str = "{ journal: acks, batch: 100, tags: 10 }";
    type Config = Numbers;

    fn ports(_: &Numbers) -> Ports {
        Ports::source(Carries::Values)
    }

    fn build(config: Numbers, _: &BuildContext) -> Result<Node, BuildError> {
        let tags = (0..config.tags).map(|n| Tag::new(&tag_of(n, config.tags)));
        let tags = tags.collect::<Result<_, _>>().map_err(|error| BuildError(error.to_string()))?;
        Ok(Node::source(Teller { config, tags, again: VecDeque::new(), next: 0, sent: 0, begin: None }))
    }
}

/// The source: numbers, and a journal of what became of them.
struct Teller {
    config: Numbers,
    tags: Vec<Tag>,
    /// What an earlier life sent and was not told about.
    again: VecDeque<Range>,
    next: u64,
    /// New records in this life, for the pace.
    sent: u64,
    begin: Option<(Instant, Arc<File>)>,
}

impl Source for Teller {
    async fn connect(&mut self) -> Result<(), NodeError> {
        let told = fs::read_to_string(&self.config.journal).unwrap_or_default();
        let journal = Journal::read(&told);
        (self.again, self.next) = (journal.unacknowledged().into(), journal.next());
        let file = OpenOptions::new().append(true).create(true).open(&self.config.journal);
        let file = file.map_err(|error| NodeError::Broken(Cause::new(format!("the journal: {error}"))))?;
        note(&file, "B\n");
        self.begin = Some((Instant::now(), Arc::new(file)));
        Ok(())
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        let Some((begin, file)) = self.begin.clone() else { return Err(NodeError::Ended) };
        if self.again.is_empty() {
            if self.config.until.is_some_and(|until| until <= self.next) {
                if self.config.stay {
                    std::future::pending::<()>().await;
                }
                return Err(NodeError::Ended);
            }
            if let Some(rate) = self.config.rate {
                tokio::time::sleep_until(begin + Duration::from_secs_f64(self.sent as f64 / rate)).await;
            }
        }
        let range = self.again.pop_front().unwrap_or_else(|| {
            let first = self.next;
            let end = self.config.until.unwrap_or(u64::MAX).min(first + self.config.batch);
            (self.next, self.sent) = (end, self.sent + end - first);
            Range { first, end }
        });
        let record = |n: u64| {
            let tag = self.tags[(n % self.tags.len() as u64) as usize];
            Record::good(tag, Timestamp(BASE + n as i64), Value::I64(n as i64))
        };
        let batch = Batch::new((range.first..range.end).map(record).collect(), Timestamp(BASE));
        let batch = batch.ok_or(NodeError::Ended)?;
        note(&file, &format!("S {} {}\n", range.first, range.end));
        let ack = Ack::new(move |outcome| {
            let letter = if outcome == Outcome::Delivered { 'A' } else { 'F' };
            note(&file, &format!("{letter} {} {}\n", range.first, range.end));
        });
        Ok(Delivery { batch, ack })
    }
}

/// One `write`: it is done whole or not at all, also when the process is killed.
fn note(mut file: &File, line: &str) {
    file.write_all(line.as_bytes()).expect("the journal is on a disk with room");
}

/// `type: tally`
struct Tally;

/// Counts the records of all its lives.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Counting {}

impl NodeSpec for Tally {
    const TYPE: &'static str = "tally";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "{}";
    type Config = Counting;

    fn ports(_: &Counting) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }

    fn build(_: Counting, context: &BuildContext) -> Result<Node, BuildError> {
        context.saved.keep();
        Ok(Node::transform(Counter(context.saved.clone())))
    }
}

struct Counter(Saved);

impl Transform for Counter {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        let before = self.0.load().and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
        let sum = before + batch.len() as u64;
        out.emit(batch);
        self.0.store(sum.to_le_bytes().to_vec()).map_err(|error| Cause::new(error.to_string()))
    }
}

/// `type: stall`
struct Stall;

/// Takes a batch and never lets go of it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

impl NodeSpec for Stall {
    const TYPE: &'static str = "stall";
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

impl Sink for Stall {
    async fn connect(&mut self) -> Result<(), NodeError> {
        Ok(())
    }

    async fn write(&mut self, _: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        std::future::pending().await
    }
}

/// `type: recorder`
struct Recorder;

/// Writes the number of every record into a file, in the order in which they come; keeps no position.
///
/// A record that is not what was sent under its number is written as it is, behind an `X`. A kill can cut a line off: only one
/// that ends with `;` counts.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Recording {
    /// The file.
    path: PathBuf,
    /// The tags of the oracle.
    tags: u64,
}

impl NodeSpec for Recorder {
    const TYPE: &'static str = "recorder";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = "{ path: recorded, tags: 10 }";
    type Config = Recording;

    fn ports(_: &Recording) -> Ports {
        Ports::sink(Carries::Any)
    }

    fn build(config: Recording, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Tape { config, file: None }))
    }
}

struct Tape {
    config: Recording,
    file: Option<File>,
}

impl Sink for Tape {
    async fn connect(&mut self) -> Result<(), NodeError> {
        let file = OpenOptions::new().append(true).create(true).open(&self.config.path);
        self.file = Some(file.map_err(|error| NodeError::Broken(Cause::new(format!("the recorder: {error}"))))?);
        Ok(())
    }

    async fn write(&mut self, batches: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        let mut lines = String::new();
        for record in batches.iter().flat_map(Batch::records) {
            let number = record.time.0 - BASE;
            let tag = u64::try_from(number).map(|number| tag_of(number, self.config.tags));
            let sound = record.value == Value::I64(number) && tag.is_ok_and(|tag| tag == record.tag.name());
            let line = if sound { format!("{number};\n") } else { format!("X {record:?};\n") };
            lines.push_str(&line);
        }
        if let Some(file) = &self.file {
            note(file, &lines);
        }
        Ok(())
    }
}
