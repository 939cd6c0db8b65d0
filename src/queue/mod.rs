//! Durable edges: what waits in them is committed to the disk before it is acknowledged, and survives a kill, a power cut and
//! an edit of the pipeline file.
//!
//! All durable and spilling edges of a pipeline share one file, `state.db` in the pipeline's folder, with one writer: one sync
//! of the disk serves them all. An edge is found again by its name `<pipeline>/<from.port>/<to>`, whatever else is edited. What
//! nodes keep over a restart lies in the same file, by their names.
//!
//! | file | does |
//! |---|---|
//! | [`durable`] | one edge: what is pending, in the file, on its way, done; its limits and figures |
//! | [`keeper`] | the task that commits for all edges, and for the nodes that keep something |
//! | [`pump`](mod@pump) | hands over what is committed, from memory or from the disk |
//! | [`inspect`] | looks into the file, beside a running pipeline or without one; deletes from it |
//! | `round`, `file`, `codec`, `progress` | what one commit does, the file, a batch as bytes, which batches are done |
//!
//! The file is SQLite in WAL mode with `synchronous=FULL`. The consumer keeps its own position where it can (the `sqlite` sink
//! does, in the transaction of the rows): then every batch is stored exactly once. For the others the file keeps it, and what
//! was done in the last moments before a crash is handed over again.

mod codec;
pub mod durable;
mod file;
pub mod inspect;
pub mod keeper;
mod progress;
pub mod pump;
mod round;

pub use durable::{DurableEdge, Limits, Victim};
pub use inspect::{Backlog, Inspector, Letter, Pile, Waiting, What, purge};
pub use keeper::{FILE, Keeper};
pub use pump::{Origin, Outlet, pump};
