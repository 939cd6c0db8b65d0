//! Bits that rot in the files of a process that was killed: it starts all the same.
//!
//! What can be promised depends on who can see the damage. A batch in the queue has a checksum: what is damaged is counted and
//! set aside, and no other value ever comes out. SQLite keeps no checksum of a page of a database, so a flipped bit in the middle
//! of a stored number is another number, and nobody can see it; and it ends its log at the first frame whose checksum does not
//! fit, so what was committed after that frame and not yet moved into the database is gone without a word. Therefore the tests
//! judge the start, what is acknowledged after it, and what comes out of the queue; the rest they count and say.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::{Account, last};
use crate::engine::{Home, Pipeline};
use crate::setup::{Setup, figure, wait_for};

const TAGS: u64 = 10;
const BATCH: usize = 50;
/// Enough for some checkpoints, so that most of it lies in the database and some in its log.
const RECORDS: usize = 60_000;
/// What is sent after the damage.
const MORE: usize = 2000;
const START: Duration = Duration::from_secs(10);

#[test]
fn a_rotten_store_never_keeps_the_pipeline_from_starting() {
    let mut setup = Setup::in_memory("bit rot in the store");
    let pipeline = |source: &str, _: &Home| Pipeline::into_store(source, "", "flush: { rows: 50, every: 0s }");
    let sound = killed(&setup, &pipeline);
    let (mut unreadable, mut missing, mut unseen) = (0, 0, 0);
    let said = rot(&mut setup, &sound, &pipeline, |what, home| {
        let account = home.account(TAGS);
        let new = account.lost.iter().filter(|number| RECORDS as u64 <= **number).count();
        assert_eq!(new, 0, "{what}: {account}, {:?}: lost what came after: {}", account.damage, last(&home.said()));
        unreadable += usize::from(account.damage.is_some());
        missing += account.lost.len();
        unseen += account.wrong.len();
    });
    setup.says(format_args!(
        "{said}; {missing} of their old records are not in the store, {unseen} values or more changed unseen, {unreadable} still damaged"
    ));
}

#[test]
fn a_rotten_queue_counts_what_is_damaged_and_hands_over_nothing_wrong() {
    let mut setup = Setup::in_memory("bit rot in the queue");
    // A commit for each batch or two, so that there are checkpoints.
    let edge = "durable: true, capacity: 400";
    let stalled = |source: &str, _: &Home| Pipeline {
        nodes: "store: { type: stall }".to_owned(),
        ..Pipeline::into_store(source, edge, "")
    };
    let recorded = |source: &str, home: &Home| Pipeline::into_record(source, edge, TAGS, &home.folder);
    let sound = killed(&setup, &stalled);
    let mut missing = (0, 0);
    let said = rot(&mut setup, &sound, &recorded, |what, home| {
        let account = Account::of_recorded(&home.journal(), &home.recorded());
        assert!(account.wrong.is_empty(), "{what}: handed over {:?}", account.wrong);
        let new = account.lost.iter().filter(|number| RECORDS as u64 <= **number).count();
        assert_eq!(new, 0, "{what}: {account}: lost what came after: {}", last(&home.said()));
        // The end of the log is the one thing that can go unseen.
        let told = ["set aside", "damaged"].iter().any(|word| home.said().contains(word));
        let holes = account.lost.last().is_some_and(|last| (*last as usize) < RECORDS - BATCH);
        assert!(told || !holes || what.contains("-wal"), "{what}: {account}: nobody said so: {}", last(&home.said()));
        let gone = if what.contains("-wal") { &mut missing.1 } else { &mut missing.0 };
        *gone += account.lost.len();
    });
    let (database, log) = missing;
    setup.says(format_args!(
        "{said}; old records gone: {database} after damage to the database, {log} after damage to its log; none is wrong"
    ));
}

/// A home whose process was killed when all was acknowledged.
fn killed(setup: &Setup, pipeline: &dyn Fn(&str, &Home) -> Pipeline) -> Home {
    let home = Home::new(setup.folder("sound"));
    let source = format!("batch: {BATCH}, tags: {TAGS}, until: {RECORDS}, stay: true");
    let mut engine = home.start(&pipeline(&source, &home), &[], &[]);
    let all = || (home.journal().acknowledged().count() == RECORDS / BATCH).then_some(());
    assert!(wait_for(Duration::from_secs(30), all).is_some(), "{}", last(&engine.said()));
    assert!(engine.ended().is_none(), "{}", last(&engine.said()));
    engine.kill();
    home
}

/// Flips bits in copies of a home, starts each, and looks at it when all that is new was acknowledged and drained.
fn rot(
    setup: &mut Setup,
    sound: &Home,
    pipeline: &dyn Fn(&str, &Home) -> Pipeline,
    mut look: impl FnMut(&str, &Home),
) -> String {
    let cases: usize = figure("FIELDFLOW_FLIPS", 30);
    let source = format!("rate: 20000, batch: {BATCH}, tags: {TAGS}, until: {}", RECORDS + MORE);
    let (mut set_aside, mut slowest) = (0, Duration::ZERO);
    for case in 0..cases {
        let home = Home::new(setup.folder(&format!("case-{case}")));
        copy(&sound.data, &home.data);
        fs::copy(sound.journal_file(), home.journal_file()).unwrap();
        let files = databases(&home.data);
        let victim = &files[setup.dice.usize(..files.len())];
        let mut bytes = fs::read(victim).unwrap();
        let flips = setup.dice.usize(1..=32);
        for _ in 0..flips {
            let at = setup.dice.usize(..bytes.len());
            bytes[at] ^= 1 << setup.dice.u8(..8);
        }
        fs::write(victim, bytes).unwrap();

        let what = format!("case {case}, {flips} bits of {}", victim.display());
        let mut engine = home.start(&pipeline(&source, &home), &[], &[]);
        let first = engine.next_ack(START);
        let first = first.unwrap_or_else(|| panic!("{what}: nothing goes after {START:?}: {}", last(&engine.said())));
        slowest = slowest.max(first);
        let status = engine.wait(Duration::from_secs(30));
        assert!(status.is_some_and(|status| status.success()), "{what}: {status:?}: {}", last(&engine.said()));
        assert!(!home.said().contains("panic"), "{what}: {}", last(&home.said()));
        look(&what, &home);
        set_aside += usize::from(databases(&home.data).len() > files.len());
        fs::remove_dir_all(&home.folder).unwrap();
    }
    format!(
        "{cases} damaged files of {RECORDS} records; first record after {slowest:.0?} at worst; {set_aside} set aside"
    )
}

/// The databases and logs below a folder.
fn databases(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if path.is_dir() {
            found.extend(databases(&path));
        } else if name.contains(".db") && !name.ends_with("-shm") && path.metadata().unwrap().len() != 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
