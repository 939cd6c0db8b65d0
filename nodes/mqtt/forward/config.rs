//! The options of `mqtt_forward`, and what they resolve to.

use std::time::Duration;

use fieldflow_contract::{At, ByteSize, Findings, Severity, Span};
use schemars::JsonSchema;
use serde::Deserialize;

use super::payload::Form;
use super::topic;
use crate::mqtt::client::{LinkConfig, Options, Qos, Secret, Tls, Version};
use crate::mqtt::sparkplug::check_id;
use crate::template::Template;

/// Publishes records to an MQTT broker; what the broker has not acknowledged is sent again.
///
/// A record is done when the broker has sent PUBACK (QoS 1) or PUBCOMP (QoS 2) for its message, and not before. After a lost
/// connection everything that was not acknowledged goes again, in its order, so the broker may see messages twice: no more of
/// them than may be `in_flight`, and after a kill or a power cut those of about the last second. What the broker does with a
/// message that it has acknowledged is up to the broker: a default Mosquitto forgets what it holds if it is killed.
///
/// An edge that leads here is durable if the file does not say otherwise: what comes while the broker is away waits on disk, is
/// sent first when it is back, and survives a kill and a power cut. `durable: false` on the edge keeps it in memory.
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
    url: Option<String>,
    /// In the place of `url`: several brokers, the best one first. The next one is used while those before it cannot be had.
    #[serde(default)]
    urls: Vec<String>,
    /// The version of MQTT, 5 or 3.1.1. Default 5.
    #[serde(default)]
    version: Version,
    /// The name by which the broker knows this client; no other client may have it. Default `fieldflow-PIPELINE-NODE`.
    client_id: Option<String>,
    /// The user name.
    username: Option<String>,
    /// The password, best as `"${env:NAME}"` or `"${file:/path}"`.
    password: Option<Secret>,
    /// Something is sent at least as often, and a connection on which nothing is acknowledged for one and a half times as long is
    /// given up. Default `30s`.
    #[serde(default = "thirty_seconds")]
    keep_alive: Span,
    /// Longest time to open a connection. Default `10s`.
    #[serde(default = "ten_seconds")]
    timeout: Span,
    /// How long a better broker of `urls` must be there before it is used again; looked for while there is nothing to send.
    /// Default `60s`.
    #[serde(default = "minute")]
    fail_back: Span,
    /// For `mqtts://` and `wss://`: who is trusted, and who this is. Paths are relative to the pipeline file.
    tls: Option<Tls>,
    /// The topic, such as `site/{tag}`. `{tag}` is the tag of the record, `{tag[1]}` its second part between `/` or `.`,
    /// `{tag[-1]}` its last, `{pipeline}` the name of the pipeline. Needed but for `sparkplug`, which has its own topics.
    topic: Option<String>,
    /// Whether dots in what a tag gives to the topic become `/`, so that `press.temp` is two levels. Default false.
    #[serde(default)]
    dots_to_levels: bool,
    /// What a message looks like. Default `json`.
    #[serde(default)]
    payload: Payload,
    /// Only with `payload: template`: the text. `{tag}` and its parts, `{value}` (text as it is, Null as `null`), `{time}`,
    /// `{time_ms}` (since 1970), `{quality}` and `{pipeline}` stand for what the record says; `{{` and `}}` for the braces
    /// themselves.
    template: Option<String>,
    /// Only with `values` and `sparkplug`: what a record is called, made of its tag as `topic` is. Default `{tag}`.
    name: Option<String>,
    /// 0: at most once, the record is done when it is written to the network, and may be lost. 1: at least once. 2: once on the
    /// way to the broker as long as this program runs. Default 1; for `sparkplug` 0, as its specification says.
    #[schemars(range(max = 2))]
    qos: Option<u8>,
    /// Whether the broker keeps the last message of each topic for who subscribes later. Default false.
    #[serde(default)]
    retain: bool,
    /// After this time the broker gives a message to nobody any more; whole seconds, only MQTT 5. Default: never.
    expire: Option<Span>,
    /// Whether each message tells in user properties where it comes from, see above. Default true; nothing with MQTT 3.1.1 and
    /// `sparkplug`.
    #[serde(default = "yes")]
    user_properties: bool,
    /// Most messages under way to the broker that are not acknowledged, 1 to 10000; fewer if the broker wants fewer. Default 100.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 10_000))]
    in_flight: u16,
    /// Longest packet that is sent, topic and all; less if the broker says so. Default `256KiB`.
    #[serde(default = "quarter")]
    max_packet: ByteSize,
    /// A retained message that says whether this node is there.
    status: Option<Status>,
    /// Only and always with `payload: sparkplug`: which edge node this is.
    sparkplug: Option<Sparkplug>,
}

