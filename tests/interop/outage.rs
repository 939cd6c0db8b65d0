//! One of two devices dies and comes back: its tags say so once and recover, and the other one's polling never stumbles.
//!
//! This test runs in real time. `FIELDFLOW_OUTAGE_SECONDS` makes the outage longer than its 6 seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use fieldflow_contract::Timestamp;
use tokio::time::Instant;

use crate::device::{Device, Expected};
use crate::peers::{Peer, Way, port_that_no_client_gets};
use crate::pipeline::{Pipeline, Record};
use crate::turn::alone;

const EVERY: Duration = Duration::from_millis(100);
/// One and a half polls, and what a busy machine of two cores may add.
const LARGEST_GAP: Duration = Duration::from_millis(400);
/// After the return of a device: two polls and five seconds.
const RECOVERY: Duration = Duration::from_millis(5200);

#[tokio::test]
async fn an_outage_is_one_bad_record_a_tag_and_no_matter_to_the_neighbour() {
    let _turn = alone().await;
    let (a, b) = (device("a"), device("b"));
    let home = port_that_no_client_gets();
    let Some(server_a) = Peer::Pymodbus.start(&a.memory, Way::Port(home)).await else { return };
    let Some(server_b) = Peer::Pymodbus.start(&b.memory, Way::Tcp).await else { return };
    let nodes = [("a", a.node(1, &server_a.url, "100ms")), ("b", b.node(1, &server_b.url, "100ms"))];
    let mut pipeline = Pipeline::start(&BTreeMap::from(nodes));
    let mut history = Vec::new();

    watch(&mut pipeline, &mut history, Duration::from_secs(2)).await;
    server_a.kill().await;
    watch(&mut pipeline, &mut history, outage()).await;
    let _server_a = Peer::Pymodbus.start(&a.memory, Way::Port(home)).await;
    let back = Instant::now();
    let in_the_dark = history.len();
    while !history[in_the_dark..].iter().any(|record: &Record| record.tag == "a.word" && record.quality == "good") {
        assert!(back.elapsed() < RECOVERY, "not read within {RECOVERY:?} of its return:\n{}", pipeline.said());
        history.extend(pipeline.until(back + RECOVERY).await);
    }
    let recovery = back.elapsed();
    watch(&mut pipeline, &mut history, Duration::from_secs(1)).await;

    let reasons = one_bad_record_a_tag(&a, &history);
    let gap = largest_gap(&b, &history);
    println!(
        "outage of {:?}: {reasons:?}, good again after {recovery:?}, largest gap of the neighbour {gap:?}",
        outage()
    );
    assert!(gap <= LARGEST_GAP, "the neighbour's polling stumbled: {gap:?} between two polls");
    pipeline.stop().await;
}

pub(crate) fn outage() -> Duration {
    Duration::from_secs(std::env::var("FIELDFLOW_OUTAGE_SECONDS").map_or(6, |seconds| seconds.parse().unwrap()))
}

fn device(name: &str) -> Device {
    let mut device = Device::default();
    for (tag, table, options, held, expected) in [
        ("word", "holding", "", [0x1234, 0].as_slice(), Expected::U64(0x1234)),
        ("float", "input", ", as: f32", &[0x42F6, 0xE979], Expected::F32(123.456)),
        ("coil", "coil", "", &[1], Expected::Bool(true)),
        ("discrete", "discrete", "", &[1], Expected::Bool(true)),
    ] {
        device.memory.put(1, table, 10, held);
        device.tag(1, &format!("{name}.{tag}"), (table, 10), options, expected);
    }
    device
}

async fn watch(pipeline: &mut Pipeline, history: &mut Vec<Record>, span: Duration) {
    let end = Instant::now() + span;
    while let Some(record) = pipeline.until(end).await {
        history.push(record);
    }
}

/// The reason that each tag of the device gave for its only record that is not good.
fn one_bad_record_a_tag(device: &Device, history: &[Record]) -> BTreeMap<String, String> {
    let mut reasons = BTreeMap::new();
    for tag in ["a.word", "a.float", "a.coil", "a.discrete"] {
        let records: Vec<&Record> = history.iter().filter(|record| record.tag == tag).collect();
        let (good, other): (Vec<&Record>, Vec<&Record>) = records.iter().partition(|record| record.quality == "good");
        assert!(good.iter().all(|record| device.agrees(record)), "{tag}: {good:?}");
        let [bad] = other[..] else { panic!("{tag} has {} records that are not good: {other:?}", other.len()) };
        assert!(bad.quality.starts_with("bad:") && bad.value.is_null(), "{bad:?}");
        let ends =
            [records.first(), records.last()].map(|record| record.is_some_and(|record| record.quality == "good"));
        assert_eq!(ends, [true, true], "{tag} was not good before and after the outage");
        reasons.insert(tag.to_owned(), bad.quality.clone());
    }
    reasons
}

fn largest_gap(device: &Device, history: &[Record]) -> Duration {
    let records: Vec<&Record> = history.iter().filter(|record| record.tag == "b.word").collect();
    assert!(records.iter().all(|record| device.agrees(record)), "{records:?}");
    let times: Vec<Timestamp> = records.iter().map(|record| record.t.parse().unwrap()).collect();
    let polls = (outage().as_millis() / EVERY.as_millis()) as usize;
    assert!(polls < times.len(), "only {} polls of the neighbour", times.len());
    times.windows(2).map(|pair| pair[1].since(pair[0])).max().unwrap()
}
