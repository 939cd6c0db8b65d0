//! The sink as the runtime and a reader of the database see it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use fieldflow_contract::{DynSink, Finding, NodeKind, Quality, Record, SystemClock, Tag, Tally, Timestamp, Value};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;

use super::*;

pub(super) fn context(dir: &TempDir) -> BuildContext {
    BuildContext::alone("store", dir.path(), Arc::new(SystemClock))
}

fn sink(dir: &TempDir) -> Box<dyn DynSink> {
    match Sqlite.prepare(serde_json::json!({ "path": "plant.db" })).unwrap().build(&context(dir)).unwrap() {
        Node::Sink(sink) => sink,
        _ => panic!("not a sink"),
    }
}

pub(super) fn writer(dir: &TempDir) -> Writer {
    let (path, durability, patience) = (dir.path().join("plant.db"), Durability::Power, Duration::from_millis(1));
    let settings = Settings { path, durability, patience };
    Writer::new(settings, Retention::default(), 1 << 16, Arc::new(SystemClock), Tally::default())
}

/// Batches of 256 records, of which the tags take turns; the value counts up from `from`.
pub(super) fn batches(tags: &[&str], from: i64, records: i64) -> Vec<Batch> {
    let tags: Vec<Tag> = tags.iter().map(|name| Tag::new(name).unwrap()).collect();
    let record = |n| Record::good(tags[n as usize % tags.len()], Timestamp(n), Value::I64(n));
    let all: Vec<Record> = (from..from + records).map(record).collect();
    all.chunks(256).map(|chunk| Batch::new(chunk.to_vec(), Timestamp(0)).unwrap()).collect()
}

