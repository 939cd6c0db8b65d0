//! Nodes for tests: a source, a transform and a sink that do as their options say, and tell what happened.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use fieldflow_contract::*;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::watch;

/// What a probe saw and what a test may change, found by the probe's id.
pub(crate) struct Probe {
    /// Outcomes of a source's batches, as they were told: the batch's number and its outcome.
    pub(crate) outcomes: Mutex<Vec<(u64, Outcome)>>,
    /// Values that a sink wrote, in order; a Bad record is `-1`.
    pub(crate) written: Mutex<Vec<i64>>,
    /// How many of them came in a batch that was marked as replayed.
    pub(crate) replayed: AtomicU64,
    /// A sink writes only while this is open.
    pub(crate) open: watch::Sender<bool>,
    /// A narrow sink takes everything while this is set.
    pub(crate) wide: watch::Sender<bool>,
    counts: [AtomicU64; 3],
}

static PROBES: LazyLock<Mutex<HashMap<String, Arc<Probe>>>> = LazyLock::new(Mutex::default);

/// The probe of this id, made if it is not there yet. Ids are unique over all tests of the binary.
pub(crate) fn probe(id: &str) -> Arc<Probe> {
    let new = || Probe {
        outcomes: Mutex::default(),
        written: Mutex::default(),
        replayed: AtomicU64::new(0),
        open: watch::Sender::new(true),
        wide: watch::Sender::new(false),
        counts: Default::default(),
    };
    Arc::clone(PROBES.lock().unwrap().entry(id.to_owned()).or_insert_with(|| Arc::new(new())))
}

impl Probe {
    pub(crate) fn written(&self) -> Vec<i64> {
        self.written.lock().unwrap().clone()
    }

    /// The outcomes in the order of the batches.
    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        let mut outcomes = self.outcomes.lock().unwrap().clone();
        outcomes.sort_unstable();
        outcomes.into_iter().map(|(_, outcome)| outcome).collect()
    }

    /// Takes one of a number of chances; `false` when they are used up. Kept here, so that a rebuilt node does not get new ones.
    fn chance(&self, which: usize, most: u64) -> bool {
        self.counts[which].fetch_add(1, Ordering::SeqCst) < most
    }
}

fn value(record: &Record) -> i64 {
    if let Value::I64(value) = record.value { value } else { -1 }
}

fn contains(batch: &Batch, wanted: Option<i64>) -> bool {
    wanted.is_some_and(|wanted| batch.records().iter().any(|record| value(record) == wanted))
}

/// Emits numbered records, and keeps what it is told of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ScriptConfig {
    id: String,
    /// Batches to emit; endless if left out.
    batches: Option<u64>,
    #[serde(default = "ten")]
    records: u64,
    #[serde(default = "ten")]
    tags: u64,
    every: Option<Span>,
    /// The link breaks after so many batches …
    lose_after: Option<u64>,
    /// … and so many tries to connect fail.
    #[serde(default)]
    down: u64,
    /// It panics when it is asked what to say about an outage.
    #[serde(default)]
    outage_panics: bool,
    /// It panics when it is told what became of this batch.
    ack_panics: Option<u64>,
}

fn ten() -> u64 {
    10
}

pub(crate) struct ScriptSource;

impl NodeSpec for ScriptSource {
    const TYPE: &'static str = "script";
    const ROLE: Role = Role::Source;
    const EXAMPLE: &'static str = "id: a";
    type Config = ScriptConfig;
    fn ports(_: &ScriptConfig) -> Ports {
        Ports::source(Carries::Values)
    }
    fn build(config: ScriptConfig, context: &BuildContext) -> Result<Node, BuildError> {
        let (probe, clock) = (probe(&config.id), Arc::clone(&context.clock));
        Ok(Node::source(Script { config, probe, clock, sent: 0, lost: false }))
    }
}

struct Script {
    config: ScriptConfig,
    probe: Arc<Probe>,
    clock: Arc<dyn Clock>,
    sent: u64,
    lost: bool,
}

