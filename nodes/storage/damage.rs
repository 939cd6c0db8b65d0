//! Damaged files: how one is recognised, and how it is moved aside so that work goes on.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{Clock as _, SystemClock, Timestamp};
use rusqlite::{Connection, Error, ErrorCode};
use tokio::time::Instant;

use crate::files::sync;
use crate::log::companion;

/// Looks for damage, for at most this long; what says what was found.
///
/// Every page is read once, so a large file is looked at in part: to start within seconds counts for more.
pub(crate) fn quick_check(connection: &mut Connection, within: Duration) -> rusqlite::Result<Option<String>> {
    let began = Instant::now();
    connection.progress_handler(10_000, Some(move || within <= began.elapsed()))?;
    let found = connection.query_row("PRAGMA quick_check(1)", (), |row| row.get::<_, String>(0));
    connection.progress_handler(0, None::<fn() -> bool>)?;
    match found {
        Ok(word) if word == "ok" => Ok(None),
        Ok(found) => Ok(Some(found)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether SQLite says by this error that the file itself is damaged, or is not one of its own.
pub fn is_damage(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Whether a file carries our mark, read from its bytes: SQLite may not be able to. A head of zeros is what a power cut can
/// leave of a file that was just made, and is nobody's.
pub(crate) fn is_marked(path: &Path, application_id: i32) -> bool {
    let mut head = [0; 100];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && (head[68..72] == application_id.to_be_bytes() || head == [0; 100])
}

/// Renames a database with all that belongs to it to `<name>.corrupt-<time>`, and says to what.
pub(crate) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = free_name(path, SystemClock.now());
    fs::rename(path, &aside)?;
    crate::crash_point("aside.renamed");
    for end in ["-wal", "-shm", "-journal"] {
        match fs::rename(companion(path, end), companion(&aside, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    sync(path.parent().unwrap_or(Path::new("")))?;
    Ok(aside)
}

fn free_name(path: &Path, now: Timestamp) -> PathBuf {
    // 20260101T000000Z: some file systems allow no colon.
    let time = now.to_string();
    let time: String = time.chars().filter(|c| !"-:".contains(*c)).take(15).collect();
    let mut name = companion(path, &format!(".corrupt-{time}Z"));
    let mut others = 0;
    while name.exists() {
        others += 1;
        name = companion(path, &format!(".corrupt-{time}Z-{others}"));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_at_a_whole_file_finds_nothing_and_ends_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let mut connection = Connection::open(dir.path().join("a.db")).unwrap();
        let rows = "CREATE TABLE t(a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000)
            INSERT INTO t SELECT hex(i) FROM n";
        connection.execute_batch(rows).unwrap();
        assert_eq!(quick_check(&mut connection, Duration::from_secs(60)).unwrap(), None);
        assert_eq!(quick_check(&mut connection, Duration::ZERO).unwrap(), None, "out of time is no damage");
        let all: i64 = connection.query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap();
        assert_eq!(all, 50_000, "later statements are not cut short");
    }

    #[test]
    fn two_files_moved_aside_in_one_second_have_two_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let mut names = Vec::new();
        for content in ["1", "2"] {
            fs::write(&path, content).unwrap();
            fs::write(dir.path().join("a.db-wal"), content).unwrap();
            names.push(set_aside(&path).unwrap());
        }
        for (name, content) in names.iter().zip(["1", "2"]) {
            assert_eq!(fs::read_to_string(name).unwrap(), content);
            assert_eq!(fs::read_to_string(companion(name, "-wal")).unwrap(), content);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4);
        assert!(free_name(Path::new("a.db"), Timestamp(0)).ends_with("a.db.corrupt-19700101T000000Z"));
    }
}
