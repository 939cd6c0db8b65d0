//! The options of an edge.

use fieldflow_contract::{ByteSize, Span};
use schemars::JsonSchema;
use serde::Deserialize;

/// Records that an edge holds where the file does not say.
const CAPACITY: usize = 8192;

/// What an edge does when it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WhenFull {
    /// Its sender waits.
    Block,
    /// The oldest batch makes way.
    DropOldest,
    /// The batch that comes is not let in.
    DropNewest,
    /// Only the newest record of each tag is kept.
    Conflate,
}

impl WhenFull {
    /// The word for it in the file.
    pub fn word(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::DropOldest => "drop_oldest",
            Self::DropNewest => "drop_newest",
            Self::Conflate => "conflate",
        }
    }
}

/// How much an edge holds, and what it does when it is full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeOptions {
    /// The most records that it holds.
    pub capacity: usize,
    /// The most bytes that it holds, if that is limited.
    pub max_bytes: Option<u64>,
    /// What it does when it is full.
    pub when_full: WhenFull,
}

impl Default for EdgeOptions {
    fn default() -> Self {
        Self { capacity: CAPACITY, max_bytes: None, when_full: WhenFull::Block }
    }
}

/// Options of an edge: how much it holds, and what happens when it is full.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edge {
    /// The most records that wait on the edge. Default 8192, from 1 to 1048576. A batch larger than this passes alone.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub(super) capacity: Option<u32>,
    /// The most bytes that wait on the edge, such as `64MiB`. Default: no limit but `capacity`.
    pub(super) max_bytes: Option<ByteSize>,
    /// The longest that a record may wait on a durable edge, such as `7d`. Not built yet.
    pub(super) max_age: Option<Span>,
    /// What happens when the edge is full. Default `block`.
    pub(super) when_full: Option<Full>,
    /// Whether a batch is on disk before it is acknowledged upstream. Default false. Not built yet.
    pub(super) durable: Option<bool>,
}

/// What happens when an edge is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Full {
    /// Its sender waits, and with it all that comes before. Nothing is lost.
    Block,
    /// The oldest batch on the edge makes way. What is dropped is counted.
    DropOldest,
    /// The batch that comes is not let in. What is dropped is counted.
    DropNewest,
    /// Only the newest record of each tag is kept. What is replaced is counted as dropped.
    Conflate,
    /// What does not fit overflows to disk, in order. Not built yet.
    Spill,
}

impl Edge {
    /// The options, with what is left out taken from `defaults`.
    pub(super) fn over(&self, defaults: &EdgeOptions) -> EdgeOptions {
        EdgeOptions {
            capacity: self.capacity.map_or(defaults.capacity, |records| records as usize),
            max_bytes: self.max_bytes.map_or(defaults.max_bytes, |bytes| Some(bytes.0)),
            when_full: match self.when_full {
                // `spill` was refused before anybody asks.
                None | Some(Full::Spill) => defaults.when_full,
                Some(Full::Block) => WhenFull::Block,
                Some(Full::DropOldest) => WhenFull::DropOldest,
                Some(Full::DropNewest) => WhenFull::DropNewest,
                Some(Full::Conflate) => WhenFull::Conflate,
            },
        }
    }

    /// What the file asks for and this version cannot do yet: the key, how it is written, and what it is for.
    pub(super) fn not_built(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let options = [
            (self.durable == Some(true), "durable", "durable: true", "edges that survive a restart"),
            (self.max_age.is_some(), "max_age", "max_age", "edges that survive a restart"),
            (self.when_full == Some(Full::Spill), "when_full", "when_full: spill", "edges that overflow to disk"),
        ];
        options.into_iter().filter(|(asked, ..)| *asked).map(|(_, key, written, what)| (key, written, what)).collect()
    }
}
