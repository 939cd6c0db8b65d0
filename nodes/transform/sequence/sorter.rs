//! The node: frames in, frames in order out, and what is held meanwhile.

use std::collections::BTreeMap;

use fieldflow_contract::{Batch, Cause, Outputs, Record, Tag, TagMap, Tally, Timestamp, Transform, Value};

use super::line::{Held, Limits, Line, Meaning};
use super::{Config, Counter, EVENTS, Fate, Reorder, read};
use crate::transform::kit::batches::Frame;
use crate::transform::kit::quality::worse;
use crate::transform::kit::rules::Rules;

pub(super) struct Sorter {
    counter: Option<Counter>,
    limits: Limits,
    tags: Rules<()>,
    on_duplicate: Fate,
    on_late: Fate,
    reorder: Option<Reorder>,
    lines: TagMap<Line>,
    holding: Holding,
    /// Calls of `apply` so far.
    calls: u64,
    tally: Tally,
}

/// What is held over all tags, in the order in which it arrived and by the time that ends its wait.
#[derive(Default)]
struct Holding {
    /// How many frames arrived that were held: what arrived in another order leaves in another one, and in no other case.
    arrived: u64,
    /// By the number of the arrival: the call that brought the frame, its tag and its number there.
    by_arrival: BTreeMap<u64, (u64, Tag, u64)>,
    /// By the end of the wait and the number of the arrival: the tag of the frame and its number there.
    by_time: BTreeMap<(Timestamp, u64), (Tag, u64)>,
    /// What has come since the clock was seen. A batch may have waited on its way, so its own time says nothing of now, and
    /// what waited with it may be about to come.
    new: Vec<(Tag, u64)>,
    new_since: Timestamp,
}

/// What becomes of the records of one call.
#[derive(Default)]
struct Sorted {
    passing: Vec<Record>,
    events: Vec<Record>,
    rejected: Vec<Record>,
    dropped_duplicates: u64,
    dropped_late: u64,
    lost: u64,
    duplicate: u64,
    reordered: u64,
    late: u64,
    restart: u64,
}

impl Sorter {
    pub(super) fn new(config: Config, limits: Limits, tally: Tally) -> Self {
        Self {
            counter: config.counter,
            limits,
            tags: Rules::one(config.tags, ()),
            on_duplicate: config.on_duplicate,
            on_late: config.on_late,
            reorder: config.reorder,
            lines: TagMap::default(),
            holding: Holding::default(),
            calls: 0,
            tally,
        }
    }

    /// Whether the record passes and there is no more to do: it is the next of its tag, or has no counter to look at.
    fn goes_on(&mut self, record: &Record) -> bool {
        if !self.tags.names(record.tag) {
            return true;
        }
        let Some(line) = self.lines.slot(record.tag) else { return false };
        !record.quality.is_bad()
            && read(self.counter, self.limits.wrap, &record.value)
                .is_ok_and(|counter| line.goes_on(counter, self.limits))
    }

    fn sort(&mut self, mut record: Record, sorted: &mut Sorted) {
        let (tag, limits) = (record.tag, self.limits);
        let counter = match read(self.counter, limits.wrap, &record.value) {
            Ok(counter) if !record.quality.is_bad() => counter,
            unreadable => {
                if let Err(reason) = unreadable {
                    record.quality = worse(record.quality, reason);
                }
                self.release(tag, u64::MAX, sorted);
                sorted.passing.push(record);
                return;
            }
        };
        let Some(line) = self.lines.slot(tag) else {
            *self.lines.slot(tag) = Some(Line::new(counter, limits));
            sorted.passing.push(record);
            return;
        };
        match line.meaning(counter, limits) {
            Meaning::Next => {
                sorted.reordered += u64::from(!line.held.is_empty());
                line.pass(0, limits);
                let passed = line.number();
                sorted.passing.push(record);
                self.release(tag, passed, sorted);
            }
            Meaning::Ahead(missing) => match self.reorder {
                None => {
                    lose(line, &record, missing, sorted);
                    line.pass(missing, limits);
                    sorted.passing.push(record);
                }
                Some(reorder) => {
                    let number = line.number() + missing;
                    sorted.reordered += u64::from(line.held.last_key_value().is_some_and(|(last, _)| number < *last));
                    let arrival = self.holding.arrived;
                    self.holding.arrived += 1;
                    line.held.insert(number, Held { record, arrival, until: None });
                    self.holding.by_arrival.insert(arrival, (self.calls, tag, number));
                    self.holding.new.push((tag, number));
                    let first = line.held.first_key_value().map(|(first, _)| *first);
                    if let Some(first) = first.filter(|_| reorder.records < line.held.len()) {
                        self.release(tag, first, sorted);
                    }
                }
            },
            Meaning::Duplicate => {
                sorted.duplicate += 1;
                sorted.dropped_duplicates += sorted.place(self.on_duplicate, record);
            }
            Meaning::Late => {
                line.came_late(counter, limits);
                sorted.reordered += 1;
                sorted.late += 1;
                sorted.dropped_late += sorted.place(self.on_late, record);
            }
            Meaning::Restart => {
                self.release(tag, u64::MAX, sorted);
                if let Some(line) = self.lines.slot(tag) {
                    line.restart(counter, limits);
                }
                sorted.restart += 1;
                sorted.passing.push(record);
            }
        }
    }

