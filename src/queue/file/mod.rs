//! The file of a pipeline's durable edges, its dead letters, what its nodes keep and what they wrote. Synchronous: it is owned by one thread.
//!
//! What is put in is committed in one transaction with what is taken out, for all edges of the pipeline: one sync of the disk
//! serves them all.

mod audit;
mod document;
mod purge;
mod read;
mod write;

use std::cell::Cell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{Batch, Cause, NodeError, Tag, TagMap, Timestamp};
use fieldflow_storage::{
    Ballast, Durability, Format, Settings, Worker, begin_anew, crash_point, empty_log, fault, free_bytes, is_damage,
};
use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior};

use super::codec;
pub(super) use audit::Written;
pub(super) use document::Document;
pub(super) use purge::Purged;
pub(super) use read::ReadBack;
use write::Writer;

/// What an SQLite file of ours says that it is: "ffqu".
pub(super) const FORMAT: Format = Format {
    application_id: 0x6666_7175,
    what: "the state of a fieldflow pipeline",
    migrations: &[include_str!("../schema/1.sql"), include_str!("../schema/2.sql"), include_str!("../schema/3.sql")],
};

const SEQUENCE_BITS: u32 = 47;
pub(super) const LAST_SEQUENCE: u64 = (1 << SEQUENCE_BITS) - 1;

/// Most batches that one transaction takes out, so that a long backlog never makes a commit wait.
const MOST_TAKEN: u64 = 2000;
/// Most dead letters that are kept; the oldest make room.
const MOST_LETTERS: u64 = 10_000;

/// Put by for the time when the disk is full.
const BALLAST: u64 = 8 << 20;
/// With less than this a disk is full.
const LEAST_FREE: u64 = 1 << 20;
/// After a full disk it goes on when so much is free, even if there is no room for the ballast yet.
const RESUME: u64 = 4 << 20;
const PAGE: u64 = 4096;
/// Room that stays in the file for what comes next.
const KEPT_SLACK: u64 = 4 << 20;
/// Pages that are given back at once: a few milliseconds' work.
const GIVE_BACK: u64 = 500;

fn settings(path: &Path, durability: Durability) -> Settings {
    Settings { path: path.to_owned(), durability, patience: Duration::from_secs(5) }
}

fn free(path: &Path) -> u64 {
    path.parent().map_or(u64::MAX, |folder| free_bytes(folder).unwrap_or(u64::MAX))
}

/// Whether the disk of this file is full.
pub(super) fn is_full(path: &Path) -> bool {
    free(path) < LEAST_FREE
}

/// Where an edge stands in the file.
pub(super) type EdgeId = u16;

pub(super) fn key(edge: EdgeId, sequence: u64) -> i64 {
    (i64::from(edge) << SEQUENCE_BITS) | (sequence.min(LAST_SEQUENCE) as i64)
}

/// A number that is never negative in a sound file; SQLite knows signed ones only.
pub(super) fn unsigned(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(|number| number.max(0) as u64)
}

/// The tags by the numbers that batches have for them.
pub(super) fn dictionary(connection: &Connection) -> rusqlite::Result<HashMap<u32, Tag>> {
    let mut tags = HashMap::new();
    let mut rows = connection.prepare("SELECT id, name, checksum FROM tags")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (id, name, sum): (u32, String, u32) = (row.get(0)?, row.get(1)?, row.get(2)?);
        // A damaged name is left out: what refers to it is set aside instead of going to another tag.
        if let (true, Ok(tag)) = (codec::checksum(&[name.as_bytes()]) == sum, Tag::new(&name)) {
            tags.insert(id, tag);
        }
    }
    Ok(tags)
}

/// An edge as it was found when the file was opened.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) id: EdgeId,
    pub(super) taken: u64,
    pub(super) last: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// What is thrown away to make room: from this batch on, the oldest, up to another one at most.
#[derive(Debug, Clone)]
pub(super) struct Evict {
    pub(super) edge: EdgeId,
    pub(super) from: u64,
    pub(super) upto: u64,
    /// So many bytes must go …
    pub(super) bytes: u64,
    /// … and everything that was received before.
    pub(super) before: Option<Timestamp>,
}

/// A batch that nobody takes.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) node: String,
    pub(super) reason: String,
    pub(super) batch: Batch,
}

