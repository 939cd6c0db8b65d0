//! What a server shall hold, as the text that both servers read.

use std::collections::BTreeMap;
use std::fmt;

/// The four tables of each unit of a device.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(BTreeMap<u8, BTreeMap<&'static str, BTreeMap<u16, u16>>>);

impl Memory {
    /// Holds these registers or bits from an address on.
    pub(crate) fn put(&mut self, unit: u8, table: &'static str, start: u16, values: &[u16]) {
        let held = self.0.entry(unit).or_default().entry(table).or_default();
        for (address, value) in (start..=u16::MAX).zip(values) {
            assert!(held.insert(address, *value).is_none(), "{table}:{address} is held twice");
        }
    }

    /// The same places, each holding anything but what it holds here.
    pub(crate) fn inverted(&self) -> Self {
        let mut inverted = self.clone();
        for (table, values) in inverted.0.values_mut().flatten() {
            let bits = if matches!(*table, "coil" | "discrete") { 1 } else { u16::MAX };
            for value in values.values_mut() {
                *value ^= bits;
            }
        }
        inverted
    }
}

impl fmt::Display for Memory {
    /// One line for each run of neighbours, such as `holding 10 0x1234 0x5678`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, tables) in &self.0 {
            write!(f, "unit {unit}")?;
            for (table, values) in tables {
                let mut next = None;
                for (address, value) in values {
                    if next != Some(*address) {
                        write!(f, "\n{table} {address}")?;
                    }
                    write!(f, " {value:#x}")?;
                    next = address.checked_add(1);
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
