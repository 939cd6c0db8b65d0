//! The options of `window`.

use fieldflow_contract::{At, Findings, Span, TagSelector};
use schemars::JsonSchema;
use serde::Deserialize;

use super::aggregate::{Aggregate, MOST_SAMPLES};
use super::steps::MOST_POINTS;
use crate::transform::kit::names;

/// Puts aggregates over windows of time in the place of the values: averages, extremes, counts.
///
/// Windows are aligned to 1970-01-01T00:00:00Z, so `1h` begins at each full hour UTC. Each aggregate of each tag leaves as one
/// record when its window is over, with the time of the window's beginning. A window is over when a record of the same tag
/// comes that is `lateness` or more behind its end; when no more comes, as soon as that time has gone by on the machine's
/// clock since the last record came. Tags do not wait for each other. A window in which no record of a tag came gives nothing;
/// `stale` tells of that. What comes for a window that is over leaves by the port `late`, as it came; with windows that
/// overlap, only if all of its windows are over. If all that comes of a tag is late for as long as a window is, its clock was
/// set back, and its windows begin anew.
///
/// Integers stay integers in `min`, `max`, `first`, `last` and `sum`; a boolean counts as 0 or 1; short decimals are summed up
/// exactly. A window whose beginning was not seen, as after a start, or whose end was not, as at a stop, has the quality
/// `uncertain:sub_normal`. A record whose tag makes no name by `as` goes to `rejected` as it came.
///
/// Bad quality: what is Bad, no number, NaN or infinite enters no aggregate but `good_percent`; a window with some of it is
/// `uncertain:sub_normal`, one with nothing else is `bad:no_data`, with a `count` of 0. `count` and `good_percent` themselves
/// stay good. Uncertain values are taken, and make an aggregate `uncertain`. A result beyond the doubles is
/// `bad:out_of_range`.
/// Restart: nothing is kept over it. Open windows leave when the program is stopped; when it is killed, they are lost. So are
/// results that have left, but have not yet arrived at a sink or on a durable edge: a sink that is away when the program is killed
/// misses them, unless the edge in front of it is durable. What comes again after the kill makes a window of its own, with fewer
/// values.
/// Time: the time of the records; the machine's only for windows of which no more comes.
/// Memory: at most (`size` + `lateness`) / `every` open windows for each tag that came by, bounded by the table of tags. For
/// `p95` each keeps up to 10,000 values; beyond that it keeps every second one, then every fourth and so on, and is an
/// estimate. For `time_avg` each keeps the last 64 values; what comes later than these does not enter it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The tags to work on: a name, a pattern such as `level.*`, or a list of them; others pass untouched. Default: all.
    #[serde(default)]
    pub(crate) tags: Option<TagSelector>,
    /// How long a window is, such as `1m`. Longer than zero.
    pub(crate) size: Span,
    /// How often a window begins; with less than `size`, windows overlap. Longer than zero and not longer than `size`.
    /// Default: `size`, one window after the other.
    #[serde(default)]
    pub(crate) every: Option<Span>,
    /// How long after its end a window still takes records that come late. Default 0s.
    #[serde(default = "none")]
    pub(crate) lateness: Span,
    /// What leaves of a window, in this order; at least one. Default `[avg]`.
    #[serde(default = "avg")]
    #[schemars(length(min = 1))]
    pub(crate) of: Vec<Aggregate>,
    /// The name of a result: `{agg}` is the word for the aggregate, `{tag}` the name that came, `{tag[1]}` its second part
    /// between dots or slashes. Without `{agg}` only if `of` has a single one. Default `"{tag}.{agg}"`.
    #[serde(default = "name", rename = "as")]
    pub(crate) name: String,
}

fn none() -> Span {
    Span(std::time::Duration::ZERO)
}

fn avg() -> Vec<Aggregate> {
    vec![Aggregate::Avg]
}

fn name() -> String {
    "{tag}.{agg}".to_owned()
}

/// What may stand in braces in `as` beside the tag.
pub(super) const MORE: &[&str] = &["agg"];

/// Most windows of a tag that are open at the same time.
const MOST_OPEN: u128 = 1000;

// The manual says these numbers.
const _: () = assert!(MOST_SAMPLES == 10_000 && MOST_POINTS == 64);

/// Reports what the schema cannot see.
pub(super) fn check(config: &Config, findings: &mut Findings) {
    let every = config.every.unwrap_or(config.size);
    if config.size.0.is_zero() {
        findings.error("size", "a window of no length").help("say how long it is, such as 1m");
    } else if every.0.is_zero() {
        findings
            .error("every", "windows would begin all the time")
            .help("say how often one begins, such as 10s, or leave the option out for one after the other");
    } else if config.size < every {
        findings
            .error("every", format!("between two windows of {} nothing would be counted", config.size))
            .related("size", "how long a window is")
            .help(format!("say {} or less", config.size));
    } else if MOST_OPEN < (config.size.0 + config.lateness.0).as_nanos() / every.0.as_nanos() {
        findings
            .error("every", format!("more than {MOST_OPEN} windows of each tag would be open at the same time"))
            .help("let them begin less often, or make them or `lateness` shorter");
    }
    for (n, aggregate) in config.of.iter().enumerate() {
        if config.of.iter().take(n).any(|other| other == aggregate) {
            findings.error(At::from("of").index(n), format!("`{}` stands there already", aggregate.word()));
        }
    }
    if config.of.is_empty() {
        findings.error("of", "nothing would leave").help("say at least one aggregate, such as avg");
    }
    names::check_derived(&config.name, MORE, &"as".into(), findings);
    if 1 < config.of.len() && !config.name.contains("{agg") {
        findings
            .error("as", format!("the {} aggregates of a tag would all have one name", config.of.len()))
            .related("of", "the aggregates")
            .help("put `{agg}` into it, such as \"{tag}.{agg}\"");
    }
}
