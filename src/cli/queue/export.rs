//! `fieldflow queue export`: a whole backlog, or the dead letters, into a file.

use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::letters::LetterSheet;
use super::place::Place;
use crate::cli::export::{Progress, WholeFile, stoppable};
use crate::cli::output::grouped;
use crate::cli::store::{Beat, Columns, Failure, Format, Row, sheet};
use crate::cli::{Exit, Kinds, output};
use crate::queue::{Backlog, Inspector, What};

/// Write all that waits in an edge, or the dead letters of the pipeline, into a file. Nothing is taken out of the queue.
///
/// Records are in the order in which they would be sent, each as the node `console` prints it. The file is there when it is
/// whole, and not before.
#[derive(clap::Args)]
#[command(
    override_usage = "fieldflow queue export [OPTIONS] FILE EDGE\n       \
        fieldflow queue export [OPTIONS] FILE --dead-letters\n       fieldflow queue export [OPTIONS] --state PATH …",
    after_help = "Example:\n  fieldflow queue export plant.yaml 'plc -> store' --out backlog.jsonl"
)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// The batches that a sink rejected, or that failed again and again, with the reason.
    #[arg(long)]
    dead_letters: bool,
    /// How to write the records. [default: as the name of --out ends, else jsonl]
    #[arg(long, value_enum)]
    format: Option<Shape>,
    /// The file to write; one that is there is replaced. [default: standard output]
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// One JSON object a line, a record as the node `console` prints it.
    Jsonl,
    /// Comma-separated values with a header.
    Csv,
}

impl Shape {
    fn of(path: &Path) -> Option<Self> {
        path.extension().and_then(|end| Self::from_str(end.to_str()?, true).ok())
    }
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Result<Exit, Failure> {
    let state = args.place.state(kinds)?;
    let (inspector, edge) = match (args.dead_letters, args.place.edge()) {
        (true, Some(edge)) => {
            return Err(Failure::unasked(format!(
                "dead letters belong to no edge: leave `{edge}` or --dead-letters out"
            )));
        }
        (true, None) => (state.inspector()?, None),
        (false, edge) => state.edge(edge).map(|(inspector, edge)| (inspector, Some(edge)))?,
    };
    let shape = args.format.or_else(|| Shape::of(args.out.as_deref()?)).unwrap_or(Shape::Jsonl);
    let to = args.out.as_ref().map_or("standard output".to_owned(), |path| path.display().to_string());
    let job = Job { inspector, edge, shape, to };
    let done = match &args.out {
        None => {
            let mut progress = Progress::new(!io::stdout().is_terminal());
            let done = job.write(io::stdout(), &mut |beat| {
                progress.show(beat);
                Ok(())
            })?;
            progress.end(done.records, &job.to);
            done
        }
        Some(path) => {
            let file = WholeFile::new(path, &state.path)?;
            stoppable(move |stop| {
                let mut progress = Progress::new(true);
                let done = job.write(file.begin()?, &mut |beat| {
                    progress.show(beat);
                    stop.check(&job.to)
                })?;
                file.finish()?;
                progress.end(done.records, &job.to);
                Ok(done)
            })?
        }
    };
    if done.records == 0 && done.damaged == 0 {
        output::message("nothing waits there");
    }
    if done.damaged != 0 {
        output::warning(format_args!(
            "{} batches are damaged and were left out; {} keeps them",
            grouped(done.damaged),
            state.path.display()
        ));
        return Ok(Exit::No);
    }
    Ok(Exit::Well)
}

/// All that is to be written.
struct Job {
    inspector: Inspector,
    /// `None` for the dead letters.
    edge: Option<Backlog>,
    shape: Shape,
    to: String,
}

#[derive(Default)]
struct Done {
    records: u64,
    damaged: u64,
}

/// Called between slices; it can put an end to it.
type Tell<'a> = &'a mut dyn FnMut(Beat) -> Result<(), Failure>;

impl Job {
    fn write(&self, out: impl Write + Send, tell: Tell<'_>) -> Result<Done, Failure> {
        let out = BufWriter::new(out);
        match &self.edge {
            Some(edge) => self.write_edge(edge, out, tell),
            None => self.write_letters(out, tell),
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::writing(&self.to, error)
    }

    fn write_edge(&self, edge: &Backlog, out: impl Write + Send, tell: Tell<'_>) -> Result<Done, Failure> {
        let format = if self.shape == Shape::Csv { Format::Csv } else { Format::Jsonl };
        let mut sheet = sheet(format, Columns::Samples, &self.to, out)?;
        let (mut done, mut first) = (Done::default(), None);
        for slice in self.inspector.batches(edge) {
            let mut position = 0;
            for waiting in slice.map_err(|error| Failure::state(&error))? {
                position = waiting.position;
                first.get_or_insert(position);
                let Ok(batch) = waiting.batch else {
                    done.damaged += 1;
                    continue;
                };
                for record in batch.records() {
                    sheet.row(Row::Sample(record)).map_err(|error| self.failed(&error))?;
                }
                done.records += batch.len() as u64;
            }
            let first = first.unwrap_or(position);
            let part = (position - first + 1) as f64 / (edge.last.saturating_sub(first) + 1) as f64;
            tell(Beat { samples: done.records, part })?;
        }
        sheet.finish().map_err(|error| self.failed(&error))?;
        Ok(done)
    }

    fn write_letters(&self, out: impl Write, tell: Tell<'_>) -> Result<Done, Failure> {
        let mut sheet = LetterSheet::new(self.shape == Shape::Csv, out).map_err(|error| self.failed(&error))?;
        let (mut done, mut letters) = (Done::default(), 0);
        let all = self.inspector.count(What::DeadLetters, None).map_err(|error| Failure::state(&error))?.batches.max(1);
        for slice in self.inspector.letters().map_err(|error| Failure::state(&error))? {
            for letter in slice.map_err(|error| Failure::state(&error))? {
                let (written, lost) = sheet.letter(&letter).map_err(|error| self.failed(&error))?;
                done.records += written;
                done.damaged += u64::from(lost);
                letters += 1;
            }
            tell(Beat { samples: done.records, part: f64::from(letters) / all as f64 })?;
        }
        sheet.finish().map_err(|error| self.failed(&error))?;
        Ok(done)
    }
}
