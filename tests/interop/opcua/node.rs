//! node-opcua, which filters, counts what its queues lose, and lets a session take the subscriptions of another over.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;

use super::secure::{good, said, trust};
use super::server::Server;
use super::values::within;
use super::{number, pipeline, plant, with};
use crate::peers::port_that_no_client_gets;
use crate::pipeline::Record;
use crate::turn::beside_others;

/// A server that counts every 200 ms; its certificates are in the folder.
async fn server() -> Option<(Server, TempDir)> {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::node(port_that_no_client_gets(), folder.path(), &["--every", "200"]).await?;
    Some((server, folder))
}

#[tokio::test]
async fn a_session_that_is_dropped_leaves_its_subscription_to_the_next_and_no_value_is_lost() {
    let _turn = beside_others().await;
    let Some((mut server, _folder)) = server().await else { return };
    let counter = format!("{}, sampling: 20ms, queue: 1000", plant("counter"));
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n    keep_alive: 1s\n", &[("counter", &counter)]);
    let mut records = within(&mut pipeline, Duration::from_secs(5)).await;
    for _ in 0..3 {
        server.tell(&json!({ "forget": "sessions" })).await;
        records.extend(within(&mut pipeline, Duration::from_secs(4)).await);
    }
    let bad: Vec<&str> =
        records.iter().filter(|record| record.quality != "good").map(|record| record.quality.as_str()).collect();
    assert_eq!(bad, ["bad:not_connected"; 3], "{}", pipeline.said());
    let mut numbers: Vec<i64> = records.iter().filter_map(number).collect();
    // After an outage a value that stands is said again.
    numbers.dedup();
    assert!(
        50 < numbers.len() && numbers.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{numbers:?}\n{}",
        pipeline.said()
    );
    pipeline.stop().await;
}

#[tokio::test]
async fn a_subscription_that_is_deleted_is_noticed_at_once() {
    let _turn = beside_others().await;
    let Some((mut server, _folder)) = server().await else { return };
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n", &[("counter", &plant("counter"))]);
    good(&mut pipeline).await;
    server.tell(&json!({ "forget": "subscriptions" })).await;
    let records = within(&mut pipeline, Duration::from_secs(3)).await;
    let hole = records.iter().position(|record| record.quality == "bad:data_lost");
    assert!(hole.is_some_and(|at| records[at..].iter().any(|record| number(record).is_some())), "{records:?}");
    pipeline.stop().await;
}

#[tokio::test]
async fn what_the_queue_of_the_server_loses_is_told_and_deadbands_are_kept() {
    let _turn = beside_others().await;
    let Some((mut server, _folder)) = server().await else { return };
    let fast = format!("{}, sampling: 10ms, queue: 3", plant("fast"));
    let band = format!("{}, deadband: 5", plant("band"));
    let percent = format!("{}, deadband: 5%", plant("percent"));
    let unranged = format!("{}, deadband: 5%", plant("band"));
    let tags = [("fast", fast.as_str()), ("band", &band), ("percent", &percent), ("unranged", &unranged)];
    let mut pipeline = pipeline(&server, "    publishing: 200ms\n    sampling: 10ms\n", &tags);
    let mut records: Vec<Record> = pipeline.first_of_each(4).await.into_values().collect();
    for to in [4.0, 5.5, 9.0, 11.0, 30.0] {
        for name in ["band", "percent"] {
            server.tell(&json!({ "set": name, "to": to })).await;
        }
        records.extend(within(&mut pipeline, Duration::from_millis(400)).await);
    }
    let of = |tag: &str| -> Vec<f64> {
        records.iter().filter(|record| record.tag == tag).filter_map(|record| record.value.as_f64()).collect()
    };
    assert_eq!(of("band"), [0.0, 5.5, 11.0, 30.0], "more than 5 away from the last that was sent");
    assert_eq!(of("percent"), [0.0, 11.0, 30.0], "more than 5% of 0 to 200");
    assert_eq!(of("unranged"), [0.0, 4.0, 5.5, 9.0, 11.0, 30.0], "there is no range: every change comes");
    assert!(records.iter().any(|record| record.tag == "fast" && record.quality == "good:0x00000480"), "{records:?}");
    assert!(pipeline.said().contains("refuses the deadband"), "{}", pipeline.said());
    pipeline.stop().await;
}

#[tokio::test]
async fn a_secure_connection_is_made_though_the_names_of_its_certificate_are_in_another_order() {
    let _turn = beside_others().await;
    let Some((mut server, _folder)) = server().await else { return };
    let options = "    security: { any_host: true }\n    publishing: 100ms\n    keep_alive: 1s\n";
    let mut pipeline = with(&server.url, options, &[("counter", &plant("counter"))]);
    said(&pipeline, "is not trusted").await;
    trust(&pipeline).await;
    good(&mut pipeline).await;
    // The session is taken up, with a signature over what the server gave last.
    server.tell(&json!({ "forget": "sessions" })).await;
    let end = Instant::now() + Duration::from_secs(10);
    while pipeline.until(end).await.expect("an outage").quality == "good" {}
    good(&mut pipeline).await;
    pipeline.stop().await;
}
