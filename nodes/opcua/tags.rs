//! A tag of `opcua`: its options, and what they resolve to.

use std::borrow::Cow;
use std::time::Duration;

use fieldflow_contract::{At, Findings, Span, Tag};
use opcua::types::NumericRange;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use super::config::between;
use super::ids::Id;
use super::subscription::Wanted;

/// What to subscribe to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TagOptions {
    /// The node of the server: `nsu=urn:plant;s=Line.Speed` with the uri of its namespace, which stays the same over restarts
    /// of the server; `ns=2;s=Line.Speed` or `i=2258` with its number, which may not; or the way to it, `/Objects/2:Line/2:Speed`,
    /// where `&/` is a slash inside of a name. Resolved anew at each connection.
    #[schemars(extend("examples" = ["nsu=urn:plant;s=Line.Speed"]))]
    pub(super) node: String,
    /// How often the server sends what has changed of this tag; as the node says if left out. Tags with the same interval share
    /// a subscription of their own. Servers have few of them, often 5 to 10.
    pub(super) publishing: Option<Span>,
    /// How often the server looks at the value; `0s` for as often as it can.
    pub(super) sampling: Option<Span>,
    /// How many values the server keeps until it sends them, 1 to 10000.
    #[schemars(range(min = 1, max = 10_000))]
    pub(super) queue: Option<u32>,
    /// Which value is lost when there are more.
    #[serde(default)]
    pub(super) discard: Discard,
    /// What makes the server send a value.
    #[serde(default)]
    pub(super) trigger: Trigger,
    /// How far a number must move away from the last one that was sent: `0.5`, or `2%` of the range that the server states
    /// for it. Where the server cannot do that, it is done here.
    pub(super) deadband: Option<Deadband>,
    /// Reads the tag at this interval instead of subscribing to it.
    pub(super) every: Option<Span>,
    /// A part of an array: `3` for the element at 3, counted from 0; `0:9` for the first ten.
    #[schemars(extend("examples" = ["3", "0:9"]))]
    pub(super) index: Option<String>,
    /// Whether an array becomes a record for each element, `TAG[0]`, `TAG[1]`, to 1024. As text `[1,2,3]` otherwise.
    #[serde(default)]
    pub(super) elements: bool,
    /// Whether an enumeration becomes the name of the value, as the server knows it. Its number otherwise.
    #[serde(default)]
    pub(super) names: bool,
}

/// Which value is lost when the queue of the server is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Discard {
    /// The oldest one.
    #[default]
    Oldest,
    /// The newest one but for the very last.
    Newest,
}

/// What makes the server send a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trigger {
    /// Another quality.
    Status,
    /// Another quality or value.
    #[default]
    Value,
    /// Another quality, value or source time.
    Timestamp,
}

/// How far a number must move before it is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Deadband {
    /// In the unit of the value.
    Absolute(f64),
    /// In hundredths of the range that the server states.
    Percent(f64),
}

impl<'de> Deserialize<'de> for Deadband {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Number(number) => Ok(Self::Absolute(number)),
            Written::Text(text) => match text.strip_suffix('%').and_then(|number| number.trim().parse().ok()) {
                Some(number) => Ok(Self::Percent(number)),
                None => {
                    Err(de::Error::custom(format!("`{text}` is neither a number nor one with %, such as 0.5 or 2%")))
                }
            },
        }
    }
}

impl JsonSchema for Deadband {
    fn schema_name() -> Cow<'static, str> {
        "Deadband".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "number" }, { "type": "string" }], "examples": [0.5, "2%"] })
    }
}

/// A tag that was found right.
#[derive(Debug, Clone)]
pub(super) struct Point {
    pub(super) tag: Tag,
    pub(super) id: Id,
    /// The node as it was written.
    pub(super) node: String,
    /// The subscription that it belongs to.
    pub(super) wanted: Wanted,
    /// As often as is published, if nothing is said.
    pub(super) sampling: Option<Duration>,
    pub(super) queue: u32,
    pub(super) discard: Discard,
    pub(super) trigger: Trigger,
    pub(super) deadband: Option<Deadband>,
    /// Read, not subscribed to.
    pub(super) every: Option<Duration>,
    pub(super) index: Option<String>,
    pub(super) elements: bool,
    pub(super) names: bool,
}

