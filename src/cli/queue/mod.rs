//! `fieldflow queue`: what waits on disk in the durable edges of a pipeline.
//!
//! | file | does |
//! |---|---|
//! | `place` | finds the state file, and in it the edge that is meant |
//! | `standing` | compares the edges of the state file with those of the pipeline file |
//! | `ls`, `show`, `export`, `purge` | one verb each |
//! | `letters` | how `export` writes dead letters |

mod export;
mod letters;
mod ls;
mod place;
mod purge;
mod show;
mod standing;

use std::time::Duration;

use clap::Subcommand;

use super::output::grouped;
use super::{Exit, Kinds};
use crate::queue::Pile;

pub(super) use place::read;
pub(super) use standing::{report, warn};

/// Look into what waits on disk in the durable edges of a pipeline, save it, or delete it.
///
/// What waits there was acknowledged, and is not delivered yet. All but `purge` only read, and can be used beside a running
/// pipeline. After a hard stop, a few batches may be listed that were delivered already.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fieldflow queue ls pipelines/*.yaml\n  fieldflow queue show plant.yaml 'plc -> store'\n  \
    fieldflow queue export plant.yaml 'plc -> store' --out backlog.jsonl"
)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Ls(ls::Args),
    Show(show::Args),
    Export(export::Args),
    Purge(purge::Args),
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let ended = match &args.verb {
        Verb::Ls(args) => ls::run(args, kinds),
        Verb::Show(args) => show::run(args, kinds),
        Verb::Export(args) => export::run(args, kinds),
        Verb::Purge(args) => purge::run(args, kinds),
    };
    ended.unwrap_or_else(super::store::Failure::tell)
}

/// A length of time in its two largest units: `3d 1h`.
fn age(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, unit)| *unit <= seconds).unwrap_or(units.len() - 1);
    let mut left = seconds;
    let parts = units.iter().skip(first).take(2).map(|(name, unit)| {
        let part = format!("{}{name}", left / unit);
        left %= unit;
        part
    });
    parts.collect::<Vec<_>>().join(" ")
}

/// How much a pile is, in words: `1,000 records in 20 batches, 12,345 bytes`.
fn amount(pile: &Pile) -> String {
    let batches = format!("{} batch{}", grouped(pile.batches), if pile.batches == 1 { "" } else { "es" });
    let records =
        pile.records.map(|records| format!("{} record{} in ", grouped(records), if records == 1 { "" } else { "s" }));
    format!("{}{batches}, {} bytes", records.unwrap_or_default(), grouped(pile.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_two_largest_units() {
        let said = [0, 59, 60, 3 * 86_400 + 3700, 7200].map(|seconds| age(Duration::from_secs(seconds)));
        assert_eq!(said, ["0s", "59s", "1m 0s", "3d 1h", "2h 0m"]);
    }
}
