//! What stands in the place of a source: it emits what a file says, when the file says so.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fieldflow_contract::{
    Ack, Batch, BuildContext, BuildError, Cause, Clock as _, Delivery, Findings, Node, NodeError, Outcome, Ports,
    Prepared, Quality, Record, Source, Tag, Timestamp, Value,
};
use tokio::time::{Instant, sleep_until};

use super::fault::{SourceFaults, Window};
use crate::runtime::TimerClock;

/// What a source emits in a case, and how much of it is done. It outlives a restart of the pipeline.
pub(super) struct Script {
    /// The place of the source in the file: of two batches of the same time, that of the first source goes first.
    place: usize,
    source: String,
    lines: Vec<Line>,
    faults: SourceFaults,
    ends: Timestamp,
    /// Whether what was not acknowledged comes again after a restart.
    resends: bool,
    /// Since when the link is down, over restarts.
    lost: Mutex<Option<Timestamp>>,
}

struct Line {
    /// When it is emitted: its own time, or that of the line before if that is later.
    time: Timestamp,
    records: Vec<Record>,
    /// Acknowledged, or handed over by a source that cannot send again, or missed while the link was down.
    done: Arc<AtomicBool>,
}

impl Script {
    /// Each batch is emitted at the latest of its times. `resends`: whether the source sends again what was not acknowledged.
    pub(super) fn new(
        place: usize,
        (source, resends): (String, bool),
        batches: Vec<Vec<Record>>,
        faults: SourceFaults,
        ends: Timestamp,
    ) -> Self {
        let mut time = Timestamp(i64::MIN);
        let lines = batches.into_iter().map(|records| {
            time = records.iter().map(|record| record.time).fold(time, Timestamp::max);
            Line { time, records, done: Arc::default() }
        });
        Self { place, source, lines: lines.collect(), faults, ends, resends, lost: Mutex::default() }
    }

    fn lost(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    /// The quality that a fault gives the records of this moment.
    fn spoiled(&self, time: Timestamp) -> Option<Quality> {
        self.faults.bad.iter().rev().find(|(window, _)| window.has(time)).map(|(_, quality)| *quality)
    }

    fn batch(&self, line: &Line) -> Option<Batch> {
        let mut records = line.records.clone();
        if let Some(quality) = self.spoiled(line.time) {
            for record in &mut records {
                record.quality = quality;
                if quality.is_bad() {
                    record.value = Value::Null;
                }
            }
        }
        Batch::new(records, line.time)
    }
}

/// Who may emit next: of all sources that have something for the same moment, the first in time and then in the file.
#[derive(Default)]
pub(super) struct Turns(Mutex<BTreeSet<(Timestamp, usize)>>);

impl Turns {
    fn waiting(&self) -> MutexGuard<'_, BTreeSet<(Timestamp, usize)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the moment and the turn. Timers tell milliseconds, so sources that differ by less wake together: each says
    /// beforehand what it waits for.
    async fn wait(&self, key: (Timestamp, usize), moment: Instant) {
        self.waiting().insert(key);
        // Released even if the node is killed while it waits.
        let _leave = Leave(self, key);
        sleep_until(moment).await;
        loop {
            tokio::task::yield_now().await;
            if self.waiting().first() == Some(&key) {
                return;
            }
        }
    }
}

struct Leave<'a>(&'a Turns, (Timestamp, usize));

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        self.0.waiting().remove(&self.1);
    }
}

/// The stand-in as the graph holds it.
pub(super) struct Scripted {
    pub(super) script: Arc<Script>,
    pub(super) ports: Ports,
    pub(super) clock: TimerClock,
    pub(super) turns: Arc<Turns>,
}

impl Prepared for Scripted {
    fn ports(&self) -> Ports {
        self.ports.clone()
    }

    fn check(&self, _: &mut Findings) {}

    fn check_files(&self, _: &std::path::Path, _: &mut Findings) {}

    fn build(&self, _: &BuildContext) -> Result<Node, BuildError> {
        let lines = &self.script.lines;
        let todo = (0..lines.len())
            .filter(|&at| !lines[at].done.load(Ordering::Acquire) && lines[at].time <= self.script.ends);
        Ok(Node::source(Player {
            todo: todo.collect(),
            script: Arc::clone(&self.script),
            clock: self.clock,
            turns: Arc::clone(&self.turns),
        }))
    }
}

/// Emits the lines that are not done.
struct Player {
    script: Arc<Script>,
    clock: TimerClock,
    turns: Arc<Turns>,
    todo: VecDeque<usize>,
}

impl Player {
    fn window(&self, fits: impl Fn(&Window) -> bool) -> Option<Window> {
        self.script.faults.disconnects.iter().copied().find(fits)
    }
}

impl Source for Player {
    async fn connect(&mut self) -> Result<(), NodeError> {
        let now = self.clock.now();
        if let Some(window) = self.window(|window| window.has(now)) {
            self.script.lost().get_or_insert(window.from);
            return Err(down());
        }
        let lost = self.script.lost().take();
        if let Some(lost) = lost {
            // Nobody read the device meanwhile.
            let missed = |at: &usize| (lost..now).contains(&self.script.lines[*at].time);
            self.todo
                .iter()
                .filter(|at| missed(at))
                .for_each(|at| self.script.lines[*at].done.store(true, Ordering::Release));
            self.todo.retain(|at| !missed(at));
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        loop {
            let now = self.clock.now();
            let next = self.todo.front().map(|&at| self.script.lines[at].time);
            let wake = next.unwrap_or(self.script.ends);
            if let Some(window) = self.window(|window| now < window.to && window.from <= wake) {
                sleep_until(self.clock.moment(window.from)).await;
                *self.script.lost() = Some(window.from);
                return Err(down());
            }
            let moment = self.clock.moment(wake);
            let Some(&at) = self.todo.front() else {
                sleep_until(moment).await;
                return Err(NodeError::Ended);
            };
            self.turns.wait((wake, self.script.place), moment).await;
            self.todo.pop_front();
            let line = &self.script.lines[at];
            let done = Arc::clone(&line.done);
            done.store(!self.script.resends, Ordering::Release);
            let resends = self.script.resends;
            let told = move |outcome| done.store(outcome != Outcome::Failed || !resends, Ordering::Release);
            if let Some(batch) = self.script.batch(line) {
                return Ok(Delivery { batch, ack: Ack::new(told) });
            }
        }
    }

    /// One Bad record for each tag of the file.
    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch> {
        let mut seen = HashSet::<Tag>::new();
        let records = self.script.lines.iter().flat_map(|line| &line.records);
        let tags = records.map(|record| record.tag).filter(|tag| seen.insert(*tag));
        Batch::new(tags.map(|tag| Record::bad(tag, now, cause.quality)).collect(), now)
    }
}

fn down() -> NodeError {
    NodeError::Disconnected(Cause::new("case.yaml says that the link is down").with_quality(Quality::BAD_NOT_CONNECTED))
}
