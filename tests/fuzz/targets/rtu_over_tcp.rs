//! A conversation in frames of a serial line, through TCP.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fieldflow_nodes::fuzzing::rtu_over_tcp(data));
