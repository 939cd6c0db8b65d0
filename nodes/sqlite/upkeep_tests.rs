//! What happens between the commits, and what a full disk, a held log and a damaged file lead to.

use std::sync::atomic::{AtomicI64, Ordering};

use fieldflow_contract::{SystemClock, Timestamp};
use fieldflow_storage::Durability;
use rusqlite::{Connection, TransactionBehavior};
use tempfile::TempDir;

use super::tests::{batches, count, expected, reader, said, samples, writer};
use super::*;

const START: i64 = 1_800_000_000_000_000;

/// A clock that a test sets.
struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// Time passes, on the wall and in the machine.
async fn pass(clock: &Hands, time: Duration) {
    clock.0.fetch_add(time.as_micros() as i64, Ordering::Relaxed);
    tokio::time::advance(time).await;
}

fn keeper(dir: &TempDir, retention: serde_json::Value) -> (Writer, Arc<Hands>, Tally) {
    let settings = Settings {
        path: dir.path().join("plant.db"),
        durability: Durability::Process,
        patience: Duration::from_millis(1),
    };
    let (clock, tally) = (Arc::new(Hands(AtomicI64::new(START))), Tally::default());
    let retention = serde_json::from_value(retention).unwrap();
    (Writer::new(settings, retention, 1 << 16, clock.clone(), tally.clone()), clock, tally)
}

/// Rests until nothing more is due.
fn settle(writer: &mut Writer) {
    while writer.rest(true) != Duration::from_secs(1) {}
}

fn integer(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn positions_are_stored_with_the_rows_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    let user = reader(&dir);
    let position = |sequence| Position { edge: "plant/a.out/b".into(), epoch: i64::MAX as u64, sequence };
    writer.write(&batches(&["a"], 0, 10), &[position(7)]).unwrap();
    user.execute_batch(
        "CREATE TRIGGER no BEFORE INSERT ON hot WHEN NEW.value = 60 BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .unwrap();
    writer.write(&batches(&["a"], 10, 100), &[position(8)]).unwrap_err();
    assert_eq!(writer.positions().unwrap(), [position(7)]);
    assert_eq!(samples(&user), expected(&["a"], 0, 10));
    user.execute_batch("DROP TRIGGER no").unwrap();
    let other = Position { edge: "plant/c.out/b".into(), ..position(1) };
    writer.write(&batches(&["a"], 10, 100), &[position(8), other.clone()]).unwrap();
    writer.connect().unwrap();
    assert_eq!(writer.positions().unwrap(), [position(8), other]);
}

#[test]
fn the_view_shows_every_row_once_while_they_are_moved() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    let tags = ["c", "a", "b"];
    writer.write(&batches(&tags, 0, 20_000), &[]).unwrap();
    // The same times again: twice the same row stays two rows.
    writer.write(&batches(&tags, 0, 20_000), &[]).unwrap();
    let user = reader(&dir);
    let mut all = [expected(&tags, 0, 20_000), expected(&tags, 0, 20_000)].concat();
    all.sort();
    let mut steps = 0;
    while writer.rest(true) != Duration::from_secs(1) {
        let mut seen = samples(&user);
        seen.sort();
        assert!(seen == all, "step {steps}");
        steps += 1;
    }
    assert!(2 <= steps, "{steps}");
    assert!(4000 < count(&user, "cold") && count(&user, "runs") == steps);
    let runs = "SELECT count(*) FROM runs WHERE rows <> (SELECT count(*) FROM cold WHERE run = id) OR stored = 0
        OR first <> (SELECT min(time) FROM cold WHERE run = id) OR last <> (SELECT max(time) FROM cold WHERE run = id)";
    assert_eq!(integer(&user, runs), 0);
}

#[test]
fn a_range_of_a_tag_is_found_by_its_key() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    let user = reader(&dir);
    let plan = |sql: &str| {
        let mut statement = user.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.query_map((), |row| row.get::<_, String>(3)).unwrap();
        lines.map(Result::unwrap).collect::<Vec<_>>()
    };
    let range = plan("SELECT time, value FROM samples WHERE tag = 'a' AND time BETWEEN 5 AND 9");
    let key = "SEARCH cold USING PRIMARY KEY (run=? AND tag=? AND time>? AND time<?)";
    assert!(range.iter().any(|line| line == key), "{range:?}");
    let all = plan("SELECT * FROM samples");
    assert!(all.iter().any(|line| line == "SEARCH cold USING PRIMARY KEY (run=?)"), "{all:?}");
}

#[test]
fn a_move_that_fails_leaves_the_rows_where_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    writer.connect().unwrap();
    writer.write(&batches(&["a"], 0, 5000), &[]).unwrap();
    let user = reader(&dir);
    user.execute_batch(
        "CREATE TRIGGER no BEFORE DELETE ON hot WHEN OLD.value = 999 BEGIN SELECT RAISE(ABORT, 'no'); END",
    )
    .unwrap();
    writer.rest(true);
    assert_eq!((count(&user, "hot"), count(&user, "cold"), count(&user, "runs")), (5000, 0, 0));
    user.execute_batch("DROP TRIGGER no").unwrap();
    assert!(said(&writer.write(&batches(&["b"], 0, 1), &[]).unwrap_err(), "no"), "the next write hears of it");
    writer.connect().unwrap();
    settle(&mut writer);
    assert_eq!((count(&user, "hot"), count(&user, "cold"), count(&user, "runs")), (1000, 4000, 1));
}

