//! Bits that rot in the files of a store that was killed: it starts all the same.
//!
//! What SQLite cannot see it cannot tell: it keeps no checksum of a page of the database file, so a flipped bit in the middle of
//! a number is another number. The promise is therefore about the start, about what can be seen, and about the file that is set
//! aside; how many values were changed unseen is counted and said, not judged. What is newly acknowledged must be there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::account::last;
use crate::engine::{Home, Pipeline};
use crate::setup::{Setup, figure, wait_for};

const TAGS: u64 = 10;
/// Enough for two checkpoints, so that most of it lies in the database and some in its log.
const RECORDS: usize = 60_000;

#[test]
fn rotten_files_never_keep_the_pipeline_from_starting() {
    let mut setup = Setup::in_memory("bit rot");
    let pipeline = |more: &str| {
        Pipeline::into_store(&format!("batch: 50, tags: {TAGS}, {more}"), "", "flush: { rows: 50, every: 0s }")
    };
    let sound = Home::new(setup.folder("sound"));
    let mut engine = sound.start(&pipeline(&format!("until: {RECORDS}, stay: true")), &[], &[]);
    let all =
        wait_for(Duration::from_secs(30), || (sound.journal().acknowledged().count() == RECORDS / 50).then_some(()));
    assert!(all.is_some() && engine.ended().is_none(), "{}", last(&engine.said()));
    engine.kill();
    let before = sound.journal().next();

    let cases: usize = figure("FIELDFLOW_FLIPS", 30);
    let (mut set_aside, mut damaged, mut missing, mut unseen, mut slowest) = (0, 0, 0, 0, Duration::ZERO);
    for case in 0..cases {
        let home = Home::new(setup.folder(&format!("case-{case}")));
        copy(&sound.data, &home.data);
        fs::copy(sound.journal_file(), home.journal_file()).unwrap();
        let files = stores(&home.data);
        let victim = &files[setup.dice.usize(..files.len())];
        let mut bytes = fs::read(victim).unwrap();
        let flips = setup.dice.usize(1..=32);
        for _ in 0..flips {
            let at = setup.dice.usize(..bytes.len());
            bytes[at] ^= 1 << setup.dice.u8(..8);
        }
        fs::write(victim, bytes).unwrap();

        let mut engine =
            home.start(&pipeline(&format!("rate: 20000, until: {}, stay: true", RECORDS + 2000)), &[], &[]);
        let what = format!("case {case}, {flips} bits of {}", victim.display());
        let first = engine.next_ack(Duration::from_secs(10));
        let first = first.unwrap_or_else(|| panic!("{what}: nothing goes after 10 s: {}", last(&engine.said())));
        slowest = slowest.max(first);
        engine.stop();
        let said = home.said();
        assert!(!said.contains("panic"), "{what}: {}", last(&said));
        let account = home.account(TAGS);
        let new = account.lost.iter().filter(|number| before <= **number).count();
        assert_eq!(new, 0, "{what}: {account}: lost what came after the damage: {}", last(&said));
        set_aside += usize::from(stores(&home.data).len() > files.len());
        damaged += usize::from(account.damage.is_some());
        missing += account.lost.len();
        unseen += account.wrong.len();
        fs::remove_dir_all(&home.folder).unwrap();
    }
    setup.says(format_args!(
        "{cases} damaged stores of {before} records; first record after {slowest:?} at worst; {set_aside} set aside, \
         {damaged} kept although SQLite sees damage, {missing} old records missing from the store, {unseen} values changed that SQLite cannot see"
    ));
}

/// The databases and logs below a folder.
fn stores(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if path.is_dir() {
            found.extend(stores(&path));
        } else if name.contains(".db") && !name.ends_with("-shm") && path.metadata().unwrap().len() != 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn copy(from: &Path, to: &Path) {
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
