//! What is due for which tag, and when, by the clock of the machine.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::mem::take;
use std::time::Duration;

use fieldflow_contract::{Tag, Timestamp};

use super::per_tag::PerTag;

/// One deadline for each tag.
///
/// A deadline is set as a wait, and the wait begins when the clock is looked at next. For `apply` has no clock, and what
/// comes may have waited on an edge or on disk: measured from when it was received, its time would be up at once, although the
/// record that ends the wait comes right after it. So after [`Deadlines::set`] a `tick` is wanted at once, to look.
///
/// Of deadlines at the same time, that of the tag that came by first is the first, so that the same records always leave in the
/// same order. Bounded by the table of tags: the queue has about one entry for each tag, however often its deadline moves.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    slots: PerTag<Slot>,
    /// When to look at which tag, by its place; entries that are not what their slot says are leftovers.
    queue: BinaryHeap<Reverse<(Timestamp, u32)>>,
    /// How many entries of the queue are no leftovers.
    queued: usize,
    /// The places of the tags whose wait begins with the next look.
    fresh: Vec<u32>,
    /// When that look is wanted.
    look: Timestamp,
    /// The last look.
    now: Timestamp,
}

#[derive(Debug, Default, Clone, Copy)]
struct Slot {
    /// How long the wait is, if there is any.
    wait: Option<Duration>,
    /// When it began; `None` until the next look.
    began: Option<Timestamp>,
    is_fresh: bool,
    /// The entry in the queue. Never after the deadline, so that one that moves on needs no new entry.
    queued: Option<Timestamp>,
}

impl Slot {
    fn due(&self) -> Option<Timestamp> {
        Some(self.began? + self.wait?.max(Duration::from_micros(1)))
    }
}

impl Deadlines {
    /// Sets or moves the deadline of a tag: so long after the next look. The batch that is worked on was received then.
    pub(crate) fn set(&mut self, tag: Tag, wait: Duration, received: Timestamp) {
        let place = self.slots.place(tag, Slot::default);
        let Some((_, slot)) = self.slots.at(place) else { return };
        (slot.wait, slot.began) = (Some(wait), None);
        if !slot.is_fresh {
            slot.is_fresh = true;
            self.fresh.push(place);
        }
        self.look = received;
    }

    /// Sets or moves the deadline of a tag, for which it has been waiting since [`Deadlines::set`] was called last.
    pub(crate) fn extend(&mut self, tag: Tag, wait: Duration) {
        if let Some(place) = self.slots.place_of(tag)
            && let Some((_, slot)) = self.slots.at(place)
            && slot.wait != Some(wait)
        {
            slot.wait = Some(wait);
            self.enqueue(place);
        }
    }

    /// There is nothing to wait for.
    pub(crate) fn clear(&mut self, tag: Tag) {
        if let Some(slot) = self.slots.get(tag) {
            slot.wait = None;
        }
    }

