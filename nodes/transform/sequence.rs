//! `sequence`: watches a counter for what is missing, what comes twice and what comes out of order.

mod line;
mod sorter;

use std::path::Path;

use fieldflow_contract::{
    At, BuildContext, BuildError, Carries, Facts, Findings, Node, NodeSpec, Ports, Quality, Role, Span, TagSelector,
    Value, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use self::line::Limits;
use self::sorter::Sorter;
use crate::transform::kit::endian::Endian;

/// The port of the records that tell what was lost.
const EVENTS: &str = "events";

/// `type: sequence`
pub(crate) struct Sequence;

/// Finds gaps, duplicates and frames out of order by a counter that wraps, and brings frames back into order if asked to.
///
/// One record is one frame, and every tag counts for itself. A counter that goes on by more than one is a gap: what is
/// missing is counted as `lost`, and the port `events` gives a record `<tag>.lost` with the number of missing frames, of Good
/// quality and with the time of the frame behind the gap. A jump by more than `max_gap`, or back by 64 or more (a quarter of
/// `wrap` if that is less), is a device that was restarted: the frame passes and is counted as `restart`. Nearer
/// than that, a counter that came before is a `duplicate`, and one that did not come is out of order, `reordered`. It may have
/// been given up for lost before it came; then it is `late` too, and what was truly lost is `lost` less `late`. A device that
/// begins again with a counter that came in the last 64 frames looks as if it repeated itself until it has passed that counter.
///
/// To ask a device for what is missing is the business of the device's protocol; this node only tells.
///
/// With `reorder`, a frame behind a gap is held until the gap is filled, until it has waited for `wait`, or until more than
/// `records` frames of the tag are held. Then the gap is a gap, and what is held comes out in order. What is held is not
/// acknowledged, so it comes again after a crash from a source that can repeat it; at the end of the input it is given out.
///
/// A value that holds no counter passes with the quality `bad:type_mismatch`, a frame that is too short for it with
/// `bad:decoding`, a counter that is negative or not below `wrap` with `bad:out_of_range`.
///
/// Bad quality: such a record passes at once and untouched, behind all that is held of its tag. The count goes on, so that what
/// was lost in an outage is told.
/// Restart: nothing is kept over it; the first frame of each tag is taken as the first.
/// Time: the order is that of the counter; `wait` is the machine's time. Records keep theirs.
/// Memory: a few numbers for each tag, and at most `records` records of each, bounded by the table of tags.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags that have a counter: a name, a pattern such as `dtu.*`, or a list of them. Others pass as they came. Default:
    /// all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// Where the counter stands in a frame of raw bytes. Default: the value itself is the counter, an integer.
    #[serde(default)]
    pub(crate) counter: Option<Counter>,
    /// How many values the counter has: behind `wrap - 1` comes 0. From 4 to 2⁵³. Default: as many as the type of the counter
    /// has, 256, 65536 or 4294967296; to be given where there is no `counter`.
    #[serde(default)]
    pub(crate) wrap: Option<u64>,
    /// Most frames that can be missing at once; a longer way ahead is a restart of the device. From 1 to half of `wrap`.
    /// Default: a quarter of `wrap`, at most 16384.
    #[serde(default)]
    pub(crate) max_gap: Option<u64>,
    /// What becomes of a frame that came before: `drop` lets it go, `pass` passes it on, `reject` sends it to `rejected`.
    /// Default `drop`.
    #[serde(default = "drops")]
    pub(crate) on_duplicate: Fate,
    /// Holds frames back to bring them into order. Default: none, frames pass at once.
    #[serde(default)]
    pub(crate) reorder: Option<Reorder>,
    /// What becomes of a frame that comes when later ones have passed already: `pass`, `drop` or `reject`. Default `pass`.
    #[serde(default = "passes")]
    pub(crate) on_late: Fate,
}

/// Where the counter stands.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Counter {
    /// Its first byte, counted from 0. Default 0.
    #[serde(default)]
    pub(crate) offset: u32,
    /// Its type: `u8`, `u16` or `u32`.
    #[serde(rename = "as")]
    pub(crate) kind: Kind,
    /// Its byte order: `big`, high byte first, or `little`. Default `big`.
    #[serde(default = "Endian::big")]
    pub(crate) endian: Endian,
}

