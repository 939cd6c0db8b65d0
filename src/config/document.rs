//! Any other YAML document: read like a pipeline file, with the place of everything that is wrong in it.

use std::path::Path;

use fieldflow_contract::{At, read_options};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::config::schema::{self, Subject};
use crate::config::tree::{Item, Tree};
use crate::config::{parse, read};
use crate::diagnostics::{Diagnostic, Place, Report, codes};

/// Reads a document whose shape is that of `T`; `what` it is called in messages. An empty file is an empty map. `None` if
/// something is wrong with it, which is then in the report.
pub fn document<T: DeserializeOwned + JsonSchema>(path: &Path, what: &str, report: &mut Report) -> Option<T> {
    let errors_before = report.errors();
    let source = read::read(path, report)?;
    let mut root = parse::parse(&source, report)?;
    if matches!(root.value, Tree::Null) {
        root = Item { value: Tree::Map(Vec::new()), span: root.span };
    }
    let shape = schemars::schema_for!(T).to_value();
    let subject = Subject { schema: &shape, name: what.to_owned(), at: At::root(), source: &source };
    schema::check(subject, &mut root, &(0..0), report);
    if report.errors() != errors_before {
        return None;
    }
    match read_options(root.to_json()?) {
        Ok(document) => Some(document),
        Err(finding) => {
            let place = Place::new(&source, root.place_of(&finding.at, &root.span));
            report.push(Diagnostic::new(&codes::UNREADABLE_OPTIONS, finding.message).at(place));
            None
        }
    }
}
