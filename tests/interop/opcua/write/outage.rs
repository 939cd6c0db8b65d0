//! Servers that are killed, that stand still, and that are away at the start.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::super::plant;
use super::super::server::Server;
use super::{INSECURE, Writing, at, held, node, until};
use crate::peers::port_that_no_client_gets;
use crate::turn::beside_others;

/// How often a node was to be written, by the server's own notes.
fn asked_for(writes: &Path, node: &str) -> usize {
    let text = fs::read_to_string(writes).unwrap_or_default();
    text.lines().filter(|line| line.split(' ').nth(1) == Some(node)).count()
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_leaves_an_outcome_that_is_told_and_nothing_is_sent_twice() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let writes = folder.path().join("writes");
    let options = ["--writes", writes.to_str().unwrap(), "--namespaces", "urn:plant"];
    let port = port_that_no_client_gets();
    let Some(mut server) = Server::at(port, &options).await else { return };
    let tags = [("a", plant("w.Int16")), ("b", plant("w.Int32")), ("c", plant("w.Int64"))];
    let node = node(&server.url, &format!("{INSECURE}    expire: 20s\n    timeout: 2s\n"), &tags);
    server.tell(&json!({ "hold": "writes" })).await;
    // `a` is under way when the server is killed; `b` comes while it is away, and `c` when it is back.
    let commands = [at(0, "a", json!(1)), at(1000, "b", json!(2)), at(12_000, "c", json!(3))];
    let writing = Writing::begin(&node, &commands, "");
    until("the write is under way", || asked_for(&writes, "w.Int16") == 1).await;
    server.kill().await;
    sleep(Duration::from_secs(2)).await;
    // The namespace is another one now.
    let other = ["--writes", writes.to_str().unwrap(), "--namespaces", "urn:first,urn:second,urn:plant"];
    let server = Server::at(port, &other).await.unwrap();
    let ended = writing.end().await;
    assert_eq!(ended.noted, ["a Int16 1 unknown", "b Int32 2 written", "c Int64 3 written"], "{}", ended.said);
    assert!(ended.said.contains("a: outcome unknown: it was sent, and then"), "{}", ended.said);
    assert_eq!(held(&server, &["Int16", "Int32", "Int64"]).await, [json!(-32768), json!(2), json!(3)]);
    for node in ["w.Int16", "w.Int32", "w.Int64"] {
        assert_eq!(asked_for(&writes, node), 1, "{node}");
    }
    let text = fs::read_to_string(&writes).unwrap();
    assert!(
        text.contains("2 w.Int16 1 None\n") && text.contains("4 w.Int32 2 None\n"),
        "by the namespace of the day: {text}"
    );
}

#[tokio::test]
async fn a_server_that_stands_still_leaves_an_outcome_that_is_told_and_later_commands_expire() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&[]).await else { return };
    let tags = [("a", plant("w.Int16")), ("b", plant("w.Int32")), ("c", plant("w.Int64"))];
    let node = node(&server.url, &format!("{INSECURE}    expire: 3s\n    timeout: 1s\n"), &tags);
    let commands = [at(0, "a", json!(1)), at(4000, "b", json!(2)), at(5000, "c", json!(3))];
    let writing = Writing::begin(&node, &commands, "");
    until("the first is written", || {
        let book = rusqlite::Connection::open(writing.folder.path().join("data/interop/state.db"));
        book.and_then(|book| book.query_row("SELECT count(*) FROM writes", (), |row| row.get(0))).unwrap_or(0) == 1
    })
    .await;
    server.signal("STOP").await;
    let ended = writing.end().await;
    server.signal("CONT").await;
    assert_eq!(ended.noted, ["a Int16 1 written", "b Int32 2 unknown"], "{}", ended.said);
    assert!(
        ended.said.contains("b: outcome unknown: it was sent, and then: no answer in time (BadTimeout)"),
        "{}",
        ended.said
    );
    assert!(ended.said.contains("\"tag\":\"c\"") && !ended.book.contains("c "), "it has expired: {}", ended.said);
}

#[tokio::test]
async fn a_command_of_before_the_start_is_not_sent_after_it() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let writes = folder.path().join("writes");
    let port = port_that_no_client_gets();
    let tags = [("a", plant("w.Int16")), ("b", plant("w.Int32"))];
    let node = node(&format!("opc.tcp://127.0.0.1:{port}"), &format!("{INSECURE}    expire: 10m\n"), &tags);
    let mut writing = Writing::begin(&node, &[at(0, "a", json!(1))], "durable: true");
    until("the command is on the disk", || writing.said().contains("127.0.0.1")).await;
    sleep(Duration::from_secs(2)).await;
    writing.child.kill().await.unwrap();
    let Some(_server) = Server::at(port, &["--writes", writes.to_str().unwrap()]).await else { return };
    writing.child = Writing::run(writing.folder.path(), &[at(0, "b", json!(2))]);
    let ended = writing.end().await;
    ended.must_refuse("a", "it was received before this run began, and may have been written then");
    assert_eq!(ended.noted, ["b Int32 2 written"], "{}", ended.said);
    assert_eq!((asked_for(&writes, "w.Int16"), asked_for(&writes, "w.Int32")), (0, 1));
}
