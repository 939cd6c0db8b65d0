//! Plays a case: the pipeline as it is, between scripts and recordings, on virtual time.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{Record, Role};
use tokio::time::sleep_until;

use super::case::Case;
use super::coverage::Coverage;
use super::recording::{Recorded, Recording};
use super::script::{Scripted, Turns};
use crate::graph::Graph;
use crate::runtime::{Environment, Finished, Plan, TimerClock};
use crate::telemetry::Exporter;

/// How long after the end of the input everything has to be where it belongs, in virtual time.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What a case came to.
pub(super) struct Played {
    /// What each sink received, in the order of the file.
    pub(super) outputs: Vec<(String, Vec<Record>)>,
    /// Every metric at the end as `name{labels}`; counters are summed over restarts.
    pub(super) metrics: BTreeMap<String, f64>,
    pub(super) finished: Finished,
    pub(super) unaccounted: u64,
    /// Nodes whose records were rejected with nobody to take them, and how many.
    pub(super) buried: Vec<(String, u64)>,
    pub(super) coverage: Coverage,
}

/// Plays a case from its beginning to its end, on this thread.
pub(super) fn play(graph: &Graph, case: &Case) -> Result<Played, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    // The jitter of back-off comes from here: the same at every run.
    fastrand::seed(1);
    runtime.map_err(|error| error.to_string())?.block_on(perform(graph, case))
}

async fn perform(graph: &Graph, case: &Case) -> Result<Played, String> {
    let folder = tempfile::tempdir().map_err(|error| format!("no folder for the pipeline's data: {error}"))?;
    let clock = TimerClock::starting(case.began);
    let sinks = graph.nodes().filter(|node| node.kind.role() == Role::Sink);
    let recordings: Vec<(String, Arc<Recording>)> = sinks.map(|node| (node.name.clone(), Arc::default())).collect();
    let staged = staged(graph, case, clock, &recordings);
    let (mut coverage, mut metrics) = (Coverage::of(graph), BTreeMap::new());
    let mut buried = Vec::new();
    let mut restarts = case.faults.restarts.iter();
    loop {
        // Counters and histograms begin anew with each life.
        let exporter = Exporter::new().map_err(|error| error.to_string())?;
        let environment = Environment {
            data_dir: folder.path().to_owned(),
            clock: Arc::new(clock),
            exporter: &exporter,
            virtual_time: true,
        };
        let running = Plan::new(&staged, &environment).map_err(|error| error.to_string())?.start();
        let observer = running.observer();
        let restart = restarts.next();
        let kill = async {
            match restart {
                Some(time) => sleep_until(clock.moment(*time)).await,
                None => pending().await,
            }
        };
        let stuck = sleep_until(clock.moment(case.ends + PATIENCE));
        let finished = running.run_until_killed(stuck, Duration::from_secs(60), kill).await;
        let snapshot = observer.snapshot();
        coverage.saw(&snapshot);
        for node in &snapshot.nodes {
            let rejected = node.discarded.get("rejected").copied().unwrap_or_default();
            buried.extend((rejected != 0).then(|| (node.name.clone(), rejected)));
        }
        add_metrics(&exporter.render(std::slice::from_ref(&snapshot)), &mut metrics);
        if let Some(finished) = finished {
            let outputs = recordings.into_iter().map(|(name, recording)| (name, recording.take()));
            let unaccounted = snapshot.unaccounted();
            let outputs = outputs.collect();
            return Ok(Played { outputs, metrics, finished, unaccounted, buried, coverage });
        }
    }
}

/// The graph with scripts and recordings in the places of its sources and sinks.
fn staged(graph: &Graph, case: &Case, clock: TimerClock, recordings: &[(String, Arc<Recording>)]) -> Graph {
    let turns = Arc::<Turns>::default();
    graph.stand_in(|node| {
        let ports = node.ports.clone();
        if let Some(script) = case.scripts.iter().find(|script| script.source() == node.name) {
            let (script, turns) = (Arc::clone(script), Arc::clone(&turns));
            return Some(Arc::new(Scripted { script, ports, clock, turns }));
        }
        let (_, recording) = recordings.iter().find(|(name, _)| *name == node.name)?;
        let (recording, faults) = (Arc::clone(recording), case.faults.of_sink(&node.name));
        Some(Arc::new(Recorded { recording, ports, clock, faults }))
    })
}

/// Adds the figures of one life of the pipeline: counters to what there is, others in its place.
fn add_metrics(text: &str, metrics: &mut BTreeMap<String, f64>) {
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let Ok(value) = value.parse::<f64>() else { continue };
        let name = series.split('{').next().unwrap_or_default();
        let is_count = ["_total", "_count", "_sum", "_bucket"].iter().any(|end| name.ends_with(end));
        let slot = metrics.entry(series.to_owned()).or_default();
        *slot = if is_count { *slot + value } else { value };
    }
}
