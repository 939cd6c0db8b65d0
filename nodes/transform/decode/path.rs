//! Where a value stands in a JSON message: `$.a.b[0]['x y']`.
//!
//! A small part of `JSONPath` (RFC 9535): members by name, elements by number, and all of them by `[*]`. Slices, filters and the
//! search at any depth are left out; a message that needs them wants an expression.

use std::fmt;

use serde_json::Value as Json;

use super::Why;

/// A path into a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// Whether it begins at the whole message (`$$`) where `each` has taken it apart.
    whole: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Member(String),
    /// Counted from 0; from the end if negative.
    Element(i64),
    /// All elements or members.
    Every,
}

/// Where one of several stands among its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'a> {
    Member(&'a str),
    Element(usize),
}

/// What is wrong with a path, and at which character, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    path: String,
    at: usize,
    what: &'static str,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, character {}: {}", self.path, self.at, self.what)
    }
}

impl Path {
    /// Reads a path as it stands in the file.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let mut reader = Reader { text, rest: text };
        if !reader.eat('$') {
            return reader.wrong("a path begins with `$`, such as `$.temperature`");
        }
        let whole = reader.eat('$');
        let mut steps = Vec::new();
        while !reader.rest.is_empty() {
            steps.push(reader.step()?);
        }
        Ok(Self { whole, steps })
    }

    /// Whether it may lead to several values.
    pub(super) fn is_many(&self) -> bool {
        self.steps.contains(&Step::Every)
    }

    /// The same path, leading to what is in the list that it leads to.
    pub(super) fn into_each(mut self) -> Self {
        if self.steps.last() != Some(&Step::Every) {
            self.steps.push(Step::Every);
        }
        self
    }

    /// The one place that it leads to.
    pub(super) fn find<'a>(&self, message: &'a Json, element: &'a Json) -> Option<&'a Json> {
        let from = if self.whole { message } else { element };
        self.steps.iter().try_fold(from, |at, step| step.to(at))
    }

    /// All places that it leads to; `false` if there is no list or object where there should be one.
    pub(super) fn each<'a>(
        &self,
        message: &'a Json,
        visit: &mut dyn FnMut(Key<'a>, &'a Json) -> Result<(), Why>,
    ) -> Result<bool, Why> {
        each(&self.steps, Key::Element(0), message, visit)
    }
}

fn each<'a>(
    steps: &[Step],
    key: Key<'a>,
    at: &'a Json,
    visit: &mut dyn FnMut(Key<'a>, &'a Json) -> Result<(), Why>,
) -> Result<bool, Why> {
    let Some((step, rest)) = steps.split_first() else {
        return visit(key, at).map(|()| true);
    };
    let mut reached = false;
    match (step, at) {
        (Step::Every, Json::Array(elements)) => {
            for (n, element) in elements.iter().enumerate() {
                reached |= each(rest, Key::Element(n), element, visit)?;
            }
            reached |= elements.is_empty();
        }
        (Step::Every, Json::Object(members)) => {
            for (name, member) in members {
                reached |= each(rest, Key::Member(name), member, visit)?;
            }
            reached |= members.is_empty();
        }
        _ => {
            if let Some(next) = step.to(at) {
                reached = each(rest, key, next, visit)?;
            }
        }
    }
    Ok(reached)
}

impl Step {
    fn to<'a>(&self, at: &'a Json) -> Option<&'a Json> {
        match (self, at) {
            (Self::Member(name), Json::Object(members)) => members.get(name),
            (Self::Element(n), Json::Array(elements)) => {
                let distance = usize::try_from(n.unsigned_abs()).ok()?;
                let at = if *n < 0 { elements.len().checked_sub(distance)? } else { distance };
                elements.get(at)
            }
            _ => None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    rest: &'a str,
}

