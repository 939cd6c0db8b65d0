//! Durable and spilling edges, most on real time: their file is real.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fieldflow::runtime::{Finished, Observer};
use fieldflow::telemetry::Exporter;
use fieldflow_contract::Outcome;
use rusqlite::Connection;

use super::probes::probe;
use super::{edge, numbers, plan_in};

/// Runs a pipeline of this folder until its input ends, or for as long as `until` takes.
pub(super) async fn run(dir: &Path, body: &str, until: impl Future<Output = ()>) -> (Finished, Observer) {
    let running = plan_in(dir, body, &Exporter::new().unwrap(), false).start();
    let observer = running.observer();
    let finished = running.run_until(until, Duration::from_millis(300)).await;
    assert_eq!(observer.snapshot().unaccounted(), 0);
    (finished, observer)
}

/// Waits for something that is bound to happen.
pub(super) async fn until(mut happened: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if happened() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen within ten seconds");
}

fn state(dir: &Path) -> Connection {
    Connection::open(dir.join("test/state.db")).unwrap()
}

fn count(dir: &Path, table: &str) -> i64 {
    state(dir).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn everything_passes_a_durable_edge_in_order_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let body = "nodes: { a: { type: script, id: d1.a, batches: 300 }, b: { type: probe, id: d1.b } }\n\
                edges: [{ a -> b: { durable: true, capacity: 200 } }]";
    let (finished, observer) = run(dir.path(), body, std::future::pending()).await;
    assert!(finished.drained && finished.left.is_empty(), "{finished:?}");
    assert_eq!(probe("d1.b").written(), numbers(0..3000));
    assert_eq!(probe("d1.a").outcomes(), [Outcome::Delivered; 300]);
    let edge = edge(&observer, "a", "b");
    assert_eq!((edge.entered, edge.left, edge.depth, edge.disk_records), (3000, 3000, 0, Some(0)));
    assert_eq!(count(dir.path(), "batches"), 0);
}

#[tokio::test]
async fn what_is_committed_is_acknowledged_and_comes_after_a_restart_and_an_edit() {
    let dir = tempfile::tempdir().unwrap();
    let (source, sink) = (probe("d2.a"), probe("d2.b"));
    sink.open.send_replace(false);
    let nodes = "a: { type: script, id: d2.a, batches: 100 }, b: { type: probe, id: d2.b }";
    let body = format!("nodes: {{ {nodes} }}\nedges: [{{ a -> b: {{ durable: true, capacity: 100 }} }}]");
    let acknowledged = async { until(|| source.outcomes() == [Outcome::Delivered; 100]).await };
    let (finished, _) = run(dir.path(), &body, acknowledged).await;
    assert!(!finished.drained && finished.unresolved == 0, "acknowledged without a sink: {finished:?}");
    assert_eq!(finished.left.iter().map(|left| left.1).sum::<u64>(), 1000);

    sink.open.send_replace(true);
    let edited = "nodes: { b: { type: probe, id: d2.b, fail: 1 }, a: { type: script, id: d2.c, batches: 0 } }\n\
                  edges: [{ a -> b: { durable: true, max_age: 7d, max_bytes: 2GiB, when_full: drop_oldest } }]";
    let (finished, observer) = run(dir.path(), edited, std::future::pending()).await;
    assert!(finished.drained);
    assert_eq!(sink.written(), numbers(0..1000));
    assert_eq!(sink.replayed.load(Ordering::SeqCst), 1000, "what waited on disk says so");
    assert_eq!(edge(&observer, "a", "b").entered, 1000, "what was found is in the ledger");
    run(dir.path(), edited, std::future::pending()).await;
    assert_eq!(sink.written().len(), 1000, "and it comes once");
}

#[tokio::test]
async fn a_spilling_edge_keeps_the_order_and_goes_back_to_memory() {
    let dir = tempfile::tempdir().unwrap();
    let (source, sink) = (probe("d3.a"), probe("d3.b"));
    sink.open.send_replace(false);
    let body = "nodes: { a: { type: script, id: d3.a, batches: 200, every: 1ms }, b: { type: probe, id: d3.b } }\n\
                edges: [{ a -> b: { when_full: spill, capacity: 100 } }]";
    let open = async {
        until(|| 100 <= source.outcomes().len()).await;
        sink.open.send_replace(true);
        std::future::pending::<()>().await;
    };
    let (finished, observer) = run(dir.path(), body, open).await;
    assert!(finished.drained, "{finished:?}");
    assert_eq!(sink.written(), numbers(0..2000));
    assert_eq!(source.outcomes(), [Outcome::Delivered; 200]);
    let spilled = sink.replayed.load(Ordering::SeqCst);
    assert!(spilled != 0 && spilled < 2000, "some went over the disk and some did not: {spilled}");
    assert_eq!(edge(&observer, "a", "b").left, 2000);
}

