//! The options of a link to brokers, whichever node they are of.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use fieldflow_contract::{At, BuildContext, Findings, Span};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::address::Address;
use super::codec::{Version, Will};
use super::tls::Tls;

/// A password. Shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The options that every MQTT node has, by reference into its own.
pub(crate) struct LinkConfig<'a> {
    pub(crate) url: Option<&'a String>,
    pub(crate) urls: &'a [String],
    pub(crate) version: Version,
    pub(crate) client_id: Option<&'a String>,
    pub(crate) username: Option<&'a String>,
    pub(crate) password: Option<&'a Secret>,
    pub(crate) keep_alive: Span,
    pub(crate) timeout: Span,
    pub(crate) fail_back: Span,
    pub(crate) tls: Option<&'a Tls>,
}

/// Options that were found right: who to connect to, as whom, and how.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// The brokers, the best one first. Never empty.
    pub(crate) addresses: Vec<Address>,
    pub(crate) version: Version,
    /// Empty until it is set by who builds the node, if the file does not.
    pub(crate) client_id: String,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) keep_alive: Duration,
    /// Longest time that opening a connection may take.
    pub(crate) timeout: Duration,
    /// Of each broker, in the order of the addresses: how long it may take to open a connection, and how long something may be
    /// without an answer. Else `timeout`, and one and a half times `keep_alive`.
    pub(crate) fail_after: Vec<Option<Duration>>,
    /// How long a better broker must be there before it is used again.
    pub(crate) fail_back: Duration,
    pub(crate) tls: Option<Tls>,
    /// Whether the broker forgets what it knows of this client. Who publishes begins clean: what was under way is published
    /// again under other numbers.
    pub(crate) is_clean: bool,
    /// Seconds for which the broker keeps the session of a client that is gone.
    pub(crate) session_expiry: u32,
    /// Most messages of QoS 1 and 2 that may come without being acknowledged.
    pub(crate) receive_maximum: u16,
    /// Longest packet that is taken.
    pub(crate) maximum_packet_size: u32,
    /// Most messages that may be under way to the broker; fewer if it wants fewer.
    pub(crate) in_flight: u16,
    pub(crate) will: Option<Will>,
}

/// 64 KiB of payload and a long topic are taken without being asked for.
pub(crate) const PACKET: u32 = 1 << 20;
/// What is under way to the broker if nothing else is said.
const IN_FLIGHT: u16 = 100;

