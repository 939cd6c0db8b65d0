//! The edge against a naive model of each policy.

use std::future::poll_fn;
use std::sync::mpsc::{Receiver as Told, sync_channel};

use fieldflow_contract::{Ack, Batch, Record, Tag, Timestamp, Value};
use futures_util::FutureExt as _;
use proptest::prelude::*;

use super::*;

struct Probe {
    sender: EdgeSender,
    receiver: EdgeReceiver,
    account: Arc<EdgeAccount>,
}

fn probe(capacity: usize, when_full: WhenFull) -> Probe {
    let options = EdgeOptions { capacity, when_full, ..EdgeOptions::default() };
    let (sender, receiver, account) = edge("a".to_owned(), "b".to_owned(), &options);
    Probe { sender, receiver, account }
}

/// A batch of records, each told by its tag's number and its value.
fn delivery(records: &[(u8, i64)]) -> (Delivery, Told<Outcome>) {
    let record = |&(tag, value): &(u8, i64)| {
        Record::good(Tag::new(&format!("edge.{tag}")).unwrap(), Timestamp(value), Value::I64(value))
    };
    let batch = Batch::new(records.iter().map(record).collect(), Timestamp(0)).unwrap();
    let (tell, told) = sync_channel(1);
    (Delivery { batch, ack: Ack::new(move |outcome| tell.send(outcome).unwrap_or_default()) }, told)
}

fn values(delivery: &Delivery) -> Vec<i64> {
    delivery.batch.records().iter().map(|record| record.time.0).collect()
}

impl Probe {
    /// Sends, and says whether the edge took it at once.
    fn send_now(&self, records: &[(u8, i64)]) -> (bool, Told<Outcome>) {
        let (delivery, told) = delivery(records);
        (self.sender.send(delivery).now_or_never().is_some(), told)
    }

    fn recv_now(&mut self) -> Option<Vec<i64>> {
        let delivery = self.receiver.try_recv()?.delivery;
        let values = values(&delivery);
        delivery.ack.resolve(Outcome::Delivered);
        Some(values)
    }

    async fn recv(&mut self) -> Option<Delivery> {
        poll_fn(|cx| self.receiver.poll_recv(cx)).await.map(|arrival| arrival.delivery)
    }
}

