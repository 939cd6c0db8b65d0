//! From a value of OPC UA to values of records.

use std::fmt::Write as _;

use fieldflow_contract::{Timestamp, Value};
use opcua::types::{Array, DateTime, Identifier, NodeId, NumericRange, Variant};
use serde_json::json;

/// What a value becomes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Made {
    /// One record.
    One(Value),
    /// A record for each part, named after the tag with this added: `[0]`, `.field`.
    Parts(Vec<(String, Value)>),
    /// Bytes of which nobody says what they mean.
    Raw(Vec<u8>),
    /// Nothing that a record can hold: of which type it is.
    No(&'static str),
}

/// Most parts of a value.
pub(super) const MOST_PARTS: usize = 1024;
/// Deepest that values lie in each other.
const DEEPEST: usize = 8;

/// Makes a value of records of it; an array becomes parts if that is wanted.
pub(super) fn make(value: &Variant, elements: bool) -> Made {
    match value {
        Variant::Array(array) if elements => parts(array),
        Variant::Array(array) => text(&list(array, 0)),
        Variant::Variant(inner) if !matches!(**inner, Variant::Variant(_)) => make(inner, elements),
        other => scalar(other).map_or(Made::No(kind(other)), Made::One),
    }
}

/// The part of an array that was asked for, from servers that send the whole of it; the element by itself if it is one.
pub(super) fn pick(value: &Variant, range: &NumericRange) -> Option<Variant> {
    let Variant::Array(array) = value else { return None };
    match (range, array.values.as_slice()) {
        (NumericRange::Index(_) | NumericRange::MultipleRanges(_), [one]) => Some(one.clone()),
        (NumericRange::Index(index), all) => all.get(*index as usize).cloned(),
        (NumericRange::Range(first, last), all) if (last - first.min(last)) as usize + 1 < all.len() => {
            let part = all.get(*first as usize..=(*last as usize).min(all.len() - 1))?;
            Some(Variant::Array(Box::new(Array {
                value_type: array.value_type,
                values: part.to_vec(),
                dimensions: None,
            })))
        }
        _ => None,
    }
}

fn text(json: &serde_json::Value) -> Made {
    Made::One(Value::Text(json.to_string().into()))
}

fn parts(array: &Array) -> Made {
    let dimensions = array.dimensions.as_deref().filter(|dimensions| 1 < dimensions.len());
    let part = |(index, value): (usize, &Variant)| {
        let place = dimensions.map_or_else(|| index.to_string(), |dimensions| place(index, dimensions));
        let value = scalar(value).unwrap_or_else(|| Value::Text(plain(value, 0).to_string().into()));
        (format!("[{place}]"), value)
    };
    Made::Parts(array.values.iter().take(MOST_PARTS).enumerate().map(part).collect())
}

/// Where an element of a matrix lies: `1,0`.
fn place(index: usize, dimensions: &[u32]) -> String {
    let mut rest = index;
    let mut places: Vec<String> = Vec::new();
    for size in dimensions.iter().rev().map(|size| (*size as usize).max(1)) {
        places.push((rest % size).to_string());
        rest /= size;
    }
    places.reverse();
    places.join(",")
}

/// A value that is no array, structure or nothing at all.
pub(super) fn scalar(value: &Variant) -> Option<Value> {
    Some(match value {
        Variant::Empty => Value::Null,
        Variant::Boolean(v) => Value::Bool(*v),
        Variant::SByte(v) => Value::I64(i64::from(*v)),
        Variant::Int16(v) => Value::I64(i64::from(*v)),
        Variant::Int32(v) => Value::I64(i64::from(*v)),
        Variant::Int64(v) => Value::I64(*v),
        Variant::Byte(v) => Value::U64(u64::from(*v)),
        Variant::UInt16(v) => Value::U64(u64::from(*v)),
        Variant::UInt32(v) => Value::U64(u64::from(*v)),
        Variant::UInt64(v) => Value::U64(*v),
        Variant::Float(v) => Value::F32(*v),
        Variant::Double(v) => Value::F64(*v),
        Variant::String(v) => v.value().as_ref().map_or(Value::Null, |text| Value::Text(text.as_str().into())),
        Variant::XmlElement(v) => Value::Text(v.to_string().into()),
        Variant::LocalizedText(v) => {
            v.text.value().as_ref().map_or(Value::Null, |text| Value::Text(text.as_str().into()))
        }
        Variant::ByteString(v) => v.value.as_ref().map_or(Value::Null, |bytes| Value::Bytes(bytes.as_slice().into())),
        Variant::DateTime(v) => time(v).map_or(Value::Null, |time| Value::Text(time.to_string().into())),
        Variant::Guid(v) => Value::Text(v.to_string().into()),
        Variant::StatusCode(v) => Value::U64(u64::from(v.bits())),
        Variant::QualifiedName(v) => Value::Text(qualified(v.namespace_index, v.name.as_ref()).into()),
        Variant::NodeId(v) => Value::Text(node(v).into()),
        Variant::ExpandedNodeId(v) => Value::Text(v.to_string().into()),
        Variant::DataValue(v) => scalar(v.value.as_ref().unwrap_or(&Variant::Empty))?,
        Variant::ExtensionObject(_) | Variant::Variant(_) | Variant::DiagnosticInfo(_) | Variant::Array(_) => {
            return None;
        }
    })
}

