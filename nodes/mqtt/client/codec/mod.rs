//! MQTT packets, byte for byte: 5 and 3.1.1.
//!
//! What comes in is hostile: a packet longer than was agreed is refused by its header, before a byte of it is kept, and no
//! length inside a packet is believed before it is known to lie in it.

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod property;
mod read;
#[cfg(test)]
mod tests;
mod write;

use bytes::Bytes;

pub(crate) use self::property::Properties;
pub(in crate::mqtt) use self::read::decode;
pub(crate) use self::write::Will;
pub(in crate::mqtt) use self::write::{
    Connect, acknowledge, connect, disconnect, ping, publish, subscribe, unsubscribe,
};

/// The version of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Version {
    /// MQTT 3.1.1.
    V3,
    /// MQTT 5.
    #[default]
    V5,
}

/// How sure a message is to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
#[expect(clippy::enum_variant_names, reason = "the words of MQTT")]
pub(crate) enum Qos {
    /// At most once: nobody acknowledges it.
    #[default]
    AtMostOnce = 0,
    /// At least once.
    AtLeastOnce = 1,
    /// Once on this hop, as long as both sides live.
    ExactlyOnce = 2,
}

impl Qos {
    /// From the digit in an option or a packet.
    pub(crate) fn of(digit: u8) -> Option<Self> {
        [Self::AtMostOnce, Self::AtLeastOnce, Self::ExactlyOnce].get(usize::from(digit)).copied()
    }
}

/// A message, on its way in or out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Message {
    /// Where it is published.
    pub(crate) topic: String,
    /// What it says.
    pub(crate) payload: Bytes,
    /// How sure it is to arrive.
    pub(crate) qos: Qos,
    /// Out: the broker shall keep it for who comes later. In: it was kept, and is old.
    pub(crate) retain: bool,
    /// In: it may have come before. Nothing on the way out, where this is up to the client.
    pub(crate) dup: bool,
    /// What MQTT 5 adds; not sent by 3.1.1.
    pub(crate) properties: Option<Box<Properties>>,
}

/// The acknowledgements, which all look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the words of MQTT")]
pub(in crate::mqtt) enum Step {
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

/// What a broker sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) enum Packet {
    ConnAck(ConnAck),
    Publish(Published),
    Acknowledge { step: Step, id: u16, code: u8, reason: Option<String> },
    SubAck { id: u16, codes: Vec<u8>, reason: Option<String> },
    UnsubAck { id: u16, codes: Vec<u8> },
    PingResp,
    Disconnect { code: u8, reason: Option<String>, server: Option<String> },
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) struct Published {
    /// The message. What is no UTF-8 in its topic was replaced.
    pub(in crate::mqtt) message: Message,
    /// Its number; 0 for QoS 0.
    pub(in crate::mqtt) id: u16,
    /// Whether the topic is one that may be published to.
    pub(in crate::mqtt) is_sound: bool,
    /// Bytes of the payload that are not here, since it is too long, and are to be skipped.
    pub(in crate::mqtt) cut: usize,
}

/// The broker's answer to CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mqtt) struct ConnAck {
    pub(in crate::mqtt) session_present: bool,
    /// Of MQTT 5, also for 3.1.1; 0 is success.
    pub(in crate::mqtt) code: u8,
    pub(in crate::mqtt) limits: Limits,
    pub(in crate::mqtt) reason: Option<String>,
    pub(in crate::mqtt) server: Option<String>,
}

/// What a broker allows, as it said when the connection was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Most messages of QoS 1 and 2 that may be under way to it.
    pub(crate) receive_maximum: u16,
    /// Longest packet that it takes.
    pub(crate) maximum_packet_size: u32,
    /// Best quality of service that it takes.
    pub(crate) maximum_qos: Qos,
    /// Whether it keeps messages for who comes later.
    pub(crate) retain_available: bool,
    /// Whether `$share/…` can be subscribed.
    pub(crate) shared_available: bool,
    /// Whether `+` and `#` can be subscribed.
    pub(crate) wildcard_available: bool,
    /// The client id that it gave to who had none.
    pub(crate) assigned_client_id: Option<String>,
    /// In seconds, if it wants another one than was asked for.
    pub(crate) server_keep_alive: Option<u16>,
    /// In seconds, if it keeps the session for another time than was asked for.
    pub(crate) session_expiry: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_packet_size: MOST,
            maximum_qos: Qos::ExactlyOnce,
            retain_available: true,
            shared_available: true,
            wildcard_available: true,
            assigned_client_id: None,
            server_keep_alive: None,
            session_expiry: None,
        }
    }
}

/// Longest packet that the protocol has: 256 MiB and its header.
pub(in crate::mqtt) const MOST: u32 = 268_435_455 + 5;
