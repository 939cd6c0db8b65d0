//! What a person at the terminal sees of a running pipeline.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use fieldflow_contract::Role;
use tokio::time::{Instant, interval};

use crate::cli::output::{self, grouped};
use crate::runtime::{Finished, Observer};
use crate::telemetry::{NodeState, PipelineSnapshot};

const EVERY: Duration = Duration::from_secs(2);

/// Prints one line a pipeline every two seconds, if somebody is looking.
pub(super) async fn lines(observers: Vec<Observer>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let began = Instant::now();
    let mut ticks = interval(EVERY);
    ticks.tick().await;
    let mut before: Vec<Figures> = observers.iter().map(|observer| Figures::of(&observer.snapshot())).collect();
    loop {
        ticks.tick().await;
        for (observer, before) in observers.iter().zip(&mut before) {
            let snapshot = observer.snapshot();
            let now = Figures::of(&snapshot);
            output::message(line(&snapshot, *before, now, began.elapsed()));
            *before = now;
        }
    }
}

/// The sums that a person wants to see.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    read: u64,
    written: u64,
    filtered: u64,
    dropped: u64,
    waiting: u64,
}

impl Figures {
    fn of(snapshot: &PipelineSnapshot) -> Self {
        let mut figures = Self::default();
        for node in &snapshot.nodes {
            match node.role {
                Role::Source => figures.read += node.sent.iter().map(|(_, records)| records).sum::<u64>(),
                Role::Sink => figures.written += node.written,
                Role::Transform => figures.filtered += node.discarded.values().sum::<u64>(),
            }
        }
        for edge in &snapshot.edges {
            figures.dropped += edge.dropped_total();
            figures.waiting += edge.depth;
        }
        figures
    }
}

fn line(snapshot: &PipelineSnapshot, before: Figures, now: Figures, elapsed: Duration) -> String {
    let rate = |before: u64, now: u64| grouped(((now - before) as f64 / EVERY.as_secs_f64()).round() as u64);
    let seconds = elapsed.as_secs();
    let mut line = format!(
        "{} {:02}:{:02}:{:02}  in {}/s  out {}/s  waiting {}  dropped {}",
        snapshot.pipeline,
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        rate(before.read, now.read),
        rate(before.written, now.written),
        grouped(now.waiting),
        grouped(now.dropped),
    );
    let running = snapshot.nodes.iter().filter(|node| node.state == NodeState::Running).count();
    let _ = write!(line, "  nodes {running}/{} running", snapshot.nodes.len());
    for node in snapshot.nodes.iter().filter(|node| !matches!(node.state, NodeState::Running | NodeState::Stopped)) {
        let _ = write!(line, "\n  {} is {}", node.name, node.state.word());
        if let Some(error) = &node.last_error {
            let _ = write!(line, ": {error}");
        }
    }
    line
}

/// How a pipeline ended, and what was left.
pub(super) fn summary(finished: &Finished, snapshot: &PipelineSnapshot, elapsed: Duration) -> String {
    let figures = Figures::of(snapshot);
    let mut text = format!(
        "{}: ran {:.1} s, {} records in, {} written, {} filtered, {} dropped",
        snapshot.pipeline,
        elapsed.as_secs_f64(),
        grouped(figures.read),
        grouped(figures.written),
        grouped(figures.filtered),
        grouped(figures.dropped),
    );
    if finished.drained && finished.unresolved == 0 && finished.left.is_empty() {
        text.push_str("; everything on its way arrived");
    }
    if !finished.drained {
        text.push_str("; the grace time was over before everything had arrived");
    }
    for edge in snapshot.edges.iter().filter(|edge| edge.depth != 0) {
        let on_disk = edge.disk_records.unwrap_or_default().min(edge.depth);
        for (what, records) in [("safe on disk for the next run", on_disk), ("left", edge.depth - on_disk)] {
            if records != 0 {
                let _ = write!(text, "\n  {what} in {} -> {}: {} records", edge.from, edge.to, grouped(records));
            }
        }
    }
    if finished.unresolved != 0 {
        let _ = write!(text, "\n  not acknowledged: {} batches", grouped(finished.unresolved));
    }
    if let Some((node, cause)) = &finished.broken {
        let _ = write!(text, "\n  node `{node}` could not go on: {cause}");
    }
    text
}
