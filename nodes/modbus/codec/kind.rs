//! The types that a tag can be read as, and how many bytes each has.

use schemars::JsonSchema;
use serde::Deserialize;

/// How the bits of a tag are read. The manual of the option `as` tells what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(in crate::modbus) enum Kind {
    Bool,
    Bit,
    I8,
    U8,
    I16,
    U16,
    I24,
    U24,
    I32,
    U32,
    I48,
    U48,
    I64,
    U64,
    F16,
    F32,
    F64,
    Bcd16,
    Bcd32,
    Sm16,
    Sm32,
    Mod10k,
    String,
    Bytes,
}

impl Kind {
    /// All types, each with its word in the file.
    pub(in crate::modbus) const ALL: [(Self, &'static str); 24] = [
        (Self::Bool, "bool"),
        (Self::Bit, "bit"),
        (Self::I8, "i8"),
        (Self::U8, "u8"),
        (Self::I16, "i16"),
        (Self::U16, "u16"),
        (Self::I24, "i24"),
        (Self::U24, "u24"),
        (Self::I32, "i32"),
        (Self::U32, "u32"),
        (Self::I48, "i48"),
        (Self::U48, "u48"),
        (Self::I64, "i64"),
        (Self::U64, "u64"),
        (Self::F16, "f16"),
        (Self::F32, "f32"),
        (Self::F64, "f64"),
        (Self::Bcd16, "bcd16"),
        (Self::Bcd32, "bcd32"),
        (Self::Sm16, "sm16"),
        (Self::Sm32, "sm32"),
        (Self::Mod10k, "mod10k"),
        (Self::String, "string"),
        (Self::Bytes, "bytes"),
    ];

    /// The word for it in the file.
    pub(in crate::modbus) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(kind, _)| *kind == self).map_or("", |(_, word)| word)
    }

    /// The type of this word.
    pub(in crate::modbus) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == word).map(|(kind, _)| *kind)
    }

    /// The registers of one value, where the type alone says so.
    pub(in crate::modbus) fn registers(self) -> Option<u16> {
        match self {
            Self::Mod10k | Self::String | Self::Bytes => None,
            _ => Some(u16::from(self.bytes(0)).div_ceil(2)),
        }
    }

    /// The bytes that an order permutes: those of the value, or of each register of a text. Registers of `mod10k` are at
    /// most four.
    pub(in crate::modbus) fn bytes(self, registers: u16) -> u8 {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::Bool
            | Self::Bit
            | Self::I16
            | Self::U16
            | Self::F16
            | Self::Bcd16
            | Self::Sm16
            | Self::String
            | Self::Bytes => 2,
            Self::I24 | Self::U24 => 3,
            Self::I32 | Self::U32 | Self::F32 | Self::Bcd32 | Self::Sm32 => 4,
            Self::I48 | Self::U48 => 6,
            Self::I64 | Self::U64 | Self::F64 => 8,
            Self::Mod10k => 2 * registers.min(4) as u8,
        }
    }

    /// Whether it is text or raw bytes, which are no number.
    pub(in crate::modbus) fn is_text(self) -> bool {
        matches!(self, Self::String | Self::Bytes)
    }

    /// Whether it is an IEEE float.
    pub(in crate::modbus) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F32 | Self::F64)
    }

    /// Whether it is a plain unsigned integer, whose bits can be told apart.
    pub(in crate::modbus) fn is_unsigned(self) -> bool {
        matches!(self, Self::U8 | Self::U16 | Self::U24 | Self::U32 | Self::U48 | Self::U64)
    }

    /// Whether its values can be negative.
    pub(in crate::modbus) fn is_signed(self) -> bool {
        use Kind::{I8, I16, I24, I32, I48, I64, Mod10k, Sm16, Sm32};
        matches!(self, I8 | I16 | I24 | I32 | I48 | I64 | Sm16 | Sm32 | Mod10k)
    }

    /// Whether its values are numbers without a fraction.
    pub(in crate::modbus) fn is_integer(self) -> bool {
        self.is_unsigned() || self.is_signed() || matches!(self, Self::Bcd16 | Self::Bcd32)
    }
}
