//! What one transaction of the file does: puts in, takes out, throws away, sets aside, buries, keeps for nodes.

use std::collections::HashMap;

use fieldflow_contract::{Batch, Tag, TagMap, Timestamp, write_json_line};
use fieldflow_storage::crash_point;
use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{
    Committed, EdgeId, Evict, Evicted, Freed, Group, LAST_SEQUENCE, Letter, MOST_LETTERS, MOST_TAKEN, audit, document,
    key,
};
use crate::queue::codec;

/// The parts of the file that a transaction changes beside the database.
pub(super) struct Writer<'a> {
    pub(super) numbers: &'a mut TagMap<u32>,
    pub(super) tags: &'a mut HashMap<u32, Tag>,
    pub(super) last: &'a mut HashMap<EdgeId, u64>,
}

impl Writer<'_> {
    pub(super) fn write(&mut self, transaction: &Transaction<'_>, group: &Group) -> rusqlite::Result<Committed> {
        let mut committed = Committed::default();
        for (edge, from, upto) in &group.taken {
            committed.freed.push(take(transaction, *edge, *from, *upto)?);
        }
        for evict in &group.evict {
            committed.evicted.extend(throw_away(transaction, evict)?);
        }
        for (edge, sequence, reason) in &group.damaged {
            transaction
                .prepare_cached("INSERT OR REPLACE INTO damaged SELECT id, ?2, ?3, body FROM batches WHERE id = ?1")?
                .execute(params![key(*edge, *sequence), group.now.0, reason])?;
        }
        for (edge, batch) in &group.puts {
            committed.puts.push(self.put(transaction, *edge, batch)?);
        }
        for letter in &group.letters {
            bury(transaction, letter, group.now)?;
        }
        for document in &group.documents {
            document::store(transaction, document)?;
        }
        audit::store(transaction, &group.writes)?;
        Ok(committed)
    }

    fn put(&mut self, transaction: &Transaction<'_>, edge: EdgeId, batch: &Batch) -> rusqlite::Result<(u64, u64)> {
        let mut failed = Ok(());
        let body = codec::encode(batch, |tag| {
            self.number(transaction, tag).unwrap_or_else(|error| {
                failed = Err(error);
                0
            })
        });
        failed?;
        let last = self.last.entry(edge).or_default();
        *last += 1;
        let bytes = body.len() as u64;
        transaction
            .prepare_cached("INSERT INTO batches(id, received, records, bytes, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![key(edge, *last), batch.received().0, batch.len() as i64, bytes as i64, body])?;
        transaction
            .prepare_cached("UPDATE edges SET last = ?2, records = records + ?3, bytes = bytes + ?4 WHERE id = ?1")?
            .execute(params![edge, *last as i64, batch.len() as i64, bytes as i64])?;
        Ok((*last, bytes))
    }

    fn number(&mut self, transaction: &Transaction<'_>, tag: Tag) -> rusqlite::Result<u32> {
        if let Some(number) = self.numbers.get(tag) {
            return Ok(*number);
        }
        let number: u32 = transaction
            .prepare_cached(
                "INSERT INTO tags(name, checksum) VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET checksum = ?2 RETURNING id",
            )?
            .query_row(params![tag.name(), codec::checksum(&[tag.name().as_bytes()])], |row| row.get(0))?;
        *self.numbers.slot(tag) = Some(number);
        self.tags.insert(number, tag);
        Ok(number)
    }
}

/// Takes out what is done, oldest first and not too much at once.
fn take(transaction: &Transaction<'_>, edge: EdgeId, from: u64, upto: u64) -> rusqlite::Result<Freed> {
    let range = [key(edge, from), key(edge, upto)];
    let limit = transaction
        .prepare_cached("SELECT id FROM batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1 OFFSET ?3")?
        .query_row(params![range[0], range[1], MOST_TAKEN as i64], |row| row.get::<_, i64>(0))
        .optional()?;
    let upto = limit.map_or(upto, |id| (id as u64 & LAST_SEQUENCE) - 1);
    let (records, bytes) = delete(transaction, edge, from, upto)?;
    crash_point("queue.take.deleted");
    transaction
        .prepare_cached("UPDATE edges SET taken = max(taken, ?2) WHERE id = ?1 AND ?3 <= taken + 1")?
        .execute(params![edge, upto as i64, from as i64])?;
    Ok(Freed { edge, from, upto, records, bytes })
}

/// Deletes a range of batches; how many records and bytes it was.
pub(super) fn delete(
    transaction: &Transaction<'_>,
    edge: EdgeId,
    from: u64,
    upto: u64,
) -> rusqlite::Result<(u64, u64)> {
    let range = [key(edge, from), key(edge, upto)];
    let (records, bytes): (i64, i64) = transaction
        .prepare_cached(
            "SELECT ifnull(sum(records), 0), ifnull(sum(bytes), 0) FROM batches WHERE id BETWEEN ?1 AND ?2",
        )?
        .query_row(range, |row| Ok((row.get(0)?, row.get(1)?)))?;
    transaction.prepare_cached("DELETE FROM batches WHERE id BETWEEN ?1 AND ?2")?.execute(range)?;
    transaction
        .prepare_cached("UPDATE edges SET records = records - ?2, bytes = bytes - ?3 WHERE id = ?1")?
        .execute(params![edge, records, bytes])?;
    Ok((records as u64, bytes as u64))
}

/// Throws away the oldest batches until enough bytes are free and nothing is too old.
fn throw_away(transaction: &Transaction<'_>, evict: &Evict) -> rusqlite::Result<Option<Evicted>> {
    let before = evict.before.map_or(i64::MIN, |before| before.0);
    let (mut freed, mut upto) = (0, None);
    {
        let mut rows = transaction.prepare_cached(
            "SELECT id, received, bytes FROM batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
        )?;
        let range = params![key(evict.edge, evict.from), key(evict.edge, evict.upto), MOST_TAKEN as i64];
        let mut rows = rows.query(range)?;
        while let Some(row) = rows.next()? {
            let (id, received, bytes): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            if evict.bytes <= freed && before <= received {
                break;
            }
            freed += bytes as u64;
            upto = Some(id as u64 & LAST_SEQUENCE);
        }
    }
    let Some(upto) = upto else { return Ok(None) };
    let (records, bytes) = delete(transaction, evict.edge, evict.from, upto)?;
    Ok(Some(Evicted { edge: evict.edge, from: evict.from, upto, records, bytes, aged: evict.bytes == 0 }))
}

fn bury(transaction: &Transaction<'_>, letter: &Letter, now: Timestamp) -> rusqlite::Result<()> {
    let mut lines = String::new();
    for record in letter.batch.records() {
        write_json_line(record, &mut lines);
        lines.push('\n');
    }
    transaction
        .prepare_cached("INSERT INTO dead_letters(time, node, reason, records) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![now.0, letter.node, letter.reason, lines])?;
    transaction
        .prepare_cached("DELETE FROM dead_letters WHERE id <= (SELECT max(id) FROM dead_letters) - ?1")?
        .execute([MOST_LETTERS as i64])?;
    Ok(())
}
