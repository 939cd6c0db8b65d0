//! From YAML to the tree. With `syntax`, the only user of the YAML crate.
//!
//! The tree is built from the parser's events rather than by serde, because only the events know where a map ends, which
//! keys are written twice, and whether a text stood in quotes.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use serde_yaml::granit_parser::{self as yaml, Event, ScalarStyle, ScanError, Tag};

use crate::config::scalar::resolve;
use crate::config::tree::{Entry, Item, Tree};
use crate::config::{merge, syntax};
use crate::diagnostics::{Code, Diagnostic, Place, Report, SourceText, codes};

/// How deeply maps and lists may be nested.
const DEEPEST: usize = 64;
/// What the copies that a file's anchors and aliases make may add up to, in bytes of memory.
const MOST_COPIED: usize = 8 << 20;

/// The tree of the file; `None` if it cannot be read as YAML, which is then reported.
pub(super) fn parse(source: &Arc<SourceText>, report: &mut Report) -> Option<Item> {
    let mut builder = Builder { source, report, open: Vec::new(), root: None, anchors: HashMap::new(), copied: 0 };
    match builder.run() {
        Ok(()) => Some(builder.root.unwrap_or(Item { value: Tree::Null, span: 0..0 })),
        Err(found) => {
            report.push(*found);
            None
        }
    }
}

/// A list or map whose end has not come yet.
struct Open {
    start: usize,
    anchor: usize,
    /// How many levels lie in it so far.
    depth: usize,
    /// What it weighs so far, in bytes of text and values.
    weight: usize,
    holds: Holds,
}

enum Holds {
    List(Vec<Item>),
    Map(Vec<Entry>, Option<Item<String>>),
}

/// A finished value that an alias may name.
struct Anchored {
    item: Item,
    depth: usize,
    weight: usize,
}

struct Builder<'a> {
    source: &'a Arc<SourceText>,
    report: &'a mut Report,
    open: Vec<Open>,
    root: Option<Item>,
    anchors: HashMap<usize, Anchored>,
    copied: usize,
}

type Step = Result<(), Box<Diagnostic>>;