/// A second connection, as a user would open it.
pub(super) fn reader(dir: &TempDir) -> Connection {
    Connection::open_with_flags(dir.path().join("plant.db"), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
}

/// The integers of `samples`, in the order in which they come.
pub(super) fn samples(connection: &Connection) -> Vec<(String, i64)> {
    let mut statement = connection.prepare("SELECT tag, value FROM samples").unwrap();
    let rows = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

pub(super) fn expected(tags: &[&str], from: i64, records: i64) -> Vec<(String, i64)> {
    (from..from + records).map(|n| (tags[n as usize % tags.len()].to_owned(), n)).collect()
}

pub(super) fn count(connection: &Connection, table: &str) -> i64 {
    connection.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
}

pub(super) fn said(error: &NodeError, text: &str) -> bool {
    error.to_string().contains(text)
}

#[tokio::test]
async fn an_acknowledged_write_is_there_for_a_second_connection() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = sink(&dir);
    sink.connect().await.unwrap();
    // 613 is no multiple of the rows of a statement, nor of a batch.
    sink.write(&batches(&["a", "b", "c"], 0, 613), &[]).await.unwrap();
    assert_eq!(samples(&reader(&dir)), expected(&["a", "b", "c"], 0, 613));
    sink.close().await;
    assert!(!dir.path().join("plant.db-wal").exists(), "closed, it is one file");
}

#[tokio::test]
async fn closing_empties_the_log_even_if_somebody_has_the_database_open() {
    let dir = tempfile::tempdir().unwrap();
    let mut sink = sink(&dir);
    sink.connect().await.unwrap();
    sink.write(&batches(&["a"], 0, 10), &[]).await.unwrap();
    let user = reader(&dir);
    assert_eq!(count(&user, "samples"), 10);
    sink.close().await;
    assert_eq!(std::fs::metadata(dir.path().join("plant.db-wal")).unwrap().len(), 0);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let (dir, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut sink = sink(&dir);
    sink.connect().await.unwrap();
    sink.write(&batches(&["a"], 0, 100), &[]).await.unwrap();
    // What lies on the disk while the sink is open is what a kill would leave.
    for file in ["plant.db", "plant.db-wal"] {
        std::fs::copy(dir.path().join(file), after.path().join(file)).unwrap();
    }
    let mut next = writer(&after);
    next.connect().unwrap();
    next.write(&batches(&["a"], 100, 1), &[]).unwrap();
    assert_eq!(samples(&reader(&after)), expected(&["a"], 0, 101));
}

#[tokio::test]
async fn a_sink_dropped_without_close_leaves_what_it_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = sink(&dir);
    first.connect().await.unwrap();
    first.write(&batches(&["a"], 0, 10), &[]).await.unwrap();
    drop(first);
    let mut second = sink(&dir);
    second.connect().await.unwrap();
    second.write(&batches(&["a"], 10, 10), &[]).await.unwrap();
    assert_eq!(samples(&reader(&dir)), expected(&["a"], 0, 20));
}

#[test]
fn every_kind_of_value_is_read_back_as_the_manual_says() {
    let dir = tempfile::tempdir().unwrap();
    let cases = [
        (Value::Null, Sql::Null),
        (Value::Bool(true), Sql::Integer(1)),
        (Value::Bool(false), Sql::Integer(0)),
        (Value::I64(i64::MIN), Sql::Integer(i64::MIN)),
        (Value::U64(i64::MAX as u64), Sql::Integer(i64::MAX)),
        (Value::U64(u64::MAX), Sql::Text("18446744073709551615".to_owned())),
        (Value::F32(78.4), Sql::Real(78.4)),
        (Value::F64(0.1 + 0.2), Sql::Real(0.300_000_000_000_000_04)),
        (Value::F64(2.0), Sql::Real(2.0)),
        (Value::F64(f64::NAN), Sql::Text("NaN".to_owned())),
        (Value::F32(f32::NAN), Sql::Text("NaN".to_owned())),
        (Value::F64(f64::INFINITY), Sql::Real(f64::INFINITY)),
        (Value::F32(f32::NEG_INFINITY), Sql::Real(f64::NEG_INFINITY)),
        (Value::Text("it's ☃\0!".into()), Sql::Text("it's ☃\0!".to_owned())),
        (Value::Text("12".into()), Sql::Text("12".to_owned())),
        (Value::Bytes([0, 0xff].as_slice().into()), Sql::Blob(vec![0, 0xff])),
        (Value::Bytes([].as_slice().into()), Sql::Blob(vec![])),
    ];
    let tag = Tag::new("kinds").unwrap();
    // Often enough for statements of many rows and of one.
    let records: Vec<Record> = (0..85)
        .map(|n| Record {
            quality: Quality(u32::MAX),
            ..Record::good(tag, Timestamp(-n), cases[n as usize % 17].0.clone())
        })
        .collect();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    writer.write(&[Batch::new(records, Timestamp(0)).unwrap()], &[]).unwrap();
    let reader = reader(&dir);
    let mut statement = reader.prepare("SELECT * FROM samples").unwrap();
    assert!(statement.column_names().eq(["tag", "time", "value", "quality"]));
    let rows = statement.query_map((), |row| Ok((row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    let mut seen = 0;
    for (n, row) in rows.enumerate() {
        assert_eq!(row.unwrap(), (-(n as i64), cases[n % 17].1.clone(), i64::from(u32::MAX)));
        seen += 1;
    }
    assert_eq!(seen, 85);
}

#[test]
fn hostile_names_are_only_names() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["'; DROP TABLE hot; --", "a\0b", "a\0c", "a", "\u{202e}gnihton", "\"quoted\"", "100%", "Ä"];
    for _ in 0..2 {
        let mut writer = writer(&dir);
        writer.connect().unwrap();
        writer.write(&batches(&names, 0, 8), &[]).unwrap();
    }
    let twice = [expected(&names, 0, 8), expected(&names, 0, 8)].concat();
    assert_eq!(samples(&reader(&dir)), twice);
    assert_eq!(count(&reader(&dir), "tags"), 8, "the second connection finds the tags of the first");
}

#[test]
fn a_refused_transaction_leaves_nothing_and_the_connection_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    let user = reader(&dir);
    let trigger = "CREATE TRIGGER no BEFORE INSERT ON hot WHEN NEW.value = 70 BEGIN SELECT RAISE(ABORT, 'not 70'); END";
    user.execute_batch(trigger).unwrap();
    let refused = writer.write(&batches(&["new", "newer"], 0, 100), &[]).unwrap_err();
    assert!(matches!(refused, NodeError::Rejected(_)) && said(&refused, "not 70"), "{refused}");
    assert_eq!((count(&user, "hot"), count(&user, "tags")), (0, 0));
    // Takes the number that the rolled-back tag had: a number remembered across the rollback would name the wrong tag.
    user.execute("INSERT INTO tags(name) VALUES ('thief')", ()).unwrap();
    user.execute_batch("DROP TRIGGER no").unwrap();
    writer.write(&batches(&["new", "newer"], 0, 100), &[]).unwrap();
    assert_eq!(samples(&user), expected(&["new", "newer"], 0, 100));
}

#[test]
fn a_locked_database_is_retried_after_a_reconnect_without_duplicates() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    let other = reader(&dir);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let held = writer.write(&batches(&["a"], 0, 60), &[]).unwrap_err();
    assert!(matches!(held, NodeError::Disconnected(_)) && said(&held, "another process holds it"), "{held}");
    let closed = writer.write(&batches(&["a"], 0, 60), &[]).unwrap_err();
    assert!(said(&closed, "is not open"), "the failed connection is not used again: {closed}");
    other.execute_batch("COMMIT").unwrap();
    writer.connect().unwrap();
    writer.write(&batches(&["a"], 0, 60), &[]).unwrap();
    assert_eq!(samples(&other), expected(&["a"], 0, 60));
}

#[test]
fn a_full_disk_is_named_and_leaves_no_half_batch() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    writer.write(&batches(&["a"], 0, 10), &[]).unwrap();
    writer.connection().pragma_update(None, "max_page_count", 1).unwrap();
    let full = writer.write(&batches(&["a", "b"], 10, 5000), &[]).unwrap_err();
    assert!(matches!(full, NodeError::Disconnected(_)) && said(&full, "disk full"), "{full}");
    assert_eq!(samples(&reader(&dir)), expected(&["a"], 0, 10));
    writer.connect().unwrap();
    writer.write(&batches(&["a", "b"], 10, 5000), &[]).unwrap();
    assert_eq!(count(&reader(&dir), "samples"), 5010);
}

