//! Registers to values and back: types, byte orders, sentinels.
//!
//! An order is a permutation of the letters of a value, `A` being its most significant byte, in the sequence in which the
//! bytes come over the wire. Encoding is the exact inverse of decoding; the simulator uses it.

use fieldflow_contract::{Quality, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::address::Problem;

/// How the bits of a tag are read. `i16 u16 i32 u32 i64 u64` are integers, `f32 f64` IEEE floats of one, two or four
/// registers. `bool` is a coil, or a register that is not zero. `bit` is one bit of a register. `string` is two characters a
/// register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Kind {
    I16,
    U16,
    I32,
    U32,
    I64,
    U64,
    F32,
    F64,
    Bool,
    Bit,
    String,
}

impl Kind {
    /// The registers of one value; a string has as many as its `length` says.
    pub(super) fn registers(self, length: u16) -> u16 {
        match self {
            Self::I16 | Self::U16 | Self::Bool | Self::Bit => 1,
            Self::I32 | Self::U32 | Self::F32 => 2,
            Self::I64 | Self::U64 | Self::F64 => 4,
            Self::String => length,
        }
    }

    /// The word for it in the file.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::I16 => "i16",
            Self::U16 => "u16",
            Self::I32 => "i32",
            Self::U32 => "u32",
            Self::I64 => "i64",
            Self::U64 => "u64",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Bool => "bool",
            Self::Bit => "bit",
            Self::String => "string",
        }
    }

    /// The bytes that an order permutes: those of the value, or of each register of a string.
    pub(super) fn ordered_bytes(self) -> u8 {
        match self {
            Self::String => 2,
            _ => 2 * self.registers(1) as u8,
        }
    }
}

/// The sequence in which the bytes of a value come over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    /// For each byte on the wire, how far it is shifted left in the value.
    shifts: Vec<u8>,
}

impl Order {
    /// Most significant byte first, as the specification has it.
    pub(super) fn big_endian(kind: Kind) -> Self {
        Self { shifts: (0..kind.ordered_bytes()).rev().map(|byte| 8 * byte).collect() }
    }

    /// Reads an order such as `CDAB` for a value of this kind.
    pub(super) fn parse(text: &str, kind: Kind) -> Result<Self, Problem> {
        let bytes = kind.ordered_bytes();
        let letters = &"ABCDEFGH"[..usize::from(bytes)];
        let examples = match bytes {
            2 => "write AB or BA",
            4 => "write ABCD, CDAB, BADC, DCBA or any other sequence of these letters",
            _ => "write ABCDEFGH, GHEFCDAB, BADCFEHG, HGFEDCBA or any other sequence of these letters",
        };
        if text.chars().count() != letters.len() {
            let of = if kind == Kind::String { "each register of a string" } else { kind.word() };
            let message = format!("the order `{text}` does not fit: {of} has {bytes} bytes, one letter each");
            return Err(Problem::new(message, examples));
        }
        if !letters.chars().all(|letter| text.contains(letter)) {
            return Err(Problem::new(format!("the order `{text}` must name each letter of {letters} once"), examples));
        }
        Ok(Self { shifts: text.bytes().map(|letter| 8 * (bytes - 1 - (letter - b'A'))).collect() })
    }

    /// The value of the bytes as they came.
    fn gather(&self, wire: impl Iterator<Item = u8>) -> u64 {
        self.shifts.iter().zip(wire).fold(0, |raw, (shift, byte)| raw | u64::from(byte) << shift)
    }

    /// The bytes as they go.
    fn scatter(&self, raw: u64) -> impl Iterator<Item = u8> {
        self.shifts.iter().map(move |shift| (raw >> shift) as u8)
    }
}

/// How the registers of one tag become a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// The type.
    pub(super) kind: Kind,
    /// The sequence of the bytes.
    pub(super) order: Order,
    /// Which bit, for [`Kind::Bit`].
    pub(super) bit: u8,
    /// How many registers.
    pub(super) registers: u16,
    /// Raw values that stand for "no value".
    pub(super) invalid: Vec<u64>,
}

impl Layout {
    /// The value in these registers, and how far it can be trusted.
    pub(super) fn decode(&self, words: &[u16]) -> (Value, Quality) {
        if words.len() != usize::from(self.registers) {
            return (Value::Null, Quality::BAD_DECODING);
        }
        if self.kind == Kind::String {
            return (Value::Text(self.text(words).into()), Quality::GOOD);
        }
        let raw = self.order.gather(words.iter().flat_map(|word| word.to_be_bytes()));
        if self.invalid.contains(&raw) {
            return (Value::Null, Quality::BAD_SENSOR_FAILURE);
        }
        // The casts cut `raw` to the bits that the type has; what is above them is zero.
        let value = match self.kind {
            Kind::I16 => Value::I64(i64::from(raw as i16)),
            Kind::I32 => Value::I64(i64::from(raw as i32)),
            Kind::I64 => Value::I64(raw as i64),
            Kind::U16 | Kind::U32 | Kind::U64 | Kind::String => Value::U64(raw),
            Kind::F32 => Value::F32(f32::from_bits(raw as u32)),
            Kind::F64 => Value::F64(f64::from_bits(raw)),
            Kind::Bool => Value::Bool(raw != 0),
            Kind::Bit => Value::Bool(raw >> self.bit & 1 == 1),
        };
        (value, Quality::GOOD)
    }

    /// The text without its padding; Latin-1 where it is not UTF-8, as older devices have it.
    fn text(&self, words: &[u16]) -> String {
        let bytes: Vec<u8> = words
            .iter()
            .flat_map(|word| (self.order.gather(word.to_be_bytes().into_iter()) as u16).to_be_bytes())
            .collect();
        let end = bytes.iter().rposition(|byte| !matches!(byte, 0 | b' ')).map_or(0, |last| last + 1);
        let bytes = &bytes[..end];
        std::str::from_utf8(bytes).map_or_else(|_| bytes.iter().copied().map(char::from).collect(), str::to_owned)
    }

    /// The registers that decode to this value; cut to the width of the type, and zero for a value of another type.
    pub(super) fn encode(&self, value: &Value) -> Vec<u16> {
        let wire: Vec<u8> = match (self.kind, value) {
            (Kind::String, Value::Text(text)) => {
                let bytes = text.bytes().chain(std::iter::repeat(0)).take(2 * usize::from(self.registers));
                let bytes: Vec<u8> = bytes.collect();
                bytes
                    .chunks_exact(2)
                    .flat_map(|pair| self.order.scatter(u64::from(pair[0]) << 8 | u64::from(pair[1])))
                    .collect()
            }
            (Kind::String, _) => vec![0; 2 * usize::from(self.registers)],
            (_, value) => self.order.scatter(self.raw(value)).collect(),
        };
        wire.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    fn raw(&self, value: &Value) -> u64 {
        match (self.kind, value) {
            (Kind::Bit, Value::Bool(on)) => u64::from(*on) << self.bit,
            (_, Value::Bool(on)) => u64::from(*on),
            (_, Value::I64(value)) => *value as u64,
            (_, Value::U64(value)) => *value,
            (_, Value::F32(value)) => u64::from(value.to_bits()),
            (_, Value::F64(value)) => value.to_bits(),
            _ => 0,
        }
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
