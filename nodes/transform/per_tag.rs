//! State per tag that can be walked through, and that is looked at again when its time has come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fieldflow_contract::{Tag, TagMap, Timestamp};

/// State per tag, in the order in which the tags came by. Bounded by the table of tags.
#[derive(Debug)]
pub(super) struct PerTag<T> {
    place: TagMap<u32>,
    states: Vec<(Tag, T)>,
}

impl<T> Default for PerTag<T> {
    fn default() -> Self {
        Self { place: TagMap::default(), states: Vec::new() }
    }
}

impl<T> PerTag<T> {
    /// The place of a tag's state and the state, which is made if the tag comes by for the first time.
    pub(super) fn of(&mut self, tag: Tag, make: impl FnOnce() -> T) -> (u32, &mut T) {
        let place = *self.place.slot(tag).get_or_insert_with(|| {
            self.states.push((tag, make()));
            (self.states.len() - 1) as u32
        });
        (place, &mut self.states[place as usize].1)
    }

    /// The state at a place, and whose it is.
    pub(super) fn at(&mut self, place: u32) -> Option<(Tag, &mut T)> {
        self.states.get_mut(place as usize).map(|(tag, state)| (*tag, state))
    }

    /// All states, in order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.states.iter_mut().map(|(_, state)| state)
    }

    /// All states, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Tag, &T)> {
        self.states.iter().map(|(tag, state)| (*tag, state))
    }
}

/// When the states are to be looked at again. A time that moves on is left where it is until it comes, so that a record costs
/// nothing here; the caller then looks whether anything is due, and sets it anew.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<(Timestamp, u32)>>,
}

/// When the state of a tag is looked at again: the place for it among the state.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Queued(Option<Timestamp>);

impl Deadlines {
    /// A time that is earlier by less than this is not worth a second entry. It also bounds the heap where clocks drift apart.
    const SLACK: Duration = Duration::from_millis(100);

    /// Wants the state at a place to be looked at, at this time or earlier.
    pub(super) fn set(&mut self, place: u32, time: Timestamp, queued: &mut Queued) {
        if queued.0.is_none_or(|known| time + Self::SLACK < known) {
            queued.0 = Some(time);
            self.heap.push(Reverse((time, place)));
        }
    }

    /// The next time at which something is to be looked at.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.heap.peek().map(|Reverse((time, _))| *time)
    }

    /// The next place whose time has come.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Due> {
        self.heap.peek().filter(|Reverse((time, _))| *time <= now)?;
        self.heap.pop().map(|Reverse((time, place))| Due { time, place })
    }
}

/// A place whose time has come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    time: Timestamp,
    pub(super) place: u32,
}

impl Due {
    /// Whether this is what was queued last for the state, and no leftover; it is queued no longer.
    pub(super) fn is_for(self, queued: &mut Queued) -> bool {
        let is = queued.0 == Some(self.time);
        if is {
            queued.0 = None;
        }
        is
    }
}

/// How the machine's clock stood when a record came. A batch that waited on disk says when it came to the disk, and that may be
/// long ago; then the time at which this is found out counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard {
    at: Timestamp,
    is_sure: bool,
}

impl Heard {
    /// A tick that is late by more than this is taken for one about a batch that waited on disk.
    const OVERDUE: Duration = Duration::from_secs(1);

    /// By the time at which a batch was received.
    pub(super) fn received(at: Timestamp) -> Self {
        Self { at, is_sure: false }
    }

    /// For sure, as by a tick.
    pub(super) fn now(now: Timestamp) -> Self {
        Self { at: now, is_sure: true }
    }

    /// The time so long after it.
    pub(super) fn after(self, wait: Duration) -> Timestamp {
        self.at + wait
    }

    /// How long after it this is.
    pub(super) fn until(self, now: Timestamp) -> Duration {
        now.since(self.at)
    }

    /// Whether it is so long ago now; a wait that is over for much longer than that begins again, once.
    pub(super) fn is_over(&mut self, wait: Duration, now: Timestamp) -> bool {
        if !self.is_sure && self.at + wait + Self::OVERDUE < now {
            *self = Self::now(now);
        }
        self.at + wait <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: i64) -> Timestamp {
        Timestamp(seconds * 1_000_000)
    }

    #[test]
    fn a_time_that_moves_back_is_kept_and_what_it_replaces_is_no_longer_meant() {
        let (mut deadlines, mut queued) = (Deadlines::default(), Queued::default());
        for at in [10, 20, 4] {
            deadlines.set(0, seconds(at), &mut queued);
        }
        assert_eq!(deadlines.next(), Some(seconds(4)));
        assert!(deadlines.pop(seconds(3)).is_none());
        assert!(deadlines.pop(seconds(4)).unwrap().is_for(&mut queued));
        assert!(!deadlines.pop(seconds(10)).unwrap().is_for(&mut queued));
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn a_batch_from_disk_is_waited_for_from_the_time_at_which_it_is_seen() {
        let wait = Duration::from_secs(5);
        let mut live = Heard::received(seconds(0));
        assert!(!live.is_over(wait, seconds(4)) && live.is_over(wait, seconds(5)));
        let mut old = Heard::received(seconds(0));
        assert!(!old.is_over(wait, seconds(1000)) && !old.is_over(wait, seconds(1004)));
        assert!(old.is_over(wait, seconds(1005)) && old.is_over(wait, seconds(9999)));
    }
}
