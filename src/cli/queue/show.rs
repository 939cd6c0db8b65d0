//! `fieldflow queue show`: the records that would be sent next.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use clap::ValueEnum;
use fieldflow_contract::{Record, Value, write_json_line};
use serde_json::json;

use super::place::Place;
use crate::cli::store::{Cell, Failure, Table};
use crate::cli::{Exit, Kinds, output};
use crate::queue::Waiting;

/// Print the oldest records that wait in an edge, with the position of their batch and when it was received.
#[derive(clap::Args)]
#[command(
    override_usage = "fieldflow queue show [OPTIONS] FILE EDGE\n       fieldflow queue show [OPTIONS] --state PATH EDGE",
    after_help = "Example:\n  fieldflow queue show plant.yaml 'plc -> store' --limit 100"
)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// Print at most so many records.
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: u64,
    /// How to print them. [default: table on a terminal, else jsonl]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// Aligned columns, for people.
    Table,
    /// One JSON object a line.
    Jsonl,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Result<Exit, Failure> {
    let state = args.place.state(kinds)?;
    let (inspector, edge) = state.edge(args.place.edge())?;
    let out = BufWriter::new(io::stdout());
    let mut rows: Box<dyn Rows> = match args.format {
        Some(Format::Table) => Box::new(table(out)),
        None if io::stdout().is_terminal() => Box::new(table(out)),
        Some(Format::Jsonl) | None => Box::new(out),
    };
    let failed = |error: io::Error| Failure::writing("standard output", &error);
    let mut left = args.limit;
    'all: for slice in inspector.batches(&edge) {
        for waiting in slice.map_err(|error| Failure::state(&error))? {
            match &waiting.batch {
                Ok(batch) => {
                    for record in batch.records() {
                        if left == 0 {
                            break 'all;
                        }
                        rows.record(&waiting, record).map_err(failed)?;
                        left -= 1;
                    }
                }
                Err(_) if left == 0 => break 'all,
                Err(damage) => {
                    rows.damaged(&waiting, damage).map_err(failed)?;
                    left -= 1;
                }
            }
        }
        if left == 0 {
            break;
        }
    }
    rows.finish().map_err(failed)?;
    if left == args.limit && left != 0 {
        output::message(format_args!("nothing waits in `{}`", state.shown(&edge)));
    }
    Ok(Exit::Well)
}

/// What prints records with their batch.
trait Rows {
    fn record(&mut self, waiting: &Waiting, record: &Record) -> io::Result<()>;
    fn damaged(&mut self, waiting: &Waiting, damage: &str) -> io::Result<()>;
    fn finish(&mut self) -> io::Result<()>;
}

fn table<W: Write>(out: W) -> Table<W> {
    Table::of(vec!["position", "received", "tag", "time", "value", "quality"], out)
}

impl<W: Write> Rows for Table<W> {
    fn record(&mut self, waiting: &Waiting, record: &Record) -> io::Result<()> {
        self.line(vec![
            Cell::new(&waiting.position.to_string(), true),
            Cell::new(&waiting.received.to_string(), false),
            Cell::new(record.tag.name(), false),
            Cell::new(&record.time.to_string(), false),
            Cell::of(&record.value),
            Cell::new(&record.quality.to_string(), false),
        ])
    }

    fn damaged(&mut self, waiting: &Waiting, damage: &str) -> io::Result<()> {
        self.line(vec![
            Cell::new(&waiting.position.to_string(), true),
            Cell::new(&waiting.received.to_string(), false),
            Cell::new("-", false),
            Cell::new("-", false),
            Cell::of(&Value::Null),
            Cell::new(&format!("damaged, {} records: {damage}", waiting.records), false),
        ])
    }

    fn finish(&mut self) -> io::Result<()> {
        self.print()
    }
}

impl<W: Write> Rows for BufWriter<W> {
    fn record(&mut self, waiting: &Waiting, record: &Record) -> io::Result<()> {
        let mut line = String::new();
        write_json_line(record, &mut line);
        let rest = line.strip_prefix('{').unwrap_or(&line);
        writeln!(self, r#"{{"position":{},"received":"{}",{rest}"#, waiting.position, waiting.received)
    }

    fn damaged(&mut self, waiting: &Waiting, damage: &str) -> io::Result<()> {
        let Waiting { position, received, records, .. } = waiting;
        let received = received.to_string();
        writeln!(
            self,
            "{}",
            json!({ "position": position, "received": received, "records": records, "damaged": damage })
        )
    }

    fn finish(&mut self) -> io::Result<()> {
        self.flush()
    }
}
