//! A look at a database that changes nothing: no log is made, no index of one, no lock that others would wait for.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
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
    if let Some(why) = differs(&connection, format)? {
        return Ok(Soundness::Wrong(why));
    }
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(if said == "ok" { Soundness::Sound } else { Soundness::Wrong(format!("the database is damaged: {said}")) })
}

/// In what the tables are not those that this program made in a file of that version; others beside them are nobody's concern.
fn differs(connection: &Connection, format: Format) -> rusqlite::Result<Option<String>> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = format.migrations.len();
    let Some(migrations) = usize::try_from(version).ok().and_then(|version| format.migrations.get(..version)) else {
        return Ok(Some(format!(
            "it has schema version {version}, this program knows versions up to {known}: update the program, or choose another path"
        )));
    };
    let made = Connection::open_in_memory()?;
    for sql in migrations {
        made.execute_batch(sql)?;
    }
    let there = columns(connection)?;
    Ok(columns(&made)?.into_iter().find_map(|((table, column), wanted)| {
        match there.get(&(table.clone(), column.clone())) {
            Some(found) if *found == wanted => None,
            Some(found) => {
                Some(format!("the column `{column}` of its table `{table}` holds {found} where {wanted} is wanted"))
            }
            None => Some(format!("its table `{table}` has no column `{column}`")),
        }
    }))
}

/// The type of each column of each table.
fn columns(connection: &Connection) -> rusqlite::Result<BTreeMap<(String, String), String>> {
    let sql = "SELECT t.name, c.name, c.type FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'";
    let mut columns = connection.prepare(sql)?;
    columns.query_map((), |row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?)))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    #[test]
    fn tables_that_are_not_as_they_were_made_are_told() {
        let made = "CREATE TABLE samples(tag TEXT NOT NULL, value REAL) STRICT";
        let format = Format { migrations: &["CREATE TABLE samples(tag TEXT NOT NULL, value REAL) STRICT"], ..FORMAT };
        for (sql, version, why) in [
            (made, 1, None),
            (
                "CREATE TABLE samples(tag TEXT, value TEXT)",
                1,
                Some("`value` of its table `samples` holds TEXT where REAL is"),
            ),
            ("CREATE TABLE samples(tag TEXT)", 1, Some("its table `samples` has no column `value`")),
            (made, 2, Some("it has schema version 2, this program knows versions up to 1")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("x.db");
            let connection = Connection::open(&path).unwrap();
            let marks =
                format!("PRAGMA application_id = 7; PRAGMA user_version = {version}; {sql}; CREATE TABLE mine(x)");
            connection.execute_batch(&marks).unwrap();
            drop(connection);
            match (soundness(&path, format, LONG), why) {
                (Soundness::Sound, None) => {}
                (Soundness::Wrong(found), Some(why)) => assert!(found.contains(why), "{found}"),
                (found, _) => panic!("{sql}: {found:?}"),
            }
        }
    }
}
