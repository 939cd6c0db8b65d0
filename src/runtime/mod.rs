//! From a plan to a running pipeline: the loops that drive the nodes, the edges between them, and the end.
//!
//! The loops are written once, for every node: retry, back-off, reconnect, panics, shutdown and figures are theirs. A node
//! only connects, reads, applies, writes and closes.
//!
//! | room | what is in it |
//! |---|---|
//! | [`plan`] | builds every node and makes every edge; nothing is started |
//! | [`running`] | starts the plan, watches it, stops it |
//! | `source_loop`, `transform_loop`, `sink_loop` | what drives a node of each role |
//! | `edge`, `conflate` | the bounded edge, its policies and its ledger |
//! | `outlet` | in memory, onto the disk, or onto the disk when memory is full |
//! | `fanout`, `inbox` | all edges that begin at a port, all edges that end at a node |
//! | [`clock`] | the time of day on tokio's time, for tests of whole pipelines |
//! | [`lock`] | one instance for one data folder |
//!
//! # Invariants
//!
//! - Only this module starts tasks; all of them are joined at the end.
//! - Every delivery's ack is resolved by whoever holds it last; one that is lost counts as failed.
//! - A panic of a node is caught at the call, never outside the loop, so edges and acks survive it.

mod backoff;
pub mod clock;
mod conflate;
mod edge;
mod fanout;
mod guard;
mod inbox;
pub mod lock;
mod news;
mod node_task;
mod outlet;
pub mod plan;
pub mod running;
mod sink_loop;
mod source_loop;
mod status;
mod transform_loop;

pub use clock::TimerClock;
pub use lock::{DirLock, LockError};
pub use plan::{Environment, Plan, PlanError};
pub use running::{Finished, Observer, Running};
