//! `fieldflow export`: what a `sqlite` sink stored, into a file.

mod file;
mod progress;
mod stop;

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use fieldflow_contract::{Clock as _, SystemClock};

use super::store::{Ask, Beat, Columns, Failure, Format, Place, Selection, Store, What, answer, sheet};
use super::{Exit, Kinds, output};
pub(super) use file::WholeFile;
pub(super) use progress::Progress;
pub(super) use stop::stoppable;

/// Write what a pipeline's sqlite sink stored into a file: all of it, or a range of time.
///
/// Rows are sorted by tag, then by time; times are in UTC. It reads in short slices, so that it can be used beside a running
/// pipeline for as long as it takes. The file is there when it is whole, and not before.
#[derive(clap::Args)]
#[command(
    override_usage = "fieldflow export [OPTIONS] FILE [TAG]...\n       fieldflow export [OPTIONS] --db PATH [TAG]...",
    after_help = "Examples:\n  fieldflow export pipelines/demo.yaml --out demo.csv\n  \
    fieldflow export pipelines/demo.yaml 'boiler.*' --from 2026-01-01 --to 2026-02-01 --out january.parquet\n  \
    fieldflow export --db data/demo/boiler.db --from -1d --every 1h --agg avg,good_percent --format jsonl"
)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    selection: Selection,
    /// How to write the rows. [default: as the name of --out ends, else csv]
    #[arg(long, value_enum)]
    format: Option<Shape>,
    /// The file to write; one that is there is replaced. [default: standard output]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line, a sample as the node `console` prints it.
    Jsonl,
    /// Apache Parquet: one column for each kind of value. Not in a program built without the feature `parquet`.
    Parquet,
}

impl Shape {
    /// The format that the name of a file promises.
    fn of(path: &Path) -> Option<Self> {
        path.extension().and_then(|end| Self::from_str(end.to_str()?, true).ok())
    }
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    prepare(args, kinds).and_then(|(job, out)| out.write(job)).unwrap_or_else(Failure::tell)
}

/// All that is to be written.
struct Job {
    store: Store,
    ask: Ask,
    format: Format,
    columns: Columns,
}

/// Where it is to be written.
enum Out {
    Stdout,
    File(WholeFile),
}

fn prepare(args: &Args, kinds: Kinds) -> Result<(Job, Out), Failure> {
    let range = args.selection.range(SystemClock.now())?;
    let (what, columns) = match args.selection.bucketing()? {
        Some(bucketing) => {
            let columns = Columns::Buckets(bucketing.aggs.clone());
            (What::Buckets(bucketing), columns)
        }
        None => (What::Samples, Columns::Samples),
    };
    let format = match args.format.or_else(|| Shape::of(args.out.as_deref()?)) {
        Some(Shape::Csv) | None => Format::Csv,
        Some(Shape::Jsonl) => Format::Jsonl,
        Some(Shape::Parquet) => Format::Parquet,
    };
    if format == Format::Parquet && args.out.is_none() && io::stdout().is_terminal() {
        return Err(Failure::unasked("Parquet is not for a terminal: name a file with --out"));
    }
    let database = args.place.database(kinds)?;
    let store = Store::open(&database)?;
    let tags = store.tags(&args.place.tags())?;
    let (out, to) = match &args.out {
        Some(path) => (Out::File(WholeFile::new(path, &database)?), path.display().to_string()),
        None => (Out::Stdout, "standard output".to_owned()),
    };
    Ok((Job { store, ask: Ask { tags, range, what, limit: u64::MAX, to }, format, columns }, out))
}

impl Job {
    fn write(
        &self,
        out: impl Write + Send,
        progress: &mut dyn FnMut(Beat) -> Result<(), Failure>,
    ) -> Result<u64, Failure> {
        let mut sheet = sheet(self.format, self.columns.clone(), &self.ask.to, BufWriter::new(out))?;
        answer(&self.store, &self.ask, &mut *sheet, progress)
    }
}

impl Out {
    fn write(self, job: Job) -> Result<Exit, Failure> {
        match self {
            Self::Stdout => {
                // On one terminal, progress and rows would be in each other's way.
                let mut progress = Progress::new(!io::stdout().is_terminal());
                let rows = job.write(io::stdout(), &mut |beat| {
                    progress.show(beat);
                    Ok(())
                })?;
                progress.end(rows, &job.ask.to);
                Ok(Exit::Well)
            }
            Self::File(file) => to_file(job, file),
        }
    }
}

fn to_file(job: Job, file: WholeFile) -> Result<Exit, Failure> {
    let rows = stoppable(move |stop| {
        let mut progress = Progress::new(true);
        let rows = job.write(file.begin()?, &mut |beat| {
            progress.show(beat);
            stop.check(&job.ask.to)
        })?;
        file.finish()?;
        progress.end(rows, &job.ask.to);
        Ok(rows)
    })?;
    if rows == 0 {
        output::warning("there are no samples in this range");
    }
    Ok(Exit::Well)
}
