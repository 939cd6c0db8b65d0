//! The lanes of an edge on a real file, worked on by hand.

use std::path::Path;
use std::sync::Arc;

use fieldflow_contract::{Ack, Batch, Outcome, Record, SystemClock, Tag, Timestamp, Value};
use futures_util::FutureExt as _;
use tempfile::TempDir;

use super::super::{DurableEdge, Limits, Place, Step, Victim};
use super::Lane;
use crate::queue::file::{Group, QueueFile};
use crate::telemetry::EdgeSnapshot;

const NAME: &str = "p/a.out/b";

/// An edge with its file, worked on by hand. Batch `n` holds the number `n`, counted from 1.
pub(super) struct Plant {
    pub(super) edge: Arc<DurableEdge>,
    pub(super) file: QueueFile,
    dir: TempDir,
    limits: Limits,
    pub(super) put: u64,
}

pub(super) fn limits(share: Option<u8>) -> Limits {
    let (max_bytes, victim) = (u64::MAX, Victim::Block);
    Limits { capacity: 16, max_bytes, max_age: None, victim, replay_rate: None, replay_share: share }
}

fn open(path: &Path, limits: &Limits) -> (Arc<DurableEdge>, QueueFile) {
    let mut file = QueueFile::open_for_virtual_time(&path.join("state.db")).unwrap();
    let found = file.register(&[NAME.to_owned()]).unwrap();
    let edge = Arc::new(DurableEdge::new(NAME.into(), limits.clone(), Arc::new(SystemClock), Arc::default()));
    edge.opened(file.epoch(), &found[0], None);
    edge.resume(&[]);
    (edge, file)
}

impl Plant {
    pub(super) fn new(limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (edge, file) = open(dir.path(), &limits);
        Self { edge, file, dir, limits, put: 0 }
    }

    /// Puts batches in, as many at once as there is room for.
    pub(super) fn put(&mut self, count: u64) {
        for _ in 0..count {
            self.put += 1;
            let tag = Tag::new("lanes").unwrap();
            let batch = Batch::one(Record::good(tag, Timestamp(0), Value::I64(self.put as i64)), Timestamp(0));
            if self.edge.put(batch.clone(), Ack::none()).now_or_never().is_none() {
                self.commit();
                self.edge.put(batch, Ack::none()).now_or_never().unwrap();
            }
        }
        self.commit();
    }

    /// One round of the keeper.
    pub(super) fn commit(&mut self) {
        let pending = self.edge.take_pending();
        let chores = self.edge.chores(0);
        let id = chores.id.unwrap();
        let puts = pending.iter().map(|pending| (id, pending.batch.clone())).collect();
        let evict = chores.evict.into_iter().collect();
        let group = Group { puts, taken: chores.taken, evict, ..Group::default() };
        let committed = self.file.commit(&group).unwrap();
        self.edge.committed(pending, &committed.puts);
        self.edge.freed(&committed);
    }

    /// What is recalled comes back, as a sink gives it back.
    pub(super) fn give_back(&self, on_their_way: &mut Vec<u64>) {
        for number in on_their_way.extract_if(.., |number| self.edge.is_recalled(self.file.epoch(), *number)) {
            self.edge.postpone(self.file.epoch(), number);
        }
    }

    /// Hands the next batch over, as the pump does: its number, and whether it was read from the disk.
    pub(super) fn take(&self) -> Option<(u64, bool)> {
        loop {
            match self.edge.step(true) {
                Step::Live(_, batch) => return Some((number(&batch), false)),
                Step::Again(Place { sequence, .. }, _) => return Some((sequence, true)),
                Step::Read(lane, place, upto) => {
                    let (id, _) = self.edge.last_committed().unwrap();
                    let read = self.file.read(id, place.sequence, upto, 1).unwrap();
                    let none = if upto == crate::queue::file::LAST_SEQUENCE { place.sequence } else { upto };
                    let first = read.first().map_or(none + 1, |first| first.sequence);
                    self.edge.nothing_before(lane, place, first);
                    let Some(first) = read.into_iter().next() else { continue };
                    let batch = first.batch.unwrap();
                    if self.edge.takes(lane, Place { sequence: first.sequence, ..place }, &batch) {
                        return Some((number(&batch), true));
                    }
                }
                Step::Wait | Step::Later | Step::Postponed | Step::End => return None,
            }
        }
    }

    pub(super) fn done(&self, sequence: u64, outcome: Outcome) {
        self.edge.resolved(self.file.epoch(), sequence, outcome);
    }

