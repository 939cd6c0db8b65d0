//! A stream of packets from an MQTT broker.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fieldflow_nodes::fuzzing::mqtt_packets(data));
