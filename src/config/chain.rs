//! `a -> b.port -> c`: the text of an edge, with the place of each of its ends.

use std::ops::Range;
use std::sync::Arc;

use crate::config::substitute::Parts;
use crate::config::tree::Item;
use crate::diagnostics::{Diagnostic, Place, SourceText, codes};

/// One of the names in a chain.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The node.
    pub node: String,
    /// The output, if it is named.
    pub port: Option<String>,
    /// Where both stand.
    pub place: Place,
}

/// Most names that are read of one chain; there are fewer edges in a pipeline.
const MOST: usize = 65_538;

/// Whether a text can be the name of a node or a port.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') && !text.contains("->")
}

/// The ends of a chain, at least two; or what is wrong with it.
pub(super) fn endpoints(text: &Item<&str>, source: &Arc<SourceText>) -> Result<Vec<Endpoint>, Box<Diagnostic>> {
    let parts = Parts::of(source, text.value, &text.span);
    let place = |part: Range<usize>| Place::new(source, parts.place(&part));
    let wrong = |part: Range<usize>, message: String| {
        let help = match with_arrows(text.value) {
            Some(right) => format!("write `{right}`"),
            None => "an edge is written `a -> b`, `a -> b -> c` or `a.port -> b`".to_owned(),
        };
        Box::new(Diagnostic::new(&codes::BAD_EDGE, message).at(place(part)).help(help))
    };
    let mut ends = Vec::new();
    let mut start = 0;
    // One more than anybody looks at.
    for piece in text.value.split("->").take(MOST) {
        let name = piece.trim();
        let from = start + (piece.len() - piece.trim_start().len());
        let bytes = from..from + name.len();
        start += piece.len() + "->".len();
        let (node, port) = match name.split_once('.') {
            Some((node, port)) => (node, Some(port)),
            None => (name, None),
        };
        if name.is_empty() {
            return Err(wrong(0..text.value.len(), "a name is missing at an end of an arrow".to_owned()));
        }
        if !is_name(node) || port.is_some_and(|port| !is_name(port)) {
            return Err(wrong(bytes, format!("`{name}` is not the name of a node")));
        }
        ends.push(Endpoint { node: node.to_owned(), port: port.map(str::to_owned), place: place(bytes) });
    }
    match ends.as_slice() {
        [_, .., Endpoint { port: Some(port), node, place }] => {
            let message = format!("an edge ends at a node, not at its output `{port}`");
            let help = format!("write `{node}`: an edge begins at an output and ends at the node's one input");
            Err(Box::new(Diagnostic::new(&codes::BAD_EDGE, message).at(place.clone()).help(help)))
        }
        [_, _, ..] => Ok(ends),
        _ => Err(wrong(0..text.value.len(), "an edge needs two nodes".to_owned())),
    }
}

/// The chain with the arrow of this language in the place of another one, if that makes it right.
fn with_arrows(text: &str) -> Option<String> {
    if 200 < text.len() {
        return None;
    }
    let right = ["-->", "==>", "=>", ">>", "→", " > "].iter().fold(text.to_owned(), |text, arrow| {
        if text.contains("->") && *arrow != "-->" { text } else { text.replace(arrow, "->") }
    });
    let names: Vec<&str> = right.split("->").map(str::trim).collect();
    let is_right = 1 < names.len() && names.iter().all(|name| is_name(name.split('.').next().unwrap_or_default()));
    (is_right && right != text).then(|| names.join(" -> "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(written: &str, value: &str) -> Result<Vec<(String, Option<String>, String)>, String> {
        let source = Arc::new(SourceText::new("t.yaml", format!("- {written}\n")));
        let item = Item { value, span: 2..2 + written.len() };
        let shown = |end: Endpoint| (end.node, end.port, source.text()[end.place.span].to_owned());
        endpoints(&item, &source).map(|ends| ends.into_iter().map(shown).collect()).map_err(|found| found.message)
    }

    #[test]
    fn each_end_of_a_chain_knows_its_own_place() {
        let expected = vec![
            ("a".into(), None, "a".into()),
            ("b".into(), Some("p".into()), "b.p".into()),
            ("c".into(), None, "c".into()),
        ];
        assert_eq!(ends("a ->b.p-> c", "a ->b.p-> c"), Ok(expected.clone()));
        assert_eq!(ends("\"a -> b.p -> c\"", "a -> b.p -> c"), Ok(expected));
        let folded = ends("\"a\\x20-> b\"", "a -> b").unwrap();
        assert_eq!(folded[0].2, "\"a\\x20-> b\"", "a text with escapes is pointed at as a whole");
    }

    #[test]
    fn what_is_no_chain_is_refused() {
        for text in ["a", "a ->", "-> b", "a -> -> b", "a --> b", "a -> b c", "a. -> b", "a -> b.rejected", ""] {
            assert!(ends(text, text).is_err(), "{text}");
        }
    }
}
