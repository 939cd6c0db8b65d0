//! The server that `fieldflow simulate` serves, read, subscribed to and written by asyncua's client.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::peers::{port_that_no_client_gets, python};
use crate::turn::beside_others;

#[tokio::test]
async fn a_client_of_another_house_browses_reads_hears_and_writes_the_simulation() {
    let _turn = beside_others().await;
    let Some(mut client) = python("asyncua_client.py", "asyncua") else { return };
    let url = format!("opc.tcp://127.0.0.1:{}", port_that_no_client_gets());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.yaml");
    let tags = "speed: { node: \"nsu=urn:plant;s=Speed\" }, running: { node: \"nsu=urn:plant;s=Running\" }, \
                name: { node: \"nsu=urn:plant;s=Name\" }, count: { node: \"nsu=urn:plant;s=Count\" }, \
                wave: { node: \"nsu=urn:plant;s=Set\" }";
    let nodes = format!("  ua: {{ type: opcua, url: \"{url}\", tags: {{ {tags} }} }}\n  out: {{ type: console }}\n");
    fs::write(&file, format!("version: 1\nname: site\nnodes:\n{nodes}edges: [ua -> out]\n")).unwrap();
    let mut simulator = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
    simulator.arg("simulate").arg(&file).stdin(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut simulator = simulator.spawn().unwrap();
    let mut said = BufReader::new(simulator.stderr.take().unwrap()).lines();
    let serving = timeout(Duration::from_secs(60), said.next_line()).await.expect("it serves").unwrap();
    assert!(serving.as_ref().is_some_and(|line| line.contains(&format!("serving {url}"))), "{serving:?}");

    client.arg(&url).args(["urn:plant", "Speed", "Running", "Name", "Count", "Set"]).stderr(Stdio::piped());
    let looked = timeout(Duration::from_secs(60), client.output()).await.expect("it ends").unwrap();
    let errors = String::from_utf8_lossy(&looked.stderr);
    assert!(looked.status.success(), "{errors}");
    let told: Json = serde_json::from_slice(&looked.stdout).unwrap();
    let browsed = told["browsed"].as_array().unwrap();
    for name in ["Server", "Speed", "Set"] {
        assert!(browsed.iter().any(|known| known == name), "{told:#}");
    }
    let types = [("Speed", "Double"), ("Running", "Boolean"), ("Name", "String"), ("Count", "Int32")];
    for (name, kind) in types {
        assert_eq!(told["types"][name], kind, "{told:#}");
    }
    assert_ne!(told["first"]["Speed"], told["second"]["Speed"], "it moves: {told:#}");
    assert_eq!(told["written"], 4711.0, "{told:#}");
    assert!(5 <= told["heard"].as_i64().unwrap(), "{told:#}");
}
