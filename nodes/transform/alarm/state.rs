//! The limits of one tag: which are exceeded, and what is on its way to be.

use std::time::Duration;

use fieldflow_contract::{Quality, Timestamp, Value};
use serde::{Deserialize, Serialize};

use super::config::{Bad, Rule};
use crate::transform::kit::number::{compare, difference};

/// What is told of a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    #[default]
    Normal,
    Bad,
    Hihi,
    Lolo,
    Hi,
    Lo,
}

impl State {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Bad => "bad",
            Self::Hihi => "hihi",
            Self::Lolo => "lolo",
            Self::Hi => "hi",
            Self::Lo => "lo",
        }
    }

    fn is_high(self) -> bool {
        matches!(self, Self::Hi | Self::Hihi)
    }

    fn is_low(self) -> bool {
        matches!(self, Self::Lo | Self::Lolo)
    }

    /// Whether the limit for `limit` is exceeded while this is the state.
    fn includes(self, limit: Self) -> bool {
        self == limit || matches!((self, limit), (Self::Hihi, Self::Hi) | (Self::Lolo, Self::Lo))
    }
}

/// The last transition of a tag, as it is kept over a restart.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) state: State,
    /// Whether the value was Uncertain that it was told of.
    pub(super) is_uncertain: bool,
    /// Its time, in microseconds.
    time: i64,
}

impl Told {
    pub(super) fn new(state: State, is_uncertain: bool, time: Timestamp) -> Self {
        Self { state, is_uncertain, time: time.0 }
    }

    pub(super) fn time(&self) -> Timestamp {
        Timestamp(self.time)
    }

    pub(super) fn quality(&self) -> Quality {
        if self.is_uncertain { Quality::UNCERTAIN } else { Quality::GOOD }
    }
}

/// The limits of a rule, the most severe first.
#[derive(Debug)]
pub(super) struct Limits {
    all: Vec<Limit>,
    on_delay: Duration,
    off_delay: Duration,
}

#[derive(Debug)]
struct Limit {
    is: State,
    /// Exceeded beyond this.
    on: Value,
    /// Over at this or further back.
    off: Value,
}

impl Limits {
    pub(super) fn new(rule: &Rule) -> Self {
        let number = |number: f64| Value::F64(number);
        let mut limits = Vec::new();
        if rule.bad == Bad::Alarm {
            limits.push(Limit { is: State::Bad, on: Value::Null, off: Value::Null });
        }
        let given = [(State::Hihi, rule.hihi), (State::Lolo, rule.lolo), (State::Hi, rule.hi), (State::Lo, rule.lo)];
        for (state, limit) in given {
            let Some(limit) = limit else { continue };
            // Worked out in decimals, so that 0.3 comes back by 0.1 at 0.2.
            let back = if state.is_high() { rule.hysteresis } else { -rule.hysteresis };
            let off = difference(&number(back), &number(limit)).unwrap_or(limit);
            limits.push(Limit { is: state, on: number(limit), off: number(off) });
        }
        Self { all: limits, on_delay: rule.on_delay.0, off_delay: rule.off_delay.0 }
    }
}

impl Limit {
    /// Whether it is exceeded by the value, as far as the value can tell. `None` is a value that must not be used.
    fn is_exceeded(&self, value: Option<&Value>, is_active: bool) -> Option<bool> {
        if self.is == State::Bad {
            return Some(value.is_none());
        }
        let order = compare(value?, if is_active { &self.off } else { &self.on });
        Some(if self.is.is_high() { order.is_gt() } else { order.is_lt() })
    }
}

/// The limits of one tag.
#[derive(Debug, Default)]
pub(super) struct Watched {
    /// What was told last.
    told: State,
    /// In the order of the limits.
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Condition {
    is_active: bool,
    /// Since when the value says otherwise.
    turning: Option<Timestamp>,
}

impl Watched {
    /// The limits of a tag in a state that was kept, or normal.
    pub(super) fn new(limits: &Limits, told: State) -> Self {
        let condition = |limit: &Limit| Condition { is_active: told.includes(limit.is), turning: None };
        Self { told, conditions: limits.all.iter().map(condition).collect() }
    }

    /// Takes a value into account; `None` is one that must not be used. What ran out before, [`Self::turn`] has told by then.
    pub(super) fn see(&mut self, limits: &Limits, value: Option<&Value>, time: Timestamp) {
        for (condition, limit) in self.conditions.iter_mut().zip(&limits.all) {
            match limit.is_exceeded(value, condition.is_active) {
                Some(is_exceeded) if is_exceeded != condition.is_active => {
                    // Not in the future of the record, if the clock was set back.
                    condition.turning = Some(condition.turning.map_or(time, |since| since.min(time)));
                }
                _ => condition.turning = None,
            }
        }
    }

    /// The first transition that is due by this time and was not told yet, and its time.
    pub(super) fn turn(&mut self, limits: &Limits, now: Timestamp) -> Option<(Timestamp, State)> {
        while let Some(time) = self.next_turn(limits).filter(|time| *time <= now) {
            for at in 0..self.conditions.len() {
                self.turn_at(at, limits, time);
            }
            let state = self.state(limits);
            if state != self.told {
                self.told = state;
                return Some((time, state));
            }
        }
        // What was kept over a restart may have had a limit that is no more.
        let state = self.state(limits);
        (state != self.told).then(|| {
            self.told = state;
            (now, state)
        })
    }

    /// When the next delay runs out.
    pub(super) fn next_turn(&self, limits: &Limits) -> Option<Timestamp> {
        self.conditions.iter().filter_map(|condition| condition.turns_at(limits)).min()
    }

    fn turn_at(&mut self, at: usize, limits: &Limits, time: Timestamp) {
        let (Some(condition), Some(limit)) = (self.conditions.get_mut(at), limits.all.get(at)) else { return };
        if condition.turns_at(limits).is_none_or(|turns_at| time < turns_at) {
            return;
        }
        *condition = Condition { is_active: !condition.is_active, turning: None };
        if !condition.is_active {
            return;
        }
        // A value cannot be on both sides, so it does not wait for the other one to be over.
        for (other, of) in self.conditions.iter_mut().zip(&limits.all) {
            if (limit.is.is_high() && of.is.is_low()) || (limit.is.is_low() && of.is.is_high()) {
                *other = Condition::default();
            }
        }
    }

    fn state(&self, limits: &Limits) -> State {
        let mut active = self.conditions.iter().zip(&limits.all).filter(|(condition, _)| condition.is_active);
        active.next().map_or(State::Normal, |(_, limit)| limit.is)
    }
}

impl Condition {
    fn turns_at(&self, limits: &Limits) -> Option<Timestamp> {
        self.turning.map(|since| since + if self.is_active { limits.off_delay } else { limits.on_delay })
    }
}
