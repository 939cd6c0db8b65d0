//! Keeping the file in shape between the commits: what is due, a short step at a time.

use std::time::Duration;

use fieldflow_contract::Timestamp;
use rusqlite::{Connection, Result};
use tokio::time::Instant;

use super::moves::{self, Pace, Runs};
use super::retention::{Ageing, Retention};

/// From so many rows in hot on, they are moved even if commits never pause. Queries scan hot.
const HOT_ROWS: u64 = 4_000_000;
/// Commits that pause for less than this now and then are left alone.
const NO_PAUSE: Duration = Duration::from_secs(10);
/// How long fewer rows than make a good run wait in hot.
const LINGER: Duration = Duration::from_secs(3600);
/// How long the first of them wait, so that a program that is often restarted moves rows as well.
const FIRST_LINGER: Duration = Duration::from_secs(60);

/// How long room is looked for in the file itself when the disk is full.
const FULL: Duration = Duration::from_millis(500);

/// Decides what is done next, and how much of it.
pub(super) struct Upkeep {
    max_bytes: Option<u64>,
    ageing: Option<Ageing>,
    linger: Duration,
    /// From so many rows on, moving cannot wait for a pause.
    hot_rows: u64,
    can_shrink: bool,
    moving: Pace,
    deleting: Pace,
    shrinking: Pace,
    /// When what is left in hot is moved, however little it is.
    move_all_at: Option<Instant>,
    /// The run that is being deleted for its age.
    condemned: Option<i64>,
    /// When commits paused last.
    paused: Option<Instant>,
    /// Until when commits that never pause are left alone.
    spare_until: Option<Instant>,
}

/// One kind of step.
enum Step {
    Move,
    Delete(i64),
    Shrink,
}

impl Upkeep {
    pub(super) fn new(retention: Retention) -> Self {
        let max_age = retention.max_age.map(|age| age.0);
        Self {
            max_bytes: retention.max_bytes.map(|bytes| bytes.0),
            ageing: max_age.map(Ageing::new),
            linger: max_age.map_or(LINGER, |age| (age / 4).min(LINGER)),
            hot_rows: HOT_ROWS,
            can_shrink: false,
            moving: Pace::new(4_000, 100_000),
            deleting: Pace::new(1_000, 100_000),
            shrinking: Pace::new(64, 4096),
            move_all_at: None,
            condemned: None,
            paused: None,
            spare_until: None,
        }
    }

    /// A database was opened.
    pub(super) fn opened(&mut self, connection: &Connection) -> Result<()> {
        self.can_shrink = moves::can_shrink(connection)?;
        self.condemned = None;
        self.move_all_at.get_or_insert_with(|| Instant::now() + self.linger.min(FIRST_LINGER));
        Ok(())
    }

    /// Does the step that is due in a pause; `false` when none is.
    pub(super) fn step(&mut self, connection: &Connection, now: Timestamp) -> Result<bool> {
        self.paused = Some(Instant::now());
        self.make_due(connection, now)
    }

    /// Does a step although there was no pause, where it cannot wait: a quarter of the time while too much has piled up, and
    /// once a second when there was no pause for long.
    pub(super) fn step_if_pressing(&mut self, connection: &Connection, now: Timestamp) -> Result<()> {
        let began = Instant::now();
        if self.spare_until.is_some_and(|until| began < until) {
            return Ok(());
        }
        let paused = *self.paused.get_or_insert(began);
        let rest = if self.is_pressing(connection)? {
            3 * self.make_due(connection, now).map(|_| began.elapsed())?
        } else if paused + NO_PAUSE < began {
            self.make_due(connection, now).map(|_| Duration::from_secs(1))?
        } else {
            return Ok(());
        };
        self.spare_until = Some(Instant::now() + rest);
        Ok(())
    }

    fn is_pressing(&self, connection: &Connection) -> Result<bool> {
        let too_large = match self.max_bytes {
            Some(most) => most.saturating_add(most / 16) < moves::pages(connection)?.live_bytes(),
            None => false,
        };
        Ok(too_large || self.hot_rows < moves::hot_rows(connection)?)
    }

    fn make_due(&mut self, connection: &Connection, now: Timestamp) -> Result<bool> {
        let Some(step) = self.due(connection, now)? else { return Ok(false) };
        self.make(&step, connection, now)?;
        Ok(true)
    }

    /// The disk is full: deletes what may be deleted and gives free pages back, for a moment.
    pub(super) fn give_back(&mut self, connection: &Connection, now: Timestamp) -> Result<()> {
        let until = Instant::now() + FULL;
        while Instant::now() < until && self.step(connection, now)? {}
        while self.can_shrink && Instant::now() < until && 0 < moves::pages(connection)?.free {
            self.make(&Step::Shrink, connection, now)?;
        }
        Ok(())
    }

    fn due(&mut self, connection: &Connection, now: Timestamp) -> Result<Option<Step>> {
        let hot = moves::hot_rows(connection)?;
        let pages = moves::pages(connection)?;
        let runs = moves::runs(connection)?;
        if self.max_bytes.is_some_and(|most| most < pages.live_bytes()) {
            match runs {
                Some(runs) => return Ok(Some(Step::Delete(runs.oldest))),
                None if 0 < hot => return Ok(Some(Step::Move)),
                None => {}
            }
        }
        if let Some(run) = self.too_old(now, runs) {
            return Ok(Some(Step::Delete(run)));
        }
        let instant = Instant::now();
        if u64::from(self.moving.size) <= hot || 0 < hot && self.move_all_at.is_some_and(|at| at <= instant) {
            return Ok(Some(Step::Move));
        }
        Ok((self.can_shrink && pages.is_slack()).then_some(Step::Shrink))
    }

    fn too_old(&mut self, now: Timestamp, runs: Option<Runs>) -> Option<i64> {
        let runs = runs?;
        if self.condemned != Some(runs.oldest) {
            let allowed = self.ageing.as_mut().is_some_and(|ageing| ageing.allows(now, Instant::now(), runs));
            self.condemned = allowed.then_some(runs.oldest);
        }
        self.condemned
    }

    fn make(&mut self, step: &Step, connection: &Connection, now: Timestamp) -> Result<()> {
        let began = Instant::now();
        match *step {
            Step::Move => {
                moves::move_run(connection, self.moving.size, now)?;
                self.moving.took(began.elapsed());
                self.move_all_at = Some(Instant::now() + self.linger);
            }
            Step::Delete(run) => {
                if moves::delete_from(connection, run, self.deleting.size)? {
                    // The number may be given again.
                    self.condemned = None;
                }
                self.deleting.took(began.elapsed());
            }
            Step::Shrink => {
                moves::shrink(connection, self.shrinking.size)?;
                self.shrinking.took(began.elapsed());
            }
        }
        Ok(())
    }
}
