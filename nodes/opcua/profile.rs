//! How much a server takes at once. What it states is not what it can do: some are fifty times slower at their own limit.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

/// How a server is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Profile {
    /// What kind of server it is, for messages.
    pub(super) name: &'static str,
    /// Most items to create at once.
    pub(super) items: usize,
    /// Most items of a subscription.
    pub(super) per_subscription: usize,
    /// Most nodes to read at once.
    pub(super) reads: usize,
    /// Most nodes to write at once.
    pub(super) writes: usize,
    /// Most paths to follow at once.
    pub(super) paths: usize,
    /// Whether it can be asked for a deadband or a trigger.
    pub(super) filters: bool,
}

/// What kind of server it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[schemars(rename = "ServerKind")]
pub(super) enum Kind {
    /// That of a Siemens S7-1200: 1000 items, 10 sessions, 5 subscriptions each, sampled each 100ms, published each 200ms.
    #[serde(rename = "s7-1200")]
    S71200,
    /// That of a Siemens S7-1500: 10,000 items at the most (a 1511 has 1000), 32 sessions, 20 subscriptions each.
    #[serde(rename = "s7-1500")]
    S71500,
    /// `KEPServerEX`: 128 sessions.
    #[serde(rename = "kepware")]
    Kepware,
    /// Ignition, and whatever else is made with Eclipse Milo.
    #[serde(rename = "ignition")]
    Ignition,
    /// The simulation server of Prosys.
    #[serde(rename = "prosys")]
    Prosys,
}

/// How much a server has, in all; `None` is as much as anybody wants, or not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Limits {
    /// Monitored items of all sessions.
    pub(super) items: Option<u64>,
    /// Sessions.
    pub(super) sessions: Option<u64>,
    /// Subscriptions of a session.
    pub(super) subscriptions: Option<usize>,
    /// The shortest sampling interval.
    pub(super) sampling: Option<Duration>,
    /// The shortest publishing interval.
    pub(super) publishing: Option<Duration>,
}

/// What is known of a kind of server.
struct Known {
    kind: Kind,
    name: &'static str,
    /// What stands in its maker or product, in small letters.
    parts: &'static [&'static str],
    /// How many nodes it takes well in one request.
    batch: usize,
    filters: bool,
    limits: Limits,
}

/// No limit that is known.
const NONE: Limits = Limits { items: None, sessions: None, subscriptions: None, sampling: None, publishing: None };

/// From what makers of servers state and makers of clients found out. Siemens: "System limits of the OPC UA server", entry
/// 109755846, and the data sheets of the CPUs (S7-1200 from firmware 4.4 on; of the S7-1500 the largest CPU, so that nobody is
/// warned in vain); of these the intervals and subscriptions are yet to be checked on a real CPU. Sessions of Kepware: its manual. Requests: the server profiles of benthos-umh, for which each server was
/// loaded until it became slow; the S7-1200 states 1000 nodes a request and is 50 times slower beyond 200.
const KNOWN: &[Known] = &[
    Known {
        kind: Kind::S71200,
        name: "S7-1200",
        parts: &["s7-1200"],
        batch: 100,
        filters: false,
        limits: Limits {
            items: Some(1000),
            sessions: Some(10),
            subscriptions: Some(5),
            sampling: Some(Duration::from_millis(100)),
            publishing: Some(Duration::from_millis(200)),
        },
    },
    Known {
        kind: Kind::S71500,
        name: "S7-1500",
        parts: &["s7-1500"],
        batch: 500,
        filters: true,
        limits: Limits { items: Some(10_000), sessions: Some(32), subscriptions: Some(20), ..NONE },
    },
    Known {
        kind: Kind::Kepware,
        name: "Kepware",
        parts: &["kepware", "kepserver"],
        batch: 1000,
        filters: true,
        limits: Limits { sessions: Some(128), ..NONE },
    },
    Known {
        kind: Kind::Ignition,
        name: "Ignition",
        parts: &["ignition", "eclipse milo"],
        batch: 100,
        filters: true,
        limits: NONE,
    },
    Known { kind: Kind::Prosys, name: "Prosys", parts: &["prosys"], batch: 800, filters: true, limits: NONE },
];

impl Kind {
    fn known(self) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.kind == self)
    }

    /// How much such a server has.
    pub(super) fn limits(self) -> Limits {
        self.known().map_or(NONE, |known| known.limits)
    }
}

impl Profile {
    /// By what a server says of its maker and product, if nobody has said of what kind it is.
    pub(super) fn of(kind: Option<Kind>, manufacturer: &str, product: &str) -> Self {
        let said = format!("{manufacturer} {product}").to_lowercase();
        let recognised = || KNOWN.iter().find(|known| known.parts.iter().any(|part| said.contains(part)));
        let known = kind.map_or_else(recognised, Kind::known);
        let (name, batch, filters) =
            known.map_or(("unknown", 50, true), |known| (known.name, known.batch, known.filters));
        Self { name, items: batch, per_subscription: usize::MAX, reads: batch, writes: batch, paths: batch, filters }
    }

    /// Within what the server states; 0 or nothing is no limit.
    pub(super) fn within(self, [reads, items, paths, writes]: [Option<u32>; 4]) -> Self {
        let least = |ours: usize, theirs: Option<u32>| match theirs {
            None | Some(0) => ours,
            Some(most) => ours.min(most as usize),
        };
        Self {
            items: least(self.items, items),
            reads: least(self.reads, reads),
            writes: least(self.writes, writes),
            paths: least(self.paths, paths),
            ..self
        }
    }

    /// As a person has said, whatever is known.
    pub(super) fn at_most(self, batch: Option<u32>) -> Self {
        batch.map_or(self, |batch| {
            let batch = batch.max(1) as usize;
            Self { items: batch, reads: batch, writes: batch, paths: batch, ..self }
        })
    }
}

impl Default for Profile {
    fn default() -> Self {
        Self::of(None, "", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_for_what_it_states_and_no_more_than_its_kind_can_do() {
        let s7 = Profile::of(None, "Siemens AG", "SIMATIC.S7-1200.OPC-UA.Application:PLC_1").within([
            Some(1000),
            Some(1000),
            None,
            Some(30),
        ]);
        assert_eq!((s7.name, s7.items, s7.reads, s7.writes, s7.filters), ("S7-1200", 100, 100, 30, false));
        let unknown = Profile::of(None, "Somebody", "Something").within([Some(0), Some(20), Some(5000), None]);
        assert_eq!((unknown.items, unknown.reads, unknown.paths), (20, 50, 50));
        assert_eq!(unknown.at_most(Some(1000)).items, 1000);
        let told = Profile::of(Some(Kind::Kepware), "Somebody", "Something");
        assert_eq!((told.name, told.items), ("Kepware", 1000), "what a person says is believed");
    }
}
