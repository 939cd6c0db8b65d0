//! What becomes of records from a source to a sink, over all paths between the two.

use fieldflow_contract::{Keeps, Role, Span};

use super::net::{Hop, Net};
use crate::graph::{Disk, Storage, WhenFull};

/// What becomes of records between a source and a sink.
pub(super) struct Guarantee {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) class: Class,
    /// Whether the source sends again what was not acknowledged.
    pub(super) resends: bool,
    /// The first durable edges on the way, if every path has one.
    pub(super) first_durable: Vec<usize>,
    /// Where records can be lost although nothing breaks but what is behind, and where they are lost by a kill.
    pub(super) losses: Vec<Loss>,
    /// The edges on the way.
    pub(super) edges: Vec<usize>,
}

/// How often a record arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Once or not at all.
    AtMost,
    /// Once, and after a crash perhaps again.
    AtLeast,
    /// Once.
    Exact,
}

/// A place where records can be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) place: LossPlace,
    /// What is lost there, as a sentence that begins with the place.
    pub(super) why: String,
}

/// Where records can be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LossPlace {
    Edge(usize),
    Node(usize),
}

impl Guarantee {
    pub(super) fn of(net: &Net<'_>, from: usize, to: usize) -> Self {
        let (after, before) = (net.reached(from, |_| true), net.reaching(to));
        let is_between = |hop: &Hop<'_>| after[hop.from] && before[hop.to];
        let edges: Vec<usize> = (0..net.edges.len()).filter(|edge| is_between(&net.edges[*edge])).collect();
        let in_memory = net.reached(from, |hop| !hop.is_durable());
        let covered = !in_memory[to];
        let first_durable: Vec<usize> = edges
            .iter()
            .copied()
            .filter(|edge| covered && net.edges[*edge].is_durable() && in_memory[net.edges[*edge].from])
            .collect();
        let resends = net.nodes[from].0.kind.resends();
        let mut losses: Vec<Loss> = edges.iter().flat_map(|edge| drops(net, *edge)).collect();
        let between = |node: &usize| after[*node] && before[*node] && net.role(*node) == Role::Transform;
        let forget = (0..net.nodes.len()).filter(between).filter(|node| net.nodes[*node].1.forgets);
        losses.extend(forget.map(|node| Loss {
            place: LossPlace::Node(node),
            why: format!("`{}` loses what it holds when the program is killed", net.name(node)),
        }));
        losses.extend(sink_loses(net, to));
        if !resends && !covered {
            let name = net.name(from);
            let why = format!("`{name}` does not send again what a kill or a power cut finds in memory on its way");
            losses.push(Loss { place: LossPlace::Node(from), why });
        }
        let last: Vec<usize> = edges.iter().copied().filter(|edge| net.edges[*edge].to == to).collect();
        // What comes out of one edge on disk into another comes again after a crash; only the last one is exact.
        let is_exact = net.nodes[to].0.kind.keeps_position()
            && last.iter().all(|edge| net.edges[*edge].is_durable())
            && (resends || first_durable == last);
        let class = match (losses.is_empty(), is_exact) {
            (false, _) => Class::AtMost,
            (true, true) => Class::Exact,
            (true, false) => Class::AtLeast,
        };
        Self { from, to, class, resends, first_durable, losses, edges }
    }

    /// The guarantee in words.
    pub(super) fn words(&self, net: &Net<'_>) -> String {
        let since = |edges: &[usize]| match edges {
            [one] => format!("from `{}` on", net.edges[*one].name()),
            _ => "from the first edges on disk on".to_owned(),
        };
        let last: Vec<usize> = self.edges.iter().copied().filter(|edge| net.edges[*edge].to == self.to).collect();
        match (self.class, self.resends) {
            (Class::AtMost, _) => "at most once".to_owned(),
            (Class::AtLeast, true) => "at least once".to_owned(),
            (Class::AtLeast, false) => format!("at least once {}", since(&self.first_durable)),
            (Class::Exact, true) => format!("at least once, exactly once {}", since(&last)),
            (Class::Exact, false) => format!("exactly once {}", since(&self.first_durable)),
        }
    }

    /// What a kill or a power cut loses beyond the losses of the path itself; nothing if the source sends again.
    pub(super) fn at_a_power_cut(&self, net: &Net<'_>) -> String {
        if self.resends {
            return format!("nothing: `{}` sends again what was not acknowledged", net.name(self.from));
        }
        match self.first_durable.as_slice() {
            [] => "what is on its way: all that the edges hold, and what the sink has not committed".to_owned(),
            [one] => format!("what was read and is not on disk in `{}` yet: a moment's worth", net.edges[*one].name()),
            _ => "what was read and is not yet on the first disk on its way: a moment's worth".to_owned(),
        }
    }
}

/// Whom an edge drops.
fn drops(net: &Net<'_>, edge: usize) -> Vec<Loss> {
    let hop = &net.edges[edge];
    let name = hop.name();
    let whom = |policy: WhenFull| match policy {
        WhenFull::Block => None,
        WhenFull::DropOldest => Some("drops the oldest"),
        WhenFull::DropNewest => Some("drops the newest"),
        WhenFull::Conflate => Some("keeps only the newest record of each tag"),
    };
    let on_disk = |disk: &Disk| {
        let bytes = fieldflow_contract::ByteSize(disk.max_bytes);
        let full = whom(disk.when_full).map(|whom| format!("`{name}` {whom} when its {bytes} are used up"));
        let old = disk.max_age.map(|age| format!("`{name}` drops what waits for more than {}", Span(age)));
        [full, old]
    };
    let found = match &hop.edge.options.storage {
        Storage::Memory => {
            [whom(hop.edge.options.when_full).map(|whom| format!("`{name}` {whom} when it is full")), None]
        }
        Storage::Durable(disk) | Storage::Spill(disk) => on_disk(disk),
    };
    found.into_iter().flatten().map(|why| Loss { place: LossPlace::Edge(edge), why }).collect()
}

/// What the sink itself can lose of what it acknowledged.
fn sink_loses(net: &Net<'_>, to: usize) -> Option<Loss> {
    let name = net.name(to);
    let why = match net.nodes[to].1.keeps {
        Keeps::Power | Keeps::Confirmed => return None,
        Keeps::Process => format!("`{name}` loses the last moments before a power cut: `durability: process`"),
        Keeps::Unconfirmed => format!("nobody confirms what `{name}` hands over"),
        Keeps::Unknown => format!("it is not known what `{name}` keeps of what it acknowledged"),
    };
    Some(Loss { place: LossPlace::Node(to), why })
}
