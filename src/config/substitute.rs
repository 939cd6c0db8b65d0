//! Puts the values of `${env:NAME}`, `${env:NAME:-default}` and `${file:/path}` into the texts of the tree.
//!
//! This happens after parsing and once: what is put in is a text and is never read as YAML again. What came from outside is
//! a secret from then on; a default stands in the file for all to see and is none.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::config::env::Env;
use crate::config::read::reason;
use crate::config::tree::{Item, Tree};
use crate::diagnostics::{Code, Diagnostic, Place, Report, SourceText, codes};

/// What the substitution works with.
pub(super) struct Substitution<'a> {
    pub(super) source: &'a Arc<SourceText>,
    pub(super) base_dir: &'a Path,
    pub(super) env: &'a dyn Env,
    pub(super) report: &'a mut Report,
}

impl Substitution<'_> {
    /// Fills in every text of the tree. One that cannot be filled in is reported and becomes unknown.
    pub(super) fn fill(&mut self, item: &mut Item) {
        match &mut item.value {
            Tree::List(items) => items.iter_mut().for_each(|item| self.fill(item)),
            Tree::Map(entries) => {
                for entry in entries {
                    if entry.key.value.contains("${") {
                        let found = Diagnostic::new(&codes::SUBSTITUTION, "`${…}` stands in a key");
                        let found = found.at(Place::new(self.source, entry.key.span.clone()));
                        self.report
                            .push(found.help("only the text of a value can come from outside: write the key out"));
                    }
                    self.fill(&mut entry.value);
                }
            }
            Tree::Text(text) if text.contains("${") => {
                let text = std::mem::take(text);
                item.value = self.text(&text, &item.span);
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, span: &Range<usize>) -> Tree {
        let (mut filled, mut from_outside, mut whole) = (String::with_capacity(text.len()), false, true);
        let parts = Parts::of(self.source, text, span);
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            if let Some(before) = before.strip_suffix('$') {
                filled.push_str(before);
                filled.push_str("${");
                rest = after;
                continue;
            }
            filled.push_str(before);
            let start = text.len() - after.len() - 2;
            let (name, behind, closed) = match after.split_once('}') {
                Some((name, behind)) => (name, behind, true),
                None => (after, "", false),
            };
            let part = start..text.len() - behind.len();
            match if closed { self.value(name) } else { Err(not_closed()) } {
                Ok((value, secret)) => {
                    if secret {
                        self.report.hide(&value);
                        from_outside = true;
                    }
                    filled.push_str(&value);
                }
                Err(found) => {
                    whole = false;
                    self.report.push((*found).at(Place::new(self.source, parts.place(&part))));
                }
            }
            rest = behind;
        }
        filled.push_str(rest);
        match (whole, from_outside) {
            (false, _) => Tree::Unknown,
            (true, true) => Tree::Substituted(filled),
            (true, false) => Tree::Text(filled),
        }
    }

    /// The value of what stands between the braces, and whether it is a secret.
    fn value(&self, name: &str) -> Result<(String, bool), Box<Diagnostic>> {
        if let Some(variable) = name.strip_prefix("env:") {
            let (variable, default) = match variable.split_once(":-") {
                Some((variable, default)) => (variable, Some(default)),
                None => (variable, None),
            };
            if !is_variable(variable) {
                let help = "letters, digits and `_`, such as `${env:OPC_PASSWORD}`";
                return Err(wrong(&codes::SUBSTITUTION, "this is not the name of an environment variable", help));
            }
            // As in a shell, a default also stands in for a variable that is set to nothing.
            return match (self.env.var(variable), default) {
                (Some(value), None) => Ok((value, true)),
                (Some(value), Some(_)) if !value.is_empty() => Ok((value, true)),
                (_, Some(default)) => Ok((default.to_owned(), false)),
                (None, None) => {
                    let help = format!("set it, or give a default: `${{env:{variable}:-default}}`");
                    Err(wrong(&codes::NO_VARIABLE, format!("the environment variable `{variable}` is not set"), help))
                }
            };
        }
        let Some(path) = name.strip_prefix("file:").filter(|path| !path.is_empty()) else {
            let help = "write `${env:NAME}`, `${env:NAME:-default}` or `${file:/path}`; `$${` stands for `${` itself";
            return Err(wrong(&codes::SUBSTITUTION, format!("`${{{name}}}` is not known"), help));
        };
        match self.env.file(&self.base_dir.join(path)) {
            Ok(content) => Ok((content.trim_end_matches(['\n', '\r']).to_owned(), true)),
            Err(error) => {
                let help = "it must exist, be readable by this user, be UTF-8 and hold at most 64 KiB";
                let message = format!("the file `{path}` cannot be read: {}", reason(&error));
                Err(wrong(&codes::NO_SECRET_FILE, message, help))
            }
        }
    }
}

