//! The four tables, more of them than one request can ask for, their ends, what is not there, and several units.

use crate::device::{Device, Expected};
use crate::peers::{Peer, Way};

#[tokio::test]
async fn all_four_tables_of_pymodbus_are_read_to_their_ends() {
    tables().must_be_read_from(Peer::Pymodbus, Way::Tcp).await;
}

#[tokio::test]
async fn all_four_tables_of_libmodbus_are_read_to_their_ends() {
    tables().must_be_read_from(Peer::Libmodbus, Way::Tcp).await;
}

#[tokio::test]
async fn all_four_tables_of_pymodbus_are_read_over_a_serial_line() {
    tables().must_be_read_from(Peer::Pymodbus, Way::Serial).await;
}

#[tokio::test]
async fn all_four_tables_of_libmodbus_are_read_over_a_serial_line() {
    tables().must_be_read_from(Peer::Libmodbus, Way::Serial).await;
}

#[tokio::test]
async fn what_pymodbus_does_not_hold_is_bad_and_the_rest_is_good() {
    holes().must_be_read_from(Peer::Pymodbus, Way::Tcp).await;
}

#[tokio::test]
async fn what_libmodbus_does_not_hold_is_bad_and_the_rest_is_good() {
    holes().must_be_read_from(Peer::Libmodbus, Way::Tcp).await;
}

#[tokio::test]
async fn the_units_of_pymodbus_are_told_apart() {
    units().must_be_read_from(Peer::Pymodbus, Way::Tcp).await;
}

#[tokio::test]
async fn the_units_of_pymodbus_on_a_serial_line_are_told_apart() {
    units().must_be_read_from(Peer::Pymodbus, Way::Serial).await;
}

#[tokio::test]
async fn the_units_of_libmodbus_are_told_apart() {
    let mut device = units();
    // The server answers for a unit that is not there as a gateway does; pymodbus has no such answer.
    device.tag(9, "nobody", ("holding", 0), "", Expected::Bad("bad:no_communication"));
    device.must_be_read_from(Peer::Libmodbus, Way::Tcp).await;
}

/// Different values in each table at the same addresses. Bits begin where no byte does, and one request cannot hold them.
fn tables() -> Device {
    let mut device = Device::default();
    for (table, salt, start, count) in
        [("coil", 1, 5, 2103), ("discrete", 2, 3, 2103), ("holding", 3, 7, 260), ("input", 4, 2, 260)]
    {
        let bits = ["coil", "discrete"].contains(&table);
        for at in (start..start + count).chain([65_535]) {
            let word = scattered(at, salt);
            let (held, expected) =
                if bits { (word & 1, Expected::Bool(word & 1 == 1)) } else { (word, Expected::U64(word.into())) };
            device.memory.put(1, table, at, &[held]);
            device.tag(1, &format!("{table}.{at}"), (table, at), "", expected);
        }
    }
    device
}

/// A number that follows no pattern a wrong offset could hit: the finaliser of `MurmurHash3`.
fn scattered(at: u16, salt: u32) -> u16 {
    let mut mixed = u32::from(at) << 8 ^ salt;
    mixed = (mixed ^ mixed >> 16).wrapping_mul(0x85EB_CA6B);
    mixed = (mixed ^ mixed >> 13).wrapping_mul(0xC2B2_AE35);
    (mixed ^ mixed >> 16) as u16
}

/// Each table holds 32 places, and is asked for others as well.
fn holes() -> Device {
    let mut device = Device::default();
    for table in ["coil", "discrete", "holding", "input"] {
        device.memory.put(1, table, 0, &[1; 32]);
        let bits = ["coil", "discrete"].contains(&table);
        let is_held = if bits { Expected::Bool(true) } else { Expected::U64(1) };
        device.tag(1, &format!("{table}.held"), (table, 8), "", is_held);
        device.tag(1, &format!("{table}.missing"), (table, 4000), "", Expected::Bad("bad:configuration"));
    }
    // Its first register is there and its second is not.
    device.tag(1, "half", ("holding", 31), ", as: u32", Expected::Bad("bad:configuration"));
    device
}

/// The same addresses hold something else in each unit.
fn units() -> Device {
    let mut device = Device::default();
    for unit in [1, 17, 255] {
        let value = 1000 + u16::from(unit);
        device.memory.put(unit, "holding", 0, &[value]);
        device.tag(unit, &format!("unit{unit}.value"), ("holding", 0), "", Expected::U64(value.into()));
    }
    device
}
