//! The input of a node: all edges that end at it, served in turn.

use std::future::poll_fn;
use std::task::Poll;

use super::edge::{Arrival, EdgeReceiver};

/// The edges that end at one node.
pub(super) struct Inbox {
    edges: Vec<EdgeReceiver>,
    /// Where the next look begins, so that a busy edge cannot starve the others.
    turn: usize,
}

impl Inbox {
    pub(super) fn new(edges: Vec<EdgeReceiver>) -> Self {
        Self { edges, turn: 0 }
    }

    /// The next delivery; `None` when all edges are closed and empty. Dropping the future loses nothing.
    pub(super) async fn recv(&mut self) -> Option<Arrival> {
        poll_fn(|cx| {
            let mut looks = self.edges.len();
            while looks != 0 {
                looks -= 1;
                let at = self.turn % self.edges.len();
                match self.edges[at].poll_recv(cx) {
                    Poll::Ready(Some(arrival)) => {
                        self.turn = at + 1;
                        return Poll::Ready(Some(arrival));
                    }
                    Poll::Ready(None) => {
                        self.edges.swap_remove(at);
                        if self.edges.is_empty() {
                            return Poll::Ready(None);
                        }
                    }
                    Poll::Pending => self.turn = at + 1,
                }
            }
            if self.edges.is_empty() { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    }

    /// The next delivery, if one waits on any edge.
    pub(super) fn try_recv(&mut self) -> Option<Arrival> {
        for _ in 0..self.edges.len() {
            let at = self.turn % self.edges.len();
            self.turn = at + 1;
            if let Some(arrival) = self.edges[at].try_recv() {
                return Some(arrival);
            }
        }
        None
    }
}