fn wrong(code: &'static Code, message: impl Into<String>, help: impl Into<String>) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(code, message).help(help))
}

fn not_closed() -> Box<Diagnostic> {
    wrong(&codes::SUBSTITUTION, "`${` is not closed", "write `${env:NAME}`; `$${` stands for `${` itself")
}

fn is_variable(name: &str) -> bool {
    name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()) && !name.is_empty()
}

/// Where the parts of a text stand in the file.
pub(super) struct Parts<'a> {
    span: &'a Range<usize>,
    /// The byte at which the text begins, if it is written in the file letter by letter, without escapes or folds.
    start: Option<usize>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(source: &SourceText, text: &str, span: &'a Range<usize>) -> Self {
        let written = source.text().get(span.clone()).unwrap_or("");
        let start = if written == text {
            Some(span.start)
        } else {
            let quoted = written.get(1..written.len().saturating_sub(1));
            (quoted == Some(text)).then_some(span.start + 1)
        };
        Self { span, start }
    }

    /// Where these bytes of the text stand; the whole of it, where that cannot be told.
    pub(super) fn place(&self, part: &Range<usize>) -> Range<usize> {
        self.start.map_or_else(|| self.span.clone(), |start| start + part.start..start + part.end)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::config::parse::parse;

    struct Made;

    impl Env for Made {
        fn var(&self, name: &str) -> Option<String> {
            match name {
                "CANARY" => Some("canary-4711 # : [".to_owned()),
                "NOTHING" => Some(String::new()),
                _ => None,
            }
        }
        fn file(&self, path: &Path) -> io::Result<String> {
            if path == Path::new("/base/secret") {
                Ok("from file\n".into())
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        }
    }

    fn fill(value: &str) -> (Tree, Report) {
        let source = Arc::new(SourceText::new("t.yaml", format!("a: {value}\n")));
        let mut report = Report::new();
        let mut tree = parse(&source, &mut report).unwrap();
        let base_dir = Path::new("/base");
        Substitution { source: &source, base_dir, env: &Made, report: &mut report }.fill(&mut tree);
        (tree.entry("a").unwrap().value.value.clone(), report)
    }

    #[test]
    fn values_are_put_in_as_text_and_never_read_again() {
        for (value, expected) in [
            ("x${env:CANARY}y", "xcanary-4711 # : [y"),
            ("${env:NOTHING:-8}", "8"),
            ("${env:MISSING:-a:-b}", "a:-b"),
            ("\"${file:secret}\"", "from file"),
            ("$${env:CANARY} $5", "${env:CANARY} $5"),
        ] {
            let (tree, report) = fill(value);
            assert!(!report.has_errors(), "{value}");
            assert!(matches!(&tree, Tree::Text(text) | Tree::Substituted(text) if text == expected), "{tree:?}");
        }
    }

    #[test]
    fn what_came_from_outside_is_a_secret_and_a_default_is_none() {
        let (tree, report) = fill("x${env:CANARY}y");
        assert!(matches!(tree, Tree::Substituted(_)));
        assert_eq!(report.secrets().hide("canary-4711 # : ["), "***");
        let (tree, report) = fill("${env:MISSING:-open}");
        assert!(matches!(tree, Tree::Text(_)));
        assert_eq!(report.secrets().hide("open"), "open");
    }

    #[test]
    fn each_mistake_is_reported_at_its_own_place() {
        let (tree, report) = fill("\"a ${env:ONE} ${env:TWO} ${HOME} ${file:/no} ${env:\"");
        assert!(matches!(tree, Tree::Unknown));
        let found = report.diagnostics();
        let columns: Vec<_> = found.iter().map(|one| one.place.as_ref().unwrap().start().1).collect();
        assert_eq!(columns, [7, 18, 29, 37, 49]);
    }
}
