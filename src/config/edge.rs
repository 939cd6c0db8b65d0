//! The options of an edge.

use std::time::Duration;

use fieldflow_contract::{ByteSize, Share, Span};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::tree::Item;

/// Records that an edge holds where the file does not say.
const CAPACITY: usize = 8192;
/// Bytes on disk that a durable or spilling edge holds where the file does not say.
const DISK: u64 = 1 << 30;

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
    /// Where what waits is kept.
    pub storage: Storage,
}

/// Where what waits on an edge is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// In memory.
    Memory,
    /// On disk, before it is acknowledged upstream.
    Durable(Disk),
    /// In memory, and on disk what does not fit there.
    Spill(Disk),
}

/// How much of the disk an edge takes, and what it does when that is used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The most bytes on disk.
    pub max_bytes: u64,
    /// The longest that a record may wait.
    pub max_age: Option<Duration>,
    /// Who makes way: `Block`, `DropOldest` or `DropNewest`.
    pub when_full: WhenFull,
    /// Records a second that come back from the disk; all that can if not given.
    pub replay_rate: Option<u32>,
    /// Live data goes first, and what waited has this share of what is handed over, in percent.
    pub replay_share: Option<u8>,
}

impl EdgeOptions {
    /// The same on disk, if it is in memory.
    fn durable(&self) -> Self {
        let none = Disk { when_full: self.when_full, ..Disk::UNLIMITED };
        let is_memory = self.storage == Storage::Memory;
        Self { storage: if is_memory { Storage::Durable(none) } else { self.storage.clone() }, ..self.clone() }
    }
}

impl Disk {
    const UNLIMITED: Self =
        Self { max_bytes: DISK, max_age: None, when_full: WhenFull::Block, replay_rate: None, replay_share: None };
}

impl Default for EdgeOptions {
    fn default() -> Self {
        Self { capacity: CAPACITY, max_bytes: None, when_full: WhenFull::Block, storage: Storage::Memory }
    }
}

/// Options of an edge: how much it holds, and what happens when it is full.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Edge {
    /// The most records that wait on the edge. Default 8192, from 1 to 1048576. A batch larger than this passes alone.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub(super) capacity: Option<u32>,
    /// The most bytes that wait on the edge, such as `64MiB`. Default: no limit but `capacity`; on a durable edge `1GiB`.
    pub(super) max_bytes: Option<ByteSize>,
    /// The longest that a record may wait on a durable edge, such as `7d`; older ones are dropped and counted. Default: no limit.
    pub(super) max_age: Option<Span>,
    /// What happens when the edge is full. Default `block`. A durable edge is full when `max_bytes` of the disk are used, and
    /// takes `block`, `drop_oldest` and `drop_newest`.
    pub(super) when_full: Option<Full>,
    /// Whether a batch is committed to the disk before it is acknowledged upstream: it survives a kill and a power cut, and
    /// waits there for as long as what comes behind the edge is away. `max_bytes` is then space on disk, default `1GiB`.
    /// Default false; true for an edge into a sink whose manual says so, such as `mqtt_forward`.
    pub(super) durable: Option<bool>,
    /// How far `when_full: spill` may overflow.
    pub(super) spill: Option<Overflow>,
    /// How fast what waited on disk is handed over, and whether what comes new goes first.
    pub(super) replay: Option<Replay>,
}

/// How far `when_full: spill` may overflow to disk, and what happens then.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Overflow {
    /// The most bytes on disk. Default `1GiB`.
    pub(super) max_bytes: Option<ByteSize>,
    /// What happens when they are used up. Default `block`.
    pub(super) then: Option<Then>,
}

/// What happens when the disk space of an edge is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Then {
    /// Its sender waits. Nothing is lost.
    Block,
    /// The oldest batch that waits makes way. What is dropped is counted.
    DropOldest,
    /// The batch that comes is not let in. What is dropped is counted.
    DropNewest,
}

/// How fast what waited on disk is handed over, and whether what comes new goes first.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    /// The most records a second that come back from the disk, so that a long backlog does not flood what comes behind. What
    /// comes new waits behind it, in order, unless `share` is given. Default: as fast as they are taken.
    #[schemars(range(min = 1))]
    pub(super) rate: Option<u32>,
    /// Only on a durable edge: live first. While there is a backlog, it has this part of what is handed over, such as `25%`, and
    /// what comes new has the rest; what one of them leaves unused the other one gets. Each of the two is in order, and what
    /// comes from the disk is marked as replayed. Default: everything in order, what waited before what comes new. That is the
    /// default because whoever goes by the order of arrival, such as a counter, an alarm list or a table of last values, would
    /// take an old value for the newest one: with `share`, look at the time of a record or at its mark.
    pub(super) share: Option<Share>,
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
    /// What does not fit overflows to disk, in order, as far as `spill` says.
    Spill,
}

