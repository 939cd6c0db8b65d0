//! The options of `mqtt_forward`.

use std::time::Duration;

use fieldflow_contract::{ByteSize, Span, TagSelector};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::mqtt::client::{Secret, Tls, Version};

/// Publishes records to an MQTT broker; what the broker has not acknowledged is sent again.
///
/// A record is done when the broker has sent PUBACK (QoS 1) or PUBCOMP (QoS 2) for its message, and not before. After a lost
/// connection everything that was not acknowledged goes again, in its order, so the broker may see messages twice: no more of
/// them than may be `in_flight`, and after a kill or a power cut those of about the last second. What the broker does with a
/// message that it has acknowledged is up to the broker: a default Mosquitto forgets what it holds if it is killed.
///
/// An edge that leads here is durable if the file does not say otherwise: what comes while the broker is away waits on disk, is
/// sent first when it is back, or beside what comes new with `replay: { share: 25% }` on the edge, and survives a kill and a power
/// cut. `durable: false` on the edge keeps it in memory.
///
/// The topic is made of the tag. In the place of `+`, `#` and control characters in a tag stands `_`; a `/` stays and makes
/// levels. Records for which there is no topic, which make a message longer than the broker takes, or whose topic or payload the
/// broker refuses for good, leave by `rejected`. Where a broker refuses for a reason that may pass, the record waits and is tried
/// again; where a person must act, such as on missing rights, that is said once, and tried again every 30 s.
///
/// Payloads: `json` is a message a record, `{"t":"2026-01-01T00:00:00.000000Z","tag":"a","value":1.5}` with a `quality` if that
/// is not good. `json_batch` is a list of these, one message for the records of a batch that have the same topic, split where it
/// would be too long. `values` is `{"t":"…","values":{"a":1.5,"b":null},"quality":{"b":"bad:timeout"}}` for records of the same
/// time and topic that follow each other in a batch. `template` is a text of your own. `value` is the value alone: bytes and text
/// as they are. `sparkplug` makes this pipeline a Sparkplug B edge node; see `sparkplug`.
///
/// With MQTT 5 each message tells in user properties where it comes from, so that a receiver can drop what came twice:
/// `pipeline`; `stream`, the edge and its queue; `sequence`, the batch and the first record in it, such as `4711.0`, the same
/// when it comes again, also after a restart; and `replay` = `true` for what waited on disk. `stream` and `sequence` are left
/// out on an edge in memory.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The broker: `mqtt://HOST:PORT`, `mqtts://` with TLS, `ws://` or `wss://HOST:PORT/PATH` through a WebSocket.
    #[schemars(extend("examples" = ["mqtt://127.0.0.1:1883"]))]
    pub(super) url: Option<String>,
    /// In the place of `url`: several brokers, the best one first. The next one is used while those before it cannot be had. Each
    /// is a url, or a map with it and with what is peculiar to the way there, such as
    /// `{ url: "mqtts://sat.example:8883", only: alarm.*, fail_after: 5s }`.
    #[serde(default)]
    pub(super) urls: Vec<Uplink>,
    /// The version of MQTT, 5 or 3.1.1. Default 5.
    #[serde(default)]
    pub(super) version: Version,
    /// The name by which the broker knows this client; no other client may have it. Default `fieldflow-PIPELINE-NODE`.
    pub(super) client_id: Option<String>,
    /// The user name.
    pub(super) username: Option<String>,
    /// The password, best as `"${env:NAME}"` or `"${file:/path}"`.
    pub(super) password: Option<Secret>,
    /// Something is sent at least as often, and a connection on which nothing is acknowledged for one and a half times as long is
    /// given up. Default `30s`.
    #[serde(default = "thirty_seconds")]
    pub(super) keep_alive: Span,
    /// Longest time to open a connection. Default `10s`.
    #[serde(default = "ten_seconds")]
    pub(super) timeout: Span,
    /// How long a better broker of `urls` must be there before it is used again. Default `60s`.
    #[serde(default = "minute")]
    pub(super) fail_back: Span,
    /// For `mqtts://` and `wss://`: who is trusted, and who this is. Paths are relative to the pipeline file.
    pub(super) tls: Option<Tls>,
    /// The topic, such as `site/{tag}`. `{tag}` is the tag of the record, `{tag[1]}` its second part between `/` or `.`,
    /// `{tag[-1]}` its last, `{pipeline}` the name of the pipeline. Needed but for `sparkplug`, which has its own topics.
    pub(super) topic: Option<String>,
    /// Whether dots in what a tag gives to the topic become `/`, so that `press.temp` is two levels. Default false.
    #[serde(default)]
    pub(super) dots_to_levels: bool,
    /// What a message looks like. Default `json`.
    #[serde(default)]
    pub(super) payload: Payload,
    /// Only with `payload: template`: the text. `{tag}` and its parts, `{value}` (text as it is, Null as `null`), `{time}`,
    /// `{time_ms}` (since 1970), `{quality}` and `{pipeline}` stand for what the record says; `{{` and `}}` for the braces
    /// themselves.
    pub(super) template: Option<String>,
    /// Only with `values` and `sparkplug`: what a record is called, made of its tag as `topic` is. Default `{tag}`.
    pub(super) name: Option<String>,
    /// 0: at most once, the record is done when it is written to the network, and may be lost. 1: at least once. 2: once on the
    /// way to the broker as long as this program runs. Default 1; for `sparkplug` 0, as its specification says.
    #[schemars(range(max = 2))]
    pub(super) qos: Option<u8>,
    /// Whether the broker keeps the last message of each topic for who subscribes later. Default false.
    #[serde(default)]
    pub(super) retain: bool,
    /// After this time the broker gives a message to nobody any more; whole seconds, only MQTT 5. Default: never.
    pub(super) expire: Option<Span>,
    /// Whether each message tells in user properties where it comes from, see above. Default true; nothing with MQTT 3.1.1 and
    /// `sparkplug`.
    #[serde(default = "yes")]
    pub(super) user_properties: bool,
    /// Most messages under way to the broker that are not acknowledged, 1 to 10000; fewer if the broker wants fewer. Default 100;
    /// with MQTT 3.1.1 and `qos: 2` never more than 20, as a broker cannot say there what is too much for it.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) in_flight: u16,
    /// Longest packet that is sent, topic and all; less if the broker says so. Default `256KiB`.
    #[serde(default = "quarter")]
    pub(super) max_packet: ByteSize,
    /// A retained message that says whether this node is there.
    pub(super) status: Option<Status>,
    /// Only and always with `payload: sparkplug`: which edge node this is.
    pub(super) sparkplug: Option<Sparkplug>,
}

