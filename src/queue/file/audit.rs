//! What nodes wrote to devices, in the order in which it became known; only the newest are kept.

use fieldflow_contract::Entry;
use rusqlite::{Transaction, params};

/// Most writes that are kept; the oldest make room.
const MOST: i64 = 100_000;

/// What a node wrote to a device.
#[derive(Debug, Clone)]
pub(in crate::queue) struct Written {
    pub(in crate::queue) node: String,
    pub(in crate::queue) entry: Entry,
}

pub(super) fn store(transaction: &Transaction<'_>, writes: &[Written]) -> rusqlite::Result<()> {
    if writes.is_empty() {
        return Ok(());
    }
    let mut insert = transaction.prepare_cached(
        "INSERT INTO writes(time, node, tag, device, address, value, raw, old, outcome, reason) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for Written { node, entry } in writes {
        let Entry { time, tag, device, address, value, raw, old, outcome, reason } = entry;
        insert.execute(params![time.0, node, tag, device, address, value, raw, old, outcome, reason])?;
    }
    transaction.prepare_cached("DELETE FROM writes WHERE id <= (SELECT max(id) FROM writes) - ?1")?.execute([MOST])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use fieldflow_contract::Timestamp;

    use super::super::{Group, QueueFile};
    use super::*;

    fn written(time: i64) -> Written {
        let entry = Entry {
            time: Timestamp(time),
            tag: "a",
            device: "tcp://plc unit 1".to_owned(),
            address: "holding:5".to_owned(),
            value: "78.4".to_owned(),
            raw: "0x0310".to_owned(),
            old: None,
            outcome: "written",
            reason: String::new(),
        };
        Written { node: "plc".to_owned(), entry }
    }

    #[test]
    fn writes_are_kept_in_their_order_and_the_oldest_make_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = QueueFile::open(&dir.path().join("state.db")).unwrap();
        let store = |file: &mut QueueFile, times: std::ops::Range<i64>| {
            file.commit(&Group { writes: times.map(written).collect(), ..Group::default() }).unwrap();
        };
        store(&mut file, 0..10);
        store(&mut file, 10..MOST + 7);
        let sql = "SELECT count(*), min(time), max(time), min(node || ' ' || device || ' ' || address || ' ' || value) FROM writes";
        let read = |row: &rusqlite::Row<'_>| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, String>(3)?))
        };
        let expected = (MOST, 7, MOST + 6, "plc tcp://plc unit 1 holding:5 78.4".to_owned());
        assert_eq!(file.connection.query_row(sql, (), read).unwrap(), expected);
    }
}
