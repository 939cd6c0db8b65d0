//! The words and the promises of fieldflow: what a record is, what an acknowledgement means, and what a node is.
//!
//! This crate knows no protocol, no channel and no runtime. Nodes are written against it; the runtime drives them through it.
//!
//! | to learn about | read |
//! |---|---|
//! | what flows | [`Record`], [`Batch`], [`Tag`], [`Value`], [`Quality`], [`Timestamp`] |
//! | what is promised | [`Ack`], [`Outcome`], [`Delivery`], [`Position`] |
//! | how to write a node | [`NodeSpec`], then one of [`Source`], [`Transform`], [`Sink`] |
//! | what the runtime does with an error | [`NodeError`] |
//! | what stands in the options of a node | [`Span`], [`ByteSize`], [`Share`], [`TagSelector`] |
//!
//! # Invariants
//!
//! - A batch is never empty.
//! - An [`Ack`] resolves exactly once, with the worst outcome of everything derived from its batch. One that is dropped
//!   without a word has failed.
//! - A failed read is a record with Bad quality, never silence.
//! - `build` touches no network, spawns nothing and writes no file. `connect` does.

mod ack;
mod audit;
mod batch;
mod browse;
mod context;
mod error;
mod facts;
mod finding;
mod json;
mod kind;
mod link;
mod look;
mod node;
mod outputs;
mod ports;
mod position;
mod probe;
mod quality;
mod record;
mod saved;
mod selector;
mod tag;
mod tally;
mod time;
mod together;
mod units;
mod value;

pub use ack::{Ack, Delivery, Outcome};
pub use audit::{Audit, AuditFull, Entry};
pub use batch::Batch;
pub use browse::{Browse, Browsed, Browsing, Watch};
pub use context::{BuildContext, BuildError};
pub use error::{Cause, NodeError};
pub use facts::{Asks, Disk, Facts, Keeps, NUMBERS, Owned, Place, Tags, Thing, Wants, Yield};
pub use finding::{At, Finding, Findings, Severity, Step};
pub use json::{RecordError, from_json_line, write_json_line, write_json_value};
pub use kind::{BoxFuture, Device, NodeKind, NodeSpec, Prepared, read_options};
pub use link::{Link, LinkState, LinkStatus, Links, Notices};
pub use look::{Looking, Seen};
pub use node::{DynSink, DynSource, Gather, Node, Sink, Source, Transform};
pub use outputs::{Emission, Outputs, PortName};
pub use ports::{Carries, Port, Ports, Role};
pub use position::Position;
pub use probe::{Probe, ProbeTable, Probed, Probing};
pub use quality::{Level, Quality};
pub use record::Record;
pub use saved::{Saved, TooLarge};
pub use selector::TagSelector;
pub use tag::{Tag, TagMap, TagTableFull};
pub use tally::Tally;
pub use time::{Clock, SystemClock, Timestamp};
pub use together::{Clash, Together};
pub use units::{ByteSize, Share, Span, UnitError, check_format};
pub use value::{Value, ValueType};
