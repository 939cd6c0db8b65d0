//! A look at a database that changes nothing: no log is made, no index of one, no lock that others would wait for.

use std::path::Path;
use std::time::Duration;

use rusqlite::ErrorCode;
use tokio::time::Instant;

use crate::{Format, log_bytes, read_only};

/// How a database looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Soundness {
    /// Nothing is wrong with it.
    Sound,
    /// Nothing wrong was found before the time was over.
    Unfinished,
    /// It cannot be read without changing it, or is busy.
    Unread(String),
    /// It is damaged, or not what it should be.
    Wrong(String),
}

/// Whether this user may write to a file, or into a folder.
#[cfg(unix)]
pub fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

/// Where the system is not asked.
#[cfg(not(unix))]
pub fn may_write(_: &Path) -> bool {
    true
}

/// Looks through a database, for so long at most.
pub fn soundness(path: &Path, format: Format, within: Duration) -> Soundness {
    match look(path, format, within) {
        Ok(found) => found,
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => Soundness::Unfinished,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Soundness::Wrong(format!("the database is damaged: {error}"))
            }
            _ => Soundness::Unread(error.to_string()),
        },
    }
}

fn look(path: &Path, format: Format, within: Duration) -> rusqlite::Result<Soundness> {
    // Without a log nothing can be under way; with one, its index must be there already.
    let how = if log_bytes(path) == 0 { "immutable=1" } else { "readonly_shm=1" };
    let mut connection = read_only(path, how)?;
    let until = Instant::now() + within;
    connection.progress_handler(10_000, Some(move || until <= Instant::now()))?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if application != format.application_id {
        return Ok(Soundness::Wrong(format!("this is not {}", format.what)));
    }
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(if said == "ok" { Soundness::Sound } else { Soundness::Wrong(format!("the database is damaged: {said}")) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    const FORMAT: Format = Format { application_id: 7, what: "a file of this test", migrations: &[] };
    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_sound_a_damaged_and_a_foreign_file_are_told_apart_and_nothing_is_left_beside_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a b.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA application_id = 7; CREATE TABLE t(x); CREATE INDEX i ON t(x)").unwrap();
        connection.execute_batch("BEGIN").unwrap();
        for n in 0..2000 {
            connection.execute("INSERT INTO t VALUES (?1)", [n]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
        drop(connection);
        assert_eq!(soundness(&path, FORMAT, LONG), Soundness::Sound);
        let Soundness::Wrong(why) = soundness(&path, Format { application_id: 8, ..FORMAT }, LONG) else { panic!() };
        assert_eq!(why, "this is not a file of this test");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[8192..12_288].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(soundness(&path, FORMAT, LONG), Soundness::Wrong(_)));
        std::fs::write(&path, "no database at all, but long enough to be taken for one".repeat(40)).unwrap();
        assert!(matches!(soundness(&path, FORMAT, LONG), Soundness::Wrong(_)));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
