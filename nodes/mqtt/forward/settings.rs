//! What the options of `mqtt_forward` resolve to, and what is wrong with them.

use std::time::Duration;

use fieldflow_contract::{At, Findings, Owned, Severity, TagSelector};

use super::config::{Config, Payload, Sparkplug, Status, Uplink};
use super::payload::Form;
use super::topic;
use crate::mqtt::client::{LinkConfig, Options, Qos, Tls, Version, client_ids};
use crate::mqtt::sparkplug::check_id;
use crate::template::Template;

/// What can stand in a template of the payload.
pub(super) const HOLES: &[&str] = &["tag", "value", "time", "time_ms", "quality", "pipeline"];
/// Most messages of QoS 2 under way with MQTT 3.1.1, where a broker cannot say how many it takes, nor that it has not taken one:
/// what is beyond its 20 Mosquitto acknowledges and throws away, or ends the connection for.
const MOST_OF_V3: u16 = 20;
/// The shortest `max_packet`: a status message and a birth fit.
const LEAST_PACKET: u64 = 256;

/// Options that were found right.
pub(super) struct Settings {
    pub(super) link: Options,
    /// Of each broker, what goes to it; `None` for everything.
    pub(super) only: Vec<Option<TagSelector>>,
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
    Sparkplug { group: String, node: Option<String>, device: Option<Template>, host: Option<String>, name: Template },
}

impl Uplink {
    fn url(&self) -> &str {
        match self {
            Self::Url(url) => url,
            Self::Way(way) => &way.url,
        }
    }

    fn only(&self) -> Option<&TagSelector> {
        match self {
            Self::Url(_) => None,
            Self::Way(way) => way.only.as_ref(),
        }
    }

    fn fail_after(&self) -> Option<Duration> {
        match self {
            Self::Url(_) => None,
            Self::Way(way) => way.fail_after.map(|span| span.0),
        }
    }
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

    /// Whether the brokers are in `urls`.
    pub(super) fn is_list(&self) -> bool {
        self.url.is_none()
    }

    /// The client id at each broker.
    pub(super) fn owns(&self) -> Vec<Owned> {
        client_ids(self.client_id.as_deref(), self.url.as_deref().into_iter().chain(self.urls.iter().map(Uplink::url)))
    }

    /// The quality of service.
    pub(super) fn qos(&self) -> Qos {
        // For Sparkplug 0.
        let default = u8::from(self.payload != Payload::Sparkplug);
        Qos::of(self.qos.unwrap_or(default)).unwrap_or(Qos::AtLeastOnce)
    }

    /// Reads the options; `None` if one of them is wrong, and then `findings` has every one that is.
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Settings> {
        let before = findings.0.len();
        let urls: Vec<String> = self.urls.iter().map(|uplink| uplink.url().to_owned()).collect();
        let link = LinkConfig {
            url: self.url.as_ref(),
            urls: &urls,
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
        self.ways(findings);
        self.belongs(findings);
        let what = if self.payload == Payload::Sparkplug { self.edge_node(findings) } else { self.messages(findings) };
        self.limits(findings);
        if let Some(status) = &self.status {
            check_status(status, findings);
        }
        let is_wrong = findings.0.iter().skip(before).any(|found| found.severity == Severity::Error);
        let (link, what) = link.zip(what).filter(|_| !is_wrong)?;
        Some(Settings {
            link: Options {
                in_flight: if self.version == Version::V3 && self.qos() == Qos::ExactlyOnce {
                    self.in_flight.min(MOST_OF_V3)
                } else {
                    self.in_flight
                },
                fail_after: self.urls.iter().map(Uplink::fail_after).collect(),
                ..link
            },
            only: self.urls.iter().map(|uplink| uplink.only().cloned()).collect(),
            qos: self.qos(),
            retain: self.retain,
            expire: self.expire.map(|span| u32::try_from(span.0.as_secs()).unwrap_or(u32::MAX)),
            user_properties: self.user_properties && self.version == Version::V5 && self.payload != Payload::Sparkplug,
            max_packet: usize::try_from(self.max_packet.0).unwrap_or(usize::MAX),
            status: self.status.clone(),
            what,
        })
    }

    /// Whether some way is not for everything.
    pub(super) fn is_narrow(&self) -> Option<usize> {
        self.urls.iter().position(|uplink| uplink.only().is_some())
    }

    /// What is peculiar to the way to one of several brokers.
    fn ways(&self, findings: &mut Findings) {
        if !self.urls.is_empty() && self.urls.iter().all(|uplink| uplink.only().is_some()) {
            findings
                .error("urls", "none of these brokers gets everything, so what `only` leaves out would wait for ever")
                .help(
                    "leave `only` out at the best one; a `filter` before this node throws away what nobody is to get",
                );
        }
        for (place, uplink) in self.urls.iter().enumerate() {
            let at = |option| At::from("urls").index(place).key(option);
            if uplink.fail_after().is_some_and(|span| span < Duration::from_millis(100)) {
                findings
                    .error(at("fail_after"), "no network answers always so soon")
                    .help("100ms at least, such as 1s");
            }
            let best = self.urls.iter().take(place).position(|better| better.only().is_some());
            if let (None, Some(best)) = (uplink.only(), best) {
                let message = "this broker gets everything, and stands behind one that does not";
                findings
                    .warning(At::from("urls").index(place), message)
                    .help(
                        "while the one before it can be had this one is not used: put it first if it is the better one",
                    )
                    .related(At::from("urls").index(best).key("only"), "not everything");
            }
        }
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
        let topic = if let Some(topic) = &self.topic {
            topic::check(topic, &"topic".into(), findings)
        } else {
            findings.error("topic", "no topic is named").help("write topic: \"site/{tag}\"");
            None
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
        let Some(Sparkplug { group, node, device, primary_host }) = &self.sparkplug else {
            findings
                .error("sparkplug", "`payload: sparkplug` needs to know which edge node this is")
                .help("write sparkplug: { group: plant-1 }");
            return None;
        };
        for (option, id) in [("group", Some(group)), ("node", node.as_ref()), ("primary_host", primary_host.as_ref())] {
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
        let (device, host) = (device.transpose().ok()?, primary_host.clone());
        Some(What::Sparkplug { group: group.clone(), node: node.clone(), device, host, name })
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