impl Source for Script {
    async fn connect(&mut self) -> Result<(), NodeError> {
        if self.lost && self.probe.chance(0, self.config.down) {
            return Err(NodeError::Disconnected(Cause::new("the script says that the device is away")));
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        if self.config.batches == Some(self.sent) {
            return Err(NodeError::Ended);
        }
        if self.config.lose_after == Some(self.sent) && !self.lost {
            self.lost = true;
            return Err(NodeError::Disconnected(
                Cause::new("the script breaks the link").with_quality(Quality::BAD_TIMEOUT),
            ));
        }
        if let Some(every) = self.config.every {
            tokio::time::sleep(every.0).await;
        }
        let number = self.sent;
        self.sent += 1;
        let now = self.clock.now();
        let record = |n: u64| {
            let tag = Tag::new(&format!("script.{}", n % self.config.tags)).unwrap();
            Record::good(tag, now, Value::I64(n as i64))
        };
        let first = number * self.config.records;
        let batch = Batch::new((first..first + self.config.records).map(record).collect(), now).unwrap();
        let (probe, panics) = (Arc::clone(&self.probe), self.config.ack_panics == Some(number));
        let told = move |outcome| {
            assert!(!panics, "does not want to hear it");
            probe.outcomes.lock().unwrap().push((number, outcome));
        };
        Ok(Delivery { batch, ack: Ack::new(told) })
    }

    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch> {
        assert!(!self.config.outage_panics, "cannot say");
        Some(Batch::one(Record::bad(Tag::new("script.0").unwrap(), now, cause.quality), now))
    }
}

/// Lets everything pass, but panics when it meets a value.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MineConfig {
    id: String,
    panic_on: i64,
}

pub(crate) struct MineTransform;

impl NodeSpec for MineTransform {
    const TYPE: &'static str = "mine";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "{ id: a, panic_on: 1 }";
    type Config = MineConfig;
    fn ports(_: &MineConfig) -> Ports {
        Ports::transform(Carries::Any, Carries::Same).with_rejected()
    }
    fn build(config: MineConfig, _: &BuildContext) -> Result<Node, BuildError> {
        let _ = probe(&config.id);
        Ok(Node::transform(Mine { config }))
    }
}

struct Mine {
    config: MineConfig,
}

impl Transform for Mine {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        assert!(!contains(&batch, Some(self.config.panic_on)), "stepped on the mine");
        out.emit(batch);
        Ok(())
    }
}

/// Writes to the probe, with the troubles that its options name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProbeConfig {
    id: String,
    /// So many writes find the link broken.
    #[serde(default)]
    fail: u64,
    /// It is never reached.
    #[serde(default)]
    away: bool,
    /// A batch with this value is refused for good.
    reject: Option<i64>,
    /// Batches are written one by one, and a record with this value is refused for good; the others of its batch are written.
    reject_record: Option<i64>,
    /// A batch with this value makes it panic …
    panic_on: Option<i64>,
    /// … so often.
    #[serde(default)]
    panics: u64,
    /// A batch with this value breaks it.
    break_on: Option<i64>,
    /// It takes only values that this number divides, as long as the probe is not `wide`.
    narrow: Option<i64>,
}

pub(crate) struct ProbeSink;

impl NodeSpec for ProbeSink {
    const TYPE: &'static str = "probe";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = "id: a";
    type Config = ProbeConfig;
    fn ports(_: &ProbeConfig) -> Ports {
        Ports::sink(Carries::Any).with_rejected()
    }
    fn build(config: ProbeConfig, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Writer { probe: probe(&config.id), config }))
    }
}

struct Writer {
    config: ProbeConfig,
    probe: Arc<Probe>,
}

impl Sink for Writer {
    async fn connect(&mut self) -> Result<(), NodeError> {
        if self.config.away {
            return Err(NodeError::Disconnected(Cause::new("the sink is away")));
        }
        Ok(())
    }

    fn takes_all(&self) -> bool {
        self.config.narrow.is_none() || *self.probe.wide.borrow()
    }

    async fn idle(&mut self) -> NodeError {
        let mut wide = self.probe.wide.subscribe();
        if self.config.narrow.is_none() || *wide.borrow_and_update() {
            return std::future::pending().await;
        }
        wide.wait_for(|wide| *wide).await.unwrap();
        NodeError::Disconnected(Cause::new("it is cheap again"))
    }

