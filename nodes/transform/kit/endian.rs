//! Byte orders.

use schemars::JsonSchema;
use serde::Deserialize;

/// A byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Endian {
    /// The low byte first.
    Little,
    /// The high byte first.
    Big,
}

impl Endian {
    /// For options that are `little` by default.
    pub(crate) fn little() -> Self {
        Self::Little
    }

    /// For options that are `big` by default.
    pub(crate) fn big() -> Self {
        Self::Big
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Little => Self::Big,
            Self::Big => Self::Little,
        }
    }

    /// The number that up to eight bytes make.
    pub(crate) fn number(self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        match self {
            Self::Big => bytes.iter().fold(0, add),
            Self::Little => bytes.iter().rev().fold(0, add),
        }
    }
}
