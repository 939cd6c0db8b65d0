//! The source hears an edge node of pysparkplug: births, data, the wish for a rebirth, and the death when it is killed.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use super::broker::{Flow, Mosquitto, PATIENCE, Run};
use crate::peers::python;
use crate::turn::alone;

/// So many records, each its tag, value and quality.
async fn heard(run: &mut Run, count: usize) -> Vec<Value> {
    let mut all = Vec::new();
    while all.len() < count {
        let record = run.next().await;
        all.push(json!([record["tag"], record["value"], record["quality"]]));
    }
    all
}

/// All metrics of the node, or of its device.
fn metrics(unit: &str, value: i64, quality: &Value) -> Vec<Value> {
    let half = value as f64 / 2.0;
    [
        ("int", json!(-value)),
        ("float", json!(half)),
        ("text", json!(format!("ä{value}"))),
        ("on", json!(value % 2 == 1)),
    ]
    .map(|(name, value)| json!([format!("plant/edge{unit}/{name}"), value, quality]))
    .to_vec()
}

#[tokio::test]
async fn an_edge_node_that_nobody_here_wrote_is_heard_asked_and_seen_to_die() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let Some(mut command) = python("sparkplug_node.py", "pysparkplug") else { return };
    let online = r#"{"online":true,"timestamp":1}"#.to_owned();
    broker.publish("spBv1.0/STATE/ready", &["-q", "1", "-r"], std::iter::once(online)).await;
    let url = format!("mqtt://127.0.0.1:{}", broker.port);
    let flow = Flow::new(
        &format!("url: \"{url}\", topics: [\"spBv1.0/#\"], payload: sparkplug, clean: true, qos: 1"),
        "type: console",
    );
    let mut run = flow.start("off");
    run.until("spBv1.0/STATE/ready").await;
    command.arg(broker.port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut node = command.spawn().unwrap();
    let (mut stdin, mut stdout) = (node.stdin.take().unwrap(), BufReader::new(node.stdout.take().unwrap()).lines());
    let good = Value::Null;
    assert_eq!(
        heard(&mut run, 8).await,
        [metrics("", 1, &good), metrics("/press", 2, &good)].concat(),
        "{}",
        run.said()
    );
    stdin.write_all(b"7\n").await.unwrap();
    assert_eq!(heard(&mut run, 8).await, [metrics("", 7, &good), metrics("/press", 7, &good)].concat());
    run.stop().await;
    // Who comes later knows no birth, and asks for it.
    let mut run = flow.start("off");
    run.until("spBv1.0/STATE/ready").await;
    stdin.write_all(b"8\n").await.unwrap();
    let asked = timeout(PATIENCE, stdout.next_line()).await.expect("it asks").unwrap();
    assert_eq!(asked.as_deref(), Some("Node Control/Rebirth True"));
    run.stop().await;
    // pysparkplug tells its births when it connects.
    let mut run = flow.start("off");
    run.until("spBv1.0/STATE/ready").await;
    node.kill().await.unwrap();
    let mut node = command.spawn().unwrap();
    heard(&mut run, 8).await;
    node.kill().await.unwrap();
    let stale = json!("uncertain:last_usable");
    assert_eq!(heard(&mut run, 8).await, [metrics("", 1, &stale), metrics("/press", 2, &stale)].concat());
    run.stop().await;
}