/// One of several brokers.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum Uplink {
    /// Its url.
    Url(String),
    /// Its url, and what is peculiar to the way there.
    Way(Way),
}

/// The way to a broker.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Way {
    /// The broker, as in `url`.
    #[schemars(extend("examples" = ["mqtts://sat.example:8883"]))]
    pub(super) url: String,
    /// What goes this way, which is dear: a tag, a pattern such as `alarm.*`, or a list of them. What may not go waits on the
    /// durable edge, and is sent in its order when a broker without `only` is used again; what goes this way goes ahead of it,
    /// and again only after a restart. Give the edge room for the longest time without a better way: when it is full, nothing
    /// passes unless it drops something. Default: everything.
    pub(super) only: Option<TagSelector>,
    /// This way has failed when a connection is not open, or something that was sent is not answered, after this time. At least
    /// `100ms`. Default: `timeout`, and one and a half times `keep_alive`.
    pub(super) fail_after: Option<Span>,
}

/// A retained message of QoS 1 that says whether this node is there: `online` after each connect, `offline` before it ends in
/// peace, and `offline` from the broker when it has lost the connection.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Status {
    /// The topic; `{pipeline}` is the name of the pipeline.
    #[schemars(extend("examples" = ["status/{pipeline}"]))]
    pub(super) topic: String,
    /// What it says while the node is there. Default `online`.
    #[serde(default = "online")]
    pub(super) online: String,
    /// What it says else. Default `offline`.
    #[serde(default = "offline")]
    pub(super) offline: String,
}

/// Which edge node of Sparkplug B 3.0 this is.
///
/// Metrics are told by a birth when they first come, when their type changes, and when a host asks by `Node Control/Rebirth`;
/// after that by their alias. What waited on disk is marked `is_historical`. A Bad quality is the property `Quality` 0, an
/// Uncertain one 500 (stale). The specification wants QoS 0, with which what is under way when the connection breaks is lost;
/// with `qos: 1` nothing is, and the hosts that were tried take it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Sparkplug {
    /// The group of edge nodes.
    pub(super) group: String,
    /// The edge node; unique in its group. Default: the name of the pipeline.
    pub(super) node: Option<String>,
    /// The device behind the edge node that a record belongs to, made of its tag as `topic` is, such as `{tag[0]}`. Default: the
    /// metrics are those of the edge node itself.
    pub(super) device: Option<String>,
    /// The primary host: nothing is published to a broker before this host application is online there, by its STATE. When it
    /// goes offline, the edge node says that it is gone and goes to the next broker of `urls`; what comes waits on the durable
    /// edge. Default: no host is waited for.
    pub(super) primary_host: Option<String>,
}

/// What a message looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Payload {
    #[default]
    Json,
    JsonBatch,
    Values,
    Sparkplug,
    Template,
    Value,
}

fn thirty_seconds() -> Span {
    Span(Duration::from_secs(30))
}
fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}
fn minute() -> Span {
    Span(Duration::from_secs(60))
}
fn yes() -> bool {
    true
}
fn hundred() -> u16 {
    100
}
fn quarter() -> ByteSize {
    ByteSize(256 << 10)
}
fn online() -> String {
    "online".to_owned()
}
fn offline() -> String {
    "offline".to_owned()
}
