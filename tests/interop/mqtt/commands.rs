//! The pipeline `commands`, as it is shipped: from a command by MQTT to a register of libmodbus, and back to who sent it.

use std::fs;

use tokio::time::Instant;

use super::broker::{Flow, Mosquitto, PATIENCE};
use crate::memory::Memory;
use crate::peers::{Peer, Way};
use crate::turn::alone;

#[tokio::test]
async fn a_command_is_written_or_refused_and_whoever_sent_it_is_told() {
    let _turn = alone().await;
    let Some(broker) = Mosquitto::start("").await else { return };
    let mut memory = Memory::default();
    for at in 0..30 {
        memory.put(1, "holding", at, &[0]);
        memory.put(1, "coil", at, &[0]);
    }
    let Some(controller) = Peer::Libmodbus.start(&memory, Way::Tcp).await else { return };
    let file = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/commands.yaml")).unwrap();
    let file = file
        .replace("mqtt://127.0.0.1:1883", &format!("mqtt://127.0.0.1:{}", broker.port))
        .replace("tcp://127.0.0.1:1502", &controller.url);
    let flow = Flow::of(&file);
    let run = flow.start("off");
    let ask = async |name: &str, value: &str, more: &[&str]| {
        let topic = format!("boiler/set/{name}");
        let options = [&["-e", "boiler/done/me", "-D", "publish", "correlation-data", "c7"][..], more].concat();
        broker.ask(&topic, value, &options).await
    };
    // Nobody answers before the subscription is there.
    let end = Instant::now() + PATIENCE;
    let first = loop {
        assert!(Instant::now() < end, "no answer:\n{}", run.said());
        if let Some(answer) = ask("setpoint", "72.5", &["-W", "1"]).await {
            break answer;
        }
    };
    assert_eq!(first.0, "c7");
    assert_eq!(first.1, serde_json::json!({ "result": "delivered", "topic": "boiler/set/setpoint" }));
    assert_eq!(ask("pump", r#"{"value":true}"#, &[]).await.unwrap().1["result"], "delivered");
    for (name, value, reason) in [
        ("setpoint", "99", "boiler.setpoint: 99 is outside of 20 to 85"),
        ("valve", "1", "boiler.valve: not listed"),
        ("pump", "on", "what it says could not be read: bad:decoding"),
    ] {
        let (_, said) = ask(name, value, &[]).await.unwrap();
        assert_eq!((&said["result"], &said["reason"]), (&"rejected".into(), &reason.into()), "{said}");
    }
    // The controller is away: the command waits, and is not carried out when its sender wants it no longer.
    controller.kill().await;
    let (_, said) = ask("setpoint", "30", &["-D", "publish", "message-expiry-interval", "1"]).await.unwrap();
    let reason = said["reason"].as_str().unwrap_or_default();
    assert!(said["result"] == "rejected" && reason.contains("whoever sent the command let it expire"), "{said}");
    run.stop().await;
    let open = |name: &str| rusqlite::Connection::open(flow.folder().join("data/commands").join(name)).unwrap();
    let rows = |name: &str, sql: &str| -> Vec<String> {
        let file = open(name);
        let mut query = file.prepare(sql).unwrap();
        query.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let written = rows(
        "state.db",
        "SELECT tag || ' ' || value || ' ' || outcome FROM writes WHERE outcome = 'verified' ORDER BY id",
    );
    assert_eq!(written.last().unwrap(), "boiler.pump true verified");
    assert_eq!(written[0], "boiler.setpoint 72.5 verified");
    let refused = rows("refused.db", "SELECT DISTINCT tag FROM samples ORDER BY tag");
    assert_eq!(refused, ["boiler.pump", "boiler.setpoint", "boiler.valve"]);
}
