//! Looks into the file of a pipeline's durable edges, beside a running pipeline or without one, and deletes from it what a
//! person wants to be rid of.
//!
//! To look writes nothing. Whatever may be long is read in slices, each through a connection of its own that is closed before
//! its rows go anywhere: nobody who reads slowly keeps the log of a running pipeline from being emptied.

mod connect;
mod slices;

use std::path::{Path, PathBuf};

use fieldflow_contract::{NodeError, Timestamp};
use fieldflow_storage::fault;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::file::{EdgeId, LAST_SEQUENCE, Purged, QueueFile, key, unsigned};
use connect::connect;
pub use slices::{Batches, Letter, Letters, Waiting};

/// Batches that are counted in one slice.
const COUNTED_AT_ONCE: i64 = 10_000;

/// What waits in an edge, as the file itself counts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    id: EdgeId,
    /// `<pipeline>/<from.port>/<to>`.
    pub name: String,
    /// Records that wait.
    pub records: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// The last batch that was ever put in.
    pub last: u64,
    /// When the oldest waiting batch was received.
    pub oldest: Option<Timestamp>,
}

/// A part of the file that can be counted and deleted.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// What waits in an edge.
    Edge(&'a Backlog),
    /// What could be delivered to nobody.
    DeadLetters,
    /// Batches that cannot be decoded, which were set aside.
    Damaged,
}

/// How much there is of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pile {
    /// Batches.
    pub batches: u64,
    /// Records; `None` where their number is not known.
    pub records: Option<u64>,
    /// Bytes.
    pub bytes: u64,
    /// When the oldest was received, buried or found.
    pub oldest: Option<Timestamp>,
    /// How far it goes, for [`purge`]: what came later is not part of it.
    upto: i64,
}

/// A look into the file.
#[derive(Debug, Clone)]
pub struct Inspector {
    path: PathBuf,
    untouched: bool,
}

impl Inspector {
    /// Looks into this file. After a hard stop it may have to make the index of the file's log, if that is lost.
    pub fn open(path: &Path) -> Result<Self, NodeError> {
        Self { path: path.to_owned(), untouched: false }.opened()
    }

    /// The same for whoever must not write at all: then such a file cannot be read.
    pub fn untouched(path: &Path) -> Result<Self, NodeError> {
        Self { path: path.to_owned(), untouched: true }.opened()
    }

    fn opened(self) -> Result<Self, NodeError> {
        connect(&self.path, self.untouched)?;
        Ok(self)
    }

    /// Every edge that ever stored something here, by name, from the file's own counters: fast, however much waits.
    pub fn edges(&self) -> Result<Vec<Backlog>, NodeError> {
        self.ask(|connection| {
            let mut edges = connection.prepare("SELECT id, name, records, bytes, last FROM edges ORDER BY name")?;
            let mut edges: Vec<Backlog> = edges
                .query_map((), |row| {
                    Ok(Backlog {
                        id: row.get(0)?,
                        name: row.get(1)?,
                        records: unsigned(row, 2)?,
                        bytes: unsigned(row, 3)?,
                        last: unsigned(row, 4)?,
                        oldest: None,
                    })
                })?
                .collect::<Result<_, _>>()?;
            let sql = "SELECT received FROM batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT 1";
            let mut oldest = connection.prepare(sql)?;
            for edge in &mut edges {
                let range = [key(edge.id, 0), key(edge.id, LAST_SEQUENCE)];
                edge.oldest = oldest.query_row(range, |row| row.get(0).map(Timestamp)).optional()?;
            }
            Ok(edges)
        })
    }

    /// Counts something, with `before` only what is older: of an edge the oldest batches up to the first that is not.
    pub fn count(&self, what: What<'_>, before: Option<Timestamp>) -> Result<Pile, NodeError> {
        let sql = match what {
            What::Edge(edge) => return self.count_edge(edge, before),
            What::DeadLetters => {
                "SELECT count(*), ifnull(sum(octet_length(records)), 0), min(time), ifnull(max(id), 0)
                 FROM dead_letters WHERE time < ?1"
            }
            What::Damaged => {
                "SELECT count(*), ifnull(sum(octet_length(body)), 0), min(found), ifnull(max(found), 0)
                 FROM damaged WHERE found < ?1"
            }
        };
        self.ask(|connection| {
            connection.query_row(sql, [before.map_or(i64::MAX, |before| before.0)], |row| {
                Ok(Pile {
                    batches: unsigned(row, 0)?,
                    records: None,
                    bytes: unsigned(row, 1)?,
                    oldest: row.get::<_, Option<i64>>(2)?.map(Timestamp),
                    upto: row.get(3)?,
                })
            })
        })
    }

    fn count_edge(&self, edge: &Backlog, before: Option<Timestamp>) -> Result<Pile, NodeError> {
        let mut pile = Pile { records: Some(0), ..Pile::default() };
        loop {
            let counted = pile.batches;
            let goes_on = self.ask(|connection| {
                let mut rows = connection.prepare(
                    "SELECT id, received, records, bytes FROM batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3",
                )?;
                let after = (pile.upto as u64).saturating_add(1);
                let mut rows = rows.query(params![key(edge.id, after), key(edge.id, edge.last), COUNTED_AT_ONCE])?;
                while let Some(row) = rows.next()? {
                    let received = Timestamp(row.get(1)?);
                    if before.is_some_and(|before| before <= received) {
                        return Ok(false);
                    }
                    pile.upto = row.get::<_, i64>(0)? & LAST_SEQUENCE as i64;
                    pile.oldest.get_or_insert(received);
                    pile.batches += 1;
                    pile.records = Some(pile.records.unwrap_or_default().saturating_add(unsigned(row, 2)?));
                    pile.bytes = pile.bytes.saturating_add(unsigned(row, 3)?);
                }
                Ok(true)
            })?;
            if !goes_on || pile.batches == counted {
                return Ok(pile);
            }
        }
    }

    /// The batches that wait in an edge now, oldest first, in slices.
    pub fn batches(&self, edge: &Backlog) -> Batches<'_> {
        Batches::new(self, edge.id, edge.last)
    }

    /// The dead letters that are there now, oldest first, in slices.
    pub fn letters(&self) -> Result<Letters<'_>, NodeError> {
        let newest = self.ask(|connection| {
            connection.query_row("SELECT ifnull(max(id), 0) FROM dead_letters", (), |row| row.get(0))
        })?;
        Ok(Letters::new(self, newest))
    }

    /// Asks something through a connection of its own.
    fn ask<T>(&self, mut ask: impl FnMut(&Connection) -> rusqlite::Result<T>) -> Result<T, NodeError> {
        ask(&connect(&self.path, self.untouched)?).map_err(|error| fault::opening(&self.path, &error))
    }
}

/// Deletes what was counted as `pile` with the same `before`, and says how much that was; what came later stays.
///
/// The caller holds the lock of the pipeline's folder: a running pipeline knows how much waits, and would not be told.
pub fn purge(path: &Path, what: What<'_>, pile: &Pile, before: Option<Timestamp>) -> Result<Pile, NodeError> {
    let mut file = QueueFile::open(path)?;
    let purged = match what {
        What::Edge(edge) => file.purge_edge(edge.id, pile.upto as u64, before)?,
        What::DeadLetters => file.purge_letters(pile.upto, before)?,
        What::Damaged => file.purge_damaged(pile.upto, before)?,
    };
    file.shrink()?;
    let Purged { batches, records, bytes } = purged;
    Ok(Pile { batches, records: pile.records.map(|_| records), bytes, ..*pile })
}

#[cfg(test)]
mod tests;
