//! `fieldflow query`: what a `sqlite` sink stored, beside a running pipeline.

use std::io::{self, BufWriter, IsTerminal as _};

use clap::ValueEnum;
use fieldflow_contract::{Clock as _, SystemClock};

use super::store::{Ask, Columns, Failure, Format, Place, Selection, Store, What, answer, sheet};
use super::{Exit, Kinds, output};

/// Most of the newest samples of a tag that can be asked for.
const MOST: u32 = 100_000;

/// Print what a pipeline's sqlite sink stored: the last values, a range, or sums over buckets of time.
///
/// Without a range of time, the last value of each tag is printed. Rows are sorted by tag, then by time; times are in UTC. It
/// only reads, and holds nobody up, so it can be used beside a running pipeline.
#[derive(clap::Args)]
#[command(
    override_usage = "fieldflow query [OPTIONS] FILE [TAG]...\n       fieldflow query [OPTIONS] --db PATH [TAG]...",
    after_help = "Examples:\n  fieldflow query pipelines/demo.yaml\n  fieldflow query pipelines/demo.yaml 'boiler.*' --last=5\n  \
    fieldflow query pipelines/demo.yaml boiler.temperature --from -1h --every 1m --agg avg,max"
)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    selection: Selection,
    /// The newest samples of each tag in the range: one, or N of at most 100000. Without a range, one is the default.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)), conflicts_with = "every")]
    last: Option<u32>,
    /// Print at most so many rows.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// How to print the rows. [default: table on a terminal, else csv]
    #[arg(long, value_enum)]
    format: Option<Shape>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// Aligned columns, for people.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line, a sample as the node `console` prints it.
    Jsonl,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    ask(args, kinds).unwrap_or_else(Failure::tell)
}

fn ask(args: &Args, kinds: Kinds) -> Result<Exit, Failure> {
    let range = args.selection.range(SystemClock.now())?;
    let what = match (args.selection.bucketing()?, args.last) {
        (Some(bucketing), _) => What::Buckets(bucketing),
        (None, Some(count)) => What::Newest(count),
        (None, None) if args.selection.is_given() => What::Samples,
        (None, None) => What::Newest(1),
    };
    let columns = match &what {
        What::Buckets(bucketing) => Columns::Buckets(bucketing.aggs.clone()),
        _ => Columns::Samples,
    };
    let store = Store::open(&args.place.database(kinds)?)?;
    let tags = store.tags(&args.place.tags())?;
    let stdout = io::stdout();
    let format = match args.format {
        Some(Shape::Table) => Format::Table,
        Some(Shape::Jsonl) => Format::Jsonl,
        None if stdout.is_terminal() => Format::Table,
        Some(Shape::Csv) | None => Format::Csv,
    };
    let to = "standard output";
    let mut sheet = sheet(format, columns, to, BufWriter::new(stdout))?;
    let ask = Ask { tags, range, what, limit: args.limit.unwrap_or(u64::MAX), to: to.to_owned() };
    if answer(&store, &ask, &mut *sheet, &mut |_| Ok(()))? == 0 {
        output::message("no samples there");
    }
    Ok(Exit::Well)
}
