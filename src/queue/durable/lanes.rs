//! Which batch is handed over next: the oldest, or, where live data goes first, now one of the backlog and now a new one.
//!
//! With `share` there are two lanes as long as there is a backlog: the backlog, from the oldest batch on, and the live lane, from
//! where the batches are still in memory. Each is in order, and each batch is handed over by one of them: the backlog passes by
//! what is done or on its way. A live lane that falls so far behind that its next batch would have to be read from the disk is no
//! longer live: it goes on with what is in memory, and leaves the rest to the backlog.
//!
//! Nothing but the lanes themselves is in memory alone: what is done leaves the file, wherever it lies, so that after a restart
//! all that is still in the file is backlog, and nothing else is.

use super::{OnItsWay, State};
use crate::queue::file::LAST_SEQUENCE;

/// Done ranges behind the first batch that is not done, of which more would be made by letting the live lane go ahead once more.
const MOST_GAPS: usize = 1000;

/// A lane, by its place among the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::queue) enum Lane {
    /// From the oldest batch on; the only one without a backlog.
    Oldest,
    /// New ones, while there is a backlog.
    Live,
}

/// The two lanes of an edge.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// The next batch of the live lane, as long as there are two.
    live: Option<u64>,
    /// By how much the backlog has had more than its share: records times a hundred.
    ahead: i64,
}

/// What may be handed over.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This batch, of this lane, which ends with that one.
    Of(Lane, u64, u64),
    /// Only the backlog waits, and it is not due yet.
    NotDue,
    /// Only what was postponed waits.
    Postponed,
    /// Everything is handed over.
    Nothing,
}

impl State {
    /// The first batch from this one on that is neither done nor on its way.
    pub(super) fn first_waiting(&self, from: u64) -> u64 {
        let mut at = from;
        loop {
            let open = self.progress.first_open(at);
            if !self.on_their_way.contains_key(&open) {
                return open;
            }
            at = open + 1;
        }
    }

    /// The oldest batch that waits, and the last one up to which all of them do.
    pub(super) fn oldest_waiting(&self) -> (u64, u64) {
        let first = self.first_waiting(self.postponed.map_or(self.next, |postponed| postponed.min(self.next)));
        let on_its_way = self.on_their_way.range(first..).next().map(|(sequence, _)| *sequence);
        let end = self.progress.next_done(first).into_iter().chain(on_its_way).min();
        (first, end.map_or(LAST_SEQUENCE, |end| end - 1))
    }

    /// Whose turn it is. `share` is that of the backlog in percent, if live data goes first.
    pub(super) fn turn(&mut self, share: Option<u8>, backlog_is_due: bool) -> Turn {
        self.next = self.first_waiting(self.next);
        self.open_lanes(share);
        let Some(live) = self.lanes.live else {
            return match (self.next <= self.last, self.postponed) {
                (true, _) if backlog_is_due || self.is_in_memory(self.next) => {
                    Turn::Of(Lane::Oldest, self.next, LAST_SEQUENCE)
                }
                (true, _) => Turn::NotDue,
                (false, Some(_)) => Turn::Postponed,
                (false, None) => Turn::Nothing,
            };
        };
        let backlog = Turn::Of(Lane::Oldest, self.next, live - 1);
        if self.last < live {
            self.lanes.ahead = 0;
            return if backlog_is_due { backlog } else { Turn::NotDue };
        }
        if backlog_is_due && self.lanes.ahead < 0 { backlog } else { Turn::Of(Lane::Live, live, LAST_SEQUENCE) }
    }

    /// Makes two lanes of one, or one of two, or lets the live lane go on with what is in memory.
    fn open_lanes(&mut self, share: Option<u8>) {
        let next = self.lanes.live.unwrap_or(self.next);
        while self.window.front().is_some_and(|(sequence, _)| *sequence < next) {
            self.pop_window();
        }
        let in_memory = self.window.front().map_or(self.last + 1, |(sequence, _)| *sequence);
        match self.lanes.live {
            Some(live) => {
                let mut live = self.first_waiting(live);
                if live < in_memory && live <= self.last && self.progress.beyond().len() < MOST_GAPS {
                    live = in_memory;
                }
                self.lanes.live = (self.next < live).then_some(live);
            }
            None if share.is_some() && self.next < in_memory && self.next <= self.last => {
                self.lanes = Lanes { live: Some(in_memory), ahead: 0 };
            }
            None => {}
        }
    }

