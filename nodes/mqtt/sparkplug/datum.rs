//! Types, and what a value of each is on the wire.

use std::fmt;

use fieldflow_contract::Value;
use prost::bytes::Bytes;

use super::wire::Raw;

macro_rules! types {
    ($($name:ident = $code:literal,)*) => {
        /// The type of a metric, with its number in the specification.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum DataType {
            $($name,)*
            /// A number that the specification does not have.
            Other(u32),
        }

        impl DataType {
            /// All that the specification has, but `Unknown`.
            #[cfg(test)]
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            /// The type of a number.
            pub(crate) fn of_code(code: u32) -> Self {
                match code {
                    $($code => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// Its number.
            pub(crate) fn code(self) -> u32 {
                match self {
                    $(Self::$name => $code,)*
                    Self::Other(code) => code,
                }
            }
        }
    };
}

types! {
    Int8 = 1, Int16 = 2, Int32 = 3, Int64 = 4, UInt8 = 5, UInt16 = 6, UInt32 = 7, UInt64 = 8, Float = 9, Double = 10,
    Boolean = 11, String = 12, DateTime = 13, Text = 14, Uuid = 15, DataSet = 16, Bytes = 17, File = 18, Template = 19,
    Int8Array = 22, Int16Array = 23, Int32Array = 24, Int64Array = 25, UInt8Array = 26, UInt16Array = 27, UInt32Array = 28,
    UInt64Array = 29, FloatArray = 30, DoubleArray = 31, BooleanArray = 32, StringArray = 33, DateTimeArray = 34,
}

/// Most elements of an array that are read.
const MOST_ELEMENTS: usize = 10_000;

/// A value, or several of them. A date is milliseconds since 1970; a file is its bytes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Datum {
    /// One.
    One(Value),
    /// An array.
    Many(Vec<Value>),
}

/// A value on the wire that is not of the type that it should be of, or of one that is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// Another type.
    Type(DataType),
    /// Datasets, templates and what the specification does not have.
    Unread(DataType),
    /// An array whose bytes do not come out even.
    Array(DataType),
    /// A long array.
    TooLong(usize),
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Type(kind) => write!(f, "the value is not of type {kind:?}"),
            Self::Unread(kind) => write!(f, "values of type {kind:?} are not read"),
            Self::Array(kind) => write!(f, "the bytes are no {kind:?}"),
            Self::TooLong(count) => write!(f, "an array of {count} elements: at most {MOST_ELEMENTS} are read"),
        }
    }
}

impl DataType {
    /// The type that a value is sent as; `None` for null, which has none.
    pub(crate) fn of_value(value: &Value) -> Option<Self> {
        Some(match value {
            Value::Null => return None,
            Value::Bool(_) => Self::Boolean,
            Value::I64(_) => Self::Int64,
            Value::U64(_) => Self::UInt64,
            Value::F32(_) => Self::Float,
            Value::F64(_) => Self::Double,
            Value::Text(_) => Self::String,
            Value::Bytes(_) => Self::Bytes,
        })
    }

    /// The type of the elements of an array, and how many bytes each takes; 0 if that is not fixed.
    fn element(self) -> Option<(Self, usize)> {
        Some(match self {
            Self::Int8Array => (Self::Int8, 1),
            Self::Int16Array => (Self::Int16, 2),
            Self::Int32Array => (Self::Int32, 4),
            Self::Int64Array => (Self::Int64, 8),
            Self::UInt8Array => (Self::UInt8, 1),
            Self::UInt16Array => (Self::UInt16, 2),
            Self::UInt32Array => (Self::UInt32, 4),
            Self::UInt64Array => (Self::UInt64, 8),
            Self::FloatArray => (Self::Float, 4),
            Self::DoubleArray => (Self::Double, 8),
            Self::DateTimeArray => (Self::DateTime, 8),
            Self::BooleanArray => (Self::Boolean, 0),
            Self::StringArray => (Self::String, 0),
            _ => return None,
        })
    }
}

impl Datum {
    /// Reads what stands on the wire as a value of this type.
    pub(super) fn of(raw: &Raw, kind: DataType) -> Result<Self, Misfit> {
        use DataType as T;
        if kind.element().is_some() {
            return match raw {
                Raw::Bytes(bytes) => array(bytes, kind).map(Self::Many),
                _ => Err(Misfit::Type(kind)),
            };
        }
        let whole = match raw {
            // Some put small numbers into the large field.
            Raw::Int(value) => Some(u64::from(*value)),
            Raw::Long(value) => Some(*value),
            _ => None,
        };
        Ok(Self::One(match (kind, raw, whole) {
            // Of a small negative number some send its own bits only, and others 32 of them: the low ones say it all.
            (T::Int8, _, Some(bits)) => Value::I64(i64::from(bits as i8)),
            (T::Int16, _, Some(bits)) => Value::I64(i64::from(bits as i16)),
            (T::Int32, _, Some(bits)) => Value::I64(i64::from(bits as i32)),
            // A negative Int64 in the small field has lost its high half.
            (T::Int64 | T::DateTime, Raw::Int(value), _) => Value::I64(i64::from(*value)),
            (T::Int64 | T::DateTime, _, Some(bits)) => Value::I64(bits as i64),
            (T::UInt8, _, Some(value)) if u8::try_from(value).is_ok() => Value::U64(value),
            (T::UInt16, _, Some(value)) if u16::try_from(value).is_ok() => Value::U64(value),
            (T::UInt32, _, Some(value)) if u32::try_from(value).is_ok() => Value::U64(value),
            (T::UInt64, _, Some(value)) => Value::U64(value),
            (T::Float, Raw::Float(value), _) => Value::F32(*value),
            (T::Double, Raw::Double(value), _) => Value::F64(*value),
            (T::Boolean, Raw::Bool(value), _) => Value::Bool(*value),
            (T::String | T::Text | T::Uuid, Raw::Text(text), _) => Value::Text(text.as_str().into()),
            (T::Bytes | T::File, Raw::Bytes(bytes), _) => Value::Bytes(bytes.as_ref().into()),
            (T::DataSet | T::Template | T::Other(_), ..) => return Err(Misfit::Unread(kind)),
            _ => return Err(Misfit::Type(kind)),
        }))
    }

