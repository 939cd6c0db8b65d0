//! `require`: what must hold of the paths from a source to a sink.

use std::sync::Arc;

use fieldflow_contract::Role;

use crate::config::chain::{self, Endpoint};
use crate::config::file::NodeEntry;
use crate::config::suggest;
use crate::config::tree::{Item, Tree};
use crate::diagnostics::{Diagnostic, Place, Report, SourceText, codes};

/// What must hold of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Nothing that the source has handed over is lost, but for the last moment before a crash.
    NoLoss,
    /// Not even that.
    AtLeastOnce,
    /// Nothing that is on disk arrives twice.
    ExactlyOnce,
}

/// The words for them.
pub(super) const WORDS: [(&str, Keep); 3] =
    [("no_loss", Keep::NoLoss), ("at_least_once", Keep::AtLeastOnce), ("exactly_once", Keep::ExactlyOnce)];

/// Most requirements of a file: each looks at all edges.
const MOST: usize = 256;

/// Most names that are compared in search of what was meant.
const COMPARED: usize = 1000;

impl Keep {
    /// The word for it in the file.
    pub fn word(self) -> &'static str {
        WORDS.iter().find(|(_, keep)| *keep == self).map_or("", |(word, _)| word)
    }
}

/// A line under `require`.
#[derive(Debug, Clone)]
pub struct Requirement {
    /// The source.
    pub from: Endpoint,
    /// The sink.
    pub to: Endpoint,
    /// What must hold.
    pub keep: Keep,
    /// Where it stands.
    pub place: Place,
}

/// Reads the lines that are right; those that are not are reported.
pub(super) fn read(
    root: &Item,
    source: &Arc<SourceText>,
    nodes: &[NodeEntry],
    report: &mut Report,
) -> Vec<Requirement> {
    let Some(Tree::List(lines)) = root.entry("require").map(|entry| &entry.value.value) else { return Vec::new() };
    if MOST < lines.len() {
        let found = Diagnostic::new(&codes::OUT_OF_RANGE, format!("{} requirements; {MOST} at most", lines.len()));
        report.push(found.at(Place::new(source, lines[MOST].span.clone())));
    }
    lines.iter().take(MOST).filter_map(|line| one(line, source, nodes, report)).collect()
}

fn one(line: &Item, source: &Arc<SourceText>, nodes: &[NodeEntry], report: &mut Report) -> Option<Requirement> {
    let wrong = |span: &std::ops::Range<usize>, message: String, help: String| {
        Diagnostic::new(&codes::BAD_REQUIREMENT, message).at(Place::new(source, span.clone())).help(help)
    };
    let form = "write `- plc -> store: no_loss`";
    let [entry] = line.entries() else {
        if !matches!(line.value, Tree::Unknown) {
            report.push(wrong(
                &line.span,
                "a requirement is a path with the word for what must hold".into(),
                form.into(),
            ));
        }
        return None;
    };
    let words = WORDS.map(|(word, _)| word);
    let written = entry.value.text().unwrap_or_default();
    let keep = WORDS.iter().find(|(word, _)| *word == written).map(|(_, keep)| *keep);
    if keep.is_none() && !matches!(entry.value.value, Tree::Unknown) {
        let span = if entry.value.span.is_empty() { &entry.key.span } else { &entry.value.span };
        let is_secret = matches!(entry.value.value, Tree::Substituted(_));
        let help = if is_secret { None } else { suggest::help(written, &words, "known words").1 };
        let message = "what must hold is one of `no_loss`, `at_least_once`, `exactly_once`";
        report.push(wrong(span, message.to_owned(), help.unwrap_or_else(|| form.to_owned())));
    }
    let chain = Item { value: entry.key.value.as_str(), span: entry.key.span.clone() };
    let ends = match chain::endpoints(&chain, source) {
        Ok(ends) => ends,
        Err(found) => {
            report.push(wrong(&entry.key.span, found.message, form.to_owned()));
            return None;
        }
    };
    let [from, to] = ends.as_slice() else {
        report.push(wrong(&entry.key.span, "only the two ends of a path are named".into(), form.into()));
        return None;
    };
    let fits = [(from, Role::Source), (to, Role::Sink)].map(|(end, role)| is(end, role, nodes, report));
    (fits == [true, true]).then_some(())?;
    Some(Requirement {
        from: from.clone(),
        to: to.clone(),
        keep: keep?,
        place: Place::new(source, entry.key.span.clone()),
    })
}

/// Whether a name is that of a node of this role; reports what it is instead.
fn is(end: &Endpoint, role: Role, nodes: &[NodeEntry], report: &mut Report) -> bool {
    let Some(node) = nodes.iter().find(|node| node.name == end.node) else {
        let names: Vec<&str> = nodes.iter().take(COMPARED).map(|node| node.name.as_str()).collect();
        let (_, help) = suggest::help(&end.node, &names, "the nodes are");
        let found = Diagnostic::new(&codes::UNKNOWN_NODE, format!("there is no node `{}`", end.node));
        report.push(found.at(end.place.clone()).label("no such node").maybe_help(help));
        return false;
    };
    let is = node.kind.is_none_or(|kind| kind.role() == role);
    if !is || end.port.is_some() {
        let message = match &end.port {
            Some(port) => format!("a path goes from node to node, and `{port}` is an output of `{}`", end.node),
            None => format!("a path goes from a source to a sink, and `{}` is no {}", end.node, role.word()),
        };
        let found = Diagnostic::new(&codes::BAD_REQUIREMENT, message).at(end.place.clone());
        report.push(found.related(node.place.clone(), "this node").help("name a source and a sink"));
        return false;
    }
    true
}