/// What one transaction does.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) puts: Vec<(EdgeId, Batch)>,
    /// Of an edge, everything from one batch up to another one.
    pub(super) taken: Vec<(EdgeId, u64, u64)>,
    pub(super) evict: Vec<Evict>,
    pub(super) damaged: Vec<(EdgeId, u64, String)>,
    pub(super) letters: Vec<Letter>,
    pub(super) documents: Vec<Document>,
    pub(super) writes: Vec<Written>,
    pub(super) now: Timestamp,
}

/// What was thrown away: the batches of an edge up to one, and how much they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evicted {
    pub(super) edge: EdgeId,
    pub(super) from: u64,
    pub(super) upto: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// They were too old, rather than in the way.
    pub(super) aged: bool,
}

/// What a commit came to.
#[derive(Debug, Default)]
pub(super) struct Committed {
    /// The sequence and the bytes of each put, in order.
    pub(super) puts: Vec<(u64, u64)>,
    pub(super) evicted: Vec<Evicted>,
    pub(super) freed: Vec<Freed>,
}

/// What left an edge because it was taken: everything from one batch up to another, and how much it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Freed {
    pub(super) edge: EdgeId,
    pub(super) from: u64,
    pub(super) upto: u64,
    pub(super) records: u64,
    pub(super) bytes: u64,
}

/// The open file.
pub(super) struct QueueFile {
    path: PathBuf,
    ballast: Ballast,
    /// What SQLite found damaged while the file was in use.
    damage: Cell<Option<String>>,
    connection: Connection,
    epoch: u64,
    last: HashMap<EdgeId, u64>,
    numbers: TagMap<u32>,
    tags: HashMap<u32, Tag>,
}

impl QueueFile {
    /// Opens the file, or makes it.
    pub(super) fn open(path: &Path) -> Result<Self, NodeError> {
        Self::open_with(path, Durability::Power)
    }

    /// The same for virtual time, where the power is never cut: no commit waits for the disk.
    pub(super) fn open_for_virtual_time(path: &Path) -> Result<Self, NodeError> {
        Self::open_with(path, Durability::Process)
    }

    fn open_with(path: &Path, durability: Durability) -> Result<Self, NodeError> {
        if is_full(path) {
            // SQLite needs room to take out what is done; it gets what was put by for that.
            Ballast::beside(path, BALLAST).release();
        }
        Self::of(path, fieldflow_storage::open(&settings(path, durability), &FORMAT)?).map_err(|error| {
            // After a close in peace nobody has looked at the file before.
            if is_damage(&error) { begin_anew(path, &error.to_string()) } else { fault::opening(path, &error) }
        })
    }

    /// Opens the file once more, to read beside the keeper.
    pub(super) fn open_beside(path: &Path) -> Result<Self, NodeError> {
        let connection = fieldflow_storage::open_beside(&settings(path, Durability::Power), &FORMAT)?;
        Self::of(path, connection).map_err(|error| fault::opening(path, &error))
    }

    fn of(path: &Path, connection: Connection) -> rusqlite::Result<Self> {
        let epoch =
            connection.query_row("SELECT value FROM meta WHERE key = 'epoch'", [], |row| row.get::<_, i64>(0))?;
        let mut file = Self {
            ballast: Ballast::beside(path, BALLAST),
            damage: Cell::default(),
            connection,
            epoch: epoch as u64,
            last: HashMap::new(),
            numbers: TagMap::default(),
            tags: HashMap::new(),
            path: path.to_owned(),
        };
        file.load_tags()?;
        Ok(file)
    }

    /// Opens the file in place, or on a thread of its own, which owns it from then on.
    pub(super) async fn at_work(
        name: &str,
        path: PathBuf,
        open: fn(&Path) -> Result<Self, NodeError>,
        in_place: bool,
    ) -> Result<Worker<Self>, NodeError> {
        if in_place {
            return open(&path).map(Worker::in_place);
        }
        let failed =
            |error: std::io::Error| NodeError::Disconnected(Cause::new(format!("cannot start a thread: {error}")));
        let mut opener = Worker::start(name, ()).map_err(failed)?;
        let file = opener.call(move |()| open(&path)).await?;
        Worker::start(name, file).map_err(failed)
    }

    fn failed(&self, error: &rusqlite::Error) -> NodeError {
        if is_damage(error) {
            self.damage.set(Some(error.to_string()));
        }
        fault::writing(&self.path, error)
    }

    /// What was found damaged since the file was opened: it must be set aside.
    pub(super) fn damage(&self) -> Option<String> {
        self.damage.take()
    }

    /// Empties the log, so that the next start finds a file that was closed in peace.
    pub(super) fn tidy_up(&self) {
        // Best effort: all is committed already.
        let _ = empty_log(&self.connection, Duration::ZERO);
    }

