//! `fieldflow browse` against asyncua and node-opcua: what they hold, as a table, as JSON, and as a node that runs.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use super::secure::Made;
use super::server::Server;
use crate::peers::port_that_no_client_gets;
use crate::pipeline::Pipeline;
use crate::turn::{alone, beside_others};

const INSECURE: [&str; 3] = ["--policy", "None", "--allow-insecure"];

fn fieldflow(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
    command.args(args).current_dir(folder).env_remove("OPC_PASSWORD").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// How it ended, what it printed, and what it said.
async fn ended(command: &mut Command) -> (i32, String, String) {
    let output = timeout(Duration::from_secs(120), command.output()).await.expect("it ends").unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

async fn browse(folder: &Path, url: &str, more: &[&str]) -> (i32, String, String) {
    ended(&mut fieldflow(folder, &[&["browse", url][..], &INSECURE, more].concat())).await
}

/// The variables by their paths.
async fn variables(folder: &Path, url: &str, more: &[&str]) -> BTreeMap<String, Value> {
    let (code, json, said) = browse(folder, url, &[&["--format", "json"], more].concat()).await;
    assert_eq!(code, 0, "{said}");
    let list: Vec<Value> = serde_json::from_str(&json).unwrap();
    let count = list.len();
    let all: BTreeMap<String, Value> =
        list.into_iter().map(|variable| (variable["node"].as_str().unwrap().to_owned(), variable)).collect();
    assert_eq!(all.len(), count, "nothing is there twice");
    all
}

/// Puts the node into a file, sees that it validates, and runs it until each of its tags has come; how many they are.
async fn runs(folder: &Path, yaml: &str) -> usize {
    let file = format!("version: 1\nname: found\nnodes:\n  out: {{ type: console }}\n{yaml}edges: [opcua -> out]\n");
    std::fs::write(folder.join("found.yaml"), file).unwrap();
    let (code, _, said) = ended(&mut fieldflow(folder, &["validate", "found.yaml"])).await;
    assert_eq!(code, 0, "{said}\n{yaml}");
    let tags: Vec<String> = yaml
        .lines()
        .filter_map(|line| line.split_once(": { node: "))
        .map(|(tag, _)| serde_json::from_str(tag.trim()).unwrap_or_else(|_| tag.trim().to_owned()))
        .collect();
    let mut pipeline = Pipeline::start(&[("opcua", yaml.split_once('\n').unwrap().1.to_owned())].into());
    let end = Instant::now() + Duration::from_secs(30);
    let mut missing = tags.clone();
    while !missing.is_empty() {
        let record = pipeline.until(end).await.unwrap_or_else(|| panic!("{missing:?}:\n{}", pipeline.said()));
        missing.retain(|tag| record.tag != *tag && !record.tag.starts_with(&format!("{tag}.")));
    }
    pipeline.stop().await;
    tags.len()
}

/// The variables of the server on node-opcua: six that are read, 21 that may be written.
const OF_NODE: usize = 27;

#[tokio::test]
async fn what_asyncua_holds_is_shown_with_its_type_unit_range_and_states() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&["--namespaces", "urn:other,urn:plant"]).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let all = variables(folder.path(), &server.url, &[]).await;
    let of = |node: &str| &all[&format!("nsu=urn:plant;s={node}")];
    let level = of("Tank.Level");
    for (column, expected) in [
        ("path", "Tank 1/Level".into()),
        ("type", "Double".into()),
        ("access", "r".into()),
        ("unit", "°C".into()),
        ("range", "-50..150.5".into()),
        ("value", Value::from(1.5)),
        ("status", Value::Null),
    ] {
        assert_eq!(level[column], expected, "{column}: {level}");
    }
    assert_eq!(of("Tank.Mode")["states"], "0 Hand, 1 Auto");
    assert_eq!(of("State")["states"], "0 Stopped, 1 Running, 2 Broken");
    assert_eq!((&of("State")["type"], &of("State")["value"]), (&"State".into(), &1.into()));
    assert_eq!((&of("Array")["type"], &of("Order")["type"]), (&"Int32[]".into(), &"Order".into()));
    assert_eq!(of("String")["value"], "Grüße; a=b \"c\"");
    assert!(!all.contains_key("nsu=urn:plant;s=Tank.EURange"), "a property is a part of what has it");
    assert!(!all.keys().any(|node| node == "i=2258"), "the server's own state is asked for by its name");
    let of_server = variables(folder.path(), &server.url, &["--from", "i=2253", "--match", "ServerStatus/Cur*"]).await;
    assert_eq!(of_server.keys().collect::<Vec<_>>(), ["i=2258"]);
    assert!(!folder.path().join("data").exists(), "without security nothing is written");
}

