//! Tests of `sequence`.

use std::collections::{BTreeMap, HashSet};

use fieldflow_contract::{Batch, Outputs, Record, Saved, Tag, Tally, Timestamp, Transform};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::transform::kit::testing::build_with;

fn build(options: Json) -> (Box<dyn Transform>, Tally) {
    build_with(&Sequence, options, &Saved::default())
}

/// A frame whose time tells it from all others.
fn frame(counter: u64, time: i64) -> Record {
    Record::good(Tag::new("sequence.n").unwrap(), Timestamp(time), Value::U64(counter))
}

fn batch(records: Vec<Record>, received: i64) -> Batch {
    Batch::new(records, Timestamp(received)).unwrap()
}

/// What left a node, by port, and what it let go.
#[derive(Debug, Default)]
struct Left {
    ports: BTreeMap<String, Vec<Record>>,
    filtered: u64,
}

impl Left {
    fn take(&mut self, mut out: Outputs) {
        for emission in out.take_emissions() {
            self.ports.entry(emission.port.to_string()).or_default().extend(emission.batch.into_records());
        }
        self.filtered += out.take_filtered().map(|(_, records)| records).sum::<u64>();
    }

    fn apply(&mut self, node: &mut dyn Transform, batch: Batch) {
        let mut out = Outputs::default();
        node.apply(batch, &mut out).unwrap();
        self.take(out);
    }

    fn tick(&mut self, node: &mut dyn Transform, now: i64) {
        let mut out = Outputs::default();
        node.tick(Timestamp(now), &mut out);
        self.take(out);
    }

    fn finish(&mut self, node: &mut dyn Transform) {
        let mut out = Outputs::default();
        node.finish(Timestamp(0), &mut out);
        self.take(out);
    }

    fn port(&self, port: &str) -> &[Record] {
        self.ports.get(port).map_or(&[], Vec::as_slice)
    }

    fn times(&self) -> Vec<i64> {
        self.port("out").iter().map(|record| record.time.0).collect()
    }
}

fn of(tally: &Tally, word: &str) -> u64 {
    tally.snapshot().get(word).copied().unwrap_or(0)
}

#[test]
fn what_is_due_at_the_same_time_leaves_in_the_order_in_which_it_came() {
    let tags = ["sequence.early", "sequence.late"].map(|name| Tag::new(name).unwrap());
    for tags in [tags, [tags[1], tags[0]]] {
        let held = |by_tick: bool| {
            let (mut node, _) = build(json!({ "wrap": 16, "reorder": {} }));
            let mut left = Left::default();
            let frames = [0, 2].map(|n| tags.map(|tag| Record::good(tag, Timestamp(0), Value::U64(n))));
            left.apply(&mut *node, batch(frames.concat(), 0));
            if by_tick {
                left.tick(&mut *node, 0);
                left.tick(&mut *node, 1_000_000);
            }
            left.finish(&mut *node);
            left.port("out").iter().map(|record| record.tag).collect::<Vec<_>>()
        };
        assert_eq!((held(true), held(false)), ([tags, tags].concat(), [tags, tags].concat()));
    }
}

#[test]
fn the_counter_is_read_from_a_frame_in_its_byte_order() {
    let counter = |kind, endian, offset| Some(Counter { offset, kind, endian });
    let value = Value::Bytes([1, 2, 3, 4, 5].as_slice().into());
    for (counter, wrap, count) in [
        (counter(Kind::U8, Endian::Big, 4), 256, Ok(5)),
        (counter(Kind::U16, Endian::Big, 0), 65_536, Ok(0x0102)),
        (counter(Kind::U16, Endian::Little, 1), 65_536, Ok(0x0302)),
        (counter(Kind::U32, Endian::Big, 1), 1 << 32, Ok(0x0203_0405)),
        (counter(Kind::U32, Endian::Big, 2), 1 << 32, Err(Quality::BAD_DECODING)),
        (counter(Kind::U16, Endian::Big, u32::MAX), 65_536, Err(Quality::BAD_DECODING)),
        (counter(Kind::U8, Endian::Big, 4), 5, Err(Quality::BAD_OUT_OF_RANGE)),
        (None, 256, Err(Quality::BAD_TYPE_MISMATCH)),
    ] {
        assert_eq!(read(counter, wrap, &value), count, "{counter:?}");
    }
    assert_eq!(read(None, 256, &Value::I64(-1)), Err(Quality::BAD_OUT_OF_RANGE));
    assert_eq!(read(None, 256, &Value::U64(255)), Ok(255));
}

#[test]
fn a_batch_in_order_is_not_copied_even_if_it_is_shared() {
    let (mut node, _) = build(json!({ "wrap": 256 }));
    let mut left = Left::default();
    left.apply(node.as_mut(), batch(vec![frame(254, 0)], 0));
    let records = batch(vec![frame(255, 1), frame(0, 2), frame(1, 3)], 0);
    let (shared, mut out) = (records.clone(), Outputs::default());
    node.apply(records, &mut out).unwrap();
    assert_eq!(out.take_emissions().next().unwrap().batch.records().as_ptr(), shared.records().as_ptr());
}

