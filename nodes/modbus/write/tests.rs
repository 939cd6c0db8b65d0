//! The sink against a device that behaves, and against one that does not.

use std::sync::Mutex;
use std::time::Duration;

use fieldflow_contract::{Audit, Batch, NodeError, NodeSpec as _, Quality, Sink as _, Timestamp, Value};
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, advance, sleep};

use super::ModbusWrite;
use super::plant::{Memory, answer, plant, request, rig};
use crate::modbus::address::Table;
use crate::modbus::peer::{Asked, Do, beside, device, pipe, poll, sources};

#[tokio::test(start_paused = true)]
async fn each_type_is_written_by_its_function_and_noted() {
    let (connections, memory) = (pipe("types"), Memory::default());
    memory.lock().unwrap().insert((Table::Holding, 8), 0xA0F0);
    memory.lock().unwrap().insert((Table::Holding, 9), 0x1234);
    let functions = Mutex::new(Vec::new());
    let script = |asked: Asked| {
        functions.lock().unwrap().push(asked.function);
        Do::Answer
    };
    let tags = json!({
        "coil": { "at": "coil:3" }, "word": { "at": "holding:0" }, "float": { "at": "holding:2", "as": "f32", "order": "CDAB" },
        "scaled": { "at": "holding:4", "as": "i16", "scale": 0.1, "offset": -5, "range": [0, 100] },
        "mode": { "at": "holding:5", "enum": { "0": "off", "7": "full" } },
        "text": { "at": "holding:6", "as": "string", "length": 2 },
        "bit": { "at": "holding:8.3" }, "clear": { "at": "holding:8.4" }, "half": { "at": "holding:9", "as": "u8", "half": "high" },
    });
    let mut rig = rig("memory://types", &tags, &json!({}));
    beside!(plant(connections, &memory, script), async {
        rig.writer.connect().await.unwrap();
        let refused = rig
            .give(&[
                ("coil", Value::Bool(true)),
                ("word", Value::U64(0xFFFF)),
                ("float", Value::F64(123.456)),
                ("scaled", Value::F32(78.4)),
                ("mode", Value::Text("full".into())),
                ("text", Value::Text("Abc".into())),
                ("bit", Value::I64(1)),
                ("clear", Value::Bool(false)),
                ("half", Value::U64(0xAB)),
            ])
            .await;
        assert_eq!(refused, [""; 0]);
    });
    assert_eq!(functions.into_inner().unwrap(), [5, 6, 16, 6, 6, 16, 22, 22, 22]);
    let held: Vec<u16> = memory.into_inner().unwrap().into_values().collect();
    assert_eq!(held, [1, 0xFFFF, 0xE979, 0x42F6, 834, 7, 0x4162, 0x6300, 0xA0E8, 0xAB34]);
    assert_eq!(
        rig.noted(),
        [
            "coil coil:3 true 1 written",
            "word holding:0 65535 0xFFFF written",
            "float holding:2 123.456 0xE979 0x42F6 written",
            "scaled holding:4 78.4 0x0342 written",
            "mode holding:5 full 0x0007 written",
            "text holding:6 Abc 0x4162 0x6300 written",
            "bit holding:8.3 1 0x0008 of 0x0008 written",
            "clear holding:8.4 false 0x0000 of 0x0010 written",
            "half holding:9 171 0xAB00 of 0xFF00 written",
        ]
    );
    assert_eq!(rig.tally.snapshot()["written"], 9);
}