#[tokio::test]
async fn a_walk_goes_where_it_is_told_to_and_no_further() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&["--items", "120"]).await else { return };
    let folder = tempfile::tempdir().unwrap();
    for (more, count) in [
        (&["--match", "Line/Int*"][..], 3),
        (&["--match", "**/item1?", "--match", "Tank ?/Mode"], 11),
        (&["--match", "Line"], 0),
        (&["--from", "/Objects/2:Folder100"], 20),
        (&["--from", "nsu=urn:plant;s=Tank", "--match", "Level"], 2),
        (&["--from", "nsu=urn:plant;s=Tank", "--depth", "1", "--match", "M*"], 1),
        (&["--match", "Tank 1/Level/*", "--properties"], 2),
    ] {
        let (code, table, said) = browse(folder.path(), &server.url, more).await;
        let lines = table.lines().count().saturating_sub(1);
        assert_eq!((code, lines), (i32::from(count == 0), count), "{more:?}\n{table}{said}");
        assert!(count != 0 || said.contains("there is no variable there that matches"), "{said}");
    }
    for (more, why) in [(&["--most", "3"][..], "there are more than 3 variables"), (&["--depth", "1"], "lie too deep")]
    {
        let (_, _, said) = browse(folder.path(), &server.url, more).await;
        assert!(said.contains(why), "{more:?}: {said}");
    }
    for (more, why) in [
        (&["--from", "nsu=urn:gone;i=1"][..], "has no namespace `urn:gone`"),
        (&["--from", "nsu=urn:plant;s=gone"], "nsu=urn:plant;s=gone cannot be looked into: "),
        (&["--from", "/Objects/2:Gone"], "there is no node at the end of this path"),
    ] {
        let (code, table, said) = browse(folder.path(), &server.url, more).await;
        assert_eq!((code, table.as_str()), (1, ""), "{more:?}");
        assert!(said.contains(why), "{more:?}: {said}");
    }
}