/// The type of a value that no record can hold.
fn kind(value: &Variant) -> &'static str {
    match value {
        Variant::DiagnosticInfo(_) => "DiagnosticInfo",
        Variant::ExtensionObject(_) => "a structure",
        _ => "values inside of values",
    }
}

fn qualified(namespace: u16, name: &str) -> String {
    if namespace == 0 { name.to_owned() } else { format!("{namespace}:{name}") }
}

fn node(id: &NodeId) -> String {
    // The library would write the bytes of an opaque id as base64, and text as it is.
    match &id.identifier {
        Identifier::String(text) if id.namespace != 0 => format!("ns={};s={}", id.namespace, text.as_ref()),
        _ => id.to_string(),
    }
}

fn list(array: &Array, depth: usize) -> serde_json::Value {
    let mut values = array.values.iter().map(|value| plain(value, depth + 1));
    match array.dimensions.as_deref() {
        Some(dimensions) if 1 < dimensions.len() && dimensions.len() <= DEEPEST => nested(&mut values, dimensions),
        _ => values.collect(),
    }
}

/// The values of a matrix, row by row.
fn nested(values: &mut impl Iterator<Item = serde_json::Value>, dimensions: &[u32]) -> serde_json::Value {
    match dimensions {
        [] => values.next().unwrap_or_default(),
        [size, rest @ ..] => {
            let mut rows = Vec::new();
            for _ in 0..*size {
                match nested(values, rest) {
                    // The sizes are the server's: they may promise more than there is.
                    serde_json::Value::Null if rest.is_empty() => break,
                    serde_json::Value::Array(row) if row.is_empty() => break,
                    row => rows.push(row),
                }
            }
            rows.into()
        }
    }
}

/// A value inside of a text of JSON.
pub(super) fn plain(value: &Variant, depth: usize) -> serde_json::Value {
    if DEEPEST < depth {
        return "...".into();
    }
    match value {
        Variant::Array(array) => list(array, depth),
        Variant::Variant(inner) => plain(inner, depth + 1),
        Variant::DataValue(inner) => {
            inner.value.as_ref().map_or_else(Default::default, |value| plain(value, depth + 1))
        }
        other => scalar(other).map_or_else(|| json!(kind(other)), |value| of_value(&value)),
    }
}

fn of_value(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(v) => json!(v),
        Value::I64(v) => json!(v),
        Value::U64(v) => json!(v),
        // By its own digits: 78.4, not 78.4000015258789.
        Value::F32(v) if v.is_finite() => v.to_string().parse::<f64>().map_or(serde_json::Value::Null, |v| json!(v)),
        Value::F64(v) if v.is_finite() => json!(v),
        Value::F32(v) => json!(special(f64::from(*v))),
        Value::F64(v) => json!(special(*v)),
        Value::Text(text) => json!(&**text),
        Value::Bytes(bytes) => json!({ "hex": bytes.iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }) }),
    }
}

fn special(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if 0.0 < value {
        "Infinity"
    } else {
        "-Infinity"
    }
}

/// 1601-01-01 to 1970-01-01, in µs.
const EPOCH: i64 = 11_644_473_600_000_000;

