//! What can be told of a node before it runs, for the report of `validate`: how much it brings, what it keeps, what it owns.
//!
//! What is not known is told as unknown, which every field begins as: a report that guesses is worth less than one that says so.

use std::path::PathBuf;
use std::time::Duration;

use crate::{At, TagSelector, ValueType};

/// Only what can be reckoned with.
pub const NUMBERS: &[ValueType] = &[ValueType::Number];

/// What can be told of a node before it runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// How many records leave by each of its outputs.
    pub yields: Yield,
    /// The most records of one of its batches: for a source.
    pub batch: Option<u64>,
    /// How many batches leave it in a second: for a source, if that is known.
    pub batches: Option<f64>,
    /// The names of the tags that leave it.
    pub tags: Tags,
    /// What a transform does that matters for its place among others.
    pub place: Place,
    /// Whether a kill loses what it still holds although that was acknowledged, such as a window that is open.
    pub forgets: bool,
    /// For a sink: what a record that it acknowledged survives.
    pub keeps: Keeps,
    /// For a sink: whether what it writes to is another machine, which can be away.
    pub remote: bool,
    /// For a sink: what it takes of the local disk.
    pub disk: Option<Disk>,
    /// What nobody else may use at the same time.
    pub owns: Vec<Owned>,
    /// What it asks of something that takes only so much of all who ask.
    pub asks: Vec<Asks>,
    /// What the values of some tags must be for it.
    pub wants: Vec<Wants>,
    /// Whether it makes values of another type out of those that come, and leaves the names of the tags as they are.
    pub retypes: bool,
}

/// How many records leave a node.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Yield {
    /// That is not known before the run.
    #[default]
    Unknown,
    /// So many a second.
    PerSecond(f64),
    /// As many as what comes behind it takes.
    AsTaken,
    /// One for each that comes in.
    Each,
    /// At most one for each that comes in.
    AtMost,
}

/// The tags that leave a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Tags {
    /// That is not known before the run.
    #[default]
    Unknown,
    /// These and no others.
    These(Vec<String>),
    /// Those that come in.
    Same,
}

/// What a transform does that matters for its place among others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Place {
    /// Nothing of the kind.
    #[default]
    Other,
    /// It changes the scale of numbers.
    Scales,
    /// It lets go of numbers by how far they have moved.
    Thins,
    /// It works something out of all values of a tag, each of which counts alike.
    Sums,
    /// It makes text of records.
    Renders,
}

/// What a record survives that a sink has acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keeps {
    /// That is not known.
    #[default]
    Unknown,
    /// Nobody confirms that it arrived.
    Unconfirmed,
    /// The other side has confirmed it; what it survives there is the other side's affair.
    Confirmed,
    /// A crash of the program, but not a power cut.
    Process,
    /// A power cut.
    Power,
}

/// What a sink takes of the local disk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disk {
    /// Bytes of a record, on an average.
    pub record: f64,
    /// Bytes that are written for a record in all, on an average: more than it takes, as it goes through a log and is moved.
    pub written: f64,
    /// The shortest time between two commits, each of which writes a page at least.
    pub commit: Duration,
    /// The most bytes that it keeps, if that is limited.
    pub max_bytes: Option<u64>,
    /// The longest that it keeps a record, if that is limited.
    pub max_age: Option<Duration>,
}

/// Something that one node owns and nobody else may use at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owned {
    /// The option that names it.
    pub at: At,
    /// What it is.
    pub what: Thing,
}

/// What a node owns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Thing {
    /// A file that it writes; a relative path begins at the pipeline's own folder.
    File(PathBuf),
    /// Something else, in words that name it whole: `the client id gw1 at mqtt://broker`.
    Other(String),
}

/// What a node asks of something that takes only so much of all who ask, such as a server that watches 1000 items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asks {
    /// The option that has to do with it.
    pub at: At,
    /// Whom it asks, in words that name it whole: `the S7-1200 at opc.tcp://press`.
    pub of: String,
    /// For what: `monitored items`.
    pub what: &'static str,
    /// For how many.
    pub number: u64,
    /// How many are given in all.
    pub most: u64,
    /// What to do when that is too few.
    pub help: &'static str,
}

/// What the values of some tags must be for a node to do something with them.
#[derive(Debug, Clone, PartialEq)]
pub struct Wants {
    /// The option that names the tags.
    pub at: At,
    /// The tags.
    pub tags: TagSelector,
    /// The types that it can do something with.
    pub types: &'static [ValueType],
}

impl Facts {
    /// A transform of which so many records leave, with the same tags.
    pub fn passes(yields: Yield) -> Self {
        Self { yields, tags: Tags::Same, ..Self::default() }
    }

    /// A transform of which so many records leave, with tags of its own making.
    pub fn renames(yields: Yield) -> Self {
        Self { yields, ..Self::default() }
    }

    /// The same, of a transform that belongs to this place.
    #[must_use]
    pub fn place(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// The same, of a node whose rules, each under `rules`, work on numbers only.
    #[must_use]
    pub fn of_numbers<'a>(self, rules: impl Iterator<Item = &'a TagSelector>) -> Self {
        let at = |n| At::from("rules").index(n).key("tags");
        let wants = |(n, tags): (usize, &TagSelector)| Wants { at: at(n), tags: tags.clone(), types: NUMBERS };
        Self { wants: rules.enumerate().map(wants).collect(), ..self }
    }

    /// The same, of a node that does something with values of these types only, of the tags under `tags` or of all.
    #[must_use]
    pub fn of_types(self, tags: Option<&TagSelector>, types: &'static [ValueType]) -> Self {
        let at = if tags.is_some() { At::from("tags") } else { At::root() };
        let tags = tags.cloned().unwrap_or_else(TagSelector::all);
        Self { wants: vec![Wants { at, tags, types }], ..self }
    }

    /// The same, of a node that a kill makes forget what it holds.
    #[must_use]
    pub fn forgets(self) -> Self {
        Self { forgets: true, ..self }
    }
}
