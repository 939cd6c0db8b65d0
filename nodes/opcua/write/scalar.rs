//! The types of single values, and from the value of a command to one of them: exactly, or not at all.

use std::fmt::Display;

use fieldflow_contract::{Timestamp, Value};
use opcua::types::{
    ByteString, DateTime, ExpandedNodeId, Guid, LocalizedText, NodeId, QualifiedName, StatusCode, UAString, Variant,
    VariantScalarTypeId, XmlElement,
};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::command::amount::shown;
use crate::opcua::ids::{Found, Id};
use crate::transform::kit::decimal::double_of;

/// A type of single values that is written, by its name in OPC UA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(super) enum Scalar {
    Boolean,
    SByte,
    Byte,
    Int16,
    UInt16,
    Int32,
    UInt32,
    Int64,
    UInt64,
    Float,
    Double,
    String,
    DateTime,
    Guid,
    ByteString,
    XmlElement,
    NodeId,
    ExpandedNodeId,
    StatusCode,
    QualifiedName,
    LocalizedText,
}

/// All of them, in the order of their numbers, which begin with 1.
const ALL: [Scalar; 21] = [
    Scalar::Boolean,
    Scalar::SByte,
    Scalar::Byte,
    Scalar::Int16,
    Scalar::UInt16,
    Scalar::Int32,
    Scalar::UInt32,
    Scalar::Int64,
    Scalar::UInt64,
    Scalar::Float,
    Scalar::Double,
    Scalar::String,
    Scalar::DateTime,
    Scalar::Guid,
    Scalar::ByteString,
    Scalar::XmlElement,
    Scalar::NodeId,
    Scalar::ExpandedNodeId,
    Scalar::StatusCode,
    Scalar::QualifiedName,
    Scalar::LocalizedText,
];

impl Scalar {
    /// The type with this number, if values of it are written.
    pub(super) fn of(number: u32) -> Option<Self> {
        ALL.get((number as usize).checked_sub(1)?).copied()
    }

    /// As the library calls it.
    pub(super) fn id(self) -> VariantScalarTypeId {
        match self {
            Self::Boolean => VariantScalarTypeId::Boolean,
            Self::SByte => VariantScalarTypeId::SByte,
            Self::Byte => VariantScalarTypeId::Byte,
            Self::Int16 => VariantScalarTypeId::Int16,
            Self::UInt16 => VariantScalarTypeId::UInt16,
            Self::Int32 => VariantScalarTypeId::Int32,
            Self::UInt32 => VariantScalarTypeId::UInt32,
            Self::Int64 => VariantScalarTypeId::Int64,
            Self::UInt64 => VariantScalarTypeId::UInt64,
            Self::Float => VariantScalarTypeId::Float,
            Self::Double => VariantScalarTypeId::Double,
            Self::String => VariantScalarTypeId::String,
            Self::DateTime => VariantScalarTypeId::DateTime,
            Self::Guid => VariantScalarTypeId::Guid,
            Self::ByteString => VariantScalarTypeId::ByteString,
            Self::XmlElement => VariantScalarTypeId::XmlElement,
            Self::NodeId => VariantScalarTypeId::NodeId,
            Self::ExpandedNodeId => VariantScalarTypeId::ExpandedNodeId,
            Self::StatusCode => VariantScalarTypeId::StatusCode,
            Self::QualifiedName => VariantScalarTypeId::QualifiedName,
            Self::LocalizedText => VariantScalarTypeId::LocalizedText,
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Double)
    }

    /// Whether it is a number that can be scaled, and has a range.
    pub(super) fn is_number(self) -> bool {
        (Self::SByte..=Self::Double).contains(&self)
    }

    /// The value as this type. It is neither Null nor NaN nor infinite.
    pub(super) fn variant(self, value: &Value, namespaces: &[String]) -> Result<Variant, String> {
        Ok(match self {
            Self::Boolean => match value {
                Value::Bool(on) => Variant::Boolean(*on),
                other => match whole(other)? {
                    0 => Variant::Boolean(false),
                    1 => Variant::Boolean(true),
                    number => return Err(format!("{number} is neither false (0) nor true (1)")),
                },
            },
            Self::SByte => Variant::SByte(self.fitted(value, (i8::MIN, i8::MAX))?),
            Self::Byte => Variant::Byte(self.fitted(value, (u8::MIN, u8::MAX))?),
            Self::Int16 => Variant::Int16(self.fitted(value, (i16::MIN, i16::MAX))?),
            Self::UInt16 => Variant::UInt16(self.fitted(value, (u16::MIN, u16::MAX))?),
            Self::Int32 => Variant::Int32(self.fitted(value, (i32::MIN, i32::MAX))?),
            Self::UInt32 => Variant::UInt32(self.fitted(value, (u32::MIN, u32::MAX))?),
            Self::Int64 => Variant::Int64(self.fitted(value, (i64::MIN, i64::MAX))?),
            Self::UInt64 => Variant::UInt64(self.fitted(value, (u64::MIN, u64::MAX))?),
            Self::StatusCode => Variant::StatusCode(StatusCode::from(self.fitted(value, (u32::MIN, u32::MAX))?)),
            Self::Float => Variant::Float(single(value)?),
            Self::Double => Variant::Double(double(value)?),
            Self::ByteString => match value {
                Value::Bytes(bytes) => Variant::ByteString(ByteString::from(bytes.to_vec())),
                other => return Err(format!("{} is not bytes", shown(other))),
            },
            _ => {
                let Value::Text(text) = value else { return Err(format!("{} is not a text", shown(value))) };
                self.of_text(text, namespaces)?
            }
        })
    }

