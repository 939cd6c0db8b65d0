//! The content of the file, oldest first, in slices that are each read at once.

use std::collections::HashMap;

use fieldflow_contract::{Batch, NodeError, Tag, Timestamp};
use rusqlite::{Connection, params};

use super::Inspector;
use crate::queue::codec::{self, Damage};
use crate::queue::file::{EdgeId, LAST_SEQUENCE, dictionary, key, unsigned};

/// Bytes that are read at once: little in memory, and short for whoever waits to empty the log.
const AT_ONCE: usize = 256 * 1024;

/// A batch that waits in an edge.
#[derive(Debug)]
pub struct Waiting {
    /// Its place in the edge, counted from 1.
    pub position: u64,
    /// When it was received.
    pub received: Timestamp,
    /// How many records it has.
    pub records: u64,
    /// The batch; or why it cannot be decoded.
    pub batch: Result<Batch, String>,
}

/// A batch that could be delivered to nobody.
#[derive(Debug)]
pub struct Letter {
    /// When it was buried.
    pub time: Timestamp,
    /// The node or edge that gave it up.
    pub node: String,
    /// Why.
    pub reason: String,
    /// Its records, as lines of JSON.
    pub records: String,
}

/// See [`Inspector::batches`].
pub struct Batches<'a> {
    inspector: &'a Inspector,
    tags: Option<HashMap<u32, Tag>>,
    edge: EdgeId,
    next: u64,
    last: u64,
}

impl<'a> Batches<'a> {
    pub(super) fn new(inspector: &'a Inspector, edge: EdgeId, last: u64) -> Self {
        Self { inspector, tags: None, edge, next: 1, last }
    }

    fn read(&mut self) -> Result<Vec<Waiting>, NodeError> {
        let (edge, next, last) = (self.edge, self.next, self.last);
        let tags = &mut self.tags;
        let slice = self.inspector.ask(|connection| {
            let had_tags = tags.is_some();
            let slice = slice(connection, tags, [key(edge, next), key(edge, last)])?;
            if had_tags && slice.iter().any(|(_, damage)| *damage == Some(Damage::UnknownTag)) {
                // A running pipeline adds to the dictionary.
                *tags = None;
                return self::slice(connection, tags, [key(edge, next), key(edge, last)]);
            }
            Ok(slice)
        })?;
        self.next = slice.last().map_or(next, |(waiting, _)| waiting.position + 1);
        Ok(slice.into_iter().map(|(waiting, _)| waiting).collect())
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Vec<Waiting>, NodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.last < self.next {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.next = u64::MAX;
        }
        read.map(|slice| (!slice.is_empty()).then_some(slice)).transpose()
    }
}

fn slice(
    connection: &Connection,
    tags: &mut Option<HashMap<u32, Tag>>,
    range: [i64; 2],
) -> rusqlite::Result<Vec<(Waiting, Option<Damage>)>> {
    if tags.is_none() {
        *tags = Some(dictionary(connection)?);
    }
    let tag = |number| tags.as_ref().and_then(|tags| tags.get(&number).copied());
    let (mut slice, mut bytes) = (Vec::new(), 0);
    let sql = "SELECT id, received, records, body FROM batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id";
    let mut rows = connection.prepare(sql)?;
    let mut rows = rows.query(range)?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(3)?.as_blob()?;
        let batch = codec::decode(body, tag);
        bytes += body.len();
        let damage = batch.as_ref().err().copied();
        let waiting = Waiting {
            position: row.get::<_, i64>(0)? as u64 & LAST_SEQUENCE,
            received: Timestamp(row.get(1)?),
            records: unsigned(row, 2)?,
            batch: batch.map_err(|damage| damage.to_string()),
        };
        slice.push((waiting, damage));
        if AT_ONCE <= bytes {
            break;
        }
    }
    Ok(slice)
}

/// See [`Inspector::letters`].
pub struct Letters<'a> {
    inspector: &'a Inspector,
    after: i64,
    newest: i64,
}

impl<'a> Letters<'a> {
    pub(super) fn new(inspector: &'a Inspector, newest: i64) -> Self {
        Self { inspector, after: i64::MIN, newest }
    }

    fn read(&mut self) -> Result<Vec<Letter>, NodeError> {
        let (newest, after) = (self.newest, self.after);
        let (slice, after) = self.inspector.ask(|connection| {
            let (mut slice, mut bytes, mut after) = (Vec::new(), 0, after);
            let mut rows = connection.prepare(
                "SELECT id, time, node, reason, records FROM dead_letters WHERE ?1 < id AND id <= ?2 ORDER BY id",
            )?;
            let mut rows = rows.query(params![after, newest])?;
            while let Some(row) = rows.next()? {
                let letter = Letter {
                    time: Timestamp(row.get(1)?),
                    node: row.get(2)?,
                    reason: row.get(3)?,
                    records: row.get(4)?,
                };
                bytes += letter.records.len();
                after = row.get(0)?;
                slice.push(letter);
                if AT_ONCE <= bytes {
                    break;
                }
            }
            Ok((slice, after))
        })?;
        self.after = after;
        Ok(slice)
    }
}

impl Iterator for Letters<'_> {
    type Item = Result<Vec<Letter>, NodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.newest <= self.after {
            return None;
        }
        let read = self.read();
        if read.is_err() {
            self.after = i64::MAX;
        }
        read.map(|slice| (!slice.is_empty()).then_some(slice)).transpose()
    }
}
