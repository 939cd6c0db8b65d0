//! What nodes keep over a restart: a document of each, in the place of the one before.

use fieldflow_contract::NodeError;
use rusqlite::{OptionalExtension as _, Row, Transaction, params};

use super::QueueFile;
use crate::queue::codec::{Damage, checksum};

/// What a node keeps. What a node of another type kept under the same name is not for it.
#[derive(Debug, Clone)]
pub(in crate::queue) struct Document {
    pub(in crate::queue) node: String,
    pub(in crate::queue) kind: &'static str,
    pub(in crate::queue) bytes: Vec<u8>,
}

impl QueueFile {
    /// The document of this node, or what is wrong with it.
    pub(in crate::queue) fn document(
        &self,
        node: &str,
        kind: &str,
    ) -> Result<Option<Result<Vec<u8>, Damage>>, NodeError> {
        // Whatever a damaged row holds in the place of a document and its checksum, it is no failure of the file.
        let read = |row: &Row<'_>| {
            let (bytes, sum) = (row.get_ref(0)?.as_bytes(), row.get_ref(1)?.as_i64());
            Ok(match (bytes, sum) {
                (Ok(bytes), Ok(sum)) if sum == sum_of(node, kind, bytes) => Ok(bytes.to_vec()),
                _ => Err(Damage::Checksum),
            })
        };
        self.connection
            .query_row("SELECT document, checksum FROM node_state WHERE node = ?1 AND type = ?2", [node, kind], read)
            .optional()
            .map_err(|error| self.failed(&error))
    }
}

pub(super) fn store(transaction: &Transaction<'_>, document: &Document) -> rusqlite::Result<()> {
    let Document { node, kind, bytes } = document;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO node_state(node, type, document, checksum) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![node, kind, bytes, sum_of(node, kind, bytes)])?;
    Ok(())
}

fn sum_of(node: &str, kind: &str, bytes: &[u8]) -> i64 {
    i64::from(checksum(&[node.as_bytes(), kind.as_bytes(), bytes]))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fieldflow_contract::{Batch, Record, Tag, Timestamp, Value};
    use fieldflow_storage::{Durability, Format};

    use super::super::{FORMAT, Group, settings};
    use super::*;
    use crate::queue::Inspector;

    const NAME: &str = "p/a.out/b";

    fn stored(file: &mut QueueFile, kind: &'static str, bytes: &[u8]) {
        let document = Document { node: "n".to_owned(), kind, bytes: bytes.to_vec() };
        file.commit(&Group { documents: vec![document], ..Group::default() }).unwrap();
    }

    fn records(path: &Path) -> u64 {
        Inspector::open(path).unwrap().edges().unwrap()[0].records
    }

    #[test]
    fn a_file_of_version_1_keeps_what_it_has_and_takes_documents() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let first = Format { migrations: &FORMAT.migrations[..1], ..FORMAT };
        let mut file =
            QueueFile::of(&path, fieldflow_storage::open(&settings(&path, Durability::Power), &first).unwrap())
                .unwrap();
        let edge = file.register(&[NAME.to_owned()]).unwrap()[0].id;
        let record = Record::good(Tag::new("document.x").unwrap(), Timestamp(0), Value::I64(1));
        file.commit(&Group { puts: vec![(edge, Batch::one(record, Timestamp(0)))], ..Group::default() }).unwrap();
        drop(file);
        assert_eq!(records(&path), 1, "what only looks reads both versions");

        let mut file = QueueFile::open(&path).unwrap();
        assert_eq!(file.register(&[NAME.to_owned()]).unwrap()[0].records, 1);
        assert_eq!(file.document("n", "counter").unwrap(), None);
        stored(&mut file, "counter", b"12");
        drop(file);
        assert_eq!(records(&path), 1);
        let file = QueueFile::open(&path).unwrap();
        assert_eq!(file.document("n", "counter").unwrap(), Some(Ok(b"12".to_vec())));
    }

    #[test]
    fn a_node_of_another_type_begins_anew() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = QueueFile::open(&dir.path().join("state.db")).unwrap();
        stored(&mut file, "counter", b"12");
        assert_eq!(file.document("n", "window").unwrap(), None);
        stored(&mut file, "window", b"");
        assert_eq!(file.document("n", "window").unwrap(), Some(Ok(Vec::new())));
        assert_eq!(file.document("n", "counter").unwrap(), None);
    }

    #[test]
    fn a_row_that_rotted_is_no_document() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = QueueFile::open(&dir.path().join("state.db")).unwrap();
        for rot in ["document = x'3132'", "checksum = checksum + 1", "node = 'm'", "type = 'window'"] {
            stored(&mut file, "counter", b"13");
            file.connection.execute(&format!("UPDATE node_state SET {rot}"), ()).unwrap();
            for (node, kind) in [("n", "counter"), ("m", "counter"), ("n", "window")] {
                let found = file.document(node, kind).unwrap();
                assert!(matches!(found, None | Some(Err(Damage::Checksum))), "{rot}: {found:?}");
            }
            file.connection.execute("DELETE FROM node_state", ()).unwrap();
        }
    }
}
