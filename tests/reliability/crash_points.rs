//! The process ends at a named moment, starts again, and everything is there once.
//!
//! The moments are the calls of `fieldflow_storage::crash_point` in the sources; a call that is not listed here fails a test, and
//! so does one that is never reached. [`a_slow_queue`](a_queue_that_opens_after_the_store_goes_on_behind_its_position) shows the
//! other use of them: a moment that takes long.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::account::{Account, last};
use crate::engine::{Home, Pipeline};
use crate::setup::{Setup, wait_for};

const TAGS: u64 = 10;
const BATCH: u64 = 50;
/// What waits in the queue before the first crash.
const WAITING: u64 = 3000;
const RECORDS: u64 = 6000;
const PATIENCE: Duration = Duration::from_secs(20);

/// Reached by every run.
const USUAL: &[&str] = &[
    "ballast.filled",
    "queue.ack.told",
    "queue.commit.done",
    "queue.commit.written",
    "queue.handed_over",
    "queue.open.registered",
    "queue.take.deleted",
    "sink.ack.told",
    "sink.positions.read",
    "store.commit.done",
    "store.move.copied",
    "store.move.done",
    "store.positions.written",
    "store.rows.written",
];

/// Reached when the store may hold no more than a little.
const RETENTION: &[&str] = &["store.retention.deleted", "store.retention.done"];

/// Reached when a file is damaged.
const DAMAGE: &[&str] = &["aside.renamed"];

/// Reached when the disk is full, which `full_disk.rs` is about; that a file is deleted is a moment like any other.
const ELSEWHERE: &[&str] = &["ballast.released"];