impl Reader<'_> {
    fn wrong<T>(&self, what: &'static str) -> Result<T, Wrong> {
        let at = self.text.chars().count() - self.rest.chars().count() + 1;
        Err(Wrong { path: self.text.to_owned(), at, what })
    }

    fn eat(&mut self, sign: char) -> bool {
        let after = self.rest.strip_prefix(sign);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn take(&mut self) -> Option<char> {
        let mut signs = self.rest.chars();
        let sign = signs.next();
        self.rest = signs.as_str();
        sign
    }

    fn step(&mut self) -> Result<Step, Wrong> {
        if self.eat('.') {
            return self.member();
        }
        if !self.eat('[') {
            return self.wrong("`.name`, `['name']` or `[0]` is wanted here");
        }
        let step = match self.rest.chars().next() {
            Some('*') => {
                self.take();
                Step::Every
            }
            Some(quote @ ('\'' | '"')) => self.quoted(quote)?,
            Some('-' | '0'..='9') => self.element()?,
            Some('?') => return self.wrong("filters are not known here; `each` with `[*]` goes through all elements"),
            _ => return self.wrong("a number, a name in quotes or `*` is wanted in the brackets"),
        };
        if self.eat(']') { Ok(step) } else { self.wrong("the bracket is not closed by `]` here") }
    }

    fn member(&mut self) -> Result<Step, Wrong> {
        let ends = |sign: char| sign.is_whitespace() || ".[]'\"*()?,".contains(sign);
        let end = self.rest.find(ends).unwrap_or(self.rest.len());
        match self.rest.chars().next() {
            Some('.') => return self.wrong("`..`, a search at any depth, is not known here; write the whole path"),
            Some('*') => return self.wrong("write `[*]` for all of them"),
            _ if end == 0 => return self.wrong("a name is wanted behind the point; put unusual ones into `['…']`"),
            _ => {}
        }
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        Ok(Step::Member(name.to_owned()))
    }

    fn quoted(&mut self, quote: char) -> Result<Step, Wrong> {
        self.take();
        let mut name = String::new();
        loop {
            match self.take() {
                None => return self.wrong("the quotes are not closed"),
                Some(sign) if sign == quote => return Ok(Step::Member(name)),
                Some('\\') => match self.take() {
                    None => return self.wrong("the quotes are not closed"),
                    Some(sign) => name.push(sign),
                },
                Some(sign) => name.push(sign),
            }
        }
    }

    fn element(&mut self) -> Result<Step, Wrong> {
        let end = self.rest.find(|sign: char| sign != '-' && !sign.is_ascii_digit()).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        let Ok(number) = number.parse() else { return self.wrong("this is not a whole number") };
        self.rest = rest;
        Ok(Step::Element(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_leads_to_the_value() {
        let message: Json =
            serde_json::from_str(r#"{"a":{"b":[1,{"x y":2,"it's":3,"d-1_ö":4}]},"0":5}"#).expect("JSON");
        for (path, found) in [
            ("$.a.b[0]", Some("1")),
            ("$.a.b[-1]['x y']", Some("2")),
            ("$['a'].b[1][\"it's\"]", Some("3")),
            (r"$.a.b[1]['it\'s']", Some("3")),
            ("$.a.b[1].d-1_ö", Some("4")),
            ("$$.0", Some("5")),
            ("$.a.b[2]", None),
            ("$.a.b[-3]", None),
            ("$.a.b.c", None),
            ("$.a[0]", None),
        ] {
            let found_here = Path::parse(path).map(|path| path.find(&message, &message).map(Json::to_string));
            assert_eq!(found_here, Ok(found.map(str::to_owned)), "{path}");
        }
        assert_eq!(Path::parse("$").map(|path| path.find(&message, &message) == Some(&message)), Ok(true));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (path, at, said) in [
            ("temp", 1, "begins with `$`"),
            ("$temp", 2, "is wanted here"),
            ("$..temp", 3, "at any depth"),
            ("$.a.*", 5, "write `[*]`"),
            ("$.a b", 4, "is wanted here"),
            ("$.", 3, "a name is wanted"),
            ("$.ö[x]", 5, "in the brackets"),
            ("$.a[?(@.n)]", 5, "filters"),
            ("$.a[0:2]", 6, "not closed by `]`"),
            ("$.a[0", 6, "not closed by `]`"),
            ("$.a[--1]", 5, "whole number"),
            ("$.a['b]", 8, "quotes"),
        ] {
            let wrong = Path::parse(path).expect_err(path);
            assert_eq!(wrong.at, at, "{wrong}");
            assert!(wrong.to_string().contains(said), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in r#"\$[.\[\]'"*$a\\0-9-]{0,12}"#) {
            let _ = Path::parse(&text);
        }
    }
}
