//! What may be deleted: by age, with a guard against clocks that jump, and by size.

use std::time::Duration;

use fieldflow_contract::{At, ByteSize, Findings, Span, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::moves::Runs;

/// What may be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Retention {
    /// Delete rows that were stored longer ago than this, in steps of some ten thousand and up to an hour later. It goes by
    /// when they were stored and not by their own time, which a device may have wrong. After a jump of the clock by more than
    /// an hour nothing is deleted by age for a day, and never more than four times as fast as rows grow old. Default: keep
    /// them. At least 1m.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_age: Option<Span>,
    /// Delete the rows that were stored first when those in the database take more than this, in steps. The log beside the
    /// database, of some MiB, comes on top. Default: no limit. At least 1MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_bytes: Option<ByteSize>,
}

impl Retention {
    /// Reports limits that cannot be meant.
    pub(super) fn check(self, findings: &mut Findings) {
        let at = |key| At::from("retention").key(key);
        if self.max_age.is_some_and(|age| age.0 < Duration::from_secs(60)) {
            findings.error(at("max_age"), "at least 1m: rows are deleted in runs, and a run takes its time");
        }
        if self.max_bytes.is_some_and(|bytes| bytes.0 < 1 << 20) {
            findings.error(at("max_bytes"), "at least 1MiB: an empty database takes some of it");
        }
    }
}

/// A clock that is this much off what has passed has jumped.
const JUMP: Duration = Duration::from_secs(3600);
/// How long nothing is deleted by age after a jump: time for somebody to notice.
const HOLD: Duration = Duration::from_secs(24 * 3600);
/// Deleting by age is so much faster than ageing, to catch up, and no faster: a wrong clock must not take the history with it.
const CATCH_UP: f64 = 4.0;

/// Says when a run may be deleted for its age.
#[derive(Debug)]
pub(super) struct Ageing {
    max_age: Duration,
    seen: Option<(Timestamp, Instant)>,
    hold_until: Option<Instant>,
    /// Runs that may be deleted now.
    allowance: f64,
}

impl Ageing {
    pub(super) fn new(max_age: Duration) -> Self {
        Self { max_age, seen: None, hold_until: None, allowance: 0.0 }
    }

    /// Whether the oldest run may go. It takes one from the allowance, so ask only to do it.
    pub(super) fn allows(&mut self, now: Timestamp, monotonic: Instant, runs: Runs) -> bool {
        let passed = self.look(now, monotonic);
        let hours_worth =
            |time: Duration| runs.count as f64 * CATCH_UP * time.as_secs_f64() / self.max_age.as_secs_f64();
        let most = hours_worth(Duration::from_secs(3600)).max(1.0);
        self.allowance = (self.allowance + hours_worth(passed)).min(most);
        let clock_is_sane = runs.newest_stored <= now && self.hold_until.is_none_or(|until| until <= monotonic);
        let is_old = runs.oldest_stored + self.max_age < now;
        let may = clock_is_sane && is_old && 1.0 <= self.allowance;
        if may {
            self.allowance -= 1.0;
        }
        may
    }

    /// Notes the clock, sees a jump, and says how long ago it was looked at before.
    fn look(&mut self, now: Timestamp, monotonic: Instant) -> Duration {
        let Some((then, at)) = self.seen.replace((now, monotonic)) else { return Duration::ZERO };
        let passed = monotonic.duration_since(at);
        let expected = then + passed;
        if JUMP < now.since(expected).max(expected.since(now)) {
            self.hold_until = Some(monotonic + HOLD);
        }
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// Half a year of runs, one an hour.
    fn half_a_year(until: Timestamp) -> Runs {
        Runs { count: 4380, oldest: 1, oldest_stored: until - DAY * 182, newest_stored: until }
    }

    /// How many runs go within this time, when asked every second minute.
    fn gone(ageing: &mut Ageing, from: (Timestamp, Instant), time: Duration, mut runs: Runs) -> u64 {
        let began = runs.count;
        let mut passed = Duration::ZERO;
        while passed < time {
            passed += HOUR / 30;
            while ageing.allows(from.0 + passed, from.1 + passed, runs) {
                runs.count -= 1;
                runs.oldest_stored = runs.oldest_stored + HOUR;
            }
        }
        began - runs.count
    }

    fn now() -> (Timestamp, Instant) {
        (Timestamp(1_800_000_000_000_000), Instant::now())
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_else() {
        let (wall, mono) = now();
        let mut ageing = Ageing::new(DAY * 180);
        // Two days too many, and one a runs grows old each hour meanwhile.
        let days = gone(&mut ageing, (wall, mono), DAY * 2, half_a_year(wall));
        assert_eq!(days, 96);
    }

    #[test]
    fn a_clock_that_jumps_ahead_deletes_nothing_for_a_day_and_then_slowly() {
        let (wall, mono) = now();
        let mut ageing = Ageing::new(DAY * 180);
        let runs = half_a_year(wall);
        assert!(!ageing.allows(wall, mono, Runs { oldest_stored: wall, ..runs }));
        let wrong = wall + DAY * 3650;
        assert_eq!(gone(&mut ageing, (wrong, mono), HOUR * 23, runs), 0);
        let a_day = gone(&mut ageing, (wrong + DAY, mono + DAY), DAY, runs);
        assert!((1..=100).contains(&a_day), "a fortieth of the history a day at most: {a_day}");
    }

    #[test]
    fn a_clock_that_is_behind_the_rows_deletes_nothing() {
        let (wall, mono) = now();
        let mut ageing = Ageing::new(HOUR);
        let runs = Runs { newest_stored: wall + DAY, ..half_a_year(wall) };
        assert_eq!(gone(&mut ageing, (wall, mono), HOUR * 20, runs), 0);
    }

    #[test]
    fn a_program_that_starts_again_and_again_deletes_no_faster() {
        let (wall, mono) = now();
        let runs = half_a_year(wall);
        assert!((0..100).all(|_| !Ageing::new(DAY).allows(wall + DAY * 3650, mono, runs)));
    }
}