    fn of_text(self, text: &str, namespaces: &[String]) -> Result<Variant, String> {
        let no = |what: &str| format!("`{}` is not {what}", shown(&Value::Text(text.into())));
        Ok(match self {
            Self::String => Variant::String(text.into()),
            Self::XmlElement => Variant::XmlElement(XmlElement::from(text)),
            Self::LocalizedText => Variant::LocalizedText(Box::new(LocalizedText::from(text))),
            Self::DateTime => {
                let time: Timestamp = text.parse().map_err(|_| no("a time such as 2026-01-02T03:04:05Z"))?;
                Variant::DateTime(Box::new(date(time).ok_or_else(|| no("a time between 1601 and 9999"))?))
            }
            Self::Guid => {
                let guid: Guid = text.parse().map_err(|_| no("a GUID such as 72962b91-fa75-4ae6-8d28-b404dc7daf63"))?;
                Variant::Guid(Box::new(guid))
            }
            Self::NodeId => Variant::NodeId(Box::new(node(text, namespaces)?)),
            Self::ExpandedNodeId => {
                let own = text.strip_prefix("svr=0;").unwrap_or(text);
                Variant::ExpandedNodeId(Box::new(ExpandedNodeId::from(node(own, namespaces)?)))
            }
            Self::QualifiedName => {
                let (namespace, name) = match text.split_once(':') {
                    Some((index, name)) if index.bytes().all(|c| c.is_ascii_digit()) && !index.is_empty() => {
                        (index.parse().map_err(|_| no("a name of a namespace between 0 and 65535"))?, name)
                    }
                    _ => (0, text),
                };
                Variant::QualifiedName(Box::new(QualifiedName::new(namespace, UAString::from(name))))
            }
            _ => return Err(no("a number")),
        })
    }

    fn fitted<T: TryFrom<i128> + Display>(self, value: &Value, (least, most): (T, T)) -> Result<T, String> {
        let number = whole(value)?;
        T::try_from(number).map_err(|_| format!("{number} does not fit {self:?}, which goes from {least} to {most}"))
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        (*self as usize).partial_cmp(&(*other as usize))
    }
}

/// A value that is a whole number.
fn whole(value: &Value) -> Result<i128, String> {
    let float = match value {
        Value::Bool(on) => return Ok(i128::from(*on)),
        Value::I64(number) => return Ok(i128::from(*number)),
        Value::U64(number) => return Ok(i128::from(*number)),
        // The decimal that people see.
        Value::F32(float) => double_of(*float),
        Value::F64(float) => *float,
        other => return Err(no_number(other)),
    };
    if float.fract() != 0.0 {
        return Err(format!("{} is not a whole number", shown(value)));
    }
    // What is larger than the type goes to its end, and fits nothing.
    Ok(float as i128)
}

/// A value as a double, which must not change by that.
fn double(value: &Value) -> Result<f64, String> {
    match value {
        Value::F32(float) => Ok(f64::from(*float)),
        Value::F64(float) => Ok(*float),
        other => {
            let number = whole(other)?;
            let float = number as f64;
            if float as i128 == number { Ok(float) } else { Err(format!("{number} would become {float:.0} as Double")) }
        }
    }
}

/// The single that is nearest to a value; a whole number must not change by that.
fn single(value: &Value) -> Result<f32, String> {
    let (single, is_lost) = match value {
        Value::F32(float) => return Ok(*float),
        Value::F64(float) => (*float as f32, *float as f32 == 0.0 && *float != 0.0),
        other => {
            let number = whole(other)?;
            (number as f32, number as f32 as i128 != number)
        }
    };
    if !single.is_finite() {
        return Err(format!("{} is too large for Float", shown(value)));
    }
    if is_lost { Err(format!("{} would become {single} as Float", shown(value))) } else { Ok(single) }
}

fn no_number(value: &Value) -> String {
    match value {
        Value::Text(_) => format!("the text `{}` is not a number", shown(value)),
        other => format!("{} is not a number", shown(other)),
    }
}

fn node(text: &str, namespaces: &[String]) -> Result<NodeId, String> {
    let id = Id::parse(text).map_err(|problem| problem.message)?;
    match id.resolve(namespaces) {
        Ok(Found::Node(node)) => Ok(node),
        Ok(Found::Path(_)) => Err(format!("`{text}` is a way to a node, not the id of one")),
        Err(missing) => Err(missing.to_string()),
    }
}

/// 1601-01-01 to 1970-01-01, in µs.
const EPOCH: i64 = 11_644_473_600_000_000;

/// A time that the wire can hold.
pub(super) fn date(time: Timestamp) -> Option<DateTime> {
    let ticks = time.0.checked_add(EPOCH)?.checked_mul(10)?;
    (0 < ticks && ticks < DateTime::endtimes_ticks()).then(|| DateTime::from(ticks))
}
