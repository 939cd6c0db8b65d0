//! The schema of the database, and how an older one becomes the current one.
//!
//! `user_version` counts the migrations that a file has been through. To change the schema, add the next file to
//! [`MIGRATIONS`]; never edit one that was released. The view `samples` keeps its columns whatever lies below it.

use std::path::Path;

use fieldflow_contract::{Cause, NodeError};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::fault;

/// What takes a database from each version to the next.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql")];

/// Marks our databases: `FFLW`.
const APPLICATION_ID: i64 = 0x4646_4C57;

/// Refuses a file that is not ours to write to, before anything in it was changed.
pub(super) fn check_owner(connection: &Connection, path: &Path) -> Result<(), NodeError> {
    let ask =
        |sql| connection.query_row(sql, (), |row| row.get::<_, i64>(0)).map_err(|error| fault::opening(path, &error));
    let (application, version) = (ask("PRAGMA application_id")?, ask("PRAGMA user_version")?);
    let path = path.display();
    let refuse = |message| Err(NodeError::Broken(Cause::new(message)));
    if application == APPLICATION_ID {
        let known = MIGRATIONS.len();
        return match usize::try_from(version) {
            Ok(version) if version <= known => Ok(()),
            _ => refuse(format!(
                "{path} has schema version {version}, this program knows versions up to {known}: \
                 update the program, or choose another path"
            )),
        };
    }
    match ask("SELECT count(*) FROM sqlite_schema")? {
        0 if application == 0 && version == 0 => Ok(()),
        _ => refuse(format!("{path} is a database of another program: choose another path")),
    }
}

/// Brings the schema up to the last of these migrations, each in a transaction of its own.
pub(super) fn migrate(connection: &Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let version = |connection: &Connection| connection.query_row("PRAGMA user_version", (), |row| row.get::<_, u32>(0));
    let current = version(connection)?;
    for (from, sql) in (0..).zip(migrations).skip_while(|(from, _)| *from < current) {
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

    fn version(connection: &Connection) -> i64 {
        connection.query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_empty_file_becomes_the_current_version() {
        let connection = Connection::open_in_memory().unwrap();
        check_owner(&connection, Path::new("empty.db")).unwrap();
        migrate(&connection, MIGRATIONS).unwrap();
        assert_eq!(version(&connection), 1);
        check_owner(&connection, Path::new("current.db")).unwrap();
    }

    #[test]
    fn a_later_migration_finds_the_rows_of_the_earlier_one() {
        let connection = Connection::open_in_memory().unwrap();
        migrate(&connection, MIGRATIONS).unwrap();
        connection.execute("INSERT INTO tags(name) VALUES ('kept')", ()).unwrap();
        let later = [MIGRATIONS, &["ALTER TABLE tags ADD COLUMN unit TEXT"]].concat();
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
        let broken = [MIGRATIONS, &["CREATE TABLE half(a); SELECT nonsense"]].concat();
        assert!(migrate(&connection, &broken).is_err());
        assert_eq!(version(&connection), 1);
        assert!(connection.execute("SELECT * FROM half", ()).is_err());
    }

    #[test]
    fn what_is_newer_or_not_ours_is_refused() {
        for (sql, said) in [
            ("PRAGMA application_id = 0x46464C57; PRAGMA user_version = 2", "schema version 2"),
            ("PRAGMA application_id = 0x46464C57; PRAGMA user_version = -1", "schema version -1"),
            ("PRAGMA application_id = 7", "another program"),
            ("PRAGMA user_version = 1", "another program"),
            ("CREATE TABLE theirs(a)", "another program"),
        ] {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(sql).unwrap();
            let refused = check_owner(&connection, Path::new("x.db")).unwrap_err();
            assert!(matches!(&refused, NodeError::Broken(cause) if cause.message.contains(said)), "{sql}: {refused}");
        }
    }
}
