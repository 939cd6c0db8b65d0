//! The options of the line, and what is not to be read: the parts of [`Config::resolve`] that concern no single tag.

use std::time::Duration;

use fieldflow_contract::{At, Findings, Span};
use schemars::JsonSchema;
use serde::Deserialize;

use super::address::{Address, Problem};
use super::config::{Config, report};
use super::endpoint::Endpoint;
use super::inbound::LONGEST;
use super::line::LineOptions;
use super::plan::Need;
use super::tags::Point;

/// Who is trusted on a `tls://` line, and who this is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Tls {
    /// A PEM file with the certificates that vouch for the device, or the device's own.
    pub(super) ca: String,
    /// A PEM file with the certificate that this client shows, and those that vouch for it.
    pub(super) cert: Option<String>,
    /// A PEM file with the key of `cert`.
    pub(super) key: Option<String>,
    /// The name in the device's certificate, if it is not the host of the url.
    pub(super) server_name: Option<String>,
}

/// How a device that dials in says who it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Register {
    /// The first bytes that it sends: text, or `hex:` and digits.
    #[schemars(extend("examples" = ["DTU-0017", "hex:38363030"]))]
    pub(super) id: String,
}

/// How frames are told apart on a connection that the url does not tell it of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum FramingOption {
    Rtu,
    Tcp,
}

pub(super) fn minute() -> Span {
    Span(Duration::from_secs(60))
}
pub(super) fn nothing() -> Span {
    Span(Duration::ZERO)
}
pub(super) fn three() -> u32 {
    3
}
pub(super) fn ten_seconds() -> Span {
    Span(Duration::from_secs(10))
}

impl LineOptions {
    /// The first option in which two differ.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        if self.endpoints.first() != other.endpoints.first() {
            Some("url")
        } else if self.endpoints != other.endpoints {
            Some("standby")
        } else if self.fail_back != other.fail_back {
            Some("fail_back")
        } else if self.pause != other.pause {
            Some("pause")
        } else if self.settle != other.settle {
            Some("settle")
        } else if self.is_rtu != other.is_rtu {
            Some("framing")
        } else if self.heartbeat != other.heartbeat {
            Some("heartbeat")
        } else if self.tls != other.tls {
            Some("tls")
        } else {
            None
        }
    }
}

/// The options of the line, whichever node they are of.
pub(super) struct LineConfig<'a> {
    pub(super) url: &'a str,
    pub(super) tls: Option<&'a Tls>,
    pub(super) register: Option<&'a Register>,
    pub(super) heartbeat: Option<&'a String>,
    pub(super) framing: Option<FramingOption>,
    pub(super) standby: &'a [String],
    pub(super) fail_back: Span,
    pub(super) pause: Span,
    pub(super) settle: Span,
    /// The unit that is asked.
    pub(super) unit: u8,
}

