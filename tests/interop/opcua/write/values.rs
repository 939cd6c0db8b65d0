//! Values of all types, arrays and parts of arrays, written and read back.

use std::fs;

use serde_json::{Value, json};

use super::super::plant;
use super::super::server::Server;
use super::{Ended, INSECURE, Writing, at, held, node};
use crate::peers::port_that_no_client_gets;
use crate::turn::beside_others;

/// A value for each type, other than the server holds before, and what is noted of it.
fn values() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("Boolean", json!(false), "Boolean false"),
        ("SByte", json!(127), "SByte 127"),
        ("Byte", json!(7), "Byte 7"),
        ("Int16", json!(32767), "Int16 32767"),
        ("UInt16", json!(0), "UInt16 0"),
        ("Int32", json!(2_147_483_647), "Int32 2147483647"),
        ("UInt32", json!(1), "UInt32 1"),
        ("Int64", json!(i64::MAX), "Int64 9223372036854775807"),
        ("UInt64", json!(9_223_372_036_854_775_809_u64), "UInt64 9223372036854775809"),
        ("Float", json!(-0.1), "Float -0.1"),
        ("Double", json!(1.0e300), "Double 1e300"),
        ("String", json!("Änderung \u{1F600}"), "String Änderung \u{1F600}"),
        ("DateTime", json!("2031-12-30T23:59:59.000001Z"), "DateTime 2031-12-30T23:59:59.000001Z"),
        ("Guid", json!("00000000-ffff-4ae6-8d28-b404dc7daf63"), "Guid 00000000-ffff-4ae6-8d28-b404dc7daf63"),
        ("ByteString", json!({ "hex": "ff00" }), "ByteString ff00"),
        ("XmlElement", json!("<b>1</b>"), "XmlElement <b>1</b>"),
        ("NodeId", json!("ns=1;i=5"), "NodeId ns=1;i=5"),
        ("QualifiedName", json!("1:Name"), "QualifiedName 1:Name"),
        ("LocalizedText", json!("off"), "LocalizedText off"),
    ]
}

/// Writes a value of each type, in one go, and sees that it is there then.
async fn every_type_must_be_written_to(
    server: &Server,
    options: &str,
    more: Vec<(&'static str, Value, &'static str)>,
) -> Ended {
    let mut all = values();
    all.extend(more);
    let tags: Vec<(&str, String)> = all.iter().map(|(name, ..)| (*name, plant(&format!("w.{name}")))).collect();
    let commands: Vec<Value> = all.iter().map(|(name, value, _)| at(0, name, value.clone())).collect();
    let ended =
        Writing::begin(&node(&server.url, &format!("{INSECURE}    verify: true\n{options}"), &tags), &commands, "");
    let ended = ended.end().await;
    let expected: Vec<String> = all.iter().map(|(name, _, raw)| format!("{name} {raw} verified")).collect();
    assert_eq!(ended.noted, expected, "{}", ended.said);
    let names: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
    let expected: Vec<Value> = all.into_iter().map(|(_, value, _)| value).collect();
    assert_eq!(held(server, &names).await, expected);
    ended
}

#[tokio::test]
async fn every_type_is_written_to_asyncua_and_read_back() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let writes = folder.path().join("writes");
    let Some(server) = Server::start(&["--writes", writes.to_str().unwrap()]).await else { return };
    let more = vec![
        ("StatusCode", json!(0x8034_0000_u32), "StatusCode 2150891520"),
        ("Array", json!("[4,5,6,7]"), "Int32[4] [4,5,6,7]"),
        ("Texts", json!("[]"), "String[0] []"),
        ("Matrix", json!("[[5,6],[7,8]]"), "Int32[4] [[5,6],[7,8]]"),
        ("State", json!(2), "Int32 2"),
        ("Open", json!(-7), "Int16 -7"),
    ];
    every_type_must_be_written_to(&server, "", more).await;
    assert_eq!(fs::read_to_string(&writes).unwrap().lines().count(), 25, "each was asked for once");
}

#[tokio::test]
async fn every_type_is_written_to_node_opcua_by_as_many_at_once_as_it_takes() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let Some(server) = Server::node(port_that_no_client_gets(), folder.path(), &[]).await else { return };
    every_type_must_be_written_to(&server, "", vec![("Array", json!("[4,5,6]"), "Int32[3] [4,5,6]")]).await;
    // It takes 7. What it refuses because there are too many was not written, and is sent by fewer.
    every_type_must_be_written_to(&server, "    batch: 50\n", Vec::new()).await;
}

#[tokio::test]
async fn a_part_of_an_array_is_written_where_the_server_knows_parts_and_refused_where_it_would_replace_the_whole() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let part = |index: &str| format!("{}, index: \"{index}\", verify: true", plant("w.Array"));
    let tags = [("one", part("1")), ("two", part("1:2")), ("beyond", part("7"))];
    let commands =
        [at(0, "one", json!(8)), at(0, "two", json!("[9,10]")), at(0, "two", json!("[9]")), at(0, "beyond", json!(1))];
    if let Some(server) = Server::node(port_that_no_client_gets(), folder.path(), &[]).await {
        let ended = Writing::begin(&node(&server.url, INSECURE, &tags), &commands, "").end().await;
        assert_eq!(ended.noted, ["one Int32[1] [8] verified", "two Int32[2] [9,10] verified"], "{}", ended.said);
        assert!(ended.said.contains("two: it has 1 elements, but there are 2"), "{}", ended.said);
        ended.must_refuse("beyond", "nothing was sent: its part 7 cannot be read: the array has no such elements");
        assert_eq!(held(&server, &["Array"]).await, [json!("[1,9,10]")]);
    }
    if let Some(server) = Server::start(&[]).await {
        let ended = Writing::begin(&node(&server.url, INSECURE, &tags), &commands, "").end().await;
        ended.must_refuse("one", "nothing was sent: the server gives 3 elements when it is asked for 1: ");
        assert_eq!(held(&server, &["Array"]).await, [json!("[1,2,3]")]);
    }
}

#[tokio::test]
async fn the_time_of_a_record_is_written_only_where_that_is_wanted() {
    let _turn = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let writes = folder.path().join("writes");
    let Some(server) = Server::start(&["--writes", writes.to_str().unwrap()]).await else { return };
    for (options, times) in [("", 0), ("    source_time: true\n", 1)] {
        let tags = [("a", plant("w.Int16"))];
        let node = node(&server.url, &format!("{INSECURE}{options}"), &tags);
        let ended = Writing::begin(&node, &[at(0, "a", json!(times))], "").end().await;
        assert_eq!(ended.noted, [format!("a Int16 {times} written")], "{}", ended.said);
        let text = fs::read_to_string(&writes).unwrap();
        let with_a_time = text.lines().filter(|line| !line.ends_with(" None")).count();
        assert_eq!(with_a_time, times, "{text}");
    }
}
