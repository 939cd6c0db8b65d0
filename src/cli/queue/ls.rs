//! `fieldflow queue ls`: how much waits, and where.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::ValueEnum;
use fieldflow_contract::{Clock as _, NodeError, SystemClock, Timestamp};
use serde_json::{Value, json};

use super::place::State;
use super::standing::Standing;
use super::{age, amount};
use crate::cli::output::grouped;
use crate::cli::store::{Cell, Failure, Table};
use crate::cli::{Exit, Kinds, output};
use crate::queue::{Backlog, Pile, What};

/// List the durable and spilling edges of pipelines with what waits in them, and how many batches are dead letters or damaged.
#[derive(clap::Args)]
#[command(
    override_usage = "fieldflow queue ls [OPTIONS] FILE...\n       fieldflow queue ls [OPTIONS] --state PATH",
    after_help = "Example:\n  fieldflow queue ls pipelines/*.yaml --data-dir /var/lib/fieldflow"
)]
pub(super) struct Args {
    /// The pipeline files. They are left out with --state.
    #[arg(required_unless_present = "state", conflicts_with = "state")]
    files: Vec<PathBuf>,
    /// Read this `state.db`, without a pipeline file.
    #[arg(long, value_name = "PATH")]
    state: Option<PathBuf>,
    /// The folder below which each pipeline keeps its data, in a folder of its name.
    #[arg(long, value_name = "DIR", default_value = "data", conflicts_with = "state")]
    data_dir: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// One array with an object for each pipeline.
    Json,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Result<Exit, Failure> {
    let states = match &args.state {
        Some(path) => vec![State::at(path)?],
        None => args.files.iter().map(|file| State::of(file, &args.data_dir, kinds)).collect::<Result<_, _>>()?,
    };
    let mut looks = Vec::new();
    for state in states {
        if state.path.exists() {
            looks.push(Look::at(state)?);
        } else {
            output::message(format_args!("{}: nothing there{}", state.path.display(), state.why_not()));
        }
    }
    let now = SystemClock.now();
    match args.format {
        Format::Json => {
            output::data(format!("{:#}\n", looks.iter().map(|look| look.json(now)).collect::<Value>()));
        }
        Format::Table => {
            let texts: Vec<String> = looks.iter().map(|look| look.table(now)).collect();
            output::data(texts.join("\n"));
        }
    }
    Ok(Exit::Well)
}

/// What was seen in one state file.
struct Look {
    state: State,
    edges: Vec<(Backlog, Pile, Option<Standing>)>,
    letters: Pile,
    damaged: Pile,
}

impl Look {
    fn at(state: State) -> Result<Self, Failure> {
        let inspector = state.inspector()?;
        let look = || -> Result<_, NodeError> {
            let mut edges = Vec::new();
            for edge in inspector.edges()? {
                let pile = inspector.count(What::Edge(&edge), None)?;
                let standing = state.known.as_ref().map(|known| known.standing(&edge.name));
                // One that is gone and empty is of no interest to anybody.
                if pile.batches != 0 || standing.is_none_or(|standing| standing == Standing::Kept) {
                    edges.push((edge, pile, standing));
                }
            }
            Ok((edges, inspector.count(What::DeadLetters, None)?, inspector.count(What::Damaged, None)?))
        };
        let (edges, letters, damaged) = look().map_err(|error| Failure::state(&error))?;
        Ok(Self { state, edges, letters, damaged })
    }

    fn table(&self, now: Timestamp) -> String {
        let mut text = Vec::new();
        // Nothing can go wrong in writing to memory.
        let _ = self.write(&mut text, now);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn write(&self, text: &mut Vec<u8>, now: Timestamp) -> io::Result<()> {
        writeln!(text, "{}", self.state.path.display())?;
        let mut table = Table::of(vec!["edge", "records", "bytes", "batches", "oldest", "state"], &mut *text);
        for (edge, pile, standing) in &self.edges {
            let number = |number: u64| Cell::new(&grouped(number), true);
            table.line(vec![
                Cell::new(&self.state.shown(edge), false),
                number(pile.records.unwrap_or_default()),
                number(pile.bytes),
                number(pile.batches),
                Cell::new(&pile.oldest.map_or("-".to_owned(), |oldest| age(now.since(oldest))), true),
                Cell::new(standing.map_or("-", Standing::words), false),
            ])?;
        }
        table.print()?;
        for (name, pile) in [("dead letters", &self.letters), ("damaged", &self.damaged)] {
            match pile.oldest {
                None => writeln!(text, "{name}: none")?,
                Some(oldest) => {
                    writeln!(text, "{name}: {}, the oldest {} old", amount(pile), age(now.since(oldest)))?;
                }
            }
        }
        Ok(())
    }

    fn json(&self, now: Timestamp) -> Value {
        let edges = self.edges.iter().map(|(edge, pile, standing)| {
            let mut object = json!({ "name": edge.name, "edge": self.state.shown(edge), "records": pile.records });
            object["state"] = standing.map(Standing::id).into();
            merged(object, pile, now)
        });
        json!({
            "pipeline": self.state.pipeline,
            "state_file": self.state.path.display().to_string(),
            "edges": edges.collect::<Value>(),
            "dead_letters": merged(json!({}), &self.letters, now),
            "damaged": merged(json!({}), &self.damaged, now),
        })
    }
}

fn merged(mut object: Value, pile: &Pile, now: Timestamp) -> Value {
    object["batches"] = pile.batches.into();
    object["bytes"] = pile.bytes.into();
    object["oldest"] = pile.oldest.map(|oldest| oldest.to_string()).into();
    object["oldest_age_seconds"] = pile.oldest.map(|oldest| now.since(oldest).as_secs()).into();
    object
}