#[tokio::test]
async fn a_full_disk_quota_gives_up_the_oldest_and_counts_them() {
    let dir = tempfile::tempdir().unwrap();
    let (source, sink) = (probe("d4.a"), probe("d4.b"));
    sink.open.send_replace(false);
    let body = "nodes: { a: { type: script, id: d4.a, batches: 500 }, b: { type: probe, id: d4.b } }\n\
                edges: [{ a -> b: { durable: true, capacity: 100, max_bytes: 8KiB, when_full: drop_oldest } }]";
    let open = async {
        until(|| source.outcomes().len() == 500).await;
        sink.open.send_replace(true);
        std::future::pending::<()>().await;
    };
    let (_, observer) = run(dir.path(), body, open).await;
    let (edge, written) = (edge(&observer, "a", "b"), sink.written());
    assert_eq!(edge.dropped["drop_oldest"] + written.len() as u64, 5000);
    assert!(
        written.len() < 4000 && written.is_sorted() && written.ends_with(&numbers(4900..5000)),
        "{}",
        written.len()
    );
}

#[tokio::test]
async fn a_quota_holds_although_the_consumer_was_never_there() {
    let dir = tempfile::tempdir().unwrap();
    let source = probe("d20.a");
    let body = "nodes: { a: { type: script, id: d20.a, batches: 500 }, b: { type: probe, id: d20.b, away: true } }\n\
                edges: [{ a -> b: { durable: true, capacity: 100, max_bytes: 8KiB, when_full: drop_oldest } }]";
    let (_, observer) = run(dir.path(), body, until(|| source.outcomes().len() == 500)).await;
    let edge = edge(&observer, "a", "b");
    assert!(edge.disk_bytes.unwrap() < 16 << 10 && edge.dropped["drop_oldest"] != 0, "{edge:?}");
}

#[tokio::test]
async fn a_backlog_that_may_grow_too_old_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let source = probe("d21.a");
    probe("d21.b").open.send_replace(false);
    let body = "nodes: { a: { type: script, id: d21.a, batches: 100 }, b: { type: probe, id: d21.b } }\n\
                edges: [{ a -> b: { durable: true, capacity: 100, max_age: 7d } }]";
    let since = tokio::time::Instant::now();
    run(dir.path(), body, until(|| source.outcomes().len() == 100)).await;
    assert!(since.elapsed() < Duration::from_secs(4), "{:?}", since.elapsed());
    assert!(!dir.path().join("test/state.db-wal").metadata().is_ok_and(|log| log.len() != 0), "closed in peace");
}