/// The type of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Kind {
    /// One byte.
    U8,
    /// Two bytes.
    U16,
    /// Four bytes.
    U32,
}

/// How much is held for how long.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reorder {
    /// Most frames of a tag that are held. Default 64. Range 1 to 4096.
    #[serde(default = "sixty_four")]
    #[schemars(range(min = 1, max = 4096))]
    pub(crate) records: usize,
    /// How long a frame waits for those before it. Longer than zero. Default 1s.
    #[serde(default = "one_second")]
    pub(crate) wait: Span,
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(crate) enum Fate {
    /// It passes.
    Pass,
    /// It is let go.
    Drop,
    /// It goes to `rejected`.
    Reject,
}

fn drops() -> Fate {
    Fate::Drop
}

fn passes() -> Fate {
    Fate::Pass
}

fn sixty_four() -> usize {
    64
}

fn one_second() -> Span {
    Span(std::time::Duration::from_secs(1))
}

impl NodeSpec for Sequence {
    const TYPE: &'static str = "sequence";
    const ROLE: Role = Role::Transform;
    const EXAMPLE: &'static str = "\
counter: { offset: 0, as: u16, endian: big }
reorder: { records: 64, wait: 1s }
";
    type Config = Config;

    fn ports(config: &Config) -> Ports {
        let takes = if config.counter.is_some() { Carries::Bytes } else { Carries::Values };
        Ports::transform(takes, Carries::Same).with_optional(EVENTS, Carries::Values).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts::passes(Yield::AtMost)
    }

    fn check(config: &Config, findings: &mut Findings) {
        let values = config.counter.map(|counter| counter.kind.values());
        match (config.wrap, values) {
            (None, None) => {
                findings
                    .error("wrap", "the value itself is the counter, and it is not known where it begins again")
                    .help(
                        "say how many values it has, such as `wrap: 65536`, or where a `counter` stands in the frame",
                    );
            }
            (Some(wrap), Some(values)) if values < wrap => {
                findings.error("wrap", format!("the counter has only {values} values"));
            }
            (Some(wrap), _) if !(4..=1 << 53).contains(&wrap) => {
                findings.error("wrap", "a counter has from 4 to 2⁵³ values").help("such as `wrap: 65536`");
            }
            _ => {
                let wrap = config.wrap.or(values).unwrap_or(4);
                if let Some(gap) = config.max_gap.filter(|gap| !(1..=wrap / 2).contains(gap)) {
                    findings
                        .error("max_gap", format!("{gap}: of {wrap} values, from 1 to {} can be missing", wrap / 2))
                        .help("a longer way ahead cannot be told from one back");
                }
            }
        }
        if let Some(reorder) = config.reorder {
            let at = At::from("reorder");
            if !(1..=4096).contains(&reorder.records) {
                findings.error(at.clone().key("records"), "from 1 to 4096 frames of a tag can be held");
            }
            if reorder.wait.0.is_zero() {
                findings
                    .error(at.key("wait"), "a frame that waits for no time is not held at all")
                    .help("say a time such as 1s, or leave `reorder` out");
            }
        }
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        let Some(wrap) = config.wrap.or(config.counter.map(|counter| counter.kind.values())) else {
            return Err(BuildError("`wrap` is missing: it is not known where the counter begins again".to_owned()));
        };
        let limits = Limits::new(wrap, config.max_gap);
        Ok(Node::transform(Sorter::new(config, limits, context.tally.clone())))
    }
}

impl Kind {
    fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }

    fn values(self) -> u64 {
        1 << (8 * self.bytes())
    }
}

/// The counter in a value, or what is wrong with it.
fn read(counter: Option<Counter>, wrap: u64, value: &Value) -> Result<u64, Quality> {
    let count = match (counter, value) {
        (Some(Counter { offset, kind, endian }), Value::Bytes(frame)) => {
            let at = offset as usize;
            endian.number(frame.get(at..at.saturating_add(kind.bytes())).ok_or(Quality::BAD_DECODING)?)
        }
        (None, Value::I64(count)) => u64::try_from(*count).map_err(|_| Quality::BAD_OUT_OF_RANGE)?,
        (None, Value::U64(count)) => *count,
        _ => return Err(Quality::BAD_TYPE_MISMATCH),
    };
    if count < wrap { Ok(count) } else { Err(Quality::BAD_OUT_OF_RANGE) }
}

#[cfg(test)]
mod tests;
