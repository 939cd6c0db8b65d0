//! `fieldflow test`: golden-file tests of pipelines.

mod report;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;
use tokio::time::Instant;

use super::run::Signals;
use super::{Exit, Kinds, load, output};
use crate::analysis::Budget;
use crate::diagnostics::Report;
use crate::golden::{self, Coverage, Judging, Verdict};
use crate::graph::Graph;

/// Run golden-file tests of pipelines.
///
/// `boiler.yaml` has its cases in `boiler.tests/<case>/`: `<source>.in.jsonl` is what a source emits, `<sink>.out.jsonl` what a
/// sink must receive, and `case.yaml`, if it is there, says what goes wrong meanwhile. Time is virtual: an hour takes
/// milliseconds, and the same case always gives the same output.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  fieldflow test                                  # all below ./pipelines\n  \
    fieldflow test pipelines/demo.yaml --bless      # write what came out as expected; then read `git diff`\n  \
    fieldflow test pipelines/demo.tests/outage      # one case\n  fieldflow test --format junit > report.xml")]
pub(super) struct Args {
    /// Pipeline files, folders of them, or folders of single cases. [default: pipelines, or this folder if there is none]
    paths: Vec<PathBuf>,
    /// Write what came out as what is expected, where it is missing or different.
    #[arg(long)]
    bless: bool,
    /// Only cases with this text in `<pipeline file>/<case>`.
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,
    /// How to print what became of the cases.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Cases at a time. It changes how long it takes, and nothing else. [default: one for each core]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One object, for programs. On stdout.
    Json,
    /// `JUnit` XML, for build servers. On stdout.
    Junit,
}

/// A pipeline and what became of its cases.
struct Tested {
    pipeline: PathBuf,
    /// What is wrong with the pipeline file itself.
    invalid: Option<String>,
    cases: Vec<(String, Verdict)>,
    /// Whether these are all cases that it has.
    whole: bool,
}

impl Tested {
    fn passed(&self) -> bool {
        self.invalid.is_none() && self.cases.iter().all(|(_, verdict)| verdict.passed())
    }

    /// What no case has exercised; nothing if there is no case, or not all of them ran.
    fn not_exercised(&self) -> Vec<String> {
        let mut coverage = Coverage::default();
        self.cases.iter().for_each(|(_, verdict)| coverage.join(&verdict.coverage));
        if self.whole { coverage.missing() } else { Vec::new() }
    }
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let began = Instant::now();
    let stop = stopped_by_signal();
    let tested = match find(args).map(|found| test(args, found, kinds, &stop)) {
        Ok(tested) => tested,
        Err(reason) => {
            output::error(reason);
            return Exit::Unasked;
        }
    };
    let whole = report::Whole { tested: &tested, took: began.elapsed() };
    match args.format {
        Format::Human => output::data(whole.human(output::coloured(&std::io::stdout()))),
        Format::Json => output::data(whole.json()),
        Format::Junit => output::data(whole.junit()),
    }
    if stop.load(Ordering::Relaxed) {
        output::error("interrupted: not all cases were played");
        return Exit::No;
    }
    if tested.iter().all(Tested::passed) { Exit::Well } else { Exit::No }
}

/// Becomes true at Ctrl-C: what is being played is played to its end, and its data is removed. The second one ends at once.
fn stopped_by_signal() -> Arc<AtomicBool> {
    let stop = Arc::<AtomicBool>::default();
    let told = Arc::clone(&stop);
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            let mut signals = Signals::catch();
            signals.next().await;
            told.store(true, Ordering::Relaxed);
            signals.next().await;
            std::process::exit(130);
        });
    });
    stop
}

fn find(args: &Args) -> Result<Vec<golden::Found>, String> {
    let usual = Path::new("pipelines");
    let here = if usual.is_dir() { usual } else { Path::new(".") };
    let paths = if args.paths.is_empty() { vec![here.to_owned()] } else { args.paths.clone() };
    let mut found: Vec<golden::Found> = Vec::new();
    for path in &paths {
        for one in golden::find(path)? {
            match found.iter_mut().find(|known| real(&known.pipeline) == real(&one.pipeline)) {
                Some(known) => {
                    known.whole |= one.whole;
                    known.cases.extend(one.cases);
                    known.cases.sort_by_key(|case| real(case));
                    known.cases.dedup_by_key(|case| real(case));
                }
                None => found.push(one),
            }
        }
    }
    if !args.filter.is_empty() {
        for one in &mut found {
            let before = one.cases.len();
            one.cases.retain(|case| label(&one.pipeline, case).contains(&args.filter));
            one.whole &= one.cases.len() == before;
        }
        found.retain(|one| !one.cases.is_empty());
    }
    if found.iter().all(|one| one.cases.is_empty()) {
        let hint = match args.filter.as_str() {
            "" => "a case of boiler.yaml is a folder boiler.tests/<case>/ with <source>.in.jsonl; `fieldflow record` makes one".to_owned(),
            filter => format!("none has `{filter}` in its name"),
        };
        return Err(format!("no test case found: {hint}"));
    }
    Ok(found)
}

/// Where a file really is: the same one may be named in several ways.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn label(pipeline: &Path, case: &Path) -> String {
    format!("{}/{}", pipeline.display(), name_of(case))
}

fn name_of(case: &Path) -> String {
    case.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Plays all cases, several at a time.
fn test(args: &Args, found: Vec<golden::Found>, kinds: Kinds, stop: &AtomicBool) -> Vec<Tested> {
    let mut tested = Vec::new();
    let mut todo: Vec<(usize, Graph, PathBuf)> = Vec::new();
    for (at, one) in found.into_iter().enumerate() {
        let mut report = Report::default();
        let checked = load::check(&one.pipeline, kinds, &Budget::default(), &mut report);
        let invalid = checked.is_none().then(|| report.render_human(false));
        if let Some((_, graph)) = checked {
            todo.extend(one.cases.into_iter().map(|case| (at, graph.clone(), case)));
        }
        tested.push(Tested { pipeline: one.pipeline, invalid, cases: Vec::new(), whole: one.whole });
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.unwrap_or(cores).clamp(1, todo.len().max(1));
    let how =
        Judging { bless: args.bless, colour: args.format == Format::Human && output::coloured(&std::io::stdout()) };
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((at, graph, case)) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let verdict = golden::judge(graph, case, how);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((*at, name_of(case), verdict));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by(|(at, name, _), (other, other_name, _)| (at, name).cmp(&(other, other_name)));
    for (at, name, verdict) in done {
        tested[at].cases.push((name, verdict));
    }
    tested
}

/// Seconds with milliseconds.
fn seconds(took: Duration) -> String {
    format!("{:.3}", took.as_secs_f64())
}
