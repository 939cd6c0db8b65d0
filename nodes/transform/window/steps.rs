//! The average over time: each value holds until the next one comes.

use fieldflow_contract::{Timestamp, Value};

use crate::transform::kit::number::{Sum, number};

/// Most values that are still to be put in order; the older half is then taken as it is.
pub(super) const MOST_POINTS: usize = 64;

/// The values of a window over time. What is held at its beginning is known only when the window before it is over.
#[derive(Debug, Clone)]
pub(super) struct Steps {
    /// Not weighed yet, by time.
    points: Vec<Point>,
    /// The latest that was taken out of them; it holds until the next.
    held: Option<Point>,
    first: Option<Timestamp>,
    /// Values by microseconds.
    sum: Sum,
    micros: u64,
    next_start: Timestamp,
    /// What holds when the next window begins; `None` if that is what held when this one began.
    at_next: Option<Point>,
}

#[derive(Debug, Clone)]
struct Point {
    time: Timestamp,
    /// `None` after a Bad record: from there on, no value is known.
    value: Option<Value>,
}

impl Steps {
    pub(super) fn new(next_start: Timestamp) -> Self {
        let (points, sum) = (Vec::new(), Sum::default());
        Self { points, held: None, first: None, sum, micros: 0, next_start, at_next: None }
    }

    pub(super) fn add(&mut self, time: Timestamp, value: Option<Value>) {
        if self.held.as_ref().is_some_and(|held| time < held.time) {
            return;
        }
        if self.points.len() == MOST_POINTS {
            self.settle(MOST_POINTS / 2);
        }
        let at = match self.points.last() {
            Some(last) if time < last.time => self.points.partition_point(|point| point.time <= time),
            _ => self.points.len(),
        };
        self.points.insert(at, Point { time, value });
    }

    /// Weighs the oldest points.
    fn settle(&mut self, count: usize) {
        let oldest: Vec<Point> = self.points.drain(..count).collect();
        for point in oldest {
            if let Some(held) = self.held.take() {
                self.weigh(held.value.as_ref(), held.time, point.time);
            }
            self.first.get_or_insert(point.time);
            if point.time < self.next_start {
                self.at_next = Some(point.clone());
            }
            self.held = Some(point);
        }
    }

    fn weigh(&mut self, value: Option<&Value>, from: Timestamp, to: Timestamp) {
        let Some(value) = value else { return };
        let micros = to.since(from).as_micros() as u64;
        self.sum.add(value, micros);
        self.micros = self.micros.saturating_add(micros);
    }

    /// The average from `start` to `end`, of the part of which a value is known. `carry` is what held at the beginning, and
    /// then what holds when the next window begins.
    pub(super) fn average(mut self, carry: &mut Option<Value>, start: Timestamp, end: Timestamp) -> Option<f64> {
        self.settle(self.points.len());
        if let Some(first) = self.first {
            self.weigh(carry.as_ref(), start, first);
        }
        if let Some(at_next) = self.at_next.take() {
            *carry = at_next.value;
        }
        let last = self.held.take()?;
        self.weigh(last.value.as_ref(), last.time, end);
        if self.micros == 0 { number(&last.value?) } else { Some(self.sum.over(self.micros)) }
    }
}
