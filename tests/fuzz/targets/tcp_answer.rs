//! An answer of Modbus TCP, alone and in a conversation.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fieldflow_nodes::fuzzing::tcp_answer(data));