#[tokio::test(start_paused = true)]
async fn few_rows_are_moved_within_the_hour() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, clock, tally) = keeper(&dir, serde_json::json!({}));
    writer.connect().unwrap();
    writer.write(&batches(&["a"], 0, 10), &[]).unwrap();
    settle(&mut writer);
    assert_eq!(tally.gauges()["hot_rows"], 0.0, "taken when it was opened");
    pass(&clock, Duration::from_secs(60)).await;
    settle(&mut writer);
    assert_eq!(count(&reader(&dir), "cold"), 10);
    writer.write(&batches(&["a"], 10, 10), &[]).unwrap();
    for (time, moved) in [(3599, 10), (1, 20)] {
        pass(&clock, Duration::from_secs(time)).await;
        settle(&mut writer);
        assert_eq!(count(&reader(&dir), "cold"), moved);
    }
    assert_eq!(tally.gauges()["hot_rows"], 10.0, "the figures are from before the move");
}

#[tokio::test(start_paused = true)]
async fn commits_that_never_pause_give_way_once_a_second() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, clock, _) = keeper(&dir, serde_json::json!({}));
    writer.connect().unwrap();
    writer.write(&batches(&["a"], 0, 20_000), &[]).unwrap();
    let user = reader(&dir);
    for (time, runs) in [(0, 0), (10_000, 0), (1, 1), (999, 1), (1, 2), (1, 2)] {
        pass(&clock, Duration::from_millis(time)).await;
        writer.rest(false);
        assert_eq!(count(&user, "runs"), runs, "after {time} ms more");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_far_too_large_does_not_wait_for_a_pause() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _, _) = keeper(&dir, serde_json::json!({ "max_bytes": "1MiB" }));
    writer.connect().unwrap();
    let user = reader(&dir);
    writer.write(&batches(&["a"], 0, 20_000), &[]).unwrap();
    writer.rest(false);
    assert_eq!(count(&user, "runs"), 0);
    writer.write(&batches(&["a"], 20_000, 100_000), &[]).unwrap();
    // The clock stands still, so that no step takes any time and none has to be made up for.
    for _ in 0..100 {
        writer.rest(false);
    }
    assert!((10_000..60_000).contains(&count(&user, "samples")));
}

#[test]
fn by_size_the_oldest_rows_go_and_the_file_shrinks() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _, _) = keeper(&dir, serde_json::json!({}));
    writer.connect().unwrap();
    writer.write(&batches(&["a", "b"], 0, 1_000_000), &[]).unwrap();
    settle(&mut writer);
    writer.close();
    let size = || std::fs::metadata(dir.path().join("plant.db")).unwrap().len();
    let before = size();
    let (mut writer, _, _) = keeper(&dir, serde_json::json!({ "max_bytes": "2MiB" }));
    writer.connect().unwrap();
    settle(&mut writer);
    writer.close();
    assert!(size() < before * 3 / 5 && size() < 12 << 20, "{} of {before}", size());
    let user = reader(&dir);
    let left = integer(&user, "SELECT count(*) FROM samples");
    assert!((20_000..120_000).contains(&left), "{left}");
    let newest = "SELECT count(*) FROM samples WHERE value >= 980000";
    assert_eq!(integer(&user, newest), 20_000, "what came last stays");
    assert_eq!(integer(&user, "SELECT count(*) FROM cold WHERE run NOT IN (SELECT id FROM runs)"), 0);
}

#[tokio::test(start_paused = true)]
async fn by_age_rows_go_when_they_were_stored_long_enough_ago() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, clock, _) = keeper(&dir, serde_json::json!({ "max_age": "4h" }));
    writer.connect().unwrap();
    let user = reader(&dir);
    // Their own times are near 1970; they are old by when they were stored.
    for n in 0..3 {
        writer.write(&batches(&["a"], n * 10, 10), &[]).unwrap();
        pass(&clock, Duration::from_secs(3600)).await;
        settle(&mut writer);
    }
    assert_eq!(count(&user, "cold"), 30);
    for left in [30, 30, 20, 10, 0] {
        pass(&clock, Duration::from_secs(3600)).await;
        settle(&mut writer);
        assert_eq!(count(&user, "samples"), left);
    }
    // A number that is given again is not taken for the run that went.
    writer.write(&batches(&["a"], 0, 10), &[]).unwrap();
    pass(&clock, Duration::from_secs(3600)).await;
    settle(&mut writer);
    assert_eq!((count(&user, "cold"), integer(&user, "SELECT id FROM runs")), (10, 1));
}

