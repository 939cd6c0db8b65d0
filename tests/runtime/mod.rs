//! The runtime driven by probes, on paused time: what is promised about edges, acks, troubles and the end.

mod durable;
mod lanes;
mod part;
pub(crate) mod probes;
mod saved;

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use fieldflow::config::{self, ProcessEnv};
use fieldflow::diagnostics::Report;
use fieldflow::graph;
use fieldflow::runtime::{Environment, Finished, Observer, Plan, Running, TimerClock};
use fieldflow::telemetry::{EdgeSnapshot, Exporter, NodeSnapshot};
use fieldflow_contract::{NodeKind, Outcome, Timestamp};
use probes::probe;

const GRACE: Duration = Duration::from_secs(10);

static KINDS: LazyLock<Vec<&'static dyn NodeKind>> = LazyLock::new(|| {
    let probes: [&'static dyn NodeKind; 8] = [
        &probes::ScriptSource,
        &probes::MineTransform,
        &probes::ProbeSink,
        &probes::ClockTransform,
        &probes::DelayTransform,
        &saved::CountSource,
        &saved::CountTransform,
        &saved::CountSink,
    ];
    fieldflow_nodes::BUILTIN.iter().copied().chain(probes).collect()
});

/// A pipeline of the nodes and edges in this YAML, ready to start.
pub(crate) fn plan(body: &str, exporter: &Exporter) -> Plan {
    // Kept: the pipeline may write into it for as long as it runs.
    plan_in(&tempfile::tempdir().unwrap().keep(), body, exporter, false)
}

/// The same with a data folder that outlives it, and what the engine is told of the time.
pub(crate) fn plan_in(dir: &Path, body: &str, exporter: &Exporter, virtual_time: bool) -> Plan {
    let path = dir.join("test.yaml");
    std::fs::write(&path, format!("version: 1\nname: test\n{body}")).unwrap();
    let mut report = Report::default();
    let graph = config::load(&path, &KINDS, &ProcessEnv, &mut report).and_then(|file| graph::check(&file, &mut report));
    assert!(!report.has_errors(), "{}", report.render_human(false));
    let clock = Arc::new(TimerClock::starting(Timestamp(0)));
    let environment = Environment { data_dir: dir.to_owned(), clock, virtual_time, exporter };
    Plan::new(&graph.unwrap(), &environment).unwrap()
}

fn start(body: &str) -> Running {
    plan(body, &Exporter::new().unwrap()).start()
}

async fn run_to_end(body: &str) -> (Finished, Observer) {
    let running = start(body);
    let observer = running.observer();
    let finished = running.run_until(std::future::pending(), GRACE).await;
    assert_eq!(observer.snapshot().unaccounted(), 0);
    (finished, observer)
}

fn node(observer: &Observer, name: &str) -> NodeSnapshot {
    observer.snapshot().nodes.into_iter().find(|node| node.name == name).unwrap()
}

fn edge(observer: &Observer, from: &str, to: &str) -> EdgeSnapshot {
    observer.snapshot().edges.into_iter().find(|edge| edge.from == from && edge.to == to).unwrap()
}

fn numbers(range: std::ops::Range<i64>) -> Vec<i64> {
    range.collect()
}

#[tokio::test(start_paused = true)]
async fn everything_arrives_in_order_and_is_acknowledged() {
    let (finished, _) = run_to_end(
        "nodes: { a: { type: script, id: order.a, batches: 50 }, b: { type: probe, id: order.b } }\nedges: [a -> b]",
    )
    .await;
    assert!(finished.drained && finished.broken.is_none() && finished.left.is_empty());
    assert_eq!(probe("order.b").written(), numbers(0..500));
    assert_eq!(probe("order.a").outcomes(), [Outcome::Delivered; 50]);
}

