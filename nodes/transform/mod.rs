//! Transforms: they make records out of records, one file each. `kit` holds what several of them are made of.
//!
//! **Order.** Behind a source they are best put in this order; none is needed:
//!
//! `crc_check`, `sequence` (frames as they came) → `decode` (for text also `split`) → `cast` → `quality` → `scale` →
//! `clamp` → what is derived (`rate`, `counter`, `window`, `median`, `map`, `alarm`) → `deadband`, `dedupe`,
//! `swinging_door`, `throttle` → `rename`, `enrich` → `encode`.
//!
//! Frames are checked while they are raw, limits are given in engineering units, and what is derived is made of all records,
//! not of those that a filter has left. `filter` and `route` stand where they are needed; `stale` before any filter, which
//! would make a tag that does not change look silent.
//!
//! **Rules for all of them**, which the options of each repeat where they matter:
//!
//! - A rule names its tags by a selector, and the first rule that names a tag is used. A record that no rule names passes as
//!   it came.
//! - A Bad number enters no arithmetic. The first Bad reason stays: a later one does not replace it. A change of quality passes
//!   every filter and begins anew what is remembered of the tag, so that no fault and no end of one is hidden.
//! - What cannot be worked on keeps its value and becomes Bad (`bad:type_mismatch`, `bad:out_of_range`). Only what cannot leave
//!   at all goes to `rejected`, as it came.
//! - What passes of a batch leaves as one batch for each port, in order; what is let go is counted with its reason. A batch in
//!   which nothing changes is not copied.
//! - `apply` has no clock. What waits for time to go by begins to wait at the next look at the clock, see `kit/deadlines.rs`.
//! - What is remembered is remembered for each tag, and so bounded by the table of tags, or by a limit with a name.

mod alarm;
mod cast;
mod clamp;
mod counter;
mod crc_check;
mod deadband;
mod debounce;
mod decode;
mod dedupe;
mod encode;
mod enrich;
mod filter;
pub(crate) mod kit;
#[cfg(feature = "expressions")]
mod map;
mod median;
mod quality;
mod rate;
mod rename;
mod round;
mod route;
mod scale;
mod sequence;
mod split;
mod stale;
mod swinging_door;
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
#[cfg(feature = "mqtt")]
pub(crate) use encode::Line;
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
