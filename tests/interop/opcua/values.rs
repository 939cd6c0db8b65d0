//! What a server holds is what comes: all types, arrays, enumerations, deadbands, statuses.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::server::Server;
use super::{number, pipeline, plant};
use crate::pipeline::{Pipeline, Record};
use crate::turn::{alone, beside_others};

/// The records that come within this time.
pub(super) async fn within(pipeline: &mut Pipeline, span: Duration) -> Vec<Record> {
    let end = Instant::now() + span;
    let mut records = Vec::new();
    while let Some(record) = pipeline.until(end).await {
        records.push(record);
    }
    records
}

#[tokio::test]
async fn every_type_comes_as_the_server_holds_it_and_a_node_that_is_not_there_stops_nobody() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&["--namespaces", "urn:other,urn:plant"]).await else { return };
    let expected: Vec<(&str, Value)> = vec![
        ("Boolean", json!(true)),
        ("SByte", json!(-128)),
        ("Byte", json!(255)),
        ("Int16", json!(-32768)),
        ("UInt16", json!(65535)),
        ("Int32", json!(-2_147_483_648_i64)),
        ("UInt32", json!(4_294_967_295_u64)),
        ("Int64", json!(i64::MIN)),
        ("UInt64", json!(u64::MAX)),
        ("Float", json!(78.4)),
        ("Double", json!(-1.0e-300)),
        ("String", json!("Grüße; a=b \"c\"")),
        ("DateTime", json!("2026-01-02T03:04:05.678901Z")),
        ("Guid", json!("72962b91-fa75-4ae6-8d28-b404dc7daf63")),
        ("ByteString", json!({ "hex": "0001feff" })),
        ("XmlElement", json!("<a/>")),
        ("NodeId", json!("ns=2;s=Line.Speed")),
        ("StatusCode", json!(0x8034_0000_u32)),
        ("QualifiedName", json!("2:Speed")),
        ("LocalizedText", json!("an")),
        ("NaN", json!("NaN")),
        ("Array", json!("[1,2,3]")),
        ("Texts", json!("[\"a\",\"b\"]")),
        ("Matrix", json!("[[1,2],[3,4]]")),
        ("State", json!(1)),
    ];
    let mut tags: Vec<(&str, String)> = expected.iter().map(|(name, _)| (*name, plant(name))).collect();
    tags.push(("element", format!("{}, index: \"1\"", plant("Array"))));
    tags.push(("slice", format!("{}, index: \"0:1\"", plant("Array"))));
    tags.push(("each", format!("{}, elements: true", plant("Matrix"))));
    tags.push(("by.path", "node: \"/Objects/3:Line/3:Int16\"".to_owned()));
    tags.push(("by.read", format!("{}, every: 200ms", plant("UInt16"))));
    tags.push(("nowhere", plant("Nothing")));
    tags.push(("no.namespace", "node: \"nsu=urn:gone;i=1\"".to_owned()));
    tags.push(("no.path", "node: \"/Objects/3:Line/3:Gone\"".to_owned()));
    tags.push(("read.nowhere", format!("{}, every: 200ms", plant("Nothing"))));
    let listed: Vec<(&str, &str)> = tags.iter().map(|(tag, options)| (*tag, options.as_str())).collect();
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n", &listed);
    // `each` is four tags.
    let seen = pipeline.first_of_each(listed.len() + 3).await;
    let mut expected = expected;
    expected.extend([
        ("element", json!(2)),
        ("slice", json!("[1,2]")),
        ("each[0,0]", json!(1)),
        ("each[1,0]", json!(3)),
        ("by.path", json!(-32768)),
        ("by.read", json!(65535)),
    ]);
    for (tag, value) in &expected {
        let record = &seen[*tag];
        assert_eq!((&record.value, record.quality.as_str()), (value, "good"), "{tag}");
    }
    for tag in ["nowhere", "no.namespace", "read.nowhere"] {
        assert_eq!(seen[tag].quality, "bad:0x80340000", "{tag}: no such node");
    }
    assert_eq!(seen["no.path"].quality, "bad:0x806F0000", "no match");
    pipeline.stop().await;
}

#[tokio::test]
async fn a_structure_comes_by_its_fields_and_an_enumeration_by_its_names() {
    let _turn = beside_others().await;
    let Some(mut server) = Server::start(&[]).await else { return };
    let (order, read) = (plant("Order"), format!("{}, every: 100ms", plant("Order")));
    let state = format!("{}, names: true", plant("State"));
    let (range, numbered) = (plant("percent.EURange"), plant("State"));
    let tags =
        [("order", order.as_str()), ("read", &read), ("state", &state), ("numbered", &numbered), ("range", &range)];
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n", &tags);
    // Five fields each of the two orders, and two of the range.
    let seen = pipeline.first_of_each(14).await;
    for tag in ["order", "read"] {
        let fields =
            ["number", "name", "sizes", "at.x", "at.y"].map(|field| seen[&format!("{tag}.{field}")].value.clone());
        assert_eq!(fields, [json!(42), json!("bolt"), json!("[7,8]"), json!(1.5), json!(-2.5)]);
    }
    assert_eq!((&seen["state"].value, &seen["numbered"].value), (&json!("Running"), &json!(1)));
    // asyncua does not say what the structures of the standard are.
    assert_eq!((&seen["range.Low"].value, &seen["range.High"].value), (&json!(0.0), &json!(200.0)));
    server.tell(&json!({ "set": "State", "to": 2 })).await;
    let records = within(&mut pipeline, Duration::from_secs(1)).await;
    assert!(records.iter().any(|record| record.tag == "state" && record.value == json!("Broken")), "{records:?}");
    pipeline.stop().await;
}

