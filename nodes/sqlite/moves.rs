//! Steps that keep the file in shape, each one short transaction: rows from hot to cold, the oldest out, the file smaller.
//!
//! Rows arrive in `hot`, in order of arrival, because a key that begins with the tag would dirty a page a tag at every commit.
//! From there they are moved in runs: some ten thousand rows, sorted by tag and time in memory and appended to `cold` in one
//! piece. So a row is written three times in all (the log, `hot`, `cold`; its pages in the log are shared with its neighbours),
//! whatever the number of tags: about 100 bytes of flash for a row of 30, where a table clustered by tag alone writes 4,000.

use std::time::Duration;

use fieldflow_contract::Timestamp;
use fieldflow_storage::crash_point;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Result, Transaction, TransactionBehavior, params};

/// How long a transaction may hold up the next commit.
const LONGEST: Duration = Duration::from_millis(50);

/// The size of a step, found by the time that steps take: as large as it can be without holding up a commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) size: u32,
    least: u32,
    most: u32,
}

impl Pace {
    pub(super) const fn new(least: u32, most: u32) -> Self {
        Self { size: least, least, most }
    }

    /// A step of the present size took so long.
    pub(super) fn took(&mut self, time: Duration) {
        if LONGEST * 3 / 4 < time {
            self.size = (self.size / 2).max(self.least);
        } else if time < LONGEST / 3 {
            self.size = (self.size + self.size / 2).min(self.most);
        }
    }
}

/// The oldest and the newest of the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) count: u64,
    pub(super) oldest: i64,
    pub(super) oldest_stored: Timestamp,
    pub(super) newest_stored: Timestamp,
}

/// What lies in cold; `None` for nothing.
pub(super) fn runs(connection: &Connection) -> Result<Option<Runs>> {
    let ends = "SELECT o.id, o.stored, n.stored, n.id - o.id FROM runs o, runs n
        WHERE o.id = (SELECT min(id) FROM runs) AND n.id = (SELECT max(id) FROM runs)";
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Runs {
            oldest: row.get(0)?,
            oldest_stored: Timestamp(row.get(1)?),
            newest_stored: Timestamp(row.get(2)?),
            count: (row.get::<_, i64>(3)? as u64).saturating_add(1),
        })
    };
    connection.prepare_cached(ends)?.query_row((), row).optional()
}

/// The first and the last row of hot.
fn ends_of_hot(connection: &Connection) -> Result<Option<(i64, i64)>> {
    let ends = "SELECT (SELECT min(seq) FROM hot), (SELECT max(seq) FROM hot)";
    let row = |row: &rusqlite::Row<'_>| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?));
    connection.prepare_cached(ends)?.query_row((), row)
}

/// How many rows wait in hot.
pub(super) fn hot_rows(connection: &Connection) -> Result<u64> {
    Ok(ends_of_hot(connection)?.map_or(0, |(first, last)| last.abs_diff(first).saturating_add(1)))
}

/// Moves the oldest rows of hot, at most so many, into a run of their own.
pub(super) fn move_run(connection: &Connection, most: u32, now: Timestamp) -> Result<()> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    if let Some((first, last)) = ends_of_hot(&transaction)? {
        let last = last.min(first.saturating_add(i64::from(most) - 1));
        let run = "INSERT INTO runs(stored, rows, first, last) SELECT ?, count(*), min(time), max(time) FROM hot WHERE seq <= ?";
        let run = transaction.prepare_cached(run)?.insert(params![now.0, last])?;
        let rows = "INSERT INTO cold SELECT ?, tag, time, seq - ?, value, quality FROM hot WHERE seq <= ? ORDER BY tag, time, seq";
        transaction.prepare_cached(rows)?.execute(params![run, first, last])?;
        crash_point("store.move.copied");
        transaction.prepare_cached("DELETE FROM hot WHERE seq <= ?")?.execute([last])?;
    }
    transaction.commit()?;
    crash_point("store.move.done");
    Ok(())
}

/// Deletes rows of a run, at most so many, and the run itself with the last of them. Says whether it is gone.
pub(super) fn delete_from(connection: &Connection, run: i64, most: u32) -> Result<bool> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let end = "SELECT tag, time, seq FROM cold WHERE run = ? ORDER BY tag, time, seq LIMIT 1 OFFSET ?";
    let end: Option<(i64, i64, i64)> = transaction
        .prepare_cached(end)?
        .query_row((run, most), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    if let Some((tag, time, seq)) = end {
        let part = "DELETE FROM cold WHERE run = ? AND (tag, time, seq) < (?, ?, ?)";
        transaction.prepare_cached(part)?.execute((run, tag, time, seq))?;
    } else {
        transaction.prepare_cached("DELETE FROM runs WHERE id = ?")?.execute([run])?;
        transaction.prepare_cached("DELETE FROM cold WHERE run = ?")?.execute([run])?;
    }
    crash_point("store.retention.deleted");
    transaction.commit()?;
    crash_point("store.retention.done");
    Ok(end.is_none())
}

/// The pages of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pages {
    pub(super) all: u64,
    pub(super) free: u64,
    bytes: u64,
}

impl Pages {
    /// Bytes of the pages that hold something.
    pub(super) fn live_bytes(self) -> u64 {
        self.all.saturating_sub(self.free) * self.bytes
    }

    /// Whether so much is free that the file should give some back. Less is kept: rows to come take it again.
    pub(super) fn is_slack(self) -> bool {
        self.all / 4 < self.free && 8 << 20 < self.free * self.bytes
    }
}

/// Counts the pages.
pub(super) fn pages(connection: &Connection) -> Result<Pages> {
    let sizes =
        "SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
    let number = |row: &rusqlite::Row<'_>, at| row.get::<_, i64>(at).map(|n| n as u64);
    connection
        .prepare_cached(sizes)?
        .query_row((), |row| Ok(Pages { all: number(row, 0)?, free: number(row, 1)?, bytes: number(row, 2)? }))
}

/// Whether the file was made so that it can shrink.
pub(super) fn can_shrink(connection: &Connection) -> Result<bool> {
    connection.query_row("PRAGMA auto_vacuum", (), |row| match row.get_ref(0)?.data_type() {
        Type::Integer => Ok(row.get::<_, i64>(0)? == 2),
        _ => Ok(false),
    })
}

/// Gives at most so many free pages back to the file system.
pub(super) fn shrink(connection: &Connection, pages: u32) -> Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    // A page a row.
    let mut rows = statement.query(())?;
    while rows.next()?.is_some() {}
    Ok(())
}