    /// Gives out what is held of a tag up to a number and all that follows it without a gap.
    fn release(&mut self, tag: Tag, upto: u64, sorted: &mut Sorted) {
        let Some(line) = self.lines.slot(tag) else { return };
        while let Some(number) = line.held.first_key_value().map(|(number, _)| *number)
            && (number <= upto || number == line.number())
            && let Some(Held { record, arrival, until }) = line.held.remove(&number)
        {
            self.holding.by_arrival.remove(&arrival);
            if let Some(until) = until {
                self.holding.by_time.remove(&(until, arrival));
            }
            let missing = number - line.number();
            if missing != 0 {
                lose(line, &record, missing, sorted);
            }
            line.pass(missing, self.limits);
            sorted.passing.push(record);
        }
    }

    /// What has come since the clock was seen waits from now on.
    fn begin_to_wait(&mut self, now: Timestamp) {
        let Some(reorder) = self.reorder else { return };
        for (tag, number) in self.holding.new.drain(..) {
            let held = self.lines.slot(tag).as_mut().and_then(|line| line.held.get_mut(&number));
            if let Some(held) = held.filter(|held| held.until.is_none()) {
                let until = now + reorder.wait.0;
                held.until = Some(until);
                self.holding.by_time.insert((until, held.arrival), (tag, number));
            }
        }
    }

    fn give(&self, sorted: Sorted, frame: Frame, out: &mut Outputs) {
        for (word, times) in [
            ("lost", sorted.lost),
            ("duplicate", sorted.duplicate),
            ("reordered", sorted.reordered),
            ("late", sorted.late),
            ("restart", sorted.restart),
        ] {
            if times != 0 {
                self.tally.add(word, times);
            }
        }
        out.filtered("duplicate", sorted.dropped_duplicates);
        out.filtered("late", sorted.dropped_late);
        frame.emit(sorted.passing, out);
        frame.emit_to(EVENTS, sorted.events, out);
        frame.reject(sorted.rejected, out);
    }
}

impl Sorted {
    /// Puts a record where it belongs; how many were let go.
    fn place(&mut self, fate: Fate, record: Record) -> u64 {
        match fate {
            Fate::Pass => self.passing.push(record),
            Fate::Reject => self.rejected.push(record),
            Fate::Drop => return 1,
        }
        0
    }
}

/// Tells what is missing before a record.
fn lose(line: &mut Line, behind: &Record, missing: u64, sorted: &mut Sorted) {
    sorted.lost += missing;
    line.lost = line.lost.or_else(|| Tag::new(&format!("{}.lost", behind.tag)).ok());
    if let Some(tag) = line.lost {
        sorted.events.push(Record::good(tag, behind.time, Value::I64(missing as i64)));
    }
}

impl Transform for Sorter {
    fn apply(&mut self, batch: Batch, out: &mut Outputs) -> Result<(), Cause> {
        self.calls += 1;
        let (received, frame) = (batch.received(), Frame::of(&batch));
        // A batch in order goes on as it is, even if others read it too.
        let Some(first) = batch.records().iter().position(|record| !self.goes_on(record)) else {
            out.emit(batch);
            return Ok(());
        };
        if self.holding.new.is_empty() {
            self.holding.new_since = received;
        }
        let mut sorted = Sorted { passing: batch.into_records(), ..Sorted::default() };
        let rest = sorted.passing.split_off(first);
        let mut rest = rest.into_iter();
        // The first is known to be no simple one.
        if let Some(record) = rest.next() {
            self.sort(record, &mut sorted);
        }
        for record in rest {
            if self.goes_on(&record) {
                sorted.passing.push(record);
            } else {
                self.sort(record, &mut sorted);
            }
        }
        self.give(sorted, frame, out);
        Ok(())
    }

    fn due(&self) -> Option<Timestamp> {
        if self.holding.new.is_empty() {
            self.holding.by_time.first_key_value().map(|((until, _), _)| *until)
        } else {
            Some(self.holding.new_since)
        }
    }

    fn tick(&mut self, now: Timestamp, out: &mut Outputs) {
        self.begin_to_wait(now);
        let mut sorted = Sorted::default();
        while self.holding.by_time.first_key_value().is_some_and(|((until, _), _)| *until <= now)
            && let Some((_, (tag, number))) = self.holding.by_time.pop_first()
        {
            self.release(tag, number, &mut sorted);
        }
        self.give(sorted, Frame::at(now), out);
    }

    fn holds_since(&self) -> Option<u64> {
        self.holding.by_arrival.first_key_value().map(|(_, (call, ..))| *call)
    }

    fn finish(&mut self, now: Timestamp, out: &mut Outputs) {
        let mut sorted = Sorted::default();
        while let Some((_, (_, tag, _))) = self.holding.by_arrival.pop_first() {
            self.release(tag, u64::MAX, &mut sorted);
        }
        self.holding.new.clear();
        self.give(sorted, Frame::at(now), out);
    }
}