    /// Hands over and takes everything that there is.
    pub(super) fn drain(&mut self) -> Vec<u64> {
        let mut seen = Vec::new();
        while let Some((number, _)) = self.take() {
            if self.edge.is_recalled(self.file.epoch(), number) {
                self.edge.postpone(self.file.epoch(), number);
                continue;
            }
            seen.push(number);
            self.done(number, Outcome::Delivered);
        }
        self.commit();
        seen
    }

    /// The process ends and begins again.
    pub(super) fn crash(&mut self) {
        let (edge, file) = open(self.dir.path(), &self.limits);
        (self.edge, self.file) = (edge, file);
    }

    pub(super) fn figures(&self) -> EdgeSnapshot {
        let mut figures = EdgeSnapshot::default();
        self.edge.add_to(&mut figures);
        figures
    }
}

fn number(batch: &Batch) -> u64 {
    match batch.records()[0].value {
        Value::I64(number) => number as u64,
        _ => unreachable!(),
    }
}

#[test]
fn live_data_keeps_its_share_and_each_lane_its_order() {
    let mut plant = Plant::new(limits(Some(25)));
    plant.put(100);
    plant.crash();
    let (mut live, mut backlog) = (Vec::new(), Vec::new());
    for _ in 0..120 {
        plant.put(1);
        let (number, is_read) = plant.take().unwrap();
        plant.done(number, Outcome::Delivered);
        assert_eq!(is_read, number <= 100, "only what waited is marked");
        if is_read { &mut backlog } else { &mut live }.push(number);
    }
    // One in four is of the backlog, as long as something new is there.
    assert!((28..=32).contains(&backlog.len()), "{backlog:?}");
    assert!(live.is_sorted() && backlog == (1..=backlog.len() as u64).collect::<Vec<_>>(), "{live:?} {backlog:?}");
    // A live lane that cannot keep up leaves what is no longer in memory to the backlog: it stays live.
    assert!(216 <= *live.last().unwrap(), "{live:?}");
    let mut rest = plant.drain();
    rest.extend(live.iter().chain(&backlog));
    rest.sort_unstable();
    assert_eq!(rest, (1..=220).collect::<Vec<_>>(), "each once");
    let figures = plant.figures();
    assert_eq!((figures.left, figures.depth, figures.disk_records), (220, 0, Some(0)));
}

#[test]
fn without_a_share_everything_comes_in_order() {
    let mut plant = Plant::new(limits(None));
    plant.put(100);
    plant.crash();
    plant.put(50);
    assert_eq!(plant.drain(), (1..=150).collect::<Vec<_>>());
}

#[test]
fn what_the_backlog_leaves_unused_is_for_live_data_and_the_other_way_round() {
    let mut plant = Plant::new(limits(Some(25)));
    plant.put(20);
    plant.crash();
    assert_eq!(plant.drain(), (1..=20).collect::<Vec<_>>(), "nothing new: the backlog has it all");
    plant.put(4);
    assert_eq!(plant.drain(), (21..=24).collect::<Vec<_>>());
}

#[test]
fn a_backlog_that_is_not_due_does_not_hold_up_what_is_new() {
    let mut plant = Plant::new(limits(Some(25)));
    plant.put(20);
    plant.crash();
    assert!(matches!(plant.edge.step(false), Step::Later));
    plant.put(1);
    assert!(matches!(plant.edge.step(false), Step::Live(_, batch) if number(&batch) == 21));
    assert!(matches!(plant.edge.step(false), Step::Later));
    assert!(matches!(plant.edge.step(true), Step::Read(Lane::Oldest, Place { sequence: 1, .. }, 21)));
}

#[test]
fn the_oldest_make_room_and_what_is_on_its_way_does_not() {
    let small = Limits { max_bytes: 400, victim: Victim::Oldest, ..limits(Some(50)) };
    let mut plant = Plant::new(Limits { max_bytes: u64::MAX, ..small.clone() });
    plant.put(30);
    plant.limits = small;
    plant.crash();
    plant.put(1);
    let mut seen: Vec<u64> = std::iter::from_fn(|| plant.take()).map(|(number, _)| number).take(6).collect();
    for _ in 0..20 {
        plant.put(1);
    }
    for number in &seen {
        plant.done(*number, Outcome::Delivered);
    }
    plant.commit();
    seen.extend(plant.drain());
    let figures = plant.figures();
    let dropped = figures.dropped.get("drop_oldest").copied().unwrap_or_default();
    assert_ne!(dropped, 0);
    assert_eq!((figures.left, figures.depth, figures.entered), (seen.len() as u64, 0, figures.left + dropped));
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len() as u64, figures.left, "none twice");
}

