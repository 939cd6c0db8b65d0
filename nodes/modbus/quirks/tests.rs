//! Each quirk between the real source and a device of which each register holds its own address: what the source tells then.

use std::collections::{BTreeMap, BTreeSet};

use fieldflow_contract::{NodeError, Source as _, Tally};
use serde_json::{Value, json};
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinSet;

use super::super::peer::{self, Asked, Do, beside, pipe, source, sources};
use super::super::source::Poller;
use super::*;

fn quirks(quirks: &Value) -> Quirks {
    Quirks::new(serde_json::from_value(quirks.clone()).unwrap()).unwrap()
}

/// Serves each connection, behind the quirks.
async fn device(mut connections: Receiver<DuplexStream>, quirks: Quirks, script: fn(Asked) -> Do) {
    let (quirks, mut tasks) = (Arc::new(quirks), JoinSet::new());
    while let Some(client) = connections.recv().await {
        let (near, far) = tokio::io::duplex(1024);
        let (door, lines) = mpsc::channel(1);
        door.try_send(near).unwrap();
        tasks.spawn(between::run(client, far, Arc::clone(&quirks)));
        tasks.spawn(peer::device(lines, false, script));
    }
}

/// What so many polls tell; a lost connection is told as `lost` and opened anew, as the runtime does.
async fn polls(source: &mut Poller, count: usize) -> Vec<String> {
    let mut told = Vec::new();
    while told.len() < count {
        match source.read().await {
            Ok(delivery) => told.extend(delivery.batch.records().iter().map(|record| match record.value {
                fieldflow_contract::Value::Bool(on) => format!("{}={on}", record.tag),
                ref value if record.quality.is_good() => format!("{}={}", record.tag, value.as_f64().unwrap()),
                _ => format!("{}={}", record.tag, record.quality),
            })),
            Err(NodeError::Disconnected(_)) => {
                told.push("lost".to_owned());
                while source.connect().await.is_err() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    told
}

/// Two tags that need a request each; an answer to the one is a wrong value for the other.
fn two() -> Value {
    json!({ "a": { "at": "holding:10" }, "c": { "at": "holding:50" } })
}

/// Reads tags from a device with quirks: the different things told, their number and the counters.
async fn read(
    name: &str,
    list: Value,
    tags: Value,
    options: Value,
    count: usize,
) -> (Told, BTreeMap<&'static str, u64>) {
    read_from(name, list, tags, options, count, |_| Do::Answer).await
}

type Told = Vec<String>;

async fn read_from(
    name: &str,
    list: Value,
    tags: Value,
    options: Value,
    count: usize,
    script: fn(Asked) -> Do,
) -> (Told, BTreeMap<&'static str, u64>) {
    let connections = pipe(name);
    let mut all = json!({ "every": "1s", "timeout": "200ms" });
    all.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
    let (mut source, tally): (Poller, Tally) = source(&format!("memory://{name}"), &tags, &all);
    let told = beside!(device(connections, quirks(&list), script), async {
        source.connect().await.unwrap();
        polls(&mut source, count).await
    });
    (told, tally.snapshot().into_iter().filter(|(_, count)| *count != 0).collect())
}

fn kinds(told: &[String]) -> BTreeSet<&str> {
    told.iter().map(String::as_str).collect()
}

#[tokio::test(start_paused = true)]
async fn late_answers_are_told_as_timeouts_and_never_taken_for_another() {
    let list = json!([{ "late": "300ms", "nth": 3 }]);
    let (told, counts) = read("q-late", list, two(), json!({}), 60).await;
    assert_eq!(kinds(&told), ["a=10", "a=bad:timeout", "c=50", "c=bad:timeout"].into());
    assert!(5 < counts["timeout"] && 5 < counts["late"], "{counts:?}");
    assert!(!counts.contains_key("closed"), "and no connection was lost: {counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stale_device_gives_no_value_and_is_read_again_once_it_has_caught_up() {
    let list = json!([{ "stale": true, "until": "20s" }]);
    let (told, counts) = read("q-stale", list, two(), json!({ "probe_every": "5s" }), 30).await;
    let first = told.iter().position(|text| text == "c=50").unwrap();
    assert_eq!(kinds(&told[..first - 1]), ["a=bad:timeout", "c=bad:timeout"].into());
    assert_eq!(kinds(&told[first - 1..]), ["a=10", "c=50"].into());
    assert!(1 < counts["late"] && counts["set_back"] == 1, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_a_wrong_part_is_no_value_and_is_counted_by_what_is_wrong() {
    for wrong in ["transaction", "protocol", "length", "unit", "function", "byte_count"] {
        let list = json!([{ "wrong": wrong, "nth": 5 }]);
        let (told, counts) = read(&format!("q-wrong-{wrong}"), list, two(), json!({}), 60).await;
        let usual = ["a=10", "c=50", "a=bad:communication", "c=bad:communication"];
        assert_eq!(kinds(&told), usual.into(), "{wrong}");
        assert!((5..20).contains(&counts[wrong]), "{wrong}: {counts:?}");
        assert_eq!(counts.len(), 1, "{wrong}: {counts:?}");
        assert!(30 < told.iter().filter(|text| !text.contains("bad")).count(), "{wrong}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_answers_in_one_piece_and_one_in_many_are_read_as_what_they_are() {
    let (told, counts) = read("q-joined", json!([{ "joined": true, "nth": 3 }]), two(), json!({}), 40).await;
    assert_eq!(kinds(&told), ["a=10", "a=bad:timeout", "c=50", "c=bad:timeout"].into());
    assert!(2 < counts["late"] && counts["late"] <= counts["timeout"], "{counts:?}");
    let (told, counts) = read("q-split", json!([{ "split": 9 }]), two(), json!({}), 40).await;
    assert_eq!(kinds(&told), ["a=10", "c=50"].into());
    assert!(counts.is_empty(), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_unit_and_a_dead_one_hold_up_nobody_else() {
    let connections = pipe("q-slow");
    let list = json!([{ "unit": 2, "late": "150ms" }, { "unit": 3, "silent": true, "after": "5s" }]);
    let options = |unit| json!({ "unit": unit, "every": "1s", "timeout": "200ms", "tags": two() });
    let mut nodes = sources("memory://q-slow", &[options(1), options(2), options(3)]);
    let (mut third, mut second, mut first) = (nodes.pop().unwrap(), nodes.pop().unwrap(), nodes.pop().unwrap());
    let (first, second, third) = beside!(device(connections, quirks(&list), |_| Do::Answer), async {
        let (one, two, three) = tokio::join!(first.connect(), second.connect(), third.connect());
        one.and(two).and(three).unwrap();
        let good = async |source: &mut Poller, count| {
            let begun = Instant::now();
            let told = polls(source, count).await;
            assert_eq!(kinds(&told), ["a=10", "c=50"].into());
            begun.elapsed()
        };
        tokio::join!(good(&mut first, 80), good(&mut second, 80), polls(&mut third, 14))
    });
    let interval = Duration::from_secs(38)..Duration::from_secs(43);
    assert!(interval.contains(&first) && interval.contains(&second), "{first:?} {second:?}");
    assert_eq!(kinds(&third), ["a=10", "c=50", "a=bad:timeout", "c=bad:timeout"].into());
}

#[tokio::test(start_paused = true)]
async fn a_device_that_hangs_up_or_is_busy_is_asked_again() {
    let (told, counts) = read("q-hang", json!([{ "hang_up": true, "nth": 4 }]), two(), json!({}), 40).await;
    assert_eq!(kinds(&told), ["a=10", "c=50", "lost"].into());
    assert!(2 < counts["closed"], "{counts:?}");
    let (told, counts) = read("q-busy", json!([{ "refuse": 6, "nth": 3 }]), two(), json!({}), 40).await;
    assert_eq!(kinds(&told), ["a=10", "c=50"].into());
    assert!(10 < counts["exception"], "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_illegal_register_in_a_request_hurts_only_itself() {
    let tags = json!({ "a": { "at": "holding:10" }, "b": { "at": "holding:11" }, "c": { "at": "holding:12" } });
    let (told, _) = read("q-holes", json!([{ "holes": ["holding:11"] }]), tags, json!({}), 80).await;
    assert_eq!(kinds(&told), ["a=10", "b=bad:configuration", "c=12"].into());
    assert_eq!(told.iter().filter(|text| text.starts_with('b')).count(), 1, "told once: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_gives_little_at_once_is_read_in_parts() {
    let tags: BTreeMap<String, Value> =
        (0..40).map(|n| (format!("t{n}"), json!({ "at": format!("holding:{n}") }))).collect();
    let (told, counts) = read("q-most", json!([{ "most": 13 }]), json!(tags), json!({}), 400).await;
    assert!((0..40).all(|n| 5 < told.iter().filter(|text| **text == format!("t{n}={n}")).count()), "{told:?}");
    assert_eq!(kinds(&told).len(), 40, "and nothing else");
    assert!(counts["exception"] < 10, "it was learnt: {counts:?}");
}

#[tokio::test(start_paused = true)]
async fn bits_that_can_be_read_from_zero_on_only_are_told_as_wrongly_configured() {
    let tags = json!({ "first": { "at": "coil:0" }, "later": { "at": "coil:8" } });
    let bit = |asked: Asked| Do::Send(asked.frame(asked.function, &[1, 1]));
    let (told, _) = read_from("q-zero", json!([{ "from_zero": true }]), tags, json!({}), 20, bit).await;
    assert_eq!(kinds(&told), ["first=true", "later=bad:configuration"].into());
}

#[tokio::test(start_paused = true)]
async fn input_registers_that_are_mirrored_can_be_read_as_holding_registers() {
    let inputs = |asked: Asked| if asked.function == 4 { Do::Answer } else { Do::Refuse(2) };
    let (told, _) = read_from("q-mirror", json!([{ "mirror": true }]), two(), json!({}), 20, inputs).await;
    assert_eq!(kinds(&told), ["a=10", "c=50"].into());
    let (told, _) = read_from("q-no-mirror", json!([{ "split": 2 }]), two(), json!({}), 2, inputs).await;
    assert_eq!(kinds(&told), ["a=bad:configuration", "c=bad:configuration"].into());
}

#[tokio::test(start_paused = true)]
async fn a_map_that_moved_is_told_as_wrongly_configured_until_it_is_back() {
    let map = |asked: Asked| if [10, 50].contains(&asked.start) { Do::Answer } else { Do::Refuse(2) };
    let list = json!([{ "shift": 7, "after": "5s", "until": "60s" }]);
    let (told, _) = read_from("q-shift", list, two(), json!({}), 40, map).await;
    assert_eq!(kinds(&told), ["a=10", "c=50", "a=bad:configuration", "c=bad:configuration"].into());
    assert_eq!(kinds(&told[36..]), ["a=10", "c=50"].into(), "asked for again, and found: {told:?}");
}

#[tokio::test(start_paused = true)]
async fn registers_of_32_bits_are_no_value_for_who_asks_for_16() {
    let (told, counts) = read("q-wide", json!([{ "wide": "holding:50..59" }]), two(), json!({}), 40).await;
    assert!(!told.iter().any(|text| text.starts_with("c=") && !text.starts_with("c=bad")), "{told:?}");
    assert!(kinds(&told).contains("a=10"), "{told:?}");
    assert!(1 < counts["byte_count"], "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn ranges_with_another_order_of_words_are_read_by_tags_with_that_order() {
    let at = |at: u16, order| json!({ "at": format!("holding:{at}"), "as": "u32", "order": order });
    // One request reads all of it. The pair at 14 lies in the range with its first register only.
    let tags = json!({ "a": at(8, "ABCD"), "b": at(10, "CDAB"), "c": at(12, "CDAB"), "d": at(14, "ABCD") });
    let (told, _) = read("q-swapped", json!([{ "swapped": "holding:10..14" }]), tags, json!({}), 8).await;
    let pair = |name, first: u32| format!("{name}={}", first << 16 | (first + 1));
    assert_eq!(told[..4], [pair("a", 8), pair("b", 10), pair("c", 12), pair("d", 14)]);
    // And of a request that begins in it.
    let tags = json!({ "b": at(12, "CDAB"), "d": at(14, "ABCD") });
    let (told, _) = read("q-swapped-too", json!([{ "swapped": "holding:10..14" }]), tags, json!({}), 4).await;
    assert_eq!(told[..2], [pair("b", 12), pair("d", 14)]);
}

#[tokio::test(start_paused = true)]
async fn a_sentinel_at_boot_is_bad_and_no_number() {
    let tags = json!({ "a": { "at": "holding:10", "as": "i16", "invalid": [0x8000] } });
    let list = json!([{ "sentinel": 0x8000, "until": "10s" }]);
    let (told, _) = read("q-boot", list, tags, json!({}), 30).await;
    assert_eq!(told[0], "a=bad:sensor_failure");
    assert_eq!(kinds(&told), ["a=bad:sensor_failure", "a=10"].into());
    assert_eq!(told.iter().filter(|text| *text == "a=10").count(), 20, "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn the_nodes_of_a_line_are_one_client_and_a_second_one_is_told_why_it_gets_nothing() {
    let connections = pipe("q-one");
    let options = |unit| json!({ "unit": unit, "every": "1s", "timeout": "200ms", "tags": two() });
    let mut nodes = sources("memory://q-one", &[options(1), options(2)]);
    beside!(device(connections, quirks(&json!([{ "clients": 1 }])), |_| Do::Answer), async {
        for node in &mut nodes {
            node.connect().await.unwrap();
            assert_eq!(kinds(&polls(node, 6).await), ["a=10", "c=50"].into());
        }
        drop(nodes);
        let stranger = peer::memory("q-one").unwrap();
        let (mut source, _) = source("memory://q-one", &two(), &json!({ "every": "1s", "settle": "50ms" }));
        let refused = source.connect().await.unwrap_err().to_string();
        assert!(refused.contains("it takes no more clients"), "{refused}");
        drop(stranger);
        while source.connect().await.is_err() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(kinds(&polls(&mut source, 6).await), ["a=10", "c=50"].into());
    });
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_the_device_closes_when_idle_costs_no_value() {
    let (told, counts) = read("q-idle", json!([{ "idle_close": "30s" }]), two(), json!({ "every": "1m" }), 20).await;
    assert_eq!(kinds(&told), ["a=10", "c=50"].into());
    assert!(5 < counts["idle_close"], "{counts:?}");
    let (told, counts) = read("q-soon", json!([{ "idle_close": "100ms" }]), two(), json!({}), 20).await;
    assert_eq!(kinds(&told), ["a=10", "c=50"].into(), "sooner than a second too");
    assert!(5 < counts["idle_close"], "{counts:?}");
    let options = json!({ "every": "1m", "keep_alive": "20s" });
    let (told, counts) = read("q-kept", json!([{ "idle_close": "30s" }]), two(), options, 20).await;
    assert_eq!(kinds(&told), ["a=10", "c=50"].into());
    assert!(!counts.contains_key("idle_close") && 5 < counts["keep_alive"], "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn nonsense_after_the_connection_opens_is_no_value_and_thrown_away_by_settle() {
    let (told, counts) = read("q-noise", json!([{ "garbage": 9 }]), two(), json!({}), 6).await;
    assert!(told.iter().all(|text| text.contains("bad:communication")), "{told:?}");
    assert!(1 < counts["protocol"], "{counts:?}");
    let (told, counts) = read("q-settled", json!([{ "garbage": 9 }]), two(), json!({ "settle": "100ms" }), 20).await;
    assert_eq!(kinds(&told), ["a=10", "c=50"].into());
    assert!(counts.is_empty(), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_deaf_at_first_is_waited_for_with_settle() {
    let (told, counts) = read("q-deaf", json!([{ "deaf": "250ms" }]), two(), json!({}), 20).await;
    assert_eq!(kinds(&told[..2]), ["a=bad:timeout", "c=bad:timeout"].into());
    assert_eq!(kinds(&told[2..]), ["a=10", "c=50"].into());
    assert_eq!(counts["timeout"], 1);
    let (told, _) = read("q-waited", json!([{ "deaf": "250ms" }]), two(), json!({ "settle": "250ms" }), 20).await;
    assert_eq!(kinds(&told), ["a=10", "c=50"].into());
}

#[tokio::test(start_paused = true)]
async fn the_clock_of_a_device_goes_as_it_likes_and_begins_anew_at_night() {
    let age = |list: Value, unit, seconds| quirks(&list).age(unit, Duration::from_secs(seconds)).as_secs_f64();
    assert_eq!(age(json!([]), 1, 100), 100.0);
    assert_eq!(age(json!([{ "reset": "24h" }]), 1, 86_400 + 7), 7.0);
    assert_eq!(age(json!([{ "clock": 1.01 }, { "unit": 2, "reset": "50s" }]), 1, 100), 101.0);
    assert_eq!(age(json!([{ "clock": 1.01 }, { "unit": 2, "reset": "50s" }]), 2, 100), 1.0);
}

#[test]
fn a_quirk_that_says_nothing_or_nonsense_is_refused() {
    let wrong = |quirk: Value| Quirks::new(vec![serde_json::from_value(quirk).unwrap()]).unwrap_err().0;
    assert!(wrong(json!({ "unit": 3, "nth": 2 })).contains("says when, but not what"));
    assert!(wrong(json!({ "holes": ["holding:9..3"] })).contains("`holding:9..3` is no range"));
    assert!(wrong(json!({ "reset": "0s" })).contains("no time at all"));
}
