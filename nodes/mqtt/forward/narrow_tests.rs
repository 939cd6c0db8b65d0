//! A link that carries alarms only, in the place of one that carries everything.

use fieldflow_contract::{At, Findings, NodeError, Position, Sink as _};
use serde_json::json;

use super::config::Config;
use super::tests::{Peer, Plant, WELCOME, batch, plant};
use crate::mqtt::client::Scripted;

fn at(sequences: &[u64]) -> Vec<Option<Position>> {
    let position = |sequence: &u64| Position { edge: "p/a.out/cloud".into(), epoch: 7, sequence: *sequence };
    sequences.iter().map(|sequence| Some(position(sequence))).collect()
}

/// The best broker is away; the other one is reached by a dear way.
async fn two(only: &str) -> (Plant, Scripted, std::net::SocketAddr) {
    let best = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let dear = Scripted::start().await;
    let way = json!({ "url": dear.url(), "only": only });
    let urls = json!({ "url": null, "urls": [format!("mqtt://{best}"), way], "fail_back": "0s" });
    (plant(urls).await, dear, best)
}

#[tokio::test]
async fn what_a_dear_link_does_not_carry_waits_and_what_it_has_carried_is_not_sent_again() {
    let (mut plant, dear, best) = two("alarm.*").await;
    let (connected, peer) = tokio::join!(plant.sink.connect(), dear.welcome(WELCOME));
    connected.unwrap();
    assert!(!plant.sink.takes_all());
    assert!(plant.context.notices.last().iter().any(|said| said.contains("does not carry everything")));
    let mut peer = Peer(peer);
    let records = || [batch(&["x", "alarm.1"]), batch(&["alarm.2"]), batch(&["y"])];
    plant.sink.origins(&mut at(&[1, 2, 3]).into_iter());
    let (batches, took) = (records(), [0, 0]);
    let (told, topics) = tokio::join!(plant.sink.write(&batches, &[]), peer.take(&took));
    assert!(matches!(&told, Err(NodeError::Postponed(places, _)) if places[..] == [0, 2]), "{told:?}");
    assert_eq!(topics, ["s/alarm.1", "s/alarm.2"]);

    let broker = Scripted::at(best).await;
    // It may have looked when the other one was not there yet.
    let looks = async {
        let looked = broker.accept().await;
        drop(looked);
        std::future::pending::<()>().await;
    };
    tokio::select! {
        error = plant.sink.idle() => assert!(error.to_string().contains("a better broker"), "{error}"),
        () = looks => {}
    }
    let (connected, peer) = tokio::join!(plant.sink.connect(), async {
        loop {
            let mut peer = broker.accept().await;
            if let Some((0x10, _)) = peer.packet().await {
                peer.send(WELCOME).await;
                return Peer(peer);
            }
        }
    });
    connected.unwrap();
    assert!(plant.sink.takes_all());
    let mut peer = peer;
    plant.sink.origins(&mut at(&[1, 3]).into_iter());
    let [one, _, three] = records();
    let batches = [one, three];
    let (told, topics) = tokio::join!(plant.sink.write(&batches, &[]), peer.take(&took));
    assert_eq!((told, topics), (Ok(()), ["s/x", "s/y"].map(str::to_owned).to_vec()));
    // One that nothing is known of goes whole.
    plant.sink.origins(&mut at(&[9]).into_iter());
    let batches = [batch(&["x", "alarm.1"])];
    let (told, topics) = tokio::join!(plant.sink.write(&batches, &[]), peer.take(&took));
    assert_eq!((told, topics.len()), (Ok(()), 2));
}

#[tokio::test]
async fn a_connection_that_is_lost_on_the_dear_link_repeats_no_more_than_was_under_way() {
    let (mut plant, dear, _) = two("alarm.*").await;
    let (connected, peer) = tokio::join!(plant.sink.connect(), dear.welcome(WELCOME));
    connected.unwrap();
    let mut peer = Peer(peer);
    let batches = [batch(&["alarm.1", "x", "alarm.2"])];
    plant.sink.origins(&mut at(&[1]).into_iter());
    let (told, ()) = tokio::join!(plant.sink.write(&batches, &[]), async {
        peer.take(&[0]).await;
        peer.message().await;
        drop(peer);
    });
    assert!(matches!(told, Err(NodeError::Disconnected(_))), "{told:?}");
    let (connected, peer) = tokio::join!(plant.sink.connect(), dear.welcome(WELCOME));
    connected.unwrap();
    let mut peer = Peer(peer);
    plant.sink.origins(&mut at(&[1]).into_iter());
    let (told, topics) = tokio::join!(plant.sink.write(&batches, &[]), peer.take(&[0]));
    assert!(matches!(told, Err(NodeError::Postponed(_, _))), "{told:?}");
    assert_eq!(topics, ["s/alarm.2"]);
}

#[test]
fn ways_that_make_no_sense_are_told_with_place_and_cure() {
    let found = |urls: serde_json::Value| {
        let config: Config = serde_json::from_value(json!({ "urls": urls, "topic": "s/{tag}" })).unwrap();
        let mut findings = Findings::default();
        config.resolve(&mut findings);
        <super::MqttForward as fieldflow_contract::NodeSpec>::check_input(&config, false, &mut findings);
        findings.0.into_iter().map(|found| (found.at, found.message)).collect::<Vec<_>>()
    };
    let (a, b) = ("mqtt://a:1883", "mqtt://b:1883");
    assert_eq!(found(json!([a, { "url": b, "fail_after": "1s" }])), []);
    let all = found(json!([{ "url": a, "only": "x" }]));
    assert_eq!(all[0].0, At::from("urls"));
    assert!(all[0].1.contains("would wait for ever"), "{all:?}");
    let order = found(json!([{ "url": a, "only": "x" }, b]));
    assert_eq!((order[0].0.clone(), order[0].1.contains("stands behind")), (At::from("urls").index(1), true));
    let soon = found(json!([a, { "url": b, "fail_after": "1ms" }]));
    assert_eq!(soon[0].0, At::from("urls").index(1).key("fail_after"));
    let memory = found(json!([a, { "url": b, "only": "x" }]));
    assert_eq!(memory[0].0, At::from("urls").index(1).key("only"));
}