/// A retained message of QoS 1 that says whether this node is there: `online` after each connect, `offline` before it ends in
/// peace, and `offline` from the broker when it has lost the connection.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Status {
    /// The topic; `{pipeline}` is the name of the pipeline.
    #[schemars(extend("examples" = ["status/{pipeline}"]))]
    topic: String,
    /// What it says while the node is there. Default `online`.
    #[serde(default = "online")]
    online: String,
    /// What it says else. Default `offline`.
    #[serde(default = "offline")]
    offline: String,
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
    group: String,
    /// The edge node; unique in its group. Default: the name of the pipeline.
    node: Option<String>,
    /// The device behind the edge node that a record belongs to, made of its tag as `topic` is, such as `{tag[0]}`. Default: the
    /// metrics are those of the edge node itself.
    device: Option<String>,
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

/// What can stand in a template of the payload.
pub(super) const HOLES: &[&str] = &["tag", "value", "time", "time_ms", "quality", "pipeline"];
/// The shortest `max_packet`: a status message and a birth fit.
const LEAST_PACKET: u64 = 256;

/// Options that were found right.
pub(super) struct Settings {
    pub(super) link: Options,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    /// In seconds.
    pub(super) expire: Option<u32>,
    pub(super) user_properties: bool,
    pub(super) max_packet: usize,
    pub(super) status: Option<Status>,
    pub(super) what: What,
}

/// What is published.
pub(super) enum What {
    /// Messages of our own form.
    Messages { topic: Template, dots_to_levels: bool, form: Form, is_json: bool, is_text: bool },
    /// Those of a Sparkplug edge node.
    Sparkplug { group: String, node: Option<String>, device: Option<Template>, name: Template },
}

impl Status {
    /// Its topic, and what it says of a node that is there and of one that is not.
    pub(super) fn parts(&self, pipeline: &str) -> (String, [String; 2]) {
        let topic = Template::parse(&self.topic, &["pipeline"]).ok();
        let topic = topic.and_then(|topic| topic.expand(|_, to| to.push_str(pipeline)).ok());
        (topic.unwrap_or_default(), [self.online.clone(), self.offline.clone()])
    }
}

impl Config {
    /// Where the certificates are, if any are named.
    pub(super) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// The quality of service.
    pub(super) fn qos(&self) -> Qos {
        let default = if self.payload == Payload::Sparkplug { 0 } else { 1 };
        Qos::of(self.qos.unwrap_or(default)).unwrap_or(Qos::AtLeastOnce)
    }

    /// Reads the options; `None` if one of them is wrong, and then `findings` has every one that is.
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Settings> {
        let before = findings.0.len();
        let link = LinkConfig {
            url: self.url.as_ref(),
            urls: &self.urls,
            version: self.version,
            client_id: self.client_id.as_ref(),
            username: self.username.as_ref(),
            password: self.password.as_ref(),
            keep_alive: self.keep_alive,
            timeout: self.timeout,
            fail_back: self.fail_back,
            tls: self.tls.as_ref(),
        };
        let link = link.resolve(findings);
        self.belongs(findings);
        let what = if self.payload == Payload::Sparkplug { self.edge_node(findings) } else { self.messages(findings) };
        self.limits(findings);
        if let Some(status) = &self.status {
            check_status(status, findings);
        }
        let is_wrong = findings.0.iter().skip(before).any(|found| found.severity == Severity::Error);
        let (link, what) = link.zip(what).filter(|_| !is_wrong)?;
        Some(Settings {
            link: Options { in_flight: self.in_flight, ..link },
            qos: self.qos(),
            retain: self.retain,
            expire: self.expire.map(|span| u32::try_from(span.0.as_secs()).unwrap_or(u32::MAX)),
            user_properties: self.user_properties && self.version == Version::V5 && self.payload != Payload::Sparkplug,
            max_packet: usize::try_from(self.max_packet.0).unwrap_or(usize::MAX),
            status: self.status.clone(),
            what,
        })
    }

    /// Options that belong to another payload.
    fn belongs(&self, findings: &mut Findings) {
        use Payload as P;
        let is = |payloads: &[P]| payloads.contains(&self.payload);
        for (option, is_given, fits, with) in [
            ("template", self.template.is_some(), is(&[P::Template]), "`payload: template`"),
            ("name", self.name.is_some(), is(&[P::Values, P::Sparkplug]), "`payload: values` or `sparkplug`"),
            ("sparkplug", self.sparkplug.is_some(), is(&[P::Sparkplug]), "`payload: sparkplug`"),
        ] {
            if is_given && !fits {
                findings.error(option, format!("`{option}` goes with {with}")).help("leave one of the two out");
            }
        }
        for (option, is_given) in [
            ("topic", self.topic.is_some()),
            ("dots_to_levels", self.dots_to_levels),
            ("status", self.status.is_some()),
            ("retain", self.retain),
        ] {
            if is_given && is(&[P::Sparkplug]) {
                findings
                    .error(
                        option,
                        format!("Sparkplug says itself what is published where, so `{option}` means nothing"),
                    )
                    .help("leave it out");
            }
        }
        if self.expire.is_some() && self.version == Version::V3 {
            findings.error("expire", "MQTT 3.1.1 has no expiry of messages").help("leave it out, or set version: 5");
        }
    }

