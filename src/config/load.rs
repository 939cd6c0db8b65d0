//! From a path to a [`PipelineFile`]: every step is taken as far as it goes, so that all problems are found in one pass.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use fieldflow_contract::{At, NodeKind};

use crate::config::edge::{Edge, EdgeOptions, Storage};
use crate::config::env::Env;
use crate::config::file::{EdgeEntry, PipelineFile, Structure};
use crate::config::schema::{self, Subject};
use crate::config::substitute::Substitution;
use crate::config::tree::{Entry, Item, Tree};
use crate::config::{chain, nodes, parse, read, require};
use crate::diagnostics::{Code, Diagnostic, Place, Report, SourceText, codes};

/// Most edges of a pipeline, and of a chain.
const MOST_EDGES: usize = 65_536;
const TOO_MANY: &str = "make several pipelines of it, each in a file of its own";

/// Longest name of a pipeline.
const LONGEST_NAME: usize = 63;

/// Reads a pipeline file and checks its structure. `None` if there is no file to speak of; else what could be read of it,
/// also with errors, so that the graph can still be checked.
pub fn load(path: &Path, kinds: &[&'static dyn NodeKind], env: &dyn Env, report: &mut Report) -> Option<PipelineFile> {
    let errors_before = report.errors();
    let source = read::read(path, report)?;
    let mut root = parse::parse(&source, report).unwrap_or(Item { value: Tree::Unknown, span: 0..0 });
    let base_dir = path.parent().unwrap_or(Path::new("")).to_path_buf();
    Substitution { source: &source, base_dir: &base_dir, env, report }.fill(&mut root);
    let mut loader = Loader { source: &source, report };
    if !loader.structure(&mut root) {
        return None;
    }
    loader.version(&root);
    let name = loader.name(&root);
    let defaults = loader.defaults(&root);
    let sinks = Sinks::of(&root, kinds);
    let (edges, edges_complete) = loader.edges(&root, &defaults, &sinks);
    let nodes = match root.take("nodes") {
        Some(entry) => nodes::check(entry, kinds, &source, &base_dir, &edges, report),
        None => Vec::new(),
    };
    let require = require::read(&root, &source, &nodes, report);
    let name_place = root.entry("name").map(|entry| Place::new(&source, entry.value.span.clone()));
    Some(PipelineFile {
        name,
        name_place,
        description: root.entry("description").and_then(|entry| entry.value.text()).map(str::to_owned),
        path: path.to_path_buf(),
        base_dir,
        nodes,
        edges,
        edges_complete,
        require,
        sound: report.errors() == errors_before,
        secrets: report.secrets().clone(),
    })
}

/// The sinks for which an edge is not as any other.
struct Sinks<'a> {
    /// Edges to them are durable where the file does not say otherwise.
    durable: HashSet<&'a str>,
    /// They keep how far they have taken a durable edge.
    keep_position: HashSet<&'a str>,
}

impl<'a> Sinks<'a> {
    fn of(root: &'a Item, kinds: &[&'static dyn NodeKind]) -> Self {
        let said = root.entry("defaults").and_then(|entry| entry.value.entry("edge")?.value.entry("durable"));
        let nodes = root.entry("nodes").map_or([].as_slice(), |nodes| nodes.value.entries());
        let that = |are: &dyn Fn(&dyn NodeKind) -> bool| {
            let fits = |entry: &&Entry| {
                let kind = entry.value.entry("type").and_then(|kind| kind.value.text());
                kinds.iter().any(|known| Some(known.type_name()) == kind && are(*known))
            };
            nodes.iter().filter(fits).map(|entry| entry.key.value.as_str()).collect::<HashSet<_>>()
        };
        let durable = if said.is_none() { that(&|kind| kind.durable_input()) } else { HashSet::new() };
        Self { durable, keep_position: that(&|kind| kind.keeps_position()) }
    }
}

struct Loader<'a> {
    source: &'a Arc<SourceText>,
    report: &'a mut Report,
}

