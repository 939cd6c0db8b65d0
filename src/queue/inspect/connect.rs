//! Opens the file so that nothing is written, not even beside it.
//!
//! SQLite would make a `-wal` and a `-shm` file to read, and leave them. Where there is no log, the file is all there is, and is
//! read as one that nobody changes. Where there is one, a pipeline runs or was stopped hard, and the index of the log is there,
//! too; both are read, and nothing in them is changed.

use std::path::Path;
use std::time::Duration;

use fieldflow_contract::{Cause, NodeError};
use fieldflow_storage::{fault, log_bytes, read_only};
use rusqlite::{Connection, ErrorCode};

use crate::queue::file::FORMAT;

/// How long to wait for a process that holds the file for itself, as one that recovers it does.
const PATIENCE: Duration = Duration::from_secs(2);

/// A connection that cannot write. With `untouched` it does not even make the index of a log that lacks one.
pub(super) fn connect(path: &Path, untouched: bool) -> Result<Connection, NodeError> {
    let has_log = 0 < log_bytes(path);
    let how = if has_log { "readonly_shm=1" } else { "immutable=1" };
    let lacks_index = |error: &rusqlite::Error| has_log && error.sqlite_error_code() == Some(ErrorCode::CannotOpen);
    let opened = match open(path, how) {
        Err(error) if lacks_index(&error) && !untouched => open(path, "mode=ro"),
        opened => opened,
    };
    let (connection, application, version) = opened.map_err(|error| fault::opening(path, &error))?;
    let refuse = |what: &str| Err(NodeError::Broken(Cause::new(format!("{}: {what}", path.display()))));
    match usize::try_from(version) {
        _ if application != FORMAT.application_id => {
            refuse(&format!("this is not {}: name its `{}`", FORMAT.what, crate::queue::FILE))
        }
        Ok(0) => refuse("nothing was stored in it yet"),
        Ok(version) if version <= FORMAT.migrations.len() => Ok(connection),
        _ => refuse(&format!("it has schema version {version}, which a newer fieldflow wrote: update this one")),
    }
}

/// Opens it and reads its mark and version: only with the first read SQLite opens the log.
fn open(path: &Path, how: &str) -> rusqlite::Result<(Connection, i32, i32)> {
    let connection = read_only(path, how)?;
    connection.busy_timeout(PATIENCE)?;
    let ask = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (ask("application_id")?, ask("user_version")?);
    Ok((connection, application, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_path_whatever_stands_in_it() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["state.db", "100 % ?mode=rwc#ü&.db"] {
            let path = dir.path().join(name);
            drop(crate::queue::file::QueueFile::open(&path).unwrap());
            connect(&path, true).unwrap();
        }
        assert!(connect(&dir.path().join("none.db"), false).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_not_ours_or_newer_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let other = Connection::open(&path).unwrap();
        let refused = || connect(&path, false).unwrap_err().to_string();
        other.execute_batch("CREATE TABLE theirs(a)").unwrap();
        assert!(refused().contains("not the state of a fieldflow pipeline"));
        other.pragma_update(None, "application_id", FORMAT.application_id).unwrap();
        assert!(refused().contains("nothing was stored"));
        other.pragma_update(None, "user_version", 99).unwrap();
        assert!(refused().contains("a newer fieldflow"));
    }
}
