//! The properties of MQTT 5.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::read::{Malformed, Reader};
use super::write::{put_binary, put_text, put_varint, varint_len};

/// What MQTT 5 says of a message beside its payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Properties {
    /// Whether the payload is UTF-8.
    pub(crate) is_text: bool,
    /// After so many seconds nobody is to get it any more.
    pub(crate) expiry: Option<u32>,
    /// What the payload is, such as `application/json`.
    pub(crate) content_type: Option<String>,
    /// Where an answer is wanted.
    pub(crate) response_topic: Option<String>,
    /// What the answer is to say, so that it is known for one.
    pub(crate) correlation: Option<Bytes>,
    /// Names and values that mean something to who sends and receives.
    pub(crate) user: Vec<(String, String)>,
}

/// One property as it stands in a packet.
#[derive(Debug)]
pub(super) enum Property {
    Number(u8, u32),
    Text(u8, String),
    Binary(u8, Bytes),
    Pair(String, String),
}

pub(super) mod id {
    pub(in super::super) const PAYLOAD_FORMAT: u8 = 1;
    pub(in super::super) const EXPIRY: u8 = 2;
    pub(in super::super) const CONTENT_TYPE: u8 = 3;
    pub(in super::super) const RESPONSE_TOPIC: u8 = 8;
    pub(in super::super) const CORRELATION: u8 = 9;
    pub(in super::super) const SUBSCRIPTION_ID: u8 = 11;
    pub(in super::super) const SESSION_EXPIRY: u8 = 17;
    pub(in super::super) const ASSIGNED_CLIENT_ID: u8 = 18;
    pub(in super::super) const SERVER_KEEP_ALIVE: u8 = 19;
    pub(in super::super) const AUTH_METHOD: u8 = 21;
    pub(in super::super) const AUTH_DATA: u8 = 22;
    pub(in super::super) const WILL_DELAY: u8 = 24;
    pub(in super::super) const RESPONSE_INFORMATION: u8 = 26;
    pub(in super::super) const SERVER_REFERENCE: u8 = 28;
    pub(in super::super) const REASON: u8 = 31;
    pub(in super::super) const RECEIVE_MAXIMUM: u8 = 33;
    pub(in super::super) const TOPIC_ALIAS_MAXIMUM: u8 = 34;
    pub(in super::super) const TOPIC_ALIAS: u8 = 35;
    pub(in super::super) const MAXIMUM_QOS: u8 = 36;
    pub(in super::super) const RETAIN_AVAILABLE: u8 = 37;
    pub(in super::super) const USER: u8 = 38;
    pub(in super::super) const MAXIMUM_PACKET_SIZE: u8 = 39;
    pub(in super::super) const WILDCARD_AVAILABLE: u8 = 40;
    pub(in super::super) const SUBSCRIPTION_IDS_AVAILABLE: u8 = 41;
    pub(in super::super) const SHARED_AVAILABLE: u8 = 42;
}

/// Reads the properties that stand here, one by one.
pub(super) fn each(
    reader: &mut Reader,
    mut take: impl FnMut(Property) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let length = reader.varint()?;
    let mut reader = Reader::new(reader.bytes(length as usize)?);
    while !reader.is_empty() {
        let id = reader.u8()?;
        take(match id {
            id::PAYLOAD_FORMAT
            | id::MAXIMUM_QOS
            | id::RETAIN_AVAILABLE
            | id::WILDCARD_AVAILABLE
            | id::SUBSCRIPTION_IDS_AVAILABLE
            | id::SHARED_AVAILABLE => Property::Number(id, u32::from(reader.u8()?)),
            id::SERVER_KEEP_ALIVE | id::RECEIVE_MAXIMUM | id::TOPIC_ALIAS_MAXIMUM | id::TOPIC_ALIAS => {
                Property::Number(id, u32::from(reader.u16()?))
            }
            id::EXPIRY | id::SESSION_EXPIRY | id::MAXIMUM_PACKET_SIZE => Property::Number(id, reader.u32()?),
            id::SUBSCRIPTION_ID => Property::Number(id, reader.varint()?),
            id::CONTENT_TYPE
            | id::RESPONSE_TOPIC
            | id::ASSIGNED_CLIENT_ID
            | id::AUTH_METHOD
            | id::RESPONSE_INFORMATION
            | id::SERVER_REFERENCE
            | id::REASON => Property::Text(id, reader.text()?),
            id::CORRELATION | id::AUTH_DATA => Property::Binary(id, reader.binary()?),
            id::USER => Property::Pair(reader.text()?, reader.text()?),
            _ => return Err(Malformed::new(format!("there is no property {id}"))),
        })?;
    }
    Ok(())
}

