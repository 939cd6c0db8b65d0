//! The simulated server, heard as any other.

use std::collections::BTreeMap;
use std::net::TcpListener as StdListener;
use std::sync::Arc;

use super::super::{Opcua, Subscriber, subscriber};
use super::*;
use fieldflow_contract::{
    Batch, BuildContext, NodeSpec as _, Outcome, Quality, Record, Source as _, SystemClock, Value,
};
use opcua::client::ClientBuilder;
use opcua::types::{AttributeId, EndpointDescription, NodeId, UserTokenPolicy, Variant, WriteValue};
use serde_json::json;
use tokio::time::timeout_at;

/// Runs the server while the test runs, and no longer.
macro_rules! beside {
    ($device:expr, $test:expr) => {
        tokio::select! {
            ended = $device.serve() => panic!("the server ended: {ended:?}"),
            result = $test => result,
        }
    };
}

/// A node with these options at a free port, the server that is simulated for it, and the folder of the pipeline's data.
async fn plant(mut options: serde_json::Value) -> (Subscriber, Box<dyn Device>, tempfile::TempDir, String) {
    let port = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("opc.tcp://127.0.0.1:{port}/plant");
    options["url"] = json!(url);
    options["publishing"] = json!("50ms");
    let config: Config = serde_json::from_value(options).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let context = BuildContext::alone("plant", folder.path(), Arc::new(SystemClock));
    let source = subscriber(&config, &context).unwrap();
    let mut devices = Opcua::simulate(&[(config, folder.path().to_owned())], &[]).unwrap();
    let mut device = devices.pop().unwrap();
    device.bind().await.unwrap();
    (source, device, folder, url)
}

/// What is heard next. It counts as delivered, so that it is not sent again.
async fn next(source: &mut Subscriber) -> Batch {
    let delivery = source.read().await.unwrap();
    delivery.ack.resolve(Outcome::Delivered);
    delivery.batch
}

/// The newest record of each tag, once there are so many tags and all of them are good.
async fn heard(source: &mut Subscriber, tags: usize) -> BTreeMap<String, Record> {
    let mut records = BTreeMap::new();
    let end = Instant::now() + Duration::from_secs(60);
    source.connect().await.unwrap();
    while records.len() < tags || records.values().any(|record: &Record| record.quality != Quality::GOOD) {
        let read = timeout_at(end, next(source)).await.unwrap_or_else(|_| panic!("{records:?}"));
        for record in read.records() {
            records.insert(record.tag.name().to_owned(), record.clone());
        }
    }
    records
}

