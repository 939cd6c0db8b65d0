//! A durable edge as its keeper sees it: what to commit, and what became of it.

use fieldflow_contract::{Ack, Timestamp};

use super::{DurableEdge, Pending, State, Victim};
use crate::queue::file::{Committed, EdgeId, Evict, Evicted, Found};
use crate::queue::progress::Progress;

/// What a commit does for an edge beside its puts.
#[derive(Default)]
pub(in crate::queue) struct Chores {
    pub(in crate::queue) id: Option<EdgeId>,
    pub(in crate::queue) taken: Vec<(EdgeId, u64, u64)>,
    pub(in crate::queue) evict: Option<Evict>,
    pub(in crate::queue) damaged: Vec<(EdgeId, u64, String)>,
}

impl DurableEdge {
    /// The file is open and knows the edge.
    pub(in crate::queue) fn opened(&self, epoch: u64, found: &Found, oldest: Option<Timestamp>) {
        let mut state = self.state();
        if state.id.is_some() && state.epoch == epoch {
            // Opened again after an error: what was committed is known here already, what it took out the file knows.
            state.stored = Progress::behind(found.taken);
            state.disk_records = found.records;
            state.disk_bytes = found.bytes;
            return;
        }
        if state.id.is_some() {
            // The file was replaced: what was in it is gone, and what is on its way belongs to nobody any more.
            let lost = state.depth - state.pending_records;
            *state.dropped.entry("lost_file").or_default() += lost;
            state.depth -= lost;
            state.window.clear();
            state.window_records = 0;
            state.on_their_way.clear();
            state.recalled = 0;
            state.again.clear();
            state.failed.clear();
            state.damaged.clear();
            state.skipped = 0;
            state.postponed = None;
            state.close_lanes();
        }
        state.id = Some(found.id);
        state.epoch = epoch;
        state.last = found.last;
        state.stored = Progress::behind(found.taken);
        state.progress = Progress::behind(found.taken);
        state.next = found.taken + 1;
        state.disk_records = found.records;
        state.disk_bytes = found.bytes;
        state.oldest_found = oldest;
        state.entered += found.records;
        state.deepen(found.records);
        if let Some(position) = state.told_early.take() {
            state.go_on_behind(&position, true);
        }
        drop(state);
        self.more.notify_one();
    }

    /// Takes what is pending for a commit. It counts as pending until `committed` or `not_committed`.
    pub(in crate::queue) fn take_pending(&self) -> Vec<Pending> {
        self.state().pending.drain(..).collect()
    }

    /// What else a commit shall do for this edge: store how far it is taken, make room, set damaged batches aside.
    pub(in crate::queue) fn chores(&self, incoming: u64) -> Chores {
        let mut state = self.state();
        let Some(id) = state.id else { return Chores::default() };
        let too_old = self.limits.max_age.map(|age| self.clock.now() - age);
        let over = (state.disk_bytes + incoming).saturating_sub(self.limits.max_bytes);
        // A consumer that was never there yet is no reason to fill the disk.
        let (oldest, upto) = state.oldest_waiting();
        let waits = oldest <= state.last;
        let evict_bytes = if self.limits.victim == Victim::Oldest { over } else { 0 };
        let evict = (waits && (evict_bytes != 0 || too_old.is_some())).then_some(Evict {
            edge: id,
            from: oldest,
            upto,
            bytes: evict_bytes,
            before: too_old,
        });
        state.passed = evict.as_ref().map(|_| Vec::new());
        Chores {
            taken: state.to_be_stored().map(|(from, upto)| (id, from, upto)).collect(),
            evict,
            damaged: state.damaged.drain(..).map(|(sequence, reason)| (id, sequence, reason)).collect(),
            id: Some(id),
        }
    }

    /// The batches were committed with these sequences and bytes.
    pub(in crate::queue) fn committed(&self, batches: Vec<Pending>, places: &[(u64, u64)]) -> Vec<Ack> {
        let mut acks = Vec::with_capacity(batches.len());
        let mut state = self.state();
        for (Pending { batch, ack }, (sequence, bytes)) in batches.into_iter().zip(places) {
            let records = batch.len() as u64;
            state.pending_records -= records;
            state.disk_records += records;
            state.disk_bytes += bytes;
            state.last = *sequence;
            state.window.push_back((*sequence, batch));
            state.window_records += records;
            acks.push(ack);
        }
        while self.share() < state.window_records {
            state.pop_window();
        }
        drop(state);
        self.room.notify_one();
        self.more.notify_one();
        acks
    }

