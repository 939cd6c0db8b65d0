//! Between MQTT and SQLite the pipeline is killed again and again: nothing that the broker had taken is missing at the end.
//!
//! `FIELDFLOW_KILLS` makes it another number of times than 25.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::broker::{Flow, Mosquitto, PATIENCE};
use crate::turn::alone;

#[tokio::test]
async fn nothing_is_lost_between_mqtt_and_sqlite_however_often_the_pipeline_is_killed() {
    let _turn = alone().await;
    let kills = std::env::var("FIELDFLOW_KILLS").map_or(25, |kills| kills.parse().unwrap());
    let Some(broker) = Mosquitto::start("").await else { return };
    broker.publish("m/ready", &["-q", "1", "-r"], std::iter::once("-1".to_owned())).await;
    let source = format!("url: \"mqtt://127.0.0.1:{}\", topics: [\"m/+\"], payload: number", broker.port);
    let flow = Flow::new(&source, "type: sqlite, path: plant.db");
    let path = flow.folder().join("data/interop/plant.db");
    let stored = |sql: &str| -> Option<i64> {
        let file = rusqlite::Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).ok()?;
        file.query_row(sql, (), |row| row.get(0)).ok()
    };
    let wait = async |sql: &str, least: i64| {
        let end = Instant::now() + PATIENCE;
        while stored(sql).is_none_or(|count| count < least) {
            assert!(Instant::now() < end, "{:?} of {least}: {sql}", stored(sql));
            sleep(Duration::from_millis(5)).await;
        }
    };
    let mut run = Some(flow.start("off"));
    wait("SELECT count(*) FROM samples", 1).await;
    let mut next = 0;
    for _ in 0..kills {
        let before = next;
        next += 4000;
        let publish = broker.publish("m/n", &["-q", "1"], (before..next).map(|n| n.to_string()));
        let kill = async {
            // In the middle of it.
            wait("SELECT max(value) FROM samples", before + 1000).await;
            if let Some(run) = run.take() {
                run.kill().await;
            }
            run = Some(flow.start("off"));
        };
        tokio::join!(publish, kill);
    }
    wait("SELECT count(DISTINCT value) FROM samples WHERE tag = 'm/n'", next).await;
    if let Some(run) = run.take() {
        run.stop().await;
    }
    let all = stored("SELECT count(*) FROM samples WHERE tag = 'm/n'").unwrap();
    let twice = all - next;
    println!("{kills} kills: {next} messages, none lost, {twice} twice");
    assert!(twice <= kills * 5000, "{twice} came twice: more than may be under way at each kill");
}
