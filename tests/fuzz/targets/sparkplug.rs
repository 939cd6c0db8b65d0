//! What Sparkplug edge nodes send to a host.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fieldflow_nodes::fuzzing::sparkplug(data));
