//! Why a question to a database has no answer, in words for a person.

use std::io;
use std::path::Path;

use fieldflow_contract::NodeError;
use rusqlite::{Error, ErrorCode};

use crate::cli::{Exit, output};

const UNREADABLE: &str =
    "it cannot be read: run this as the user that the pipeline runs as, who owns the file and its folder";

/// Why there is no answer, and how the verb ends because of it.
#[derive(Debug)]
pub(in crate::cli) struct Failure {
    exit: Exit,
    /// `None` where there is nothing to say: whoever read the output has seen enough.
    message: Option<String>,
}

impl Failure {
    /// The question could not be asked.
    pub(in crate::cli) fn unasked(message: impl Into<String>) -> Self {
        Self { exit: Exit::Unasked, message: Some(message.into()) }
    }

    /// The answer is no.
    pub(in crate::cli) fn no(message: impl Into<String>) -> Self {
        Self { exit: Exit::No, message: Some(message.into()) }
    }

    /// What is wrong was printed already.
    pub(in crate::cli) fn told(exit: Exit) -> Self {
        Self { exit, message: None }
    }

    /// It cannot even be told whether there is a database.
    pub(in crate::cli) fn finding(path: &Path, error: &io::Error) -> Self {
        Self::unasked(format!("{}: {UNREADABLE} ({error})", path.display()))
    }

    /// SQLite could not open or read the database.
    pub(super) fn reading(path: &Path, error: &Error) -> Self {
        let what = match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => "not an SQLite database: name the file that the sqlite sink writes",
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => UNREADABLE,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                "another process holds it for itself: try again when that has ended"
            }
            Some(ErrorCode::DatabaseCorrupt) => {
                "the file is damaged: stop the pipeline, copy the file and its -wal file aside; \
                 `sqlite3 FILE .recover` saves what it can"
            }
            Some(ErrorCode::SystemIoFailure) => "the disk reported an error: see the log of the system",
            _ => "SQLite failed",
        };
        Self::unasked(format!("{}: {what} ({error})", path.display()))
    }

    /// The output could not be written.
    pub(in crate::cli) fn writing(to: &str, error: &io::Error) -> Self {
        let what = match error.kind() {
            io::ErrorKind::BrokenPipe => return Self::told(Exit::Well),
            io::ErrorKind::StorageFull => "the disk is full: free some space or write elsewhere",
            io::ErrorKind::NotFound => "there is no such folder: make it first",
            io::ErrorKind::PermissionDenied => "this user may not write there: choose another place",
            _ => "it cannot be written",
        };
        Self::unasked(format!("{to}: {what} ({error})"))
    }

    /// The file of a pipeline's durable edges could not be opened or read.
    pub(in crate::cli) fn state(error: &NodeError) -> Self {
        Self::unasked(error.to_string())
    }

    /// Says it, if there is something to say; how the verb ends.
    pub(in crate::cli) fn tell(self) -> Exit {
        if let Some(message) = self.message {
            output::error(message);
        }
        self.exit
    }
}