#[tokio::test]
async fn changes_come_with_their_status_and_all_that_were_queued() {
    let _turn = beside_others().await;
    let Some(mut server) = Server::start(&[]).await else { return };
    let (value, times) = (plant("Int32"), plant("UInt16"));
    let mut pipeline = pipeline(&server, "    publishing: 300ms\n", &[("value", &value), ("other", &times)]);
    pipeline.first_of_each(2).await;
    for (to, status) in [(1, 0), (2, 0x0000_0480), (3, 0x4090_0000_u32), (4, 0x808C_0000), (5, 0)] {
        server.tell(&json!({ "set": "Int32", "to": to, "status": status })).await;
    }
    let records = within(&mut pipeline, Duration::from_secs(2)).await;
    let told: Vec<(Value, &str)> = records
        .iter()
        .filter(|record| record.tag == "value")
        .map(|record| (record.value.clone(), record.quality.as_str()))
        .collect();
    let expected = [
        (json!(1), "good"),
        (json!(2), "good:0x00000480"),
        (json!(3), "uncertain:last_usable"),
        (json!(null), "bad:sensor_failure"),
        (json!(5), "good"),
    ];
    assert_eq!(told, expected);
    pipeline.stop().await;
}

#[tokio::test]
async fn a_deadband_is_kept_by_the_server_or_in_its_place() {
    let _turn = beside_others().await;
    let Some(mut server) = Server::start(&[]).await else { return };
    let (band, wide) = (format!("{}, deadband: 5", plant("band")), plant("band"));
    let mut pipeline = pipeline(&server, "    publishing: 100ms\n", &[("band", &band), ("every", &wide)]);
    pipeline.first_of_each(2).await;
    for to in [1.0, 20.0, 22.0, 40.0] {
        server.tell(&json!({ "set": "band", "to": to })).await;
        within(&mut pipeline, Duration::from_millis(1)).await;
    }
    server.tell(&json!({ "set": "band", "to": 100.0 })).await;
    let records = within(&mut pipeline, Duration::from_secs(2)).await;
    let of = |tag: &str| -> Vec<f64> {
        records.iter().filter(|record| record.tag == tag).filter_map(|record| record.value.as_f64()).collect()
    };
    assert_eq!(of("band").last(), Some(&100.0));
    assert!(!of("band").contains(&1.0) && !of("band").contains(&22.0), "{:?}", of("band"));
    assert!(of("every").contains(&1.0) || of("every").len() < 5, "{:?}", of("every"));
    pipeline.stop().await;
}

#[tokio::test]
async fn a_counter_comes_without_a_gap() {
    let _turn = beside_others().await;
    let Some(server) = Server::start(&["--every", "10"]).await else { return };
    let counter = format!("{}, queue: 1000", plant("counter"));
    let mut pipeline = pipeline(&server, "    publishing: 200ms\n", &[("counter", &counter)]);
    let records = within(&mut pipeline, Duration::from_secs(3)).await;
    let numbers: Vec<i64> = records.iter().filter_map(number).collect();
    assert!(100 < numbers.len(), "{} values in 3 s:\n{}", numbers.len(), pipeline.said());
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    pipeline.stop().await;
}

#[tokio::test]
async fn a_storm_of_messages_is_taken_without_a_gap() {
    let _turn = alone().await;
    let Some(server) = Server::start(&["--items", "100", "--every", "20"]).await else { return };
    let tags: Vec<(String, String)> = (0..100).map(|n| (format!("i{n}"), plant(&format!("item{n}")))).collect();
    let listed: Vec<(&str, &str)> = tags.iter().map(|(tag, options)| (tag.as_str(), options.as_str())).collect();
    let options = "    publishing: 1ms\n    sampling: 0s\n    queue: 10000\n";
    let mut pipeline = pipeline(&server, options, &listed);
    let records = within(&mut pipeline, Duration::from_secs(5)).await;
    let mut last = std::collections::BTreeMap::new();
    for record in &records {
        let value = number(record).unwrap_or_else(|| panic!("{record:?}: {}", pipeline.said()));
        if let Some(before) = last.insert(record.tag.as_str(), value) {
            assert_eq!(value, before + 1, "{}: {}", record.tag, pipeline.said());
        }
    }
    println!("{} values in 5 s", records.len());
    assert!(1000 < records.len() && last.len() == 100, "{}", records.len());
    pipeline.stop().await;
}
