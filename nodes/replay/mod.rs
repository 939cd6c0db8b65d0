//! `replay`: the records of a file, at the pace at which they were recorded or as fast as it goes.

mod lines;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Cause, Clock, Delivery, Findings, Node, NodeError, NodeSpec, Ports,
    Record, Role, Source, Timestamp,
};
use fieldflow_storage::Worker;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::Instant;

use self::lines::{Chunk, Lines, Then, Wrong};

/// So many lines that are wrong are told one by one.
const TOLD: usize = 20;

/// The pause before a file of a single time begins again.
const PAUSE: Duration = Duration::from_secs(1);

/// `type: replay`
pub(crate) struct Replay;

/// Plays a file of records back, at the pace at which they were recorded or as fast as the edges take them.
///
/// The file has one record a line, as `console` prints them:
/// `{"t":"2026-01-01T00:00:00.000000Z","tag":"boiler.temperature","value":78.4}`; raw bytes are `{"hex":"0103"}`. Neighbours
/// of the same time are one batch, of 4096 records at most. Empty lines are skipped. `validate` reads every line; a line that
/// has gone wrong since is counted as an error and skipped. At the end of the file the pipeline drains and stops.
///
/// Bad quality: as recorded.
/// Restart: nothing is kept over it; the file is played from its beginning.
/// Time: the distances between the times in the file are waited for by the machine's time; where the times go back nothing is
/// waited for. Held up by its edges, the node catches up.
/// Memory: some thousand records; the file is read as it is played. A line has a MiB at most.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file. It lies beside the pipeline file unless the path is absolute.
    #[schemars(length(min = 1))]
    pub(crate) path: PathBuf,
    /// How fast: `recorded` keeps the distances between the times in the file, `max` waits for nothing. Default `recorded`.
    #[serde(default)]
    pub(crate) pace: Pace,
    /// With `pace: recorded`, how many times faster than recorded; 0.5 is half as fast. Above 0. Default 1.
    #[serde(default = "one")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub(crate) speed: f64,
    /// The times of the records: `recorded` leaves them as they are, so that the same file always gives the same records;
    /// `now` gives each batch the time at which it is played, as if it were measured now. Default `recorded`.
    #[serde(default)]
    pub(crate) times: Times,
    /// Whether to begin again at the end of the file, after the distance between its last two times. Default false.
    #[serde(default)]
    pub(crate) repeat: bool,
}

fn one() -> f64 {
    1.0
}

/// How fast a file is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Pace {
    /// As it was recorded.
    #[default]
    Recorded,
    /// As fast as the edges take it.
    Max,
}

/// Which times the records have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Times {
    /// Those in the file.
    #[default]
    Recorded,
    /// The time at which they are played.
    Now,
}

impl NodeSpec for Replay {
    const TYPE: &'static str = "replay";
    const ROLE: Role = Role::Source;
    const EXAMPLE: &'static str = "\
path: frames.jsonl
pace: recorded
";
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::source(Carries::Any)
    }

    fn check(config: &Config, findings: &mut Findings) {
        if !(config.speed.is_finite() && 0.0 < config.speed) {
            findings.error("speed", "a speed is a number above 0").help("1 is as recorded, 10 ten times as fast");
        } else if config.pace == Pace::Max && config.speed != 1.0 {
            findings
                .error("speed", "`pace: max` waits for nothing, so there is no speed to set")
                .help("leave one of the two out");
        }
        if config.repeat && config.times == Times::Recorded {
            findings
                .warning("repeat", "every round gives records of the same times")
                .help("`times: now` gives them the time at which they are played");
        }
    }

    fn check_files(config: &Config, base_dir: &Path, findings: &mut Findings) {
        let name = config.path.display();
        let mut lines = match Lines::open(&base_dir.join(&config.path)) {
            Ok(lines) => lines,
            Err(error) => {
                findings
                    .error("path", format!("cannot read `{name}`: {error}"))
                    .help("it lies beside the pipeline file unless the path is absolute");
                return;
            }
        };
        let (mut records, mut wrong) = (0_u64, 0);
        loop {
            match lines.next_record() {
                Ok(Some(_)) => records += 1,
                Ok(None) => break,
                Err(Wrong::Line(number, _)) if wrong == TOLD => {
                    findings.error("path", format!("{name}, line {number}: this line and perhaps more are wrong too"));
                    return;
                }
                Err(Wrong::Line(number, reason)) => {
                    wrong += 1;
                    findings.error("path", format!("{name}, line {number}: {reason}"));
                }
                Err(Wrong::File(error)) => {
                    findings.error("path", format!("cannot read `{name}`: {error}"));
                    return;
                }
            }
        }
        if records == 0 && wrong == 0 {
            findings.warning("path", format!("`{name}` holds no record, so the pipeline ends at once"));
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::source(Player::new(config, context)))
    }
}