#[test]
fn what_is_held_waits_from_when_the_clock_was_seen_and_holds_its_ack() {
    let (mut node, tally) = build(json!({ "wrap": 256, "reorder": { "records": 8, "wait": "1s" } }));
    let mut left = Left::default();
    left.apply(node.as_mut(), batch(vec![frame(1, 1)], 0));
    assert_eq!((node.due(), node.holds_since()), (None, None));
    // It waited on its way for an hour, so its own time says nothing.
    let hour = 3_600_000_000;
    left.apply(node.as_mut(), batch(vec![frame(3, 3)], 1).replayed());
    left.apply(node.as_mut(), batch(vec![frame(5, 5)], 2).replayed());
    assert_eq!((node.due(), node.holds_since()), (Some(Timestamp(1)), Some(2)));
    left.tick(node.as_mut(), hour);
    assert_eq!((left.times(), node.due()), (vec![1], Some(Timestamp(hour + 1_000_000))));
    left.apply(node.as_mut(), batch(vec![frame(2, 2)], 3).replayed());
    assert_eq!((left.times(), node.holds_since()), (vec![1, 2, 3], Some(3)));
    left.tick(node.as_mut(), hour + 1_000_000);
    assert_eq!((left.times(), node.holds_since(), node.due()), (vec![1, 2, 3, 5], None, None));
    assert_eq!(tally.snapshot(), [("lost", 1), ("reordered", 1)].into());
}

/// The rules once more, with numbers that never wrap and everything remembered.
fn model(wrap: i64, max_gap: i64, counters: &[u64]) -> BTreeMap<&'static str, u64> {
    let remembered = (wrap / 4).min(64);
    let mut figures = BTreeMap::new();
    let mut count = |word, times| *figures.entry(word).or_insert(0) += times;
    let (mut top, mut came) = (None, HashSet::new());
    for counter in counters.iter().map(|counter| *counter as i64) {
        let Some(last) = top else {
            (top, came) = (Some(counter), HashSet::from([counter]));
            continue;
        };
        // Of all numbers that this counter can mean, the first behind the last one.
        let number = last + 1 + (counter - last - 1).rem_euclid(wrap);
        if number - last - 1 <= max_gap {
            if number != last + 1 {
                count("lost", (number - last - 1) as u64);
            }
            (top, _) = (Some(number), came.insert(number));
        } else if last - (number - wrap) < remembered {
            if came.insert(number - wrap) {
                count("late", 1);
                count("reordered", 1);
            } else {
                count("duplicate", 1);
            }
        } else {
            count("restart", 1);
            (top, came) = (Some(counter), HashSet::from([counter]));
        }
    }
    figures
}

fn cut(records: Vec<Record>, sizes: &[usize]) -> Vec<Vec<Record>> {
    let mut rest = records.into_iter().peekable();
    let mut batches = Vec::new();
    let mut sizes = sizes.iter().cycle();
    while rest.peek().is_some() {
        batches.push(rest.by_ref().take(*sizes.next().unwrap()).collect());
    }
    batches
}

