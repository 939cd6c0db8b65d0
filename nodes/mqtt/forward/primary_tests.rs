//! An edge node and its primary host, at brokers that the test plays.

use fieldflow_contract::{NodeError, Sink as _};
use serde_json::json;

use super::tests::{Peer, WELCOME, plant};
use crate::mqtt::client::Scripted;

#[tokio::test]
async fn an_edge_node_is_silent_until_its_host_is_online_and_leaves_when_the_host_is_gone() {
    let sparkplug = json!({ "group": "g", "primary_host": "scada" });
    let options = json!({ "payload": "sparkplug", "topic": null, "sparkplug": sparkplug, "qos": 1, "timeout": "30s" });
    let mut plant = plant(options).await;
    let state = |online: bool| format!(r#"{{"online":{online},"timestamp":5}}"#).into_bytes();
    let (connected, mut peer) = tokio::join!(plant.sink.connect(), async {
        let mut peer = Peer(plant.broker.welcome(WELCOME).await);
        peer.0.grant(&[1, 1]).await;
        // Were it to speak now, its birth would come twice.
        peer.0.publish(b"spBv1.0/STATE/scada", 0, 0, &state(false)).await;
        peer.0.publish(b"spBv1.0/STATE/scada", 0, 0, &state(true)).await;
        assert_eq!(peer.take(&[0]).await, ["spBv1.0/g/NBIRTH/alone"]);
        peer
    });
    connected.unwrap();
    peer.0.publish(b"spBv1.0/STATE/scada", 0, 0, &state(false)).await;
    let (told, topics) = tokio::join!(plant.sink.idle(), peer.take(&[0]));
    assert_eq!(topics, ["spBv1.0/g/NDEATH/alone"]);
    assert!(format!("{told}").contains("`scada` is not online"), "{told}");
    assert_eq!(plant.context.tally.snapshot().get("primary_host_offline"), Some(&1));
}

#[tokio::test]
async fn a_broker_without_the_host_is_left_for_the_next_one() {
    let (best, other) = (Scripted::start().await, Scripted::start().await);
    let sparkplug = json!({ "group": "g", "primary_host": "scada" });
    let options = json!({
        "url": null, "urls": [best.url(), other.url()], "timeout": "1s", "fail_back": "1h",
        "payload": "sparkplug", "topic": null, "sparkplug": sparkplug, "qos": 1
    });
    let mut plant = plant(options).await;
    let (connected, _peer) = tokio::join!(plant.sink.connect(), async {
        let mut peer = best.welcome(WELCOME).await;
        peer.grant(&[1, 1]).await;
        peer
    });
    assert!(matches!(connected, Err(NodeError::Disconnected(_))), "{connected:?}");
    let (connected, ()) = tokio::join!(plant.sink.connect(), async {
        let mut peer = Peer(other.welcome(WELCOME).await);
        peer.0.grant(&[1, 1]).await;
        peer.0.publish(b"spBv1.0/STATE/scada", 0, 0, br#"{"online":true,"timestamp":1}"#).await;
        assert_eq!(peer.take(&[0]).await, ["spBv1.0/g/NBIRTH/alone"]);
    });
    connected.unwrap();
}