    /// When a `tick` is wanted next.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        if self.fresh.is_empty() { self.queue.peek().map(|Reverse((time, _))| *time) } else { Some(self.look) }
    }

    /// Looks at the clock; [`Deadlines::pop`] then tells what is due.
    pub(crate) fn look(&mut self, now: Timestamp) {
        if now < self.now {
            self.shift(self.now.since(now));
        }
        self.now = now;
        for place in take(&mut self.fresh) {
            if let Some((_, slot)) = self.slots.at(place) {
                slot.is_fresh = false;
                slot.began = Some(now);
                self.enqueue(place);
            }
        }
        if 2 * self.queued + 64 < self.queue.len() {
            let slots = &mut self.slots;
            self.queue
                .retain(|Reverse((time, place))| slots.at(*place).is_some_and(|(_, slot)| slot.queued == Some(*time)));
        }
    }

    fn enqueue(&mut self, place: u32) {
        let Some((_, slot)) = self.slots.at(place) else { return };
        if let Some(due) = slot.due()
            && slot.queued.is_none_or(|queued| due < queued)
        {
            self.queued += usize::from(slot.queued.is_none());
            slot.queued = Some(due);
            self.queue.push(Reverse((due, place)));
        }
    }

    /// A tag whose deadline has come, the earliest first, and how long it has been waiting. It has none after that.
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<(Tag, Duration)> {
        while let Some(Reverse((time, place))) = self.queue.peek().copied().filter(|Reverse((time, _))| *time <= now) {
            self.queue.pop();
            let Some((tag, slot)) = self.slots.at(place).filter(|(_, slot)| slot.queued == Some(time)) else {
                continue;
            };
            match slot.due() {
                Some(due) if due <= now => {
                    (slot.wait, slot.queued) = (None, None);
                    self.queued -= 1;
                    return Some((tag, now.since(slot.began?)));
                }
                Some(due) => {
                    slot.queued = Some(due);
                    self.queue.push(Reverse((due, place)));
                }
                None => {
                    slot.queued = None;
                    self.queued -= 1;
                }
            }
        }
        None
    }

    /// All tags that have a deadline, in the order in which they came by first; they have none after that.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Tag> {
        self.queue.clear();
        self.fresh.clear();
        self.queued = 0;
        self.slots.iter_mut().filter_map(|(tag, slot)| take(slot).wait.map(|_| tag))
    }

    /// The clock was set back: nobody has to wait longer for that.
    fn shift(&mut self, back: Duration) {
        for Reverse((time, place)) in take(&mut self.queue) {
            let Some((_, slot)) = self.slots.at(place).filter(|(_, slot)| slot.queued == Some(time)) else { continue };
            slot.began = slot.began.map(|began| began - back);
            slot.queued = Some(time - back);
            self.queue.push(Reverse((time - back, place)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn tag(n: usize) -> Tag {
        Tag::new(&format!("deadlines.{n}")).unwrap()
    }

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    fn due(deadlines: &mut Deadlines, now: i64) -> Vec<Tag> {
        deadlines.look(Timestamp(now));
        std::iter::from_fn(|| deadlines.pop(Timestamp(now))).map(|(tag, _)| tag).collect()
    }

    #[test]
    fn a_wait_begins_when_the_clock_is_looked_at() {
        let mut deadlines = Deadlines::default();
        deadlines.set(tag(0), micros(10), Timestamp(5));
        assert_eq!(deadlines.next(), Some(Timestamp(5)));
        assert_eq!(due(&mut deadlines, 100), []);
        assert_eq!(deadlines.next(), Some(Timestamp(110)));
        assert_eq!(due(&mut deadlines, 109), []);
        assert_eq!(due(&mut deadlines, 110), [tag(0)]);
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn a_wait_that_is_extended_began_when_it_began() {
        let mut deadlines = Deadlines::default();
        deadlines.set(tag(0), micros(10), Timestamp(0));
        assert_eq!(due(&mut deadlines, 100), []);
        deadlines.extend(tag(0), micros(5));
        assert_eq!(deadlines.next(), Some(Timestamp(105)));
        assert_eq!(deadlines.pop(Timestamp(106)), Some((tag(0), micros(6))));
        deadlines.extend(tag(0), micros(20));
        assert_eq!(due(&mut deadlines, 119), []);
        assert_eq!(deadlines.pop(Timestamp(120)), Some((tag(0), micros(20))));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_longer() {
        let mut deadlines = Deadlines::default();
        deadlines.set(tag(0), micros(10), Timestamp(0));
        assert_eq!(due(&mut deadlines, 1_000_000), []);
        assert_eq!(due(&mut deadlines, 1000), []);
        assert_eq!(due(&mut deadlines, 1010), [tag(0)]);
    }

    #[test]
    fn what_is_drained_has_no_deadline_any_more() {
        let mut deadlines = Deadlines::default();
        for n in 0..4 {
            deadlines.set(tag(n), micros(10), Timestamp(0));
        }
        due(&mut deadlines, 0);
        deadlines.clear(tag(1));
        deadlines.set(tag(2), micros(1), Timestamp(0));
        assert_eq!(deadlines.drain().collect::<Vec<_>>(), [tag(0), tag(2), tag(3)]);
        assert_eq!((deadlines.next(), due(&mut deadlines, 1000)), (None, vec![]));
    }

    #[test]
    fn of_two_at_the_same_time_the_one_that_came_by_first_is_due_first() {
        // Made in this order, so that the table of tags has them so; another process may have them otherwise.
        let made = ["deadlines.early", "deadlines.late"].map(|name| Tag::new(name).unwrap());
        for tags in [made, [made[1], made[0]]] {
            let mut deadlines = Deadlines::default();
            for tag in tags {
                deadlines.set(tag, micros(10), Timestamp(0));
            }
            assert_eq!(due(&mut deadlines, 0), []);
            assert_eq!(due(&mut deadlines, 10), tags);
            for tag in tags {
                deadlines.set(tag, micros(10), Timestamp(0));
            }
            assert_eq!(deadlines.drain().collect::<Vec<_>>(), tags);
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Set(usize, u64),
        Clear(usize),
        Look(i64),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4_usize, 0..50_u64).prop_map(|(tag, wait)| Step::Set(tag, wait)),
            (0..4_usize).prop_map(Step::Clear),
            (0..20_i64).prop_map(Step::Look),
        ]
    }

    proptest! {
        #[test]
        fn what_is_due_is_what_a_plain_map_says(steps in prop::collection::vec(any_step(), 1..300)) {
            let mut deadlines = Deadlines::default();
            let (mut waits, mut dues) = (BTreeMap::new(), BTreeMap::<usize, i64>::new());
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Set(n, wait) => {
                        deadlines.set(tag(n), micros(wait), Timestamp(now));
                        waits.insert(n, wait.max(1) as i64);
                        dues.remove(&n);
                    }
                    Step::Clear(n) => {
                        deadlines.clear(tag(n));
                        waits.remove(&n);
                        dues.remove(&n);
                    }
                    Step::Look(later) => {
                        now += later;
                        dues.extend(take(&mut waits).into_iter().map(|(n, wait)| (n, now + wait)));
                        let mut told = due(&mut deadlines, now);
                        told.sort_by_key(|tag| tag.name());
                        let mut expected: Vec<Tag> =
                            dues.iter().filter(|(_, due)| **due <= now).map(|(n, _)| tag(*n)).collect();
                        expected.sort_by_key(|tag| tag.name());
                        prop_assert_eq!(told, expected);
                        dues.retain(|_, due| now < *due);
                        let next = deadlines.next();
                        prop_assert!(dues.values().all(|due| next.is_some_and(|next| next <= Timestamp(*due))));
                        prop_assert!(next.is_none_or(|next| Timestamp(now) < next));
                        prop_assert!(deadlines.queue.len() <= 2 * 4 + 64);
                    }
                }
            }
        }
    }
}