    fn gather(&self) -> Gather {
        Gather { records: if self.config.reject_record.is_some() { 1 } else { 20 }, wait: Duration::ZERO }
    }

    async fn write(&mut self, batches: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        let mut open = self.probe.open.subscribe();
        open.wait_for(|open| *open).await.unwrap();
        if self.probe.chance(1, self.config.fail) {
            return Err(NodeError::Disconnected(Cause::new("the sink is away")));
        }
        if batches.iter().any(|batch| contains(batch, self.config.reject)) {
            return Err(NodeError::Rejected(Cause::new("the sink will not have it")));
        }
        if batches.iter().any(|batch| contains(batch, self.config.break_on)) {
            return Err(NodeError::Broken(Cause::new("the sink cannot go on")));
        }
        if let Some(only) = self.config.narrow.filter(|_| !*self.probe.wide.borrow()) {
            let waits = |batch: &Batch| batch.records().iter().any(|record| value(record) % only != 0);
            let records = batches.iter().filter(|batch| !waits(batch)).flat_map(Batch::records);
            self.probe.written.lock().unwrap().extend(records.map(value));
            let places = (0..batches.len()).filter(|place| waits(&batches[*place])).collect();
            return Err(NodeError::Postponed(places, Cause::new("it is dear")));
        }
        let mined = batches.iter().any(|batch| contains(batch, self.config.panic_on));
        assert!(!(mined && self.probe.chance(2, self.config.panics)), "the sink stepped on it");
        let replayed = batches.iter().filter(|batch| batch.is_replayed()).map(Batch::len).sum::<usize>();
        self.probe.replayed.fetch_add(replayed as u64, Ordering::SeqCst);
        let refused = |record: &Record| self.config.reject_record == Some(value(record));
        let records = batches.iter().flat_map(Batch::records);
        self.probe.written.lock().unwrap().extend(records.filter(|record| !refused(record)).map(value));
        match batches.iter().find_map(|batch| batch.clone().filter(refused)) {
            Some(part) => Err(NodeError::RejectedPart(part, Cause::new("the sink will not have this one"))),
            None => Ok(()),
        }
    }
}

/// Lets everything pass, and emits one record with the value `-7` at each tick.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClockConfig {
    every: Span,
}

pub(crate) struct ClockTransform;

impl NodeSpec for ClockTransform {
    const TYPE: &'static str = "clock";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "every: 1s";
    type Config = ClockConfig;
    fn ports(_: &ClockConfig) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }
    fn build(config: ClockConfig, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Ticker { every: config.every.0, next: None }))
    }
}

struct Ticker {
    every: Duration,
    next: Option<Timestamp>,
}

impl Transform for Ticker {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        self.next = self.next.or(Some(batch.received() + self.every));
        out.emit(batch);
        Ok(())
    }
    fn due(&self) -> Option<Timestamp> {
        self.next
    }
    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        self.next = Some(now + self.every);
        out.emit(Batch::one(Record::good(Tag::new("clock.tick").unwrap(), now, Value::I64(-7)), now));
    }
}

/// Gives each batch out when so many more have come.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DelayConfig {
    batches: usize,
    panic_on: Option<i64>,
}

pub(crate) struct DelayTransform;

impl NodeSpec for DelayTransform {
    const TYPE: &'static str = "delay";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "batches: 1";
    type Config = DelayConfig;
    fn ports(_: &DelayConfig) -> Ports {
        Ports::transform(Carries::Any, Carries::Same)
    }
    fn build(config: DelayConfig, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::transform(Delay { config, held: VecDeque::new(), applied: 0 }))
    }
}

struct Delay {
    config: DelayConfig,
    held: VecDeque<Batch>,
    applied: u64,
}

impl Transform for Delay {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        assert!(!contains(&batch, self.config.panic_on), "cannot wait");
        self.applied += 1;
        self.held.push_back(batch);
        if self.config.batches < self.held.len() {
            out.emit(self.held.pop_front().unwrap());
        }
        Ok(())
    }
    fn holds_since(&self) -> Option<u64> {
        (!self.held.is_empty()).then(|| self.applied + 1 - self.held.len() as u64)
    }
    fn finish(&mut self, _: Timestamp, out: &mut Outputs) {
        self.held.drain(..).for_each(|batch| out.emit(batch));
    }
}