impl Properties {
    /// Reads those of a PUBLISH; `None` if there are none to keep.
    pub(super) fn read(reader: &mut Reader) -> Result<Option<Box<Self>>, Malformed> {
        let mut all: Option<Box<Self>> = None;
        each(reader, |property| {
            let kept = match &property {
                Property::Number(id, _) => !matches!(*id, id::SUBSCRIPTION_ID),
                _ => true,
            };
            if !kept {
                return Ok(());
            }
            let all = all.get_or_insert_default();
            match property {
                Property::Number(id::PAYLOAD_FORMAT, format) => all.is_text = format == 1,
                Property::Number(id::EXPIRY, seconds) => all.expiry = Some(seconds),
                Property::Text(id::CONTENT_TYPE, text) => all.content_type = Some(text),
                Property::Text(id::RESPONSE_TOPIC, text) => all.response_topic = Some(text),
                Property::Binary(id::CORRELATION, bytes) => all.correlation = Some(bytes),
                Property::Pair(name, value) => all.user.push((name, value)),
                // No alias was offered, so there is none to be known.
                Property::Number(id::TOPIC_ALIAS, _) => return Err(Malformed::new("a topic alias was not allowed")),
                other => return Err(Malformed::new(format!("a message has no such property: {other:?}"))),
            }
            Ok(())
        })?;
        Ok(all)
    }

    /// Whether each has room in its place, and no text holds what MQTT does not allow in one.
    pub(crate) fn are_sound(&self) -> bool {
        let is_text = |text: &str| u16::try_from(text.len()).is_ok() && !text.contains('\0');
        [&self.content_type, &self.response_topic].into_iter().flatten().all(|text| is_text(text))
            && self.correlation.as_ref().is_none_or(|bytes| u16::try_from(bytes.len()).is_ok())
            && self.user.iter().all(|(name, value)| is_text(name) && is_text(value))
    }

    /// Bytes that they take in a packet, without their length.
    pub(super) fn len(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, |text| 3 + text.len());
        let user: usize = self.user.iter().map(|(name, value)| 5 + name.len() + value.len()).sum();
        usize::from(self.is_text) * 2
            + self.expiry.map_or(0, |_| 5)
            + text(&self.content_type)
            + text(&self.response_topic)
            + self.correlation.as_ref().map_or(0, |bytes| 3 + bytes.len())
            + user
    }

    /// Writes them without their length.
    pub(super) fn put(&self, out: &mut BytesMut) {
        if self.is_text {
            out.put_slice(&[id::PAYLOAD_FORMAT, 1]);
        }
        if let Some(expiry) = self.expiry {
            out.put_u8(id::EXPIRY);
            out.put_u32(expiry);
        }
        for (id, text) in [(id::CONTENT_TYPE, &self.content_type), (id::RESPONSE_TOPIC, &self.response_topic)] {
            if let Some(text) = text {
                out.put_u8(id);
                put_text(out, text);
            }
        }
        if let Some(correlation) = &self.correlation {
            out.put_u8(id::CORRELATION);
            put_binary(out, correlation);
        }
        for (name, value) in &self.user {
            out.put_u8(id::USER);
            put_text(out, name);
            put_text(out, value);
        }
    }
}

/// Bytes of properties with their length.
pub(super) fn with_length(properties: usize) -> usize {
    varint_len(properties) + properties
}

/// Writes the properties of a PUBLISH with their length.
pub(super) fn put(out: &mut BytesMut, properties: Option<&Properties>) {
    put_varint(out, properties.map_or(0, Properties::len));
    if let Some(properties) = properties {
        properties.put(out);
    }
}
