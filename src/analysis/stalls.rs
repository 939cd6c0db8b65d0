//! Whom a sink that stops holds up, and after how long.

use std::time::Duration;

use fieldflow_contract::Role;

use super::capacity::Capacity;
use super::net::Net;

/// What happens when a sink stops.
pub(super) struct Stall {
    pub(super) sink: usize,
    /// The sources that are held, each after how long, if that is known.
    pub(super) held: Vec<(usize, Option<Duration>)>,
    /// The sources that lead to it and are not held.
    pub(super) free: Vec<usize>,
    /// The other sinks that get nothing more from a source that is held.
    pub(super) starved: Vec<usize>,
}

impl Stall {
    pub(super) fn of(net: &Net<'_>, capacity: &Capacity, sink: usize) -> Self {
        // Against the stream: a node is held as soon as one of its edges that blocks is full and leads to one that is held.
        let mut held: Vec<Option<Held>> = vec![None; net.nodes.len()];
        held[sink] = Some(Held(Some(Duration::ZERO)));
        for node in net.order.iter().rev() {
            for edge in &net.out_of[*node] {
                let hop = &net.edges[*edge];
                let (Some(Held(after)), true) = (held[hop.to], hop.blocks()) else { continue };
                let fills = capacity.edges[*edge].covers;
                let after = after.zip(fills).map(|(after, fills)| after.saturating_add(fills));
                held[*node] = Some(held[*node].map_or(Held(after), |known| known.sooner(after)));
            }
        }
        let leads = net.reaching(sink);
        let sources: Vec<usize> = net.sources().filter(|source| leads[*source]).collect();
        let of = |source: &usize| held[*source].map(|Held(after)| (*source, after));
        let stopped: Vec<(usize, Option<Duration>)> = sources.iter().filter_map(of).collect();
        let free = sources.into_iter().filter(|source| held[*source].is_none()).collect();
        let starved = net.reached_from(stopped.iter().map(|(source, _)| *source).collect(), |_| true);
        let others = (0..net.nodes.len()).filter(|node| *node != sink && net.role(*node) == Role::Sink);
        Self { sink, held: stopped, free, starved: others.filter(|node| starved[*node]).collect() }
    }
}

/// After how long a node is held, if that is known.
#[derive(Clone, Copy)]
struct Held(Option<Duration>);

impl Held {
    /// The sooner of two; unknown if one of them is.
    fn sooner(self, other: Option<Duration>) -> Self {
        Self(self.0.zip(other).map(|(one, other)| one.min(other)))
    }
}
