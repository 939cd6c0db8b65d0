//! The write-ahead log beside a database: how large it is, and how it is emptied.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Result};

/// A file that SQLite keeps beside the database: `-wal`, `-shm`.
pub(crate) fn companion(database: &Path, end: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// Bytes of the log; 0 where there is none. It grows for as long as a reader holds an old state of the database.
pub fn log_bytes(database: &Path) -> u64 {
    std::fs::metadata(companion(database, "-wal")).map_or(0, |file| file.len())
}

/// Takes the log into the database and empties it. `false` when somebody was in the way for all of `wait`.
pub fn empty_log(connection: &Connection, wait: Duration) -> Result<bool> {
    let before: u32 = connection.query_row("PRAGMA busy_timeout", (), |row| row.get(0))?;
    connection.busy_timeout(wait)?;
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0));
    connection.busy_timeout(Duration::from_millis(before.into()))?;
    Ok(busy? == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::TransactionBehavior;

    #[test]
    fn the_log_is_emptied_once_the_reader_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let writer = Connection::open(&path).unwrap();
        writer.busy_timeout(Duration::from_secs(7)).unwrap();
        writer.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE t(a); INSERT INTO t VALUES (1)").unwrap();
        let mut reader = Connection::open(&path).unwrap();
        let held = reader.transaction_with_behavior(TransactionBehavior::Deferred).unwrap();
        held.query_row("SELECT count(*) FROM t", (), |_| Ok(())).unwrap();
        writer.execute_batch("INSERT INTO t VALUES (2)").unwrap();
        assert!(!empty_log(&writer, Duration::ZERO).unwrap());
        assert_ne!(log_bytes(&path), 0);
        drop(held);
        assert!(empty_log(&writer, Duration::ZERO).unwrap());
        assert_eq!(log_bytes(&path), 0);
        let wait: i64 = writer.query_row("PRAGMA busy_timeout", (), |row| row.get(0)).unwrap();
        assert_eq!(wait, 7000, "the patience of the connection is as before");
    }
}
