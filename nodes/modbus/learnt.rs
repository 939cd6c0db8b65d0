//! What a unit has taught about itself by refusing: registers that it does not have, and what it does not give together.
//!
//! Kept over a restart, so that a device with a hundred holes is not searched for them at each start.

use std::collections::{BTreeMap, BTreeSet};

use fieldflow_contract::Saved;
use serde::{Deserialize, Serialize};

use super::address::{Address, Table};
use super::plan::{Bounds, Limits, Need};

/// What is known of one unit.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Learnt {
    /// What was refused when it was asked for alone, with the code.
    pub(super) illegal: BTreeMap<Need, u8>,
    /// Where one request must not go on.
    pub(super) cuts: BTreeSet<(Table, u16)>,
    /// Most registers of one request.
    pub(super) registers: Option<u16>,
    /// Most bits of one request.
    pub(super) bits: Option<u16>,
}

/// The same as it is stored. Of another unit or address it says nothing.
#[derive(Serialize, Deserialize)]
struct Document {
    url: String,
    unit: u8,
    illegal: Vec<Illegal>,
    cuts: Vec<String>,
    registers: Option<u16>,
    bits: Option<u16>,
}

#[derive(Serialize, Deserialize)]
struct Illegal {
    at: String,
    count: u16,
    exception: u8,
}

impl Learnt {
    /// What was stored for this unit.
    pub(super) fn load(saved: &Saved, url: &str, unit: u8) -> Self {
        let document = saved.load().and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok());
        let Some(document) = document.filter(|document| document.url == url && document.unit == unit) else {
            return Self::default();
        };
        let place = |at: &str| Address::parse(at, None).ok().map(|address| (address.table, address.start));
        let illegal = document.illegal.iter().filter_map(|Illegal { at, count, exception }| {
            let (table, start) = place(at)?;
            Some((Need { table, start, count: *count }, *exception))
        });
        Self {
            illegal: illegal.collect(),
            cuts: document.cuts.iter().filter_map(|at| place(at)).collect(),
            registers: document.registers,
            bits: document.bits,
        }
    }

    /// Stores it.
    pub(super) fn store(&self, saved: &Saved, url: &str, unit: u8) {
        let at = |table: Table, start: u16| format!("{table}:{start}");
        let illegal = self.illegal.iter().map(|(need, exception)| Illegal {
            at: at(need.table, need.start),
            count: need.count,
            exception: *exception,
        });
        let document = Document {
            url: url.to_owned(),
            unit,
            illegal: illegal.collect(),
            cuts: self.cuts.iter().map(|(table, start)| at(*table, *start)).collect(),
            registers: self.registers,
            bits: self.bits,
        };
        if let Ok(bytes) = serde_json::to_vec(&document) {
            // Too large is no harm: it is learnt again after a restart.
            let _ = saved.store(bytes);
        }
    }

    /// The limits of the file, or lower ones that were learnt.
    pub(super) fn limits(&self, limits: Limits) -> Limits {
        Limits {
            registers: limits.registers.min(self.registers.unwrap_or(u16::MAX)).max(1),
            bits: limits.bits.min(self.bits.unwrap_or(u16::MAX)).max(1),
            ..limits
        }
    }

    /// What requests for these needs must not touch, with the holes of the file.
    pub(super) fn bounds(&self, holes: &[Need], needs: &[Need]) -> Bounds {
        let is_needed = |table: Table, place: u32| {
            needs.iter().any(|need| need.table == table && (u32::from(need.start)..need.end()).contains(&place))
        };
        // A place that another tag reads well is no hole, whatever a longer value there says.
        let places = self.illegal.keys().flat_map(|need| {
            (need.start..=u16::try_from(need.end().saturating_sub(1)).unwrap_or(u16::MAX))
                .filter(|place| !is_needed(need.table, (*place).into()))
                .map(|start| Need { table: need.table, start, count: 1 })
        });
        Bounds { holes: holes.iter().copied().chain(places).collect(), cuts: self.cuts.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(start: u16, count: u16) -> Need {
        Need { table: Table::Holding, start, count }
    }

    #[test]
    fn what_was_learnt_comes_back_for_the_same_unit_only() {
        let learnt = Learnt {
            illegal: [(holding(10, 2), 2), (Need { table: Table::Coil, start: 3, count: 1 }, 1)].into(),
            cuts: [(Table::Input, 7)].into(),
            registers: Some(60),
            bits: None,
        };
        let saved = Saved::default();
        learnt.store(&saved, "tcp://a:502", 7);
        assert_eq!(Learnt::load(&saved, "tcp://a:502", 7), learnt);
        assert_eq!(Learnt::load(&saved, "tcp://a:502", 8), Learnt::default());
        assert_eq!(Learnt::load(&saved, "tcp://b:502", 7), Learnt::default());
        saved.store(b"{]".to_vec()).unwrap();
        assert_eq!(Learnt::load(&saved, "tcp://a:502", 7), Learnt::default());
    }

    #[test]
    fn a_place_that_another_value_reads_well_is_no_hole() {
        let learnt = Learnt { illegal: [(holding(10, 2), 2)].into(), ..Learnt::default() };
        let bounds = learnt.bounds(&[holding(20, 5)], &[holding(10, 1)]);
        assert_eq!(bounds.holes, [holding(20, 5), holding(11, 1)]);
    }
}