impl Point {
    /// The part of an array that is wanted.
    pub(super) fn range(&self) -> NumericRange {
        self.index.as_ref().and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

impl TagOptions {
    /// Reports what is wrong with the options of this tag, but for its node.
    pub(super) fn check(&self, at: &At, is_read: bool, findings: &mut Findings) {
        let hour = Duration::from_secs(3600);
        between(at.clone().key("publishing"), self.publishing, Duration::from_millis(1), hour, findings);
        between(at.clone().key("sampling"), self.sampling, Duration::ZERO, hour, findings);
        between(at.clone().key("every"), self.every, Duration::from_millis(1), 24 * hour, findings);
        match self.deadband {
            Some(Deadband::Absolute(width)) if !(width.is_finite() && 0.0 <= width) => {
                findings
                    .error(at.clone().key("deadband"), format!("{width} is no width: it is 0 or more"))
                    .help("leave it out, so that each change is sent");
            }
            Some(Deadband::Percent(share)) if !(0.0..=100.0).contains(&share) => {
                findings.error(at.clone().key("deadband"), format!("{share}% is not between 0% and 100%"));
            }
            _ => {}
        }
        let of_subscriptions = [
            ("queue", self.queue.is_some()),
            ("sampling", self.sampling.is_some()),
            ("publishing", self.publishing.is_some()),
        ];
        if (is_read || self.every.is_some())
            && let Some((option, _)) = of_subscriptions.into_iter().find(|(_, is_set)| *is_set)
        {
            findings
                .error(
                    at.clone().key(option),
                    format!("`{option}` is of subscriptions, and this tag is read by `every`"),
                )
                .help("leave one of them out");
        }
        if (is_read || self.every.is_some()) && self.trigger != Trigger::Value {
            findings
                .error(at.clone().key("trigger"), "`trigger` is of subscriptions, and this tag is read by `every`")
                .help("leave one of them out");
        }
        if self.trigger == Trigger::Status && self.deadband.is_some() {
            findings
                .error(
                    at.clone().key("deadband"),
                    "no value is sent because of its number alone with `trigger: status`",
                )
                .help("leave one of them out");
        }
        if let Some(index) = &self.index
            && !is_range(index)
        {
            findings.error(at.clone().key("index"), format!("`{index}` is neither an index nor a range")).help(
                "write 3 for the element at 3, or 0:9 for the first ten; for a matrix one for each dimension: 1,0:9",
            );
        }
    }
}

/// Whether it is a numeric range of OPC UA, in which the first number is less than the second.
pub(super) fn is_range(text: &str) -> bool {
    let number = |text: &str| text.parse::<u32>().ok().filter(|_| text.bytes().all(|c| c.is_ascii_digit()));
    text.split(',').all(|part| match part.split_once(':') {
        None => number(part).is_some(),
        Some((first, last)) => number(first).zip(number(last)).is_some_and(|(first, last)| first < last),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadband_is_a_number_or_a_share() {
        let read = |json: &str| serde_json::from_str::<Deadband>(json).map_err(|error| error.to_string());
        assert_eq!(read("0.5"), Ok(Deadband::Absolute(0.5)));
        assert_eq!(read("\"2.5%\""), Ok(Deadband::Percent(2.5)));
        assert!(read("\"2.5\"").unwrap_err().contains("neither"));
    }

    #[test]
    fn a_range_goes_up() {
        for (text, is) in [("3", true), ("0:9", true), ("1,0:9", true), ("9:0", false), ("+1", false), ("", false)] {
            assert_eq!(is_range(text), is, "{text}");
            assert!(!is || text.parse::<NumericRange>().is_ok(), "{text}");
        }
    }
}