    /// The value on the wire. What does not fit the type is sent as what it is, which no host takes for something else.
    pub(super) fn raw(&self, kind: DataType) -> Raw {
        match self {
            Self::One(value) => one(value, kind),
            Self::Many(values) => Raw::Bytes(packed(values, kind).into()),
        }
    }
}

fn one(value: &Value, kind: DataType) -> Raw {
    use DataType as T;
    let is_small = matches!(kind, T::Int8 | T::Int16 | T::Int32 | T::UInt8 | T::UInt16 | T::UInt32);
    match value {
        Value::Bool(value) => Raw::Bool(*value),
        Value::I64(value) if is_small => Raw::Int(*value as i32 as u32),
        Value::I64(value) => Raw::Long(*value as u64),
        Value::U64(value) if is_small => Raw::Int(*value as u32),
        Value::U64(value) => Raw::Long(*value),
        Value::F32(value) => Raw::Float(*value),
        Value::F64(value) => Raw::Double(*value),
        Value::Text(text) => Raw::Text(text.to_string()),
        Value::Bytes(bytes) => Raw::Bytes(Bytes::copy_from_slice(bytes)),
        Value::Null => Raw::Text(String::new()),
    }
}

fn array(bytes: &Bytes, kind: DataType) -> Result<Vec<Value>, Misfit> {
    let wrong = || Misfit::Array(kind);
    let (element, size) = kind.element().ok_or_else(wrong)?;
    let few = |count: usize| if MOST_ELEMENTS < count { Err(Misfit::TooLong(count)) } else { Ok(count) };
    if element == DataType::Boolean {
        let (count, bits) = bytes.split_first_chunk::<4>().ok_or_else(wrong)?;
        let count = few(u32::from_le_bytes(*count) as usize)?;
        if bits.len() != count.div_ceil(8) {
            return Err(wrong());
        }
        let bit = |at: usize| bits.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at % 8)) != 0);
        return Ok((0..count).map(|at| Value::Bool(bit(at))).collect());
    }
    if element == DataType::String {
        let Some((0, texts)) = bytes.split_last() else {
            return if bytes.is_empty() { Ok(Vec::new()) } else { Err(wrong()) };
        };
        few(texts.split(|byte| *byte == 0).count())?;
        let text = |text: &[u8]| std::str::from_utf8(text).map(|text| Value::Text(text.into())).map_err(|_| wrong());
        return texts.split(|byte| *byte == 0).map(text).collect();
    }
    if !bytes.len().is_multiple_of(size) {
        return Err(wrong());
    }
    few(bytes.len() / size)?;
    let value = |bytes: &[u8]| {
        let mut wide = [0; 8];
        wide.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        let bits = u64::from_le_bytes(wide);
        let raw = match element {
            DataType::Float => Raw::Float(f32::from_bits(bits as u32)),
            DataType::Double => Raw::Double(f64::from_bits(bits)),
            _ => Raw::Long(bits),
        };
        match Datum::of(&raw, element) {
            Ok(Datum::One(value)) => Ok(value),
            _ => Err(wrong()),
        }
    };
    bytes.chunks_exact(size).map(value).collect()
}

fn packed(values: &[Value], kind: DataType) -> Vec<u8> {
    let mut bytes = Vec::new();
    match kind.element() {
        Some((DataType::Boolean, _)) => {
            bytes.extend((values.len() as u32).to_le_bytes());
            for eight in values.chunks(8) {
                let bit = |(at, value): (usize, &Value)| if *value == Value::Bool(true) { 0x80_u8 >> at } else { 0 };
                bytes.push(eight.iter().enumerate().map(bit).fold(0, |byte, bit| byte | bit));
            }
        }
        Some((DataType::String, _)) => {
            for value in values {
                if let Value::Text(text) = value {
                    bytes.extend(text.bytes().filter(|byte| *byte != 0));
                }
                bytes.push(0);
            }
        }
        Some((_, size)) => {
            for value in values {
                let bits = match value {
                    Value::I64(value) => *value as u64,
                    Value::U64(value) => *value,
                    Value::F32(value) => u64::from(value.to_bits()),
                    Value::F64(value) => value.to_bits(),
                    _ => 0,
                };
                bytes.extend(bits.to_le_bytes().iter().take(size));
            }
        }
        None => {}
    }
    bytes
}
