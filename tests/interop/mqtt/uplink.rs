//! Two brokers: the way to the second one is dear, and carries alarms only while the first one cannot be had.

use std::fs;

use super::broker::{Mosquitto, signal};
use super::forward::{Forwarding, on_disk};
use super::line::{Break, Line};
use super::subscriber::{Numbers, Subscriber};
use crate::peers::port_that_no_client_gets;
use crate::turn::alone;

const COUNT: usize = 20_000;
/// Each of so many is an alarm.
const EACH: usize = 100;

#[tokio::test]
async fn a_dear_way_carries_alarms_and_the_rest_comes_once_and_in_order_when_the_better_one_is_back() {
    let _turn = alone().await;
    let (Some(best), Some(dear)) = (Mosquitto::start("").await, Mosquitto::start("").await) else { return };
    let (mut all, mut alarms) = (Subscriber::new(best.port, "t/#").await, Subscriber::new(dear.port, "t/#").await);
    let (dir, away) = (tempfile::tempdir().unwrap(), port_that_no_client_gets());
    let line = |n: usize| {
        let tag = if n.is_multiple_of(EACH) { "alarm.high" } else { "n" };
        format!("{{\"t\":\"2026-01-01T00:00:00.{n:06}Z\",\"tag\":\"{tag}\",\"value\":{n}}}\n")
    };
    fs::write(dir.path().join("in.jsonl"), (0..COUNT).map(line).collect::<String>()).unwrap();
    let options = format!(
        "urls: [\"mqtt://127.0.0.1:{away}\", {{ url: \"mqtt://127.0.0.1:{}\", only: alarm.*, fail_after: 2s }}], \
         fail_back: 1s, topic: \"t/{{tag}}\"",
        dear.port
    );
    let replay = "{ type: replay, path: in.jsonl, pace: max }";
    let mut pipeline = Forwarding::through(&dir, replay, &options, "");
    pipeline.says("does not carry everything").await;
    let mut heard = Numbers::default();
    alarms.more(&mut heard, COUNT / EACH).await;
    on_disk(&dir, COUNT - COUNT / EACH).await;
    // Killed meanwhile: it goes on where it was.
    signal(&pipeline.child, "KILL").await;
    drop(pipeline);
    fs::write(dir.path().join("in.jsonl"), "").unwrap();
    let mut pipeline = Forwarding::through(&dir, replay, &options, "");
    pipeline.says("does not carry everything").await;
    let _line = Line::to(best.port, away, Break::Cut, Vec::new()).await;
    let mut rest = Numbers::default();
    let (ended, ()) = tokio::join!(pipeline.ends(), all.more(&mut rest, COUNT - COUNT / EACH));
    assert!(ended.success());
    let (heard, rest) = (heard.once_in_order(), rest.once_in_order());
    assert_eq!(heard, (0..COUNT as u64).step_by(EACH).collect::<Vec<_>>());
    assert_eq!(rest, (0..COUNT as u64).filter(|n| !n.is_multiple_of(EACH as u64)).collect::<Vec<_>>());
}
