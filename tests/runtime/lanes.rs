//! Live data that goes first, and records that wait for a link that takes them.

use std::sync::atomic::Ordering;

use fieldflow_contract::Outcome;

use super::durable::{run, until};
use super::probes::probe;
use super::{edge, numbers};

#[tokio::test]
async fn what_comes_new_does_not_wait_behind_a_backlog_and_each_of_the_two_is_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (old, sink) = (probe("l1.a"), probe("l1.b"));
    sink.open.send_replace(false);
    let body = |id: &str, batches: u32| {
        format!(
            "nodes: {{ a: {{ type: script, id: {id}, batches: {batches}, every: 1ms }}, b: {{ type: probe, id: l1.b }} }}\n\
             edges: [{{ a -> b: {{ durable: true, capacity: 100, replay: {{ share: 25%, rate: 2000 }} }} }}]"
        )
    };
    run(dir.path(), &body("l1.a", 300), async { until(|| old.outcomes() == [Outcome::Delivered; 300]).await }).await;
    sink.open.send_replace(true);
    let (finished, observer) = run(dir.path(), &body("l1.c", 100), std::future::pending()).await;
    assert!(finished.drained && probe("l1.c").outcomes() == [Outcome::Delivered; 100], "{finished:?}");
    // The same numbers came twice: 0..3000 waited, 0..1000 are new.
    let written = sink.written();
    assert_eq!(written.len(), 4000);
    let new = written.iter().take(3500).filter(|number| **number < 1000).count();
    // Without a lane of its own it were 1,500. What is new and finds no room in memory is left to the backlog.
    assert!(1900 <= new, "what is new has come long before the backlog is through: {new}");
    let marked = sink.replayed.load(Ordering::SeqCst);
    assert!((3000..3200).contains(&marked), "{marked} were read from the disk");
    // What waited is in order among what came new.
    let waited: Vec<i64> = written.iter().copied().filter(|number| 1000 <= *number).collect();
    assert_eq!(waited, numbers(1000..3000));
    assert_eq!(edge(&observer, "a", "b").left, 4000);
}

#[tokio::test]
async fn what_a_link_does_not_take_waits_on_disk_and_holds_up_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (source, sink) = (probe("l2.a"), probe("l2.b"));
    let body = "nodes: { a: { type: script, id: l2.a, batches: 300, records: 1 }, b: { type: probe, id: l2.b, narrow: 10 } }\n\
                edges: [{ a -> b: { durable: true, capacity: 100 } }]";
    let widen = async {
        until(|| sink.written().len() == 30).await;
        assert!(sink.written().iter().all(|number| number % 10 == 0), "{:?}", sink.written());
        sink.wide.send_replace(true);
        std::future::pending::<()>().await;
    };
    let (finished, observer) = run(dir.path(), body, widen).await;
    assert!(finished.drained, "{finished:?}");
    assert_eq!(source.outcomes(), [Outcome::Delivered; 300]);
    let (early, late) = (sink.written()[..30].to_vec(), sink.written()[30..].to_vec());
    assert!(early.is_sorted() && late.is_sorted(), "{late:?}");
    let mut all = [early, late].concat();
    all.sort_unstable();
    assert_eq!(all, numbers(0..300), "each once");
    assert_eq!(edge(&observer, "a", "b").left, 300);
}

#[tokio::test]
async fn what_waits_for_a_link_does_not_hold_up_the_end_and_comes_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let sink = probe("l3.b");
    let body = |batches: u32| {
        format!(
            "nodes: {{ a: {{ type: script, id: l3.a, batches: {batches}, records: 1 }}, b: {{ type: probe, id: l3.b, narrow: 10 }} }}\n\
             edges: [{{ a -> b: {{ durable: true, capacity: 100 }} }}]"
        )
    };
    let (finished, _) = run(dir.path(), &body(100), async { until(|| sink.written().len() == 10).await }).await;
    assert_eq!((finished.drained, finished.left.iter().map(|left| left.1).sum::<u64>()), (true, 90));
    sink.wide.send_replace(true);
    run(dir.path(), &body(0), std::future::pending()).await;
    let mut all = sink.written();
    all.sort_unstable();
    assert_eq!(all, numbers(0..100), "each once, although the first ten were done out of turn");
}
