//! What must hold when the process is killed, the power goes, the disk fails or fills, or bits rot: tests on the real program.
//!
//! They run the example `oracle` (this folder's `oracle.rs`), which is the engine with a source that numbers its records and
//! writes down which of them were acknowledged. `cargo test` builds it; if you ask for this binary alone, build it
//! first: `cargo build --workspace --example oracle && cargo test --workspace --test reliability`.
//!
//! The tests run one at a time. Each prints its seed and its figures, also when it passes. What makes them larger:
//!
//! | variable | default | what |
//! |---|---|---|
//! | `FIELDFLOW_SEED` | by chance | the seed of every random choice |
//! | `FIELDFLOW_KILLS` | 25 | cycles of `kill.rs`, each way |
//! | `FIELDFLOW_LIFE_MS` | 1000 | longest life of such a cycle |
//! | `FIELDFLOW_IMAGES` | 3000 | crash images of `power.rs` |
//! | `FIELDFLOW_FAULTS` | 60 | runs of `faults.rs`; all of them if there are not more |
//! | `FIELDFLOW_FULL_DISKS` | 3 | cycles of `full_disk.rs` |
//! | `FIELDFLOW_STALL_SECONDS` | 10 | how long `memory.rs` holds a sink up |
//! | `FIELDFLOW_FLIPS` | 30 | damaged stores of `rot.rs` |
//! | `FIELDFLOW_KEEP` | | keep the folders, and say where they are |
//!
//! What a test needs and the machine has not (a C compiler, the right to mount) makes it say `SKIPPED`, and fail if `CI=true`
//! or `FIELDFLOW_PEERS=required`; only mounting may be forbidden everywhere.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test stops at the line where something is missing")]

mod account;
mod crash_points;
mod engine;
mod faults;
mod full_disk;
mod journal;
mod kill;
mod memory;
mod power;
mod replay;
mod rot;
mod setup;
mod shim;
