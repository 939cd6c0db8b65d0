//! Transforms: they make records out of records, one file each.

mod alarm;
mod cast;
mod clamp;
mod condition;
mod counter;
mod crc_check;
mod deadband;
mod deadlines;
mod debounce;
mod decimal;
mod decode;
mod dedupe;
mod edit;
mod encode;
mod enrich;
#[cfg(feature = "expressions")]
mod expression;
#[cfg(not(feature = "expressions"))]
#[path = "no_expression.rs"]
mod expression;
mod filter;
mod frame;
mod lookup;
#[cfg(feature = "expressions")]
mod map;
mod median;
mod names;
mod naming;
mod number;
mod per_tag;
#[cfg(test)]
mod playing;
mod quality;
mod rate;
mod rename;
mod renamed;
mod round;
mod route;
mod rules;
mod scale;
mod sequence;
mod shelf;
mod sieve;
mod split;
mod stale;
mod swinging_door;
mod table;
#[cfg(test)]
mod testing;
mod throttle;
mod window;

pub(crate) use alarm::Alarm;
pub(crate) use cast::Cast;
pub(crate) use clamp::Clamp;
pub(crate) use counter::Counter;
pub(crate) use crc_check::CrcCheck;
pub(crate) use deadband::Deadband;
pub(crate) use debounce::Debounce;
pub(crate) use decode::Decode;
pub(crate) use dedupe::Dedupe;
pub(crate) use encode::Encode;
pub(crate) use enrich::Enrich;
pub(crate) use filter::Filter;
#[cfg(feature = "expressions")]
pub(crate) use map::Map;
pub(crate) use median::Median;
pub(crate) use quality::SetQuality;
pub(crate) use rate::Rate;
pub(crate) use rename::Rename;
pub(crate) use round::Round;
pub(crate) use route::Route;
pub(crate) use scale::Scale;
pub(crate) use sequence::Sequence;
pub(crate) use split::Split;
pub(crate) use stale::Stale;
pub(crate) use swinging_door::SwingingDoor;
pub(crate) use throttle::Throttle;
pub(crate) use window::Window;
