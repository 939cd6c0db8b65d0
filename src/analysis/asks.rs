//! What nodes together ask of something that takes only so much of all who ask, such as a server that watches 1000 items.

use std::collections::HashMap;

use fieldflow_contract::Asks;

use super::net::Net;
use crate::config::{NodeEntry, PipelineFile};
use crate::diagnostics::{Diagnostic, Report, codes};

/// The most other nodes that are pointed at.
const MOST_SHOWN: usize = 4;

/// Who asks for something: the number of the file, the node, and what it asks for.
type Asking<'a> = (usize, &'a NodeEntry, Asks);

/// Warns of what the nodes of one file ask for beyond what is given.
pub(super) fn check(net: &Net<'_>, file: &PipelineFile, report: &mut Report) {
    let nodes = net.nodes.iter().zip(&file.nodes);
    let all = nodes.flat_map(|((_, facts), entry)| facts.asks.iter().map(move |asks| (0, entry, asks.clone())));
    for asking in grouped(all) {
        told(&asking, report);
    }
}

/// Warns of what the nodes of several files ask for together; what those of one do was told with that file.
pub(super) fn across<'a>(all: impl Iterator<Item = Asking<'a>>, report: &mut Report) {
    for asking in grouped(all) {
        let mut of_file: HashMap<usize, u64> = HashMap::new();
        for (file, _, asks) in &asking {
            let sum = of_file.entry(*file).or_default();
            *sum = sum.saturating_add(asks.number);
        }
        if of_file.values().all(|sum| *sum <= most(&asking)) {
            told(&asking, report);
        }
    }
}

/// Those who ask for the same of the same.
fn grouped<'a>(all: impl Iterator<Item = Asking<'a>>) -> Vec<Vec<Asking<'a>>> {
    let mut groups: HashMap<(String, &'static str), Vec<Asking<'a>>> = HashMap::new();
    for asking in all {
        groups.entry((asking.2.of.clone(), asking.2.what)).or_default().push(asking);
    }
    groups.into_values().collect()
}

/// How much there is. Two who say different things speak of the same all the same.
fn most(asking: &[Asking<'_>]) -> u64 {
    asking.iter().map(|(_, _, asks)| asks.most).min().unwrap_or(u64::MAX)
}

fn told(asking: &[Asking<'_>], report: &mut Report) {
    let (most, mut sum) = (most(asking), 0_u64);
    let beyond = asking.iter().position(|(_, _, asks)| {
        sum = sum.saturating_add(asks.number);
        most < sum
    });
    let Some((_, entry, asks)) = beyond.and_then(|place| asking.get(place)) else { return };
    let all = asking.iter().fold(0_u64, |all, (_, _, asks)| all.saturating_add(asks.number));
    let who = match asking.len() - 1 {
        0 => format!("`{}` asks", entry.name),
        1 => format!("`{}` and one more node ask", entry.name),
        others => format!("`{}` and {others} more nodes ask", entry.name),
    };
    let message = format!("{who} {} for {all} {}, and it takes {most}", asks.of, asks.what);
    let mut found = Diagnostic::new(&codes::TOO_MUCH_ASKED, message).at(entry.place_of(&asks.at)).help(asks.help);
    for (_, other, asks) in asking.iter().filter(|(_, other, _)| !std::ptr::eq(*other, *entry)).take(MOST_SHOWN) {
        found = found.related(other.place.clone(), format!("asks for {} of them", asks.number));
    }
    report.push(found);
}
