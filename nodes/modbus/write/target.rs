//! From the value of a command to the registers that hold it, and to the request that writes them: exactly, or not at all.

use std::cmp::Ordering;
use std::time::Duration;

use fieldflow_contract::{Value, ValueType};

use crate::command::amount::{Scaling, plain, shown, within};
use crate::modbus::address::Table;
use crate::modbus::codec::Layout;
use crate::modbus::frame::Request;
use crate::modbus::plan::Need;
use crate::transform::kit::number::compare;

/// A place that may be written.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Where it lies.
    pub(super) need: Need,
    /// How its registers hold a value.
    pub(super) layout: Layout,
    /// How the raw number becomes the value.
    pub(super) scaling: Option<Scaling>,
    /// The lowest and the highest value.
    pub(super) range: Option<[f64; 2]>,
    /// Whether it is read back.
    pub(super) verify: bool,
    /// The least time between two writes.
    pub(super) min_interval: Duration,
}

/// What a place is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raw {
    /// A coil.
    Bit(bool),
    /// All bits of these registers.
    Words(Vec<u16>),
    /// Those bits of one register that the mask names.
    Part { word: u16, mask: u16 },
}

/// By which functions a device is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Means {
    /// Whether single coils and registers are written by 15 and 16.
    pub(super) multiple: bool,
    /// Whether a part of a register is read, changed and written back.
    pub(super) read_modify_write: bool,
}

impl Target {
    /// Of what types a value may be to be written here at all.
    pub(super) fn types(&self) -> &'static [ValueType] {
        match (self.layout.kind.is_text(), self.layout.names.is_some()) {
            (true, _) => &[ValueType::Text, ValueType::Bytes],
            (false, true) => &[ValueType::Number, ValueType::Boolean, ValueType::Text],
            (false, false) => &[ValueType::Number, ValueType::Boolean],
        }
    }

    /// What has to be written for this value; in words why it cannot be.
    pub(super) fn raw(&self, value: &Value) -> Result<Raw, String> {
        let value = &plain(value, self.layout.kind.is_float())?;
        if let Some(range) = self.range {
            within(value, range)?;
        }
        let number = match self.scaling {
            Some(scaling) => scaling.inverse(value, self.layout.kind.is_float())?,
            None => value.clone(),
        };
        let words = self.layout.encode(&number)?;
        self.check(&number, &words)?;
        if self.need.table == Table::Coil {
            return Ok(Raw::Bit(words.iter().any(|word| *word != 0)));
        }
        Ok(match (words.as_slice(), self.layout.mask().as_slice()) {
            ([word], [mask]) if *mask != u16::MAX => Raw::Part { word: word & mask, mask: *mask },
            _ => Raw::Words(words),
        })
    }

    /// Whether a reader of these registers would get this number.
    fn check(&self, number: &Value, words: &[u16]) -> Result<(), String> {
        let kind = self.layout.kind;
        let (read, quality) = self.layout.decode(words);
        if !quality.is_good() {
            return Err(format!("{} is none of the numbers that have a word here", shown(number)));
        }
        if kind.is_text() && read != *number {
            return Err("it would read back without what it ends in, which counts as padding".to_owned());
        }
        if kind.is_float() {
            let held = read.as_f64().unwrap_or_default();
            let is_lost = match number {
                Value::I64(_) | Value::U64(_) => compare(number, &read) != Ordering::Equal,
                _ => held == 0.0 && number.as_f64() != Some(0.0),
            };
            if is_lost {
                return Err(format!("{} would become {held} as {}", shown(number), kind.word()));
            }
        }
        Ok(())
    }

    /// Whether what was read back is what was written.
    pub(super) fn agrees(raw: &Raw, bits: &[bool], words: &[u16]) -> bool {
        match raw {
            Raw::Bit(on) => bits == [*on],
            Raw::Words(written) => words == written,
            Raw::Part { word, mask } => matches!(words, [read] if read & mask == *word),
        }
    }

    /// The request that writes this; `None` if the register has to be read before.
    pub(super) fn request(&self, raw: &Raw, means: Means) -> Option<Request> {
        let at = self.need.start;
        Some(match raw {
            Raw::Bit(on) if means.multiple => Request::WriteCoils { at, bits: vec![*on] },
            Raw::Bit(on) => Request::WriteCoil { at, on: *on },
            Raw::Words(words) => registers(at, words, means),
            Raw::Part { .. } if means.read_modify_write => return None,
            Raw::Part { word, mask } => Request::MaskRegister { at, and: !mask, or: *word },
        })
    }

    /// The request that changes these bits of a register that holds this.
    pub(super) fn changed(&self, held: u16, (word, mask): (u16, u16), means: Means) -> Request {
        registers(self.need.start, &[held & !mask | word & mask], means)
    }

    /// The place for people: `holding:5`, `holding:5.3`.
    pub(super) fn address(&self) -> String {
        let Need { table, start, .. } = self.need;
        match self.layout.part {
            Some(part) => format!("{table}:{start}.{}", part.first),
            None => format!("{table}:{start}"),
        }
    }
}

fn registers(at: u16, words: &[u16], means: Means) -> Request {
    match words {
        [word] if !means.multiple => Request::WriteRegister { at, word: *word },
        words => Request::WriteRegisters { at, words: words.to_vec() },
    }
}

impl Raw {
    /// As it stands in the book of writes: `0x42F6 0xE979`, `0x0008 of 0x0008` for some bits, `1` for a coil.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Bit(on) => u8::from(*on).to_string(),
            Self::Words(words) => {
                words.iter().map(|word| format!("{word:#06X}").replace('X', "x")).collect::<Vec<_>>().join(" ")
            }
            Self::Part { word, mask } => format!("0x{word:04X} of 0x{mask:04X}"),
        }
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
