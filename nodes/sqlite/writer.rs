//! What the thread of the sink owns: the connection, from one failure to the next, and what is to be done about each.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{Batch, Cause, Clock, NodeError, Position, Tally};
use fieldflow_storage::{Ballast, Identity, Settings, begin_anew, empty_log, fault, free_bytes, is_damage, log_bytes};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode};
use tokio::time::Instant;

use super::FORMAT;
use super::moves::hot_rows;
use super::retention::Retention;
use super::rows::{self, Rows};
use super::upkeep::Upkeep;

/// A log of this size means that a reader holds an old state of the database: no more is written until it lets go.
const LARGEST_LOG: u64 = 256 << 20;
/// How long to wait for such a reader, at each try.
const READER: Duration = Duration::from_millis(100);
/// With less free space than this a disk is full, whatever the error is called.
const LEAST_FREE: u64 = 1 << 20;
/// Commits that come closer to each other than this are not disturbed by upkeep.
const PAUSE: Duration = Duration::from_millis(10);
/// How often the figures are taken, and how often a quiet database is looked after.
const CALM: Duration = Duration::from_secs(1);

/// Owns the connection. Synchronous: it runs on a thread of its own.
pub(super) struct Writer {
    settings: Settings,
    ballast: Ballast,
    clock: Arc<dyn Clock>,
    tally: Tally,
    upkeep: Upkeep,
    largest_log: u64,
    figures_at: Option<Instant>,
    open: Option<Open>,
    /// Why the connection was given up between two writes.
    lost: Option<Cause>,
    /// The disk is full: nothing is written until the ballast could be made again.
    full: bool,
    /// SQLite found this file damaged.
    damaged: Option<(Identity, String)>,
}

struct Open {
    connection: Connection,
    file: Identity,
    rows: Rows,
}

impl Writer {
    /// A writer that has not opened anything yet.
    pub(super) fn new(
        settings: Settings,
        retention: Retention,
        ballast: u64,
        clock: Arc<dyn Clock>,
        tally: Tally,
    ) -> Self {
        Self {
            ballast: Ballast::beside(&settings.path, ballast),
            settings,
            clock,
            tally,
            upkeep: Upkeep::new(retention),
            largest_log: LARGEST_LOG,
            figures_at: None,
            open: None,
            lost: None,
            full: false,
            damaged: None,
        }
    }

    /// Opens the database anew, whatever was before.
    pub(super) fn connect(&mut self) -> Result<(), NodeError> {
        if self.open.is_some() {
            // Held up by a reader of the log alone: this connection is sound.
            self.limit_log()?;
        }
        (self.open, self.lost) = (None, None);
        self.set_damaged_aside()?;
        let opened = self.reopen();
        if opened.is_err() && self.is_short_of_space() {
            self.make_room();
        }
        self.open = Some(opened?);
        let ready = self.end_of_full().and_then(|()| self.limit_log());
        if ready.is_err() {
            self.open = None;
        }
        self.figures_at = None;
        self.figures();
        ready
    }

    fn reopen(&mut self) -> Result<Open, NodeError> {
        let path = &self.settings.path;
        let connection = fieldflow_storage::open_counting(&self.settings, &FORMAT, &self.tally)?;
        let file = Identity::of(path).map_err(|error| fault::filing(path, &error))?;
        self.upkeep.opened(&connection).map_err(|error| fault::opening(path, &error))?;
        Ok(Open { connection, file, rows: Rows::default() })
    }

    /// How far the durable edges were taken.
    pub(super) fn positions(&mut self) -> Result<Vec<Position>, NodeError> {
        let open = self.open.as_ref().ok_or_else(|| self.not_open())?;
        rows::positions(&open.connection).map_err(|error| self.trouble(&error))
    }

    /// Writes all batches and positions in one transaction; `Ok` only after it was committed to the file that the path names.
    pub(super) fn write(&mut self, batches: &[Batch], positions: &[Position]) -> Result<(), NodeError> {
        self.limit_log()?;
        let Some(open) = &mut self.open else { return Err(self.not_open()) };
        if let Err(error) = open.rows.write(&open.connection, batches, positions) {
            return Err(self.trouble(&error));
        }
        match Identity::of(&self.settings.path) {
            Ok(file) if file == open.file => Ok(()),
            _ => {
                self.open = None;
                Err(self.disconnected("was moved or deleted while it was being written: a new one is made"))
            }
        }
    }

    /// Uses the time between two jobs, a little at a time; says how long to wait for the next one. `pause`: none came for a
    /// while.
    pub(super) fn rest(&mut self, pause: bool) -> Duration {
        self.figures();
        // A log that a reader holds only grows by upkeep.
        let held = self.largest_log / 4 < log_bytes(&self.settings.path);
        let Some(open) = &self.open else { return CALM };
        let (began, now) = (Instant::now(), self.clock.now());
        let done = match pause {
            true if held => empty_log(&open.connection, Duration::ZERO),
            _ if held => Ok(false),
            true => self.upkeep.step(&open.connection, now),
            false => self.upkeep.step_if_pressing(&open.connection, now).map(|()| true),
        };
        match done {
            Ok(false) => CALM,
            Ok(true) if pause => began.elapsed(),
            Ok(true) => PAUSE,
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => CALM,
            Err(error) => {
                self.tally.add("upkeep_failed", 1);
                if let NodeError::Disconnected(cause) | NodeError::Rejected(cause) = self.trouble(&error) {
                    self.open = None;
                    self.lost = Some(cause);
                }
                CALM
            }
        }
    }

