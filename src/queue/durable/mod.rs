//! One durable edge, as everybody sees it: the sender puts in, the keeper commits, the pump hands over, acks come back.
//!
//! A batch goes through three places: *pending* in memory until it is committed, then in the file, and, as long as the reader
//! keeps up, in the *window* of committed batches that need not be read back. It leaves the file when its ack has come.
//!
//! Invariant: entered = left + dropped + depth, whenever the state is not locked.

mod keeping;
mod lanes;
mod pumping;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fieldflow_contract::{Ack, Batch, Clock, Outcome, Position, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::file::EdgeId;
use super::progress::Progress;
use super::pump::Origin;
use crate::telemetry::EdgeSnapshot;

pub(super) use lanes::Lane;
pub(super) use pumping::{Place, Step};

use lanes::Lanes;

/// What to do when the disk space of an edge is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    /// Nothing is given up: the node before the edge waits.
    Block,
    /// The oldest batches that were not handed over yet.
    Oldest,
    /// What comes.
    Newest,
}

/// How much a durable edge holds.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Records in memory: those not yet committed, and those that need not be read back.
    pub capacity: u64,
    /// Bytes on disk.
    pub max_bytes: u64,
    /// Batches that were received longer ago are given up.
    pub max_age: Option<Duration>,
    /// Who is given up when the bytes are used up.
    pub victim: Victim,
    /// Records a second that come back from the disk; all that can if not given.
    pub replay_rate: Option<f64>,
    /// Live data goes first, and what waited has this share of what is handed over, in percent; in order if not given.
    pub replay_share: Option<u8>,
}

/// One durable edge.
pub struct DurableEdge {
    name: Arc<str>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// There is room for what is pending.
    room: Notify,
    /// There is something to hand over.
    more: Notify,
    /// There is something to commit.
    work: Arc<Notify>,
}

#[derive(Default)]
struct State {
    id: Option<EdgeId>,
    epoch: u64,
    pending: VecDeque<Pending>,
    /// Of what is pending and of what is being committed.
    pending_records: u64,
    /// The last committed batch.
    last: u64,
    /// The newest committed batches, in order and without a gap.
    window: VecDeque<(u64, Batch)>,
    window_records: u64,
    /// The next batch to hand over, of all or of the backlog.
    next: u64,
    lanes: Lanes,
    /// No batch before this one was postponed, if any was.
    postponed: Option<u64>,
    /// Handed over, and no ack yet.
    on_their_way: BTreeMap<u64, OnItsWay>,
    /// How many of them are recalled. Nothing is handed over until they are back.
    recalled: usize,
    /// Handed over and failed: to be handed over again; and how often they failed.
    again: VecDeque<u64>,
    failed: HashMap<u64, u8>,
    /// What the pump took since a commit was told to evict, by sequence, with the records.
    passed: Option<Vec<(u64, u64)>>,
    progress: Progress,
    /// What the file knows to be done.
    stored: Progress,
    disk_records: u64,
    disk_bytes: u64,
    oldest_found: Option<Timestamp>,
    /// Up to here the consumer had stored its own position beyond that of the file.
    skipped: u64,
    resumed: bool,
    /// Where the consumer stands, told before the file was open: only then is it known what that means.
    told_early: Option<Position>,
    sender_gone: bool,
    pump_busy: bool,
    damaged: Vec<(u64, String)>,
    entered: u64,
    left: u64,
    dropped: BTreeMap<&'static str, u64>,
    depth: u64,
    high_water: u64,
    blocked: Duration,
    blocked_since: Option<Instant>,
}

/// A batch that was handed over.
struct OnItsWay {
    records: u64,
    received: Timestamp,
    /// It had to make room meanwhile, and is not in the file any more.
    is_gone: bool,
    /// Its consumer is to give it back, as older ones go before it.
    is_recalled: bool,
}

/// A batch that waits to be committed.
pub(super) struct Pending {
    pub(super) batch: Batch,
    pub(super) ack: Ack,
}

impl DurableEdge {
    pub(super) fn new(name: Arc<str>, limits: Limits, clock: Arc<dyn Clock>, work: Arc<Notify>) -> Self {
        let (room, more) = (Notify::new(), Notify::new());
        Self { name, limits, clock, state: Mutex::default(), room, more, work }
    }