#[test]
fn capacity_is_in_records_and_a_larger_batch_passes_alone() {
    let mut probe = probe(4, WhenFull::Block);
    assert!(probe.send_now(&[(0, 1), (0, 2), (0, 3)]).0);
    assert!(!probe.send_now(&[(0, 4), (0, 5)]).0, "five records do not fit into four");
    assert!(probe.send_now(&[(0, 6)]).0);
    probe.recv_now().unwrap();
    probe.recv_now().unwrap();
    let large: Vec<(u8, i64)> = (0..9).map(|n| (0, n)).collect();
    assert!(probe.send_now(&large).0, "a batch larger than the edge passes when the edge is empty");
    assert!(!probe.send_now(&[(0, 1)]).0);
    assert_eq!(probe.recv_now().unwrap().len(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_blocked_sender_goes_on_when_there_is_room_and_its_wait_is_counted() {
    let mut probe = probe(1, WhenFull::Block);
    probe.send_now(&[(0, 1)]);
    let (second, _told) = delivery(&[(0, 2)]);
    let waited = Duration::from_secs(3);
    let (received, ()) = tokio::join!(
        async {
            tokio::time::sleep(waited).await;
            let edge = probe.account.snapshot();
            assert_eq!((edge.blocked, edge.oldest_age), (waited, waited));
            poll_fn(|cx| probe.receiver.poll_recv(cx)).await
        },
        probe.sender.send(second),
    );
    received.unwrap().delivery.ack.resolve(Outcome::Delivered);
    assert_eq!(values(&probe.recv().await.unwrap()), [2]);
    let edge = probe.account.snapshot();
    assert_eq!((edge.blocked, edge.entered, edge.left, edge.high_water), (waited, 2, 2, 1));
}

#[test]
fn bytes_are_bounded_too() {
    let options =
        EdgeOptions { capacity: 100, max_bytes: Some(100), when_full: WhenFull::DropNewest, ..EdgeOptions::default() };
    let (sender, mut receiver, account) = edge("a".to_owned(), "b".to_owned(), &options);
    for n in 0..4 {
        sender.send(delivery(&[(0, n)]).0).now_or_never().unwrap();
    }
    let edge = account.snapshot();
    assert_eq!(
        (edge.depth, edge.depth_bytes, edge.dropped_total()),
        (2, 80, 2),
        "two records of 40 bytes fit into 100"
    );
    receiver.try_recv().unwrap();
}

#[test]
fn what_is_sent_to_a_node_that_is_gone_has_failed() {
    for when_full in [WhenFull::Block, WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Conflate] {
        let probe = probe(1, when_full);
        let (waiting, told_waiting) = delivery(&[(0, 0)]);
        probe.sender.send(waiting).now_or_never().unwrap();
        drop(probe.receiver);
        let (late, told) = delivery(&[(0, 1)]);
        probe.sender.send(late).now_or_never().expect("nobody waits for a node that is gone");
        assert_eq!(told.recv(), Ok(Outcome::Failed));
        assert_eq!(probe.account.snapshot().dropped, [("receiver_gone", 1)].into());
        drop(probe.sender);
        assert_eq!(told_waiting.recv(), Ok(Outcome::Failed), "what waited was not dropped by a policy");
    }
}

/// A sink that stands still for a day: what is replaced is told at once, and nothing piles up behind what is kept.
#[test]
fn conflating_for_long_holds_no_more_acks_than_records() {
    let mut probe = probe(4, WhenFull::Conflate);
    let mut told: Vec<_> =
        (0..100_000).map(|n| probe.send_now(&[((n % 4) as u8, n), (((n + 1) % 4) as u8, n)]).1).collect();
    let waiting: u64 = probe.account.snapshot().depth;
    told.retain(|told| told.try_recv().is_err());
    assert!(told.len() as u64 <= waiting, "{} acks for {waiting} records", told.len());
    while probe.recv_now().is_some() {}
    assert!(told.iter().all(|told| told.try_recv().is_ok()));
}

#[derive(Debug, Clone)]
enum Op {
    Send(Vec<u8>),
    Recv,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let send = prop::collection::vec(0..4_u8, 1..6).prop_map(Op::Send);
    prop::collection::vec(prop_oneof![3 => send, 2 => Just(Op::Recv)], 1..60)
}

type Waiting = VecDeque<Vec<(u8, i64)>>;

/// The naive model: what waits after a batch was offered, and how many records were dropped for it.
fn offer(waiting: &mut Waiting, batch: &[(u8, i64)], capacity: usize, when_full: WhenFull) -> u64 {
    let depth = |waiting: &Waiting| waiting.iter().map(Vec::len).sum::<usize>();
    let fits = |waiting: &Waiting| waiting.is_empty() || depth(waiting) + batch.len() <= capacity;
    let before = depth(waiting) + batch.len();
    match when_full {
        _ if fits(waiting) => waiting.push_back(batch.to_vec()),
        WhenFull::Block | WhenFull::DropNewest => {}
        WhenFull::DropOldest => {
            while !fits(waiting) {
                waiting.pop_front();
            }
            waiting.push_back(batch.to_vec());
        }
        WhenFull::Conflate => {
            let all: Vec<(u8, i64)> = waiting.drain(..).flatten().chain(batch.iter().copied()).collect();
            let newest = |at: usize| all[at + 1..].iter().all(|later| later.0 != all[at].0);
            waiting.push_back((0..all.len()).filter(|&at| newest(at)).map(|at| all[at]).collect());
        }
    }
    (before - depth(waiting)) as u64
}

proptest! {
    #[test]
    fn every_policy_does_what_the_model_does(
        ops in ops(),
        capacity in 1..12_usize,
        when_full in prop::sample::select(vec![WhenFull::Block, WhenFull::DropOldest, WhenFull::DropNewest, WhenFull::Conflate]),
    ) {
        let mut probe = probe(capacity, when_full);
        let mut waiting = Waiting::new();
        let (mut next, mut offered, mut dropped) = (0, 0, 0);
        let mut told = Vec::new();
        for op in ops {
            match op {
                Op::Send(tags) => {
                    let batch: Vec<(u8, i64)> = tags.into_iter().map(|tag| { next += 1; (tag, next) }).collect();
                    let lost = offer(&mut waiting, &batch, capacity, when_full);
                    let (taken, ack) = probe.send_now(&batch);
                    if when_full == WhenFull::Block {
                        prop_assert_eq!(taken, lost == 0);
                    } else {
                        prop_assert!(taken, "only `block` waits");
                        dropped += lost;
                    }
                    if taken {
                        offered += batch.len() as u64;
                        told.push(ack);
                    }
                }
                Op::Recv => {
                    let expected = waiting.pop_front().map(|batch| batch.into_iter().map(|(_, value)| value).collect());
                    prop_assert_eq!(probe.recv_now(), expected);
                }
            }
            let edge = probe.account.snapshot();
            prop_assert_eq!(edge.entered, edge.left + edge.dropped_total() + edge.depth);
            prop_assert_eq!((edge.entered, edge.dropped_total()), (offered, dropped));
            prop_assert_eq!(edge.depth, waiting.iter().map(Vec::len).sum::<usize>() as u64);
        }
        while probe.recv_now().is_some() {}
        // Everything was taken or dropped: every ack has been told, and dropped is told for nothing but losses.
        let outcomes: Vec<Outcome> = told.iter().map(|told| told.try_recv().unwrap()).collect();
        prop_assert_eq!(outcomes.contains(&Outcome::Dropped), dropped != 0);
        prop_assert!(outcomes.iter().all(|outcome| *outcome <= Outcome::Dropped));
    }
}