impl LinkConfig<'_> {
    /// Reads the options; `None` if there is no broker to connect to. What is wrong is in `findings`.
    pub(crate) fn resolve(&self, findings: &mut Findings) -> Option<Options> {
        let addresses = self.addresses(findings);
        let is_secret = addresses.iter().any(|(_, address)| address.is_secret);
        self.tls(is_secret, findings);
        self.login(&addresses, findings);
        for (option, span, least, most) in [
            ("keep_alive", self.keep_alive, 1, u64::from(u16::MAX)),
            ("timeout", self.timeout, 1, 600),
            ("fail_back", self.fail_back, 0, u64::MAX),
        ] {
            if span.0.as_secs() < least || most < span.0.as_secs() {
                findings
                    .error(option, format!("{span} is not between {least}s and {most}s"))
                    .help("on a slow or dear link 30s to 120s, else leave it out");
            }
        }
        if let Some(id) = self.client_id {
            let is_wrong = id.contains(|c: char| c.is_control());
            if id.is_empty() || is_wrong || 256 < id.len() {
                findings
                    .error("client_id", "a client id has 1 to 256 characters that can be seen")
                    .help("leave it out: fieldflow-PIPELINE-NODE is used then");
            }
        }
        let addresses: Vec<Address> = addresses.into_iter().map(|(_, address)| address).collect();
        (!addresses.is_empty()).then(|| Options {
            addresses,
            version: self.version,
            client_id: self.client_id.cloned().unwrap_or_default(),
            username: self.username.cloned(),
            password: self.password.cloned(),
            keep_alive: self.keep_alive.0,
            timeout: self.timeout.0,
            fail_after: Vec::new(),
            fail_back: self.fail_back.0,
            tls: self.tls.cloned(),
            is_clean: true,
            session_expiry: 0,
            receive_maximum: IN_FLIGHT,
            maximum_packet_size: PACKET,
            in_flight: IN_FLIGHT,
            will: None,
        })
    }

    /// The brokers, each with its place in the file.
    fn addresses(&self, findings: &mut Findings) -> Vec<(At, Address)> {
        if self.url.is_some() && !self.urls.is_empty() {
            findings
                .error("urls", "`url` and `urls` say the same twice")
                .help("keep `urls` with all brokers, the best one first");
        } else if self.url.is_none() && self.urls.is_empty() {
            findings.error("url", "no broker is named").help("write url: mqtt://HOST:PORT");
        }
        let many = self.urls.iter().enumerate().map(|(index, url)| (At::from("urls").index(index), url));
        let mut found: Vec<(At, Address)> = Vec::new();
        for (at, url) in self.url.map(|url| (At::from("url"), url)).into_iter().chain(many) {
            match Address::parse(url) {
                Err(problem) => {
                    findings.error(at, problem.message).help(problem.help);
                }
                Ok(address) => match found.iter().find(|(_, known)| *known == address) {
                    Some((first, _)) => {
                        let first = first.clone();
                        findings.error(at, format!("{address} is there twice")).related(first, "the first one");
                    }
                    None => found.push((at, address)),
                },
            }
        }
        found
    }

    fn tls(&self, is_secret: bool, findings: &mut Findings) {
        let Some(tls) = self.tls else { return };
        if !is_secret {
            findings.error("tls", "`tls` is for mqtts:// and wss:// only").help("write such a url, or leave `tls` out");
        }
        if tls.cert.is_some() != tls.key.is_some() {
            findings.error("tls", "`cert` and `key` belong together").help("name both, or none");
        }
        for (index, name) in tls.alpn.iter().enumerate() {
            if name.is_empty() || 255 < name.len() {
                findings.error(At::from("tls").key("alpn").index(index), "a protocol has 1 to 255 characters");
            }
        }
    }

    fn login(&self, addresses: &[(At, Address)], findings: &mut Findings) {
        let longest = usize::from(u16::MAX);
        let password = self.password.map(|password| &password.0);
        for (option, text) in [("username", self.username), ("password", password)] {
            if text.is_some_and(|text| longest < text.len() || text.contains('\0')) {
                findings.error(option, "that is too long, or holds a character that MQTT does not allow");
            }
        }
        if password.is_none() {
            return;
        }
        if self.version == Version::V3 && self.username.is_none() {
            findings.error("password", "MQTT 3.1.1 has no password without a user name").help("add `username`");
        }
        for (at, address) in addresses.iter().filter(|(_, address)| !address.is_secret && !address.is_loopback()) {
            findings
                .warning("password", format!("everybody on the way to {address} can read the password"))
                .help("use mqtts:// or wss://")
                .related(at.clone(), "not encrypted");
        }
    }
}

impl Options {
    /// Gives the client the name that the file does not give it: the same at each start.
    #[must_use]
    pub(crate) fn named(mut self, context: &BuildContext) -> Self {
        if self.client_id.is_empty() {
            self.client_id = format!("fieldflow-{}-{}", context.pipeline, context.node);
        }
        self
    }

    /// See `fail_after`.
    pub(super) fn fail_after(&self, place: usize) -> Option<Duration> {
        self.fail_after.get(place).copied().flatten()
    }

    /// Bytes of messages that wait for the node, beside the last one.
    pub(super) fn held(&self) -> usize {
        (self.maximum_packet_size as usize).max(4 << 20)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Number(number) if number.as_f64() == Some(5.0) => Ok(Self::V5),
            serde_json::Value::String(text) if text == "5" => Ok(Self::V5),
            serde_json::Value::String(text) if text == "3.1.1" => Ok(Self::V3),
            _ => Err(de::Error::custom("the version of MQTT is 5 or 3.1.1")),
        }
    }
}

impl JsonSchema for Version {
    fn schema_name() -> Cow<'static, str> {
        "MqttVersion".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "enum": [5, "3.1.1"] })
    }
}
