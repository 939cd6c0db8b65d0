//! Sparkplug B 3.0 on the wire: payloads, metrics and topics. What a node or host does with them stands elsewhere.
//!
//! | to learn about | read |
//! |---|---|
//! | the messages of the protocol buffer | `wire` |
//! | a payload and its metrics, and the limits of what is taken in | here |
//! | types, and what a value is on the wire | `datum` |
//! | topics | `topic` |
//!
//! What comes in is hostile: a payload is bounded in bytes, metrics and array elements, and no message is nested in another to
//! more than three levels: datasets, templates and nested property sets are not looked into.

mod datum;
#[cfg(test)]
mod tests;
mod topic;
mod wire;

use std::fmt;

use fieldflow_contract::Quality;
use prost::Message as _;
use prost::bytes::Bytes;

pub(crate) use self::datum::{DataType, Datum, Misfit};
pub(crate) use self::topic::{Kind, Topic, check_id};
use self::wire::Raw;

/// The metric that asks a node for its births.
pub(crate) const REBIRTH: &str = "Node Control/Rebirth";
/// The metric that says which will belongs to which birth.
pub(crate) const BD_SEQ: &str = "bdSeq";

/// Most bytes of a payload that is read.
pub(crate) const MOST_BYTES: usize = 4 << 20;
/// Most metrics of a payload that is read.
pub(crate) const MOST_METRICS: usize = 100_000;
/// Most bytes of the properties of a metric that are read.
const MOST_PROPERTIES: usize = 64 << 10;

/// A payload.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Payload {
    /// When it was sent, in milliseconds since 1970.
    pub(crate) timestamp: Option<u64>,
    /// Its place in the sequence of the node, 0 to 255. Deaths have none.
    pub(crate) seq: Option<u8>,
    /// What it tells.
    pub(crate) metrics: Vec<Metric>,
}

/// One value of one metric.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Metric {
    /// Its name; in data it may be left out for the alias.
    pub(crate) name: Option<String>,
    /// A number for its name, given in the birth.
    pub(crate) alias: Option<u64>,
    /// When the value was true, in milliseconds since 1970.
    pub(crate) timestamp: Option<u64>,
    /// Its type; data often leaves it to the birth.
    pub(crate) kind: Option<DataType>,
    /// Whether it comes late, and is not the present value.
    pub(crate) is_historical: bool,
    /// The property `Quality`: 0 bad, 192 good, 500 stale.
    pub(crate) quality: Option<i32>,
    /// The value as it stands on the wire; `None` for null.
    pub(crate) raw: Option<Raw>,
}

/// A payload that is not taken in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No protocol buffer of a Sparkplug payload.
    Malformed(String),
    /// More than is taken.
    TooMuch(String),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "not a Sparkplug payload: {why}"),
            Self::TooMuch(what) => write!(f, "a Sparkplug payload with {what}"),
        }
    }
}

impl From<prost::DecodeError> for Refused {
    fn from(error: prost::DecodeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl Payload {
    /// Reads a payload.
    pub(crate) fn decode(bytes: impl Into<Bytes>) -> Result<Self, Refused> {
        let bytes = bytes.into();
        if MOST_BYTES < bytes.len() {
            return Err(Refused::TooMuch(format!("{} bytes: at most {MOST_BYTES} are taken", bytes.len())));
        }
        let wire::Payload { timestamp, metrics, seq } = wire::Payload::decode(bytes)?;
        if MOST_METRICS < metrics.len() {
            return Err(Refused::TooMuch(format!("{} metrics: at most {MOST_METRICS} are taken", metrics.len())));
        }
        let seq = match seq.map(u8::try_from) {
            Some(Err(_)) => return Err(Refused::Malformed("`seq` is not between 0 and 255".to_owned())),
            Some(Ok(seq)) => Some(seq),
            None => None,
        };
        let metrics = metrics.into_iter().map(Metric::decode).collect::<Result<_, _>>()?;
        Ok(Self { timestamp, seq, metrics })
    }

    /// The bytes of the payload.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let metrics = self.metrics.iter().map(Metric::encode).collect();
        wire::Payload { timestamp: self.timestamp, metrics, seq: self.seq.map(u64::from) }.encode_to_vec()
    }
}

impl Metric {
    /// A metric with this value; null if there is none.
    pub(crate) fn new(kind: DataType, datum: Option<&Datum>) -> Self {
        Self { kind: Some(kind), raw: datum.map(|datum| datum.raw(kind)), ..Self::default() }
    }