#[cfg(unix)]
#[test]
fn rows_are_not_acknowledged_into_a_deleted_file() {
    for deleted in [&["plant.db", "plant.db-wal", "plant.db-shm"][..], &["plant.db"]] {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = writer(&dir);
        writer.connect().unwrap();
        writer.write(&batches(&["old"], 0, 10), &[]).unwrap();
        for file in deleted {
            std::fs::remove_file(dir.path().join(file)).unwrap();
        }
        let gone = writer.write(&batches(&["a"], 0, 10), &[]).unwrap_err();
        assert!(matches!(gone, NodeError::Disconnected(_)) && said(&gone, "moved or deleted"), "{gone}");
        writer.connect().unwrap();
        writer.write(&batches(&["a"], 0, 10), &[]).unwrap();
        assert_eq!(samples(&reader(&dir)), expected(&["a"], 0, 10), "after deleting {deleted:?}");
    }
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    writer.write(&batches(&["a"], 0, 1), &[]).unwrap();
    for file in ["plant.db", "plant.db-wal", "plant.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn the_database_of_the_first_version_is_read_and_written() {
    let dir = tempfile::tempdir().unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("sqlite/fixtures/version-1.db");
    std::fs::copy(fixture, dir.path().join("plant.db")).unwrap();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    writer.write(&batches(&["boiler.pressure"], 2, 1), &[]).unwrap();
    let rows = ["boiler.temperature", "boiler.pressure", "boiler.pressure"].into_iter().map(str::to_owned).zip(0..);
    assert_eq!(samples(&reader(&dir)), rows.collect::<Vec<_>>());
    let version: i64 = reader(&dir).query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap();
    assert_eq!((version, writer.positions().unwrap()), (2, vec![]));
    writer.write(&batches(&["boiler.pressure"], 0, 5000), &[]).unwrap();
    while writer.rest(true) != Duration::from_secs(1) {}
    let user = reader(&dir);
    assert_eq!((count(&user, "samples"), count(&user, "runs")), (5003, 1));
}

fn findings(options: serde_json::Value) -> Vec<Finding> {
    let mut findings = Findings::default();
    Sqlite.prepare(options).unwrap().check(&mut findings);
    findings.0
}

#[test]
fn options_that_cannot_work_are_found_before_anything_runs() {
    assert!(findings(serde_json::json!({ "path": "plant.db" })).is_empty());
    let retention = serde_json::json!({ "max_age": "59s", "max_bytes": "1kB" });
    let wrong =
        serde_json::json!({ "path": "..", "flush": { "every": "2m" }, "ballast": "2GiB", "retention": retention });
    let places: Vec<String> = findings(wrong).iter().map(|finding| finding.at.to_string()).collect();
    assert_eq!(places, ["path", "flush.every", "ballast", "retention.max_age", "retention.max_bytes"]);
}

#[test]
fn what_is_left_out_has_the_default_of_the_manual() {
    let dir = tempfile::tempdir().unwrap();
    let gather = sink(&dir).gather();
    assert_eq!(gather, Gather { records: 5000, wait: Duration::from_millis(50) });
    let config: Config =
        serde_json::from_value(serde_json::json!({ "path": "/x.db", "flush": { "rows": 7 } })).unwrap();
    assert_eq!((config.durability, config.flush.every.0), (Durability::Power, Duration::from_millis(50)));
    assert_eq!((config.retention, config.ballast.0), (Retention::default(), 16 << 20));
    assert_eq!(context(&dir).data_dir.join(config.path), PathBuf::from("/x.db"), "an absolute path stays");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "building writes no file");
}
