//! From a path to a [`PipelineFile`]: every step is taken as far as it goes, so that all problems are found in one pass.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use fieldflow_contract::{At, NodeKind};

use crate::config::edge::{Edge, EdgeOptions};
use crate::config::env::Env;
use crate::config::file::{EdgeEntry, PipelineFile, Structure};
use crate::config::schema::{self, Subject};
use crate::config::substitute::Substitution;
use crate::config::tree::{Item, Tree};
use crate::config::{chain, nodes, parse, read, require};
use crate::diagnostics::{Code, Diagnostic, Place, Report, SourceText, codes};

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
    let (edges, edges_complete) = loader.edges(&root, &defaults);
    let nodes = match root.entry("nodes") {
        Some(entry) => nodes::check(entry, kinds, &source, &base_dir, report),
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
        edge.map_or_else(EdgeOptions::default, |entry| self.options(&entry.value, &EdgeOptions::default()))
    }

    /// The options of an edge, as far as they can be read.
    fn options(&mut self, item: &Item, defaults: &EdgeOptions) -> EdgeOptions {
        let edge: Edge = item.to_json().and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default();
        let options = edge.over(defaults);
        for (key, what, help) in edge.contradictions(&options) {
            let span = item.entry(key).map_or(item.span.clone(), |entry| entry.key.span.start..entry.value.span.end);
            self.push(&codes::EDGE_CONTRADICTION, what, &span, help);
        }
        if let (Some(bytes), Some(entry)) = (edge.max_bytes, item.entry("max_bytes"))
            && bytes.0 == 0
        {
            self.push(&codes::OUT_OF_RANGE, "`max_bytes` must not be 0", &entry.value.span, "such as `64MiB`");
        }
        options
    }

    fn edges(&mut self, root: &Item, defaults: &EdgeOptions) -> (Vec<EdgeEntry>, bool) {
        let Some(Tree::List(lines)) = root.entry("edges").map(|entry| &entry.value.value) else {
            return (Vec::new(), false);
        };
        let (mut edges, mut complete) = (Vec::new(), true);
        let schema = schemars::schema_for!(Edge).to_value();
        for (index, line) in lines.iter().enumerate() {
            let (chain, options) = match &line.value {
                Tree::Unknown => {
                    complete = false;
                    continue;
                }
                Tree::Text(text) | Tree::Substituted(text) => {
                    (Item { value: text.as_str(), span: line.span.clone() }, defaults.clone())
                }
                Tree::Map(entries) if entries.len() == 1 => {
                    let (key, mut value) = (&entries[0].key, entries[0].value.clone());
                    if !matches!(value.value, Tree::Null) {
                        let at = At::from("edges").index(index);
                        self.check(&schema, at, "an edge", &mut value, &key.span);
                    }
                    (Item { value: key.value.as_str(), span: key.span.clone() }, self.options(&value, defaults))
                }
                _ => {
                    complete = false;
                    let message = "an edge is a text `a -> b`, or a map with one such text as its only key";
                    let help = "write `- a -> b` or `- a -> b: { capacity: 1000 }`";
                    self.push(&codes::BAD_EDGE, message, &line.span, help);
                    continue;
                }
            };
            match chain::endpoints(&chain, self.source) {
                Ok(ends) => edges.extend(ends.windows(2).map(|hop| EdgeEntry {
                    from: hop[0].clone(),
                    to: hop[1].clone(),
                    options: options.clone(),
                })),
                Err(found) => {
                    complete = false;
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
