//! The options of `mqtt`, and what they resolve to.

use std::time::Duration;

use fieldflow_contract::{At, ByteSize, Carries, Findings, Severity, Span};
use schemars::JsonSchema;
use serde::Deserialize;

use super::filter;
use super::payload::Payload;
use crate::mqtt::client::{LinkConfig, Options, Secret, Tls, Version};

/// Subscribes to topics of an MQTT broker; each message is a record.
///
/// The tag is the topic, the value is the payload, see `payload`; the time is that of arrival. A payload that cannot be read
/// as that gives a record of quality `bad:decoding` that holds its bytes. A topic that can be no tag (over 1024 bytes, not
/// text, with a character that no topic may have) is made one, with the same quality, and counted as `bad_topic`.
///
/// With `qos` 1 or 2 a message is acknowledged to the broker when everything that was made of it is safe in the sinks, and in
/// the order in which messages came. What was not acknowledged comes again: after a lost connection, and after a restart, for
/// as long as the broker keeps the session of this `client_id`, see `session_expiry`. So nothing is lost, and some of it
/// comes twice. QoS 2 too: once only as long as this process lives, since which messages it has had is not kept on disk.
///
/// A pipeline that is slower than its messages takes no more than `receive_maximum` of them; the broker keeps the rest, as
/// many as it is set up to (`max_queued_messages` of Mosquitto: 1000). QoS 0 is not kept but by the network; a broker drops
/// it when that is full.
///
/// Two subscriptions that both match a topic may bring its messages twice. `$share/GROUP/FILTER` gives each message to one of
/// those who name the same group, so that several pipelines split the load; order holds within each only.
///
/// With `payload: sparkplug` the tag is `GROUP/NODE/METRIC` or `GROUP/NODE/DEVICE/METRIC`. Births give names, types and
/// aliases. A missed message (`seq_gaps`), data before a birth (`before_birth`) and a metric that no birth told
/// (`unknown_metrics`) have the node asked for its births, at most once a second and less often while it does not answer; see
/// `rebirth`. Until they come, Good values that are named by an alias only are `uncertain`. A death of the present session
/// (`bdSeq`), or of a device, tells the last value of each tag once more, as `uncertain:last_usable`. Historical values leave
/// in order as replayed, and are no tag's last value. Arrays become JSON in a text; datasets and templates
/// `bad:not_supported`. `spBv1.0/STATE/HOST` is a boolean of that name; nothing is ever written there.
///
/// A message that expires (MQTT 5) is a batch of its own, and `modbus_write` refuses it when its time is over.
///
/// What a broker refuses is told in words. Where a person must act, as over a wrong password or a certificate that is not
/// trusted, it is said once, counted as `person_must_act`, and tried again every 30 s.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the broker is: `mqtt://HOST:PORT`, port 1883 if left out; `mqtts://` inside TLS, 8883; `ws://HOST:PORT/PATH` in a
    /// WebSocket, 80 and `/mqtt`; `wss://` in one inside TLS, 443.
    pub(super) url: Option<String>,
    /// Several brokers in the place of `url`, the best one first. The first that can be had is used. Each keeps a session of
    /// its own, so messages that one of them holds come when it is used again.
    #[serde(default)]
    pub(super) urls: Vec<String>,
    /// How long a better broker out of `urls` must be there before it is used again.
    #[serde(default = "minute")]
    pub(super) fail_back: Span,
    /// The version of MQTT: 5, or 3.1.1 for brokers that know no other.
    #[serde(default)]
    pub(super) version: Version,
    /// What to subscribe to: topics, in which `+` stands for one level and `#` at the end for all that follow.
    #[schemars(length(min = 1), extend("examples" = [["meters/+", "$share/gateways/lines/#"]]))]
    pub(super) topics: Vec<String>,
    /// How sure messages are to arrive: 0 at most once, 1 at least once, 2 exactly once on this hop. The broker lowers it to
    /// that with which a message was published.
    #[serde(default = "one")]
    #[schemars(range(min = 0, max = 2))]
    pub(super) qos: u8,
    /// What the payload is. `bytes`: raw, for a `decode` or `crc_check` behind it. `text`: UTF-8. `number`: digits, such as
    /// `23.5`. `json`: a number, text or boolean; or an object with that as `value`, and if it has them with `t` (a time such
    /// as `2026-01-01T00:00:00Z`) and `quality` (such as `bad:timeout`), which is what `mqtt_forward` writes. `sparkplug`:
    /// Sparkplug B, see above.
    #[serde(default)]
    pub(super) payload: Payload,
    /// By what name the broker knows this client, and keeps its session: the same at each start, and no other client's.
    /// `fieldflow-PIPELINE-NODE` if left out; set it where several machines run the same file.
    pub(super) client_id: Option<String>,
    /// User name for the broker.
    pub(super) username: Option<String>,
    /// Password for the broker: `"${env:NAME}"`, so that it does not stand in the file.
    pub(super) password: Option<Secret>,
    /// Who is trusted on `mqtts://` and `wss://`, and who this is. Paths are relative to the pipeline file. Without it, who
    /// this machine trusts.
    pub(super) tls: Option<Tls>,
    /// How often something must be heard; `1s` to `65535s`. What is awaited and does not come within 1.5 times this is the end
    /// of the connection, which is then opened anew. `30s` is for links that firewalls forget soon.
    #[serde(default = "minute")]
    pub(super) keep_alive: Span,
    /// Longest time that opening a connection may take; `1s` to `600s`.
    #[serde(default = "ten_seconds")]
    pub(super) timeout: Span,
    /// For how long the broker keeps the session, and messages of QoS 1 and 2, when this client is gone: longer than the
    /// longest outage. MQTT 3.1.1 cannot say it; such a broker keeps it for as long as it is set up to.
    #[serde(default = "week")]
    pub(super) session_expiry: Span,
    /// Whether the broker forgets this client each time: no message of the past comes, and what was not acknowledged is lost
    /// with the connection. With `qos: 0` that is so if left out, else not.
    pub(super) clean: Option<bool>,
    /// Most messages of QoS 1 and 2 that may come without being acknowledged: 1 to 65535. Also the most that come twice after
    /// a crash. With MQTT 3.1.1 the broker's own limit holds if it is lower (20 for Mosquitto).
    #[serde(default = "five_thousand")]
    #[schemars(range(min = 1, max = 65535))]
    pub(super) receive_maximum: u16,
    /// Longest payload that is taken; `1B` to `64MiB`. A broker of MQTT 5 is told, and does not send what is longer. From one
    /// of 3.1.1 its beginning is not kept either: it gives a record of quality `bad:out_of_range` without a value; inside a
    /// WebSocket, where it cannot be skipped, it ends the connection.
    #[serde(default = "mebibyte")]
    pub(super) max_payload: ByteSize,
    /// Most different topics that become tags of their own. Messages of more of them come with the tag `NODE/other`, of
    /// quality `bad:configuration`, and are counted as `too_many_topics`. All nodes of a process share 1,048,576 tags.
    #[serde(default = "hundred_thousand")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub(super) max_topics: u32,
    /// What to do with messages that the broker had kept, and sends because of the subscription: they may be old.
    #[serde(default)]
    pub(super) retained: Retained,
    /// When the broker is to send what it has kept: `always`, with each new connection; `new`, for a subscription that it did
    /// not have yet, so that a reconnect repeats nothing; `never`. MQTT 3.1.1 knows only `always`.
    pub(super) retain_handling: Option<RetainHandling>,
    /// Whether Sparkplug nodes are asked for their births, by `Node Control/Rebirth`, when something was missed. `false`: this
    /// node publishes nothing and waits for them. Default with `payload: sparkplug`: true.
    pub(super) rebirth: Option<bool>,
    /// Whether what became of a message is published to the response topic that it names, with its correlation data and QoS 1:
    /// `{"result":"delivered","topic":"…"}`, or `rejected` with the `reason`, or `dropped`. Of several sinks the worst result
    /// counts; behind a durable edge, delivered means that it is on disk. Whoever may send a message chooses the topic, so have the broker
    /// allow this user no topics but those of answers; a topic that this node hears itself, or that begins with `$`, is
    /// counted as `respond_refused`. At most 1000 answers wait. MQTT 5 only.
    #[serde(default)]
    pub(super) respond: bool,
    /// What becomes of the tags when the connection is lost. `bad`: each topic that was heard gets one record of Bad quality.
    /// `silent`: nothing is said, as with a kept session messages are late but not lost. If left out, `bad` with `clean`
    /// and with `payload: sparkplug`, whose data no broker keeps; else `silent`.
    pub(super) outage: Option<Outage>,
}

