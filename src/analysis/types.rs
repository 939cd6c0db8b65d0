//! Whether what was read at a source is of a type that the nodes behind it can do something with.

use std::collections::BTreeMap;

use fieldflow_contract::{Tags, ValueType};

use super::Analysis;
use crate::config::PipelineFile;
use crate::diagnostics::{Diagnostic, Report, codes};

/// How often a tag is compared with a rule, at the most: a hostile file has thousands of both.
const MOST_COMPARED: usize = 2_000_000;

/// Of what type the value of each tag was, and the source that read it.
type Types<'a> = BTreeMap<&'a str, (ValueType, usize)>;

impl Analysis<'_> {
    /// Reports each rule to which a tag comes of a type that it can do nothing with. `read` is what was seen at each node, by
    /// its place in the file.
    pub fn check_types(&self, file: &PipelineFile, read: &[BTreeMap<String, ValueType>], report: &mut Report) {
        let net = &self.net;
        let mut coming: Vec<Types<'_>> = vec![Types::new(); net.nodes.len()];
        let mut compared = 0;
        for node in &net.order {
            let facts = &net.nodes[*node].1;
            for wants in &facts.wants {
                compared += coming[*node].len();
                let is_wrong = |tag: &str, kind: ValueType| !wants.types.contains(&kind) && wants.tags.fits(tag);
                let mut wrong = coming[*node].iter().filter(|(tag, (kind, _))| is_wrong(tag, *kind));
                let Some((tag, (kind, source))) = wrong.next().filter(|_| compared <= MOST_COMPARED) else { continue };
                let (Some(here), Some(there)) = (file.nodes.get(*node), file.nodes.get(*source)) else { continue };
                let more = match wrong.count() {
                    0 => String::new(),
                    more => format!(", and so {} {more} more", if more == 1 { "is" } else { "are" }),
                };
                let message = format!(
                    "`{tag}` was read as {}{more}, and `{}` works on {}",
                    kind.word(),
                    here.name,
                    listed(wants.types)
                );
                let found = Diagnostic::new(&codes::WRONG_KIND_OF_VALUE, message).at(here.place_of(&wants.at));
                let found = found.related(there.place.clone(), format!("`{tag}` comes from here"));
                report.push(found.help("take the tag out of this rule, or make a number of it before: `type: cast`"));
            }
            let leaving = match facts.tags {
                Tags::Same if !facts.retypes => std::mem::take(&mut coming[*node]),
                _ => own(read.get(*node), *node),
            };
            for edge in net.out_of[*node].iter().map(|edge| &net.edges[*edge]) {
                // What another port gives may be something else, such as an event.
                let is_plain = matches!(&**edge.edge.port, "out" | "rejected");
                if is_plain || edge.edge.from.kind.type_name() == "route" {
                    coming[edge.to].extend(leaving.iter().map(|(tag, kind)| (*tag, *kind)));
                }
            }
        }
    }
}

/// What was read at this node itself.
fn own(read: Option<&BTreeMap<String, ValueType>>, node: usize) -> Types<'_> {
    read.into_iter().flatten().map(|(tag, kind)| (tag.as_str(), (*kind, node))).collect()
}

fn listed(types: &[ValueType]) -> String {
    let plural = |kind: &ValueType| match kind {
        ValueType::Number => "numbers",
        ValueType::Boolean => "booleans",
        ValueType::Text => "texts",
        ValueType::Bytes => "raw bytes",
    };
    types.iter().map(plural).collect::<Vec<_>>().join(" and ")
}