struct Player {
    config: Config,
    path: PathBuf,
    clock: Arc<dyn Clock>,
    thread: String,
    /// Reads the file, because a disk may block.
    reader: Option<Worker<Option<Lines>>>,
    ready: VecDeque<Vec<Record>>,
    /// What comes behind those that are ready.
    then: Then,
    start: Instant,
    /// When the last batch was due, counted from the start.
    due: Duration,
    /// The time of the last batch of this round.
    last: Option<Timestamp>,
    /// The distance between the last two batches.
    distance: Duration,
    /// How long the first batch of this round waits.
    pause: Duration,
}

impl Player {
    fn new(config: Config, context: &BuildContext) -> Self {
        Self {
            path: context.base_dir.join(&config.path),
            config,
            clock: Arc::clone(&context.clock),
            thread: format!("replay-{}", context.node),
            reader: None,
            ready: VecDeque::new(),
            then: Then::More,
            start: Instant::now(),
            due: Duration::ZERO,
            last: None,
            distance: PAUSE,
            pause: Duration::ZERO,
        }
    }

    /// The recorded distance from the last batch to one of this time.
    fn distance_to(&self, time: Timestamp) -> Duration {
        self.last.map_or(self.pause, |last| time.since(last))
    }

    /// When a batch at that distance is due, counted from the start.
    fn due_at(&self, distance: Duration) -> Duration {
        match self.config.pace {
            Pace::Max => Duration::ZERO,
            Pace::Recorded => {
                let wait = Duration::try_from_secs_f64(distance.as_secs_f64() / self.config.speed);
                self.due.saturating_add(wait.unwrap_or(Duration::MAX))
            }
        }
    }

    /// Takes the next batch, which is due.
    fn play(&mut self) -> Option<Batch> {
        let mut records = self.ready.pop_front()?;
        let time = records.first()?.time;
        let distance = self.distance_to(time);
        self.due = self.due_at(distance);
        if self.last.is_some() {
            self.distance = distance;
        }
        self.last = Some(time);
        let now = self.clock.now();
        if self.config.times == Times::Now {
            for record in &mut records {
                record.time = now;
            }
        }
        Batch::new(records, now)
    }

    /// Asks the reader for more, from the beginning of the file if wanted.
    async fn fill(&mut self, anew: bool) -> Result<(), NodeError> {
        let Some(reader) = &mut self.reader else { return Err(broken("the file is not open")) };
        let path = self.path.clone();
        let Chunk { batches, then } = reader
            .call(move |lines| {
                if anew {
                    *lines = Some(Lines::open(&path)?);
                }
                Ok(lines.as_mut().map_or(Chunk::default(), Lines::next_chunk))
            })
            .await
            .map_err(|error: std::io::Error| broken(&format!("cannot read {}: {error}", self.path.display())))?;
        self.ready.extend(batches);
        self.then = then;
        Ok(())
    }
}

fn broken(message: &str) -> NodeError {
    NodeError::Broken(Cause::new(message))
}

impl Source for Player {
    async fn connect(&mut self) -> Result<(), NodeError> {
        // After a line that was wrong it goes on where it was.
        if self.reader.is_none() {
            let reader = Worker::start(&self.thread, None)
                .map_err(|error| NodeError::Disconnected(Cause::new(format!("cannot start a thread: {error}"))))?;
            self.reader = Some(reader);
            self.fill(true).await?;
            self.start = Instant::now();
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        loop {
            if let Some(time) = self.ready.front().and_then(|records| records.first()).map(|record| record.time) {
                // All waiting comes before the first change, for this future may be dropped while it waits.
                let due = self.due_at(self.distance_to(time));
                while let Some(rest) = due.checked_sub(self.start.elapsed()).filter(|rest| !rest.is_zero()) {
                    tokio::time::sleep(rest.min(Duration::from_secs(3600))).await;
                }
                return self.play().map(Delivery::unacked).ok_or(NodeError::Ended);
            }
            match std::mem::replace(&mut self.then, Then::More) {
                Then::More => self.fill(false).await?,
                Then::End if self.config.repeat && self.last.is_some() => {
                    (self.last, self.pause) = (None, self.distance);
                    self.fill(true).await?;
                }
                Then::End => {
                    self.then = Then::End;
                    return Err(NodeError::Ended);
                }
                Then::Wrong(Wrong::Line(number, reason)) => {
                    let message = format!("{}, line {number}: {reason}", self.path.display());
                    return Err(NodeError::Rejected(Cause::new(message)));
                }
                Then::Wrong(Wrong::File(error)) => {
                    return Err(broken(&format!("cannot read {}: {error}", self.path.display())));
                }
            }
        }
    }

    async fn close(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.finish(|_| ()).await;
        }
    }
}

#[cfg(test)]
mod tests;
