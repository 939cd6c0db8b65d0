//! What the file requires of its paths, and whether it has that.

use super::net::Net;
use super::paths::{Class, Guarantee, Loss, LossPlace};
use crate::config::{Keep, PipelineFile, Requirement};
use crate::diagnostics::{Diagnostic, Report, codes};

/// Reports each requirement that does not hold.
pub(super) fn check(net: &Net<'_>, file: &PipelineFile, report: &mut Report) {
    for requirement in &file.require {
        let number = |name: &str| file.nodes.iter().position(|node| node.name == name);
        let Some((from, to)) = number(&requirement.from.node).zip(number(&requirement.to.node)) else { continue };
        if !net.reached(from, |_| true)[to] {
            let message = format!("no edges lead from `{}` to `{}`", requirement.from.node, requirement.to.node);
            let found = Diagnostic::new(&codes::NO_SUCH_PATH, message).at(requirement.place.clone());
            report.push(found.help("name a source and a sink that it leads to, or connect the two"));
            continue;
        }
        let guarantee = Guarantee::of(net, from, to);
        if let Some(broken) = broken(net, requirement, &guarantee) {
            let mut found = broken.at(requirement.place.clone());
            for Loss { place, why } in guarantee.losses.iter().skip(1) {
                found = found.related(place_of(file, *place), why.clone());
            }
            if let Some(Loss { place, .. }) = guarantee.losses.first() {
                found = found.related(place_of(file, *place), "here");
            }
            report.push(found);
        }
    }
}

/// What is wrong, if the requirement does not hold.
fn broken(net: &Net<'_>, requirement: &Requirement, guarantee: &Guarantee) -> Option<Diagnostic> {
    let (from, to) = (&requirement.from.node, &requirement.to.node);
    let keep = requirement.keep;
    let (why, help) = if let Some(Loss { place, why }) = guarantee.losses.first() {
        let help = match place {
            LossPlace::Edge(edge) if net.edges[*edge].is_durable() => {
                "let it block: `when_full: block`, without `max_age`".to_owned()
            }
            LossPlace::Edge(_) => "let it block, or make it durable: `durable: true`".to_owned(),
            LossPlace::Node(node) if *node == guarantee.from => {
                format!("put what `{from}` sends on disk first: `durable: true` on an edge of each way to `{to}`")
            }
            LossPlace::Node(node) if *node == guarantee.to => {
                format!("let `{to}` keep more, or require it of another sink")
            }
            LossPlace::Node(node) => format!("take `{}` out of the way, or require less", net.name(*node)),
        };
        (why.clone(), help)
    } else if keep == Keep::AtLeastOnce && !guarantee.resends {
        let why = format!("`{from}` cannot send again what was under way in the last moment before a crash");
        (why, "require `no_loss`, which is the most that such a source allows".to_owned())
    } else if keep == Keep::ExactlyOnce && guarantee.class != Class::Exact {
        let why = format!("after a crash `{to}` gets again what was under way");
        let help =
            format!("make the edges into `{to}` the only durable ones, and `{to}` a sink that stores how far it is");
        (why, help)
    } else {
        return None;
    };
    let message = format!("`{from} -> {to}` is not `{}`: {why}", keep.word());
    Some(Diagnostic::new(&codes::REQUIREMENT, message).label("required here").help(help))
}

fn place_of(file: &PipelineFile, place: LossPlace) -> crate::diagnostics::Place {
    match place {
        LossPlace::Edge(edge) => file.edges[edge].place(),
        LossPlace::Node(node) => file.nodes[node].place.clone(),
    }
}
