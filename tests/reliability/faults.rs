//! A disk that fails: the k-th call that changes, makes or syncs a file ends with an error, or writes only half.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::account::last;
use crate::engine::{Home, Pipeline};
use crate::setup::{Setup, figure};
use crate::shim::{environment, shim};

const TAGS: u64 = 7;
const RECORDS: u64 = 3000;

/// How a call fails, and how many after it: one error may pass unseen where a series does not.
const KINDS: [(&str, u32); 4] = [("EIO", 1), ("ENOSPC", 1), ("SHORT", 1), ("EIO", 3)];

#[test]
fn a_disk_that_fails_costs_the_store_nothing_that_it_acknowledged() {
    // The store cannot know whether a commit that ended with an error was done: here it may be done twice.
    fail("disk errors, source -> store", "");
}

#[test]
fn a_disk_that_fails_costs_a_durable_edge_nothing_and_doubles_nothing() {
    let twice = fail("disk errors, source -> durable edge -> store", "durable: true");
    assert_eq!(twice, 0, "records were stored twice");
}

/// Lets calls fail; how many records were stored twice.
fn fail(name: &'static str, edge: &str) -> usize {
    let mut setup = Setup::in_memory(name);
    let Some(shim) = shim() else { return 0 };
    let pipeline = |until: u64| {
        let source = format!("batch: 50, tags: {TAGS}, until: {until}");
        Pipeline::into_store(&source, edge, "flush: { rows: 100, every: 0s }")
    };
    let calls = count(&setup, shim, &pipeline(RECORDS));
    let most: usize = figure("FIELDFLOW_FAULTS", 60);
    let mut cases: Vec<_> = (1..=calls).flat_map(|k| KINDS.map(|kind| (k, kind))).collect();
    setup.dice.shuffle(&mut cases);
    cases.truncate(most);
    let (mut fired, mut ended, mut twice) = (0, 0, 0);
    for (number, (k, (how, times))) in cases.iter().enumerate() {
        let home = Home::new(setup.folder(&format!("case-{number}")));
        let note = setup.folder("fired").join(number.to_string());
        let mut failing = environment(shim, &home.folder);
        failing.push(("FIELDFLOW_SHIM_FAIL", format!("{k} {times} {how}")));
        failing.push(("FIELDFLOW_SHIM_FIRED", note.display().to_string()));
        let mut engine = home.start(&pipeline(RECORDS), &[], &failing);
        let status = engine.wait(Duration::from_secs(30));
        let what = format!("call {k}, {times} × {how}: {}", fs::read_to_string(&note).unwrap_or_default());
        let status = status.unwrap_or_else(|| panic!("{what}: hangs: {}", last(&engine.said())));
        fired += usize::from(note.metadata().is_ok_and(|file| file.len() != 0));
        ended += usize::from(!status.success());

        // The disk works again.
        let mut engine = home.start(&pipeline(RECORDS + 100), &[], &[]);
        let status = engine.wait(Duration::from_secs(30));
        assert!(status.is_some_and(|status| status.success()), "{what}: {status:?}: {}", last(&engine.said()));
        let said = home.said();
        assert!(!said.contains("panic"), "{what}: {}", last(&said));
        let account = home.account(TAGS);
        let whole = account.acknowledged == RECORDS + 100;
        assert!(whole, "{what}: {account}: {}", last(&said));
        account.must_hold_everything(&format!("{what}: {said}"));
        twice += account.double.len();
        if !account.double.is_empty() {
            setup.says(format_args!("{what}: {account}"));
        }
        fs::remove_dir_all(&home.folder).unwrap();
    }
    setup.says(format_args!(
        "{} of {} cases ({calls} calls), in {fired} a call failed, {ended} ended the process, {twice} records written twice",
        cases.len(),
        calls * KINDS.len(),
    ));
    assert_ne!(fired, 0, "no call has failed: this test is blind");
    twice
}

/// How many calls there are to fail in a run.
fn count(setup: &Setup, shim: &Path, pipeline: &Pipeline) -> usize {
    let home = Home::new(setup.folder("count"));
    let note = setup.folder("fired").join("count");
    let mut counting = environment(shim, &home.folder);
    counting.push(("FIELDFLOW_SHIM_FAIL", "1 1 COUNT".to_owned()));
    counting.push(("FIELDFLOW_SHIM_FIRED", note.display().to_string()));
    let mut engine = home.start(pipeline, &[], &counting);
    let status = engine.wait(Duration::from_secs(30));
    assert!(status.is_some_and(|status| status.success()), "{status:?}: {}", last(&engine.said()));
    fs::read_to_string(note).unwrap().lines().count()
}
