//! The database: opened to be read and nothing else, and the tags in it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{Tag, TagSelector};
use rusqlite::{Connection, OpenFlags};

use super::Failure;
use crate::config::suggest::nearest;

/// How long to wait for a process that holds the database for itself, as one that recovers it does.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database that a `sqlite` sink writes.
pub(in crate::cli) struct Store {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
}

impl Store {
    /// Opens the database and looks whether there is something to read in it.
    pub(in crate::cli) fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |error| Failure::reading(path, &error);
        if path.is_dir() {
            return Err(Failure::unasked(format!("{} is a folder: name the database in it", path.display())));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
        connection.busy_timeout(PATIENCE).map_err(failed)?;
        // Against files that were tampered with; and what is sorted is sorted in memory, not in files beside the database.
        connection
            .execute_batch("PRAGMA trusted_schema = 0; PRAGMA cell_size_check = 1; PRAGMA temp_store = 2")
            .map_err(failed)?;
        let views = "SELECT count(*) FROM sqlite_schema WHERE name = 'samples'";
        if connection.query_row(views, (), |row| row.get::<_, i64>(0)).map_err(failed)? == 0 {
            return Err(Failure::unasked(format!(
                "{} has no view `samples`: it is not a database that a sqlite sink has written",
                path.display()
            )));
        }
        Ok(Self { connection, path: path.to_owned() })
    }

    /// The tags that these names and patterns mean, sorted by name; all tags, if there are none.
    pub(in crate::cli) fn tags(&self, wanted: &[&str]) -> Result<Vec<Tag>, Failure> {
        let known = self.known().map_err(|error| Failure::reading(&self.path, &error))?;
        let tags: Vec<Tag> = known.iter().filter_map(|name| Tag::new(name).ok()).collect();
        let mut meant = if wanted.is_empty() { tags.clone() } else { Vec::new() };
        for pattern in wanted {
            let selector: TagSelector = serde_json::from_value(serde_json::Value::from(*pattern))
                .map_err(|error| Failure::unasked(format!("`{pattern}` is not a pattern of tags: {error}")))?;
            let before = meant.len();
            meant.extend(tags.iter().filter(|tag| selector.selects(**tag)));
            if meant.len() == before {
                return Err(self.unknown(pattern, &known));
            }
        }
        meant.sort_unstable_by_key(|tag| tag.name());
        meant.dedup();
        Ok(meant)
    }

    fn unknown(&self, pattern: &str, known: &[String]) -> Failure {
        let path = self.path.display();
        if known.is_empty() {
            return Failure::no(format!("{path} holds no samples yet"));
        }
        let hint = nearest(pattern, known.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?"));
        let hint = hint.unwrap_or_else(|| {
            let some: Vec<String> = known.iter().take(5).map(|name| format!("`{name}`")).collect();
            let more = if some.len() < known.len() { ", …" } else { "" };
            format!("it holds {}{more}", some.join(", "))
        });
        Failure::no(format!("no tag in {path} fits `{pattern}`; {hint}"))
    }

    /// The names of all tags: from the dictionary, if the database has one, for the view itself would be read from end to end.
    fn known(&self) -> rusqlite::Result<Vec<String>> {
        let dictionary = "SELECT count(*) FROM pragma_table_info('tags') WHERE name = 'name'";
        let sql = match self.connection.query_row(dictionary, (), |row| row.get(0))? {
            0 => "SELECT DISTINCT tag FROM samples ORDER BY 1",
            _ => "SELECT name FROM tags ORDER BY 1",
        };
        self.connection.prepare(sql)?.query_map((), |row| row.get(0))?.collect()
    }
}