impl Edge {
    /// The options in the file, as far as they can be read.
    pub(super) fn read(item: &Item) -> Self {
        item.to_json().and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default()
    }

    /// The options of an edge into a sink that wants it durable, unless these or the defaults say otherwise.
    pub(super) fn over_durable(&self, defaults: &EdgeOptions) -> EdgeOptions {
        let is_other = matches!(self.when_full, Some(Full::Spill | Full::Conflate));
        if is_other || (self.when_full.is_none() && defaults.when_full == WhenFull::Conflate) {
            return self.over(defaults);
        }
        self.over(&defaults.durable())
    }

    /// The options, with what is left out taken from `defaults`.
    pub(super) fn over(&self, defaults: &EdgeOptions) -> EdgeOptions {
        let when_full = match self.when_full {
            None => defaults.when_full,
            // Its memory never makes anything but the disk's turn.
            Some(Full::Block | Full::Spill) => WhenFull::Block,
            Some(Full::DropOldest) => WhenFull::DropOldest,
            Some(Full::DropNewest) => WhenFull::DropNewest,
            Some(Full::Conflate) => WhenFull::Conflate,
        };
        let max_bytes = self.max_bytes.map_or(defaults.max_bytes, |bytes| Some(bytes.0));
        let replay_rate = self.replay.as_ref().and_then(|replay| replay.rate);
        let replay_share = self.replay.as_ref().and_then(|replay| replay.share).map(|share| share.0);
        let max_age = self.max_age.map(|age| age.0);
        let inherited = |from: &Disk| Disk {
            max_bytes: max_bytes.unwrap_or(from.max_bytes),
            max_age: max_age.or(from.max_age),
            when_full,
            replay_rate: replay_rate.or(from.replay_rate),
            replay_share: replay_share.or(from.replay_share),
        };
        let none = Disk { when_full, ..Disk::UNLIMITED };
        let storage = match (self.durable, self.when_full, &defaults.storage) {
            (Some(true) | None, _, Storage::Durable(disk)) => Storage::Durable(inherited(disk)),
            (Some(true), ..) => Storage::Durable(inherited(&none)),
            (_, Some(Full::Spill), _) => {
                let spill = self.spill.clone().unwrap_or_default();
                Storage::Spill(Disk {
                    max_bytes: spill.max_bytes.map_or(DISK, |bytes| bytes.0),
                    max_age,
                    when_full: spill.then.map_or(WhenFull::Block, Then::when_full),
                    replay_rate,
                    replay_share: None,
                })
            }
            (None, None, Storage::Spill(disk)) => Storage::Spill(disk.clone()),
            _ => Storage::Memory,
        };
        // On a durable edge `max_bytes` is space on disk.
        let max_bytes = if matches!(storage, Storage::Durable(_)) { None } else { max_bytes };
        EdgeOptions {
            capacity: self.capacity.map_or(defaults.capacity, |records| records as usize),
            max_bytes,
            when_full,
            storage,
        }
    }

    /// Options that do not go together: the key to point at, and why.
    pub(super) fn contradictions(&self, options: &EdgeOptions) -> Vec<(&'static str, &'static str, &'static str)> {
        let durable = matches!(options.storage, Storage::Durable(_));
        let on_disk = !matches!(options.storage, Storage::Memory);
        let odd_policy = durable && (self.when_full == Some(Full::Spill) || options.when_full == WhenFull::Conflate);
        let found = [
            (
                odd_policy,
                "when_full",
                "a durable edge takes `block`, `drop_oldest` or `drop_newest`: it is on disk already",
                "take one of these",
            ),
            (
                self.max_age.is_some() && !on_disk,
                "max_age",
                "`max_age` is for edges on disk",
                "add `durable: true`, or take it out",
            ),
            (
                self.replay.is_some() && !on_disk,
                "replay",
                "`replay` is for edges on disk",
                "add `durable: true`, or take it out",
            ),
            (
                on_disk && !durable && self.replay.as_ref().is_some_and(|replay| replay.share.is_some()),
                "replay",
                "`share` is for durable edges: one that spills has new data on disk behind what waits",
                "make it `durable: true` in the place of `when_full: spill`, or take `share` out",
            ),
            (
                self.spill.is_some() && self.when_full != Some(Full::Spill),
                "spill",
                "`spill` is for `when_full: spill`",
                "add `when_full: spill`, or take it out",
            ),
        ];
        found.into_iter().filter(|(wrong, ..)| *wrong).map(|(_, key, what, help)| (key, what, help)).collect()
    }
}

impl Then {
    fn when_full(self) -> WhenFull {
        match self {
            Self::Block => WhenFull::Block,
            Self::DropOldest => WhenFull::DropOldest,
            Self::DropNewest => WhenFull::DropNewest,
        }
    }
}
