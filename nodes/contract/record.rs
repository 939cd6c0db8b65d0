//! The record: one value of one tag at one time.

use crate::{Quality, Tag, Timestamp, Value};

/// One value of one tag, with how far it can be trusted and when it was true.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// What was measured.
    pub tag: Tag,
    /// How far the value can be trusted.
    pub quality: Quality,
    /// When the value was true at the source.
    pub time: Timestamp,
    /// The value; `Null` where a failed read left none.
    pub value: Value,
}

impl Record {
    /// A record of Good quality.
    pub fn good(tag: Tag, time: Timestamp, value: Value) -> Self {
        Self { tag, quality: Quality::GOOD, time, value }
    }

    /// A record that tells why there is no value.
    pub fn bad(tag: Tag, time: Timestamp, reason: Quality) -> Self {
        Self { tag, quality: reason, time, value: Value::Null }
    }

    /// Bytes that the record takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.value.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_five_words() {
        assert_eq!(size_of::<Record>(), 40);
    }
}