    /// See [`fieldflow_contract::Position::epoch`].
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    fn load_tags(&mut self) -> rusqlite::Result<()> {
        (self.numbers, self.tags) = (TagMap::default(), dictionary(&self.connection)?);
        for (id, tag) in &self.tags {
            *self.numbers.slot(*tag) = Some(*id);
        }
        Ok(())
    }

    /// Whether there is room to put something in; asked after the disk was full. Makes the ballast if it can.
    pub(super) fn has_room(&self) -> bool {
        self.ballast.ensure().unwrap_or(false) || BALLAST <= self.slack() || RESUME <= free(&self.path)
    }

    /// Bytes in the file that hold nothing.
    fn slack(&self) -> u64 {
        let pages = self.connection.pragma_query_value(None, "freelist_count", |row| row.get::<_, i64>(0));
        pages.map_or(0, |pages| pages.max(0) as u64 * PAGE)
    }

    /// Gives a little of the room in the file back to the disk; whether there is more to give.
    pub(super) fn give_back(&self) -> bool {
        if self.slack() <= KEPT_SLACK {
            return false;
        }
        // Best effort: what cannot be given back now is used for what comes.
        let given =
            self.connection.prepare_cached(&format!("PRAGMA incremental_vacuum({GIVE_BACK})")).and_then(|mut give| {
                let mut rows = give.query([])?;
                while rows.next()?.is_some() {}
                Ok(())
            });
        given.is_ok()
    }

    /// Finds the edges by name, and makes those that are not there yet.
    pub(super) fn register(&mut self, names: &[String]) -> Result<Vec<Found>, NodeError> {
        let found = names.iter().map(|name| {
            self.connection.execute("INSERT INTO edges(name) VALUES (?1) ON CONFLICT DO NOTHING", [name])?;
            self.connection.query_row(
                "SELECT id, taken, last, records, bytes FROM edges WHERE name = ?1",
                [name],
                |row| {
                    Ok(Found {
                        id: row.get(0)?,
                        taken: unsigned(row, 1)?,
                        last: unsigned(row, 2)?,
                        records: unsigned(row, 3)?,
                        bytes: unsigned(row, 4)?,
                    })
                },
            )
        });
        let found: rusqlite::Result<Vec<Found>> = found.collect();
        let found = found.map_err(|error| self.failed(&error))?;
        self.last = found.iter().map(|edge| (edge.id, edge.last)).collect();
        Ok(found)
    }

    /// When the oldest waiting batch of an edge was received.
    pub(super) fn oldest(&self, edge: EdgeId) -> Result<Option<Timestamp>, NodeError> {
        self.connection
            .prepare_cached("SELECT received FROM batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1")
            .and_then(|mut oldest| {
                let range = [key(edge, 0), key(edge, LAST_SEQUENCE)];
                oldest.query_row(range, |row| row.get(0).map(Timestamp)).optional()
            })
            .map_err(|error| self.failed(&error))
    }

    /// The sequences and bytes of an edge's batches beyond one: what a commit did of which nobody knows how it ended.
    pub(super) fn places_beyond(&self, edge: EdgeId, sequence: u64) -> Result<Vec<(u64, u64)>, NodeError> {
        self.connection
            .prepare_cached("SELECT id, bytes FROM batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id")
            .and_then(|mut beyond| {
                let range = [key(edge, sequence + 1), key(edge, LAST_SEQUENCE)];
                let place =
                    |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)? as u64 & LAST_SEQUENCE, unsigned(row, 1)?));
                beyond.query_map(range, place)?.collect()
            })
            .map_err(|error| self.failed(&error))
    }

    /// Does all of it in one transaction. After an error nothing of it was done, and the file must be opened anew.
    pub(super) fn commit(&mut self, group: &Group) -> Result<Committed, NodeError> {
        let Self { connection, numbers, tags, last, .. } = self;
        let mut writer = Writer { numbers, tags, last };
        let done = connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
            let committed = writer.write(&transaction, group)?;
            crash_point("queue.commit.written");
            transaction.commit()?;
            crash_point("queue.commit.done");
            Ok(committed)
        });
        done.map_err(|error| self.failed(&error))
    }

    /// Reads the dictionary anew: another connection may have added to it.
    pub(super) fn refresh(&mut self) -> Result<(), NodeError> {
        self.load_tags().map_err(|error| self.failed(&error))
    }
}