#[tokio::test(start_paused = true)]
async fn what_must_not_be_written_is_refused_with_its_reason_and_the_rest_is_written() {
    let (connections, memory) = (pipe("refused"), Memory::default());
    let tags = json!({
        "a": { "at": "holding:0", "range": [5, 80] }, "b": { "at": "holding:1", "min_interval": "1h" }, "f": { "at": "holding:2", "as": "f32" },
    });
    let mut rig = rig("memory://refused", &tags, &json!({ "expire": "2s" }));
    beside!(plant(connections, &memory, |_| Do::Answer), async {
        rig.writer.connect().await.unwrap();
        let mut batch = rig.batch(&[
            ("a", Value::U64(4)),
            ("b", Value::U64(1)),
            ("c", Value::U64(1)),
            ("f", Value::F64(f64::NAN)),
            ("b", Value::U64(2)),
            ("a", Value::U64(5)),
        ]);
        let refused = rig.write(&batch).await;
        assert_eq!(refused[0], "a,c,f,b");
        assert_eq!(
            refused[1],
            "a: 4 is outside of 5 to 80; c: not listed; f: NaN is no number to write; b: it was written 0.0ns ago, and is not \
             written within 3600s"
        );
        for (quality, expected) in [
            (Quality::BAD_TIMEOUT, "a: its quality is bad:timeout"),
            (Quality::UNCERTAIN_LAST_USABLE, "a: its quality is uncertain:last_usable"),
        ] {
            batch = rig.batch(&[("a", Value::U64(7))]);
            batch.records_mut()[0].quality = quality;
            assert_eq!(rig.write(&batch).await[1], expected);
        }
        let late = rig.batch(&[("a", Value::U64(8))]);
        advance(Duration::from_millis(2001)).await;
        assert_eq!(rig.write(&late).await[1], "a: the command is 2.0s old and expires after 2s");
        // Its own time counts too, however fresh it was received.
        let mut old = rig.batch(&[("a", Value::U64(9))]);
        old.records_mut()[0].time = Timestamp(-1);
        assert_eq!(rig.write(&old).await[1], "a: the command is 2.0s old and expires after 2s");
        // And so does what whoever sent it said.
        let brief = rig.batch(&[("a", Value::U64(6))]);
        let ends = brief.received() + Duration::from_secs(1);
        let brief = brief.expiring(Some(ends));
        advance(Duration::from_millis(1001)).await;
        assert_eq!(rig.write(&brief).await[1], "a: whoever sent the command let it expire, 1.0ms ago");
        let before = Batch::one(late.records()[0].clone(), Timestamp(-1)).replayed();
        assert!(rig.write(&before).await[1].contains("received before this run began"));
    });
    let held: Vec<u16> = memory.into_inner().unwrap().into_values().collect();
    assert_eq!(held, [5, 1]);
    assert_eq!(rig.noted().len(), 2, "what was refused here never reached the device");
    let counts = rig.tally.snapshot();
    let count = |word| counts.get(word).copied().unwrap_or(0);
    assert_eq!(
        ["written", "value", "not_listed", "too_soon", "quality", "expired", "from_before"].map(count),
        [2, 2, 1, 1, 2, 3, 1]
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_outcome_is_told_noted_and_never_tried_again() {
    let (connections, memory) = (pipe("unknown"), Memory::default());
    let asked_for = Mutex::new(Vec::new());
    let script = |asked: Asked| {
        asked_for.lock().unwrap().push(asked.count);
        match asked.count {
            1 => Do::Nothing,
            2 => Do::HangUp,
            3 => Do::Refuse(4),
            4 => Do::Refuse(5),
            5 => Do::Refuse(0x0B),
            6 => Do::Send(asked.frame(6, &[0, 0, 0, 99])),
            _ => Do::Answer,
        }
    };
    let mut rig = rig("memory://unknown", &json!({ "a": { "at": "holding:0" } }), &json!({ "demote_after": 100 }));
    beside!(plant(connections, &memory, script), async {
        rig.writer.connect().await.unwrap();
        for (value, expected) in [
            (1, "gave no answer"),
            (2, "closed the connection"),
            (3, "exception 04"),
            (4, "exception 05"),
            (5, "exception 0B"),
            (6, "so that it is not taken for another answer"),
        ] {
            let refused = rig.give(&[("a", Value::U64(value))]).await;
            assert!(refused[1].starts_with("a: outcome unknown: "), "{refused:?}");
            assert!(refused[1].contains(expected) && refused[1].contains("not sent again"), "{refused:?}");
            let [entry] = &rig.entries()[..] else { panic!("one note") };
            assert_eq!((entry.outcome, refused[1].strip_prefix("a: ").unwrap()), ("unknown", &*entry.reason));
        }
        assert_eq!(rig.give(&[("a", Value::U64(7))]).await, [""; 0], "the next command is another one");
    });
    assert_eq!(asked_for.into_inner().unwrap(), [1, 2, 3, 4, 5, 6, 7], "each once");
    assert_eq!((rig.tally.snapshot()["unknown"], rig.tally.snapshot()["written"]), (6, 1));
}

#[tokio::test(start_paused = true)]
async fn a_device_that_refuses_is_told_and_one_without_function_22_is_read_and_written_if_asked_for() {
    let (connections, memory) = (pipe("no22"), Memory::default());
    memory.lock().unwrap().insert((Table::Holding, 8), 0xFF00);
    let script = |asked: Asked| match asked.function {
        5 | 22 => Do::Refuse(1),
        6 if asked.start == 1 => Do::Refuse(2),
        _ => Do::Answer,
    };
    let tags = json!({ "bit": { "at": "holding:8.0" }, "word": { "at": "holding:1" }, "coil": { "at": "coil:1" } });
    let mut careful = rig("memory://no22", &tags, &json!({}));
    let mut daring =
        rig("memory://no22", &tags, &json!({ "read_modify_write": true, "multiple": true, "verify": true }));
    beside!(plant(connections, &memory, script), async {
        careful.writer.connect().await.unwrap();
        for (tag, expected) in [
            ("bit", "`read_modify_write: true`"),
            ("coil", "`multiple: true`"),
            ("word", "exception 02, illegal data address"),
        ] {
            let refused = careful.give(&[(tag, Value::U64(1))]).await;
            assert!(refused[1].contains(expected), "{refused:?}");
            assert_eq!(careful.entries()[0].outcome, "refused");
        }
        daring.writer.connect().await.unwrap();
        let all = [("bit", Value::U64(1)), ("coil", Value::U64(1)), ("word", Value::U64(1))];
        assert_eq!(daring.give(&all).await, [""; 0]);
    });
    let entries = daring.entries();
    assert!(entries.iter().all(|entry| entry.outcome == "verified"), "{entries:?}");
    assert_eq!(entries[0].old.as_deref(), Some("0xFF00"));
    assert_eq!(memory.into_inner().unwrap().into_values().collect::<Vec<_>>(), [1, 1, 0xFF01]);
}

#[tokio::test(start_paused = true)]
async fn what_reads_back_otherwise_or_not_at_all_is_rejected_and_not_written_again() {
    let (connections, memory) = (pipe("verify"), Memory::default());
    let mut writes = 0;
    let script = |asked: Asked| match (asked.function, asked.start) {
        (3, 0) => Do::Send(asked.registers(&[41])),
        (3, 1) => Do::Refuse(2),
        (3, 2) => Do::Nothing,
        (1, _) => Do::Send(asked.frame(1, &[1, 0])),
        _ => {
            writes += 1;
            Do::Answer
        }
    };
    let tags = json!({
        "a": { "at": "holding:0" }, "b": { "at": "holding:1" }, "c": { "at": "holding:2" }, "d": { "at": "coil:0" },
        "e": { "at": "holding:2", "verify": false },
    });
    let mut rig = rig("memory://verify", &tags, &json!({ "verify": true }));
    beside!(plant(connections, &memory, script), async {
        rig.writer.connect().await.unwrap();
        let all = ["a", "b", "c", "d", "e"].map(|tag| (tag, Value::U64(1)));
        let refused = rig.give(&all).await;
        assert_eq!(refused[0], "a,b,c,d");
        assert!(
            refused[1].starts_with("a: it was written, but 0x0029 was read back; b: it was written, but could not be")
        );
    });
    assert_eq!(writes, 5);
    let outcomes: Vec<&str> = rig.entries().iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, ["mismatch", "unverified", "unverified", "mismatch", "written"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_waits_for_the_line_and_what_was_written_is_not_written_again() {
    let tags = json!({ "a": { "at": "holding:0" }, "b": { "at": "holding:1" }, "c": { "at": "holding:2" } });
    let mut rig = rig("memory://away", &tags, &json!({ "expire": "10s" }));
    let (memory, asked_for) = (Memory::default(), Mutex::new(Vec::new()));
    let script = |asked: Asked| {
        asked_for.lock().unwrap().push(asked.start);
        Do::Answer
    };
    assert!(matches!(rig.writer.connect().await, Err(NodeError::Disconnected(_))), "nobody listens");
    let batch = rig.batch(&[("a", Value::U64(1)), ("b", Value::U64(2)), ("c", Value::U64(3))]);
    assert!(rig.write(&batch).await[0].starts_with("Disconnected"));
    assert_eq!(rig.noted(), [""; 0], "nothing was sent, and nothing is noted");
    // The device is there for one command and goes away.
    let mut connections = pipe("away");
    rig.writer.connect().await.unwrap();
    let (lost, ()) = tokio::join!(rig.write(&batch), async {
        let mut line = connections.recv().await.unwrap();
        let (asked, pdu) = request(&mut line).await.unwrap();
        line.write_all(&answer(asked, &pdu, &memory)).await.unwrap();
        drop((line, connections));
    });
    assert!(lost[0].starts_with("Disconnected"), "{lost:?}");
    assert_eq!(rig.noted(), ["a holding:0 1 0x0001 written"]);
    rig.writer.connect().await.unwrap();
    beside!(plant(pipe("away"), &memory, script), async {
        assert_eq!(rig.write(&batch).await, [""; 0]);
    });
    assert_eq!(asked_for.into_inner().unwrap(), [1, 2], "the first is not written again");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_closed_meanwhile_is_found_out_before_a_command_is_sent_on_it() {
    let mut rig = rig("memory://idle-write", &json!({ "a": { "at": "holding:0" } }), &json!({}));
    let (mut connections, memory) = (pipe("idle-write"), Memory::default());
    rig.writer.connect().await.unwrap();
    drop(connections.recv().await);
    beside!(plant(connections, &memory, |_| Do::Answer), async {
        assert_eq!(rig.give(&[("a", Value::U64(1))]).await, [""; 0]);
    });
    assert_eq!(rig.noted(), ["a holding:0 1 0x0001 written"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_expires_while_the_line_is_away() {
    let mut rig = rig("memory://gone", &json!({ "a": { "at": "holding:0" } }), &json!({ "expire": "10s" }));
    let batch = rig.batch(&[("a", Value::U64(6)), ("zzz", Value::U64(6))]);
    for _ in 0..10 {
        assert!(rig.write(&batch).await[0].starts_with("Disconnected"));
        advance(Duration::from_secs(1)).await;
        rig.writer.connect().await.expect("the command in hand opens the line itself");
    }
    advance(Duration::from_secs(1)).await;
    let refused = rig.write(&batch).await;
    assert_eq!(refused, ["a,zzz", "a: the command is 11.0s old and expires after 10s; zzz: not listed"]);
    assert_eq!(rig.noted(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_rate_holds_commands_back_until_they_expire() {
    let (connections, memory) = (pipe("rate"), Memory::default());
    let times = Mutex::new(Vec::new());
    let start = Instant::now();
    let script = |_| {
        times.lock().unwrap().push(start.elapsed().as_millis());
        Do::Answer
    };
    let mut rig =
        rig("memory://rate", &json!({ "a": { "at": "holding:0" } }), &json!({ "rate": 2, "expire": "1200ms" }));
    beside!(plant(connections, &memory, script), async {
        rig.writer.connect().await.unwrap();
        let refused =
            rig.give(&[("a", Value::U64(1)), ("a", Value::U64(2)), ("a", Value::U64(3)), ("a", Value::U64(4))]).await;
        assert_eq!(refused[0], "a");
        assert!(refused[1].contains("see `rate`"), "{refused:?}");
    });
    let times = times.into_inner().unwrap();
    assert!(matches!(times[..], [0..5, 500..520, 1000..1030]), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_goes_ahead_of_the_polls_that_wait() {
    let connections = pipe("ahead");
    let script = |asked: Asked| match asked.function {
        6 => Do::Send(asked.frame(6, &[0, 0, 0, 1])),
        _ => Do::Late(100),
    };
    let options: Vec<Json> = (1..=10)
        .map(|unit| json!({ "unit": unit, "every": "10ms", "timeout": "1s", "tags": { "a": { "at": "holding:7" } } }))
        .collect();
    let mut pollers = sources("memory://ahead", &options);
    let mut rig = rig("memory://ahead", &json!({ "a": { "at": "holding:0" } }), &json!({ "timeout": "1s" }));
    beside!(device(connections, false, script), async {
        let polls = pollers.iter_mut().map(|poller| async move {
            fieldflow_contract::Source::connect(poller).await.unwrap();
            loop {
                poll(poller).await;
            }
        });
        let polls = async {
            let mut polls: Vec<_> = polls.map(Box::pin).collect();
            std::future::poll_fn(|context| -> std::task::Poll<()> {
                for poll in &mut polls {
                    let _: std::task::Poll<()> = std::future::Future::poll(poll.as_mut(), context);
                }
                std::task::Poll::Pending
            })
            .await;
        };
        let write = async {
            sleep(Duration::from_millis(350)).await;
            let since = Instant::now();
            assert_eq!(rig.give(&[("a", Value::U64(1))]).await, [""; 0]);
            since.elapsed()
        };
        tokio::select! {
            () = polls => unreachable!(),
            took = write => assert!(took < Duration::from_millis(150), "nine polls waited, of 100 ms each: {took:?}"),
        }
    });
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_that_cannot_be_noted() {
    let (connections, memory) = (pipe("book"), Memory::default());
    let mut rig = rig("memory://book", &json!({ "a": { "at": "holding:0" } }), &json!({ "expire": "1h" }));
    let script = |_| Do::Answer;
    beside!(plant(connections, &memory, script), async {
        rig.writer.connect().await.unwrap();
        let many: Vec<_> = (0..Audit::MOST as u64).map(|value| ("a", Value::U64(value))).collect();
        assert_eq!(rig.give(&many).await, [""; 0]);
        let refused = rig.give(&[("a", Value::U64(9))]).await;
        assert_eq!(refused[1], "a: the disk does not take the book of writes");
        assert_eq!(rig.entries().len(), Audit::MOST);
        assert_eq!(rig.give(&[("a", Value::U64(10))]).await, [""; 0]);
    });
}

#[tokio::test(start_paused = true)]
async fn a_write_that_is_dropped_under_way_is_noted_as_unknown() {
    let (connections, memory) = (pipe("dropped"), Memory::default());
    let mut rig = rig("memory://dropped", &json!({ "a": { "at": "holding:0" } }), &json!({ "timeout": "1s" }));
    beside!(plant(connections, &memory, |_| Do::Nothing), async {
        rig.writer.connect().await.unwrap();
        let stopped = tokio::time::timeout(Duration::from_millis(100), rig.give(&[("a", Value::U64(1))])).await;
        assert!(stopped.is_err());
    });
    assert_eq!(rig.noted(), ["a holding:0 1 0x0001 unknown"]);
}

#[test]
fn a_run_on_simulated_values_writes_to_this_machine_only() {
    for (url, is_here) in [
        ("tcp://127.0.0.1:1502", true),
        ("tcp://localhost", true),
        ("tcp://[::1]:1502", true),
        ("tcp://10.0.0.7", false),
        ("tcp://plc.example", false),
        ("rtu:///dev/ttyUSB0", false),
    ] {
        let config = serde_json::from_value(json!({ "url": url, "tags": { "a": { "at": "coil:0" } } })).unwrap();
        assert_eq!(ModbusWrite::simulate(&[(config, ".".into())], &[]).is_ok(), is_here, "{url}");
    }
}
