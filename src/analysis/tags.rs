//! Which tags reach a node, and the rules that name none of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use fieldflow_contract::{At, TagSelector, Tags};
use serde_json::Value;

use super::net::Net;
use crate::config::{PipelineFile, suggest};
use crate::diagnostics::{Diagnostic, Report, codes};

/// The tags at some place; `None` where they are not known.
type Known = Option<Arc<BTreeSet<String>>>;

/// How often a tag is compared with a pattern, at the most: a hostile file has thousands of both.
const MOST_COMPARED: usize = 400_000;
/// The same in search of what was meant, which takes longer.
const MOST_SUGGESTED: usize = 40_000;

/// Warns of each selector that fits no tag which comes to its node.
pub(super) fn check(net: &Net<'_>, file: &PipelineFile, report: &mut Report) {
    let arriving = arriving(net);
    let (mut compared, mut suggested) = (0, 0);
    for (node, entry) in file.nodes.iter().enumerate() {
        let Some(Some(tags)) = arriving.get(node) else { continue };
        let (graph_node, _) = &net.nodes[node];
        let schema = graph_node.kind.schema();
        let mut selectors = Vec::new();
        collect(&schema, &schema, &graph_node.options, &At::root(), &mut selectors);
        for (at, pattern) in selectors {
            if tags.contains(pattern) {
                continue;
            }
            if is_part(pattern, tags) {
                continue;
            }
            if pattern.contains(['*', '?']) {
                compared += tags.len();
                let selector = TagSelector::from(pattern);
                if MOST_COMPARED < compared || tags.iter().any(|tag| selector.fits(tag)) {
                    continue;
                }
            }
            suggested += tags.len();
            let names = if suggested <= MOST_SUGGESTED { tags.iter() } else { BTreeSet::iter(&EMPTY) };
            let names: Vec<&str> = names.map(String::as_str).collect();
            let help = suggest::help(pattern, &names, "the tags that come are").1;
            let message = format!("no tag that comes to `{}` is `{pattern}`", entry.name);
            let found = Diagnostic::new(&codes::UNKNOWN_TAG, message).at(entry.place_of(&at)).label("fits no tag");
            report.push(found.maybe_help(help));
        }
    }
}

/// Whether it may be a part of one of these tags, such as a field of a structure: `line.speed`, `line[0]`. Which parts there
/// are is known at run time.
fn is_part(pattern: &str, tags: &BTreeSet<String>) -> bool {
    pattern.match_indices(['.', '[']).any(|(end, _)| pattern.get(..end).is_some_and(|tag| tags.contains(tag)))
}

static EMPTY: BTreeSet<String> = BTreeSet::new();

/// The tags that come to each node.
fn arriving(net: &Net<'_>) -> Vec<Known> {
    let none: Known = Some(Arc::default());
    let mut arriving = vec![none; net.nodes.len()];
    for node in &net.order {
        let leaving: Known = match &net.nodes[*node].1.tags {
            Tags::Unknown => None,
            Tags::These(names) => Some(Arc::new(names.iter().cloned().collect())),
            Tags::Same => arriving[*node].clone(),
        };
        for edge in &net.out_of[*node] {
            let hop = &net.edges[*edge];
            // What another port gives may have names of its own, such as those of events.
            let is_plain = matches!(&**hop.edge.port, "out" | "rejected");
            let coming = if is_plain || hop.edge.from.kind.type_name() == "route" { leaving.clone() } else { None };
            let into = &mut arriving[hop.to];
            *into = match (into.take(), coming) {
                (Some(known), Some(more)) if known.is_empty() => Some(more),
                (Some(known), Some(more)) if Arc::ptr_eq(&known, &more) => Some(known),
                (Some(known), Some(more)) => Some(Arc::new(known.union(&more).cloned().collect())),
                _ => None,
            };
        }
    }
    arriving
}

/// Finds the selectors of tags in a node's options: each pattern with its path.
fn collect<'a>(schema: &Value, root: &Value, value: &'a Value, at: &At, found: &mut Vec<(At, &'a str)>) {
    let schema = match schema["$ref"].as_str().and_then(|target| root.pointer(target.strip_prefix('#')?)) {
        Some(target) => target,
        None => schema,
    };
    if schema["x-format"] == "tags" {
        match value {
            Value::String(pattern) => found.push((at.clone(), pattern)),
            Value::Array(patterns) => {
                let patterns = patterns.iter().enumerate();
                found.extend(patterns.filter_map(|(n, one)| Some((at.clone().index(n), one.as_str()?))));
            }
            _ => {}
        }
        return;
    }
    for word in ["anyOf", "oneOf", "allOf"] {
        for branch in schema[word].as_array().into_iter().flatten() {
            collect(branch, root, value, at, found);
        }
    }
    match value {
        Value::Object(options) => {
            for (name, option) in options {
                let below = &schema["properties"][name];
                let below = if below.is_null() { &schema["additionalProperties"] } else { below };
                collect(below, root, option, &at.clone().key(name), found);
            }
        }
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                collect(&schema["items"], root, item, &at.clone().index(n), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_tag_is_no_stranger() {
        let tags = BTreeSet::from(["line.state".to_owned()]);
        for (pattern, is) in [
            ("line.state[0]", true),
            ("line.state.speed", true),
            ("line.state.*", true),
            ("line.stat", false),
            ("line", false),
            ("line.states", false),
        ] {
            assert_eq!(is_part(pattern, &tags), is, "{pattern}");
        }
    }
}