#[test]
fn a_log_that_a_reader_holds_stops_the_writing_until_it_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = writer(&dir);
    writer.limit_log_to(1 << 20);
    writer.connect().unwrap();
    writer.write(&batches(&["a"], 0, 1000), &[]).unwrap();
    let mut user = reader(&dir);
    let old = user.transaction_with_behavior(TransactionBehavior::Deferred).unwrap();
    assert_eq!(count(&old, "samples"), 1000);
    let mut written = 1000;
    let refused = loop {
        assert!(written < 200_000, "the log grows without a limit");
        match writer.write(&batches(&["a"], written, 1000), &[]) {
            Ok(()) => written += 1000,
            Err(error) => break error,
        }
        writer.rest(true);
    };
    assert!(matches!(refused, NodeError::Disconnected(_)) && said(&refused, "end that reader"), "{refused}");
    assert!(said(&writer.connect().unwrap_err(), "end that reader"));
    drop(old);
    writer.connect().unwrap();
    writer.write(&batches(&["a"], written, 1000), &[]).unwrap();
    assert_eq!(count(&user, "samples"), written + 1000);
}

#[test]
fn a_file_that_turns_out_damaged_is_moved_aside_and_a_new_one_is_begun() {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, _, tally) = keeper(&dir, serde_json::json!({}));
    writer.connect().unwrap();
    writer.write(&batches(&["a"], 0, 20_000), &[]).unwrap();
    writer.close();
    let path = dir.path().join("plant.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let inside = bytes.len() / 2;
    bytes[inside..inside + 8192].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    writer.connect().unwrap();
    while writer.rest(true) != Duration::from_secs(1) {}
    let told = writer.write(&batches(&["a"], 0, 10), &[]).unwrap_err();
    assert!(said(&told, "damaged"), "{told}");
    let told = writer.connect().unwrap_err();
    assert!(said(&told, "plant.db.corrupt-") && matches!(told, NodeError::Disconnected(_)), "{told}");
    assert_eq!(tally.snapshot()["corrupt_file"], 1);
    writer.connect().unwrap();
    writer.write(&batches(&["a"], 0, 10), &[]).unwrap();
    assert_eq!(samples(&reader(&dir)), expected(&["a"], 0, 10));
}

/// A file system of a few MiB, gone with the value; `None`, and said aloud, where mounting is not allowed.
#[cfg(target_os = "linux")]
struct Small(TempDir);

#[cfg(target_os = "linux")]
impl Small {
    fn mount(size: &str) -> Option<Self> {
        use std::io::Write as _;
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .stderr(std::process::Stdio::null())
            .status();
        if mount.is_ok_and(|status| status.success()) {
            return Some(Self(dir));
        }
        let why = "SKIPPED the test of the sqlite sink on a full disk: this user may not mount a tmpfs";
        writeln!(std::io::stderr(), "{why}").unwrap();
        None
    }
}

#[cfg(target_os = "linux")]
impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_nothing_and_the_work_goes_on_when_there_is_room() {
    let Some(small) = Small::mount("24m") else { return };
    let (settings, retention) = (
        Settings { path: small.0.path().join("plant.db"), durability: Durability::Power, patience: Duration::ZERO },
        Retention::default(),
    );
    let mut writer = Writer::new(settings, retention, 4 << 20, Arc::new(SystemClock), Tally::default());
    writer.connect().unwrap();
    let (ballast, hog) = (small.0.path().join("plant.db.ballast"), small.0.path().join("hog"));
    let mut acknowledged = 0;
    for cycle in 0..3 {
        assert!(ballast.exists(), "cycle {cycle}");
        let room = fieldflow_storage::free_bytes(small.0.path()).unwrap();
        std::fs::write(&hog, vec![1; room as usize - (2 << 20)]).unwrap();
        let full = loop {
            match writer.write(&batches(&["a"], acknowledged, 2000), &[]) {
                Ok(()) => acknowledged += 2000,
                Err(error) => break error,
            }
            writer.rest(true);
        };
        assert!(matches!(full, NodeError::Disconnected(_)) && said(&full, "disk full"), "{full}");
        assert!(!ballast.exists(), "it was given back");
        assert_eq!(count(&reader(&small.0), "samples"), acknowledged, "cycle {cycle}");
        for _ in 0..3 {
            let waits = writer.connect().unwrap_err();
            assert!(said(&waits, "waits for a disk that is full"), "{waits}");
            assert!(said(&writer.write(&batches(&["a"], 0, 1), &[]).unwrap_err(), "not open"));
        }
        std::fs::remove_file(&hog).unwrap();
        writer.connect().unwrap();
        writer.write(&batches(&["a"], acknowledged, 2000), &[]).unwrap();
        acknowledged += 2000;
    }
    let (distinct, all) = ("SELECT count(DISTINCT value) FROM samples", "SELECT count(*) FROM samples");
    let user = reader(&small.0);
    assert_eq!((integer(&user, distinct), integer(&user, all)), (acknowledged, acknowledged));
    drop(user);
    writer.close();
}