/// What to do with a message that the broker had kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Retained {
    /// As with any other.
    #[default]
    Keep,
    /// Its quality is `uncertain:initial`.
    Mark,
    /// It is acknowledged and counted as `retained_skipped`, no more.
    Skip,
}

/// When the broker is to send what it has kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum RetainHandling {
    /// With each subscription.
    Always,
    /// With one that it did not have.
    New,
    /// Not at all.
    Never,
}

/// What becomes of the tags in an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Outage {
    /// They are told to be Bad.
    Bad,
    /// Nothing is said.
    Silent,
}

fn minute() -> Span {
    Span(Duration::from_secs(60))
}
fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}
fn week() -> Span {
    Span(Duration::from_secs(7 * 86_400))
}
fn one() -> u8 {
    1
}
fn five_thousand() -> u16 {
    5000
}
fn mebibyte() -> ByteSize {
    ByteSize(1 << 20)
}
fn hundred_thousand() -> u32 {
    100_000
}

/// The longest topic, and room for the properties of MQTT 5.
const BESIDE_PAYLOAD: u64 = 128 << 10;
const LONGEST_PAYLOAD: u64 = 64 << 20;

/// Options that were found right.
pub(super) struct Settings {
    /// The brokers, and the session.
    pub(super) options: Options,
    /// The filters, each with its byte of options.
    pub(super) filters: Vec<(String, u8)>,
    pub(super) outage: Outage,
}

