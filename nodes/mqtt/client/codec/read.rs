//! From bytes to packets.

use std::fmt;

use bytes::{Buf as _, Bytes, BytesMut};

use super::property::{self, Properties, Property, id};
use super::{ConnAck, Limits, Message, Packet, Published, Qos, Step, Version};

/// What came is no MQTT, or not what was agreed; the words say what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) struct Malformed {
    pub(in crate::mqtt) what: String,
}

impl Malformed {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Takes the first packet out of what has come, if all of it is there. One that is longer than `most` is refused as soon as
/// its length is known.
pub(in crate::mqtt) fn decode(bytes: &mut BytesMut, version: Version, most: u32) -> Result<Option<Packet>, Malformed> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    let mut length: usize = 0;
    let mut header = 1;
    for (place, byte) in rest.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * place);
        if byte & 0x80 == 0 {
            header = place + 2;
            break;
        }
        if place == 3 {
            return Err(Malformed::new("the length of a packet has no end"));
        }
    }
    if header == 1 {
        return Ok(None);
    }
    if most as usize <= length || (most as usize) < header + length {
        if version == Version::V3 && *first >> 4 == 3 {
            return beginning(bytes, header, length);
        }
        let what = format!("a packet of {} bytes: at most {most} are taken", header + length);
        return Err(Malformed::new(what));
    }
    let first = *first;
    if bytes.len() < header + length {
        return Ok(None);
    }
    let mut packet = bytes.split_to(header + length).freeze();
    packet.advance(header);
    body(first, Reader::new(packet), version).map(Some)
}

/// A message of 3.1.1 that is too long. Its broker could not be told, and would send it again and again: what it is and its
/// number are taken, the payload is for the caller to skip.
fn beginning(bytes: &mut BytesMut, header: usize, length: usize) -> Result<Option<Packet>, Malformed> {
    let Some(&[high, low]) = bytes.get(header..header + 2) else { return Ok(None) };
    let first = bytes.first().copied().unwrap_or_default();
    let id = if first & 0b110 == 0 { 0 } else { 2 };
    let count = 2 + usize::from(u16::from_be_bytes([high, low])) + id;
    if bytes.len() < header + count {
        return Ok(None);
    }
    let mut head = bytes.split_to(header + count).freeze();
    head.advance(header);
    let Packet::Publish(published) = publish(first & 0x0F, Reader::new(head), Version::V3)? else { return Ok(None) };
    Ok(Some(Packet::Publish(Published { cut: length.saturating_sub(count), ..published })))
}

fn body(first: u8, mut reader: Reader, version: Version) -> Result<Packet, Malformed> {
    let flags = first & 0x0F;
    let packet = match (first >> 4, flags) {
        (2, 0) => Packet::ConnAck(connack(&mut reader, version)?),
        (3, _) => return publish(flags, reader, version),
        (4, 0) => acknowledge(Step::PubAck, &mut reader)?,
        (5, 0) => acknowledge(Step::PubRec, &mut reader)?,
        (6, 2) => acknowledge(Step::PubRel, &mut reader)?,
        (7, 0) => acknowledge(Step::PubComp, &mut reader)?,
        (9, 0) => {
            let id = reader.id()?;
            let reason = if version == Version::V5 { reason(&mut reader)?.0 } else { None };
            Packet::SubAck { id, codes: reader.rest().to_vec(), reason }
        }
        (11, 0) => {
            let id = reader.id()?;
            if version == Version::V5 {
                reason(&mut reader)?;
            }
            Packet::UnsubAck { id, codes: reader.rest().to_vec() }
        }
        (13, 0) => Packet::PingResp,
        (14, 0) if version == Version::V5 => {
            let code = if reader.is_empty() { 0 } else { reader.u8()? };
            let (reason, server) = if reader.is_empty() { (None, None) } else { reason(&mut reader)? };
            Packet::Disconnect { code, reason, server }
        }
        (kind, _) => return Err(Malformed::new(format!("no broker sends a packet of kind {kind} with flags {flags}"))),
    };
    if reader.is_empty() { Ok(packet) } else { Err(Malformed::new("a packet goes on after its end")) }
}

