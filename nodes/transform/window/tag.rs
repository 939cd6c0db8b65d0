//! The windows of one tag: which are open, which are over, and what is late.

use std::collections::VecDeque;
use std::time::Duration;

use fieldflow_contract::{Record, Tag, Timestamp, Value};

use super::aggregate::{Aggregate, Needs, Window};
use crate::transform::kit::number::unusable;

/// The windows, in microseconds; none of them 0 but the lateness.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    size: i64,
    every: i64,
    lateness: i64,
}

impl Shape {
    pub(super) fn new(size: Duration, every: Duration, lateness: Duration) -> Option<Self> {
        let micros = |span: Duration| i64::try_from(span.as_micros()).ok();
        let shape = Self { size: micros(size)?, every: micros(every)?, lateness: micros(lateness)? };
        (0 < shape.every && shape.every <= shape.size).then_some(shape)
    }

    /// The beginning of the last window that a time lies in.
    fn start_of(self, time: Timestamp) -> i64 {
        time.0.div_euclid(self.every).saturating_mul(self.every)
    }

    fn end(self, start: Timestamp) -> Timestamp {
        Timestamp(start.0.saturating_add(self.size))
    }

    /// How long after the latest record a window is over if no more comes.
    fn wait(self, end: Timestamp, watermark: Timestamp) -> Duration {
        Timestamp(end.0.saturating_add(self.lateness)).since(watermark)
    }

    /// The end of the last window that is over once a record of this time has come.
    fn over_at(self, watermark: Timestamp) -> Timestamp {
        let last_start = self.start_of(Timestamp(watermark.0.saturating_sub(self.lateness).saturating_sub(self.size)));
        Timestamp(last_start.saturating_add(self.size))
    }
}

/// What became of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It entered its windows; whether no record of the tag is later.
    In { is_latest: bool },
    /// They are all over.
    Late,
    /// There is no name for what would become of it.
    Unnamed,
}

/// The windows of one tag.
#[derive(Debug)]
pub(super) struct Tagged {
    /// The tags of its aggregates.
    names: Option<Box<[Tag]>>,
    clock: Option<Clock>,
    /// By their beginning.
    open: VecDeque<Window>,
    /// What holds when the first open window begins.
    carry: Option<Value>,
}

/// How far the time of a tag has come.
#[derive(Debug, Clone, Copy)]
struct Clock {
    /// The first record.
    since: Timestamp,
    /// The latest record.
    watermark: Timestamp,
    /// Windows that end here or earlier are over.
    over: Timestamp,
    /// The first of the records that were late, if none since then was in time.
    late_since: Option<Timestamp>,
}

impl Tagged {
    pub(super) fn new(names: Option<Box<[Tag]>>) -> Self {
        Self { names, clock: None, open: VecDeque::new(), carry: None }
    }

    /// The beginning of the last window that a time lies in: mostly that of the latest window, which saves a division.
    fn start_of(&self, time: Timestamp, shape: Shape) -> i64 {
        match self.open.back() {
            Some(Window { start, .. }) if *start <= time && time.0.saturating_sub(start.0) < shape.every => start.0,
            _ => shape.start_of(time),
        }
    }

