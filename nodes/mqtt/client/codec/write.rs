//! From packets to bytes.

use bytes::{BufMut as _, BytesMut};

use super::property::{self, Properties, id, with_length};
use super::{Message, Qos, Step, Version};

/// What a client says first.
#[derive(Debug, Clone)]
pub(in crate::mqtt) struct Connect<'a> {
    pub(in crate::mqtt) client_id: &'a str,
    pub(in crate::mqtt) is_clean: bool,
    /// In seconds.
    pub(in crate::mqtt) session_expiry: u32,
    /// In seconds.
    pub(in crate::mqtt) keep_alive: u16,
    /// Most messages of QoS 1 and 2 that may be under way to this client.
    pub(in crate::mqtt) receive_maximum: u16,
    /// Longest packet that this client takes.
    pub(in crate::mqtt) maximum_packet_size: u32,
    pub(in crate::mqtt) username: Option<&'a str>,
    pub(in crate::mqtt) password: Option<&'a str>,
    pub(in crate::mqtt) will: Option<&'a Will>,
}

/// What the broker is to publish for a client that it has lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Will {
    /// The message.
    pub(crate) message: Message,
    /// How many seconds to wait, for a client that comes back; only MQTT 5 waits.
    pub(crate) delay: u32,
}

pub(in crate::mqtt) fn connect(out: &mut BytesMut, version: Version, connect: &Connect<'_>) {
    let (level, is_v5) = if version == Version::V5 { (5, true) } else { (4, false) };
    let mut body = BytesMut::new();
    put_text(&mut body, "MQTT");
    body.put_u8(level);
    let will = connect
        .will
        .map_or(0, |will| 0x04 | (will.message.qos as u8) << 3 | if will.message.retain { 0x20 } else { 0 });
    let login = if connect.username.is_some() { 0x80 } else { 0 } | if connect.password.is_some() { 0x40 } else { 0 };
    body.put_u8(login | will | if connect.is_clean { 0x02 } else { 0 });
    body.put_u16(connect.keep_alive);
    if is_v5 {
        let mut properties = BytesMut::new();
        properties.put_u8(id::SESSION_EXPIRY);
        properties.put_u32(connect.session_expiry);
        properties.put_u8(id::RECEIVE_MAXIMUM);
        properties.put_u16(connect.receive_maximum);
        properties.put_u8(id::MAXIMUM_PACKET_SIZE);
        properties.put_u32(connect.maximum_packet_size);
        put_varint(&mut body, properties.len());
        body.put_slice(&properties);
    }
    put_text(&mut body, connect.client_id);
    if let Some(Will { message, delay }) = connect.will {
        if is_v5 {
            let properties = message.properties.as_deref();
            put_varint(&mut body, 5 + properties.map_or(0, Properties::len));
            body.put_u8(id::WILL_DELAY);
            body.put_u32(*delay);
            if let Some(properties) = properties {
                properties.put(&mut body);
            }
        }
        put_text(&mut body, &message.topic);
        put_binary(&mut body, &message.payload);
    }
    for text in [connect.username, connect.password].into_iter().flatten() {
        put_text(&mut body, text);
    }
    put_packet(out, 0x10, &body);
}

impl Message {
    /// Bytes of the packet that it makes, to compare with the longest that the broker takes.
    pub(crate) fn packet_len(&self, version: Version) -> usize {
        let body = self.body_len(version);
        1 + varint_len(body) + body
    }

    fn body_len(&self, version: Version) -> usize {
        let properties =
            if version == Version::V5 { with_length(self.properties.as_ref().map_or(0, |all| all.len())) } else { 0 };
        let id = if self.qos == Qos::AtMostOnce { 0 } else { 2 };
        2 + self.topic.len() + id + properties + self.payload.len()
    }
}

pub(in crate::mqtt) fn publish(out: &mut BytesMut, version: Version, message: &Message, id: u16) {
    let length = message.body_len(version);
    out.reserve(length + 5);
    out.put_u8(0x30 | (message.qos as u8) << 1 | u8::from(message.retain));
    put_varint(out, length);
    put_text(out, &message.topic);
    if message.qos != Qos::AtMostOnce {
        out.put_u16(id);
    }
    if version == Version::V5 {
        property::put(out, message.properties.as_deref());
    }
    out.put_slice(&message.payload);
}

pub(in crate::mqtt) fn acknowledge(out: &mut BytesMut, step: Step, id: u16) {
    let first = match step {
        Step::PubAck => 0x40,
        Step::PubRec => 0x50,
        Step::PubRel => 0x62,
        Step::PubComp => 0x70,
    };
    out.put_slice(&[first, 2]);
    out.put_u16(id);
}

/// `options` is what MQTT 5 has in the byte after a filter; 3.1.1 knows the QoS of it only.
pub(in crate::mqtt) fn subscribe(out: &mut BytesMut, version: Version, id: u16, filters: &[(String, u8)]) {
    let mut body = BytesMut::new();
    body.put_u16(id);
    if version == Version::V5 {
        body.put_u8(0);
    }
    for (filter, options) in filters {
        put_text(&mut body, filter);
        body.put_u8(if version == Version::V5 { *options } else { options & 3 });
    }
    put_packet(out, 0x82, &body);
}

pub(in crate::mqtt) fn unsubscribe(out: &mut BytesMut, version: Version, id: u16, filters: &[String]) {
    let mut body = BytesMut::new();
    body.put_u16(id);
    if version == Version::V5 {
        body.put_u8(0);
    }
    for filter in filters {
        put_text(&mut body, filter);
    }
    put_packet(out, 0xA2, &body);
}

pub(in crate::mqtt) fn ping(out: &mut BytesMut) {
    out.put_slice(&[0xC0, 0]);
}

/// 3.1.1 has no reason to give.
pub(in crate::mqtt) fn disconnect(out: &mut BytesMut, version: Version, code: u8) {
    match (version, code) {
        (Version::V5, 1..) => out.put_slice(&[0xE0, 1, code]),
        _ => out.put_slice(&[0xE0, 0]),
    }
}

fn put_packet(out: &mut BytesMut, first: u8, body: &[u8]) {
    out.put_u8(first);
    put_varint(out, body.len());
    out.put_slice(body);
}

pub(super) fn put_text(out: &mut BytesMut, text: &str) {
    put_binary(out, text.as_bytes());
}

/// What is too long for its place is cut; the options are checked for that, and messages before they are sent.
pub(super) fn put_binary(out: &mut BytesMut, bytes: &[u8]) {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    out.put_u16(length);
    out.put_slice(&bytes[..usize::from(length)]);
}

pub(super) fn put_varint(out: &mut BytesMut, mut value: usize) {
    loop {
        let byte = (value & 0x7F) as u8;
        value >>= 7;
        if value == 0 {
            return out.put_u8(byte);
        }
        out.put_u8(byte | 0x80);
    }
}

pub(super) fn varint_len(value: usize) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}
