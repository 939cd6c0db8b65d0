//! What the thread of the sink owns: the connection, from one failure to the next.

use fieldflow_contract::{Batch, Cause, NodeError};
use fieldflow_storage::{Identity, Settings, fault};
use rusqlite::Connection;

use super::FORMAT;
use super::rows::Rows;

/// Owns the connection. Synchronous: it runs on a thread of its own.
pub(super) struct Writer {
    settings: Settings,
    open: Option<Open>,
}

struct Open {
    connection: Connection,
    file: Identity,
    rows: Rows,
}

impl Writer {
    /// A writer that has not opened anything yet.
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, open: None }
    }

    /// Opens the database anew, whatever was before.
    pub(super) fn connect(&mut self) -> Result<(), NodeError> {
        self.open = None;
        let path = &self.settings.path;
        let connection = fieldflow_storage::open(&self.settings, &FORMAT)?;
        let file = Identity::of(path).map_err(|error| fault::filing(path, &error))?;
        self.open = Some(Open { connection, file, rows: Rows::default() });
        Ok(())
    }

    /// Writes all batches in one transaction; `Ok` only after it was committed to the file that the path names.
    pub(super) fn write(&mut self, batches: &[Batch]) -> Result<(), NodeError> {
        let path = &self.settings.path;
        let Some(open) = &mut self.open else {
            return Err(NodeError::Disconnected(Cause::new(format!("{} is not open", path.display()))));
        };
        let written = open.rows.write(&open.connection, batches).map_err(|error| fault::writing(path, &error));
        let outcome = written.and_then(|()| match Identity::of(path) {
            Ok(file) if file == open.file => Ok(()),
            _ => Err(NodeError::Disconnected(Cause::new(format!(
                "{} was moved or deleted while it was being written: a new one is made",
                path.display()
            )))),
        });
        // After a failure nobody knows what the connection still holds; only a refused record leaves it sound.
        let sound = match &outcome {
            Ok(()) => true,
            Err(NodeError::Rejected(_)) => open.connection.is_autocommit(),
            Err(_) => false,
        };
        if !sound {
            self.open = None;
        }
        outcome
    }

    /// Empties the log into the database, if no reader is in the way, and closes it.
    pub(super) fn close(&mut self) {
        if let Some(Open { connection, .. }) = self.open.take() {
            // All is committed already; this only leaves a single tidy file behind.
            let _ = connection.busy_timeout(std::time::Duration::ZERO);
            let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(()));
        }
    }

    /// The connection, for tests to break.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.open.as_ref().unwrap().connection
    }
}
