//! Any other YAML document: read like a pipeline file, with the place of everything that is wrong in it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use fieldflow_contract::{At, read_options};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::config::schema::{self, Subject};
use crate::config::tree::{Item, Tree};
use crate::config::{parse, read};
use crate::diagnostics::{Diagnostic, Place, Report, SourceText, codes};

/// Reads a document whose shape is that of `T`; `what` it is called in messages. An empty file is an empty map. `None` if
/// something is wrong with it, which is then in the report.
pub fn document<T: DeserializeOwned + JsonSchema>(path: &Path, what: &str, report: &mut Report) -> Option<T> {
    let Checked { source, root, document } = checked(path, what, &schemars::schema_for!(T).to_value(), report)?;
    match read_options(document) {
        Ok(document) => Some(document),
        Err(finding) => {
            let place = Place::new(&source, root.place_of(&finding.at, &root.span));
            report.push(Diagnostic::new(&codes::UNREADABLE_OPTIONS, finding.message).at(place));
            None
        }
    }
}

/// Reads a document that has a list under each of some words. Beside each word is the schema of an element of its list.
pub fn lists(
    path: &Path,
    what: &str,
    shapes: impl IntoIterator<Item = (&'static str, Value)>,
    report: &mut Report,
) -> Option<BTreeMap<String, Vec<Value>>> {
    let (mut properties, mut defs) = (Map::new(), Map::new());
    for (word, mut element) in shapes {
        if let Some(Value::Object(own)) = element.as_object_mut().and_then(|element| element.remove("$defs")) {
            defs.extend(own);
        }
        properties.insert(word.to_owned(), json!({ "type": "array", "items": element }));
    }
    let shape = json!({ "type": "object", "properties": properties, "additionalProperties": false, "$defs": defs });
    let found = checked(path, what, &shape, report)?;
    serde_json::from_value(found.document).ok()
}

/// A document of the right shape, and where everything stands in it.
struct Checked {
    source: Arc<SourceText>,
    root: Item,
    document: Value,
}

fn checked(path: &Path, what: &str, shape: &Value, report: &mut Report) -> Option<Checked> {
    let errors_before = report.errors();
    let source = read::read(path, report)?;
    let mut root = parse::parse(&source, report)?;
    if matches!(root.value, Tree::Null) {
        root = Item { value: Tree::Map(Vec::new()), span: root.span };
    }
    let subject = Subject { schema: shape, name: what.to_owned(), at: At::root(), source: &source };
    schema::check(subject, &mut root, &(0..0), report);
    if report.errors() != errors_before {
        return None;
    }
    let document = root.to_json()?;
    Some(Checked { source, root, document })
}
