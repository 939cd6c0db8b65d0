//! What `modbus_write` writes is what the servers hold then: every type in every order, by every function.
//!
//! It is read back by the source, which the other tests hold against the definition of each type.

use crate::device::{Device, Expected};
use crate::peers::{Peer, Way};
use crate::types;
use crate::values::{self, Map};

#[tokio::test]
async fn every_type_in_every_order_is_written_to_pymodbus() {
    registers().must_be_written_to((Peer::Pymodbus, Way::Tcp), 1, "", "written").await;
}

#[tokio::test]
async fn every_type_in_every_order_is_written_to_libmodbus() {
    registers().must_be_written_to((Peer::Libmodbus, Way::Tcp), 1, "", "written").await;
}

#[tokio::test]
async fn every_type_in_every_order_is_written_to_pymodbus_over_a_serial_line() {
    registers().must_be_written_to((Peer::Pymodbus, Way::Serial), 1, "", "written").await;
}

#[tokio::test]
async fn every_type_in_every_order_is_written_to_libmodbus_over_a_serial_line() {
    registers().must_be_written_to((Peer::Libmodbus, Way::Serial), 1, "", "written").await;
}

#[tokio::test]
async fn coils_and_registers_of_pymodbus_are_written_one_by_one_by_the_functions_for_many_and_read_back() {
    small().must_be_written_to((Peer::Pymodbus, Way::Tcp), 1, MANY, "verified").await;
}

#[tokio::test]
async fn coils_and_registers_of_libmodbus_are_written_one_by_one_by_the_functions_for_many_and_read_back() {
    small().must_be_written_to((Peer::Libmodbus, Way::Tcp), 1, MANY, "verified").await;
}

#[tokio::test]
async fn coils_and_registers_of_pymodbus_are_written_by_the_functions_for_one_and_read_back() {
    small().must_be_written_to((Peer::Pymodbus, Way::Tcp), 1, "    verify: true\n", "verified").await;
}

#[tokio::test]
async fn coils_and_registers_of_libmodbus_are_written_over_a_serial_line_and_read_back() {
    small().must_be_written_to((Peer::Libmodbus, Way::Serial), 1, "    verify: true\n", "verified").await;
}

const MANY: &str = "    multiple: true\n    read_modify_write: true\n    verify: true\n";

fn registers() -> Device {
    let mut device = Device::default();
    let mut map = Map { device: &mut device, table: "holding", next: 0, count: 0 };
    values::plain(&mut map);
    types::types(&mut map);
    types::words_for_numbers(&mut map);
    device
}

fn small() -> Device {
    let mut device = Device::default();
    for at in 0..20 {
        let on = at % 3 == 0;
        device.memory.put(1, "coil", at, &[u16::from(on)]);
        device.tag(1, &format!("coil.{at}"), ("coil", at), "", Expected::Bool(on));
    }
    for (at, word) in [(0, 0), (1, 0xFFFF), (2, 0x1234)] {
        device.memory.put(1, "holding", at, &[word]);
        device.tag(1, &format!("word.{at}"), ("holding", at), "", Expected::U64(word.into()));
    }
    // One register with a tag for each bit: none may harm the others.
    device.memory.put(1, "holding", 9, &[0xA5C3]);
    for bit in 0..16 {
        let on = 0xA5C3 >> bit & 1 == 1;
        device.tag(1, &format!("bit.{bit}"), ("holding", 9), &format!(", as: bit, bit: {bit}"), Expected::Bool(on));
    }
    device
}
