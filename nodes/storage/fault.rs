//! What SQLite and the file system say, in words for a person and by what the runtime does next.

use std::io;
use std::path::Path;

use fieldflow_contract::{Cause, NodeError};
use rusqlite::{Error, ErrorCode};

/// An error while the database was being opened. Only a file that is no database stops the pipeline: all else may heal.
pub fn opening(path: &Path, error: &Error) -> NodeError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => NodeError::Broken(cause(path, error)),
        _ => NodeError::Disconnected(cause(path, error)),
    }
}

/// An error of a transaction.
pub fn writing(path: &Path, error: &Error) -> NodeError {
    match error.sqlite_error_code() {
        // These hang on the records alone and would come again at every attempt.
        Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
            NodeError::Rejected(Cause::new(format!("{} does not take these records: {error}", path.display())))
        }
        _ => NodeError::Disconnected(cause(path, error)),
    }
}

/// An error of the file system.
pub fn filing(path: &Path, error: &io::Error) -> NodeError {
    let what = match error.kind() {
        io::ErrorKind::StorageFull => "disk full: free some space on its file system",
        io::ErrorKind::PermissionDenied => {
            "this user may not write there: check owner and mode of the file and its folder"
        }
        io::ErrorKind::ReadOnlyFilesystem => "its file system is read-only: it may need a check or a new mount",
        io::ErrorKind::IsADirectory | io::ErrorKind::NotADirectory => {
            "a folder is where a file should be, or a file where a folder should be"
        }
        _ => "the file cannot be opened",
    };
    NodeError::Disconnected(Cause::new(format!("{}: {what} ({error})", path.display())))
}

fn cause(path: &Path, error: &Error) -> Cause {
    let what = match error.sqlite_error_code() {
        Some(ErrorCode::CannotOpen) => {
            "the file cannot be opened: check that its folder is there and that this user may write to it"
        }
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            "read-only for this user: check owner and mode of the file and its folder"
        }
        Some(ErrorCode::DiskFull) => "disk full: free some space on its file system",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds it: end the program that writes to it"
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            "the file is damaged: a file of fieldflow is moved aside and a new one begun, any other is for you to move"
        }
        Some(ErrorCode::NotADatabase) => "not an SQLite database: move the file aside or choose another path",
        Some(ErrorCode::SystemIoFailure) => "the disk reported an error: see the log of the system",
        Some(ErrorCode::FileLockingProtocolFailed) => "the file system cannot lock: put the file on a local disk",
        _ => "SQLite failed",
    };
    let code = error.sqlite_error().map_or(0, |error| error.extended_code);
    Cause::new(format!("{}: {what} ({error}, SQLite code {code})", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::ffi;

    fn failure(code: i32) -> Error {
        Error::SqliteFailure(ffi::Error::new(code), None)
    }

    #[test]
    fn each_failure_says_what_to_do() {
        for (code, said) in [
            (ffi::SQLITE_CANTOPEN, "check that its folder is there"),
            (ffi::SQLITE_READONLY, "check owner and mode"),
            (ffi::SQLITE_FULL, "disk full"),
            (ffi::SQLITE_BUSY, "another process holds it"),
            (ffi::SQLITE_CORRUPT, "a file of fieldflow is moved aside"),
            (ffi::SQLITE_IOERR_FSYNC, "the disk reported an error"),
            (ffi::SQLITE_IOERR_FSYNC, "SQLite code 1034"),
        ] {
            let error = writing(Path::new("plant.db"), &failure(code));
            assert!(matches!(&error, NodeError::Disconnected(cause) if cause.message.contains(said)), "{error}");
            assert!(error.to_string().starts_with("plant.db: "), "{error}");
            assert_eq!(opening(Path::new("plant.db"), &failure(code)), error);
        }
    }

    #[test]
    fn what_can_never_pass_is_rejected() {
        for code in [ffi::SQLITE_CONSTRAINT_NOTNULL, ffi::SQLITE_CONSTRAINT_DATATYPE, ffi::SQLITE_TOOBIG] {
            assert!(matches!(writing(Path::new("x"), &failure(code)), NodeError::Rejected(_)), "{code}");
        }
    }
}