impl Config {
    /// What leaves.
    pub(super) fn carries(&self) -> Carries {
        if self.payload == Payload::Bytes { Carries::Bytes } else { Carries::Values }
    }

    /// Reads the options; `None` if one of them is wrong, and then `findings` has every one that is.
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Settings> {
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
        let options = link.resolve(findings);
        filter::check_all(&self.topics, findings);
        let is_clean = self.session(findings);
        if !(1..=LONGEST_PAYLOAD).contains(&self.max_payload.0) {
            findings.error("max_payload", format!("{} is not between 1B and 64MiB", self.max_payload));
        }
        if self.version == Version::V3 && self.retain_handling.is_some_and(|wanted| wanted != RetainHandling::Always) {
            findings
                .error("retain_handling", "MQTT 3.1.1 sends what it has kept with each subscription")
                .help("use version 5, or retained: skip");
        }
        self.sparkplug(findings);
        if self.respond && self.version == Version::V3 {
            findings
                .error("respond", "MQTT 3.1.1 has no response topics")
                .help("use version 5, or leave `respond` out");
        }
        let handling = self.retain_handling.unwrap_or(RetainHandling::New) as u8;
        let filters = self.topics.iter().map(|topic| {
            // What is retained does not come to a shared subscription, and nothing may be said of it.
            let retain = if topic.starts_with(filter::SHARE) { 0 } else { handling << 4 };
            (topic.clone(), retain | self.qos)
        });
        let filters = filters.collect();
        let wrong = findings.0.iter().any(|found| found.severity == Severity::Error);
        let options = options.filter(|_| !wrong).map(|options| Options {
            is_clean,
            session_expiry: if is_clean { 0 } else { self.session_expiry.0.as_secs().min(u64::from(u32::MAX)) as u32 },
            receive_maximum: self.receive_maximum,
            maximum_packet_size: (self.max_payload.0 + BESIDE_PAYLOAD) as u32,
            ..options
        })?;
        let is_lost = is_clean || self.payload == Payload::Sparkplug;
        let outage = self.outage.unwrap_or(if is_lost { Outage::Bad } else { Outage::Silent });
        Some(Settings { options, filters, outage })
    }

    /// What goes with Sparkplug only, and what does not go with it.
    fn sparkplug(&self, findings: &mut Findings) {
        if self.payload != Payload::Sparkplug {
            if self.rebirth.is_some() {
                findings
                    .error("rebirth", "only Sparkplug nodes can be asked for their births")
                    .help("write payload: sparkplug, or leave `rebirth` out");
            }
            return;
        }
        for (index, filter) in self.topics.iter().enumerate() {
            if filter.starts_with(filter::SHARE) {
                findings
                    .error(
                        topic(index),
                        format!("`{filter}` gives others a part of the messages of each Sparkplug node"),
                    )
                    .help("subscribe to whole groups or nodes, such as \"spBv1.0/GROUP/#\"");
            } else if !["spBv1.0", "+", "#"].contains(&filter.split('/').next().unwrap_or_default()) {
                findings
                    .error(topic(index), format!("`{filter}` brings no Sparkplug message"))
                    .help("their topics begin with spBv1.0/, such as \"spBv1.0/GROUP/#\"");
            }
        }
    }

    /// Whether the broker forgets this client.
    fn session(&self, findings: &mut Findings) -> bool {
        let is_clean = self.clean.unwrap_or(self.qos == 0);
        if is_clean && self.qos != 0 {
            findings
                .warning(
                    "clean",
                    format!(
                        "what is not acknowledged when the connection is lost is lost, in spite of qos {}",
                        self.qos
                    ),
                )
                .help("leave `clean` out: the broker then keeps it until it comes again")
                .related("qos", "asks for more");
        }
        if self.session_expiry.0 < Duration::from_secs(1) && !is_clean {
            findings
                .error("session_expiry", "the broker would forget the session at once")
                .help("write how long the longest outage may be, or clean: true");
        }
        is_clean
    }
}

/// For the error of an option out of several.
pub(super) fn topic(index: usize) -> At {
    At::from("topics").index(index)
}