    /// `<pipeline>/<from.port>/<to>`: its identity.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Memory is shared between what waits to be committed and what need not be read back.
    fn share(&self) -> u64 {
        (self.limits.capacity / 4).max(1)
    }

    // The sender's side.

    /// Puts a batch in; waits for room if it must. The ack is told when the batch is committed.
    pub async fn put(&self, batch: Batch, ack: Ack) {
        let records = batch.len() as u64;
        loop {
            {
                let mut state = self.state();
                let full = self.limits.max_bytes <= state.disk_bytes;
                if full && self.limits.victim == Victim::Newest {
                    state.entered += records;
                    *state.dropped.entry("drop_newest").or_default() += records;
                    drop(state);
                    return ack.resolve(Outcome::Dropped);
                }
                let must_wait = full && self.limits.victim == Victim::Block;
                let fits = state.pending_records == 0 || state.pending_records + records <= self.share();
                if fits && !must_wait {
                    state.unblock();
                    state.pending_records += records;
                    state.entered += records;
                    state.deepen(records);
                    state.pending.push_back(Pending { batch, ack });
                    drop(state);
                    return self.work.notify_one();
                }
                state.blocked_since.get_or_insert_with(Instant::now);
            }
            self.room.notified().await;
        }
    }

    /// Whether nothing is pending, on disk or in the pump's hands: a spilling edge goes back to memory then.
    pub fn is_drained(&self) -> bool {
        let state = self.state();
        state.resumed
            && state.pending_records == 0
            && state.last < state.next
            && !state.has_two_lanes()
            && state.postponed.is_none()
            && state.again.is_empty()
            && !state.pump_busy
    }

    /// The sender is gone: what is in the edge is all there will be.
    pub fn close(&self) {
        self.state().sender_gone = true;
        self.more.notify_one();
        self.work.notify_one();
    }

    // The consumer's side.

    /// Everything is handed over from here on. Behind the consumer's own position, if it keeps one of this queue.
    ///
    /// Called again after each reconnect: what the consumer stored although it answered with an error is done.
    pub fn resume(&self, positions: &[Position]) {
        let mut state = self.state();
        let own = positions.iter().find(|position| position.edge == self.name);
        if state.id.is_none() {
            state.told_early = own.cloned();
        } else if let Some(position) = own {
            let goes_on_here = !state.resumed;
            state.go_on_behind(position, goes_on_here);
        }
        state.resumed = true;
        drop(state);
        self.more.notify_one();
        self.work.notify_one();
    }

    /// The consumer takes everything again: what it could not take before is handed over once more.
    pub fn take_up(&self) {
        self.state().take_up(self.limits.replay_share);
        self.more.notify_one();
    }

    /// The consumer cannot take a batch now. It stays in the file, is not done, and is handed over again after `take_up`.
    pub(super) fn postpone(&self, epoch: u64, sequence: u64) {
        let mut state = self.state();
        if state.epoch == epoch && state.postpone(sequence) {
            drop(state);
            self.more.notify_one();
            self.work.notify_one();
        }
    }

    /// Whether batches are recalled: older ones that were postponed are to go before them.
    pub fn recalls(&self) -> bool {
        self.state().recalled != 0
    }

    /// Whether this batch is recalled.
    pub(super) fn is_recalled(&self, epoch: u64, sequence: u64) -> bool {
        let state = self.state();
        state.epoch == epoch && state.on_their_way.get(&sequence).is_some_and(|batch| batch.is_recalled)
    }

    /// Whether a batch that was handed over is done already.
    pub(super) fn is_done(&self, epoch: u64, sequence: u64) -> bool {
        let state = self.state();
        state.epoch == epoch && state.progress.is_done(sequence)
    }

