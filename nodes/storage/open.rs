//! Opens the database: the file, the settings read back, the schema.

use std::path::PathBuf;
use std::time::Duration;

use fieldflow_contract::{Cause, NodeError};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{Format, check_owner, migrate};
use crate::{fault, files};

/// Older ones can lose pages when several connections checkpoint (the WAL-reset bug).
const OLDEST_SQLITE: i32 = 3_051_003;

/// What an acknowledged record survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// A power cut: every commit waits for the disk.
    #[default]
    Power,
    /// A crash of the program, but not of the machine: a power cut can take the last moments. Faster on slow disks.
    Process,
}

/// Where the database is and how it is written.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// What a commit survives.
    pub durability: Durability,
    /// How long to wait for another process that holds the file.
    pub patience: Duration,
}

impl Settings {
    /// What is set on the connection, in this order, and what SQLite answers when asked for it.
    fn pragmas(&self) -> [(&'static str, &'static str); 9] {
        let synchronous = match self.durability {
            Durability::Power => "2",
            Durability::Process => "1",
        };
        [
            ("journal_mode", "wal"),
            ("synchronous", synchronous),
            // Pages. Checkpoints are done by the writer itself: more often, and each is short.
            ("wal_autocheckpoint", "1000"),
            // 64 MiB: what a log that grew under a long reader shrinks back to.
            ("journal_size_limit", "67108864"),
            // A disk error under mmap kills the process.
            ("mmap_size", "0"),
            // At most 4 MiB: appending comes back to few pages, and small machines have little memory.
            ("cache_size", "-4096"),
            // In memory.
            ("temp_store", "2"),
            // Against files that were tampered with.
            ("cell_size_check", "1"),
            ("trusted_schema", "0"),
        ]
    }
}

/// Opens the database, makes it if it is not there, checks that it is ours and set as it should be, and brings its schema up
/// to date.
pub fn open(settings: &Settings, format: &Format) -> Result<Connection, NodeError> {
    let path = &settings.path;
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(NodeError::Broken(Cause::new(format!(
            "this program was built with SQLite {}, which can lose data: build it with 3.51.3 or newer",
            rusqlite::version()
        ))));
    }
    files::make(path).map_err(|error| fault::filing(path, &error))?;
    let failed = |error| fault::opening(path, &error);
    // No CREATE: a file that vanishes meanwhile must not come back with the mode of everybody. No URI: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(settings.patience).map_err(failed)?;
    check_owner(&connection, path, format)?;
    configure(&connection, settings)?;
    migrate(&connection, format).map_err(failed)?;
    Ok(connection)
}

fn configure(connection: &Connection, settings: &Settings) -> Result<(), NodeError> {
    let failed = |error| fault::opening(&settings.path, &error);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    // These count for a new file only, and only before all else. With the second a file can shrink again, step by step.
    connection.pragma_update(None, "page_size", 4096).map_err(failed)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(failed)?;
    for (name, wanted) in settings.pragmas() {
        connection.pragma_update(None, name, wanted).map_err(failed)?;
        let answer = match connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failed)? {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text,
            other => format!("{other:?}"),
        };
        if answer != wanted {
            return Err(NodeError::Broken(Cause::new(format!(
                "{}: SQLite answers {name} = {answer} where {wanted} is needed: put the file on a local disk",
                settings.path.display()
            ))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: Format = Format {
        application_id: 0x0FF0,
        what: "a test of fieldflow",
        migrations: &["CREATE TABLE ours(a ANY) STRICT"],
    };

    fn settings(dir: &tempfile::TempDir, durability: Durability) -> Settings {
        Settings { path: dir.path().join("plant.db"), durability, patience: Duration::from_secs(5) }
    }

    #[test]
    fn the_settings_are_in_force() {
        for (durability, synchronous) in [(Durability::Power, 2), (Durability::Process, 1)] {
            let dir = tempfile::tempdir().unwrap();
            let connection = open(&settings(&dir, durability), &FORMAT).unwrap();
            let ask = |name| connection.pragma_query_value(None, name, |row| row.get::<_, Value>(0)).unwrap();
            assert_eq!(ask("journal_mode"), Value::Text("wal".to_owned()));
            for (name, value) in [
                ("page_size", 4096),
                ("auto_vacuum", 2),
                ("synchronous", synchronous),
                ("wal_autocheckpoint", 1000),
                ("journal_size_limit", 64 << 20),
                ("mmap_size", 0),
                ("cache_size", -4096),
                ("temp_store", 2),
                ("busy_timeout", 5000),
                ("cell_size_check", 1),
                ("trusted_schema", 0),
            ] {
                assert_eq!(ask(name), Value::Integer(value), "{name}");
            }
            assert!(connection.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE).unwrap());
        }
    }

    #[test]
    fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
        for content in ["hello", &"not a database ".repeat(1000)] {
            let dir = tempfile::tempdir().unwrap();
            let settings = settings(&dir, Durability::Power);
            std::fs::write(&settings.path, content).unwrap();
            let refused = open(&settings, &FORMAT).unwrap_err();
            let said = matches!(&refused, NodeError::Broken(cause) if cause.message.contains("move the file aside"));
            assert!(said, "{refused}");
            assert_eq!(std::fs::read_to_string(&settings.path).unwrap(), content);
        }
    }

    #[test]
    fn the_database_of_another_program_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let settings = settings(&dir, Durability::Power);
        Connection::open(&settings.path).unwrap().execute_batch("CREATE TABLE theirs(a)").unwrap();
        let before = std::fs::read(&settings.path).unwrap();
        assert!(matches!(open(&settings, &FORMAT), Err(NodeError::Broken(_))));
        assert_eq!(std::fs::read(&settings.path).unwrap(), before);
    }

    #[test]
    fn a_place_that_cannot_be_written_may_heal() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let mut settings = settings(&dir, Durability::Power);
        for path in ["file/plant.db", "."] {
            settings.path = dir.path().join(path);
            let error = open(&settings, &FORMAT).unwrap_err();
            assert!(matches!(error, NodeError::Disconnected(_)), "{error}");
        }
    }
}
