//! A binary frame is read: bytes by their places, numbers by their types.

use std::ops::Range;

use fieldflow_contract::{Quality, Value};

use super::super::head::{Head, Missing, TimeFormat};
use super::super::names::Names;
use super::super::{Into, Why};
use super::Kind;
use crate::transform::kit::decimal::Line;

/// Reads frames.
pub(in crate::transform::decode) struct Reader {
    pub(in crate::transform::decode) names: Names,
    pub(super) plan: Plan,
}

/// The fields, found right.
pub(super) struct Plan {
    pub(super) items: Vec<Item>,
    /// The field that is the time, and that which is the quality.
    pub(super) time: Option<usize>,
    pub(super) format: TimeFormat,
    pub(super) quality: Option<usize>,
    /// Whether a frame may go on behind its fields.
    pub(super) takes_rest: bool,
}

/// One field.
pub(super) struct Item {
    /// From the start, or from the end if negative; `None` for right behind the one before it.
    pub(super) at: Option<i64>,
    pub(super) what: What,
    pub(super) count: usize,
    /// The number of the name of its first value; `None` if it gives no record.
    pub(super) first: Option<usize>,
}

pub(super) enum What {
    Number(Box<Number>),
    /// So many bytes, all but the last so many, or all that is left.
    Bytes(Option<i64>),
    Text(Option<i64>),
}

/// How the bytes of a number are read.
pub(super) struct Number {
    pub(super) width: usize,
    pub(super) is_little: bool,
    pub(super) kind: Kind,
    pub(super) is_signed: bool,
    /// One bit, which is a boolean.
    pub(super) is_flag: bool,
    /// The first bit, and how many.
    pub(super) from: u32,
    pub(super) bits: u32,
    pub(super) line: Option<Line>,
}

impl Reader {
    pub(in crate::transform::decode) fn read(&mut self, frame: &[u8], into: &mut Into<'_>) -> Result<(), Why> {
        let here = self.names.of(into.from.tag)?;
        let plan = &self.plan;
        let places = plan.places(frame.len())?;
        let head = |role: Option<usize>| {
            let (item, place) = role.and_then(|n| Some((plan.items.get(n)?, places.get(n)?)))?;
            Some(frame.get(place.clone()).ok_or(Why::Layout).and_then(|bytes| item.what.value(bytes)))
        };
        let (time, quality) = (head(plan.time).transpose()?, head(plan.quality).transpose()?);
        let Head { time, quality, .. } = Head::new((time, plan.format), quality, Missing::Skip, into)?;
        for (item, place) in plan.items.iter().zip(places) {
            let Some(first) = item.first else { continue };
            let bytes = frame.get(place).ok_or(Why::Layout)?;
            let mut give = |n, bytes| {
                let value = item.what.value(bytes)?;
                let quality = match value {
                    // The scaling left what can be told; the number itself may well be NaN.
                    Value::F64(float) if item.what.is_scaled() && !float.is_finite() && !quality.is_bad() => {
                        Quality::BAD_OUT_OF_RANGE
                    }
                    _ => quality,
                };
                into.push(here.tag(first + n, None)?, time, quality, value)
            };
            match &item.what {
                What::Number(number) => {
                    for (n, bytes) in bytes.chunks_exact(number.width).enumerate() {
                        give(n, bytes)?;
                    }
                }
                What::Bytes(_) | What::Text(_) => give(0, bytes)?,
            }
        }
        Ok(())
    }
}

impl Plan {
    /// Where the fields lie in a frame of so many bytes.
    fn places(&self, length: usize) -> Result<Vec<Range<usize>>, Why> {
        let (mut behind, mut reached) = (0, 0);
        let mut places = Vec::with_capacity(self.items.len());
        for item in &self.items {
            let start = match item.at {
                None => behind,
                Some(at) => from_either_end(at, length).ok_or(Why::Layout)?,
            };
            let left = length.checked_sub(start).ok_or(Why::Layout)?;
            let size = match &item.what {
                What::Number(number) => number.width.saturating_mul(item.count),
                What::Bytes(None) | What::Text(None) => left,
                What::Bytes(Some(size)) | What::Text(Some(size)) => from_either_end(*size, left).ok_or(Why::Layout)?,
            };
            if left < size {
                return Err(Why::Layout);
            }
            behind = start + size;
            reached = reached.max(behind);
            places.push(start..behind);
        }
        if reached < length && !self.takes_rest { Err(Why::Layout) } else { Ok(places) }
    }
}

/// A distance from the start, or from the end if negative, as one from the start.
fn from_either_end(at: i64, length: usize) -> Option<usize> {
    match usize::try_from(at) {
        Ok(at) => Some(at),
        Err(_) => length.checked_sub(usize::try_from(at.unsigned_abs()).ok()?),
    }
}

impl What {
    fn is_scaled(&self) -> bool {
        matches!(self, Self::Number(number) if number.line.is_some())
    }

    fn value(&self, bytes: &[u8]) -> Result<Value, Why> {
        match self {
            Self::Number(number) => Ok(number.value(bytes)),
            Self::Bytes(_) => Ok(Value::Bytes(bytes.into())),
            Self::Text(_) => {
                let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
                std::str::from_utf8(text).map(|text| Value::Text(text.into())).map_err(|_| Why::Format)
            }
        }
    }
}

impl Number {
    fn value(&self, bytes: &[u8]) -> Value {
        let join = |raw: u64, byte: &u8| raw << 8 | u64::from(*byte);
        let raw = if self.is_little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) };
        let value = match self.kind {
            Kind::F32 => Value::F32(f32::from_bits(raw as u32)),
            Kind::F64 => Value::F64(f64::from_bits(raw)),
            Kind::Bool => Value::Bool(raw != 0),
            _ => self.integer(raw),
        };
        match &self.line {
            None => value,
            Some(line) => line.at(&value).map_or(value, Value::F64),
        }
    }

    fn integer(&self, raw: u64) -> Value {
        // To the top and back: the bits above are cut off, and the sign comes along. 1 to 64 bits, as `check` saw to.
        let bits = self.bits.clamp(1, 64);
        let top = raw.checked_shr(self.from).unwrap_or(0) << (64 - bits);
        match self.is_signed {
            _ if self.is_flag => Value::Bool(top != 0),
            true => Value::I64(top as i64 >> (64 - bits)),
            false => Value::U64(top >> (64 - bits)),
        }
    }
}
