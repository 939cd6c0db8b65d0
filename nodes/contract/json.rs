//! A record as one line of JSON: what `console` prints and what golden files hold.
//!
//! `{"t":"2026-01-01T00:00:00.000000Z","tag":"boiler.temperature","value":78.4,"quality":"bad:timeout"}`: `quality` is left
//! out when good; bytes are `{"hex":"0103"}`; non-finite floats are the texts `NaN`, `Infinity`, `-Infinity`.

use std::fmt::Write as _;

use serde::Deserialize;

use crate::{Quality, Record, Tag, Timestamp, Value};

/// A line that is not a record, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a record: {0}")]
pub struct RecordError(String);

/// Appends the record as one line, without the line's end.
pub fn write_json_line(record: &Record, line: &mut String) {
    let _ = write!(line, r#"{{"t":"{}","tag":"#, record.time);
    write_text(record.tag.name(), line);
    line.push_str(r#","value":"#);
    write_json_value(&record.value, line);
    if record.quality != Quality::GOOD {
        let _ = write!(line, r#","quality":"{}""#, record.quality);
    }
    line.push('}');
}

fn write_text(text: &str, line: &mut String) {
    line.push_str(&serde_json::Value::from(text).to_string());
}

/// Appends a value alone, as it stands in such a line.
pub fn write_json_value(value: &Value, line: &mut String) {
    // `{:?}` is the shortest text that reads back to the same float, and keeps the `.0` that tells it from an integer.
    let _ = match value {
        Value::Null => line.write_str("null"),
        Value::Bool(v) => write!(line, "{v}"),
        Value::I64(v) => write!(line, "{v}"),
        Value::U64(v) => write!(line, "{v}"),
        Value::F32(v) if v.is_finite() => write!(line, "{v:?}"),
        Value::F64(v) if v.is_finite() => write!(line, "{v:?}"),
        Value::F32(v) => line.write_str(non_finite(f64::from(*v))),
        Value::F64(v) => line.write_str(non_finite(*v)),
        Value::Text(text) => {
            write_text(text, line);
            Ok(())
        }
        Value::Bytes(bytes) => {
            line.push_str(r#"{"hex":""#);
            for byte in bytes.iter() {
                let _ = write!(line, "{byte:02x}");
            }
            line.write_str("\"}")
        }
    };
}

fn non_finite(value: f64) -> &'static str {
    match value {
        _ if value.is_nan() => "\"NaN\"",
        f64::INFINITY => "\"Infinity\"",
        _ => "\"-Infinity\"",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    t: String,
    tag: String,
    #[serde(default)]
    value: serde_json::Value,
    quality: Option<String>,
}

/// Reads a record from one line.
pub fn from_json_line(line: &str) -> Result<Record, RecordError> {
    let line: Line = serde_json::from_str(line).map_err(|error| RecordError(error.to_string()))?;
    Ok(Record {
        tag: Tag::new(&line.tag).map_err(|error| RecordError(error.to_string()))?,
        time: line.t.parse::<Timestamp>().map_err(RecordError)?,
        quality: line.quality.map_or(Ok(Quality::GOOD), |word| word.parse()).map_err(RecordError)?,
        value: read_value(line.value)?,
    })
}

fn read_value(json: serde_json::Value) -> Result<Value, RecordError> {
    Ok(match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(v) => Value::Bool(v),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(v), _, _) => Value::I64(v),
            (_, Some(v), _) => Value::U64(v),
            (_, _, Some(v)) => Value::F64(v),
            _ => return Err(RecordError(format!("the number {number} fits no type"))),
        },
        serde_json::Value::String(text) => match text.as_str() {
            "NaN" => Value::F64(f64::NAN),
            "Infinity" => Value::F64(f64::INFINITY),
            "-Infinity" => Value::F64(f64::NEG_INFINITY),
            _ => Value::Text(text.into()),
        },
        serde_json::Value::Object(mut map) if map.len() == 1 => match map.remove("hex") {
            Some(serde_json::Value::String(hex)) => Value::Bytes(read_hex(&hex)?.into()),
            _ => return Err(RecordError(r#"an object as value can only be {"hex":"…"}"#.to_owned())),
        },
        _ => return Err(RecordError("a value is a number, a text, a boolean, null or {\"hex\":\"…\"}".to_owned())),
    })
}

fn read_hex(hex: &str) -> Result<Vec<u8>, RecordError> {
    let wrong = || RecordError(format!("`{hex}` is not an even number of hex digits"));
    if !hex.len().is_multiple_of(2) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).map_err(|_| wrong())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(record: &Record) -> String {
        let mut line = String::new();
        write_json_line(record, &mut line);
        line
    }

    fn record(value: Value, quality: Quality) -> Record {
        Record { tag: Tag::new("json \"tag\"").unwrap(), quality, time: Timestamp(0), value }
    }

    #[test]
    fn a_record_is_written_as_the_manual_says() {
        let tag = Tag::new("boiler.temperature").unwrap();
        let mut good = Record::good(tag, Timestamp(1_767_225_600_000_000), Value::F32(78.4));
        assert_eq!(line(&good), r#"{"t":"2026-01-01T00:00:00.000000Z","tag":"boiler.temperature","value":78.4}"#);
        good.quality = Quality::BAD_TIMEOUT;
        good.value = Value::Bytes([1, 0xff].as_slice().into());
        assert!(line(&good).ends_with(r#""value":{"hex":"01ff"},"quality":"bad:timeout"}"#));
    }

    #[test]
    fn a_line_that_is_no_record_is_told_why() {
        for (text, said) in [
            ("{", "EOF"),
            (r#"{"t":"now","tag":"a","value":1}"#, "`now` is not a time"),
            (r#"{"t":"2026-01-01T00:00:00Z","tag":"","value":1}"#, "empty"),
            (r#"{"t":"2026-01-01T00:00:00Z","tag":"a","value":[1]}"#, "a value is"),
            (r#"{"t":"2026-01-01T00:00:00Z","tag":"a","value":{"hex":"0"}}"#, "hex digits"),
            (r#"{"t":"2026-01-01T00:00:00Z","tag":"a","value":{"hex":"+1"}}"#, "hex digits"),
            (r#"{"t":"2026-01-01T00:00:00Z","tag":"a","vlaue":1}"#, "vlaue"),
        ] {
            let error = from_json_line(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::I64),
            (i64::MAX as u64 + 1..).prop_map(Value::U64),
            any::<f64>().prop_map(Value::F64),
            Just(Value::F64(f64::NAN)),
            "[a-z\"\\\\\n☃]*".prop_map(|text| Value::Text(text.into())),
            prop::collection::vec(any::<u8>(), 0..9).prop_map(|bytes| Value::Bytes(bytes.into())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in value(), quality in prop::sample::select(vec![Quality::GOOD, Quality::BAD_TIMEOUT])) {
            let record = record(value, quality);
            let back = from_json_line(&line(&record)).unwrap();
            prop_assert!(back.value.same_as(&record.value), "{:?} {:?}", back, record);
            prop_assert_eq!((back.tag, back.quality, back.time), (record.tag, record.quality, record.time));
        }
    }
}