#[tokio::test]
async fn a_node_without_any_option_hears_all_its_tags_securely_and_nobody_has_to_trust_anything() {
    let tags = json!({
        "line.speed": { "node": "nsu=urn:plant;s=Line.Speed", "deadband": 0.1 },
        "line.state": { "node": "nsu=urn:plant;i=7", "names": true },
        "line.pieces.count": { "node": "ns=2;s=Line.Pieces" },
        "line.running": { "node": "ns=5;b=AQI=" },
        "line.order": { "node": "/Objects/2:Line/3:Order" },
        "line.temperatures": { "node": "/Objects/2:Line/2:Temperatures", "elements": true },
        "line.third": { "node": "/Objects/2:Line/2:Temperatures", "index": "5" },
        "line.read": { "node": "ns=1;s=Read", "every": "100ms" },
        "server.time": { "node": "i=2258" },
        "server.state": { "node": "/Objects/Server/ServerStatus/State" },
    });
    let (mut source, mut device, folder, _) = plant(json!({ "tags": tags })).await;
    let (records, later) = beside!(device, async {
        let records = heard(&mut source, 15).await;
        let speed = |batch: &Batch| batch.records().iter().find(|record| record.tag.name() == "line.speed").cloned();
        let mut later = None;
        while later.is_none() {
            later = speed(&next(&mut source).await);
        }
        (records, later)
    });
    assert!(later.is_some_and(|later| records["line.speed"].time < later.time), "its time goes on");
    for (tag, record) in &records {
        match (tag.as_str(), &record.value) {
            ("line.speed" | "line.third" | "line.read", Value::F64(value)) => assert!((40.0..=80.0).contains(value)),
            ("line.state", Value::Text(state)) => assert!(cell::STATES.contains(&&**state), "{state}"),
            ("line.pieces.count" | "server.state", Value::I64(_)) | ("line.running", Value::Bool(_)) => {}
            ("line.order", Value::Text(text)) => assert!(text.ends_with(" SIMULATED"), "{text}"),
            ("server.time", Value::Text(time)) => assert!(time.starts_with("20"), "{time}"),
            (array, Value::F64(_)) if array.starts_with("line.temperatures[") => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!folder.path().join("pki").exists(), "the pipeline's own certificates are for real servers");
}

#[tokio::test]
async fn what_is_written_stays_while_all_else_moves() {
    let options = json!({
        "security": { "policy": "None", "allow_insecure": true },
        "tags": { "set.point": { "node": "ns=2;s=Set" }, "speed": { "node": "ns=2;s=Speed" } },
    });
    let (mut source, mut device, _folder, url) = plant(options).await;
    let told = beside!(device, async {
        heard(&mut source, 2).await;
        let mut client = ClientBuilder::new().application_name("w").application_uri("urn:w").client().unwrap();
        let endpoint: EndpointDescription =
            (url.as_str(), "None", MessageSecurityMode::None, UserTokenPolicy::anonymous()).into();
        let (session, events) = client.connect_to_matching_endpoint(endpoint, IdentityToken::Anonymous).await.unwrap();
        let events = events.spawn();
        session.wait_for_connection().await;
        let value = WriteValue {
            node_id: NodeId::new(2, "Set"),
            attribute_id: AttributeId::Value as u32,
            value: Variant::Double(4711.0).into(),
            ..WriteValue::default()
        };
        assert!(session.write(&[value]).await.unwrap()[0].is_good());
        let (mut moved, mut told) = (0, Vec::new());
        while moved < 8 || !told.contains(&4711.0) {
            for record in next(&mut source).await.records() {
                if record.tag.name() == "set.point" {
                    told.push(record.value.as_f64().unwrap());
                } else if told.contains(&4711.0) {
                    moved += 1;
                }
            }
        }
        session.disconnect().await.unwrap();
        events.abort();
        told
    });
    let written = told.iter().position(|value| *value == 4711.0).unwrap();
    assert!(told[written..].iter().all(|value| *value == 4711.0), "{told:?}");
}

#[tokio::test]
async fn a_user_logs_in_as_at_the_real_server() {
    let options = json!({
        "user": { "name": "op", "password": "secret" }, "tags": { "speed": { "node": "ns=2;s=Speed" } },
    });
    let (mut source, mut device, _folder, _) = plant(options).await;
    let records = beside!(device, heard(&mut source, 1));
    assert_eq!(records["speed"].quality, Quality::GOOD);
}

#[test]
fn one_server_is_simulated_for_each_address_and_none_with_a_namespace_that_nobody_has() {
    let config = |url: &str, node: &str| -> (Config, PathBuf) {
        let options = json!({ "url": url, "tags": { "t": { "node": node } } });
        (serde_json::from_value(options).unwrap(), ".".into())
    };
    let [a, b] = ["opc.tcp://127.0.0.1:4840/a", "opc.tcp://127.0.0.1:4841"];
    let devices = Opcua::simulate(&[config(a, "ns=2;s=A"), config(b, "i=1"), config(a, "ns=2;s=B")], &[]).unwrap();
    let addresses: Vec<String> = devices.iter().map(|device| device.address()).collect();
    assert_eq!(addresses, ["opc.tcp://127.0.0.1:4840", "opc.tcp://127.0.0.1:4841"]);
    let Err(error) = Opcua::simulate(&[config(a, "ns=60000;s=A")], &[]) else { panic!("60000 namespaces") };
    assert!(error.to_string().contains("namespace 60000 cannot be simulated"), "{error}");
}
