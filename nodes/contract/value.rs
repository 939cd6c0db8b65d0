//! Values: what a tag can hold.

use std::sync::Arc;

/// The value of a record. Text and bytes are shared, so a value is cheap to clone.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// No value: a read that failed and left nothing to tell.
    #[default]
    Null,
    /// A coil, a bit, a state.
    Bool(bool),
    /// Any signed integer.
    I64(i64),
    /// Any unsigned integer.
    U64(u64),
    /// A single-precision float, kept as such so that 78.4 does not turn into 78.4000015258789.
    F32(f32),
    /// A double-precision float.
    F64(f64),
    /// Text.
    Text(Arc<str>),
    /// Raw bytes, as they came.
    Bytes(Arc<[u8]>),
}

impl Value {
    /// Equality as a filter for repeats wants it: of the same kind and the same value, NaN equals NaN, −0 equals 0.
    pub fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::F64(a), Self::F64(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::F32(a), Self::F32(b)) => a == b || (a.is_nan() && b.is_nan()),
            (a, b) => a == b,
        }
    }

    /// The value as a double, if it is a number. Integers beyond 2⁵³ lose their last digits.
    pub fn as_f64(&self) -> Option<f64> {
        match *self {
            Self::I64(v) => Some(v as f64),
            Self::U64(v) => Some(v as f64),
            Self::F32(v) => Some(f64::from(v)),
            Self::F64(v) => Some(v),
            _ => None,
        }
    }

    /// Of what type it is; `None` if there is no value.
    pub fn value_type(&self) -> Option<ValueType> {
        Some(match self {
            Self::Null => return None,
            Self::Bool(_) => ValueType::Boolean,
            Self::I64(_) | Self::U64(_) | Self::F32(_) | Self::F64(_) => ValueType::Number,
            Self::Text(_) => ValueType::Text,
            Self::Bytes(_) => ValueType::Bytes,
        })
    }

    /// Bytes on the heap beside the value itself.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

/// What a value is, as far as it matters for what can be done with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueType {
    /// Any number.
    Number,
    /// A boolean.
    Boolean,
    /// Text.
    Text,
    /// Raw bytes.
    Bytes,
}

impl ValueType {
    /// The word for one value of it: `a text`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Boolean => "a boolean",
            Self::Text => "a text",
            Self::Bytes => "raw bytes",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_told_by_kind_and_value() {
        assert!(Value::F64(f64::NAN).same_as(&Value::F64(f64::NAN)));
        assert!(Value::F64(-0.0).same_as(&Value::F64(0.0)));
        assert!(!Value::I64(1).same_as(&Value::U64(1)));
        assert!(!Value::F32(1.0).same_as(&Value::F32(1.5)));
    }

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(std::mem::size_of::<Value>(), 24);
    }
}