    /// The value, if it is of this type: that of the metric itself, or the one that its birth told. `None` for null.
    pub(crate) fn datum(&self, kind: DataType) -> Result<Option<Datum>, Misfit> {
        self.raw.as_ref().map(|raw| Datum::of(raw, kind)).transpose()
    }

    /// What the property `Quality` says in our terms. Without it, a metric is good.
    pub(crate) fn quality(&self) -> Quality {
        match self.quality {
            None | Some(192) => Quality::GOOD,
            Some(500) => Quality::UNCERTAIN_LAST_USABLE,
            Some(_) => Quality::BAD,
        }
    }

    /// The property `Quality` for a quality: none if it is good, stale for all that is Uncertain, as there is no word for that.
    pub(crate) fn quality_of(quality: Quality) -> Option<i32> {
        (!quality.is_good()).then(|| if quality.is_bad() { 0 } else { 500 })
    }

    /// About how many bytes it takes in a payload, and never less than it does.
    pub(crate) fn most_bytes(&self) -> usize {
        let value = match &self.raw {
            Some(Raw::Text(text)) => text.len(),
            Some(Raw::Bytes(bytes)) => bytes.len(),
            _ => 10,
        };
        // Keys and lengths; alias, timestamp, type, flags; the quality with its name.
        self.name.as_ref().map_or(0, String::len) + value + 8 * 6 + 11 + 11 + 6 + 24
    }

    fn decode(bytes: Bytes) -> Result<Self, Refused> {
        let metric = wire::Metric::decode(bytes)?;
        let quality = metric.properties.as_ref().map(quality).transpose()?.flatten();
        let raw = if metric.is_null == Some(true) { None } else { metric.value };
        Ok(Self {
            name: metric.name,
            alias: metric.alias,
            timestamp: metric.timestamp,
            kind: metric.datatype.map(DataType::of_code),
            is_historical: metric.is_historical == Some(true),
            quality,
            raw,
        })
    }

    fn encode(&self) -> Bytes {
        let is_null = self.raw.is_none().then_some(true);
        let metric = wire::Metric {
            name: self.name.clone(),
            alias: self.alias,
            timestamp: self.timestamp,
            datatype: self.kind.map(DataType::code),
            is_historical: self.is_historical.then_some(true),
            is_null,
            properties: self.quality.map(properties),
            value: self.raw.clone(),
        };
        metric.encode_to_vec().into()
    }
}

/// The property that Sparkplug 3.0 gives a meaning.
const QUALITY: &str = "Quality";

fn quality(properties: &Bytes) -> Result<Option<i32>, Refused> {
    if MOST_PROPERTIES < properties.len() {
        let message = format!("{} bytes of properties on one metric", properties.len());
        return Err(Refused::TooMuch(message));
    }
    let wire::PropertySet { keys, values } = wire::PropertySet::decode(properties.clone())?;
    let Some(value) = keys.iter().position(|key| key == QUALITY).and_then(|at| values.into_iter().nth(at)) else {
        return Ok(None);
    };
    let value = wire::PropertyValue::decode(value)?;
    // Some write it as a 64-bit number.
    Ok(value.int_value.map(|value| value as i32).or(value.long_value.map(|value| value as i32)))
}

fn properties(quality: i32) -> Bytes {
    let value =
        wire::PropertyValue { kind: Some(DataType::Int32.code()), int_value: Some(quality as u32), long_value: None };
    let set = wire::PropertySet { keys: vec![QUALITY.to_owned()], values: vec![value.encode_to_vec().into()] };
    set.encode_to_vec().into()
}
