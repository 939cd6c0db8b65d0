//! The nodes of the file: each checked against the schema of its type, then by the node itself.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use fieldflow_contract::{At, Clash, Finding, Findings, NodeKind, Severity, Step, Together};

use crate::config::chain::is_name;
use crate::config::edge::Storage;
use crate::config::file::{EdgeEntry, NodeEntry, ReadyNode};
use crate::config::schema::{self, Subject};
use crate::config::suggest;
use crate::config::tree::{Entry, Item, Tree};
use crate::diagnostics::{Code, Diagnostic, Place, Report, SourceText, codes};

/// Checks every node under the key `nodes`.
pub(super) fn check(
    nodes: Entry,
    kinds: &[&'static dyn NodeKind],
    source: &Arc<SourceText>,
    base_dir: &Path,
    edges: &[EdgeEntry],
    report: &mut Report,
) -> Vec<NodeEntry> {
    if matches!(&nodes.value.value, Tree::Map(entries) if entries.is_empty()) {
        let found = Diagnostic::new(&codes::NO_NODES, "the pipeline has no nodes");
        let found = found.at(Place::new(source, nodes.key.span.clone()));
        report.push(found.help("it needs at least a source and a sink"));
    }
    let mut inputs: HashMap<&str, bool> = HashMap::new();
    for edge in edges {
        let is_durable = matches!(edge.options.storage, Storage::Durable(_));
        *inputs.entry(&edge.to.node).or_default() |= is_durable;
    }
    let mut checker = Checker { kinds, source, base_dir, inputs, report, schemas: HashMap::new() };
    let Tree::Map(entries) = nodes.value.value else { return Vec::new() };
    let ready: Vec<NodeEntry> = entries.into_iter().map(|entry| checker.node(entry)).collect();
    for kind in kinds {
        checker.together(*kind, &ready);
    }
    ready
}

struct Checker<'a> {
    kinds: &'a [&'static dyn NodeKind],
    source: &'a Arc<SourceText>,
    /// Where the files lie that a node's options include.
    base_dir: &'a Path,
    /// The nodes that edges lead to, and whether one of these edges is durable.
    inputs: HashMap<&'a str, bool>,
    report: &'a mut Report,
    /// The schema of each type that was met.
    schemas: HashMap<&'static str, serde_json::Value>,
}

