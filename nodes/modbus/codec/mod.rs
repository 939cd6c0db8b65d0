//! Registers to values and back: types, byte orders, sentinels.
//!
//! | to learn about | read |
//! |---|---|
//! | the types | `kind` |
//! | `CDAB` | `order` |
//! | numbers | `number`, `half` |
//! | text and raw bytes | `text` |
//!
//! Encoding is the exact inverse of decoding, and refuses what it would have to cut; the simulator uses it.

mod half;
mod kind;
mod number;
mod order;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use fieldflow_contract::{Quality, Value};

pub(super) use self::kind::Kind;
pub(super) use self::order::{Half, Order};
pub(super) use self::text::{Pad, TextForm};

/// How the registers of one tag become a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Layout {
    /// The type.
    pub(super) kind: Kind,
    /// The sequence of the bytes.
    pub(super) order: Order,
    /// How many registers.
    pub(super) registers: u16,
    /// Which bits of the number are meant, if not all.
    pub(super) part: Option<Part>,
    /// How a text lies in its registers.
    pub(super) text: TextForm,
    /// Raw values that stand for something else.
    pub(super) sentinels: Sentinels,
    /// Words for numbers.
    pub(super) names: Option<Arc<Names>>,
}

/// Some of the bits of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Part {
    /// The least of them, 0 being the least of the number.
    pub(super) first: u8,
    /// How many; `None` for a single one that is true or false.
    pub(super) count: Option<u8>,
}

/// Raw values that stand for something else than themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Sentinels {
    /// There is no value.
    pub(super) invalid: Vec<u64>,
    /// There is no value where the float is not a number, whatever its payload is.
    pub(super) nan: bool,
    /// The end of what the sensor can measure.
    pub(super) saturated: Vec<u64>,
}

/// The words of an enumeration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Names(pub(super) BTreeMap<i128, Arc<str>>);

impl Layout {
    /// A value of this type with all else as it is mostly. Where the type does not say how many registers it has, this does.
    pub(super) fn new(kind: Kind, registers: u16) -> Self {
        let registers = kind.registers().unwrap_or(registers);
        Self {
            kind,
            order: Order::standard(kind, registers),
            registers,
            part: None,
            text: TextForm::default(),
            sentinels: Sentinels::default(),
            names: None,
        }
    }

    /// The value in these registers, and how far it can be trusted.
    pub(super) fn decode(&self, words: &[u16]) -> (Value, Quality) {
        if words.len() != usize::from(self.registers) {
            return (Value::Null, Quality::BAD_DECODING);
        }
        if self.kind.is_text() {
            return (self.text(words), Quality::GOOD);
        }
        let raw = self.order.gather(words.iter().flat_map(|word| word.to_be_bytes()));
        if self.sentinels.invalid.contains(&raw) {
            return (Value::Null, Quality::BAD_SENSOR_FAILURE);
        }
        let value = match self.part {
            Some(part) => Some(part.of(raw)),
            None => self.kind.value(raw, self.registers),
        };
        match value {
            None => (Value::Null, Quality::BAD_DECODING),
            Some(value) if self.sentinels.nan && is_nan(&value) => (Value::Null, Quality::BAD_SENSOR_FAILURE),
            Some(value) if self.sentinels.saturated.contains(&raw) => {
                (self.named(value).0, Quality::UNCERTAIN_OUT_OF_RANGE)
            }
            Some(value) => self.named(value),
        }
    }

    /// The value of a coil or a discrete input.
    pub(super) fn decode_bit(&self, bit: bool) -> (Value, Quality) {
        self.named(Value::Bool(bit))
    }

    /// The word for the value, if it has one; a number without one is not what was expected, and stays a number.
    fn named(&self, value: Value) -> (Value, Quality) {
        let Some(names) = &self.names else { return (value, Quality::GOOD) };
        let number = match value {
            Value::Bool(on) => i128::from(on),
            Value::I64(number) => i128::from(number),
            Value::U64(number) => i128::from(number),
            _ => return (value, Quality::UNCERTAIN),
        };
        match names.0.get(&number) {
            Some(name) => (Value::Text(Arc::clone(name)), Quality::GOOD),
            None => (value, Quality::UNCERTAIN),
        }
    }

    /// The registers that decode to this value; an error in words if there are none. What [`Layout::mask`] leaves out is 0.
    pub(super) fn encode(&self, value: &Value) -> Result<Vec<u16>, String> {
        if self.kind.is_text() {
            return Ok(registers(self.text_wire(value)?.into_iter()));
        }
        let number = self.number(value)?;
        let raw = match self.part {
            Some(part) => part.raw(&number)?,
            None => self.kind.raw(&number, self.registers)?,
        };
        if self.part.is_none() && (self.sentinels.invalid.contains(&raw) || (self.sentinels.nan && is_nan(&number))) {
            return Err(format!("{raw:#x} stands for a missing value here"));
        }
        Ok(registers(self.order.scatter(raw)))
    }

    /// The number of a word; a number is its own.
    fn number(&self, value: &Value) -> Result<Value, String> {
        let (Some(names), Value::Text(text)) = (&self.names, value) else { return Ok(value.clone()) };
        let number = names.0.iter().find(|(_, name)| *name == text).map(|(number, _)| *number);
        let number = number.ok_or_else(|| format!("`{text}` is none of the words of this tag"))?;
        // A check has seen that it fits the type.
        Ok(u64::try_from(number).map_or(Value::I64(number as i64), Value::U64))
    }

    /// The bits of the registers that belong to the value: the others may be another tag's.
    pub(super) fn mask(&self) -> Vec<u16> {
        let all = match self.part {
            Some(part) => part.mask(),
            None => u64::MAX,
        };
        match self.text.half {
            _ if !self.kind.is_text() => registers(self.order.scatter(all)),
            None => vec![0xFFFF; self.registers.into()],
            Some(Half::High) => vec![0xFF00; self.registers.into()],
            Some(Half::Low) => vec![0x00FF; self.registers.into()],
        }
    }
}

impl Part {
    fn of(self, raw: u64) -> Value {
        let bits = (raw & self.mask()) >> self.first;
        if self.count.is_none() { Value::Bool(bits != 0) } else { Value::U64(bits) }
    }

    fn raw(self, value: &Value) -> Result<u64, String> {
        let (bits, most) = match self.count {
            None => (Kind::Bit.raw(value, 1)?, 1),
            Some(_) => (Kind::U64.raw(value, 4)?, self.mask() >> self.first),
        };
        if most < bits {
            return Err(format!("{bits} does not fit these bits, which go to {most}"));
        }
        Ok(bits << self.first)
    }

    fn mask(self) -> u64 {
        // A check has seen that both are inside of the number.
        let count = u32::from(self.count.unwrap_or(1)).clamp(1, 64);
        (u64::MAX >> (64 - count)).checked_shl(self.first.into()).unwrap_or(0)
    }
}

fn is_nan(value: &Value) -> bool {
    match value {
        Value::F32(value) => value.is_nan(),
        Value::F64(value) => value.is_nan(),
        _ => false,
    }
}

fn registers(wire: impl Iterator<Item = u8>) -> Vec<u16> {
    let bytes: Vec<u8> = wire.collect();
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}
