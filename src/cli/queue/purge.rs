//! `fieldflow queue purge`: deletes what waits in an edge, dead letters, or damaged batches.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

use fieldflow_contract::{Clock as _, Span, SystemClock, Timestamp};

use super::place::{Place, State};
use super::{age, amount};
use crate::cli::store::Failure;
use crate::cli::{Exit, Kinds, output};
use crate::queue::{Backlog, Pile, What, purge};
use crate::runtime::{DirLock, LockError};

/// Delete what waits in an edge, the dead letters, or the damaged batches. It was acknowledged and is lost then.
///
/// The pipeline must not be running. It asks before it deletes, and says how much will be lost. `fieldflow queue export` saves
/// it first.
#[derive(clap::Args)]
#[command(
    override_usage = "fieldflow queue purge [OPTIONS] FILE EDGE\n       \
        fieldflow queue purge [OPTIONS] FILE --dead-letters|--damaged\n       fieldflow queue purge [OPTIONS] --state PATH …",
    after_help = "Example:\n  fieldflow queue purge plant.yaml 'plc -> store' --older 7d"
)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
    /// The batches that a sink rejected, or that failed again and again.
    #[arg(long, conflicts_with = "damaged")]
    dead_letters: bool,
    /// The batches that could not be decoded and were set aside.
    #[arg(long)]
    damaged: bool,
    /// Only what is older than this, such as 7d: received, buried or found before. Of an edge only from its oldest end: what
    /// lies behind a newer batch stays.
    #[arg(long, value_name = "DURATION")]
    older: Option<Span>,
    /// Delete without asking.
    #[arg(long)]
    yes: bool,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Result<Exit, Failure> {
    let state = args.place.state(kinds)?;
    let now = SystemClock.now();
    let before = args.older.map(|span| now - span.0);
    let what = Chosen::of(args, &state)?;
    let folder = state.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    // Taken for the question, too, but not while a person thinks about it: that must not keep a pipeline from starting.
    drop(lock(folder)?);
    let inspector = state.inspector()?;
    let pile = inspector.count(what.what(), before).map_err(|error| Failure::state(&error))?;
    let name = what.name(&state);
    if pile.batches == 0 {
        output::message(format_args!("there is nothing to delete: {name}"));
        return Ok(Exit::Well);
    }
    if !args.yes && !is_wanted(&question(&pile, &name, now))? {
        return Err(Failure::no("nothing was deleted"));
    }
    let _lock = lock(folder)?;
    let purged = purge(&state.path, what.what(), &pile, before).map_err(|error| Failure::state(&error))?;
    output::message(format_args!("deleted {}: {name}", amount(&purged)));
    Ok(Exit::Well)
}

/// What shall be deleted.
enum Chosen {
    Edge(Backlog),
    DeadLetters,
    Damaged,
}

impl Chosen {
    fn of(args: &Args, state: &State) -> Result<Self, Failure> {
        match (args.place.edge(), args.dead_letters, args.damaged) {
            (Some(edge), false, false) => Ok(Self::Edge(state.edge(Some(edge))?.1)),
            (None, true, _) => Ok(Self::DeadLetters),
            (None, _, true) => Ok(Self::Damaged),
            (None, false, false) => {
                let failure = state.edge(None).err();
                Err(failure.unwrap_or_else(|| Failure::unasked("name an edge, or say --dead-letters or --damaged")))
            }
            (Some(edge), ..) => Err(Failure::unasked(format!(
                "one thing at a time: leave `{edge}` or --dead-letters and --damaged out"
            ))),
        }
    }

    fn what(&self) -> What<'_> {
        match self {
            Self::Edge(edge) => What::Edge(edge),
            Self::DeadLetters => What::DeadLetters,
            Self::Damaged => What::Damaged,
        }
    }

    fn name(&self, state: &State) -> String {
        let path = state.path.display();
        match self {
            Self::Edge(edge) => format!("edge `{}` in {path}", state.shown(edge)),
            Self::DeadLetters => format!("dead letters in {path}"),
            Self::Damaged => format!("damaged batches in {path}"),
        }
    }
}

fn question(pile: &Pile, name: &str, now: Timestamp) -> String {
    let oldest = pile.oldest.map_or(String::new(), |oldest| format!(", the oldest {} old", age(now.since(oldest))));
    format!("{name}: {}{oldest}\ndelete them for good? [y/N] ", amount(pile))
}

/// Asks on the terminal. Where there is none, nobody can have seen what would be lost.
fn is_wanted(question: &str) -> Result<bool, Failure> {
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    if !stdin.is_terminal() || !stderr.is_terminal() {
        let lost = question.lines().next().unwrap_or_default();
        return Err(Failure::unasked(format!("{lost}: there is no terminal to ask on; say --yes to delete them")));
    }
    let mut answer = String::new();
    let asked = write!(stderr, "{question}").and_then(|()| stderr.flush()).and_then(|()| stdin.read_line(&mut answer));
    asked.map_err(|error| Failure::unasked(format!("cannot ask: {error}; say --yes to delete without a question")))?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

fn lock(folder: &Path) -> Result<DirLock, Failure> {
    DirLock::take(folder).map_err(|error| match error {
        LockError::Held { holder, .. } => Failure::no(format!(
            "the pipeline is running, as process {holder}, and knows what waits in {}: stop it first",
            folder.display()
        )),
        error @ LockError::Unusable { .. } => Failure::unasked(error.to_string()),
    })
}