proptest! {
    #[test]
    fn it_counts_what_the_naive_model_counts(
        wrap in prop::sample::select(vec![4_u64, 5, 16, 256, 300]),
        steps in prop::collection::vec(prop_oneof![4 => Just(1_i64), 2 => -6..8_i64, 1 => -300..300_i64], 1..200),
        gap in prop::option::of(1..150_u64),
        sizes in prop::collection::vec(1..9_usize, 1..4),
    ) {
        let gap = gap.map(|gap| gap.min(wrap / 2));
        let mut last = 7_i64;
        let mut counters = Vec::new();
        for step in steps {
            last += step;
            counters.push(last.rem_euclid(wrap as i64) as u64);
        }
        let (mut node, tally) = build(json!({ "wrap": wrap, "max_gap": gap, "on_duplicate": "reject", "on_late": "drop" }));
        let records: Vec<Record> = counters.iter().enumerate().map(|(n, counter)| frame(*counter, n as i64)).collect();
        let mut left = Left::default();
        for some in cut(records, &sizes) {
            left.apply(node.as_mut(), batch(some, 0));
        }
        let expected = model(wrap as i64, gap.unwrap_or(wrap / 4) as i64, &counters);
        prop_assert_eq!(tally.snapshot(), expected);
        prop_assert_eq!(left.port("rejected").len() as u64, of(&tally, "duplicate"));
        prop_assert_eq!(left.filtered, of(&tally, "late"));
        let told: i64 = left.port("events").iter().map(|event| match event.value {
            Value::I64(lost) => lost,
            _ => panic!("{event:?}"),
        }).sum();
        prop_assert_eq!(told as u64, of(&tally, "lost"));
        prop_assert_eq!(left.port("out").len() + left.port("rejected").len() + left.filtered as usize, counters.len());
    }

    #[test]
    fn any_order_within_the_window_comes_out_in_order_and_what_is_held_holds_its_ack(
        start in 0..256_u64,
        window in 1..20_usize,
        blocks in prop::collection::vec(prop::collection::vec(any::<u32>(), 20), 1..20),
        sizes in prop::collection::vec(1..9_usize, 1..4),
    ) {
        // The first counts as the first whatever it is; what waits for one frame at most fills the window.
        let mut order = vec![0];
        for keys in &blocks {
            let mut block: Vec<(u32, usize)> = keys.iter().copied().zip(order.len()..).take(window + 1).collect();
            block.sort_unstable();
            order.extend(block.iter().map(|(_, n)| *n));
        }
        let (mut node, tally) = build(json!({ "wrap": 256, "reorder": { "records": window, "wait": "1s" } }));
        let records = order.iter().map(|n| frame((start + *n as u64) % 256, *n as i64)).collect();
        let (mut left, mut came) = (Left::default(), Vec::new());
        for (n, some) in cut(records, &sizes).into_iter().enumerate() {
            came.extend(some.iter().map(|record| (record.time.0, n as u64 + 1)));
            left.apply(node.as_mut(), batch(some, 0));
            let out: HashSet<i64> = left.times().into_iter().collect();
            let oldest = came.iter().filter(|(time, _)| !out.contains(time)).map(|(_, call)| *call).min();
            prop_assert_eq!(node.holds_since(), oldest);
        }
        prop_assert_eq!(left.times(), (0..order.len() as i64).collect::<Vec<_>>());
        prop_assert_eq!(of(&tally, "lost") + of(&tally, "duplicate") + of(&tally, "restart") + of(&tally, "late"), 0);
    }

    #[test]
    fn nothing_comes_out_twice_and_what_never_came_is_what_is_counted_as_lost(
        start in 0..65_536_u64,
        fates in prop::collection::vec((0..10_u8, 0..6_i64, 0..6_i64), 2..200),
        window in prop::option::of(1..12_usize),
        ticks in prop::collection::vec(any::<bool>(), 1..8),
        sizes in prop::collection::vec(1..9_usize, 1..4),
    ) {
        // Each frame may be lost, come twice, or come some places later than it was sent.
        let mut sent = Vec::new();
        for (n, (fate, delay, again)) in (0_i64..).zip(&fates) {
            if n == 0 || *fate != 0 {
                sent.push((if n == 0 { -1 } else { n + delay }, n));
            }
            if *fate == 1 {
                sent.push((n + delay + again, n));
            }
        }
        sent.sort_by_key(|(at, _)| *at);
        let records: Vec<Record> = sent.iter().map(|(_, n)| frame((start + *n as u64) % 65_536, *n)).collect();
        let count = records.len() as u64;
        let mut options = json!({ "wrap": 65_536 });
        if let Some(window) = window {
            options["reorder"] = json!({ "records": window, "wait": "1s" });
        }
        let (mut node, tally) = build(options);
        let mut left = Left::default();
        for (some, tick) in cut(records, &sizes).into_iter().zip(ticks.iter().cycle()) {
            left.apply(node.as_mut(), batch(some, 0));
            while let Some(due) = node.due().filter(|_| *tick) {
                left.tick(node.as_mut(), due.0);
                prop_assert_ne!(node.due(), Some(due));
            }
        }
        left.finish(node.as_mut());
        prop_assert_eq!(node.holds_since(), None);
        prop_assert_eq!(node.due(), None);
        let times = left.times();
        let unique: HashSet<i64> = times.iter().copied().collect();
        prop_assert_eq!(unique.len(), times.len());
        prop_assert_eq!(unique, sent.iter().map(|(_, n)| *n).collect::<HashSet<_>>());
        prop_assert_eq!(count, times.len() as u64 + left.filtered);
        prop_assert_eq!(left.filtered, of(&tally, "duplicate"));
        let last = times.iter().max().unwrap();
        prop_assert_eq!(of(&tally, "lost") - of(&tally, "late"), (last + 1) as u64 - times.len() as u64);
        prop_assert_eq!(of(&tally, "restart"), 0);
    }

    #[test]
    fn nothing_from_the_wire_makes_it_panic_and_nothing_vanishes(
        frames in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..4), 0..3, any::<bool>()), 1..100),
        kind in prop::sample::select(vec!["u8", "u16"]),
        sizes in prop::collection::vec(1..9_usize, 1..4),
    ) {
        let records: Vec<Record> = frames.iter().map(|(bytes, tag, is_bad)| Record {
            tag: Tag::new(&format!("sequence.wire.{tag}")).unwrap(),
            quality: if *is_bad { Quality::BAD_TIMEOUT } else { Quality::GOOD },
            time: Timestamp(0),
            value: Value::Bytes(bytes.as_slice().into()),
        }).collect();
        let (mut node, tally) = build(json!({ "counter": { "as": kind, "offset": 1 }, "reorder": { "records": 3 }, "on_duplicate": "reject" }));
        let mut left = Left::default();
        for some in cut(records, &sizes) {
            left.apply(node.as_mut(), batch(some, 0));
        }
        left.finish(node.as_mut());
        prop_assert_eq!(left.port("out").len() + left.port("rejected").len(), frames.len());
        prop_assert_eq!(left.port("rejected").len() as u64, of(&tally, "duplicate"));
    }
}
