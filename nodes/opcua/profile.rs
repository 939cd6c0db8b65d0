//! How much a server takes at once. What it states is not what it can do: some are fifty times slower at their own limit.

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

/// By what stands in its maker or product, in small letters; from what the makers of other clients found out.
const KNOWN: &[(&str, &str, usize, bool)] = &[
    ("s7-1200", "S7-1200", 100, false),
    ("s7-1500", "S7-1500", 500, true),
    ("kepware", "Kepware", 1000, true),
    ("kepserver", "Kepware", 1000, true),
    ("ignition", "Ignition", 100, true),
    ("eclipse milo", "Ignition", 100, true),
    ("prosys", "Prosys", 800, true),
];

impl Profile {
    /// By what a server says of its maker and product.
    pub(super) fn of(manufacturer: &str, product: &str) -> Self {
        let said = format!("{manufacturer} {product}").to_lowercase();
        let known = KNOWN.iter().find(|(part, ..)| said.contains(part));
        let (name, batch, filters) =
            known.map_or(("unknown", 50, true), |(_, name, batch, filters)| (*name, *batch, *filters));
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
        Self::of("", "")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_asked_for_what_it_states_and_no_more_than_its_kind_can_do() {
        let s7 = Profile::of("Siemens AG", "SIMATIC.S7-1200.OPC-UA.Application:PLC_1").within([
            Some(1000),
            Some(1000),
            None,
            Some(30),
        ]);
        assert_eq!((s7.name, s7.items, s7.reads, s7.writes, s7.filters), ("S7-1200", 100, 100, 30, false));
        let unknown = Profile::of("Somebody", "Something").within([Some(0), Some(20), Some(5000), None]);
        assert_eq!((unknown.items, unknown.reads, unknown.paths), (20, 50, 50));
        assert_eq!(unknown.at_most(Some(1000)).items, 1000);
    }
}