impl LineConfig<'_> {
    /// The line, and how it is run.
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<LineOptions> {
        let mut parse = |url: &str, at: At| Endpoint::parse(url).map_err(|problem| report(problem, at, findings)).ok();
        let first = parse(self.url, "url".into());
        let standby: Vec<Option<Endpoint>> =
            self.standby.iter().enumerate().map(|(index, url)| parse(url, At::from("standby").index(index))).collect();
        let first = first?;
        let serial = if let Endpoint::Rtu(serial) = &first { serial.silence() } else { Duration::ZERO };
        for (index, endpoint) in standby.iter().enumerate() {
            if endpoint.as_ref().is_some_and(|endpoint| endpoint.key() == first.key()) {
                findings
                    .error(At::from("standby").index(index), "this is the address of `url`")
                    .help("write another address of the same device, or leave it out");
            }
        }
        let endpoints: Vec<Endpoint> = std::iter::once(first).chain(standby.into_iter().flatten()).collect();
        let is_inbound = endpoints.iter().any(|endpoint| matches!(endpoint, Endpoint::Listen(_)));
        let is_secret = endpoints.iter().any(|endpoint| matches!(endpoint, Endpoint::Tls(_)));
        if is_inbound && 1 < endpoints.len() {
            findings
                .error("standby", "a device that dials in has no second address")
                .help("leave `standby` out: the device dials again when it has lost its way");
        }
        for (option, is_given, belongs, where_to) in [
            ("tls", self.tls.is_some(), is_secret, "tls://"),
            ("register", self.register.is_some(), is_inbound, "listen://"),
            ("heartbeat", self.heartbeat.is_some(), is_inbound, "listen://"),
            ("framing", self.framing.is_some(), is_inbound, "listen://"),
        ] {
            if is_given && !belongs {
                findings.error(option, format!("`{option}` is for {where_to} only")).help("leave it out");
            }
        }
        match self.tls {
            None if is_secret => {
                findings
                    .error("url", "a tls:// line needs to know whom to trust")
                    .help("add tls: { ca: ca.pem, cert: client.pem, key: client.key }");
            }
            Some(tls) if tls.cert.is_some() != tls.key.is_some() => {
                findings.error("tls", "`cert` and `key` belong together").help("name both, or none");
            }
            _ => {}
        }
        let is_rtu = self.framing != Some(FramingOption::Tcp);
        let register = Self::bytes("register", self.register.map(|register| &register.id), findings);
        let heartbeat = Self::bytes("heartbeat", self.heartbeat, findings);
        if is_inbound && is_rtu && heartbeat.first() == Some(&self.unit) {
            findings
                .error("heartbeat", format!("it begins as each answer of unit {} does", self.unit))
                .help("have the device send another heartbeat, or none, or give the unit another number");
        }
        Some(LineOptions {
            endpoints,
            fail_back: self.fail_back.0,
            pause: self.pause.0.max(serial),
            settle: self.settle.0,
            is_rtu: is_inbound && is_rtu,
            register,
            heartbeat,
            tls: self.tls.cloned(),
        })
    }

    /// Text, or bytes in hex.
    fn bytes(option: &'static str, text: Option<&String>, findings: &mut Findings) -> Vec<u8> {
        let Some(text) = text else { return Vec::new() };
        let bytes = match text.strip_prefix("hex:") {
            None => Some(text.clone().into_bytes()),
            Some(hex) => hex
                .as_bytes()
                .chunks(2)
                .map(|pair| match pair {
                    [high, low] => Some((char::from(*high).to_digit(16)? * 16 + char::from(*low).to_digit(16)?) as u8),
                    _ => None,
                })
                .collect::<Option<Vec<u8>>>(),
        };
        bytes.filter(|bytes| (1..=LONGEST).contains(&bytes.len())).unwrap_or_else(|| {
            findings
                .error(option, format!("`{text}` is not 1 to {LONGEST} bytes"))
                .help("write text, or hex: and two digits for each byte, such as hex:FE01");
            Vec::new()
        })
    }
}

impl Config {
    /// The line, and how it is run.
    pub(super) fn line(&self, findings: &mut Findings) -> Option<LineOptions> {
        let line = LineConfig {
            url: &self.url,
            tls: self.tls.as_ref(),
            register: self.register.as_ref(),
            heartbeat: self.heartbeat.as_ref(),
            framing: self.framing,
            standby: &self.standby,
            fail_back: self.fail_back,
            pause: self.pause,
            settle: self.settle,
            unit: self.unit,
        };
        line.resolve(findings)
    }

    /// What no request may touch.
    pub(super) fn holes(&self, findings: &mut Findings) -> Vec<Need> {
        let holes = self.holes.iter().enumerate().filter_map(|(index, text)| {
            hole(text).map_err(|problem| report(problem, At::from("holes").index(index), findings)).ok()
        });
        holes.collect()
    }

    /// A tag in a hole could never be read.
    pub(super) fn check_holes(holes: &[Need], points: &[Point], findings: &mut Findings) {
        let meet = |hole: &Need, need: Need| {
            hole.table == need.table && u32::from(need.start) < hole.end() && u32::from(hole.start) < need.end()
        };
        for point in points {
            if let Some(hole) = holes.iter().find(|hole| meet(hole, point.need)) {
                let (table, first, last) = (hole.table, hole.start, hole.end() - 1);
                findings
                    .error(
                        At::from("tags").key(&point.name).key("at"),
                        format!("the value lies in the hole {table}:{first}..{last}, which is never read"),
                    )
                    .related("holes", "the holes");
            }
        }
    }
}

/// `holding:10..19`, both ends in it, or `holding:10`.
pub(super) fn hole(text: &str) -> Result<Need, Problem> {
    const HELP: &str = "write a table with the first and the last address, such as \"holding:10..19\"";
    let (first, last) = text.split_once("..").unwrap_or((text, ""));
    let address = Address::parse(first, None)?;
    let start = address.start;
    let last = if last.is_empty() { Some(start) } else { last.parse::<u16>().ok() };
    match last.filter(|last| start <= *last && address.bit.is_none()) {
        // All 65536 places of a table are one more than a count can say; nothing could be read then anyway.
        Some(last) => Ok(Need { table: address.table, start, count: (last - start).saturating_add(1) }),
        None => Err(Problem::new(format!("`{text}` is no range of addresses"), HELP)),
    }
}
