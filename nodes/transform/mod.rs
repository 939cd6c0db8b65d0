//! Transforms: they make records out of records, one file each.

mod decimal;
mod dedupe;
mod rules;
mod scale;

pub(crate) use dedupe::Dedupe;
pub(crate) use scale::Scale;
