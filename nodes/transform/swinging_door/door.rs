//! The door of one tag: which lines from the last record that left pass by all that came since.
//!
//! The textbook's two doors say only that *some* line passes by all points, and then draw another one, to the last point;
//! that one may miss by more than the deviation. Here a point is held only if the line to itself passes by all others, so
//! what is promised holds for the line that is drawn.

use std::time::Duration;

use fieldflow_contract::{Quality, Record, Timestamp, Value};

/// What a rule says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) deviation: f64,
    pub(super) max_time: Option<Duration>,
    pub(super) min_time: Option<Duration>,
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// It leaves at once. If not, it is held, or dropped.
    pub(super) leaves: bool,
    /// It, or the one that was held before it, was dropped.
    pub(super) dropped: bool,
}

const LEAVES: Step = Step { leaves: true, dropped: false };
const HELD: Step = Step { leaves: false, dropped: false };
const DROPPED: Step = Step { leaves: false, dropped: true };

pub(super) struct Door {
    /// The last record that left.
    value: Value,
    quality: Quality,
    time: Timestamp,
    /// Its number, if lines can begin there.
    hinge: Option<f64>,
    /// The newest record; the line to it passes by all that were dropped since the last one left.
    held: Option<Record>,
    /// The steepest and the flattest line, in units a microsecond, that pass by all that came since.
    lowest: f64,
    highest: f64,
}

impl Door {
    /// The door that opens with a record that leaves.
    pub(super) fn new(record: &Record) -> Self {
        Self {
            value: record.value.clone(),
            quality: record.quality,
            time: record.time,
            hinge: point(record),
            held: None,
            lowest: f64::NEG_INFINITY,
            highest: f64::INFINITY,
        }
    }

    /// When what is held is to leave at the latest, by the time of the records.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Timestamp> {
        self.held.as_ref().and(limits.max_time).map(|max| self.time + max)
    }

    /// The held record leaves, and a new door opens there.
    pub(super) fn release(&mut self) -> Option<Record> {
        let held = self.held.take()?;
        *self = Self::new(&held);
        Some(held)
    }

    /// What becomes of the next record, and what leaves before it.
    pub(super) fn step(&mut self, record: &Record, limits: &Limits, before: &mut Vec<Record>) -> Step {
        let newest = self.held.as_ref().map_or(self.time, |held| held.time);
        if limits.max_time.is_some_and(|max| max <= record.time.since(self.time)) {
            before.extend(self.release());
        }
        let is_due = limits.max_time.is_some_and(|max| max <= record.time.since(self.time));
        let (Some(hinge), Some(value)) = (self.hinge, point(record)) else {
            return self.beside_the_line(record, newest, is_due, before);
        };
        if self.quality != record.quality || record.time < newest {
            return self.leave(record, before);
        }
        if self.is_too_soon(record, limits) {
            return DROPPED;
        }
        if is_due {
            return self.leave(record, before);
        }
        if record.time == self.time {
            // No line goes straight up. A step is two records of the same time.
            return if value == hinge { DROPPED } else { self.leave(record, before) };
        }
        let slope = (value - hinge) / micros(self.time, record.time);
        if self.lowest <= slope && slope <= self.highest {
            return self.hold(record, hinge, value, limits);
        }
        before.extend(self.release());
        let Some(hinge) = self.hinge.filter(|_| self.time < record.time) else { return self.leave(record, before) };
        if self.is_too_soon(record, limits) {
            return DROPPED;
        }
        self.hold(record, hinge, value, limits)
    }

    /// The line goes on to this record; the one that was held lies on it.
    fn hold(&mut self, record: &Record, hinge: f64, value: f64, limits: &Limits) -> Step {
        let run = micros(self.time, record.time);
        self.lowest = self.lowest.max((value - limits.deviation - hinge) / run);
        self.highest = self.highest.min((value + limits.deviation - hinge) / run);
        if self.held.replace(record.clone()).is_some() { DROPPED } else { HELD }
    }

    fn leave(&mut self, record: &Record, before: &mut Vec<Record>) -> Step {
        before.extend(self.held.take());
        *self = Self::new(record);
        LEAVES
    }

    /// One of the two is on no line: a change leaves, a repeat is dropped.
    fn beside_the_line(&mut self, record: &Record, newest: Timestamp, is_due: bool, before: &mut Vec<Record>) -> Step {
        let is_repeat = self.held.is_none() && self.quality == record.quality && self.value.same_as(&record.value);
        if is_repeat && !is_due && newest <= record.time { DROPPED } else { self.leave(record, before) }
    }

    fn is_too_soon(&self, record: &Record, limits: &Limits) -> bool {
        limits.min_time.is_some_and(|min| record.time.since(self.time) < min)
    }
}

/// The number of a record, if it can be on a line.
fn point(record: &Record) -> Option<f64> {
    record.value.as_f64().filter(|value| value.is_finite() && !record.quality.is_bad())
}

fn micros(from: Timestamp, to: Timestamp) -> f64 {
    to.0.saturating_sub(from.0) as f64
}
