//! What the engine tells about itself: metrics and logs.
//!
//! Every metric is listed in [`catalogue`]; the loops of the runtime keep plain counters, and a scrape turns one consistent
//! [`snapshot`] of them into Prometheus text. So the figures of one scrape always add up, and the hot path pays for no metric
//! library.

pub mod catalogue;
mod exporter;
pub mod log;
pub mod snapshot;

pub use exporter::Exporter;
pub use snapshot::{EdgeSnapshot, NodeSnapshot, NodeState, PipelineSnapshot, SourceSnapshot};
