//! Registers to values and back: every type in any order.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fieldflow_nodes::fuzzing::values(data));