    fn messages(&self, findings: &mut Findings) -> Option<What> {
        let topic = match &self.topic {
            Some(topic) => topic::check(topic, &"topic".into(), findings),
            None => {
                findings.error("topic", "no topic is named").help("write topic: \"site/{tag}\"");
                None
            }
        };
        let form = match self.payload {
            Payload::Json | Payload::Sparkplug => Some(Form::Json),
            Payload::JsonBatch => Some(Form::JsonBatch),
            Payload::Values => self.name(findings).map(Form::Values),
            Payload::Template => self.template(findings).map(Form::Template),
            Payload::Value => Some(Form::Value),
        };
        let is_json = matches!(self.payload, Payload::Json | Payload::JsonBatch | Payload::Values);
        let is_text = self.payload != Payload::Value;
        topic.zip(form).map(|(topic, form)| What::Messages {
            topic,
            dots_to_levels: self.dots_to_levels,
            form,
            is_json,
            is_text,
        })
    }

    fn template(&self, findings: &mut Findings) -> Option<Template> {
        let Some(text) = &self.template else {
            findings.error("template", "`payload: template` needs a `template`").help("such as \"{tag}={value}\"");
            return None;
        };
        if text.is_empty() {
            findings.error("template", "all messages would be empty").help("such as \"{tag}={value}\"");
        }
        Template::parse(text, HOLES).map_err(|why| findings.error("template", why).severity).ok()
    }

    fn name(&self, findings: &mut Findings) -> Option<Template> {
        let text = self.name.as_deref().unwrap_or("{tag}");
        let template = Template::parse(text, topic::NAMES).map_err(|why| findings.error("name", why).severity).ok()?;
        if template.holes().all(|hole| hole.name != "tag") {
            findings.error("name", "all records would have the same name").help("write \"{tag}\" or a part of it");
        }
        Some(template)
    }

    fn edge_node(&self, findings: &mut Findings) -> Option<What> {
        let Some(Sparkplug { group, node, device }) = &self.sparkplug else {
            findings
                .error("sparkplug", "`payload: sparkplug` needs to know which edge node this is")
                .help("write sparkplug: { group: plant-1 }");
            return None;
        };
        for (option, id) in [("group", Some(group)), ("node", node.as_ref())] {
            if let Some(Err(why)) = id.map(|id| check_id(id)) {
                let what = format!("that cannot be the name of a {option}: {why}");
                findings.error(At::from("sparkplug").key(option), what);
            }
        }
        let device = device.as_ref().map(|text| {
            let template = check_id(text).map_err(|why| format!("that cannot be the name of a device: {why}"));
            template.and_then(|()| Template::parse(text, topic::NAMES))
        });
        if let Some(Err(why)) = &device {
            findings.error(At::from("sparkplug").key("device"), why);
        }
        if self.qos == Some(2) {
            findings.error("qos", "no Sparkplug host takes QoS 2").help("write 1, or leave it out for 0");
        }
        let name = self.name(findings)?;
        Some(What::Sparkplug { group: group.clone(), node: node.clone(), device: device.transpose().ok()?, name })
    }

    fn limits(&self, findings: &mut Findings) {
        if self.in_flight == 0 || 10_000 < self.in_flight {
            findings.error("in_flight", "that is not between 1 and 10000").help("leave it out for 100");
        }
        if self.max_packet.0 < LEAST_PACKET {
            findings
                .error("max_packet", format!("{} bytes hold no message", self.max_packet.0))
                .help("leave it out for 256KiB");
        }
        if self.qos.is_some_and(|qos| 2 < qos) {
            findings.error("qos", "that is not 0, 1 or 2").help("leave it out for 1");
        }
        if self.expire.is_some_and(|span| span.0.as_secs() == 0 || span.0.subsec_nanos() != 0) {
            findings.error("expire", "the expiry of a message is whole seconds, at least 1").help("such as 1h");
        }
    }
}

fn check_status(status: &Status, findings: &mut Findings) {
    let at = || At::from("status").key("topic");
    match Template::parse(&status.topic, &["pipeline"]) {
        Err(why) => {
            findings.error(at(), why);
        }
        Ok(_) => {
            if let Err(why) = topic::check_literal(&status.topic) {
                findings.error(at(), why).help("such as \"status/{pipeline}\"");
            }
        }
    }
    if status.online == status.offline {
        findings
            .error("status", "`online` and `offline` say the same, so nobody could tell")
            .help("leave both out for `online` and `offline`");
    }
    for (option, text) in [("online", &status.online), ("offline", &status.offline)] {
        if text.is_empty() {
            let at = At::from("status").key(option);
            findings.error(at, "an empty retained message deletes what was retained").help("write a word");
        }
    }
}
