//! The `mqtt` source against Mosquitto: each quality of service, both versions, a session that outlives both sides, and a
//! pipeline that is slower than its messages.

use std::time::Duration;

use super::broker::{Flow, Mosquitto, PATIENCE, Run};
use crate::turn::alone;
use tokio::time::Instant;

const CONSOLE: &str = "type: console";

/// A retained message says that the subscription is there.
async fn ready(broker: &Mosquitto) {
    broker.publish("m/ready", &["-q", "1", "-r"], std::iter::once("1".to_owned())).await;
}

async fn numbers(run: &mut Run, count: usize) -> Vec<i64> {
    let mut all = Vec::new();
    while all.len() < count {
        let record = run.next().await;
        if record["tag"] != "m/ready" {
            assert!(record["quality"].is_null(), "{record}");
            all.push(record["value"].as_i64().unwrap_or_else(|| panic!("{record}")));
        }
    }
    all
}

#[tokio::test]
async fn messages_of_each_quality_arrive_in_order_by_each_way() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    ready(&broker).await;
    for (version, scheme) in [("5", "mqtt"), ("3.1.1", "mqtt"), ("5", "ws"), ("3.1.1", "ws")] {
        for qos in [0, 1, 2] {
            let port = if scheme == "ws" { broker.web } else { broker.port };
            let flow = Flow::new(
                &format!(
                    "url: \"{scheme}://127.0.0.1:{port}\", version: \"{version}\", topics: [\"m/+\"], qos: {qos}, \
                     payload: number, client_id: \"{scheme}-{version}-{qos}\""
                ),
                CONSOLE,
            );
            let mut run = flow.start("off");
            run.until("m/ready").await;
            broker.publish("m/n", &["-q", &qos.to_string()], (0..500).map(|n| n.to_string())).await;
            let wanted: Vec<i64> = (0..500).collect();
            assert!(numbers(&mut run, 500).await == wanted, "{scheme} {version} qos {qos}:\n{}", run.said());
            run.stop().await;
        }
    }
}

#[tokio::test]
async fn a_session_outlives_the_pipeline_and_the_broker() {
    let _turn = alone().await;
    for version in ["5", "3.1.1"] {
        let Some(mut broker) = Mosquitto::start("").await else { return };
        ready(&broker).await;
        let url = format!("mqtt://127.0.0.1:{}", broker.port);
        let source = format!("url: \"{url}\", version: \"{version}\", topics: [\"m/+\"], payload: number");
        let flow = Flow::new(&source, CONSOLE);
        let mut run = flow.start("off");
        run.until("m/ready").await;
        // The broker goes and comes back while the pipeline runs.
        broker.restart(Duration::from_millis(500)).await;
        broker.publish("m/n", &["-q", "1"], (0..100).map(|n| n.to_string())).await;
        assert_eq!(numbers(&mut run, 100).await, (0..100).collect::<Vec<_>>());
        run.stop().await;
        // And while it does not.
        broker.publish("m/n", &["-q", "1"], (100..200).map(|n| n.to_string())).await;
        broker.restart(Duration::ZERO).await;
        broker.publish("m/n", &["-q", "2"], (200..300).map(|n| n.to_string())).await;
        let mut run = flow.start("off");
        assert_eq!(numbers(&mut run, 200).await, (100..300).collect::<Vec<_>>(), "{version}: {}", run.said());
        run.stop().await;
        // What was acknowledged does not come again.
        let mut run = flow.start("off");
        broker.publish("m/n", &["-q", "1"], std::iter::once("300".to_owned())).await;
        assert_eq!(numbers(&mut run, 1).await, [300], "{version}");
        run.stop().await;
    }
}

#[tokio::test]
async fn what_a_slow_pipeline_does_not_take_stays_with_the_broker() {
    let _turn = alone().await;
    for version in ["5", "3.1.1"] {
        let Some(broker) = Mosquitto::start("").await else { return };
        ready(&broker).await;
        let url = format!("mqtt://127.0.0.1:{}", broker.port);
        let source = format!(
            "url: \"{url}\", version: \"{version}\", topics: [\"m/+\"], payload: text, receive_maximum: 10, qos: 1"
        );
        let flow = Flow::new(&source, CONSOLE);
        let mut run = flow.start("off");
        run.until("m/ready").await;
        // Nobody reads what `console` writes: it stops when the pipe is full, after some 64 KiB.
        let line = |n: usize| format!("{n:05}{}", "x".repeat(2000));
        broker.publish("m/n", &["-q", "1"], (0..1000).map(line)).await;
        let end = Instant::now() + PATIENCE;
        let mut kept = 0;
        while kept < 900 {
            assert!(Instant::now() < end, "the broker keeps only {kept} of 1000");
            kept = broker.hear("$SYS/broker/store/messages/count").await.parse().unwrap();
        }
        for n in 0..1000 {
            let record = run.next().await;
            assert_eq!(record["value"].as_str().map(|text| &text[..5]), Some(format!("{n:05}").as_str()), "{version}");
        }
        run.stop().await;
    }
}

#[tokio::test]
async fn a_group_shares_the_load() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let flows: Vec<Flow> = (0..2)
        .map(|n| {
            Flow::new(
                &format!(
                    "url: \"mqtt://127.0.0.1:{}\", topics: [\"$share/g/m/+\", \"own/{n}\"], payload: number, client_id: c{n}",
                    broker.port
                ),
                CONSOLE,
            )
        })
        .collect();
    for n in 0..2 {
        broker.publish(&format!("own/{n}"), &["-q", "1", "-r"], std::iter::once("1".to_owned())).await;
    }
    let mut runs: Vec<Run> = flows.iter().map(|flow| flow.start("off")).collect();
    for (n, run) in runs.iter_mut().enumerate() {
        run.until(&format!("own/{n}")).await;
    }
    broker.publish("m/n", &["-q", "1"], (0..400).map(|n| n.to_string())).await;
    let mut shares = Vec::new();
    for (n, mut run) in runs.into_iter().enumerate() {
        broker.publish(&format!("own/{n}"), &["-q", "1"], std::iter::once("-1".to_owned())).await;
        let mut share = Vec::new();
        loop {
            match run.next().await["value"].as_i64().unwrap() {
                -1 => break,
                value => share.push(value),
            }
        }
        run.stop().await;
        shares.push(share);
    }
    assert!(shares.iter().all(|share| 50 < share.len()), "{shares:?}");
    let mut all = shares.concat();
    all.sort_unstable();
    assert_eq!(all, (0..400).collect::<Vec<_>>());
}
