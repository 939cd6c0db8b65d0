//! An answer on a serial line, with its check sum.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fieldflow_nodes::fuzzing::rtu_answer(data));
