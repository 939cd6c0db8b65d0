//! Which units of a line answer, and when one that does not is asked again.
//!
//! A dead unit costs the line a whole time-out for each request, and everybody waits for it. So after some failures in a row
//! it is set back: asked once in a while only, ever more seldom, until it answers. It is known to all nodes of the line.

use std::collections::BTreeMap;
use std::time::Duration;

use fieldflow_contract::Cause;
use tokio::time::Instant;

/// When a unit is set back, and how it is probed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Policy {
    /// Failures in a row.
    pub(super) after: u32,
    /// The time to the first probe; doubled with each that fails, to eight times as long.
    pub(super) every: Duration,
}

/// Whether a unit may be asked now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admission {
    /// Yes.
    Ask,
    /// It was set back because of this, and no probe is due.
    Leave(Cause),
}

/// The units of a line.
#[derive(Debug, Default)]
pub(super) struct Units {
    units: BTreeMap<u8, Unit>,
    /// The connection is given up because of the failure that is just told: who is set back by it gets a chance at once.
    is_new_way: bool,
}

#[derive(Debug, Default)]
struct Unit {
    failures: u32,
    back: Option<SetBack>,
    /// On a line without transaction ids: until then its last answer may still come.
    owes: Option<Instant>,
}

#[derive(Debug)]
struct SetBack {
    probe: Instant,
    delay: Duration,
    cause: Cause,
}

impl Units {
    /// Whether this unit may be asked now. If so because a probe is due, nobody else probes meanwhile.
    pub(super) fn admit(&mut self, unit: u8, now: Instant) -> Admission {
        match self.units.get_mut(&unit).and_then(|unit| unit.back.as_mut()) {
            Some(back) if now < back.probe => Admission::Leave(back.cause.clone()),
            Some(back) => {
                back.probe = now + back.delay;
                Admission::Ask
            }
            None => Admission::Ask,
        }
    }

    /// The unit answered; tells whether it had been set back.
    pub(super) fn answered(&mut self, unit: u8) -> bool {
        self.units.remove(&unit).is_some_and(|unit| unit.back.is_some())
    }

    /// The unit failed; tells whether it is set back by this.
    pub(super) fn failed(&mut self, unit: u8, policy: Policy, cause: Cause, now: Instant) -> bool {
        let is_new_way = std::mem::take(&mut self.is_new_way);
        let unit = self.units.entry(unit).or_default();
        unit.failures = unit.failures.saturating_add(1);
        match &mut unit.back {
            Some(back) => {
                back.delay = (back.delay * 2).min(policy.every * 8);
                (back.probe, back.cause) = (now + back.delay, cause);
                false
            }
            None if policy.after <= unit.failures => {
                let probe = if is_new_way { now } else { now + policy.every };
                unit.back = Some(SetBack { probe, delay: policy.every, cause });
                true
            }
            None => false,
        }
    }

    /// Whether the unit is set back.
    pub(super) fn is_back(&self, unit: u8) -> bool {
        self.units.get(&unit).is_some_and(|unit| unit.back.is_some())
    }

    /// The way to them is a new one: each may be probed at once.
    pub(super) fn probe_all(&mut self, now: Instant) {
        self.is_new_way = true;
        for back in self.units.values_mut().filter_map(|unit| unit.back.as_mut()) {
            back.probe = now;
        }
    }

    /// The unit's answer may still come until then.
    pub(super) fn owes_until(&mut self, unit: u8, until: Instant) {
        self.units.entry(unit).or_default().owes = Some(until);
    }

    /// Until when an answer of this unit may still come.
    pub(super) fn owes(&self, unit: u8, now: Instant) -> Option<Instant> {
        self.units.get(&unit).and_then(|unit| unit.owes).filter(|until| now < *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_unit_is_set_back_after_failures_in_a_row_and_probed_ever_more_seldom() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let policy = Policy { after: 3, every: Duration::from_secs(10) };
        let dead = || Cause::new("dead");
        let mut units = Units::default();
        assert!(!units.failed(7, policy, dead(), at(0)) && !units.failed(7, policy, dead(), at(1)));
        assert!(!units.answered(7), "an answer ends the row");
        assert!(!units.failed(7, policy, dead(), at(2)) && !units.failed(7, policy, dead(), at(3)));
        assert!(units.failed(7, policy, dead(), at(4)), "three in a row");
        assert_eq!(units.admit(8, at(5)), Admission::Ask, "no other unit suffers");
        let mut probes = Vec::new();
        for second in 5..600 {
            if units.admit(7, at(second)) == Admission::Ask {
                probes.push(second);
                assert_eq!(units.admit(7, at(second)), Admission::Leave(dead()), "one probe at a time");
                assert!(!units.failed(7, policy, dead(), at(second)));
            }
        }
        assert_eq!(probes, [14, 34, 74, 154, 234, 314, 394, 474, 554]);
        units.probe_all(at(555));
        assert_eq!(units.admit(7, at(555)), Admission::Ask, "a new way");
        assert!(units.answered(7) && !units.is_back(7));
        assert_eq!(units.admit(7, at(556)), Admission::Ask);
    }
}