impl Builder<'_> {
    fn run(&mut self) -> Step {
        let source = Arc::clone(self.source);
        let mut documents = 0;
        for next in yaml::Parser::new_from_str(source.text()) {
            let (event, span) = next.map_err(|error| self.syntax(&error))?;
            let bytes = span.byte_range().unwrap_or(0..0);
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents == 2 {
                        let found = self.found(&codes::SEVERAL_DOCUMENTS, "a second YAML document begins here", bytes);
                        return Err(Box::new(found.help("one file is one pipeline: put this one into its own file")));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    let as_text = self.tag(tag.as_deref(), &bytes);
                    let value = if as_text || style != ScalarStyle::Plain {
                        Tree::Text(text.into_owned())
                    } else {
                        resolve(&text)
                    };
                    self.place(Item { value, span: bytes }, anchor, 0, None)?;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    self.tag(tag.as_deref(), &bytes);
                    self.begin(&bytes, anchor, Holds::List(Vec::new()))?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    self.tag(tag.as_deref(), &bytes);
                    self.begin(&bytes, anchor, Holds::Map(Vec::new(), None))?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end(&bytes)?,
                Event::Alias(anchor) => self.alias(anchor, bytes)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn begin(&mut self, bytes: &Range<usize>, anchor: usize, holds: Holds) -> Step {
        if self.open.len() == DEEPEST {
            return Err(self.too_deep(bytes.clone()));
        }
        self.open.push(Open { start: bytes.start, anchor, depth: 1, weight: 1, holds });
        Ok(())
    }

    fn end(&mut self, bytes: &Range<usize>) -> Step {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (value, last) = match open.holds {
            Holds::List(items) => {
                let last = items.last().map_or(0, |item| item.span.end);
                (Tree::List(items), last)
            }
            Holds::Map(entries, _) => {
                let last = entries.last().map_or(0, |entry| entry.value.span.end);
                let entries = merge::entries(entries, self.source, self.report);
                (Tree::Map(entries), last)
            }
        };
        // A block ends where its last value does; its own end comes only after blank lines and comments.
        let end = if bytes.is_empty() && open.start < last { last } else { bytes.end };
        let span = open.start..end.max(open.start);
        self.place(Item { value, span }, open.anchor, open.depth, Some(open.weight))
    }

    fn alias(&mut self, anchor: usize, bytes: Range<usize>) -> Step {
        let Some((depth, weight)) = self.anchors.get(&anchor).map(|anchored| (anchored.depth, anchored.weight)) else {
            let found = self.found(&codes::EXPANDS_TOO_FAR, "this alias stands inside the value that it names", bytes);
            return Err(Box::new(found));
        };
        // Before the copy is made: that is what makes a bomb of it.
        self.copy(weight, &bytes)?;
        if DEEPEST < self.open.len() + depth {
            return Err(self.too_deep(bytes));
        }
        match self.anchors.get(&anchor).map(|anchored| anchored.item.clone()) {
            Some(item) => self.place(item, 0, depth, Some(weight)),
            None => Ok(()),
        }
    }

    /// Puts a finished value where it belongs: under its key, into its list, or at the root.
    fn place(&mut self, item: Item, anchor: usize, depth: usize, weight: Option<usize>) -> Step {
        let weight = weight.unwrap_or_else(|| size_of::<Item>() + item.text().map_or(0, str::len));
        if anchor != 0 {
            self.copy(weight, &item.span)?;
            self.anchors.insert(anchor, Anchored { item: item.clone(), depth, weight });
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(item);
            return Ok(());
        };
        open.depth = open.depth.max(depth + 1);
        open.weight += weight;
        match &mut open.holds {
            Holds::List(items) => items.push(item),
            Holds::Map(entries, key) => match key.take() {
                Some(key) => entries.push(Entry { key, value: item }),
                None => *key = Some(key_of(item, self.source)?),
            },
        }
        Ok(())
    }

    /// Whether the tag says that the value is a text. Any other tag is reported.
    fn tag(&mut self, tag: Option<&Tag>, bytes: &Range<usize>) -> bool {
        let Some(tag) = tag else { return false };
        let is_text = tag.is_yaml_core_schema_tag("str") || tag.original() == "!";
        if !is_text {
            let message = format!("the YAML tag `{}` is not known here", tag.original());
            let found = self.found(&codes::YAML_TAG, &message, bytes.clone());
            self.report.push(found.help("leave it out; put a value in quotes to make it a text"));
        }
        is_text
    }

    /// Counts what is about to be copied, and refuses it where the copies become too many.
    fn copy(&mut self, weight: usize, bytes: &Range<usize>) -> Step {
        self.copied += weight;
        if self.copied <= MOST_COPIED {
            return Ok(());
        }
        let message = "the anchors and aliases of this file copy more than 8 MiB";
        Err(Box::new(self.found(&codes::EXPANDS_TOO_FAR, message, bytes.clone()).label("with this one")))
    }

    fn too_deep(&self, bytes: Range<usize>) -> Box<Diagnostic> {
        Box::new(self.found(&codes::TOO_DEEP, &format!("this is nested deeper than {DEEPEST} levels"), bytes))
    }

    fn found(&self, code: &'static Code, message: &str, bytes: Range<usize>) -> Diagnostic {
        Diagnostic::new(code, message).at(Place::new(self.source, bytes))
    }

    fn syntax(&self, error: &ScanError) -> Box<Diagnostic> {
        let syntax::Said { bytes, message, help } = syntax::said(self.source.text(), error);
        Box::new(self.found(&codes::SYNTAX, &message, bytes).help(help))
    }
}

/// A key is the text as it stands in the file: `1:` and `true:` are the keys `1` and `true`.
fn key_of(item: Item, source: &Arc<SourceText>) -> Result<Item<String>, Box<Diagnostic>> {
    let value = match item.value {
        Tree::Text(text) => text,
        Tree::List(_) | Tree::Map(_) => {
            return Err(Box::new(
                Diagnostic::new(&codes::BAD_KEY, "a list or map stands where a key is wanted")
                    .at(Place::new(source, item.span))
                    .help("put a text that begins with `{` or `[` in quotes, such as \"{tag}\""),
            ));
        }
        _ => source.text().get(item.span.clone()).unwrap_or("").to_owned(),
    };
    Ok(Item { value, span: item.span })
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn read(text: &str) -> (Option<Item>, Vec<Diagnostic>) {
        let mut report = Report::new();
        let tree = parse(&Arc::new(SourceText::new("t.yaml", text)), &mut report);
        (tree, report.diagnostics())
    }

    fn json(text: &str) -> String {
        let (tree, found) = read(text);
        assert!(found.is_empty(), "{found:?}");
        tree.unwrap().to_json().unwrap().to_string()
    }

    #[test]
    fn every_key_and_value_knows_its_bytes() {
        let text = "ä: &x { a: \"1\", b: [1,\n 2] }\nc:\n  - *x\n  - d: yes\n\n# end\n";
        let (tree, _) = read(text);
        let tree = tree.unwrap();
        let shown = |span: &Range<usize>| text[span.clone()].to_owned();
        let first = &tree.entries()[0];
        assert_eq!(
            (shown(&first.key.span), shown(&first.value.span)),
            ("ä".into(), "{ a: \"1\", b: [1,\n 2] }".into())
        );
        assert_eq!(shown(&first.value.entry("b").unwrap().value.span), "[1,\n 2]");
        assert_eq!(shown(&tree.entries()[1].value.span), "- *x\n  - d: yes");
    }

    #[test]
    fn aliases_and_merge_keys_are_put_in() {
        assert_eq!(
            json("a: &x { p: 1, q: 2 }\nb: *x\nc: { <<: *x, q: 3 }\n"),
            r#"{"a":{"p":1,"q":2},"b":{"p":1,"q":2},"c":{"q":3,"p":1}}"#
        );
        assert_eq!(json("1: a\ntrue: b\n~: c\n!!str 5: !!str 6\n"), r#"{"1":"a","true":"b","~":"c","5":"6"}"#);
    }

    #[test]
    fn an_alias_bomb_is_refused_before_it_goes_off() {
        let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
        for n in 1..30 {
            let alias = format!("*a{}", n - 1);
            let _ = writeln!(text, "a{n}: &a{n} [{}]", vec![alias; 9].join(", "));
        }
        let (tree, found) = read(&text);
        assert!(tree.is_none() && found[0].code == &codes::EXPANDS_TOO_FAR, "{found:?}");
        let (tree, found) = read("a: &a [*a]\n");
        assert!(tree.is_none() && found[0].code == &codes::EXPANDS_TOO_FAR, "{found:?}");
    }

    #[test]
    fn deep_nesting_is_refused_however_it_is_made() {
        let mut by_aliases = "a0: &a0 [1]\n".to_owned();
        for n in 1..70 {
            let _ = writeln!(by_aliases, "a{n}: &a{n} [*a{}]", n - 1);
        }
        let block = (0..70).map(|n| " ".repeat(n) + "a:\n").collect::<String>();
        for text in ["[".repeat(5_000), by_aliases, block] {
            let (tree, found) = read(&text);
            assert!(tree.is_none());
            assert!([&codes::TOO_DEEP, &codes::SYNTAX].contains(&found[0].code), "{found:?}");
        }
    }
}
