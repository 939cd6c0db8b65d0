//! fieldflow collects data on the plant floor: a YAML file describes a graph of sources, transforms and sinks; this crate
//! checks it, runs it, and accounts for every record on the way.
//!
//! # The map
//!
//! | room | what is in it |
//! |---|---|
//! | [`cli`] | the command line, one file per verb |
//! | [`web`] | `/metrics` and `/health`: the only HTTP code |
//! | [`golden`] | golden-file tests of whole pipelines, on virtual time |
//! | [`runtime`] | plan → running: the loops that drive nodes, edges, acks, back-off, shutdown |
//! | [`queue`] | the durable edges and what nodes keep: their file, its keeper, the pump |
//! | [`analysis`] | what follows from a graph before it runs: guarantees, stalls, capacity, budgets |
//! | [`graph`] | the checked graph: pure data, no I/O, no async |
//! | [`config`] | YAML as a tree that knows the place of every key and value; the only user of the YAML crate |
//! | [`diagnostics`] | the report: codes, places, excerpts, rendering |
//! | [`telemetry`] | every metric in one table; snapshots; logs |
//!
//! The words, the acks and what a node is stand in the crate `fieldflow_contract` (`nodes/contract/`); the built-in nodes in
//! `fieldflow_nodes` (`nodes/`), which sees nothing of this crate.
//!
//! ```text
//! main ──► nodes ──► contract
//!  └─► cli ─► web, golden, analysis ─► runtime ─► queue, graph ─► config ─► diagnostics     (all may use contract and telemetry)
//! ```
//!
//! # Invariants
//!
//! - Four stages are four types with no way back: `PipelineFile` → `Graph` → `Plan` → `Running`. A later stage never checks
//!   what an earlier one has checked.
//! - `validate` opens no socket and writes no file.
//! - Nothing is unbounded, nothing is dropped in silence: every edge has a capacity, a policy and its figures, and the ledger
//!   (`fieldflow_unaccounted_records`) is 0 at every scrape.
//! - A batch is acknowledged upstream when it is safe at every sink, and never before.
//! - No label of a metric ever comes from a payload.
//!
//! `tests/tidy.rs` holds the direction of imports, `clippy.toml` the bans, `tests/generated.rs` the schemas and tables.

pub mod analysis;
pub mod cli;
pub mod config;
pub mod diagnostics;
pub mod golden;
pub mod graph;
pub mod queue;
pub mod runtime;
pub mod telemetry;
pub mod web;