#[tokio::test]
async fn a_replay_keeps_to_its_rate() {
    let dir = tempfile::tempdir().unwrap();
    let (source, sink) = (probe("d5.a"), probe("d5.b"));
    sink.open.send_replace(false);
    let body = |batches: u32| {
        format!(
            "nodes: {{ a: {{ type: script, id: d5.a, batches: {batches} }}, b: {{ type: probe, id: d5.b }} }}\n\
             edges: [{{ a -> b: {{ durable: true, capacity: 20, replay: {{ rate: 1000 }} }} }}]"
        )
    };
    run(dir.path(), &body(60), async { until(|| source.outcomes().len() == 60).await }).await;
    sink.open.send_replace(true);
    let began = tokio::time::Instant::now();
    run(dir.path(), &body(0), std::future::pending()).await;
    assert_eq!(sink.written(), numbers(0..600));
    assert!(Duration::from_millis(500) < began.elapsed(), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_batch_that_keeps_failing_behind_a_durable_edge_becomes_a_dead_letter() {
    let dir = tempfile::tempdir().unwrap();
    let body = "nodes: { a: { type: script, id: d6.a, batches: 5 }, mine: { type: mine, id: d6.m, panic_on: 25 }, b: { type: probe, id: d6.b } }\n\
                edges: [{ a -> mine: { durable: true } }, mine -> b]";
    let (finished, _) = run(dir.path(), body, std::future::pending()).await;
    assert!(finished.drained, "{finished:?}");
    let mut written = probe("d6.b").written();
    written.sort_unstable();
    assert_eq!(written, [numbers(0..20), numbers(30..50)].concat());
    assert_eq!(probe("d6.a").outcomes(), [Outcome::Delivered; 5], "it is safe, if only as a dead letter");
    let (node, records): (String, String) = state(dir.path())
        .query_row("SELECT node, records FROM dead_letters", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap();
    assert_eq!((node.as_str(), records.lines().count()), ("test/a.out/mine", 10));
    assert!(records.contains(r#""tag":"script.5","value":25}"#), "{records}");
}

#[tokio::test]
async fn what_a_sink_rejects_with_nobody_to_take_it_is_a_dead_letter() {
    let dir = tempfile::tempdir().unwrap();
    let body = "nodes: { a: { type: script, id: d7.a, batches: 3 }, b: { type: probe, id: d7.b, reject: 15 } }\nedges: [a -> b]";
    run(dir.path(), body, std::future::pending()).await;
    let reason: String = state(dir.path()).query_row("SELECT reason FROM dead_letters", [], |row| row.get(0)).unwrap();
    assert_eq!(reason, "the sink will not have it");
    assert_eq!(probe("d7.a").outcomes()[1], Outcome::Rejected);
}

#[tokio::test]
async fn a_file_that_rots_while_it_is_in_use_is_set_aside_and_new_records_pass() {
    let dir = tempfile::tempdir().unwrap();
    let (source, sink) = (probe("d8.a"), probe("d8.b"));
    sink.open.send_replace(false);
    let body = "nodes: { a: { type: script, id: d8.a, every: 1ms }, b: { type: probe, id: d8.b } }\n\
                edges: [{ a -> b: { durable: true, capacity: 50 } }]";
    let path = dir.path().join("test/state.db");
    let rot = async {
        until(|| 300 < source.outcomes().len()).await;
        state(dir.path()).query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        let size = std::fs::metadata(&path).unwrap().len();
        let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        // Everything but the first pages: the batches and what leads to them.
        std::os::unix::fs::FileExt::write_all_at(&file, &vec![0x5A; size as usize - 8 * 4096], 8 * 4096).unwrap();
        let sent = source.outcomes().len() as i64 * 10;
        sink.open.send_replace(true);
        until(|| sink.written().last().is_some_and(|last| sent < *last)).await;
    };
    let (_, observer) = run(dir.path(), body, rot).await;
    let edge = edge(&observer, "a", "b");
    let lost = edge.dropped.values().sum::<u64>();
    assert!(0 < lost && sink.written().is_sorted(), "{lost} {:?}", edge.dropped);
    let files = std::fs::read_dir(dir.path().join("test")).unwrap();
    let aside =
        files.filter(|file| file.as_ref().unwrap().file_name().to_string_lossy().starts_with("state.db.corrupt"));
    assert_eq!(aside.count(), 1, "and only the file that was damaged");
}

#[tokio::test(start_paused = true)]
async fn on_virtual_time_a_run_with_files_is_the_same_every_time() {
    let mut first = None;
    for round in 0..10 {
        let (dir, id) = (tempfile::tempdir().unwrap(), |name: &str| format!("d22.{round}.{name}"));
        let body = format!(
            "nodes: {{ a: {{ type: script, id: {}, batches: 300, every: 3ms }}, b: {{ type: probe, id: {}, fail: 7 }}, \
             c: {{ type: probe, id: {}, reject: 1234 }} }}\n\
             edges: [{{ a -> b: {{ durable: true, capacity: 100 }} }}, {{ a -> c: {{ when_full: spill, capacity: 20 }} }}]",
            id("a"),
            id("b"),
            id("c")
        );
        probe(&id("c")).open.send_replace(false);
        // The jitter of what waits before it tries again.
        fastrand::seed(7);
        let began = tokio::time::Instant::now();
        let running = plan_in(dir.path(), &body, &Exporter::new().unwrap(), true).start();
        let observer = running.observer();
        let open = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            probe(&id("c")).open.send_replace(true);
            std::future::pending::<()>().await;
        };
        let finished = running.run_until(open, Duration::from_secs(10)).await;
        assert!(finished.drained && began.elapsed() < Duration::from_secs(60), "{finished:?}");
        assert_eq!(probe(&id("b")).written(), numbers(0..3000));
        assert_ne!(probe(&id("c")).replayed.load(Ordering::SeqCst), 0, "what waited on disk was read back");
        let told = probe(&id("a")).outcomes.lock().unwrap().clone();
        let all = (began.elapsed(), told, probe(&id("c")).written(), format!("{:?}", observer.snapshot()));
        assert_eq!(*first.get_or_insert_with(|| all.clone()), all);
    }
}
