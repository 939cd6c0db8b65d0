//! Opens the database: the file, the settings read back, the schema.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{Cause, NodeError, Tally};
use rusqlite::config::DbConfig;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::damage::{is_damage, is_marked, quick_check, set_aside};
use crate::log::log_bytes;
use crate::mounts::network_share;
use crate::schema::{Format, check_owner, migrate};
use crate::{fault, files};

/// Older ones can lose pages when several connections checkpoint (the WAL-reset bug).
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long a file is looked at after a hard stop: the start waits for it.
const LOOK: Duration = Duration::from_secs(1);

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
///
/// After a stop without a close it is looked at for damage. A damaged file is moved aside: the answer is then `Disconnected`
/// with the new name, and the next call begins a new file. What is not ours, or newer than this program, is `Broken` and stays.
pub fn open(settings: &Settings, format: &Format) -> Result<Connection, NodeError> {
    open_counting(settings, format, &Tally::default())
}

/// The same, counting a file that was moved aside as `corrupt_file`.
pub fn open_counting(settings: &Settings, format: &Format, tally: &Tally) -> Result<Connection, NodeError> {
    let path = &settings.path;
    let what = match attempt(settings, format, true) {
        Ok(connection) => return Ok(connection),
        Err(Failure::Node(error)) => return Err(error),
        Err(Failure::Damaged(what)) => what,
        Err(Failure::Sqlite(error)) if is_damage(&error) && is_marked(path, format.application_id) => error.to_string(),
        Err(Failure::Sqlite(error)) => return Err(fault::opening(path, &error)),
    };
    tally.add("corrupt_file", 1);
    Err(begin_anew(path, &what))
}

/// Opens a database that this process has open already: what is in its log is no sign of a hard stop, and nothing is moved
/// from under the other connection.
pub fn open_beside(settings: &Settings, format: &Format) -> Result<Connection, NodeError> {
    attempt(settings, format, false).map_err(|failure| match failure {
        Failure::Node(error) => error,
        Failure::Sqlite(error) => fault::opening(&settings.path, &error),
        Failure::Damaged(what) => {
            NodeError::Disconnected(Cause::new(format!("{} is damaged ({what})", settings.path.display())))
        }
    })
}

/// Moves a damaged database aside, so that the next [`open`] begins a new one, and says so.
pub fn begin_anew(path: &Path, what: &str) -> NodeError {
    match set_aside(path) {
        Ok(aside) => NodeError::Disconnected(Cause::new(format!(
            "{} was damaged ({what}): it was moved to {}, from which `sqlite3 FILE .recover` saves what it can; a new one is begun",
            path.display(),
            aside.display()
        ))),
        Err(error) => NodeError::Disconnected(Cause::new(format!(
            "{} is damaged ({what}) and cannot be moved aside ({error}): move it and its -wal file yourself",
            path.display()
        ))),
    }
}

/// Why a database could not be opened.
pub(crate) enum Failure {
    /// In words already.
    Node(NodeError),
    /// SQLite says so.
    Sqlite(rusqlite::Error),
    /// The check found it.
    Damaged(String),
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

fn attempt(settings: &Settings, format: &Format, look: bool) -> Result<Connection, Failure> {
    let path = &settings.path;
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(Failure::Node(NodeError::Broken(Cause::new(format!(
            "this program was built with SQLite {}, which can lose data: build it with 3.51.3 or newer",
            rusqlite::version()
        )))));
    }
    if let Some(kind) = network_share(path) {
        return Err(Failure::Node(NodeError::Broken(Cause::new(format!(
            "{} lies on a network file system ({kind}), where acknowledged records can be lost: put the file on a local disk",
            path.display()
        )))));
    }
    files::make(path).map_err(|error| fault::filing(path, &error))?;
    // A close empties the log. What is left in it is of a kill, a power cut, or a process that has the file open still.
    let stopped_hard = look && 0 < log_bytes(path);
    // No CREATE: a file that vanishes meanwhile must not come back with the mode of everybody. No URI: a path is a path.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(settings.patience)?;
    // If the file turns out to be damaged or not ours, it and its log stay as they were found.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    let owned = check_owner(&connection, path, format)?;
    configure(&connection, settings, (!owned).then_some(format.application_id))?;
    if stopped_hard && let Some(damage) = quick_check(&mut connection, LOOK)? {
        return Err(Failure::Damaged(damage));
    }
    migrate(&connection, format)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(connection)
}

fn configure(connection: &Connection, settings: &Settings, mark: Option<i32>) -> Result<(), Failure> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    if let Some(mark) = mark {
        // These count for a new file only, and only before all else. With the second a file can shrink again, step by step.
        connection.pragma_update(None, "page_size", 4096)?;
        connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
        // Before there is a log, so that it stands in the file itself: by it a damaged file is known as ours.
        connection.pragma_update(None, "application_id", mark)?;
    }
    for (name, wanted) in settings.pragmas() {
        connection.pragma_update(None, name, wanted)?;
        let answer = match connection.pragma_query_value(None, name, |row| row.get(0))? {
            Value::Integer(number) => number.to_string(),
            Value::Text(text) => text,
            other => format!("{other:?}"),
        };
        if answer != wanted {
            return Err(Failure::Node(NodeError::Broken(Cause::new(format!(
                "{}: SQLite answers {name} = {answer} where {wanted} is needed: put the file on a local disk",
                settings.path.display()
            )))));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "open_tests.rs"]
mod tests;
