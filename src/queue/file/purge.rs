//! Deletes what a person wants to be rid of: in steps, so that no transaction is long, and gives the disk space back.

use fieldflow_contract::{NodeError, Timestamp};
use fieldflow_storage::fault;
use rusqlite::{Connection, TransactionBehavior, params};

use super::{EdgeId, LAST_SEQUENCE, MOST_TAKEN, QueueFile, key, write};

/// Pages given back at once.
const PAGES: u32 = 1000;

/// How much was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::queue) struct Purged {
    /// Batches.
    pub(in crate::queue) batches: u64,
    /// Records, where their number is known without reading them.
    pub(in crate::queue) records: u64,
    /// Bytes.
    pub(in crate::queue) bytes: u64,
}

impl QueueFile {
    /// Deletes the oldest batches of an edge up to this one, and with `before` only while they were received earlier.
    ///
    /// Only from the front, and they count as taken: there must be no gap in an edge, nor may a number be used again.
    pub(in crate::queue) fn purge_edge(
        &mut self,
        edge: EdgeId,
        upto: u64,
        before: Option<Timestamp>,
    ) -> Result<Purged, NodeError> {
        let upto = upto.min(LAST_SEQUENCE);
        self.purge(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (mut batches, mut end) = (0, None);
            {
                let sql = "SELECT id, received FROM batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3";
                let mut rows = transaction.prepare_cached(sql)?;
                let mut rows = rows.query(params![key(edge, 0), key(edge, upto), MOST_TAKEN as i64])?;
                while let Some(row) = rows.next()? {
                    if before.is_some_and(|before| row.get(1).is_ok_and(|received: i64| before.0 <= received)) {
                        break;
                    }
                    batches += 1;
                    end = Some(row.get::<_, i64>(0)? as u64 & LAST_SEQUENCE);
                }
            }
            let Some(end) = end else { return Ok(Purged::default()) };
            let (records, bytes) = write::delete(&transaction, edge, 0, end)?;
            transaction
                .prepare_cached("UPDATE edges SET taken = max(taken, ?2) WHERE id = ?1")?
                .execute(params![edge, end as i64])?;
            transaction.commit()?;
            Ok(Purged { batches, records, bytes })
        })
    }

    /// Deletes the oldest dead letters up to this one, and with `before` only those that were buried earlier.
    pub(in crate::queue) fn purge_letters(
        &mut self,
        upto: i64,
        before: Option<Timestamp>,
    ) -> Result<Purged, NodeError> {
        let sql = "DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters
            WHERE id <= ?1 AND time < ?2 ORDER BY id LIMIT ?3) RETURNING octet_length(records)";
        self.purge_rows(sql, upto, before)
    }

    /// Deletes the damaged batches that were found up to this time, and with `before` only those that were found earlier.
    pub(in crate::queue) fn purge_damaged(
        &mut self,
        upto: i64,
        before: Option<Timestamp>,
    ) -> Result<Purged, NodeError> {
        let sql = "DELETE FROM damaged WHERE id IN (SELECT id FROM damaged
            WHERE found <= ?1 AND found < ?2 ORDER BY id LIMIT ?3) RETURNING octet_length(body)";
        self.purge_rows(sql, upto, before)
    }

    fn purge_rows(&mut self, sql: &str, upto: i64, before: Option<Timestamp>) -> Result<Purged, NodeError> {
        let before = before.map_or(i64::MAX, |before| before.0);
        self.purge(|connection| {
            let mut purged = Purged::default();
            let mut rows = connection.prepare_cached(sql)?;
            let mut rows = rows.query(params![upto, before, MOST_TAKEN as i64])?;
            while let Some(row) = rows.next()? {
                purged.batches += 1;
                purged.bytes += super::unsigned(row, 0)?;
            }
            Ok(purged)
        })
    }

    /// Takes steps until one finds nothing more.
    fn purge(
        &mut self,
        mut step: impl FnMut(&mut Connection) -> rusqlite::Result<Purged>,
    ) -> Result<Purged, NodeError> {
        let mut all = Purged::default();
        loop {
            let done = step(&mut self.connection).map_err(|error| fault::writing(&self.path, &error))?;
            if done.batches == 0 {
                return Ok(all);
            }
            all.batches += done.batches;
            all.records += done.records;
            all.bytes += done.bytes;
        }
    }

    /// Makes the file as small as what is left in it.
    pub(in crate::queue) fn shrink(&self) -> Result<(), NodeError> {
        let free = || self.connection.query_row("PRAGMA freelist_count", (), |row| super::unsigned(row, 0));
        let shrink = || {
            let mut before = u64::MAX;
            loop {
                let left = free()?;
                if left == 0 || before <= left {
                    return Ok(());
                }
                before = left;
                let mut pages = self.connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
                let mut pages = pages.query(())?;
                while pages.next()?.is_some() {}
            }
        };
        shrink().map_err(|error| fault::writing(&self.path, &error))
    }
}
