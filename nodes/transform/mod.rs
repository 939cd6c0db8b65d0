//! Transforms: they make records out of records, one file each.

mod decimal;
mod decode;
mod dedupe;
mod rules;
mod scale;

pub(crate) use decode::Decode;
pub(crate) use dedupe::Dedupe;
pub(crate) use scale::Scale;
