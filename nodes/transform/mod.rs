//! Transforms: they make records out of records, one file each.

mod crc_check;
mod clamp;
mod deadband;
mod decimal;
mod decode;
mod dedupe;
mod round;
#[cfg(feature = "expressions")]
mod expression;
#[cfg(not(feature = "expressions"))]
#[path = "no_expression.rs"]
mod expression;
mod frame;
#[cfg(feature = "expressions")]
mod map;
mod names;
mod rules;
mod scale;
mod sequence;
mod edit;
mod median;
mod naming;
mod number;
mod rate;
mod rules;
mod scale;
#[cfg(test)]
mod testing;

pub(crate) use decode::Decode;
pub(crate) use crc_check::CrcCheck;
mod sieve;

pub(crate) use clamp::Clamp;
pub(crate) use deadband::Deadband;
pub(crate) use dedupe::Dedupe;
pub(crate) use round::Round;
pub(crate) use median::Median;
pub(crate) use rate::Rate;
#[cfg(feature = "expressions")]
pub(crate) use map::Map;
pub(crate) use scale::Scale;
pub(crate) use sequence::Sequence;