#[test]
fn every_crash_point_is_tried() {
    let mut found = Vec::new();
    for folder in ["src", "nodes"] {
        calls(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    }
    found.sort();
    let mut listed: Vec<&str> = [USUAL, RETENTION, DAMAGE, ELSEWHERE].concat();
    listed.sort_unstable();
    assert_eq!(found, listed);
}

/// The names of all calls below a folder.
fn calls(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            calls(&entry.path(), found);
        } else if entry.path().extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(entry.path()).unwrap();
            let names = text.split("crash_point(\"").skip(1).filter_map(|rest| rest.split('"').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn a_crash_at_any_named_moment_loses_nothing_and_doubles_nothing() {
    let mut setup = Setup::in_memory("named crash points");
    let waiting = backlog(&setup);
    let (mut died, mut tried) = (0, 0);
    for (number, point) in USUAL.iter().enumerate() {
        // The first time that it is reached, and a later one if there are so many.
        for skipped in [0, setup.dice.u32(1..20)] {
            let home = copy_of(&waiting, setup.folder(&format!("case-{number}-{skipped}")));
            let pipeline = into_store("");
            tried += 1;
            died += u32::from(crash(&home, &pipeline(RECORDS, true), point, skipped));
            recover(&home, &pipeline(RECORDS, false), point);
            let account = home.account(TAGS);
            assert_eq!(account.acknowledged, RECORDS, "{point}, {skipped} times passed: {account}");
            account.must_hold_everything(&format!("{point}, {skipped} times passed: {}", home.said()));
            account.must_hold_nothing_twice(&format!("{point}, {skipped} times passed: {}", home.said()));
            fs::remove_dir_all(&home.folder).unwrap();
        }
    }
    setup.says(format_args!("{} points, {died} of {tried} runs died there, 0 lost, 0 double", USUAL.len()));
}

/// The sink keeps no position: what was done in the last moments comes again, out of the two lanes, and nothing else does.
#[test]
fn a_crash_while_live_data_goes_first_loses_nothing() {
    let mut setup = Setup::in_memory("crash points, live first");
    let waiting = backlog(&setup);
    let (mut died, mut again) = (0, 0);
    for point in USUAL.iter().filter(|point| point.starts_with("queue.") || point.starts_with("sink.")) {
        for skipped in [0, setup.dice.u32(1..20)] {
            let home = copy_of(&waiting, setup.folder(&format!("live-{point}-{skipped}")));
            let pipeline = |stay: bool| {
                let source = format!("rate: 20000, batch: {BATCH}, tags: {TAGS}, until: {RECORDS}, stay: {stay}");
                Pipeline::into_record(
                    &source,
                    "durable: true, capacity: 500, replay: { share: 25% }",
                    TAGS,
                    &home.folder,
                )
            };
            died += u32::from(crash(&home, &pipeline(true), point, skipped));
            recover(&home, &pipeline(false), point);
            let account = Account::of_recorded(&home.journal(), &home.recorded());
            assert_eq!(account.acknowledged, RECORDS, "{point}, {skipped} times passed: {account}");
            assert!(account.lost.is_empty() && account.wrong.is_empty(), "{point}, {skipped} times passed: {account}");
            again += account.rows - RECORDS;
            fs::remove_dir_all(&home.folder).unwrap();
        }
    }
    setup.says(format_args!("{died} runs died, 0 lost, {again} records came again"));
}

#[test]
fn a_crash_while_the_oldest_rows_are_deleted_leaves_a_sound_store() {
    let setup = Setup::in_memory("crash points of retention");
    let waiting = backlog(&setup);
    for point in RETENTION {
        let home = copy_of(&waiting, setup.folder(point));
        let pipeline = into_store(", retention: { max_bytes: 1MiB }");
        assert!(
            crash(&home, &pipeline(20 * RECORDS, true), point, 0),
            "{point} was not reached: {}",
            last(&home.said())
        );
        recover(&home, &pipeline(20 * RECORDS, false), point);
        let account = home.account(TAGS);
        assert!(account.damage.is_none() && account.wrong.is_empty(), "{point}: {account}, {:?}", account.damage);
        account.must_hold_nothing_twice(&home.said());
        assert!(!account.lost.contains(&(20 * RECORDS - 1)), "{point}: the newest record is gone: {account}");
    }
}

#[test]
fn a_crash_while_a_damaged_file_is_moved_aside_does_not_keep_it_from_starting() {
    let setup = Setup::in_memory("crash point of a damaged file");
    let waiting = backlog(&setup);
    let pipeline = into_store("");
    for file in ["plant.db", "state.db"] {
        let home = copy_of(&waiting, setup.folder(file));
        let mut engine = home.start(&pipeline(RECORDS, false), &[], &[]);
        assert!(engine.wait(PATIENCE).is_some_and(|status| status.success()), "{}", last(&engine.said()));
        // Page 2 holds the first table; its first byte says what kind of page it is.
        let damaged = home.data.join("crash").join(file);
        let mut bytes = fs::read(&damaged).unwrap();
        bytes[4096..3 * 4096].fill(0xA5);
        fs::write(&damaged, bytes).unwrap();
        // What tells of an unclean stop, after which a file is looked at.
        fs::write(home.data.join("crash").join(format!("{file}-wal")), [0; 32]).unwrap();
        let died = crash(&home, &pipeline(RECORDS + 1000, true), DAMAGE[0], 0);
        assert!(died, "{file}: {} was not reached: {}", DAMAGE[0], last(&home.said()));
        recover(&home, &pipeline(RECORDS + 1000, false), DAMAGE[0]);
        let account = home.account(TAGS);
        assert!(account.wrong.is_empty() && account.damage.is_none(), "{file}: {account}, {:?}", account.damage);
        let new = account.lost.iter().filter(|number| RECORDS <= **number).count();
        assert_eq!(new, 0, "{file}: {account}: lost what came after: {}", last(&home.said()));
    }
}

#[test]
fn a_queue_that_opens_after_the_store_goes_on_behind_its_position() {
    let setup = Setup::in_memory("slow queue");
    let home = copy_of(&backlog(&setup), setup.folder("home"));
    let pipeline = into_store("");
    // The rows are stored, and the queue does not know of it yet.
    assert!(crash(&home, &pipeline(RECORDS, true), "store.commit.done", 0), "{}", last(&home.said()));
    let slow = [("FAILPOINTS", "queue.open.registered=1*sleep(1000)".to_owned())];
    let mut engine = home.start(&pipeline(RECORDS, false), &[], &slow);
    let status = engine.wait(PATIENCE);
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", last(&engine.said()));
    let account = home.account(TAGS);
    setup.says(&account);
    account.must_hold_everything(&home.said());
    account.must_hold_nothing_twice(&home.said());
}

/// A home whose queue holds something that nothing took yet.
fn backlog(setup: &Setup) -> Home {
    let home = Home::new(setup.folder("backlog"));
    let source = format!("batch: {BATCH}, tags: {TAGS}, until: {WAITING}, stay: true");
    let stalled =
        Pipeline { nodes: "store: { type: stall }".to_owned(), ..Pipeline::into_store(&source, "durable: true", "") };
    let engine = home.start(&stalled, &[], &[]);
    let all = || (home.journal().acknowledged().count() as u64 == WAITING / BATCH).then_some(());
    assert!(wait_for(PATIENCE, all).is_some(), "{}", last(&engine.said()));
    engine.kill();
    home
}

/// oracle → durable edge → store, up to a number.
fn into_store(options: &str) -> impl Fn(u64, bool) -> Pipeline {
    let store = format!("flush: {{ rows: 100, every: 0s }}{options}");
    move |until, stay| {
        let source = format!("batch: {BATCH}, tags: {TAGS}, until: {until}, stay: {stay}");
        Pipeline::into_store(&source, "durable: true", &store)
    }
}

/// Runs until the process dies at a point; whether it did.
fn crash(home: &Home, pipeline: &Pipeline, point: &str, skipped: u32) -> bool {
    let at = if skipped == 0 { format!("{point}=return") } else { format!("{point}={skipped}*off->return") };
    let mut engine = home.start(pipeline, &[], &[("FAILPOINTS", at)]);
    let patience = if skipped == 0 { PATIENCE } else { Duration::from_millis(1500) };
    let died = engine.wait(patience).is_some_and(|status| !status.success());
    assert!(died || skipped != 0, "{point} was not reached: {}", last(&engine.said()));
    died
}

/// Runs to the end of the input.
fn recover(home: &Home, pipeline: &Pipeline, point: &str) {
    let mut engine = home.start(pipeline, &[], &[]);
    let status = engine.wait(PATIENCE);
    assert!(status.is_some_and(|status| status.success()), "{point}: {status:?}: {}", last(&engine.said()));
    assert!(!home.said().contains("panic"), "{point}: {}", last(&home.said()));
}

fn copy_of(home: &Home, folder: std::path::PathBuf) -> Home {
    let copy = Home::new(folder);
    crate::rot::copy(&home.data, &copy.data);
    fs::copy(home.journal_file(), copy.journal_file()).unwrap();
    copy
}
