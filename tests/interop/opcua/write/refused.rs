//! What must not be written, and what the server does not take.

use serde_json::{Value, json};

use super::super::plant;
use super::super::server::Server;
use super::{INSECURE, Writing, at, node};
use crate::peers::port_that_no_client_gets;
use crate::turn::beside_others;

#[tokio::test]
async fn what_must_not_be_written_is_refused_in_words_and_the_rest_is_written() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&[]).await else { return };
    let w = |name: &str, more: &str| format!("{}{more}", plant(&format!("w.{name}")));
    let nothing = "nothing was sent: ";
    let refused = [
        ("read.only", plant("Int32"), json!(1), "the server lets nobody write it: it can be read only (AccessLevel 1)"),
        ("denied", w("Denied", ""), json!(1), "this user may not write it; check `user` and its rights there"),
        ("order", w("Order", ""), json!("{}"), "it holds a structure, and those are not written"),
        (
            "empty",
            w("Empty", ""),
            json!(1),
            "the server does not say of what type it is, or of one that is not written",
        ),
        ("as", w("Int16", ", as: Double"), json!(1), "it is of type Int16, not Double as `as` says"),
        (
            "nowhere",
            plant("Nothing"),
            json!(1),
            "its type cannot be read: the server has no such node (BadNodeIdUnknown)",
        ),
        ("folder", plant("Line"), json!(1), "it is no variable: BadAttributeIdInvalid"),
        ("elsewhere", "node: \"nsu=urn:gone;i=1\"".to_owned(), json!(1), "the server has no namespace `urn:gone`"),
        ("scalar", w("Int16", ", index: \"1\""), json!(1), "it is one value and no array"),
        ("ranged", w("Double", ", range: [5, 80]"), json!(80.5), "80.5 is outside of 5 to 80"),
        ("small", w("Byte", ""), json!(256), "256 does not fit Byte, which goes from 0 to 255"),
        ("exact", w("Int32", ""), json!(1.5), "1.5 is not a whole number"),
        ("state", w("State", ""), json!(3), "3 is none of the numbers of its type"),
        ("named", w("State", ""), json!("Nobody"), "`Nobody` is none of the names of its type"),
        ("list", w("Array", ""), json!(1), "1 is one value, but the node holds an array"),
    ];
    for part in refused.chunks(4) {
        let mut tags: Vec<(&str, String)> = part.iter().map(|(tag, options, ..)| (*tag, options.clone())).collect();
        tags.push(("good", w("String", "")));
        // All in one batch, so that each reason is told.
        let mut commands: Vec<Value> = part.iter().map(|(tag, _, value, _)| at(0, tag, value.clone())).collect();
        commands.push(at(0, "good", json!("done")));
        let ended = Writing::begin(&node(&server.url, INSECURE, &tags), &commands, "").end().await;
        for (place, (tag, _, _, why)) in part.iter().enumerate() {
            let said =
                ended.said.contains(&format!("{tag}: {why}")) || ended.said.contains(&format!("{tag}: {nothing}{why}"));
            assert!(said, "{place} {tag}: {why}\n{}", ended.said);
        }
        assert_eq!(ended.noted, ["good String done written"], "{}", ended.said);
    }
}

#[tokio::test]
async fn the_gates_of_all_commands_hold_here_too() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&[]).await else { return };
    let spared = format!("{}, min_interval: 1h", plant("w.UInt32"));
    let tags = [("bad", plant("w.UInt16")), ("spared", spared), ("state", plant("w.State"))];
    let mut bad = at(0, "bad", json!(1));
    bad["quality"] = json!("bad:timeout");
    let mut unsure = at(0, "bad", json!(2));
    unsure["quality"] = json!("uncertain");
    let once = [at(0, "spared", json!(1)), at(0, "spared", json!(2))];
    let commands =
        [bad, unsure, at(0, "unlisted", json!(1)), once[0].clone(), once[1].clone(), at(0, "state", json!("Broken"))];
    let ended = Writing::begin(&node(&server.url, INSECURE, &tags), &commands, "").end().await;
    for why in [
        "bad: its quality is bad:timeout",
        "bad: its quality is uncertain",
        "unlisted: not listed",
        "spared: it was written ",
    ] {
        assert!(ended.said.contains(why), "{why}:\n{}", ended.said);
    }
    assert_eq!(ended.noted, ["spared UInt32 1 written", "state Int32 2 written"], "{}", ended.said);
}

#[tokio::test]
async fn what_the_server_refuses_is_told_with_its_reason() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::node(port_that_no_client_gets(), folder.path(), &[]).await else { return };
    let tags = [("percent", plant("percent")), ("read.only", plant("w.Read")), ("byte", plant("w.Byte"))];
    let commands = [
        at(0, "percent", json!(300)),
        at(0, "byte", json!(5)),
        at(0, "read.only", json!(5)),
        at(1, "percent", json!(150)),
    ];
    let ended = Writing::begin(&node(&server.url, INSECURE, &tags), &commands, "").end().await;
    assert_eq!(
        ended.noted,
        ["percent Double 300 refused", "byte Byte 5 written", "percent Double 150 written"],
        "{}",
        ended.said
    );
    assert!(
        ended.said.contains("percent: the server does not take this value (BadOutOfRange); give `range`"),
        "{}",
        ended.said
    );
    ended.must_refuse("read.only", "nothing was sent: the server lets nobody write it");
}

#[tokio::test]
async fn a_server_that_says_yes_and_does_not_do_it_is_found_out_by_reading_back() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&[]).await else { return };
    let (deaf, unread) = (plant("w.Deaf"), format!("{}, verify: false", plant("w.Deaf")));
    let tags = [("deaf", deaf), ("unread", unread), ("good", plant("w.Int32"))];
    let commands = [at(0, "deaf", json!(9)), at(0, "unread", json!(9)), at(0, "good", json!(9))];
    let options = format!("{INSECURE}    verify: true\n");
    let ended = Writing::begin(&node(&server.url, &options, &tags), &commands, "").end().await;
    assert_eq!(
        ended.noted,
        ["deaf Int16 9 mismatch", "unread Int16 9 written", "good Int32 9 verified"],
        "{}",
        ended.said
    );
    assert!(ended.said.contains("deaf: it was written, but 5 was read back"), "{}", ended.said);
}
