//! From a payload to a value.

use bytes::Bytes;
use fieldflow_contract::{Quality, Timestamp, Value};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the payload of a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Payload {
    /// Raw bytes.
    #[default]
    Bytes,
    /// UTF-8.
    Text,
    /// A number, a text or a boolean; or an object that has one as `value`.
    Json,
    /// Digits.
    Number,
    /// Sparkplug B, which `Host` reads; what it does not read is kept as it is.
    Sparkplug,
}

/// What a payload says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    pub(super) value: Value,
    pub(super) quality: Quality,
    /// When it was true, if it says so.
    pub(super) time: Option<Timestamp>,
}

impl Said {
    fn good(value: Value) -> Self {
        Self { value, quality: Quality::GOOD, time: None }
    }

    /// Nothing is known of it but why.
    pub(super) fn bad(quality: Quality) -> Self {
        Self { value: Value::Null, quality, time: None }
    }
}

impl Payload {
    /// Reads a payload; one that is not what it should be is Bad, and its bytes are kept.
    pub(super) fn read(self, payload: &Bytes) -> Said {
        let read = match self {
            Self::Bytes => Some(Said::good(Value::Bytes(payload.as_ref().into()))),
            Self::Text => std::str::from_utf8(payload).ok().map(|text| Said::good(Value::Text(text.into()))),
            Self::Number => number(payload).map(Said::good),
            Self::Json => json(payload),
            Self::Sparkplug => None,
        };
        read.unwrap_or_else(|| Said {
            value: Value::Bytes(payload.as_ref().into()),
            quality: Quality::BAD_DECODING,
            time: None,
        })
    }
}

fn number(payload: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(payload).ok()?.trim();
    if let Ok(whole) = text.parse() {
        return Some(Value::I64(whole));
    }
    if let Ok(whole) = text.parse() {
        return Some(Value::U64(whole));
    }
    // `inf` and `nan` are words that Rust reads as numbers; nobody means one by them.
    let is_number = text.ends_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse::<f64>().ok().filter(|value| is_number && value.is_finite()).map(Value::F64)
}

/// An object of `mqtt_forward`. What else it says is left to `decode`.
#[derive(Deserialize)]
struct Object {
    value: serde_json::Value,
    t: Option<String>,
    quality: Option<String>,
}

fn json(payload: &[u8]) -> Option<Said> {
    let whole: serde_json::Value = serde_json::from_slice(payload).ok()?;
    if !whole.is_object() {
        return scalar(whole).map(Said::good);
    }
    let Object { value, t, quality } = serde_json::from_value(whole).ok()?;
    let time = t.map(|text| text.parse()).transpose().ok()?;
    let quality = quality.map(|word| word.parse::<Quality>()).transpose().ok()?.unwrap_or_default();
    let value = if value.is_null() && quality.is_bad() { Value::Null } else { scalar(value)? };
    Some(Said { value, quality, time })
}

fn scalar(json: serde_json::Value) -> Option<Value> {
    match json {
        serde_json::Value::Bool(value) => Some(Value::Bool(value)),
        serde_json::Value::String(text) => Some(Value::Text(text.into())),
        serde_json::Value::Number(number) => number
            .as_i64()
            .map(Value::I64)
            .or_else(|| number.as_u64().map(Value::U64))
            .or_else(|| number.as_f64().map(Value::F64)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(payload: Payload, text: &str) -> Said {
        payload.read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn numbers_keep_their_kind() {
        for (text, value) in [
            ("23.5", Value::F64(23.5)),
            (" -7\n", Value::I64(-7)),
            ("18446744073709551615", Value::U64(u64::MAX)),
            ("1e3", Value::F64(1000.0)),
            ("5.", Value::F64(5.0)),
        ] {
            assert_eq!(read(Payload::Number, text), Said::good(value), "{text}");
        }
        for text in ["", "on", "nan", "inf", "infinity", "1e999", "0x10", "1,5", "1 2"] {
            let said = read(Payload::Number, text);
            assert_eq!(
                (said.quality, said.value),
                (Quality::BAD_DECODING, Value::Bytes(text.as_bytes().into())),
                "{text}"
            );
        }
    }

    #[test]
    fn json_is_a_value_or_an_object_with_one() {
        assert_eq!(read(Payload::Json, "true"), Said::good(Value::Bool(true)));
        assert_eq!(read(Payload::Json, "\"on\""), Said::good(Value::Text("on".into())));
        let said = read(
            Payload::Json,
            r#"{"t":"2026-01-01T00:00:00Z","tag":"x","value":78.4,"quality":"uncertain","more":[1]}"#,
        );
        let time = Some(Timestamp(1_767_225_600_000_000));
        assert_eq!(said, Said { value: Value::F64(78.4), quality: Quality::UNCERTAIN, time });
        let said = read(Payload::Json, r#"{"value":null,"quality":"bad:timeout"}"#);
        assert_eq!(said, Said { value: Value::Null, quality: Quality::BAD_TIMEOUT, time: None });
        let deep = "[".repeat(100_000);
        for text in ["", "null", "[1]", "{}", r#"{"value":{}}"#, r#"{"value":1,"t":"today"}"#, "{\"value\":1", &deep] {
            assert_eq!(read(Payload::Json, text).quality, Quality::BAD_DECODING, "{text:.50}");
        }
    }

    #[test]
    fn what_is_no_text_keeps_its_bytes() {
        let said = Payload::Text.read(&Bytes::from_static(b"\xFFa"));
        assert_eq!((said.quality, said.value), (Quality::BAD_DECODING, Value::Bytes((*b"\xFFa").into())));
        assert_eq!(read(Payload::Text, "ä"), Said::good(Value::Text("ä".into())));
    }
}
