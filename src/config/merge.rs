//! The entries of a map when all of them are known: merge keys put in, keys that are written twice reported.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::tree::{Entry, Tree};
use crate::diagnostics::{Diagnostic, Place, Report, SourceText, codes};

/// The entries without merge keys and repeats. What was wrong with them is reported at once: there may be as many as letters.
pub(super) fn entries(written: Vec<Entry>, source: &Arc<SourceText>, report: &mut Report) -> Vec<Entry> {
    let mut first: HashMap<String, std::ops::Range<usize>> = HashMap::with_capacity(written.len());
    let mut entries = Vec::with_capacity(written.len());
    let mut merged = Vec::new();
    for entry in written {
        // A quoted "<<" is a key like any other.
        if entry.key.value == "<<" && source.text().get(entry.key.span.clone()) == Some("<<") {
            merged.push(entry);
        } else if let Some(before) = first.get(&entry.key.value) {
            report.push(
                Diagnostic::new(&codes::DUPLICATE_KEY, format!("the key `{}` is written twice", entry.key.value))
                    .at(Place::new(source, entry.key.span))
                    .label("and again here")
                    .related(Place::new(source, before.clone()), "first here")
                    .help("delete or rename one of the two"),
            );
        } else {
            first.insert(entry.key.value.clone(), entry.key.span.clone());
            entries.push(entry);
        }
    }
    for entry in merged {
        let maps = match entry.value.value {
            Tree::List(items) => items,
            _ => vec![entry.value],
        };
        for map in maps {
            let Tree::Map(more) = map.value else {
                let place = if map.span.is_empty() { entry.key.span.clone() } else { map.span };
                let wrong = Diagnostic::new(&codes::BAD_MERGE, "`<<` wants a map, or a list of maps");
                report.push(wrong.at(Place::new(source, place)));
                continue;
            };
            for one in more {
                // What is written in the map itself stands over what is merged into it, and earlier over later.
                if !first.contains_key(&one.key.value) {
                    first.insert(one.key.value.clone(), one.key.span.clone());
                    entries.push(one);
                }
            }
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use crate::config::parse::parse;
    use crate::diagnostics::{Report, SourceText};

    #[test]
    fn all_repeats_are_found_in_one_pass_each_with_both_places() {
        let text = "a: 1\nb: { x: 1, x: 2 }\na: 3\n1: p\na: 4\n";
        let mut report = Report::new();
        let tree = parse(&std::sync::Arc::new(SourceText::new("t.yaml", text)), &mut report).unwrap();
        let places: Vec<_> = report
            .diagnostics()
            .iter()
            .map(|one| (one.place.as_ref().unwrap().start(), one.related[0].0.start()))
            .collect();
        assert_eq!(places, [((2, 12), (2, 6)), ((3, 1), (1, 1)), ((5, 1), (1, 1))]);
        assert_eq!(tree.to_json().unwrap().to_string(), r#"{"a":1,"b":{"x":1},"1":"p"}"#);
    }
}
