//! The input of a node: all edges that end at it, served in turn.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Poll;

use super::edge::{Arrival, EdgeReceiver};

/// The edges that end at one node.
pub(super) struct Inbox {
    /// The first is looked at first and goes to the end, so that a busy edge cannot starve the others.
    edges: VecDeque<EdgeReceiver>,
}

impl Inbox {
    pub(super) fn new(edges: Vec<EdgeReceiver>) -> Self {
        Self { edges: edges.into() }
    }

    /// The next delivery; `None` when all edges are closed and empty. Dropping the future loses nothing.
    pub(super) async fn recv(&mut self) -> Option<Arrival> {
        poll_fn(|cx| {
            // Every edge is polled before this waits: only a polled edge wakes the node.
            for _ in 0..self.edges.len() {
                let Some(mut edge) = self.edges.pop_front() else { break };
                let polled = edge.poll_recv(cx);
                if !matches!(polled, Poll::Ready(None)) {
                    self.edges.push_back(edge);
                }
                if let Poll::Ready(Some(arrival)) = polled {
                    return Poll::Ready(Some(arrival));
                }
            }
            if self.edges.is_empty() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// The next delivery, if one waits on any edge.
    pub(super) fn try_recv(&mut self) -> Option<Arrival> {
        for _ in 0..self.edges.len() {
            let mut edge = self.edges.pop_front()?;
            let arrival = edge.try_recv();
            self.edges.push_back(edge);
            if arrival.is_some() {
                return arrival;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::edge::{EdgeSender, edge};
    use super::*;
    use crate::graph::EdgeOptions;
    use fieldflow_contract::{Batch, Delivery, Record, Tag, Timestamp, Value};
    use futures_util::FutureExt as _;

    fn edges(count: usize) -> (Vec<Option<EdgeSender>>, Inbox) {
        let ends = (0..count).map(|at| edge(at.to_string(), "node".to_owned(), &EdgeOptions::default()));
        let (senders, receivers) = ends.map(|(sender, receiver, _)| (Some(sender), receiver)).unzip();
        (senders, Inbox::new(receivers))
    }

    async fn send(sender: Option<&EdgeSender>, value: i64) {
        let record = Record::good(Tag::new("inbox.test").unwrap(), Timestamp(0), Value::I64(value));
        sender.unwrap().send(Delivery::unacked(Batch::one(record, Timestamp(0)))).await;
    }

    fn value(arrival: Option<&Arrival>) -> Option<i64> {
        arrival.map(|arrival| match arrival.delivery.batch.records()[0].value {
            Value::I64(value) => value,
            _ => unreachable!(),
        })
    }

    /// Whatever the order in which edges fill and close, one look sees everything that is there.
    #[tokio::test]
    async fn a_delivery_is_seen_although_other_edges_close_at_the_same_moment() {
        for count in 1..6_usize {
            for start in 0..count {
                for closed in 0..1_u32 << count {
                    for full in (0..count).filter(|at| closed >> at & 1 == 0) {
                        let (mut senders, mut inbox) = edges(count);
                        // Moves the turn to `start`.
                        for sender in &senders[..start] {
                            send(sender.as_ref(), 0).await;
                            assert!(inbox.recv().await.is_some());
                        }
                        (0..count).filter(|at| closed >> at & 1 == 1).for_each(|at| senders[at] = None);
                        send(senders[full].as_ref(), 7).await;
                        let seen = inbox.recv().now_or_never();
                        assert_eq!(value(seen.flatten().as_ref()), Some(7), "{count} {start} {closed:b} {full}");
                    }
                }
            }
        }
    }

    #[tokio::test]
    async fn edges_are_served_in_turn() {
        let (senders, mut inbox) = edges(3);
        for round in 0..2 {
            for (at, sender) in senders.iter().enumerate() {
                send(sender.as_ref(), (10 * at + round) as i64).await;
            }
        }
        let mut seen = Vec::new();
        for _ in 0..3 {
            seen.extend(value(inbox.recv().await.as_ref()));
            seen.extend(value(inbox.try_recv().as_ref()));
        }
        assert_eq!(seen, [0, 10, 20, 1, 11, 21]);
        drop(senders);
        assert!(inbox.recv().await.is_none() && inbox.recv().await.is_none());
    }
}
