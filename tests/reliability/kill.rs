//! `kill -9` at random moments, start-up included.

use std::time::Duration;

use crate::account::{Account, last};
use crate::engine::{Home, Pipeline};
use crate::setup::{Setup, figure, pass, wait_for};

const TAGS: u64 = 20;
/// Longest from the start of the process to its first acknowledgement.
const RESTART: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn what_the_store_acknowledged_survives_a_kill() {
    let mut setup = Setup::new("kill -9, source -> store");
    let home = Home::new(setup.folder("home"));
    let store = "durability: process, flush: { every: 20ms }";
    let pipeline = |source: &str| Pipeline::into_store(source, "", store);
    lives_and_deaths(&mut setup, &home, &pipeline, |_| {});
    judge(&setup, &home, &home.account(TAGS));
}

#[test]
fn what_a_durable_edge_acknowledged_is_stored_exactly_once() {
    let mut setup = Setup::new("kill -9, source -> durable edge -> store");
    let home = Home::new(setup.folder("home"));
    // Many small commits: most kills fall between one and what the edge knows of it.
    let store = "durability: power, flush: { rows: 100, every: 0s }";
    let pipeline = |source: &str| Pipeline::into_store(source, "durable: true", store);
    lives_and_deaths(&mut setup, &home, &pipeline, |newest| {
        home.wait_for_row(newest, PATIENCE).expect("the backlog is not drained");
    });
    let account = home.account(TAGS);
    judge(&setup, &home, &account);
    account.must_hold_nothing_twice(&home.said());
}

#[test]
fn a_sink_without_a_position_gets_everything_in_order() {
    let mut setup = Setup::new("kill -9, source -> durable edge -> recorder");
    let home = Home::new(setup.folder("home"));
    let pipeline = |source: &str| Pipeline::into_record(source, "durable: true", TAGS, &home.folder);
    lives_and_deaths(&mut setup, &home, &pipeline, |newest| {
        let all = wait_for(PATIENCE, || home.recorded().ends_with(&format!("\n{newest};\n")).then_some(()));
        all.expect("the backlog is not drained");
    });
    judge(&setup, &home, &Account::of_recorded(&home.journal(), &home.recorded()));
}

/// Lives of random length, and a last one that sends again what was not acknowledged, and drains.
fn lives_and_deaths(setup: &mut Setup, home: &Home, pipeline: &dyn Fn(&str) -> Pipeline, drained: impl FnOnce(u64)) {
    let kills: u32 = figure("FIELDFLOW_KILLS", 25);
    let longest: u64 = figure("FIELDFLOW_LIFE_MS", 1000);
    let mut firsts = Vec::new();
    for _ in 0..kills {
        let rate = setup.dice.u64(20_000..=50_000);
        let life = Duration::from_millis(setup.dice.u64(0..=longest));
        let mut engine = home.start(&pipeline(&format!("rate: {rate}, batch: 100, tags: {TAGS}")), &[], &[]);
        if let Some(first) = engine.next_ack(life) {
            firsts.push(first);
            pass(life.saturating_sub(engine.born.elapsed()));
        }
        assert!(engine.ended().is_none(), "ended by itself: {}", last(&engine.said()));
        engine.kill();
    }
    let until = home.journal().next() + 10_000;
    let source = format!("rate: 20000, batch: 100, tags: {TAGS}, until: {until}, stay: true");
    let mut engine = home.start(&pipeline(&source), &[], &[]);
    let first = engine.next_ack(PATIENCE);
    firsts.push(first.unwrap_or_else(|| panic!("nothing is acknowledged: {}", last(&engine.said()))));
    let all = wait_for(PATIENCE, || {
        let journal = home.journal();
        (journal.next() == until && journal.unacknowledged().is_empty()).then_some(())
    });
    assert!(all.is_some(), "{} batches are not acknowledged", home.journal().unacknowledged().len());
    drained(until - 1);
    engine.stop();

    firsts.sort();
    let (usual, slowest) = (firsts[firsts.len() / 2], firsts[firsts.len() - 1]);
    setup.says(format_args!("{kills} kills; first record after {usual:.0?}, at worst {slowest:.0?}"));
    assert!(!home.said().contains("panic"), "{}", last(&home.said()));
    assert!(slowest <= RESTART, "{slowest:?} from the start to the first record");
}

fn judge(setup: &Setup, home: &Home, account: &Account) {
    setup.says(account);
    account.must_hold_everything(&home.said());
}