    /// How far the edge is taken when these batches of it, in rising order, are taken as well.
    pub fn position_with<'a>(&self, batches: impl Iterator<Item = &'a Origin>) -> Position {
        let state = self.state();
        let of_this_queue = batches.filter(|origin| origin.epoch == state.epoch);
        let sequence = state.progress.taken_with(of_this_queue.map(|origin| origin.sequence));
        Position { edge: Arc::clone(&self.name), epoch: state.epoch, sequence }
    }

    /// What became of a batch that was handed over.
    pub(super) fn resolved(&self, epoch: u64, sequence: u64, outcome: Outcome) {
        let mut state = self.state();
        if state.epoch != epoch {
            // Its file was replaced meanwhile, and the batch was counted as lost with it.
            return;
        }
        let was_quiet = state.stored.count() == state.progress.count();
        if outcome == Outcome::Failed && !state.on_their_way.contains_key(&sequence) {
            // It was postponed, and its ack forgotten for that reason.
            return;
        }
        if outcome == Outcome::Failed {
            let times = state.failed.entry(sequence).or_default();
            *times = times.saturating_add(1);
            state.again.push_back(sequence);
            drop(state);
            return self.more.notify_one();
        }
        state.failed.remove(&sequence);
        if let Some(OnItsWay { records, .. }) = state.off_its_way(sequence) {
            state.left += records;
            state.depth -= records;
        }
        state.progress.done(sequence, sequence);
        let over = state.sender_gone && state.on_their_way.is_empty();
        drop(state);
        if over {
            // The pump may have waited for nothing but this.
            self.more.notify_one();
        }
        // The keeper stores positions with the next commit, or when a little time has passed: a sync each would be too much.
        if was_quiet {
            self.work.notify_one();
        }
    }

    /// Adds the figures of the queue to those of the memory behind it.
    pub fn add_to(&self, edge: &mut EdgeSnapshot) {
        let (state, now) = (self.state(), self.clock.now());
        edge.entered += state.entered;
        edge.left += state.left;
        edge.depth += state.depth;
        for (reason, records) in &state.dropped {
            *edge.dropped.entry(reason).or_default() += records;
        }
        edge.high_water = edge.high_water.max(state.high_water);
        edge.blocked += state.blocked + state.blocked_since.map_or(Duration::ZERO, |since| since.elapsed());
        edge.disk_records = Some(state.disk_records);
        edge.disk_bytes = Some(state.disk_bytes);
        edge.disk_entered = Some(state.entered);
        // Of two lanes either may have the oldest.
        let oldest = state.on_their_way.values().map(|batch| batch.received).min();
        let from_file = || state.oldest_found.filter(|_| state.next <= state.last && state.window.is_empty());
        let oldest = oldest.or_else(from_file);
        let oldest = oldest.or_else(|| state.window.front().map(|(_, batch)| batch.received()));
        let oldest = oldest.or_else(|| state.pending.front().map(|pending| pending.batch.received()));
        edge.oldest_age = edge.oldest_age.max(oldest.map_or(Duration::ZERO, |received| now.since(received)));
    }
}

impl State {
    /// Everything up to a position of this queue is done; the first time, handing over begins behind it.
    fn go_on_behind(&mut self, position: &Position, begin: bool) {
        if position.epoch != self.epoch || self.last < position.sequence {
            return;
        }
        let before = self.progress.taken();
        self.progress.done(before + 1, position.sequence);
        if begin {
            // Those are still counted as waiting; the file tells how much they were when it takes them out.
            self.skipped = position.sequence;
            self.next = self.next.max(position.sequence + 1);
        }
    }

    fn deepen(&mut self, records: u64) {
        self.depth += records;
        self.high_water = self.high_water.max(self.depth);
    }

    fn unblock(&mut self) {
        if let Some(since) = self.blocked_since.take() {
            self.blocked += since.elapsed();
        }
    }

    fn pop_window(&mut self) -> Option<Batch> {
        let (_, batch) = self.window.pop_front()?;
        self.window_records -= batch.len() as u64;
        Some(batch)
    }

    fn pop_window_if(&mut self, wanted: u64) -> Option<Batch> {
        self.window.front().filter(|(sequence, _)| *sequence == wanted)?;
        self.pop_window()
    }

    fn hand_over(&mut self, lane: Lane, sequence: u64, batch: &Batch) {
        self.go_on(lane, sequence + 1);
        let (records, received) = (batch.len() as u64, batch.received());
        self.pass(sequence, records);
        self.on_their_way.insert(sequence, OnItsWay { records, received, is_gone: false, is_recalled: false });
    }

    fn pass(&mut self, sequence: u64, records: u64) {
        if let Some(passed) = &mut self.passed {
            passed.push((sequence, records));
        }
    }

    fn give_up(&mut self, from: u64, upto: u64, records: u64, reason: &'static str) {
        *self.dropped.entry(reason).or_default() += records;
        self.depth = self.depth.saturating_sub(records);
        self.pass_by(from, upto);
    }
}
