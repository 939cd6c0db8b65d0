//! Golden-file tests of whole pipelines: the same graph with its sources fed from files and its sinks written to files, on a
//! clock that is virtual.
//!
//! | file | does |
//! |---|---|
//! | `find` | which cases there are: `<pipeline>.tests/<case>/` beside `<pipeline>.yaml` |
//! | `case` | reads a case: `case.yaml`, `<source>.in.jsonl` |
//! | `fault` | what `case.yaml` lets go wrong, and when |
//! | `script`, `recording` | what stands in the place of a source and of a sink |
//! | `play` | runs the pipeline in virtual time |
//! | `verdict`, `compare`, `counter` | holds what came out against what was expected; blesses it |
//! | `coverage` | what no case has exercised |
//! | `capture` | a live run as the input of a new case |
//!
//! # Invariants
//!
//! - Everything of a case runs on one thread, on tokio's paused time, with a seeded jitter and the disk's work done in place:
//!   the same case gives the same bytes, whatever else the machine does. Cases run beside each other on several threads.
//! - Only sources and sinks are replaced. Edges, transforms, acks, back-off and durable queues are those of a real run.

mod capture;
mod case;
mod compare;
mod counter;
mod coverage;
mod fault;
mod find;
mod play;
mod recording;
mod script;
mod verdict;

pub use capture::{Captured, capture};
pub use coverage::Coverage;
pub use find::{Found, find};
pub use verdict::{Judging, Verdict, judge};
