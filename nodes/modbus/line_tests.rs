//! Lines with many units, some of which are dead; and each way in which a line can be at odds with its devices.

use std::time::Duration;

use fieldflow_contract::{LinkState, NodeError, Quality, Source as _};
use serde_json::json;
use tokio::time::Instant;

use super::peer::{Asked, Do, beside, device, pipe, poll, source, sources};
use super::source::Poller;

#[tokio::test(start_paused = true)]
async fn twenty_units_on_a_line_keep_their_interval_while_five_are_dead_flapping_or_lost_to_the_gateway() {
    let connections = pipe("twenty");
    let start = Instant::now();
    let script = move |asked: Asked| match asked.unit {
        1..=3 => Do::Nothing,
        // Two seconds on, ten off.
        4 if 2 < start.elapsed().as_secs() % 12 => Do::Nothing,
        5 => Do::Refuse(0x0B),
        _ => Do::Late(5),
    };
    let options: Vec<_> = (1..=20)
        .map(|unit| json!({ "unit": unit, "every": "1s", "timeout": "200ms", "tags": { "a": { "at": "holding:7" } } }))
        .collect();
    let pollers = sources("memory://twenty", &options);
    let end = start + Duration::from_secs(600);
    let run = move |mut poller: Poller| async move {
        poller.connect().await.unwrap();
        let (mut times, mut bad) = (Vec::new(), 0);
        while Instant::now() < end {
            let batch = tokio::time::timeout_at(end, poller.read()).await;
            let Ok(Ok(delivery)) = batch else { break };
            match delivery.batch.records()[0].quality {
                Quality::GOOD => times.push(Instant::now()),
                _ => bad += 1,
            }
        }
        (times, bad)
    };
    let mut runs = tokio::task::JoinSet::new();
    let local = async {
        for poller in pollers {
            runs.spawn(run(poller));
        }
        let mut all = Vec::new();
        while let Some(done) = runs.join_next().await {
            all.push(done.unwrap());
        }
        all
    };
    let all = beside!(device(connections, false, script), local);
    let well: Vec<_> = all.iter().filter(|(times, bad)| 500 < times.len() && *bad == 0).collect();
    assert_eq!(well.len(), 15);
    let mut gaps: Vec<Duration> =
        well.iter().flat_map(|(times, _)| times.windows(2).map(|pair| pair[1] - pair[0])).collect();
    gaps.sort();
    let p99 = gaps[gaps.len() * 99 / 100];
    assert!(p99 <= Duration::from_millis(1500), "{p99:?}");
    assert!(gaps.len() >= 15 * 595, "hardly a poll was missed: {}", gaps.len());
    // A dead unit is told at its failures and once more, not at each of 600 polls.
    assert!(all.iter().all(|(_, bad)| *bad < 100), "{:?}", all.iter().map(|(_, bad)| bad).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_dead_unit_is_told_once_probed_seldom_and_told_when_it_is_back() {
    let connections = pipe("dead");
    let start = Instant::now();
    let asked_at = std::sync::Mutex::new(Vec::new());
    let script = |_| {
        asked_at.lock().unwrap().push(start.elapsed().as_secs());
        if start.elapsed().as_secs() < 60 { Do::Nothing } else { Do::Answer }
    };
    let tags =
        json!({ "a": { "at": "holding:1" }, "b": { "at": "holding:5" }, "s": { "at": "holding:9", "every": "1h" } });
    let (mut source, tally) = source("memory://dead", &tags, &json!({ "every": "1s", "timeout": "200ms" }));
    beside!(device(connections, false, script), async {
        source.connect().await.unwrap();
        let mut told = Vec::new();
        while start.elapsed().as_secs() < 60 {
            told.push(poll(&mut source).await.join(" "));
        }
        assert_eq!(told[0..3].iter().filter(|text| text.contains("bad:timeout")).count(), 3, "{told:?}");
        assert!(told.contains(&"a=bad:timeout b=bad:timeout s=bad:timeout".to_owned()), "{told:?}");
        told.drain(..told.len() - 2);
        assert!(told.iter().any(|text| text == "a=1 b=5"), "{told:?}");
        assert!(poll(&mut source).await.len() <= 2);
    });
    let asked = asked_at.into_inner().unwrap();
    assert!(asked.iter().filter(|second| (5..60).contains(*second)).count() <= 6, "{asked:?}");
    assert_eq!(tally.snapshot()["set_back"], 1);
    let told = source.notices.last();
    assert!(told[0].contains("gave no answer for") && told[0].contains("asked every 10s only"), "{told:?}");
    assert_eq!(told[1], "memory://dead: unit 1 answers again");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_busy_is_asked_again_and_only_then_bad() {
    let connections = pipe("busy");
    let mut times = 0;
    let script = |_| {
        times += 1;
        if times == 3 || 4 < times { Do::Answer } else { Do::Refuse(if times == 4 { 5 } else { 6 }) }
    };
    let (mut source, tally) =
        source("memory://busy", &json!({ "a": { "at": "holding:1" } }), &json!({ "every": "1s" }));
    let start = Instant::now();
    beside!(device(connections, false, script), async {
        source.connect().await.unwrap();
        assert_eq!(poll(&mut source).await, ["a=1"]);
        assert!((300..330).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        assert_eq!(poll(&mut source).await, ["a=1"]);
    });
    assert_eq!(tally.snapshot()["exception"], 3);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_closed_while_idle_is_opened_anew_without_a_word() {
    let connections = pipe("idle");
    let mut times = 0;
    let script = |_| {
        times += 1;
        if times == 2 { Do::HangUp } else { Do::Answer }
    };
    let (mut source, tally) =
        source("memory://idle", &json!({ "a": { "at": "holding:1" } }), &json!({ "every": "5s" }));
    beside!(device(connections, false, script), async {
        source.connect().await.unwrap();
        assert_eq!([poll(&mut source).await, poll(&mut source).await].concat(), ["a=1", "a=1"]);
    });
    assert_eq!(tally.snapshot()["idle_close"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_slow_poll_keeps_its_connection_alive_by_a_cheap_read() {
    let connections = pipe("alive");
    let asked = std::sync::Mutex::new(Vec::new());
    let start = Instant::now();
    let script = |request: Asked| {
        asked.lock().unwrap().push((start.elapsed().as_secs(), request.count));
        Do::Answer
    };
    let tags = json!({ "a": { "at": "holding:1", "as": "u32" } });
    let (mut source, _) = source("memory://alive", &tags, &json!({ "every": "2m", "keep_alive": "30s" }));
    beside!(device(connections, false, script), async {
        source.connect().await.unwrap();
        poll(&mut source).await;
        poll(&mut source).await;
    });
    assert_eq!(*asked.lock().unwrap(), [(0, 2), (30, 1), (60, 1), (90, 1), (120, 2)]);
}

#[tokio::test(start_paused = true)]
async fn the_standby_is_used_while_the_first_cannot_be_had_and_then_no_longer() {
    let standby = pipe("standby");
    let options = json!({ "every": "1s", "standby": ["memory://standby"], "fail_back": "10s" });
    let (mut source, tally) = source("memory://first", &json!({ "a": { "at": "holding:1" } }), &options);
    let first = beside!(device(standby, false, |_| Do::Answer), async {
        source.connect().await.unwrap();
        assert_eq!(poll(&mut source).await, ["a=1"]);
        let first = pipe("first");
        for _ in 0..5 {
            assert_eq!(poll(&mut source).await, ["a=1"]);
        }
        first
    });
    beside!(device(first, false, |_| Do::Refuse(4)), async {
        let mut seen = Vec::new();
        // The standby is gone by now: what it held open ends.
        for _ in 0..20 {
            match source.read().await {
                Ok(delivery) => seen.push(delivery.batch.records()[0].quality),
                Err(NodeError::Disconnected(_)) => source.connect().await.unwrap(),
                Err(other) => panic!("{other}"),
            }
            if seen.contains(&Quality::BAD_DEVICE_FAILURE) {
                break;
            }
        }
        assert!(seen.contains(&Quality::BAD_DEVICE_FAILURE), "the first answers again: {seen:?}");
    });
    assert_eq!(tally.snapshot()["fail_over"], 1);
    let told = source.notices.last();
    assert_eq!(told[0], "memory://first cannot be used: memory://standby is used in its place");
    assert_eq!(told[1], "memory://first is used again");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_cannot_be_opened_is_every_waiting_nodes_trouble_at_once() {
    let options: Vec<_> = (1..=3).map(|unit| json!({ "unit": unit, "tags": { "a": { "at": "holding:7" } } })).collect();
    let mut pollers = sources("memory://nobody", &options);
    let links = pollers[0].session.links();
    let [one, two, three] = &mut pollers[..] else { panic!("three") };
    let (one, two, three) = tokio::join!(one.connect(), two.connect(), three.connect());
    assert!(two.is_err() && three.is_err());
    assert!(matches!(one, Err(NodeError::Disconnected(cause)) if cause.message.starts_with("memory://nobody refused")));
    let line = &links.snapshot()[0];
    assert_eq!((line.name.as_str(), line.state), ("memory://nobody", LinkState::Reconnecting));
    assert!(line.trouble.as_deref().is_some_and(|why| why.contains("refused")));
}

#[tokio::test(start_paused = true)]
async fn nodes_that_share_a_line_must_run_it_alike() {
    let tags = json!({ "a": { "at": "holding:7" } });
    let (_first, _) = source("memory://alike", &tags, &json!({ "pause": "5ms" }));
    for (option, value, is_fine) in
        [("pause", json!("5ms"), true), ("pause", json!("6ms"), false), ("standby", json!(["memory://x"]), false)]
    {
        let mut options = json!({ "url": "memory://alike", "tags": tags, "pause": "5ms" });
        options[option] = value;
        let config = serde_json::from_value(options).unwrap();
        let context = fieldflow_contract::BuildContext::alone(
            "plc",
            std::path::Path::new("."),
            std::sync::Arc::new(fieldflow_contract::SystemClock),
        );
        match super::poller(&config, &context) {
            Ok(_) => assert!(is_fine, "{option}"),
            Err(error) => assert!(!is_fine && error.0.starts_with(option), "{error}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_done_or_refused_and_not_repeated_when_its_outcome_is_not_known() {
    use super::frame::{Reply, Request};
    use super::line::Trouble;

    let connections = pipe("write");
    let mut times = 0;
    let script = |asked: Asked| {
        times += 1;
        match times {
            1 | 3 => Do::Send(asked.frame(6, &[0, 1, 0, 2])),
            2 => Do::Refuse(6),
            4 => Do::Refuse(5),
            5 => Do::Send(asked.frame(6, &[0, 1, 0, 3])),
            6 => Do::Nothing,
            _ => panic!("repeated"),
        }
    };
    let (mut source, tally) =
        source("memory://write", &json!({ "a": { "at": "holding:1" } }), &json!({ "timeout": "200ms" }));
    beside!(device(connections, false, script), async {
        source.connect().await.unwrap();
        let write = Request::WriteRegister { at: 1, word: 2 };
        assert_eq!(source.session.ask_ahead(&write, None).await, Ok(Reply::Done));
        assert_eq!(source.session.ask_ahead(&write, None).await, Ok(Reply::Done), "busy: it had done nothing");
        assert_eq!(source.session.ask_ahead(&write, None).await, Ok(Reply::Exception(5)), "under way");
        for quality in [Quality::BAD_COMMUNICATION, Quality::BAD_TIMEOUT] {
            assert!(
                matches!(source.session.ask_ahead(&write, None).await, Err(Trouble::Unit(cause)) if cause.quality == quality)
            );
        }
    });
    assert_eq!((tally.snapshot()["echo"], tally.snapshot()["timeout"]), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn nodes_share_one_connection_and_one_that_leaves_takes_nothing_with_it() {
    let connections = pipe("shared");
    let opened = std::sync::atomic::AtomicUsize::new(0);
    let count = |connections: tokio::sync::mpsc::Receiver<tokio::io::DuplexStream>| {
        let (passed, again) = tokio::sync::mpsc::channel(8);
        let opened = &opened;
        async move {
            let mut connections = connections;
            tokio::join!(device(again, false, |_| Do::Answer), async move {
                while let Some(line) = connections.recv().await {
                    opened.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    passed.send(line).await.unwrap();
                }
            });
        }
    };
    let options: Vec<_> =
        (1..=3).map(|unit| json!({ "unit": unit, "every": "1s", "tags": { "a": { "at": "holding:7" } } })).collect();
    let mut pollers = sources("memory://shared", &options);
    beside!(count(connections), async {
        for poller in &mut pollers {
            poller.connect().await.unwrap();
            assert_eq!(poll(poller).await, ["a=7"]);
        }
        drop(pollers.remove(0));
        let [two, three] = &mut pollers[..] else { panic!("two") };
        for _ in 0..3 {
            assert_eq!(poll(two).await, ["a=7"]);
            assert_eq!(poll(three).await, ["a=7"]);
        }
    });
    assert_eq!(opened.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn three_hundred_flaps_leave_one_connection_and_a_link_that_says_where_it_stands() {
    let mut connections = pipe("flaps");
    let options = json!({ "every": "10ms", "timeout": "1s" });
    let (mut source, tally) = source("memory://flaps", &json!({ "a": { "at": "holding:7" } }), &options);
    let links = source.session.links();
    let states = || links.snapshot().iter().map(|link| link.state).collect::<Vec<_>>();
    assert_eq!(states(), [LinkState::Disconnected; 2]);
    for _ in 0..300 {
        let device = async {
            let mut line = connections.recv().await.unwrap();
            let asked = super::peer::asked(&mut line, false).await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut line, &asked.own_addresses()).await.unwrap();
            super::peer::asked(&mut line, false).await;
            // And hangs up without an answer.
        };
        let ((), ()) = tokio::join!(device, async {
            source.connect().await.unwrap();
            assert_eq!(poll(&mut source).await, ["a=7"]);
            assert_eq!(states(), [LinkState::Connected; 2]);
            assert!(matches!(source.read().await, Err(NodeError::Disconnected(_))));
            assert_eq!(states(), [LinkState::Reconnecting; 2]);
            assert!(links.snapshot()[0].trouble.as_deref().is_some_and(|why| why.contains("closed the connection")));
        });
        assert!(connections.try_recv().is_err(), "one connection at a time");
    }
    source.close().await;
    assert_eq!(states(), [LinkState::Disconnected; 2]);
    assert_eq!(tally.snapshot()["closed"], 300);
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_nobody_answers_is_opened_anew() {
    let mut connections = pipe("blackhole");
    let options = json!({ "every": "1s", "timeout": "200ms" });
    let (mut source, _) = source("memory://blackhole", &json!({ "a": { "at": "holding:7" } }), &options);
    let hole = async {
        // A firewall that has forgotten the connection: it stays open, and nothing comes out.
        let forgotten = connections.recv().await.unwrap();
        let line = connections.recv().await.unwrap();
        let (passed, again) = tokio::sync::mpsc::channel(1);
        passed.send(line).await.unwrap();
        device(again, false, |_| Do::Answer).await;
        drop(forgotten);
    };
    let start = Instant::now();
    beside!(hole, async {
        source.connect().await.unwrap();
        while poll(&mut source).await != ["a=7"] {}
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    });
}

#[tokio::test(start_paused = true)]
async fn what_comes_as_soon_as_the_line_is_open_is_thrown_away_if_it_is_given_time() {
    for (name, is_rtu) in [("greeting", false), ("rtu-greeting", true)] {
        let mut connections = pipe(name);
        let greeting = async {
            let mut line = connections.recv().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut line, b"\0\0\xFFlogin: ").await.unwrap();
            let (passed, again) = tokio::sync::mpsc::channel(1);
            passed.send(line).await.unwrap();
            device(again, is_rtu, |_| Do::Answer).await;
        };
        let options = json!({ "every": "1s", "settle": "50ms" });
        let (mut source, _) = source(&format!("memory://{name}"), &json!({ "a": { "at": "holding:7" } }), &options);
        beside!(greeting, async {
            source.connect().await.unwrap();
            assert_eq!(poll(&mut source).await, ["a=7"]);
        });
    }
}
