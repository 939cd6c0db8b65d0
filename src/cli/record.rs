//! `fieldflow record`: captures a live run as a new test case.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fieldflow_contract::{Span, SystemClock};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::run::{Signals, block_on};
use super::simulate::Simulation;
use super::{Exit, Kinds, load, output};
use crate::golden::{self, Captured, Judging};
use crate::graph::Graph;

/// How often it is said how far the recording is.
const PROGRESS: Duration = Duration::from_secs(2);

/// Capture a live run as a new test case. The sources are read as usual; the sinks are not touched.
///
/// What the sources emit becomes the input of the case. What each sink has to receive is worked out from it on virtual time,
/// as `fieldflow test` does.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fieldflow record pipelines/demo.yaml --for 60s --case monday --simulate")]
pub(super) struct Args {
    /// The pipeline file.
    file: PathBuf,
    /// How long to record, such as 60s. Ctrl-C ends it earlier.
    #[arg(long = "for", value_name = "DURATION")]
    limit: Span,
    /// The name of the new case.
    #[arg(long, value_name = "NAME", value_parser = case_name)]
    case: String,
    /// Serve the devices that the sources would talk to as well.
    #[arg(long)]
    simulate: bool,
}

fn case_name(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !text.is_empty() && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err("a case's name is made of letters, digits, `_` and `-`".to_owned())
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let graphs = match load::graphs(std::slice::from_ref(&args.file), kinds) {
        Ok(graphs) => graphs,
        Err(exit) => return exit,
    };
    let Some(graph) = graphs.first() else { return Exit::Unasked };
    let mut captured = None;
    let exit = block_on(async {
        match record(args, graph, kinds).await {
            Ok(done) => {
                captured = Some(done);
                Exit::Well
            }
            Err(error) => {
                output::error(error);
                Exit::Unasked
            }
        }
    });
    captured.map_or(exit, |captured| finish(args, graph, &captured))
}

async fn record(args: &Args, graph: &Graph, kinds: Kinds) -> Result<Captured, String> {
    let mut signals = Signals::catch();
    let mut beside = JoinSet::new();
    if args.simulate {
        let simulation = Simulation::bind(std::slice::from_ref(graph), &BTreeMap::new(), kinds).await?;
        beside.spawn(async move {
            if let Err(error) = simulation.serve().await {
                output::error(error);
            }
        });
    }
    let records = Arc::new(AtomicU64::new(0));
    beside.spawn(progress(Arc::clone(&records), args.limit));
    let stop = async {
        tokio::select! {
            () = signals.next() => {}
            () = tokio::time::sleep(args.limit.0) => {}
        }
    };
    let captured = golden::capture(graph, &args.case, Arc::new(SystemClock), &records, stop).await;
    beside.shutdown().await;
    captured.map_err(|error| graph.secrets.hide(&error).into_owned())
}

async fn progress(records: Arc<AtomicU64>, limit: Span) {
    let began = Instant::now();
    loop {
        tokio::time::sleep(PROGRESS).await;
        let records = output::grouped(records.load(Ordering::Relaxed));
        output::message(format_args!("recording: {records} records, {} s of {limit}", began.elapsed().as_secs()));
    }
}

/// Works out what the sinks have to receive, and says what to do next.
fn finish(args: &Args, graph: &Graph, captured: &Captured) -> Exit {
    if let Some((node, cause)) = &captured.finished.broken {
        output::error(format_args!("node {node}: {cause}"));
        return Exit::No;
    }
    let verdict = golden::judge(graph, &captured.case, Judging { bless: true, colour: false });
    let (case, records) = (captured.case.display(), output::grouped(captured.records));
    for failure in &verdict.failures {
        output::error(failure);
    }
    if !verdict.passed() {
        return Exit::No;
    }
    output::message(format_args!(
        "{case}: {records} records went in; {} files say what comes out",
        verdict.blessed.len()
    ));
    output::message(format_args!("read them, then: fieldflow test {} --filter {}", args.file.display(), args.case));
    if captured.records != 0 && captured.records == captured.not_good {
        output::warning("no record was Good: is the device there? `--simulate` serves one");
    }
    if captured.records == 0 {
        output::warning("no source emitted anything: is the device there? `--simulate` serves one");
    }
    Exit::Well
}
