//! Reads batches back.

use fieldflow_contract::{Batch, NodeError};

use super::{EdgeId, LAST_SEQUENCE, QueueFile, key, unsigned};
use crate::queue::codec::{self, Damage};

/// A batch as it was read.
#[derive(Debug)]
pub(in crate::queue) struct ReadBack {
    pub(in crate::queue) sequence: u64,
    pub(in crate::queue) records: u64,
    pub(in crate::queue) batch: Result<Batch, Damage>,
}

impl QueueFile {
    /// Reads batches of an edge from this one on up to another one, at least one if there is one, up to so many bytes.
    pub(in crate::queue) fn read(
        &self,
        edge: EdgeId,
        from: u64,
        upto: u64,
        most: u64,
    ) -> Result<Vec<ReadBack>, NodeError> {
        self.read_some(edge, from, upto, most).map_err(|error| self.failed(&error))
    }

    fn read_some(&self, edge: EdgeId, from: u64, upto: u64, most: u64) -> rusqlite::Result<Vec<ReadBack>> {
        let mut read = Vec::new();
        let mut bytes = 0;
        let mut rows = self
            .connection
            .prepare_cached("SELECT id, records, body FROM batches WHERE id BETWEEN ?1 AND ?2 ORDER BY id")?;
        let mut rows = rows.query([key(edge, from), key(edge, upto)])?;
        while let Some(row) = rows.next()? {
            let body = row.get_ref(2)?.as_blob()?;
            bytes += body.len() as u64;
            read.push(ReadBack {
                sequence: row.get::<_, i64>(0)? as u64 & LAST_SEQUENCE,
                records: unsigned(row, 1)?,
                batch: codec::decode(body, |number| self.tags.get(&number).copied()),
            });
            if most <= bytes {
                break;
            }
        }
        Ok(read)
    }
}
