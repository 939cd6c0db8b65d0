//! The options of `opcua`, and what they resolve to.
//!
//! [`Config::resolve`] is the one reading of the options: `check` reports what it finds wrong, `build` takes what it makes.

use std::collections::BTreeMap;
use std::time::Duration;

use fieldflow_contract::{At, Findings, Severity, Span, Tag};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ids::Id;
use super::options::{Access, Lasting, SecurityOptions, User};
use super::profile::Kind;
use super::subscription::Wanted;
use super::tags::{Point, TagOptions};

/// Subscribes to the values of an OPC UA server, and survives the loss of its link, session or subscription.
///
/// Each change comes with the quality and the time that the server gives it. What a server sent and this node did not get is
/// asked for again (Republish); what cannot be had that way is had from the history of the server, for tags of which it keeps
/// one, as far as that goes; what is lost is told: one record of `bad:data_lost` for each tag. While the link
/// is down each tag says so once; afterwards each has a value again, as of the time of the return if it did not change. The
/// connection is never given up.
///
/// A message of the server is acknowledged to it when its records are delivered, not before, so that it keeps the last ones
/// for as long as its retransmission queue allows. It does not keep them over a restart of this process.
///
/// The connection is signed and encrypted unless `allow_insecure` says that it need not be. The key and the certificate of
/// this side are made at the first start, in the folder `pki` of the pipeline's data; a server that is seen for the first time
/// is refused, and `fieldflow pki trust` lets it in.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the server is: `opc.tcp://HOST:PORT/PATH`, port 4840 if left out. This address is used whatever the server says
    /// of its own.
    #[schemars(extend("examples" = ["opc.tcp://127.0.0.1:4840"]))]
    pub(super) url: String,
    /// How the connection is secured. `Basic256Sha256` and `SignAndEncrypt` if left out.
    #[serde(default)]
    pub(super) security: SecurityOptions,
    /// Who logs in. Nobody in particular (anonymous) if left out.
    pub(super) user: Option<User>,
    /// How often the server sends what has changed, where the tag says nothing else; `1ms` to `1h`. The server may make it longer,
    /// which is told.
    #[serde(default = "half_second")]
    pub(super) publishing: Span,
    /// How often the server looks at a value, where the tag says nothing else; `0s` for as often as it can. As often as
    /// `publishing` if left out.
    pub(super) sampling: Option<Span>,
    /// How many values of a tag the server keeps until it sends them, where the tag says nothing else; 1 to 10000. What is
    /// too much is lost, and counted as `server_queue_overflow`. As many as are sampled between two publishings, at least 10,
    /// if left out.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) queue: Option<u32>,
    /// Reads the tags at this interval instead of subscribing to them; a tag may name its own. For servers whose
    /// subscriptions are of no use, and for rows at a fixed interval.
    pub(super) every: Option<Span>,
    /// How often a subscription without news says that it lives. When nothing was heard for three times as long, the server is
    /// asked why: the subscription is made anew if it is forgotten, and the connection if there is no answer. `1s` to `10m`.
    #[serde(default = "five_seconds")]
    pub(super) keep_alive: Span,
    /// How long the server is asked to keep the subscriptions and their queues while this node is away. At least three times
    /// `keep_alive`.
    #[serde(default = "ten_minutes")]
    pub(super) lifetime: Span,
    /// Longest wait for the connection and for each answer; `100ms` to `10m`.
    #[serde(default = "five_seconds")]
    pub(super) timeout: Span,
    /// Whose time a record has.
    #[serde(default)]
    pub(super) time: TimeOf,
    /// What kind of server it is. Then it is asked for as much at once as such a server takes well, whatever it says of itself,
    /// and `validate` tells if the nodes of a pipeline ask it for more items or sessions than it has, or for samples in quicker
    /// succession. Recognised at the connection if left out, for the first of the two only.
    pub(super) server: Option<Kind>,
    /// Most nodes that one request names. What the server states, and less for servers that are known to state too much, if
    /// left out: 50 for one that is not known. Halved by itself where the server refuses.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) batch: Option<u32>,
    /// What to subscribe to: the name of each tag, and the node of the server. At least one.
    pub(super) tags: BTreeMap<String, TagOptions>,
}

/// Whose time a record has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum TimeOf {
    /// When the value was true at its source; the server's time where the source gives none, and the time of receipt where
    /// the server gives none either.
    #[default]
    Source,
    /// When the server got the value; the time of receipt where it does not say.
    Server,
    /// When it was received here.
    Gather,
}

fn half_second() -> Span {
    Span(Duration::from_millis(500))
}
fn five_seconds() -> Span {
    Span(Duration::from_secs(5))
}
fn ten_minutes() -> Span {
    Span(Duration::from_secs(600))
}

