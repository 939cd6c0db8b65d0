//! Packets there and back, and what is none.

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;

fn properties() -> impl Strategy<Value = Option<Box<Properties>>> {
    let text = || proptest::option::of("[a-zé/]{0,20}");
    let user = proptest::collection::vec(("[a-z]{0,5}", "[a-zß]{0,200}"), 0..4);
    let all = (any::<bool>(), any::<Option<u32>>(), text(), text(), any::<Option<Vec<u8>>>(), user);
    let all = all.prop_map(|(is_text, expiry, content_type, response_topic, correlation, user)| {
        let correlation = correlation.map(Bytes::from);
        Box::new(Properties { is_text, expiry, content_type, response_topic, correlation, user })
    });
    proptest::option::of(all).prop_map(|all| all.filter(|all| **all != Properties::default()))
}

proptest! {
    #[test]
    fn a_message_comes_back_as_it_went(
        topic in "[a-zä/ ]{1,200}", payload in proptest::collection::vec(any::<u8>(), 0..20_000),
        qos in 0_u8..3, retain: bool, properties in properties(), id in 1_u16.., version in 0..2,
    ) {
        let version = [Version::V3, Version::V5][version as usize];
        let properties = if version == Version::V5 { properties } else { None };
        let qos = Qos::of(qos).unwrap();
        let message = Message { topic, payload: payload.into(), qos, retain, dup: false, properties };
        let mut bytes = BytesMut::new();
        publish(&mut bytes, version, &message, id);
        prop_assert_eq!(bytes.len(), message.packet_len(version));
        let mut half = BytesMut::from(&bytes[..bytes.len() - 1]);
        prop_assert_eq!(decode(&mut half, version, MOST), Ok(None));
        let id = if qos == Qos::AtMostOnce { 0 } else { id };
        let published = Published { message, id, is_sound: true, cut: 0 };
        prop_assert_eq!(decode(&mut bytes, version, MOST), Ok(Some(Packet::Publish(published))));
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn whatever_comes_it_is_a_packet_or_refused(
        first: u8, body in proptest::collection::vec(any::<u8>(), 0..300), version in 0..2,
    ) {
        let mut bytes = BytesMut::from(&[first][..]);
        write::put_varint(&mut bytes, body.len());
        bytes.extend(body);
        let told = decode(&mut bytes, [Version::V3, Version::V5][version as usize], 1000);
        prop_assert!(!matches!(told, Ok(None)), "all of it was there");
    }
}

#[test]
fn a_length_is_refused_before_a_byte_of_it_is_kept() {
    for (bytes, said) in [
        (&[0x30, 0xFF, 0xFF, 0xFF, 0x7F][..], "a packet of 268435460 bytes: at most 1000 are taken"),
        (&[0x30, 0xFF, 0xFF, 0xFF, 0xFF], "no end"),
        (&[0x30, 0xE7, 0x07], "a packet of 1002 bytes"),
    ] {
        let error = decode(&mut BytesMut::from(bytes), Version::V5, 1000).unwrap_err();
        assert!(error.what.contains(said), "{error}");
    }
    assert_eq!(decode(&mut BytesMut::from(&[0x30, 0xE5, 0x07][..]), Version::V5, 1000), Ok(None));
}

#[test]
fn a_message_that_is_too_long_for_3_1_1_is_known_by_its_beginning() {
    let mut bytes = BytesMut::from(&[0x32, 0xFF, 0xFF, 0xFF, 0x7F, 0, 1, b'a', 0][..]);
    assert_eq!(decode(&mut bytes, Version::V3, 1000), Ok(None));
    bytes.extend_from_slice(&[7, 1, 2, 3]);
    let Ok(Some(Packet::Publish(published))) = decode(&mut bytes, Version::V3, 1000) else { panic!() };
    assert_eq!((published.id, published.message.topic.as_str(), published.cut), (7, "a", 268_435_450));
    assert_eq!(&bytes[..], [1, 2, 3], "the payload is for the caller to skip");
}

#[test]
fn a_topic_that_is_none_is_told_and_does_not_end_the_connection() {
    for topic in [&b"a\0b"[..], b"", b"a/#", b"+", b"\xFF\xFE"] {
        let mut bytes = BytesMut::from(&[0x30, topic.len() as u8 + 3, 0, topic.len() as u8][..]);
        bytes.extend_from_slice(topic);
        bytes.extend_from_slice(&[0]);
        let packet = decode(&mut bytes, Version::V5, 1000).unwrap();
        assert!(matches!(packet, Some(Packet::Publish(Published { is_sound: false, .. }))), "{topic:?}: {packet:?}");
    }
}

#[test]
fn what_no_broker_may_say_is_refused() {
    for (bytes, said) in [
        (&[0x00, 0][..], "no broker sends"),
        (&[0x10, 0], "no broker sends a packet of kind 1"),
        (&[0xF0, 0], "no broker sends a packet of kind 15"),
        (&[0x36, 4, 0, 1, b'a', 0], "QoS 3"),
        (&[0x32, 6, 0, 1, b'a', 0, 0, 0], "the number 0"),
        (&[0x30, 2, 0xFF, 0xFF], "ends too soon"),
        (&[0x30, 6, 0, 1, b'a', 3, 35, 0], "ends too soon"),
        (&[0x30, 7, 0, 1, b'a', 3, 35, 0, 1], "topic alias"),
        (&[0x30, 6, 0, 1, b'a', 2, 99, 0], "no property 99"),
        (&[0x20, 6, 0, 0, 3, 33, 0, 0], "a limit of 0"),
        (&[0xD0, 1, 0], "goes on after its end"),
    ] {
        let told = decode(&mut BytesMut::from(bytes), Version::V5, 1000);
        let error = told.map_err(|error| error.what);
        assert!(error.as_ref().is_err_and(|what| what.contains(said)), "{bytes:02X?}: {error:?}");
    }
}

#[test]
fn the_codes_of_3_1_1_are_those_of_5() {
    for (code, wanted) in [(0, 0), (1, 0x84), (2, 0x85), (3, 0x88), (4, 0x86), (5, 0x87), (77, 0x80)] {
        let told = decode(&mut BytesMut::from(&[0x20, 2, 1, code][..]), Version::V3, 1000);
        assert!(matches!(told, Ok(Some(Packet::ConnAck(ConnAck { code, .. }))) if code == wanted), "{told:?}");
    }
}