#[tokio::test]
async fn a_batch_is_as_bad_as_its_worst_branch() {
    let (_, observer) = run_to_end(
        "nodes: { a: { type: script, id: fan.a, batches: 3 }, b: { type: probe, id: fan.b }, c: { type: probe, id: fan.c, reject: 15 } }\n\
         edges: [a -> b, a -> c]",
    )
    .await;
    assert_eq!(probe("fan.a").outcomes(), [Outcome::Delivered, Outcome::Rejected, Outcome::Delivered]);
    assert_eq!(probe("fan.b").written(), numbers(0..30));
    assert_eq!(
        probe("fan.c").written(),
        [numbers(0..10), numbers(20..30)].concat(),
        "its neighbours in the write pass"
    );
    assert_eq!(node(&observer, "c").discarded["rejected"], 10);
}

#[tokio::test(start_paused = true)]
async fn what_a_sink_rejects_leaves_by_its_rejected_port() {
    let (_, observer) = run_to_end(
        "nodes: { a: { type: script, id: dlq.a, batches: 3 }, b: { type: probe, id: dlq.b, reject: 15 }, c: { type: probe, id: dlq.c } }\n\
         edges: [a -> b, b.rejected -> c]",
    )
    .await;
    assert_eq!(probe("dlq.c").written(), numbers(10..20));
    assert_eq!(probe("dlq.a").outcomes()[1], Outcome::Rejected);
    assert!(node(&observer, "b").discarded.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_blocked_sink_holds_its_ancestors_and_loses_nothing() {
    let sink = probe("block.b");
    sink.open.send_replace(false);
    let running = start(
        "nodes: { a: { type: script, id: block.a, batches: 100 }, b: { type: probe, id: block.b } }\n\
         edges: [{ a -> b: { capacity: 40 } }]",
    );
    let observer = running.observer();
    let watch = observer.clone();
    let run = running.run_until(std::future::pending(), GRACE);
    let look = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        let edge = edge(&watch, "a", "b");
        assert_eq!((edge.depth, edge.dropped_total()), (40, 0));
        // The sink holds 20 records, the edge 40, and the source waits with its next batch.
        assert_eq!(node(&watch, "a").source.unwrap().sent, 7);
        assert!(Duration::from_secs(59) < edge.blocked && Duration::from_secs(59) < edge.oldest_age);
        sink.open.send_replace(true);
    };
    let (finished, ()) = tokio::join!(run, look);
    assert!(finished.drained);
    assert_eq!(sink.written(), numbers(0..1000));
    assert_eq!(edge(&observer, "a", "b").high_water, 40);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_drops_tells_exactly_what_and_spares_the_other_sink() {
    for (policy, kept) in [
        // The first batch is in the stopped sink's hands; of the rest the edge keeps 50 records.
        ("drop_oldest", [numbers(0..10), numbers(950..1000)].concat()),
        ("drop_newest", numbers(0..60)),
        // Each time it is full it keeps the newest record of ten tags; since the last time three more batches came.
        ("conflate", [numbers(0..10), numbers(960..1000)].concat()),
    ] {
        let (stopped, free, source) =
            (format!("{policy}.stopped"), format!("{policy}.free"), format!("{policy}.source"));
        probe(&stopped).open.send_replace(false);
        let running = start(&format!(
            "nodes: {{ a: {{ type: script, id: {source}, batches: 100, every: 10ms }}, \
             stopped: {{ type: probe, id: {stopped} }}, free: {{ type: probe, id: {free} }} }}\n\
             edges: [a -> free, {{ a -> stopped: {{ capacity: 50, when_full: {policy} }} }}]"
        ));
        let observer = running.observer();
        let watch = observer.clone();
        let look = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert_eq!(probe(&free).written(), numbers(0..1000), "{policy}: the other sink gets everything");
            let edge = edge(&watch, "a", "stopped");
            assert_eq!(edge.entered, 1000);
            assert_eq!(edge.dropped_total() + edge.depth + edge.left, 1000, "{policy}");
            assert_eq!(edge.blocked, Duration::ZERO, "{policy}");
            probe(&stopped).open.send_replace(true);
        };
        tokio::join!(running.run_until(std::future::pending(), GRACE), look);
        let written = probe(&stopped).written();
        let edge = edge(&observer, "a", "stopped");
        assert_eq!(edge.dropped[policy], 1000 - written.len() as u64);
        assert_eq!(written, kept, "{policy}");
        let dropped = probe(&source).outcomes().iter().filter(|outcome| **outcome == Outcome::Dropped).count();
        assert!(dropped * 10 >= 1000 - written.len(), "{policy}: what was dropped is never told as delivered");
        assert_eq!(observer.snapshot().unaccounted(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_loses_its_link_gets_the_same_batches_again() {
    let (_, observer) = run_to_end(
        "nodes: { a: { type: script, id: retry.a, batches: 10 }, b: { type: probe, id: retry.b, fail: 5 } }\nedges: [a -> b]",
    )
    .await;
    assert_eq!(probe("retry.b").written(), numbers(0..100));
    assert_eq!(probe("retry.a").outcomes(), [Outcome::Delivered; 10]);
    assert_eq!(node(&observer, "b").errors["disconnected"], 5);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_told_once_and_ends_by_itself() {
    let (_, observer) = run_to_end(
        "nodes: { a: { type: script, id: outage.a, batches: 4, lose_after: 2, down: 30 }, b: { type: probe, id: outage.b } }\n\
         edges: [a -> b]",
    )
    .await;
    assert_eq!(probe("outage.b").written(), [numbers(0..20), vec![-1], numbers(20..40)].concat());
    let source = node(&observer, "a");
    assert_eq!(source.errors["disconnected"], 31, "it never gives up");
    assert_eq!(source.source.unwrap().sent, 5, "the outage's batch is in the ledger too");
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_its_batch_and_nobody_else() {
    let (finished, observer) = run_to_end(
        "nodes: { a: { type: script, id: panic.a, batches: 5 }, mine: { type: mine, id: panic.m, panic_on: 25 }, \
         b: { type: probe, id: panic.b }, c: { type: probe, id: panic.c } }\n\
         edges: [a -> mine -> b, a -> c]",
    )
    .await;
    assert!(finished.broken.is_none());
    assert_eq!(probe("panic.b").written(), [numbers(0..20), numbers(30..50)].concat());
    assert_eq!(probe("panic.c").written(), numbers(0..50), "the other branch runs on");
    let expected = [Outcome::Delivered, Outcome::Delivered, Outcome::Failed, Outcome::Delivered, Outcome::Delivered];
    assert_eq!(probe("panic.a").outcomes(), expected, "what was lost in the panic is not acknowledged");
    let mine = node(&observer, "mine");
    assert_eq!((mine.errors["panic"], mine.discarded["panic"]), (1, 10));
    assert!(mine.last_error.unwrap().contains("stepped on the mine"));
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_panics_once_gets_its_batches_again() {
    let (_, observer) = run_to_end(
        "nodes: { a: { type: script, id: once.a, batches: 5 }, b: { type: probe, id: once.b, panic_on: 25, panics: 1 } }\n\
         edges: [a -> b]",
    )
    .await;
    assert_eq!(probe("once.b").written(), numbers(0..50));
    assert_eq!(node(&observer, "b").errors["panic"], 1);
}

#[tokio::test]
async fn a_batch_on_which_a_sink_always_panics_is_rejected_in_the_end() {
    let (_, observer) = run_to_end(
        "nodes: { a: { type: script, id: ever.a, batches: 5 }, b: { type: probe, id: ever.b, panic_on: 25, panics: 1000 } }\n\
         edges: [a -> b]",
    )
    .await;
    assert_eq!(probe("ever.b").written(), [numbers(0..20), numbers(30..50)].concat());
    assert_eq!(probe("ever.a").outcomes()[2], Outcome::Rejected);
    assert_eq!(node(&observer, "b").discarded["rejected"], 10);
}

#[tokio::test(start_paused = true)]
async fn a_broken_node_stops_the_pipeline_and_is_named() {
    let (finished, _) = run_to_end(
        "nodes: { a: { type: script, id: broken.a, every: 10ms }, b: { type: probe, id: broken.b, break_on: 25 } }\n\
         edges: [a -> b]",
    )
    .await;
    let (name, cause) = finished.broken.unwrap();
    assert_eq!((name.as_str(), cause.message.as_str()), ("b", "the sink cannot go on"));
}

#[tokio::test(start_paused = true)]
async fn a_stop_drains_what_is_on_its_way() {
    let running = start(
        "nodes: { a: { type: script, id: stop.a, every: 10ms }, b: { type: probe, id: stop.b } }\nedges: [a -> b]",
    );
    let observer = running.observer();
    let finished = running.run_until(tokio::time::sleep(Duration::from_secs(1)), GRACE).await;
    assert!(finished.drained && finished.left.is_empty() && finished.unresolved == 0);
    let sent = node(&observer, "a").source.unwrap().sent;
    assert!((98..=100).contains(&sent), "{sent}");
    assert_eq!(probe("stop.b").written().len() as u64, sent * 10);
}

#[tokio::test(start_paused = true)]
async fn after_the_grace_time_it_says_what_was_left() {
    probe("grace.b").open.send_replace(false);
    let running = start(
        "nodes: { a: { type: script, id: grace.a, every: 10ms }, b: { type: probe, id: grace.b } }\n\
         edges: [{ a -> b: { capacity: 30 } }]",
    );
    let observer = running.observer();
    let began = tokio::time::Instant::now();
    let finished = running.run_until(tokio::time::sleep(Duration::from_secs(1)), GRACE).await;
    assert_eq!(began.elapsed().as_secs(), 11);
    assert!(!finished.drained);
    assert_eq!(finished.left, [("a -> b".to_owned(), 30)]);
    assert_eq!(finished.unresolved, node(&observer, "a").source.unwrap().sent);
    assert!(probe("grace.a").outcomes().iter().all(|outcome| *outcome == Outcome::Failed));
}

/// On two workers and real time: scrapes race with drops, a fan-out, a filter and panics, and the ledger adds up in each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_adds_up_at_every_scrape() {
    let exporter = Exporter::new().unwrap();
    let running = plan(
        "nodes: { a: { type: script, id: ledger.a, records: 100, tags: 7 }, mine: { type: mine, id: ledger.m, panic_on: 5000 }, \
         same: { type: dedupe }, b: { type: probe, id: ledger.b, reject: 70000 }, c: { type: probe, id: ledger.c }, \
         d: { type: probe, id: ledger.d, fail: 3 } }\n\
         edges: [a -> mine -> b, { a -> same -> c: { capacity: 300, when_full: drop_oldest } }, { a -> d: { capacity: 500, when_full: conflate } }]",
        &exporter,
    )
    .start();
    let observer = running.observer();
    let scraper = observer.clone();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let run = running.run_until(async { drop(stopped.await) }, GRACE);
    let scrape = async move {
        let mut dropped = 0;
        for _ in 0..2000 {
            let snapshot = scraper.snapshot();
            dropped = snapshot.edges.iter().map(EdgeSnapshot::dropped_total).sum();
            let text = exporter.render(&[snapshot]);
            assert!(text.contains("fieldflow_unaccounted_records{pipeline=\"test\"} 0\n"), "{text}");
            tokio::task::yield_now().await;
        }
        drop(stop);
        dropped
    };
    let (finished, dropped) = tokio::join!(run, scrape);
    assert!(finished.drained && finished.broken.is_none(), "{finished:?}");
    assert!(dropped != 0 && node(&observer, "mine").errors["panic"] == 1, "the run had drops and a panic");
    assert_eq!(observer.snapshot().unaccounted(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_input_that_never_pauses_does_not_hold_up_the_ticks() {
    let sink = probe("tick.c");
    sink.open.send_replace(false);
    let running = start(
        "nodes: { a: { type: script, id: tick.a, batches: 200 }, b: { type: clock, every: 1s }, c: { type: probe, id: tick.c } }\n\
         edges: [{ a -> b: { capacity: 4000 } }, { b -> c: { capacity: 10 } }]",
    );
    // While the sink holds everything up, the edge before the clock fills, and a tick becomes due.
    let open = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        sink.open.send_replace(true);
    };
    tokio::join!(running.run_until(std::future::pending(), GRACE), open);
    let ticks: Vec<usize> =
        sink.written().iter().enumerate().filter(|(_, value)| **value == -7).map(|(at, _)| at).collect();
    assert!(matches!(ticks[..], [at] if at < 100), "one after a minute, and not after all the rest: {ticks:?}");
}

#[tokio::test(start_paused = true)]
async fn only_what_is_safe_counts_as_written() {
    let (finished, observer) = run_to_end(
        "nodes: { a: { type: script, id: wrote.a, batches: 6 }, b: { type: probe, id: wrote.b, reject: 15, break_on: 45 } }\n\
         edges: [a -> b]",
    )
    .await;
    assert!(finished.broken.is_some());
    assert_eq!(node(&observer, "b").written, probe("wrote.b").written().len() as u64);
    assert!(node(&observer, "b").written < node(&observer, "b").received);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_beside_its_reads_harms_nobody() {
    let (finished, observer) = run_to_end(
        "nodes: { a: { type: script, id: harm.a, batches: 4, ack_panics: 1, lose_after: 0, outage_panics: true }, b: { type: probe, id: harm.b } }\n\
         edges: [a -> b]",
    )
    .await;
    assert_eq!(finished.broken, None);
    assert_eq!(probe("harm.b").written(), numbers(0..40));
    assert_eq!(probe("harm.a").outcomes(), [Outcome::Delivered; 3], "all but the one it did not want to hear");
    assert_eq!(node(&observer, "a").errors["panic"], 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_transform_holds_back_is_acknowledged_when_it_let_go() {
    let sink = probe("hold.c");
    let running = start(
        "nodes: { a: { type: script, id: hold.a, batches: 5, every: 1s }, b: { type: delay, batches: 2 }, c: { type: probe, id: hold.c } }\n\
         edges: [a -> b -> c]",
    );
    let looks = async {
        tokio::time::sleep(Duration::from_millis(4500)).await;
        assert_eq!((sink.written(), probe("hold.a").outcomes().len()), (numbers(0..20), 2), "two of four are held");
    };
    tokio::join!(running.run_until(std::future::pending(), GRACE), looks);
    assert_eq!(sink.written(), numbers(0..50), "what is held at the end goes out");
    assert_eq!(probe("hold.a").outcomes(), [Outcome::Delivered; 5]);
}

#[tokio::test(start_paused = true)]
async fn what_is_held_back_when_a_transform_panics_has_failed() {
    let (finished, observer) = run_to_end(
        "nodes: { a: { type: script, id: held.a, batches: 6 }, b: { type: delay, batches: 2, panic_on: 30 }, c: { type: probe, id: held.c } }\n\
         edges: [a -> b -> c]",
    )
    .await;
    assert!(finished.broken.is_none() && node(&observer, "b").errors["panic"] == 1);
    let [delivered, failed] = [Outcome::Delivered, Outcome::Failed];
    assert_eq!(probe("held.a").outcomes(), [delivered, failed, failed, failed, delivered, delivered]);
    assert_eq!(probe("held.c").written(), [numbers(0..10), numbers(40..60)].concat());
}
