//! Records a second: from the intervals of the sources along the edges.

use fieldflow_contract::{Port, Yield};

use super::net::Net;

/// How many records come by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Rate {
    /// That is not known before the run.
    Unknown,
    /// As many as what comes behind takes.
    Unbounded,
    /// So many a second.
    Known(f64),
    /// So many a second, or fewer.
    AtMost(f64),
}

impl Rate {
    /// Records a second at the most, if that is known.
    pub(super) fn most(self) -> Option<f64> {
        match self {
            Self::Known(rate) | Self::AtMost(rate) => Some(rate),
            Self::Unknown | Self::Unbounded => None,
        }
    }

    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Unbounded, _) | (_, Self::Unbounded) => Self::Unbounded,
            (Self::Known(one), Self::Known(other)) => Self::Known(one + other),
            (Self::Known(one) | Self::AtMost(one), Self::Known(other) | Self::AtMost(other)) => {
                Self::AtMost(one + other)
            }
        }
    }

    fn or_fewer(self) -> Self {
        if let Self::Known(rate) = self { Self::AtMost(rate) } else { self }
    }
}

/// The rates of all edges, and of what comes into all nodes.
pub(super) struct Rates {
    pub(super) edges: Vec<Rate>,
    pub(super) into: Vec<Rate>,
}

impl Rates {
    pub(super) fn of(net: &Net<'_>) -> Self {
        let mut rates =
            Self { edges: vec![Rate::Unknown; net.edges.len()], into: vec![Rate::Known(0.0); net.nodes.len()] };
        for node in &net.order {
            let coming = rates.into[*node];
            let leaving = match net.nodes[*node].1.yields {
                Yield::Unknown => Rate::Unknown,
                Yield::PerSecond(rate) => Rate::Known(rate),
                Yield::AsTaken => Rate::Unbounded,
                Yield::Each => coming,
                Yield::AtMost => coming.or_fewer(),
            };
            for edge in &net.out_of[*node] {
                let hop = &net.edges[*edge];
                let rate = if *hop.edge.port == *Port::DEFAULT {
                    leaving
                } else if *hop.edge.port == *Port::REJECTED {
                    // What is rejected came in; of a sink nothing else leaves.
                    coming.or_fewer()
                } else {
                    leaving.or_fewer()
                };
                rates.edges[*edge] = rate;
                rates.into[hop.to] = rates.into[hop.to].plus(rate);
            }
        }
        rates
    }
}
