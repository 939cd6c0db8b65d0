//! Which requests read a set of tags: as few as the limits of the device allow.
//!
//! Pure. What lies side by side is read together, because one request costs the device more than many registers do. A value
//! is never split, so that its registers are of one moment; a hole wider than `max_gap` is never read, because some devices
//! answer a hole with an exception for the whole request.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::address::Table;

/// Registers or bits that one value needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Need {
    /// The table.
    pub(super) table: Table,
    /// The first of them.
    pub(super) start: u16,
    /// How many.
    pub(super) count: u16,
}

impl Need {
    /// The place after the last; up to 65536.
    pub(super) fn end(self) -> u32 {
        u32::from(self.start) + u32::from(self.count)
    }
}

/// How much one request may ask for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Registers in one request.
    pub(super) registers: u16,
    /// Bits in one request.
    pub(super) bits: u16,
    /// Places that may be read in vain between two values.
    pub(super) gap: u16,
}

/// What must not be read, or not be read together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Places that no request reads to fill a gap: holes of the device.
    pub(super) holes: Vec<Need>,
    /// Places that a request begins with, or does not reach: what lies on both sides is not read together.
    pub(super) cuts: BTreeSet<(Table, u16)>,
}

/// One request, and which of the needs it serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// What to ask for.
    pub(super) read: Need,
    /// The needs that lie wholly in it, by their place in the list that was planned.
    pub(super) serves: Vec<usize>,
}

impl Bounds {
    /// Whether all places of a table from `from` to before `to` may be read in vain.
    fn allow_gap(&self, table: Table, from: u32, to: u32) -> bool {
        let is_apart = |hole: &Need| hole.table != table || hole.end() <= from || to <= u32::from(hole.start);
        to <= from || self.holes.iter().all(is_apart)
    }

    /// Whether a request that begins at `start` may go on with a value at `next`.
    fn allow_join(&self, table: Table, start: u16, next: u16) -> bool {
        // The range of a set must not run backwards.
        next <= start || self.cuts.range((table, start.saturating_add(1))..=(table, next)).next().is_none()
    }
}

/// The requests for these needs, each of which must fit the limits by itself and lie in no hole.
pub(super) fn plan(needs: &[Need], limits: Limits, bounds: &Bounds) -> Vec<Request> {
    let mut sorted: Vec<(usize, Need)> = needs.iter().copied().enumerate().collect();
    sorted.sort_by_key(|(_, need)| (need.table, need.start, Reverse(need.count)));
    let mut requests: Vec<Request> = Vec::new();
    for (index, need) in sorted {
        if let Some(last) = requests.last_mut()
            && let Some(read) = join(last.read, need, limits, bounds)
        {
            last.read = read;
            last.serves.push(index);
        } else {
            requests.push(Request { read: need, serves: vec![index] });
        }
    }
    requests
}

/// Both in one request, if the limits allow it. `next` does not begin before `read`.
fn join(read: Need, next: Need, limits: Limits, bounds: &Bounds) -> Option<Need> {
    let limit = if read.table.is_bits() { limits.bits } else { limits.registers };
    // A value inside of a longer one must not shorten the request.
    let end = read.end().max(next.end());
    let count = u16::try_from(end - u32::from(read.start)).ok()?;
    let near = u32::from(next.start) <= read.end() + u32::from(limits.gap);
    let is_allowed = bounds.allow_gap(read.table, read.end(), next.start.into())
        && bounds.allow_join(read.table, read.start, next.start);
    (read.table == next.table && near && count <= limit && is_allowed).then_some(Need { count, ..read })
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
