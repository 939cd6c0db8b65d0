//! `kill -9` at random moments, start-up included.

use std::time::Duration;

use crate::account::last;
use crate::engine::{Home, Pipeline};
use crate::setup::{Setup, figure, pass, wait_for};

const TAGS: u64 = 20;
const RESTART: Duration = Duration::from_secs(2);

#[test]
fn a_killed_process_has_lost_nothing_that_it_acknowledged() {
    let mut setup = Setup::new("kill -9, source to store");
    let pipeline = |source: &str| Pipeline::into_store(source, "", "durability: process, flush: { every: 20ms }");
    lives_and_deaths(&mut setup, &pipeline);
}

fn lives_and_deaths(setup: &mut Setup, pipeline: &dyn Fn(&str) -> Pipeline) {
    let kills: u32 = figure("FIELDFLOW_KILLS", 25);
    let longest: u64 = figure("FIELDFLOW_LIFE_MS", 1000);
    let home = Home::new(setup.folder("home"));
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
    // A last life that sends what is not acknowledged, a little more, and drains.
    let until = home.journal().next() + 10_000;
    let source = format!("rate: 20000, batch: 100, tags: {TAGS}, until: {until}, stay: true");
    let mut engine = home.start(&pipeline(&source), &[], &[]);
    let first = engine.next_ack(Duration::from_secs(20));
    firsts.push(first.unwrap_or_else(|| panic!("nothing was acknowledged for 20 s: {}", last(&engine.said()))));
    let all = wait_for(Duration::from_secs(60), || home.journal().unacknowledged().is_empty().then_some(()));
    assert!(all.is_some(), "{} batches were never acknowledged", home.journal().unacknowledged().len());
    engine.stop();

    let account = home.account(TAGS);
    firsts.sort();
    let slowest = firsts[firsts.len() - 1];
    setup.says(format_args!(
        "{kills} kills; {account}; first record after {:.0} ms, at worst {:.0} ms",
        firsts[firsts.len() / 2].as_secs_f64() * 1e3,
        slowest.as_secs_f64() * 1e3
    ));
    account.must_hold_everything(&home.said());
    account.must_hold_nothing_twice(&home.said());
    assert!(!home.said().contains("panic"), "{}", last(&home.said()));
    assert!(slowest <= RESTART, "{slowest:?} from the start to the first record");
}
