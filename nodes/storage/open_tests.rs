//! Opening files that are new, ours, damaged, or somebody else's.

use super::*;

const FORMAT: Format =
    Format { application_id: 0x0FF0, what: "a test of fieldflow", migrations: &["CREATE TABLE ours(a ANY) STRICT"] };

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

/// A database of ours with some rows, as a kill leaves it: the log is not empty.
fn killed(dir: &tempfile::TempDir) -> Settings {
    let running = settings(dir, Durability::Power);
    let connection = open(&running, &FORMAT).unwrap();
    let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
        INSERT INTO ours SELECT hex(i) FROM n; PRAGMA wal_checkpoint(TRUNCATE); INSERT INTO ours VALUES ('last')";
    connection.execute_batch(rows).unwrap();
    let after = Settings { path: dir.path().join("killed.db"), ..running.clone() };
    std::fs::copy(&running.path, &after.path).unwrap();
    std::fs::copy(dir.path().join("plant.db-wal"), dir.path().join("killed.db-wal")).unwrap();
    after
}

fn overwrite(settings: &Settings, at: usize, with: &[u8]) {
    let mut bytes = std::fs::read(&settings.path).unwrap();
    bytes[at..at + with.len()].copy_from_slice(with);
    std::fs::write(&settings.path, bytes).unwrap();
}

#[test]
fn a_killed_file_that_is_whole_is_opened_with_all_that_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let connection = open(&killed(&dir), &FORMAT).unwrap();
    let rows: i64 = connection.query_row("SELECT count(*) FROM ours", (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 5001);
}

#[test]
fn a_damaged_file_is_moved_aside_with_its_log_and_a_new_one_is_begun() {
    for (at, with) in [
        // A page inside, which only the check after a hard stop finds.
        (5 * 4096, &[0xff; 64][..]),
        // The head: SQLite does not know its own file.
        (0, &[0xff; 16][..]),
        (18, &[9, 9][..]),
        // What a power cut can leave.
        (0, &[0; 4096][..]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let settings = killed(&dir);
        overwrite(&settings, at, with);
        // The log holds the first page as well; without it the damage is what SQLite reads.
        if at == 0 || at == 18 {
            std::fs::write(dir.path().join("killed.db-wal"), "").unwrap();
        }
        let tally = Tally::default();
        let told = open_counting(&settings, &FORMAT, &tally).unwrap_err();
        let said = matches!(&told, NodeError::Disconnected(cause) if cause.message.contains("killed.db.corrupt-"));
        assert!(said, "{at}: {told}");
        assert_eq!(tally.snapshot()["corrupt_file"], 1);
        let names =
            std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let kept: Vec<String> = names.filter(|name| name.starts_with("killed.db")).collect();
        assert!(kept.iter().all(|name| name.contains(".corrupt-")), "{kept:?}");
        let log = kept.iter().find(|name| name.ends_with("-wal")).map(|name| dir.path().join(name));
        assert!(log.is_some_and(|log| at == 0 || at == 18 || 0 < log.metadata().unwrap().len()), "{kept:?}");
        let connection = open_counting(&settings, &FORMAT, &tally).unwrap();
        let rows: i64 = connection.query_row("SELECT count(*) FROM ours", (), |row| row.get(0)).unwrap();
        assert_eq!((rows, tally.snapshot()["corrupt_file"]), (0, 1));
    }
}

#[test]
fn the_mark_stands_in_the_file_before_anything_else_does() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&dir, Durability::Power);
    let _open = open(&settings, &FORMAT).unwrap();
    assert!(is_marked(&settings.path, FORMAT.application_id), "the log was not yet taken into the file");
    assert!(!is_marked(&settings.path, 7));
}

#[test]
fn a_damaged_file_of_another_program_or_of_a_newer_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let settings = killed(&dir);
    overwrite(&settings, 5 * 4096, &[0xff; 64]);
    let newer = Format { application_id: 7, ..FORMAT };
    assert!(matches!(open(&settings, &newer), Err(NodeError::Broken(_))));
    let connection = Connection::open(&settings.path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    assert!(matches!(open(&settings, &FORMAT), Err(NodeError::Broken(_))));
    assert!(settings.path.exists());
}