    /// The commit failed: the batches are pending again, in their order.
    pub(in crate::queue) fn not_committed(&self, batches: Vec<Pending>, damaged: Vec<(u64, String)>) {
        let mut state = self.state();
        state.damaged.extend(damaged);
        for batch in batches.into_iter().rev() {
            state.pending.push_front(batch);
        }
    }

    /// What the commit took out of the file.
    pub(in crate::queue) fn freed(&self, committed: &Committed) {
        let mut state = self.state();
        let Some(id) = state.id else { return };
        for taken in committed.freed.iter().filter(|taken| taken.edge == id) {
            if state.stored.taken() < state.skipped {
                state.left += taken.records;
                state.depth = state.depth.saturating_sub(taken.records);
            }
            state.stored.done(taken.from, taken.upto);
            state.disk_bytes = state.disk_bytes.saturating_sub(taken.bytes);
            state.disk_records = state.disk_records.saturating_sub(taken.records);
        }
        for Evicted { from, upto, records, bytes, aged, .. } in
            committed.evicted.iter().filter(|evicted| evicted.edge == id)
        {
            // The pump may have taken some of them meanwhile: those are on their way or done, and no longer on disk.
            let passed = state.passed.iter().flatten().filter(|(sequence, _)| (from..=upto).contains(&sequence));
            // One that was postponed since then is nobody's.
            let (progress, way) = (&state.progress, &state.on_their_way);
            let theirs = passed.filter(|(at, _)| way.contains_key(at) || progress.is_done(*at));
            let theirs: u64 = theirs.map(|(_, records)| records).sum();
            state.on_their_way.range_mut(*from..=*upto).for_each(|(_, batch)| batch.is_gone = true);
            let reason = if *aged { "max_age" } else { "drop_oldest" };
            // It may also have seen that they are gone, and gone on behind them: they are given up all the same.
            state.give_up(*from, *upto, records.saturating_sub(theirs), reason);
            state.next = state.first_waiting(state.next);
            state.disk_bytes = state.disk_bytes.saturating_sub(*bytes);
            state.disk_records = state.disk_records.saturating_sub(*records);
        }
        state.passed = None;
        drop(state);
        self.room.notify_one();
    }

    /// The last batch that is known to be committed, and where the edge stands in the file.
    pub(in crate::queue) fn last_committed(&self) -> Option<(EdgeId, u64)> {
        let state = self.state();
        state.id.map(|id| (id, state.last))
    }

    /// Batches that are done and that the file does not know to be.
    pub(in crate::queue) fn owed(&self) -> u64 {
        let state = self.state();
        state.progress.count().saturating_sub(state.stored.count())
    }

    /// Whether something may grow too old while nobody does anything.
    pub(in crate::queue) fn ages(&self) -> bool {
        self.limits.max_age.is_some() && self.state().disk_records != 0
    }

    /// Whether the keeper has nothing to do for this edge.
    pub(in crate::queue) fn is_quiet(&self) -> bool {
        let state = self.state();
        state.pending_records == 0 && state.stored.count() == state.progress.count() && state.damaged.is_empty()
    }
}

impl State {
    /// What is done and not known to be by the file, in ranges.
    fn to_be_stored(&self) -> impl Iterator<Item = (u64, u64)> {
        // What was skipped is stored on its own, so that the file tells how much that was.
        let skips = self.stored.taken() < self.skipped;
        let taken = if skips { self.progress.taken().min(self.skipped) } else { self.progress.taken() };
        let beginning = (self.stored.taken() < taken).then_some((0, taken));
        let beyond = self.progress.beyond().filter(move |_| !skips);
        let news = beyond.map(|(from, upto)| (self.stored.first_open(from), upto)).filter(|(from, upto)| from <= upto);
        beginning.into_iter().chain(news)
    }
}
