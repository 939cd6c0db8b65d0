//! `fieldflow run`: runs pipelines until their input ends, a signal comes, or the time is over.

mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use fieldflow_contract::{Span, SystemClock};
use futures_util::future::join_all;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::simulate::Simulation;
use super::{Exit, Kinds, load, output, queue};
use crate::diagnostics::Secrets;
use crate::graph::Graph;
use crate::runtime::{DirLock, Environment, Observer, Plan, Running};
use crate::telemetry::{Exporter, log};
use crate::web::{Snapshots, Web};

const DEFAULT_LISTEN: &str = "127.0.0.1:9600";
/// Two signals within this time are one: `timeout` and others send theirs to the process and to its group.
const ECHO: Duration = Duration::from_millis(200);

/// Run pipelines. Ctrl-C or SIGTERM drains and stops; a second one stops at once.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  fieldflow run pipelines/demo.yaml --simulate --for 10s\n  \
    fieldflow run /etc/fieldflow/*.yaml --data-dir /var/lib/fieldflow\n  curl http://127.0.0.1:9600/health")]
pub(super) struct Args {
    /// The pipeline files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The folder below which each pipeline keeps its data, in a folder of its name.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Where to serve /metrics and /health; `off` for nowhere. [default: 127.0.0.1:9600, or nowhere if that is taken]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Serve the devices that the sources would talk to as well, so that the pipelines run without a plant.
    #[arg(long)]
    simulate: bool,
    /// A file with the ways in which the simulated devices are not what they should be; see `fieldflow simulate --help`.
    #[arg(long, value_name = "FILE", requires = "simulate")]
    quirks: Option<PathBuf>,
    /// Stop after this time, such as 30s.
    #[arg(long = "for", value_name = "DURATION")]
    limit: Option<Span>,
    /// How long to wait at the end for what is on its way.
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    grace: Span,
    /// How log lines look. [default: human on a terminal, else json]
    #[arg(long, value_enum)]
    log: Option<Format>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// Runs a future on a runtime of two workers: enough to keep two cores busy, and the box has other work as well.
pub(super) fn block_on(future: impl Future<Output = Exit>) -> Exit {
    match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => {
            let exit = runtime.block_on(future);
            // A name that is being looked up would hold up the end for as long as the name server keeps silent.
            runtime.shutdown_background();
            exit
        }
        Err(error) => {
            output::error(format_args!("cannot start: {error}"));
            Exit::Unasked
        }
    }
}

/// Ctrl-C and SIGTERM, caught from the moment this is made on: one that comes before anybody waits for it is not lost.
pub(super) struct Signals(Option<(Signal, Signal)>);

impl Signals {
    /// Catches them. Make it before anything starts that a signal shall stop in peace.
    pub(super) fn catch() -> Self {
        Self(signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok()))
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        match &mut self.0 {
            Some((interrupt, terminate)) => {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            }
            // Without handlers the system ends the process by itself when a signal comes.
            None => std::future::pending().await,
        }
    }
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let graphs = match load::graphs(&args.files, kinds) {
        Ok(graphs) => graphs,
        Err(exit) => return exit,
    };
    let quirks = match load::quirks(args.quirks.as_deref(), kinds) {
        Ok(quirks) => quirks,
        Err(exit) => return exit,
    };
    log::start(match args.log {
        Some(Format::Human) => log::LogFormat::Human,
        Some(Format::Json) => log::LogFormat::Json,
        None => log::LogFormat::for_stderr(),
    });
    let secrets: Secrets = graphs.iter().map(|graph| &graph.secrets).collect();
    log::panics(move |text| secrets.hide(text).into_owned());
    block_on(async {
        match prepare(args, &graphs, &quirks, kinds).await {
            Ok(ready) => ready.run(args).await,
            Err(error) => {
                output::error(error);
                Exit::Unasked
            }
        }
    })
}

/// Everything that can be refused is had; nothing has started.
struct Ready {
    plans: Vec<Plan>,
    _locks: Vec<DirLock>,
    exporter: Arc<Exporter>,
    web: Option<Web>,
    simulation: Option<Simulation>,
}

async fn prepare(args: &Args, graphs: &[Graph], quirks: &load::Quirks, kinds: Kinds) -> Result<Ready, String> {
    let exporter = Arc::new(Exporter::new().map_err(|error| error.to_string())?);
    let clock = Arc::new(SystemClock);
    let environment = Environment { data_dir: args.data_dir.clone(), clock, virtual_time: false, exporter: &exporter };
    let plans = graphs.iter().map(|graph| Plan::new(graph, &environment).map_err(|error| error.to_string()));
    let plans = plans.collect::<Result<Vec<_>, _>>()?;
    let locks = graphs.iter().map(|graph| DirLock::take(&args.data_dir.join(&graph.name)));
    let locks = locks.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    for graph in graphs {
        queue::warn(graph, &args.data_dir);
    }
    let simulation = if args.simulate { Some(Simulation::bind(graphs, quirks, kinds).await?) } else { None };
    let web = listen(args.listen.as_deref()).await?;
    Ok(Ready { plans, _locks: locks, exporter, web, simulation })
}

/// Takes the address to listen on. The default one may be taken; one that was asked for may not.
async fn listen(asked: Option<&str>) -> Result<Option<Web>, String> {
    let text = asked.unwrap_or(DEFAULT_LISTEN);
    if text == "off" {
        return Ok(None);
    }
    let address: SocketAddr =
        text.parse().map_err(|_| format!("--listen {text} is not an address such as {DEFAULT_LISTEN}, nor `off`"))?;
    match Web::bind(address).await {
        Ok(web) => {
            if let Ok(address) = web.address() {
                output::message(format_args!("figures at http://{address}/metrics, state at http://{address}/health"));
            }
            Ok(Some(web))
        }
        Err(error) if asked.is_some() => Err(format!("cannot listen on {address}: {error}")),
        Err(error) => {
            output::warning(format_args!(
                "cannot listen on {address} ({error}): running without /metrics and /health; choose another with --listen"
            ));
            Ok(None)
        }
    }
}

impl Ready {
    async fn run(self, args: &Args) -> Exit {
        let signals = Signals::catch();
        let mut beside = JoinSet::new();
        if let Some(simulation) = self.simulation {
            for address in simulation.addresses() {
                output::message(format_args!("simulating {address}"));
            }
            beside.spawn(async move {
                if let Err(error) = simulation.serve().await {
                    output::error(error);
                }
            });
        }
        let running: Vec<Running> = self.plans.into_iter().map(Plan::start).collect();
        let observers: Vec<Observer> = running.iter().map(Running::observer).collect();
        if let Some(web) = self.web {
            let observers = observers.clone();
            let snapshots: Snapshots = Arc::new(move || observers.iter().map(Observer::snapshot).collect());
            let exporter = Arc::clone(&self.exporter);
            beside.spawn(async move {
                if let Err(error) = web.serve(exporter, snapshots).await {
                    output::error(format_args!("/metrics and /health stopped: {error}"));
                }
            });
        }
        beside.spawn(status::lines(observers.clone()));

        let stop = CancellationToken::new();
        beside.spawn(watch_for_the_end(signals, stop.clone(), args.limit.map(|limit| limit.0)));
        let began = tokio::time::Instant::now();
        let ends = running.into_iter().map(|one| one.run_until(stop.cancelled(), args.grace.0));
        let finished = join_all(ends).await;
        beside.shutdown().await;

        let mut exit = Exit::Well;
        for (finished, observer) in finished.iter().zip(&observers) {
            output::message(status::summary(finished, &observer.snapshot(), began.elapsed()));
            if finished.broken.is_some() {
                exit = Exit::No;
            }
        }
        exit
    }
}

/// Stops the pipelines at the first signal or when the time is over; a second signal ends the process at once.
async fn watch_for_the_end(mut signals: Signals, stop: CancellationToken, limit: Option<Duration>) {
    let over = async {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = signals.next() => output::message("stopping; once more to stop at once"),
        () = over => {}
    }
    stop.cancel();
    let echoes = async {
        loop {
            signals.next().await;
        }
    };
    let _ = tokio::time::timeout(ECHO, echoes).await;
    signals.next().await;
    output::error("stopped at once: what was on its way is not accounted for");
    std::process::exit(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_does_not_wait_for_a_name_that_is_being_looked_up() {
        let (end, ended) = std::sync::mpsc::sync_channel::<()>(1);
        let lookup = async move {
            drop(tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(60))));
            Exit::Well
        };
        let began = tokio::time::Instant::now();
        assert_eq!(block_on(lookup), Exit::Well);
        assert!(began.elapsed() < Duration::from_secs(30));
        drop(end);
    }
}
