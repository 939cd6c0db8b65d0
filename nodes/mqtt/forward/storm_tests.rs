//! A broker that acknowledges in any order, forgets every session, and goes before it has acknowledged all: fifty times.

use std::collections::BTreeSet;
use std::time::Duration;

use fieldflow_contract::{Batch, NodeError, Record, Sink as _, Tag, Timestamp, Value};
use serde_json::json;
use tokio::time::timeout;

use super::tests::{Peer, WELCOME, plant};

const WINDOW: usize = 10;
const DEATHS: usize = 50;
const WRITES: i64 = 40;
const BATCHES: i64 = 5;
const RECORDS: i64 = 10;

/// The numbers from one on, in batches.
fn batches(first: i64) -> Vec<Batch> {
    let tag = Tag::new("n").unwrap();
    let record = |n: i64| Record::good(tag, Timestamp(n), Value::I64(n));
    let batch = |from: i64| Batch::new((from..from + RECORDS).map(record).collect(), Timestamp(0)).unwrap();
    (0..BATCHES).map(|number| batch(first + number * RECORDS)).collect()
}

/// Takes messages, and acknowledges what it has of them in any order; ends after so many, without a word.
async fn serve(mut peer: Peer, dies_after: usize, came: &mut Vec<i64>, dice: &mut fastrand::Rng) {
    let (mut open, mut count) = (Vec::new(), 0);
    while count < dies_after {
        let wanted = dice.usize(1..=WINDOW);
        while open.len() < wanted && count < dies_after {
            // There may be no more before some are acknowledged.
            let Ok((_, payload, id)) = timeout(Duration::from_millis(5), peer.message()).await else { break };
            came.push(String::from_utf8(payload).unwrap().parse().unwrap());
            open.push(id);
            count += 1;
        }
        dice.shuffle(&mut open);
        for id in open.drain(..dice.usize(0..=open.len())) {
            peer.answer(0x40, id, 0).await;
        }
    }
}

#[tokio::test]
async fn a_broker_that_dies_fifty_times_before_it_has_acknowledged_all_loses_nothing_and_order_is_kept() {
    let seed = fastrand::u64(..);
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut plant = plant(json!({ "in_flight": WINDOW })).await;
    let (mut came, mut sessions, mut writes, mut group) = (Vec::new(), 0, 0, batches(0));
    while writes < WRITES {
        // Session present is 0: whatever was under way is forgotten.
        let peer = plant.connect(WELCOME).await;
        let dies_after = if sessions < DEATHS { dice.usize(1..60) } else { usize::MAX };
        sessions += 1;
        let session = async {
            serve(peer, dies_after, &mut came, &mut dice).await;
            std::future::pending::<()>().await;
        };
        let write = async {
            while writes < WRITES {
                // The same ones again after a loss, as the runtime gives them.
                match plant.sink.write(&group, &[]).await {
                    Ok(()) => {
                        writes += 1;
                        group = batches(writes * BATCHES * RECORDS);
                    }
                    Err(NodeError::Disconnected(_)) => return,
                    Err(error) => panic!("seed {seed}: {error}"),
                }
            }
        };
        tokio::select! {
            () = write => {}
            () = session => {}
        }
    }
    assert!(DEATHS < sessions, "seed {seed}: {sessions} sessions");
    let mut known = BTreeSet::new();
    for number in &came {
        if !known.contains(number) {
            assert!(known.last() < Some(number), "seed {seed}: {number} came first after {:?}", known.last());
            known.insert(*number);
        }
    }
    assert_eq!(known.len() as i64, WRITES * BATCHES * RECORDS, "seed {seed}");
    let again = came.len() - known.len();
    assert!(again <= WINDOW * sessions, "seed {seed}: {again} came again in {sessions} sessions");
}