    /// Whether this batch is the first of those in memory.
    pub(super) fn is_in_memory(&self, sequence: u64) -> bool {
        self.window.front().is_some_and(|(first, _)| *first == sequence)
    }

    /// The next batch of a lane.
    pub(super) fn next_of(&self, lane: Lane) -> u64 {
        match lane {
            Lane::Oldest => self.next,
            Lane::Live => self.lanes.live.unwrap_or(self.next),
        }
    }

    /// Whether this batch, which was read, is the next one of a lane. Behind a gap that only the file knew of there may be one
    /// that is on its way by the other lane.
    pub(super) fn is_next(&self, lane: Lane, sequence: u64) -> bool {
        sequence == self.next_of(lane) && self.first_waiting(sequence) == sequence
    }

    /// The lane goes on from here.
    pub(super) fn go_on(&mut self, lane: Lane, from: u64) {
        match (lane, &mut self.lanes.live) {
            (Lane::Live, Some(live)) => *live = from.max(*live),
            _ => self.next = from.max(self.next),
        }
    }

    /// Notes how much a lane has had.
    pub(super) fn had(&mut self, lane: Lane, records: u64, share: Option<u8>) {
        let (Some(_), Some(share)) = (self.lanes.live, share) else { return };
        let (records, share) = (i64::try_from(records).unwrap_or(i64::MAX / 200).min(i64::MAX / 200), i64::from(share));
        let had = if lane == Lane::Live { -records * share } else { records * (100 - share) };
        self.lanes.ahead = self.lanes.ahead.saturating_add(had);
    }

    /// Whether there are two lanes: there is a backlog.
    pub(super) fn has_two_lanes(&self) -> bool {
        self.lanes.live.is_some()
    }

    /// There is no backlog any more, because there is nothing.
    pub(super) fn close_lanes(&mut self) {
        self.lanes = Lanes::default();
    }

    /// What was postponed is handed over again, from the oldest on, and what is on its way is recalled to come after it; what
    /// comes new beside it, if live data goes first.
    pub(super) fn take_up(&mut self, share: Option<u8>) {
        let Some(postponed) = self.postponed.take().filter(|postponed| *postponed < self.next) else { return };
        if share.is_some() && self.lanes.live.is_none() {
            self.lanes = Lanes { live: Some(self.next), ahead: 0 };
        }
        self.next = postponed;
        self.on_their_way.values_mut().for_each(|batch| batch.is_recalled = true);
        self.recalled = self.on_their_way.len();
    }

    /// A batch is on its way no longer; `None` if it was not.
    pub(super) fn off_its_way(&mut self, sequence: u64) -> Option<OnItsWay> {
        let batch = self.on_their_way.remove(&sequence)?;
        self.recalled -= usize::from(batch.is_recalled);
        Some(batch)
    }

    /// Notes that batches are done, but for those that are still on their way: their consumer says what becomes of them.
    pub(super) fn pass_by(&mut self, mut from: u64, upto: u64) {
        let on_their_way: Vec<u64> =
            if from <= upto { self.on_their_way.range(from..=upto).map(|(at, _)| *at).collect() } else { Vec::new() };
        for at in on_their_way {
            if from < at {
                self.progress.done(from, at - 1);
            }
            from = at + 1;
        }
        if from <= upto {
            self.progress.done(from, upto);
        }
    }

    /// The consumer cannot take a batch now; `false` if there is no such batch on its way.
    pub(super) fn postpone(&mut self, sequence: u64) -> bool {
        self.failed.remove(&sequence);
        let Some(OnItsWay { records, is_gone, is_recalled, .. }) = self.off_its_way(sequence) else { return false };
        if is_gone {
            self.give_up(sequence, sequence, records, "drop_oldest");
        } else if is_recalled {
            self.next = self.next.min(sequence);
        } else {
            self.postponed = Some(self.postponed.map_or(sequence, |first| first.min(sequence)));
        }
        true
    }
}

#[cfg(test)]
#[path = "lanes_model_tests.rs"]
mod model_tests;
#[cfg(test)]
#[path = "lanes_tests.rs"]
mod tests;
