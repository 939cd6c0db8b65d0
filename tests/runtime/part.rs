//! A sink that writes record by record refuses some of a batch.

use fieldflow_contract::Outcome;

use super::probes::probe;
use super::{node, run_to_end};

#[tokio::test(start_paused = true)]
async fn only_the_records_that_were_refused_leave_by_rejected() {
    let (finished, observer) = run_to_end(
        "nodes: { a: { type: script, id: part.a, batches: 3 }, b: { type: probe, id: part.b, reject_record: 15 }, c: { type: probe, id: part.c } }\n\
         edges: [a -> b, b.rejected -> c]",
    )
    .await;
    assert!(finished.broken.is_none() && finished.drained);
    let written: Vec<i64> = (0..30).filter(|n| *n != 15).collect();
    assert_eq!((probe("part.b").written(), probe("part.c").written()), (written, vec![15]));
    assert_eq!(probe("part.a").outcomes(), [Outcome::Delivered, Outcome::Rejected, Outcome::Delivered]);
    assert_eq!(node(&observer, "b").written, 29);
}
