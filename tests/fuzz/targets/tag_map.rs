//! A table of tags: `tags_from: map.csv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fieldflow_nodes::fuzzing::tag_map(data));
