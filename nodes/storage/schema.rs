//! Whose file it is, and how an older schema becomes the current one.
//!
//! `user_version` counts the migrations that a file has been through. To change a schema, add the next migration to its
//! [`Format`]; never edit one that was released.

use std::path::Path;

use fieldflow_contract::{Cause, NodeError};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::open::Failure;

/// One kind of file: its mark, its name for people, and its schema.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// SQLite's `application_id`: marks the files of this kind.
    pub application_id: i32,
    /// What such a file is, for messages: `a store of fieldflow`.
    pub what: &'static str,
    /// What takes a file from each version to the next, the first from an empty one.
    pub migrations: &'static [&'static str],
}

/// Refuses a file that is not ours to write to, before anything in it was changed. `false` for an empty one, which may become
/// ours.
pub(crate) fn check_owner(connection: &Connection, path: &Path, format: &Format) -> Result<bool, Failure> {
    let ask = |sql| connection.query_row(sql, (), |row| row.get::<_, i64>(0));
    let (application, version) = (ask("PRAGMA application_id")?, ask("PRAGMA user_version")?);
    let path = path.display();
    let refuse = |message| Err(Failure::Node(NodeError::Broken(Cause::new(message))));
    if application == i64::from(format.application_id) {
        let known = format.migrations.len();
        return match usize::try_from(version) {
            Ok(version) if version <= known => Ok(true),
            _ => refuse(format!(
                "{path} has schema version {version}, this program knows versions up to {known}: \
                 update the program, or choose another path"
            )),
        };
    }
    match ask("SELECT count(*) FROM sqlite_schema")? {
        0 if application == 0 && version == 0 => Ok(false),
        _ => refuse(format!("{path} is a database, but not {}: choose another path", format.what)),
    }
}

/// Brings the schema up to the last of the migrations, each in a transaction of its own.
pub(crate) fn migrate(connection: &Connection, format: &Format) -> rusqlite::Result<()> {
    let version = |connection: &Connection| connection.query_row("PRAGMA user_version", (), |row| row.get::<_, u32>(0));
    let current = version(connection)?;
    for (from, sql) in (0..).zip(format.migrations).skip_while(|(from, _)| *from < current) {
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        // Asked again under the lock: another process may have come first.
        if version(&transaction)? == from {
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "user_version", from + 1)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "CREATE TABLE tags(id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT";

    fn format(migrations: &'static [&'static str]) -> Format {
        Format { application_id: 0x4646_4C57, what: "a test of fieldflow", migrations }
    }

    fn version(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_empty_file_becomes_the_current_version() {
        let (connection, format) = (Connection::open_in_memory().unwrap(), format(&[ONE]));
        assert!(matches!(check_owner(&connection, Path::new("empty.db"), &format), Ok(false)));
        connection.pragma_update(None, "application_id", format.application_id).unwrap();
        assert!(matches!(check_owner(&connection, Path::new("marked.db"), &format), Ok(true)));
        migrate(&connection, &format).unwrap();
        assert_eq!(version(&connection), 1);
        assert!(matches!(check_owner(&connection, Path::new("current.db"), &format), Ok(true)));
    }

    #[test]
    fn a_later_migration_finds_the_rows_of_the_earlier_one() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, &format(&[ONE])).unwrap();
        connection.execute("INSERT INTO tags(name) VALUES ('kept')", ()).unwrap();
        let later = format(&[ONE, "ALTER TABLE tags ADD COLUMN unit TEXT"]);
        migrate(&connection, &later).unwrap();
        migrate(&connection, &later).unwrap();
        assert_eq!(version(&connection), 2);
        let row: (String, Option<String>) =
            connection.query_row("SELECT name, unit FROM tags", (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(row, ("kept".to_owned(), None));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        let connection = Connection::open_in_memory().unwrap();
        assert!(migrate(&connection, &format(&[ONE, "CREATE TABLE half(a); SELECT nonsense"])).is_err());
        assert_eq!(version(&connection), 1);
        assert!(connection.execute("SELECT * FROM half", ()).is_err());
    }

    #[test]
    fn what_is_newer_or_not_ours_is_refused() {
        for (sql, said) in [
            ("PRAGMA application_id = 0x46464C57; PRAGMA user_version = 2", "schema version 2"),
            ("PRAGMA application_id = 0x46464C57; PRAGMA user_version = -1", "schema version -1"),
            ("PRAGMA application_id = 7", "not a test of fieldflow"),
            ("PRAGMA user_version = 1", "not a test of fieldflow"),
            ("CREATE TABLE theirs(a)", "not a test of fieldflow"),
        ] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(sql).unwrap();
            let refused = check_owner(&connection, Path::new("x.db"), &format(&[ONE]));
            let right = matches!(refused, Err(Failure::Node(NodeError::Broken(cause))) if cause.message.contains(said));
            assert!(right, "{sql}");
        }
    }
}