#[test]
fn what_was_postponed_waits_and_comes_again_in_its_order() {
    for share in [None, Some(25)] {
        let mut plant = Plant::new(limits(share));
        plant.put(30);
        let mut taken = Vec::new();
        while let Some((number, _)) = plant.take() {
            if number % 3 == 0 {
                plant.done(number, Outcome::Delivered);
                taken.push(number);
            } else {
                plant.edge.postpone(plant.file.epoch(), number);
            }
        }
        assert!(matches!(plant.edge.step(true), Step::Postponed), "nothing is handed over again by itself");
        plant.commit();
        assert_eq!((plant.figures().left, plant.figures().depth, plant.figures().disk_records), (10, 20, Some(20)));
        plant.put(2);
        plant.edge.take_up();
        let again = plant.drain();
        let backlog: Vec<u64> = again.iter().copied().filter(|number| *number <= 30).collect();
        assert!(backlog.is_sorted() && backlog.iter().all(|number| !taken.contains(number)), "{again:?}");
        assert_eq!((again.len(), again.is_sorted()), (22, share.is_none()), "{again:?}");
        assert_eq!((plant.figures().left, plant.figures().depth), (32, 0));
    }
}

/// Found against two brokers: what the pump had asked for before came after it, and what lay before that was taken for gone.
#[test]
fn what_is_taken_up_while_the_disk_is_read_is_not_passed_over() {
    for share in [None, Some(25)] {
        let mut plant = Plant::new(limits(share));
        plant.put(40);
        plant.crash();
        for number in 1..=20 {
            assert_eq!(plant.take(), Some((number, true)));
            plant.edge.postpone(plant.file.epoch(), number);
        }
        let Step::Read(lane, place, upto) = plant.edge.step(true) else { panic!("it is on disk") };
        plant.edge.take_up();
        let (id, _) = plant.edge.last_committed().unwrap();
        let read = plant.file.read(id, place.sequence, upto, 1).unwrap().remove(0);
        assert_eq!(read.sequence, 21);
        plant.edge.nothing_before(lane, place, read.sequence);
        assert!(!plant.edge.takes(lane, place, &read.batch.unwrap()));
        assert_eq!(plant.drain(), (1..=40).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_on_its_way_is_recalled_to_come_after_what_was_postponed() {
    for share in [None, Some(25)] {
        let mut plant = Plant::new(limits(share));
        plant.put(20);
        plant.crash();
        let epoch = plant.file.epoch();
        (1..=10).for_each(|number| assert_eq!(plant.take(), Some((number, true))));
        (1..=5).for_each(|number| plant.edge.postpone(epoch, number));
        assert!(!plant.edge.recalls());
        plant.edge.take_up();
        assert!(plant.edge.recalls() && plant.edge.is_recalled(epoch, 6) && plant.take().is_none());
        plant.done(6, Outcome::Delivered);
        (7..=9).for_each(|number| plant.edge.postpone(epoch, number));
        assert_eq!(plant.take(), None, "one of them is not back yet");
        plant.edge.postpone(epoch, 10);
        assert!(!plant.edge.recalls());
        let wanted: Vec<u64> = (1..=20).filter(|number| *number != 6).collect();
        assert_eq!(plant.drain(), wanted);
    }
}

#[test]
fn a_batch_that_made_room_while_it_was_on_its_way_and_was_postponed_is_counted_as_dropped() {
    let mut plant = Plant::new(Limits { max_bytes: 1, victim: Victim::Oldest, ..limits(None) });
    plant.put(1);
    let pending = plant.edge.take_pending();
    let chores = plant.edge.chores(1000);
    // Handed over while the commit that evicts it is under way.
    let (number, _) = plant.take().unwrap();
    let group = Group { evict: chores.evict.into_iter().collect(), ..Group::default() };
    assert_eq!(group.evict.len(), 1);
    let committed = plant.file.commit(&group).unwrap();
    plant.edge.committed(pending, &committed.puts);
    plant.edge.freed(&committed);
    plant.edge.postpone(plant.file.epoch(), number);
    let figures = plant.figures();
    assert_eq!((figures.entered, figures.left, figures.dropped["drop_oldest"], figures.depth), (1, 0, 1, 0));
}