#[tokio::test]
async fn the_node_that_is_printed_validates_and_hears_all_that_was_found() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(&[]).await else { return };
    let (code, yaml, said) = browse(folder.path(), &server.url, &["--yaml"]).await;
    assert_eq!(code, 0, "{said}");
    for line in [
        "      Tank_1.Level: { node: \"nsu=urn:plant;s=Tank.Level\" } # Double, °C, -50..150.5\n",
        "      Tank_1.Level_2: { node: \"nsu=urn:plant;s=Tank;s=\\\"x\\\"\" } # Double\n",
        "      Line.State: { node: \"nsu=urn:plant;s=State\" } # State, 0 Stopped, 1 Running, 2 Broken\n",
    ] {
        assert!(yaml.contains(line), "{line}{yaml}");
    }
    assert!(25 < runs(folder.path(), &yaml).await);
    drop(server);
    let pki = tempfile::tempdir().unwrap();
    let server = Server::node(port_that_no_client_gets(), pki.path(), &["--every", "200"]).await;
    let Some(server) = server else { return };
    let (code, yaml, said) = browse(folder.path(), &server.url, &["--yaml"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(runs(folder.path(), &yaml).await, OF_NODE);
}

#[tokio::test]
async fn node_opcua_is_walked_through_with_its_continuation_points_once_both_trust_each_other() {
    let _turn = beside_others().await;
    let (folder, pki) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::node(port_that_no_client_gets(), pki.path(), &["--items", "2500"]).await;
    let Some(server) = server else { return };
    let args = ["browse", &server.url, "--any-host", "--format", "json"];
    let (code, json, said) = ended(&mut fieldflow(folder.path(), &args)).await;
    assert_eq!((code, json.as_str()), (1, ""));
    let advice = said.split('`').find(|words| words.starts_with("fieldflow pki trust data/browse/pki ")).expect(&said);
    let advice: Vec<&str> = advice.split(' ').skip(1).collect();
    let (code, _, trusted) = ended(&mut fieldflow(folder.path(), &advice)).await;
    assert_eq!(code, 0, "{trusted}");
    let (code, json, said) = ended(&mut fieldflow(folder.path(), &args)).await;
    assert_eq!(code, 0, "{said}");
    let list: Vec<Value> = serde_json::from_str(&json).unwrap();
    assert_eq!(list.len(), 2500 + OF_NODE);
    let heat = list.iter().find(|variable| variable["path"] == "Line/heat").unwrap();
    assert_eq!((&heat["unit"], &heat["range"]), (&"°C".into(), &"-50..150.5".into()));
    let mode = list.iter().find(|variable| variable["path"] == "Line/mode").unwrap();
    assert_eq!(mode["states"], "0 Hand, 1 Auto");
    let (_, yaml, _) = ended(&mut fieldflow(folder.path(), &["browse", &server.url, "--any-host", "--yaml"])).await;
    assert!(yaml.contains("    security: { any_host: true }\n"), "{}", yaml.get(..300).unwrap_or_default());
    // The node of a file knows all of that already; the pipeline has certificates of its own.
    let file = format!("version: 1\nname: browse\nnodes:\n  out: {{ type: console }}\n{yaml}edges: [opcua -> out]\n");
    std::fs::write(folder.path().join("plant.yaml"), file).unwrap();
    let of_node = ["browse", "--node", "plant.yaml:opcua", "--match", "Line/heat"];
    let (code, table, said) = ended(&mut fieldflow(folder.path(), &of_node)).await;
    assert_eq!(code, 0, "{said}");
    assert!(table.contains("nsu=urn:plant;s=heat"), "{table}");
}

#[tokio::test]
async fn a_user_has_his_password_in_the_environment_or_in_a_file_and_it_is_shown_nowhere() {
    let _turn = beside_others().await;
    let Some(made) = Made::with(&[]).await else { return };
    let server = made.serve(port_that_no_client_gets(), &["--user", "op:right"]).await;
    let folder = tempfile::tempdir().unwrap();
    let args = ["browse", &server.url, "--user", "op", "--yaml", "--match", "Tank 1/*"];
    let (code, _, said) = ended(&mut fieldflow(folder.path(), &args)).await;
    assert_eq!(code, 2);
    assert!(said.contains("OPC_PASSWORD is not set"), "{said}");
    let with = |password: &str| {
        let mut command = fieldflow(folder.path(), &args);
        command.env("OPC_PASSWORD", password);
        command
    };
    let (_, _, said) = ended(&mut with("right")).await;
    let advice = said.split('`').find(|words| words.starts_with("fieldflow pki trust")).expect(&said);
    ended(&mut fieldflow(folder.path(), &advice.split(' ').skip(1).collect::<Vec<_>>())).await;
    let (code, _, said) = ended(&mut with("wrong")).await;
    assert!(code == 1 && said.contains("the server does not") && !said.contains("wrong"), "{said}");
    let (code, yaml, said) = ended(&mut with("right")).await;
    assert_eq!(code, 0, "{said}");
    assert!(yaml.contains("    user: { name: op, password: \"${env:OPC_PASSWORD}\" }\n"), "{yaml}");
    std::fs::write(folder.path().join("secret"), "right\n").unwrap();
    let (code, yaml, said) =
        ended(&mut fieldflow(folder.path(), &[&args[..], &["--password-file", "secret"]].concat())).await;
    assert_eq!(code, 0, "{said}");
    assert!(yaml.contains("password: \"${file:secret}\""), "{yaml}");
}

#[tokio::test]
async fn a_tree_without_end_and_an_answer_without_end_are_given_up() {
    let _turn = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::start(&["--endless"]).await else { return };
    let (code, _, said) = browse(folder.path(), &server.url, &["--timeout", "60s"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("the server has more to look at than"), "{said}");
    drop(server);
    let pki = tempfile::tempdir().unwrap();
    let server = Server::node(port_that_no_client_gets(), pki.path(), &["--items", "1500", "--endless"]).await;
    let Some(server) = server else { return };
    let (code, table, said) = browse(folder.path(), &server.url, &["--match", "Line/**"]).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the server has more to look at than"), "{said}");
    assert!(table.contains("Line/Many/item7 "), "what was found is shown");
}

#[tokio::test]
async fn it_ends_in_peace_when_it_is_asked_to() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&[]).await else { return };
    server.signal("STOP").await;
    let folder = tempfile::tempdir().unwrap();
    let args = [&["browse", &server.url, "--timeout", "60s"][..], &INSECURE].concat();
    let child = fieldflow(folder.path(), &args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let id = child.id().unwrap().to_string();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(Command::new("sh").args(["-c", "kill -INT $0", &id]).status().await.unwrap().success());
    let output = timeout(Duration::from_secs(5), child.wait_with_output()).await.expect("it ends").unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: stopped: nothing was printed\n");
}