impl Loader<'_> {
    /// Checks all but the nodes and edges themselves. False if the file is not even a map.
    fn structure(&mut self, root: &mut Item) -> bool {
        match root.value {
            Tree::Unknown => return false,
            Tree::Null => {
                let found = Diagnostic::new(&codes::EMPTY, format!("`{}` is empty", self.source.path()));
                let found = found.at(Place::new(self.source, 0..0));
                self.report.push(found.help("a pipeline has `version: 1`, `name`, `nodes` and `edges`"));
                return false;
            }
            _ => {}
        }
        let structure = schemars::schema_for!(Structure).to_value();
        self.check(&structure, At::root(), "the pipeline file", root, &(0..0));
        matches!(root.value, Tree::Map(_))
    }

    fn check(&mut self, schema: &serde_json::Value, at: At, name: &str, item: &mut Item, key: &Range<usize>) {
        schema::check(Subject { schema, name: name.to_owned(), at, source: self.source }, item, key, self.report);
    }

    fn version(&mut self, root: &Item) {
        let Some(entry) = root.entry("version") else { return };
        let version = match entry.value.value {
            Tree::UInt(version) => i128::from(version),
            Tree::Int(version) => i128::from(version),
            _ => return,
        };
        if version != 1 {
            let message = format!("version {version} of the pipeline language is not known");
            self.push(&codes::BAD_VERSION, message, &entry.value.span, "write `version: 1`");
        }
    }

    fn name(&mut self, root: &Item) -> String {
        let Some((entry, name)) = root.entry("name").and_then(|entry| Some((entry, entry.value.text()?))) else {
            return String::new();
        };
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || LONGEST_NAME < name.len() || !name.chars().all(plain) {
            let better: String =
                name.to_lowercase().chars().map(|c| if plain(c) { c } else { '-' }).take(LONGEST_NAME).collect();
            let help = match better.trim_matches('-') {
                better if better.is_empty() || matches!(entry.value.value, Tree::Substituted(_)) => {
                    "such as `boiler-house`".to_owned()
                }
                better => format!("such as `{better}`"),
            };
            let message = "a pipeline's name is made of lower-case letters, digits and hyphens, at most 63 of them";
            self.push(&codes::BAD_NAME, message, &entry.value.span, &help);
        }
        name.to_owned()
    }

    fn defaults(&mut self, root: &Item) -> EdgeOptions {
        let edge = root.entry("defaults").and_then(|entry| entry.value.entry("edge"));
        // Its structure was checked with that of the file.
        let Some(item) = edge.map(|entry| &entry.value) else { return EdgeOptions::default() };
        let edge = Edge::read(item);
        let options = edge.over(&EdgeOptions::default());
        self.contradictions(item, &edge, [&options]);
        options
    }

    /// Reports what does not go together in the options of an edge, which come to these on its hops.
    fn contradictions<'a>(&mut self, item: &Item, edge: &Edge, hops: impl IntoIterator<Item = &'a EdgeOptions>) {
        let mut found: Vec<_> = hops.into_iter().flat_map(|options| edge.contradictions(options)).collect();
        found.sort_unstable();
        found.dedup();
        for (key, what, help) in found {
            let span = item.entry(key).map_or(item.span.clone(), |entry| entry.key.span.start..entry.value.span.end);
            self.push(&codes::EDGE_CONTRADICTION, what, &span, help);
        }
        if let (Some(bytes), Some(entry)) = (edge.max_bytes, item.entry("max_bytes"))
            && bytes.0 == 0
        {
            self.push(&codes::OUT_OF_RANGE, "`max_bytes` must not be 0", &entry.value.span, "such as `64MiB`");
        }
    }

    /// Reports live data that goes first into a sink that takes everything in order.
    fn shared(&mut self, item: &Item, hop: &EdgeEntry) {
        if !matches!(&hop.options.storage, Storage::Durable(disk) if disk.replay_share.is_some()) {
            return;
        }
        let share = item.entry("replay").and_then(|replay| replay.value.entry("share"));
        let span = share.map_or(item.span.clone(), |entry| entry.key.span.start..entry.value.span.end);
        let message = format!(
            "`{}` stores up to where it has taken the edge, and so each record once, which works in order only: not with `share`",
            hop.to.node
        );
        let help = match share {
            Some(_) => "take `share` out: who reads what is stored goes by its time, not by when it came",
            None => "it comes from `defaults`: take it out there, and give it to the edges that are to have it",
        };
        self.push(&codes::EDGE_CONTRADICTION, message, &span, help);
    }

    fn edges(&mut self, root: &Item, defaults: &EdgeOptions, sinks: &Sinks<'_>) -> (Vec<EdgeEntry>, bool) {
        let Some(Tree::List(lines)) = root.entry("edges").map(|entry| &entry.value.value) else {
            return (Vec::new(), false);
        };
        let (mut edges, mut complete) = (Vec::new(), true);
        let schema = schemars::schema_for!(Edge).to_value();
        for (index, line) in lines.iter().enumerate() {
            if MOST_EDGES < edges.len() {
                self.push(
                    &codes::OUT_OF_RANGE,
                    format!("these are more than {MOST_EDGES} edges"),
                    &line.span,
                    TOO_MANY,
                );
                return (edges, false);
            }
            let (chain, item) = match &line.value {
                Tree::Unknown => {
                    complete = false;
                    continue;
                }
                Tree::Text(text) | Tree::Substituted(text) => {
                    let nothing = Item { value: Tree::Null, span: line.span.clone() };
                    (Item { value: text.as_str(), span: line.span.clone() }, nothing)
                }
                Tree::Map(entries) if entries.len() == 1 => {
                    let (key, mut value) = (&entries[0].key, entries[0].value.clone());
                    if !matches!(value.value, Tree::Null) {
                        let at = At::from("edges").index(index);
                        self.check(&schema, at, "an edge", &mut value, &key.span);
                    }
                    (Item { value: key.value.as_str(), span: key.span.clone() }, value)
                }
                _ => {
                    complete = false;
                    let message = "an edge is a text `a -> b`, or a map with one such text as its only key";
                    let help = "write `- a -> b` or `- a -> b: { capacity: 1000 }`";
                    self.push(&codes::BAD_EDGE, message, &line.span, help);
                    continue;
                }
            };
            let edge = Edge::read(&item);
            let options =
                |to: &str| if sinks.durable.contains(to) { edge.over_durable(defaults) } else { edge.over(defaults) };
            match chain::endpoints(&chain, self.source) {
                Ok(ends) if MOST_EDGES < ends.len() => {
                    self.push(
                        &codes::OUT_OF_RANGE,
                        format!("these are more than {MOST_EDGES} edges"),
                        &chain.span,
                        TOO_MANY,
                    );
                    return (edges, false);
                }
                Ok(ends) => {
                    let hops: Vec<EdgeEntry> = ends
                        .windows(2)
                        .map(|hop| EdgeEntry {
                            from: hop[0].clone(),
                            to: hop[1].clone(),
                            options: options(&hop[1].node),
                        })
                        .collect();
                    self.contradictions(&item, &edge, hops.iter().map(|hop| &hop.options));
                    for hop in hops.iter().filter(|hop| sinks.keep_position.contains(&*hop.to.node)) {
                        self.shared(&item, hop);
                    }
                    edges.extend(hops);
                }
                Err(found) => {
                    complete = false;
                    self.contradictions(&item, &edge, [&edge.over(defaults)]);
                    self.report.push(*found);
                }
            }
        }
        (edges, complete)
    }

    fn push(&mut self, code: &'static Code, message: impl Into<String>, span: &Range<usize>, help: &str) {
        let place = Place::new(self.source, span.clone());
        self.report.push(Diagnostic::new(code, message).at(place).help(help));
    }
}