fn connack(reader: &mut Reader, version: Version) -> Result<ConnAck, Malformed> {
    let session_present = reader.u8()? & 1 == 1;
    let code = reader.u8()?;
    let (mut limits, mut reason, mut server) = (Limits::default(), None, None);
    if version == Version::V3 {
        // The few codes of 3.1.1, as those that MQTT 5 has for the same.
        let code = *[0, 0x84, 0x85, 0x88, 0x86, 0x87].get(usize::from(code)).unwrap_or(&0x80);
        return Ok(ConnAck { session_present, code, limits, reason, server });
    }
    // A broker that knows 3.1.1 only may answer without properties.
    if reader.is_empty() {
        return Ok(ConnAck { session_present, code, limits, reason, server });
    }
    property::each(reader, |property| {
        match property {
            Property::Number(id::SESSION_EXPIRY, seconds) => limits.session_expiry = Some(seconds),
            Property::Number(id::RECEIVE_MAXIMUM | id::MAXIMUM_PACKET_SIZE, 0) => {
                return Err(Malformed::new("a limit of 0 in CONNACK"));
            }
            Property::Number(id::RECEIVE_MAXIMUM, most) => limits.receive_maximum = most as u16,
            Property::Number(id::MAXIMUM_PACKET_SIZE, most) => limits.maximum_packet_size = most,
            Property::Number(id::MAXIMUM_QOS, most) => {
                limits.maximum_qos = Qos::of(most as u8).unwrap_or(Qos::AtMostOnce);
            }
            Property::Number(id::RETAIN_AVAILABLE, yes) => limits.retain_available = yes != 0,
            Property::Number(id::WILDCARD_AVAILABLE, yes) => limits.wildcard_available = yes != 0,
            Property::Number(id::SHARED_AVAILABLE, yes) => limits.shared_available = yes != 0,
            Property::Number(id::SERVER_KEEP_ALIVE, seconds) => limits.server_keep_alive = Some(seconds as u16),
            Property::Text(id::ASSIGNED_CLIENT_ID, text) => limits.assigned_client_id = Some(text),
            Property::Text(id::REASON, text) => reason = Some(text),
            Property::Text(id::SERVER_REFERENCE, text) => server = Some(text),
            _ => {}
        }
        Ok(())
    })?;
    Ok(ConnAck { session_present, code, limits, reason, server })
}

fn publish(flags: u8, mut reader: Reader, version: Version) -> Result<Packet, Malformed> {
    let qos = Qos::of((flags >> 1) & 3).ok_or_else(|| Malformed::new("a message of QoS 3"))?;
    let topic = reader.binary()?;
    // A topic that is no text must not be the end of the connection: the broker would send it again and again.
    let (topic, is_text) = match String::from_utf8(topic.to_vec()) {
        Ok(topic) => (topic, true),
        Err(error) => (String::from_utf8_lossy(error.as_bytes()).into_owned(), false),
    };
    let is_sound = is_text && !topic.is_empty() && !topic.contains(['\0', '+', '#']);
    let id = if qos == Qos::AtMostOnce { 0 } else { reader.id()? };
    let properties = if version == Version::V5 { Properties::read(&mut reader)? } else { None };
    let message =
        Message { topic, payload: reader.rest(), qos, retain: flags & 1 == 1, dup: flags & 8 == 8, properties };
    Ok(Packet::Publish(Published { message, id, is_sound, cut: 0 }))
}

fn acknowledge(step: Step, reader: &mut Reader) -> Result<Packet, Malformed> {
    let id = reader.id()?;
    let code = if reader.is_empty() { 0 } else { reader.u8()? };
    let (reason, _) = if reader.is_empty() { (None, None) } else { reason(reader)? };
    Ok(Packet::Acknowledge { step, id, code, reason })
}

/// The broker's own words, and the server that it names, out of the properties.
fn reason(reader: &mut Reader) -> Result<(Option<String>, Option<String>), Malformed> {
    let (mut reason, mut server) = (None, None);
    property::each(reader, |property| {
        match property {
            Property::Text(id::REASON, text) => reason = Some(text),
            Property::Text(id::SERVER_REFERENCE, text) => server = Some(text),
            _ => {}
        }
        Ok(())
    })?;
    Ok((reason, server))
}

/// A packet, read from its beginning to its end and never past that.
pub(super) struct Reader(Bytes);

impl Reader {
    pub(super) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<Bytes, Malformed> {
        if self.0.len() < count {
            return Err(Malformed::new("a packet ends too soon"));
        }
        Ok(self.0.split_to(count))
    }

    fn rest(&mut self) -> Bytes {
        std::mem::take(&mut self.0)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.0.try_get_u8().map_err(|_| Malformed::new("a packet ends too soon"))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        self.0.try_get_u16().map_err(|_| Malformed::new("a packet ends too soon"))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        self.0.try_get_u32().map_err(|_| Malformed::new("a packet ends too soon"))
    }

    /// The number of a packet, which is never 0.
    fn id(&mut self) -> Result<u16, Malformed> {
        let id = self.u16()?;
        if id == 0 { Err(Malformed::new("a packet has the number 0")) } else { Ok(id) }
    }

    pub(super) fn varint(&mut self) -> Result<u32, Malformed> {
        let mut value = 0;
        for place in 0..4 {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed::new("a number has no end"))
    }

    pub(super) fn binary(&mut self) -> Result<Bytes, Malformed> {
        let length = self.u16()?;
        self.bytes(usize::from(length))
    }

    /// Text; what is none in it is replaced, since it is for people to read.
    pub(super) fn text(&mut self) -> Result<String, Malformed> {
        Ok(String::from_utf8_lossy(&self.binary()?).into_owned())
    }
}
