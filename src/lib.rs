//! fieldflow: a dataflow pipeline for the plant floor.

pub mod config;
pub mod diagnostics;
pub mod graph;