    /// Empties the log into the database, if no reader is in the way, and closes it.
    pub(super) fn close(&mut self) {
        if let Some(Open { connection, .. }) = self.open.take() {
            // All is committed already; this only leaves a single tidy file behind.
            let _ = empty_log(&connection, Duration::ZERO);
        }
    }

    /// What an error of SQLite means for the connection and for the next one.
    fn trouble(&mut self, error: &Error) -> NodeError {
        let told = fault::writing(&self.settings.path, error);
        // After a failure nobody knows what the connection still holds; only a refused record leaves it sound.
        let rejected = matches!(told, NodeError::Rejected(_));
        if rejected && self.open.as_ref().is_some_and(|open| open.connection.is_autocommit()) {
            return told;
        }
        if is_damage(error)
            && let Some(open) = &self.open
        {
            // As it was found: what the log holds stays beside it.
            let _ = open.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            self.damaged = Some((open.file, error.to_string()));
        }
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) || self.is_short_of_space() {
            self.make_room();
        }
        self.open = None;
        told
    }

    /// Moves the file aside that was found damaged, if it is still there.
    fn set_damaged_aside(&mut self) -> Result<(), NodeError> {
        match self.damaged.take() {
            Some((file, what)) if Identity::of(&self.settings.path).is_ok_and(|there| there == file) => {
                self.tally.add("corrupt_file", 1);
                Err(begin_anew(&self.settings.path, &what))
            }
            _ => Ok(()),
        }
    }

    /// Keeps a reader that does not let go from filling the disk with the log.
    fn limit_log(&mut self) -> Result<(), NodeError> {
        if log_bytes(&self.settings.path) <= self.largest_log {
            return Ok(());
        }
        let Some(open) = &self.open else { return Err(self.not_open()) };
        match empty_log(&open.connection, READER) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.tally.add("log_held", 1);
                Err(self.disconnected(
                    "waits: another program holds an old state of it open, so that its log cannot be emptied and has \
                     reached its limit: end that reader",
                ))
            }
            Err(error) => Err(self.trouble(&error)),
        }
    }

    fn is_short_of_space(&self) -> bool {
        self.settings.path.parent().is_some_and(|folder| free_bytes(folder).is_ok_and(|free| free < LEAST_FREE))
    }

    /// The disk is full: gives the ballast back, so that the log can be taken into the file.
    fn make_room(&mut self) {
        self.full = true;
        self.ballast.release();
    }

    /// Makes the ballast, and holds up the work after a full disk until there is room for it.
    fn end_of_full(&mut self) -> Result<(), NodeError> {
        let Some(open) = &self.open else { return Ok(()) };
        if self.full {
            // Best effort: what of it fails is tried again with the next connection.
            let _ = self.upkeep.give_back(&open.connection, self.clock.now());
            let _ = empty_log(&open.connection, Duration::ZERO);
        }
        let whole = self.ballast.ensure().unwrap_or(false);
        if self.full && (!whole || self.is_short_of_space()) {
            let room = self.ballast.wanted().max(LEAST_FREE) >> 20;
            return Err(
                self.disconnected(&format!("waits for a disk that is full: free {room} MiB on its file system"))
            );
        }
        self.full = false;
        Ok(())
    }

    /// Takes the figures, once a second.
    fn figures(&mut self) {
        let now = Instant::now();
        if self.figures_at.is_some_and(|at| now < at + CALM) {
            return;
        }
        self.figures_at = Some(now);
        let path = &self.settings.path;
        self.tally.set("wal_bytes", log_bytes(path) as f64);
        self.tally.set("database_bytes", std::fs::metadata(path).map_or(0, |file| file.len()) as f64);
        if let Some(free) = path.parent().and_then(|folder| free_bytes(folder).ok()) {
            self.tally.set("free_disk_bytes", free as f64);
        }
        if let Some(rows) = self.open.as_ref().and_then(|open| hot_rows(&open.connection).ok()) {
            self.tally.set("hot_rows", rows as f64);
        }
    }

    fn disconnected(&self, what: &str) -> NodeError {
        NodeError::Disconnected(Cause::new(format!("{} {what}", self.settings.path.display())))
    }

    fn not_open(&self) -> NodeError {
        self.lost.clone().map_or_else(|| self.disconnected("is not open"), NodeError::Disconnected)
    }

    /// Lowers the limit of the log, so that a test need not write so much.
    #[cfg(test)]
    pub(super) fn limit_log_to(&mut self, bytes: u64) {
        self.largest_log = bytes;
    }

    /// The connection, for tests to break.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.open.as_ref().unwrap().connection
    }
}