/// A time that means one; neither the beginning nor the end of all times.
pub(super) fn time(time: &DateTime) -> Option<Timestamp> {
    let ticks = time.checked_ticks();
    (0 < ticks && ticks < DateTime::endtimes_ticks()).then(|| Timestamp(ticks / 10 - EPOCH))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{ByteString, LocalizedText, QualifiedName, VariantScalarTypeId};

    #[test]
    fn a_scalar_keeps_its_kind() {
        for (variant, value) in [
            (Variant::SByte(-8), Value::I64(-8)),
            (Variant::UInt64(u64::MAX), Value::U64(u64::MAX)),
            (Variant::Float(78.4), Value::F32(78.4)),
            (Variant::String("ü".into()), Value::Text("ü".into())),
            (Variant::ByteString(ByteString::from(vec![1u8, 2])), Value::Bytes([1u8, 2].as_slice().into())),
            (Variant::LocalizedText(Box::new(LocalizedText::new("de", "an"))), Value::Text("an".into())),
            (Variant::QualifiedName(Box::new(QualifiedName::new(2, "Speed"))), Value::Text("2:Speed".into())),
            (Variant::NodeId(Box::new(NodeId::new(2, "Line.Speed"))), Value::Text("ns=2;s=Line.Speed".into())),
            (Variant::Empty, Value::Null),
            (Variant::Variant(Box::new(Variant::Int16(3))), Value::I64(3)),
        ] {
            assert_eq!(make(&variant, false), Made::One(value));
        }
    }

    #[test]
    fn an_array_is_a_text_or_its_elements() {
        let values: Vec<Variant> = (1..=4).map(Variant::Int32).collect();
        let array = Array::new(VariantScalarTypeId::Int32, values.clone()).unwrap();
        assert_eq!(make(&Variant::Array(Box::new(array.clone())), false), Made::One(Value::Text("[1,2,3,4]".into())));
        let Made::Parts(parts) = make(&Variant::Array(Box::new(array)), true) else { panic!("parts") };
        assert_eq!(parts.last(), Some(&("[3]".to_owned(), Value::I64(4))));
        let matrix = Array::new_multi(VariantScalarTypeId::Int32, values, vec![2, 2]).unwrap();
        assert_eq!(
            make(&Variant::Array(Box::new(matrix.clone())), false),
            Made::One(Value::Text("[[1,2],[3,4]]".into()))
        );
        let Made::Parts(parts) = make(&Variant::Array(Box::new(matrix)), true) else { panic!("parts") };
        assert_eq!(parts.last(), Some(&("[1,1]".to_owned(), Value::I64(4))));
    }

    #[test]
    fn a_part_of_an_array_is_had_from_a_server_that_sends_the_whole() {
        let array = |values: &[i32]| {
            let values: Vec<Variant> = values.iter().copied().map(Variant::Int32).collect();
            Variant::Array(Box::new(Array::new(VariantScalarTypeId::Int32, values).unwrap()))
        };
        let whole = array(&[5, 6, 7]);
        assert_eq!(pick(&array(&[6]), &NumericRange::Index(1)), Some(Variant::Int32(6)), "as it should be");
        assert_eq!(pick(&whole, &NumericRange::Index(1)), Some(Variant::Int32(6)));
        assert_eq!(pick(&whole, &NumericRange::Range(1, 2)), Some(array(&[6, 7])));
        assert_eq!(pick(&whole, &NumericRange::Range(0, 2)), None, "all of it");
        assert_eq!(pick(&whole, &NumericRange::Range(2, 3)), Some(array(&[7])));
        assert_eq!(pick(&Variant::Int32(1), &NumericRange::Index(0)), None);
    }

    #[test]
    fn sizes_that_promise_more_than_there_is_cost_nothing() {
        let values = vec![Variant::Int32(1), Variant::Int32(2)];
        let array =
            Array { value_type: VariantScalarTypeId::Int32, values, dimensions: Some(vec![u32::MAX, u32::MAX]) };
        assert_eq!(make(&Variant::Array(Box::new(array)), false), Made::One(Value::Text("[[1,2]]".into())));
    }

    #[test]
    fn a_time_is_of_this_era_or_none() {
        assert_eq!(time(&DateTime::null()), None);
        assert_eq!(time(&DateTime::endtimes()), None);
        let new_year = DateTime::parse_from_rfc3339("2026-01-01T00:00:00.000001Z").unwrap();
        assert_eq!(time(&new_year), Some(Timestamp(1_767_225_600_000_001)));
    }

    #[test]
    fn what_no_record_can_hold_is_named() {
        let object = Variant::ExtensionObject(opcua::types::ExtensionObject::null());
        assert_eq!(make(&object, false), Made::No("a structure"));
        let deep = (0..100).fold(Variant::Int32(1), |inner, _| Variant::Variant(Box::new(inner)));
        assert_eq!(make(&deep, false), Made::No("values inside of values"));
    }
}
