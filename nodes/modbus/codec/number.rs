//! Numbers of every type to raw bits and back.

use fieldflow_contract::Value;

use super::half;
use super::kind::Kind;

/// The largest number that one register of `mod10k` holds.
const MOD10K: i64 = 9_999;

impl Kind {
    /// The value of these bits; `None` if they are none of this type.
    pub(super) fn value(self, raw: u64, registers: u16) -> Option<Value> {
        let bits = 8 * u32::from(self.bytes(registers));
        Some(match self {
            Self::U8 | Self::U16 | Self::U24 | Self::U32 | Self::U48 | Self::U64 => Value::U64(raw),
            Self::I8 | Self::I16 | Self::I24 | Self::I32 | Self::I48 | Self::I64 => {
                // Up to the top and down again, which draws the sign along.
                Value::I64((raw << (64 - bits)) as i64 >> (64 - bits))
            }
            Self::Bcd16 | Self::Bcd32 => Value::U64(digits(raw)?),
            Self::Sm16 | Self::Sm32 => {
                let sign = 1 << (bits - 1);
                let magnitude = (raw & (sign - 1)) as i64;
                Value::I64(if raw & sign == 0 { magnitude } else { -magnitude })
            }
            Self::Mod10k => Value::I64(ten_thousands(raw, registers)?),
            // The casts cut `raw` to the bits that the type has; what is above them is zero.
            Self::F16 => Value::F32(half::to_f32(raw as u16)),
            Self::F32 => Value::F32(f32::from_bits(raw as u32)),
            Self::F64 => Value::F64(f64::from_bits(raw)),
            Self::Bool | Self::Bit => Value::Bool(raw != 0),
            Self::String | Self::Bytes => return None,
        })
    }

    /// The bits of this value; an error in words if the type cannot hold it.
    pub(in crate::modbus) fn raw(self, value: &Value, registers: u16) -> Result<u64, String> {
        let bits = 8 * u32::from(self.bytes(registers));
        match self {
            Self::U8 | Self::U16 | Self::U24 | Self::U32 | Self::U48 | Self::U64 => {
                self.within(value, 0, (1 << bits) - 1).map(|value| value as u64)
            }
            Self::I8 | Self::I16 | Self::I24 | Self::I32 | Self::I48 | Self::I64 => {
                let most = (1_i128 << (bits - 1)) - 1;
                self.within(value, -most - 1, most).map(|value| value as u64 & all(bits))
            }
            Self::Bcd16 | Self::Bcd32 => {
                let most = 10_i128.pow(bits / 4) - 1;
                let value = self.within(value, 0, most)?;
                Ok((0..bits / 4).fold(0, |raw, digit| raw | digit_of(value, 10_i128.pow(digit), 10) << (4 * digit)))
            }
            Self::Sm16 | Self::Sm32 => {
                let most = (1_i128 << (bits - 1)) - 1;
                let value = self.within(value, -most, most)?;
                Ok(value.unsigned_abs() as u64 | u64::from(value < 0) << (bits - 1))
            }
            Self::Mod10k => {
                let most = 10_i128.pow(4 * u32::from(registers.min(4))) - 1;
                let value = self.within(value, -most, most)?;
                Ok((0..u32::from(registers.min(4))).fold(0, |raw, place| {
                    // Each register has the sign of the whole.
                    let part = (value / 10_i128.pow(4 * place) % 10_000) as i16;
                    raw | u64::from(part as u16) << (16 * place)
                }))
            }
            Self::F16 => self.float(value, half::of_f64, half::of_f32).map(u64::from),
            Self::F32 => {
                let rounded = |value: f64| {
                    let single = value as f32;
                    (single.is_finite() || !value.is_finite()).then_some(single.to_bits())
                };
                self.float(value, rounded, |value| Some(value.to_bits())).map(u64::from)
            }
            // Through its digits, so that 78.4 stays 78.4.
            Self::F64 => self.float(value, |value| Some(value.to_bits()), |value| Some(widened(value).to_bits())),
            Self::Bool | Self::Bit => self.within(value, 0, 1).map(|value| value as u64),
            Self::String | Self::Bytes => Err(format!("{} is no number", self.word())),
        }
    }

    fn within(self, value: &Value, least: i128, most: i128) -> Result<i128, String> {
        let whole = whole(value)?;
        if (least..=most).contains(&whole) {
            Ok(whole)
        } else {
            Err(format!("{whole} does not fit {}, which goes from {least} to {most}", self.word()))
        }
    }

    fn float<T>(
        self,
        value: &Value,
        double: impl Fn(f64) -> Option<T>,
        single: impl Fn(f32) -> Option<T>,
    ) -> Result<T, String> {
        let bits = match value {
            Value::F32(value) => single(*value),
            Value::F64(value) => double(*value),
            other => double(whole(other)? as f64),
        };
        bits.ok_or_else(|| format!("{} is too large for {}", shown(value), self.word()))
    }
}

/// The number, if it has no fraction.
fn whole(value: &Value) -> Result<i128, String> {
    let of_float = |float: f64| {
        // 2¹⁰⁰ is far above every integer here, and far below the end of an i128.
        if float.fract() == 0.0 && float.abs() < (1_u128 << 100) as f64 {
            Ok(float as i128)
        } else {
            Err(format!("{float} is not a whole number"))
        }
    };
    match value {
        Value::Bool(on) => Ok(i128::from(*on)),
        Value::I64(value) => Ok(i128::from(*value)),
        Value::U64(value) => Ok(i128::from(*value)),
        Value::F32(value) => of_float(f64::from(*value)),
        Value::F64(value) => of_float(*value),
        Value::Null => Err("there is no value".to_owned()),
        Value::Text(text) => Err(format!("the text `{text}` is not a number")),
        Value::Bytes(_) => Err("raw bytes are not a number".to_owned()),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::F32(value) => value.to_string(),
        value => value.as_f64().unwrap_or_default().to_string(),
    }
}

/// The double with the digits that the single shows.
fn widened(value: f32) -> f64 {
    if value.is_finite() { value.to_string().parse().unwrap_or_else(|_| f64::from(value)) } else { f64::from(value) }
}

fn all(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

fn digit_of(value: i128, place: i128, base: i128) -> u64 {
    (value / place % base) as u64
}

/// A decimal digit in each four bits.
fn digits(raw: u64) -> Option<u64> {
    (0..16)
        .rev()
        .map(|digit| raw >> (4 * digit) & 0xF)
        .try_fold(0_u64, |value, digit| (digit < 10).then(|| 10 * value + digit))
}

/// Four decimal digits in each register, each with a sign of its own.
fn ten_thousands(raw: u64, registers: u16) -> Option<i64> {
    (0..registers.min(4)).rev().try_fold(0_i64, |value, place| {
        let part = i64::from((raw >> (16 * place)) as i16);
        (-MOD10K..=MOD10K).contains(&part).then(|| 10_000 * value + part)
    })
}
