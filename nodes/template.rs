//! Templates: a text with placeholders in braces, such as `site/{tag[0]}/{tag}`.

use std::fmt::{self, Write as _};

/// A text with placeholders. `{{` and `}}` stand for the braces themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(Hole),
}

/// A placeholder: a name, and which part of what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hole {
    /// One of the names that the template was parsed with.
    pub(crate) name: &'static str,
    /// `{tag[1]}`: the part between separators, counted from 0; from the end if negative.
    pub(crate) part: Option<i32>,
}

/// A placeholder that cannot be filled: the text has no such part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) part: i32,
    pub(crate) of: String,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` has no part {} between `/` or `.`", self.of, self.part)
    }
}

impl Template {
    /// Reads a template in which these names are known. The error says what is wrong, in words for a person.
    pub(crate) fn parse(text: &str, names: &[&'static str]) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(after) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(format!("a `}}` without its `{{` in `{text}`; write `}}}}` for the sign itself"));
            }
            let end = after.find('}').ok_or_else(|| format!("a `{{` without its `}}` in `{text}`"))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Hole(hole(&after[..end], names)?));
            rest = &after[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// The placeholders, in order.
    pub(crate) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(hole) => Some(hole),
            Part::Text(_) => None,
        })
    }

    /// The text with every placeholder filled: `fill` appends what a name stands for.
    pub(crate) fn expand(&self, mut fill: impl FnMut(&str, &mut String)) -> Result<String, Missing> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Hole(Hole { name, part: None }) => fill(name, &mut filled),
                Part::Hole(Hole { name, part: Some(part) }) => {
                    let mut whole = String::new();
                    fill(name, &mut whole);
                    match part_of(&whole, *part) {
                        Some(part) => filled.push_str(part),
                        None => return Err(Missing { part: *part, of: whole }),
                    }
                }
            }
        }
        Ok(filled)
    }
}

fn hole(text: &str, names: &[&'static str]) -> Result<Hole, String> {
    let (name, part) = match text.split_once('[') {
        None => (text, None),
        Some((name, index)) => {
            let index = index.strip_suffix(']').and_then(|index| index.parse().ok());
            (name, Some(index.ok_or_else(|| format!("`{{{text}}}`: a whole number is wanted in the brackets"))?))
        }
    };
    if let Some(name) = names.iter().copied().find(|known| *known == name) {
        return Ok(Hole { name, part });
    }
    let mut known = String::new();
    for name in names {
        let _ = write!(known, " {{{name}}}");
    }
    Err(format!("`{{{text}}}` stands for nothing; known are{known}"))
}

/// The part of a tag's name or topic between `/` or `.`.
fn part_of(text: &str, part: i32) -> Option<&str> {
    let parts = text.split(['/', '.']);
    match usize::try_from(part) {
        Ok(at) => parts.clone().nth(at),
        Err(_) => parts.rev().nth(part.unsigned_abs() as usize - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(text: &str) -> Result<String, String> {
        let template = Template::parse(text, &["tag", "pipeline"])?;
        let fill = |name: &str, to: &mut String| to.push_str(if name == "tag" { "a/b.c" } else { "p" });
        template.expand(fill).map_err(|missing| missing.to_string())
    }

    #[test]
    fn placeholders_are_filled() {
        for (text, filled) in [
            ("site/{tag}", "site/a/b.c"),
            ("{pipeline}:{tag[0]}-{tag[-1]}", "p:a-c"),
            ("{{{tag[1]}}}", "{b}"),
            ("", ""),
        ] {
            assert_eq!(expand(text).as_deref(), Ok(filled), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_is_told() {
        for (text, said) in [
            ("{tg}", "known are {tag} {pipeline}"),
            ("{tag", "without its `}`"),
            ("tag}", "without its `{`"),
            ("{tag[x]}", "whole number"),
            ("{tag[3]}", "has no part 3"),
            ("{tag[-4]}", "has no part -4"),
        ] {
            let error = expand(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
