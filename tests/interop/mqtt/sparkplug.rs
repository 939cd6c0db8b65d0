//! The Sparkplug edge node, read by pysparkplug: births, data by alias, what waited on disk, a rebirth that it asks for, deaths.

use std::fs;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::broker::{Mosquitto, PATIENCE, signal};
use super::forward::{Forwarding, on_disk};
use super::line::{Break, Line};
use super::subscriber::Subscriber;
use crate::peers::{port_that_no_client_gets, python};
use crate::turn::alone;

/// A host in Python. It is killed with this handle.
struct Host {
    _child: Child,
    asked: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Host {
    fn start() -> Option<Self> {
        let mut command = python("sparkplug_host.py", "pysparkplug")?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let (asked, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Some(Self { asked, said: BufReader::new(said).lines(), _child: child })
    }

    async fn ask(&mut self, line: &str) -> String {
        self.asked.write_all(format!("{line}\n").as_bytes()).await.unwrap();
        let said = timeout(PATIENCE, self.said.next_line()).await.expect("the host answers").unwrap();
        said.unwrap_or_else(|| panic!("the host cannot read {line}"))
    }

    /// What the next message says.
    async fn next(&mut self, subscriber: &mut Subscriber) -> Value {
        let message = subscriber.next().await;
        let hex: String = message.payload.iter().map(|byte| format!("{byte:02x}")).collect();
        serde_json::from_str(&self.ask(&format!("{} {hex}", message.topic)).await).unwrap()
    }
}

/// Name, type and value of each metric but those of the node itself.
fn metrics(message: &Value) -> Vec<Value> {
    let all = message["metrics"].as_array().unwrap().iter();
    let own = |metric: &&Value| !matches!(metric["name"].as_str(), Some("bdSeq" | "Node Control/Rebirth"));
    all.filter(own)
        .map(|metric| json!([metric["name"], metric["type"], metric["value"], metric["historical"]]))
        .collect()
}

fn bd_seq(message: &Value) -> &Value {
    let all = message["metrics"].as_array().unwrap();
    &all.iter().find(|metric| metric["name"] == "bdSeq").unwrap()["value"]
}

#[tokio::test]
async fn a_host_that_nobody_here_wrote_reads_births_data_and_deaths_and_is_given_a_rebirth() {
    let _turn = alone().await;
    let (Some(broker), Some(mut host)) = (Mosquitto::start("").await, Host::start()) else { return };
    let mut subscriber = Subscriber::new(broker.port, "spBv1.0/#").await;
    let dir = tempfile::tempdir().unwrap();
    let record =
        |tag: &str, rest: &str| format!("{{\"t\":\"2026-01-01T00:00:01.500000Z\",\"tag\":\"{tag}\",{rest}}}\n");
    let records = [
        record("press.count", "\"value\":-5"),
        record("press.temp", "\"value\":1.5"),
        record("press.on", "\"value\":true"),
        record("press.name", "\"value\":\"\u{e4}\""),
        record("press.bad", "\"value\":null,\"quality\":\"bad:timeout\""),
        record("press.count", "\"value\":9007199254740993"),
    ];
    fs::write(dir.path().join("in.jsonl"), records.concat()).unwrap();
    let away = port_that_no_client_gets();
    let options = format!(
        "url: \"mqtt://127.0.0.1:{away}\", payload: sparkplug, sparkplug: {{ group: g, node: n }}, qos: 1, keep_alive: 5s"
    );
    let replay = "{ type: replay, path: in.jsonl, pace: max }";
    let mut pipeline = Forwarding::through(&dir, replay, &options, "");
    pipeline.says("refused").await;
    on_disk(&dir, 6).await;
    // All of it is on disk, and comes from there.
    signal(&pipeline.child, "KILL").await;
    drop(pipeline);
    let way = Line::to(broker.port, away, Break::Cut, Vec::new()).await;
    fs::write(dir.path().join("in.jsonl"), "").unwrap();
    let source = "{ type: generate, rate: 20, tags: { live: { counter: {} } } }";
    let pipeline = Forwarding::through(&dir, source, &options, "");

    let first = host.next(&mut subscriber).await;
    assert_eq!((&first["kind"], &first["seq"]), (&json!("NBIRTH"), &json!(0)), "{first}");
    let (mut birth, mut data, mut seq, mut of_births) = (first, Vec::new(), 0, 1);
    while !data.iter().any(|metric: &Value| metric[0] == "live") {
        let message = host.next(&mut subscriber).await;
        seq = if message["kind"] == "NBIRTH" { 0 } else { seq + 1 };
        assert_eq!(message["seq"], seq, "{message}");
        if message["kind"] == "NBIRTH" {
            assert_eq!(bd_seq(&message), bd_seq(&birth));
            of_births += 1;
            birth = message;
        } else {
            assert!(message["metrics"].as_array().unwrap().iter().all(|metric| metric["alias"].is_u64()), "{message}");
            data.extend(metrics(&message));
        }
    }
    assert!(1 < of_births, "new metrics are told by a birth");
    let expected = [
        json!(["press.count", "INT64", -5, true]),
        json!(["press.temp", "DOUBLE", 1.5, true]),
        json!(["press.on", "BOOLEAN", true, true]),
        json!(["press.name", "STRING", "\u{e4}", true]),
        json!(["press.count", "INT64", 9_007_199_254_740_993_i64, true]),
    ];
    for wanted in &expected {
        assert!(data.contains(wanted), "{wanted}: {data:#?}");
    }
    assert!(
        data.iter().any(|metric| metric[0] == "press.bad" && metric[2].is_null() && metric[3] == true),
        "{data:#?}"
    );
    let newest = data.iter().find(|metric| metric[0] == "live").unwrap();
    assert_eq!(newest[3], false, "what comes now is no history");

    // A command that the other side has made.
    let command = host.ask("NCMD").await;
    let raw: Vec<u8> =
        (0..command.len()).step_by(2).map(|at| u8::from_str_radix(&command[at..at + 2], 16).unwrap()).collect();
    fs::write(dir.path().join("command"), raw).unwrap();
    let mut publish = Command::new("mosquitto_pub");
    publish.args(["-p", &broker.port.to_string(), "-t", "spBv1.0/g/NCMD/n", "-f"]).arg(dir.path().join("command"));
    assert!(publish.status().await.unwrap().success());
    let reborn = loop {
        let message = subscriber.next().await;
        // The command itself is seen here too.
        if message.topic != "spBv1.0/g/NCMD/n" {
            let hex: String = message.payload.iter().map(|byte| format!("{byte:02x}")).collect();
            let message: Value = serde_json::from_str(&host.ask(&format!("{} {hex}", message.topic)).await).unwrap();
            if message["kind"] == "NBIRTH" {
                break message;
            }
        }
    };
    assert_eq!((&reborn["seq"], metrics(&reborn).len()), (&json!(0), 6), "{reborn}");

    signal(&pipeline.child, "TERM").await;
    let death = loop {
        let message = host.next(&mut subscriber).await;
        if message["kind"] == "NDEATH" {
            break message;
        }
    };
    assert_eq!(bd_seq(&death), bd_seq(&reborn), "it is known which birth it ends");
    pipeline.ends().await;
    drop(way);
}
