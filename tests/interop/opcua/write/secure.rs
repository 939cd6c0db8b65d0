//! Over a secure connection; and what is looked at before a run.

use std::fs;

use serde_json::json;
use tokio::process::Command;

use super::super::plant;
use super::super::secure::{Made, trust_in};
use super::super::server::Server;
use super::{INSECURE, Writing, at, node, until};
use crate::peers::port_that_no_client_gets;
use crate::turn::beside_others;

/// Writes over a connection that is signed and encrypted, once the server is trusted.
async fn must_be_written_securely(url: &str, options: &str) {
    let options = format!("    security: {{ any_host: true }}\n    verify: true\n    expire: 60s\n{options}");
    let node = node(url, &options, &[("a", plant("w.Float"))]);
    let writing = Writing::begin(&node, &[at(0, "a", json!(21.5))], "");
    until("the server is refused", || writing.said().contains("is not trusted")).await;
    trust_in(writing.folder.path(), &writing.said()).await;
    let ended = writing.end().await;
    assert_eq!(ended.noted, ["a Float 21.5 verified"], "{}", ended.said);
    assert!(!ended.said.contains("secret"), "{}", ended.said);
}

#[tokio::test]
async fn a_value_is_written_over_a_secure_connection_to_asyncua_by_a_user() {
    let _turn = beside_others().await;
    let Some(made) = Made::with(&[]).await else { return };
    let server = made.serve(port_that_no_client_gets(), &["--user", "op:secret"]).await;
    must_be_written_securely(&server.url, "    user: { name: op, password: secret }\n").await;
}

#[tokio::test]
async fn a_value_is_written_over_a_secure_connection_to_node_opcua() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::node(port_that_no_client_gets(), folder.path(), &[]).await else { return };
    must_be_written_securely(&server.url, "").await;
}

#[tokio::test]
async fn a_look_says_what_can_be_written_and_writes_nothing() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let writes = folder.path().join("writes");
    let Some(server) = Server::start(&["--writes", writes.to_str().unwrap()]).await else { return };
    let looked = async |tags: &[(&str, String)]| {
        let node = node(&server.url, INSECURE, tags);
        let nodes =
            format!("  commands: {{ type: generate, rate: 1, tags: {{ a: {{ counter: {{}} }} }} }}\n  plc:\n{node}");
        let file = format!("version: 1\nname: look\nnodes:\n{nodes}edges: [commands -> plc]\n");
        fs::write(folder.path().join("look.yaml"), file).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
        command.args(["validate", "--connect", "look.yaml", "--data-dir", "data"]).current_dir(folder.path());
        let ended = command.kill_on_drop(true).output().await.unwrap();
        (ended.status.success(), String::from_utf8_lossy(&ended.stderr).into_owned())
    };
    let mut tags = vec![("a", plant("w.Int16")), ("b", plant("w.Array"))];
    let (is_well, said) = looked(&tags).await;
    assert!(is_well && said.contains("`plc`: 2 of 2 tags can be written; nothing was written"), "{said}");
    tags.extend([("c", plant("Int16")), ("d", plant("w.Order")), ("e", plant("w.Gone"))]);
    tags.push(("f", format!("{}, range: [0, 300]", plant("w.Byte"))));
    let (is_well, said) = looked(&tags).await;
    assert!(!is_well && said.contains("3 of 6 tags can be written"), "{said}");
    assert_eq!(said.matches("error[E0601]").count(), 3, "{said}");
    assert!(said.contains("`c` cannot be written: the server lets nobody write it"), "{said}");
    assert!(said.contains("300 itself cannot be written as Byte: 300 does not fit Byte"), "{said}");
    assert!(!writes.exists() && !folder.path().join("data").exists(), "nothing was written");
}