impl Checker<'_> {
    fn node(&mut self, entry: Entry) -> NodeEntry {
        let name = &entry.key.value;
        if !is_name(name) {
            let message = format!("`{name}` cannot be the name of a node");
            let help =
                "a node's name is made of letters, digits, `_` and `-`; a dot separates a port from it in `edges`";
            self.push(&codes::BAD_NAME, message, &entry.key.span, Some(help.to_owned()));
        }
        let kind = self.kind(&entry).filter(|_| is_name(name));
        let ready = kind.and_then(|kind| self.ready(kind, &entry));
        let place = Place::new(self.source, entry.key.span.clone());
        NodeEntry { name: entry.key.value, place, kind, ready, item: Arc::new(entry.value) }
    }

    /// The type of the node, if it can be told.
    fn kind(&mut self, entry: &Entry) -> Option<&'static dyn NodeKind> {
        let (name, key) = (&entry.key.value, &entry.key.span);
        match &entry.value.value {
            Tree::Map(_) | Tree::Null => {}
            Tree::Unknown => return None,
            _ => {
                let message = format!("a map with the options of node `{name}` is wanted here");
                let help = format!("such as `{name}: {{ type: … }}`");
                self.push(&codes::WRONG_TYPE, message, &entry.value.span, Some(help));
                return None;
            }
        }
        let types: Vec<&str> = self.kinds.iter().map(|kind| kind.type_name()).collect();
        let Some(written) = entry.value.entry("type") else {
            let near = suggest::misspelt("type", entry.value.entries().iter().map(|entry| entry.key.value.as_str()));
            let help = match near {
                Some(near) => format!("is `{near}` meant to be `type`?"),
                None => {
                    suggest::listed(types).map_or("add `type: …`".into(), |types| format!("known types: {types}"))
                }
            };
            self.push(&codes::MISSING_KEY, format!("node `{name}` needs `type`"), key, Some(help));
            return None;
        };
        let Some(text) = written.value.text() else {
            if !matches!(written.value.value, Tree::Unknown) {
                let span = if written.value.span.is_empty() { &written.key.span } else { &written.value.span };
                let help = suggest::listed(types).map(|types| format!("known types: {types}"));
                self.push(&codes::WRONG_TYPE, "the name of a node type is wanted for `type`".into(), span, help);
            }
            return None;
        };
        let kind = self.kinds.iter().copied().find(|kind| kind.type_name() == text);
        if kind.is_none() {
            let (_, help) = suggest::help(text, &types, "known types");
            let help = help.unwrap_or_else(|| "`fieldflow nodes` lists the node types".to_owned());
            self.push(&codes::UNKNOWN_TYPE, format!("there is no node type `{text}`"), &written.value.span, Some(help));
        }
        kind
    }

    /// Checks the options; what they make of the node, if nothing is wrong with them.
    fn ready(&mut self, kind: &'static dyn NodeKind, entry: &Entry) -> Option<ReadyNode> {
        let (errors_before, others_before) = (self.report.errors(), self.report.errors_but(&codes::UNKNOWN_KEY));
        let options = entry.value.entries().iter().filter(|entry| entry.key.value != "type").cloned().collect();
        let mut item = Item { value: Tree::Map(options), span: entry.value.span.clone() };
        let schema = self.schemas.entry(kind.type_name()).or_insert_with(|| kind.schema());
        let name = format!("node type `{}`", kind.type_name());
        let subject = Subject { schema, name, at: At::root(), source: self.source };
        schema::check(subject, &mut item, &entry.key.span, self.report);
        let unknown_keys = self.report.errors() - errors_before;
        if self.report.errors_but(&codes::UNKNOWN_KEY) != others_before {
            return None;
        }
        // Not a copy, which would lie beside it while it is read.
        let prepared = match kind.prepare(item.to_json()?) {
            Ok(prepared) => prepared,
            // The unknown key may be what is missing.
            Err(_) if unknown_keys != 0 => return None,
            Err(finding) => {
                self.finding(&codes::UNREADABLE_OPTIONS, *finding, &item, &entry.key.span);
                return None;
            }
        };
        let mut findings = Findings::default();
        prepared.check(&mut findings);
        if findings.0.iter().all(|finding| finding.severity != Severity::Error) {
            prepared.check_files(self.base_dir, &mut findings);
            if let Some(is_durable) = self.inputs.get(entry.key.value.as_str()) {
                prepared.check_input(*is_durable, &mut findings);
            }
        }
        for finding in findings.0 {
            if self.report.is_full() {
                self.report.count(code(&finding));
                continue;
            }
            // What a misspelt key was to say is not missing as well.
            if unknown_keys != 0 && lost_a_key(&entry.value, &item, &finding.at) {
                continue;
            }
            self.finding(code(&finding), finding, &item, &entry.key.span);
        }
        if self.report.errors() != errors_before {
            return None;
        }
        let ports = prepared.ports();
        Some(ReadyNode { options: item.to_json()?.into(), prepared: prepared.into(), ports })
    }

    /// Reports what is wrong between the nodes of a type.
    fn together(&mut self, kind: &'static dyn NodeKind, nodes: &[NodeEntry]) {
        let of_kind = nodes.iter().filter(|node| node.kind.is_some_and(|other| other.type_name() == kind.type_name()));
        let ready = of_kind.filter_map(|node| Some((node.name.as_str(), &*node.ready.as_ref()?.prepared))).collect();
        let together = Together { nodes: ready, base_dir: self.base_dir };
        if together.nodes.is_empty() {
            return;
        }
        let named: HashMap<&str, &NodeEntry> = nodes.iter().map(|node| (node.name.as_str(), node)).collect();
        for Clash { node, finding, others } in kind.check_together(&together) {
            let item = |node: usize| {
                let (name, _) = together.nodes.get(node)?;
                let node = named.get(name)?;
                Some((&*node.item, &node.place.span))
            };
            let Some((options, key)) = item(node) else { continue };
            let mut found = self.diagnostic(code(&finding), finding, options, key);
            for (other, at, what) in others {
                if let Some((options, key)) = item(other) {
                    found = found.related(Place::new(self.source, options.place_of(&at, key)), what);
                }
            }
            self.report.push(found);
        }
    }

    /// Reports what the node itself found, at the place to which its path leads.
    fn finding(&mut self, code: &'static Code, finding: Finding, options: &Item, key: &Range<usize>) {
        let found = self.diagnostic(code, finding, options, key);
        self.report.push(found);
    }

    fn diagnostic(&self, code: &'static Code, finding: Finding, options: &Item, key: &Range<usize>) -> Diagnostic {
        let place = |at: &At| Place::new(self.source, options.place_of(at, key));
        let label = if finding.at == At::root() { String::new() } else { format!("`{}`", finding.at) };
        let mut found =
            Diagnostic::new(code, finding.message).at(place(&finding.at)).label(label).maybe_help(finding.help);
        if let Some((at, what)) = finding.related {
            found = found.related(place(&at), what);
        }
        found
    }

    fn push(&mut self, code: &'static Code, message: String, span: &Range<usize>, help: Option<String>) {
        let place = Place::new(self.source, span.clone());
        self.report.push(Diagnostic::new(code, message).at(place).maybe_help(help));
    }
}

/// Whether a key that is not known was taken out of the map at this path.
fn lost_a_key(written: &Item, checked: &Item, at: &At) -> bool {
    let (mut written, mut checked) = (written, checked);
    // `type` is no option.
    let mut more = 1;
    for step in &at.0 {
        let below = |item: &'_ Item| match (step, &item.value) {
            (Step::Key(name), Tree::Map(entries)) => entries.iter().position(|entry| entry.key.value == *name),
            (Step::Index(index), Tree::List(_)) => Some(*index),
            _ => None,
        };
        let (Some(one), Some(other)) = (below(written), below(checked)) else { return false };
        match (&written.value, &checked.value) {
            (Tree::Map(ones), Tree::Map(others)) => match (ones.get(one), others.get(other)) {
                (Some(one), Some(other)) => (written, checked) = (&one.value, &other.value),
                _ => return false,
            },
            (Tree::List(ones), Tree::List(others)) => match (ones.get(one), others.get(other)) {
                (Some(one), Some(other)) => (written, checked) = (one, other),
                _ => return false,
            },
            _ => return false,
        }
        more = 0;
    }
    checked.entries().len() + more < written.entries().len()
}

fn code(finding: &Finding) -> &'static Code {
    match finding.severity {
        Severity::Error => &codes::NODE_OPTIONS,
        Severity::Warning => &codes::NODE_WARNING,
    }
}