    /// Takes a record in, after closing what is over by its time.
    pub(super) fn take(
        &mut self,
        record: &Record,
        is_replayed: bool,
        shape: Shape,
        needs: Needs,
        of: &[Aggregate],
        results: &mut Vec<Record>,
    ) -> Taken {
        if self.names.is_none() {
            return Taken::Unnamed;
        }
        let time = record.time;
        let start = self.start_of(time, shape);
        let anew = || Clock { since: time, watermark: time, over: shape.over_at(time), late_since: None };
        let mut clock = self.clock.unwrap_or_else(anew);
        let mut is_latest = self.clock.is_none_or(|clock| clock.watermark < time);
        if shape.end(Timestamp(start)) <= clock.over {
            let since = clock.late_since.filter(|since| *since <= time).unwrap_or(time);
            if is_replayed || time.since(since).as_micros() < shape.size as u128 {
                self.clock = Some(Clock { late_since: (!is_replayed).then_some(since).or(clock.late_since), ..clock });
                return Taken::Late;
            }
            self.close_unfinished(shape, of, results);
            self.carry = None;
            (clock, is_latest) = (anew(), true);
        }
        clock.late_since = None;
        if clock.watermark < time {
            clock.watermark = time;
            // Most records move no window to its end, and a division is not for nothing.
            if shape.every <= time.0.saturating_sub(shape.lateness).saturating_sub(clock.over.0) {
                clock.over = clock.over.max(shape.over_at(time));
            }
        }
        self.clock = Some(clock);
        while self.open.front().is_some_and(|window| shape.end(window.start) <= clock.over) {
            self.close_first(shape, of, None, results);
        }
        self.enter(record, start, clock.over, shape, needs);
        Taken::In { is_latest }
    }

    /// Puts a record into each of its windows that is not over.
    fn enter(&mut self, record: &Record, last_start: i64, over: Timestamp, shape: Shape, needs: Needs) {
        let level = record.quality.level();
        let is_usable =
            !record.quality.is_bad() && (matches!(record.value, Value::Bool(_)) || unusable(&record.value).is_none());
        let value = is_usable.then_some(&record.value);
        let mut start = Timestamp(last_start);
        // From the last window to the first; `at` is the place behind those that begin here or earlier.
        let mut at = self.open.len();
        while record.time < shape.end(start) && over < shape.end(start) {
            let begins = |at: usize| at.checked_sub(1).and_then(|at| self.open.get(at)).map(|window| window.start);
            while begins(at).is_some_and(|known| start < known) {
                at -= 1;
            }
            if begins(at) == Some(start) {
                at -= 1;
            } else {
                self.open.insert(at, Window::new(start, start + Duration::from_micros(shape.every as u64)));
            }
            if let Some(window) = self.open.get_mut(at) {
                window.add(record.time, value, level, needs);
            }
            let Some(before) = start.0.checked_sub(shape.every) else { return };
            start = Timestamp(before);
        }
    }

    /// Closes what is over by the machine's clock, as nothing later has come for so long.
    pub(super) fn close_by_clock(
        &mut self,
        waited: Duration,
        shape: Shape,
        of: &[Aggregate],
        results: &mut Vec<Record>,
    ) {
        while let (Some(window), Some(clock)) = (self.open.front(), &mut self.clock) {
            let end = shape.end(window.start);
            if waited < shape.wait(end, clock.watermark) {
                return;
            }
            clock.over = clock.over.max(end);
            self.close_first(shape, of, None, results);
        }
    }

    /// Closes all windows, although their end has not come.
    pub(super) fn close_unfinished(&mut self, shape: Shape, of: &[Aggregate], results: &mut Vec<Record>) {
        let known = self.clock.map(|clock| clock.watermark);
        while !self.open.is_empty() {
            self.close_first(shape, of, known, results);
        }
    }

    /// Closes the oldest window; `known` is how far it is known, if not to its end.
    fn close_first(&mut self, shape: Shape, of: &[Aggregate], known: Option<Timestamp>, results: &mut Vec<Record>) {
        let (Some(window), Some(names)) = (self.open.pop_front(), &self.names) else { return };
        let start = window.start;
        let end = shape.end(start);
        let is_partial = known.is_some() || self.clock.is_some_and(|clock| start < clock.since);
        let told = window.close(of, known.map_or(end, |known| known.min(end)), is_partial, &mut self.carry);
        let record = |(&tag, (value, quality))| Record { tag, quality, time: start, value };
        results.extend(names.iter().zip(told).map(record));
    }

    /// How long after the latest record the first open window is over by the machine's clock.
    pub(super) fn wait(&self, shape: Shape) -> Option<Duration> {
        let (window, clock) = (self.open.front()?, self.clock.as_ref()?);
        Some(shape.wait(shape.end(window.start), clock.watermark))
    }
}
