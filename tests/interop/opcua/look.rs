//! `validate --connect` against asyncua: what can be read, what cannot, and nothing written meanwhile.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use super::server::Server;
use super::{node, plant};
use crate::peers::port_that_no_client_gets;
use crate::turn::beside_others;

/// Says whether all is well, and what it says.
async fn looked(folder: &Path, url: &str, options: &str, tags: &[(&str, &str)]) -> (bool, String) {
    behind(folder, &node(url, options, tags), "type: dedupe").await
}

/// The same, with a transform of these options behind the source.
async fn behind(folder: &Path, node: &str, transform: &str) -> (bool, String) {
    let file = format!(
        "version: 1\nname: look\nnodes:\n  ua:\n{node}  between: {{ {transform} }}\n  out: {{ type: console }}\nedges: [ua -> between -> out]\n"
    );
    fs::write(folder.join("look.yaml"), file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fieldflow"));
    command.args(["validate", "--connect", "look.yaml", "--data-dir", "data"]).current_dir(folder).kill_on_drop(true);
    let ended = command.output().await.unwrap();
    assert!(!folder.join("data").exists(), "nothing was written");
    (ended.status.success(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

#[tokio::test]
async fn each_item_is_read_once_and_those_that_are_not_there_are_pointed_at() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&["--items", "60"]).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let insecure = "    security: { policy: None, allow_insecure: true }\n";
    let names: Vec<String> = (0..60).map(|n| format!("item{n}")).collect();
    let items: Vec<String> = names.iter().map(|name| plant(name)).collect();
    let mut tags: Vec<(&str, &str)> =
        names.iter().zip(&items).map(|(name, item)| (name.as_str(), item.as_str())).collect();
    let (is_well, said) = looked(folder.path(), &server.url, insecure, &tags).await;
    assert!(is_well && said.contains("`ua`: 60 of 60 items read"), "{said}");
    let missing = [plant("nowhere"), "node: \"nsu=urn:other;s=x\"".to_owned()];
    tags.extend([("nowhere", missing[0].as_str()), ("elsewhere", missing[1].as_str())]);
    let (is_well, said) = looked(folder.path(), &server.url, insecure, &tags).await;
    assert!(!is_well && said.contains("60 of 62 items read"), "{said}");
    for tag in ["nowhere", "elsewhere"] {
        let found = format!("`{tag}` cannot be read: the server has no such node (BadNodeIdUnknown)");
        assert!(said.contains(&found), "{said}");
    }
    assert_eq!(said.matches("error[E0601]").count(), 2, "{said}");
}

#[tokio::test]
async fn a_server_that_is_away_or_is_asked_for_what_it_does_not_offer_is_told_at_the_option() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&[]).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let counter = plant("counter");
    let tags = [("counter", counter.as_str())];
    let (is_well, said) = looked(folder.path(), &server.url, "    security: { policy: Basic256Sha256 }\n", &tags).await;
    assert!(!is_well && said.contains("does not offer Basic256Sha256 SignAndEncrypt"), "{said}");
    assert!(said.contains("security: { policy: Basic256Sha256 }") && said.contains("^^^"), "{said}");
    let away = format!("opc.tcp://127.0.0.1:{}", port_that_no_client_gets());
    let (is_well, said) = looked(folder.path(), &away, "    security: { policy: Basic256Sha256 }\n", &tags).await;
    assert!(!is_well && said.contains("url: opc.tcp://") && said.contains("error[E0601]"), "{said}");
}

#[tokio::test]
async fn the_type_that_the_server_gives_is_compared_with_what_is_done_with_it() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&[]).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let insecure = "    security: { policy: None, allow_insecure: true }\n";
    let (text, number) = (format!("{}, deadband: 1", plant("String")), plant("Double"));
    let node = node(&server.url, insecure, &[("text", &text), ("number", &number)]);
    let scale =
        "type: scale, rules: [{ tags: number, linear: { factor: 2 } }, { tags: \"te*\", linear: { factor: 2 } }]";
    let (is_well, said) = behind(folder.path(), &node, scale).await;
    assert!(
        !is_well && said.contains("error[E0602]: `text` was read as a text, and `between` works on numbers"),
        "{said}"
    );
    assert_eq!(said.matches("E0602").count(), 1, "{said}");
    assert!(said.contains("warning[W0601]: `text` was read as a text, which moves by no width"), "{said}");
}
