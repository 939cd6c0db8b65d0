//! From the value of a command to the registers that hold it, and to the request that writes them: exactly, or not at all.

use std::cmp::Ordering;
use std::time::Duration;

use fieldflow_contract::{Value, ValueType};

use crate::modbus::address::Table;
use crate::modbus::codec::Layout;
use crate::modbus::frame::Request;
use crate::modbus::plan::Need;
use crate::transform::kit::decimal::{Line, decimal_of, divide, double_of};
use crate::transform::kit::number::{compare, number};

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

/// The value is the raw number times the scale, plus the offset. Both are finite, and the scale is not 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scaling {
    pub(super) scale: f64,
    pub(super) offset: f64,
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
        let value = &match value {
            Value::Null => return Err("there is no value".to_owned()),
            Value::F32(float) if !float.is_finite() => return Err(format!("{float} is no number to write")),
            Value::F64(float) if !float.is_finite() => return Err(format!("{float} is no number to write")),
            Value::Bool(on) => Value::U64(u64::from(*on)),
            // The decimal that people see.
            Value::F32(float) if !self.layout.kind.is_float() => Value::F64(double_of(*float)),
            other => other.clone(),
        };
        if let Some([low, high]) = self.range {
            let outside = |end, beyond| compare(value, &Value::F64(end)) == beyond;
            if matches!(value, Value::Text(_) | Value::Bytes(_)) {
                return Err(format!("{} is no number", shown(value)));
            }
            if outside(low, Ordering::Less) || outside(high, Ordering::Greater) {
                return Err(format!("{} is outside of {low} to {high}", shown(value)));
            }
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

impl Scaling {
    /// The raw number of this value: the one of which `scale` makes just this value if it must be whole, else the nearest
    /// double.
    fn inverse(self, value: &Value, is_float: bool) -> Result<Value, String> {
        let number = number(value).ok_or_else(|| format!("{} is no number", shown(value)))?;
        let plainly = (number - self.offset) / self.scale;
        let share = self.share(value);
        if is_float {
            // The limit of `divide`.
            let share = share.filter(|(_, bottom)| *bottom < 1 << 72);
            return Ok(Value::F64(share.map_or(plainly, |(top, bottom)| divide(top, bottom.unsigned_abs()))));
        }
        let (whole, is_exact) = match share {
            Some((top, bottom)) => (rounded(top, bottom), top % bottom == 0),
            None => (plainly.round() as i128, false),
        };
        let raw = u64::try_from(whole).map(Value::U64).or_else(|_| i64::try_from(whole).map(Value::I64));
        let raw =
            raw.map_err(|_| format!("{} would be {plainly:e} as a raw number, which fits no type", shown(value)))?;
        let forth = || Line::linear(self.scale, self.offset).at(&raw).map(Value::F64);
        if is_exact || forth().is_some_and(|again| compare(&again, value) == Ordering::Equal) {
            return Ok(raw);
        }
        let Self { scale, offset } = self;
        let value = shown(value);
        Err(format!(
            "{value} is the value of no whole raw number, the nearest is {whole} (scale {scale}, offset {offset}); round it \
             before"
        ))
    }

    /// The raw number as a share of two integers without a common divisor, the lower one positive; `None` if it is too long.
    fn share(self, value: &Value) -> Option<(i128, i128)> {
        let (value, behind) = match *value {
            Value::I64(whole) => (i128::from(whole), 0),
            Value::U64(whole) => (i128::from(whole), 0),
            Value::F32(float) => decimal_of(float)?,
            Value::F64(float) => decimal_of(float)?,
            _ => return None,
        };
        let ((offset, less), (scale, places)) = (decimal_of(self.offset)?, decimal_of(self.scale)?);
        let ten = |power: u32| 10_i128.checked_pow(power);
        let common = behind.max(less);
        let value = value.checked_mul(ten(common - behind)?)?;
        let top = value.checked_sub(offset.checked_mul(ten(common - less)?)?)?.checked_mul(ten(places)?)?;
        let bottom = scale.checked_mul(ten(common)?)?;
        (bottom != 0).then_some(())?;
        let divisor = i128::try_from(gcd(top.unsigned_abs(), bottom.unsigned_abs())).ok().filter(|by| *by != 0)?;
        let sign = bottom.signum();
        Some((top.checked_mul(sign)? / divisor, bottom.checked_mul(sign)? / divisor))
    }
}

/// The nearest integer to a share of which the lower number is positive.
fn rounded(top: i128, bottom: i128) -> i128 {
    let (whole, rest) = (top.div_euclid(bottom), top.rem_euclid(bottom));
    if bottom - rest <= rest { whole.saturating_add(1) } else { whole }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Which floats are shown without an exponent.
const PLAIN: std::ops::Range<f64> = 1e-6..1e16;

/// A value for people, of a length that has an end.
pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(on) => on.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F32(number) if !PLAIN.contains(&f64::from(number.abs())) && *number != 0.0 => format!("{number:e}"),
        Value::F64(number) if !PLAIN.contains(&number.abs()) && *number != 0.0 => format!("{number:e}"),
        Value::F32(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::Text(text) => text.chars().take(250).collect(),
        Value::Bytes(bytes) => bytes.iter().take(250).map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