/// Most tags of a node, as everywhere.
const MOST_TAGS: usize = 65_536;

/// Options that were found right.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) access: Access,
    pub(super) time: TimeOf,
    pub(super) points: Vec<Point>,
}

impl Config {
    /// Reads the options; `None` if one of them is wrong, and then `findings` has every one that is.
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Settings> {
        let way = (self.url.as_str(), &self.security, self.user.as_ref());
        let access = Access::resolve(way, (self.timeout.0, self.server, self.batch), findings);
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        for (option, span, least, most) in [
            ("publishing", Some(self.publishing), Duration::from_millis(1), hour),
            ("sampling", self.sampling, Duration::ZERO, hour),
            ("every", self.every, Duration::from_millis(1), 24 * hour),
            ("keep_alive", Some(self.keep_alive), second, 600 * second),
            ("lifetime", Some(self.lifetime), second, 24 * hour),
            ("timeout", Some(self.timeout), Duration::from_millis(100), 600 * second),
        ] {
            between(option.into(), span, least, most, findings);
        }
        if self.lifetime.0 < self.keep_alive.0 * 3 {
            findings
                .error(
                    "lifetime",
                    format!("{} is less than three times `keep_alive`, {}", self.lifetime, self.keep_alive),
                )
                .help("leave it out: the server is asked for 10m");
        }
        if self.tags.is_empty() {
            findings
                .error("tags", "no tag is listed, so there is nothing to subscribe to")
                .help("name at least one, such as speed: { node: \"nsu=urn:plant;s=Line.Speed\" }");
        } else if MOST_TAGS < self.tags.len() {
            findings
                .error("tags", format!("{} tags are more than {MOST_TAGS}", self.tags.len()))
                .help("split the node");
        }
        let points: Vec<_> = self.tags.iter().filter_map(|(name, tag)| self.point(name, tag, findings)).collect();
        let wrong = findings.0.iter().any(|found| found.severity == Severity::Error);
        let access = access?;
        let lifetime = points.iter().map(|point: &Point| point.wanted.lifetime()).max().unwrap_or_default();
        (!wrong).then_some(Settings { access: Access { lifetime, ..access }, time: self.time, points })
    }

    fn point(&self, name: &str, tag: &TagOptions, findings: &mut Findings) -> Option<Point> {
        let at = At::from("tags").key(name);
        let id = Id::parse(&tag.node).map_err(|problem| {
            findings.error(at.clone().key("node"), problem.message).help(problem.help);
        });
        tag.check(&at, self.every.is_some(), findings);
        let tag_of_name = Tag::new(name).map_err(|error| {
            findings.error(at, error.to_string());
        });
        let publishing = tag.publishing.unwrap_or(self.publishing).0;
        let sampling = tag.sampling.or(self.sampling).map(|span| span.0);
        let fitting = || samples(publishing, sampling);
        Some(Point {
            tag: tag_of_name.ok()?,
            id: id.ok()?,
            node: tag.node.clone(),
            wanted: Wanted { publishing, lasting: Lasting::new(publishing, self.keep_alive.0, self.lifetime.0) },
            sampling,
            queue: tag.queue.or(self.queue).unwrap_or_else(fitting),
            discard: tag.discard,
            trigger: tag.trigger,
            deadband: tag.deadband,
            every: tag.every.or(self.every).map(|span| span.0),
            index: tag.index.clone(),
            elements: tag.elements,
            names: tag.names,
        })
    }
}

/// How many values are sampled between two publishings; at least 10.
fn samples(publishing: Duration, sampling: Option<Duration>) -> u32 {
    let sampling = sampling.filter(|span| !span.is_zero()).unwrap_or(publishing);
    let fitting = publishing.as_micros().div_ceil(sampling.as_micros().max(1));
    u32::try_from(fitting).unwrap_or(u32::MAX).clamp(10, 10_000)
}

/// Reports a time that is too short or too long.
pub(super) fn between(at: At, span: Option<Span>, least: Duration, most: Duration, findings: &mut Findings) {
    if let Some(span) = span
        && !(least..=most).contains(&span.0)
    {
        let (least, most) = (Span(least), Span(most));
        findings.error(at, format!("{span} is not between {least} and {most}")).help("leave it out for the usual");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_holds_what_is_sampled_between_two_publishings() {
        let ms = Duration::from_millis;
        assert_eq!(samples(ms(500), None), 10);
        assert_eq!(samples(ms(1000), Some(ms(10))), 100);
        assert_eq!(samples(ms(1000), Some(ms(0))), 10, "as often as the server can: nobody knows how often that is");
        assert_eq!(samples(Duration::from_secs(3600), Some(Duration::from_micros(1))), 10_000);
    }
}
