//! What is wrong with a text that is no YAML, told by the lines around the place at which the parser gave up: that is often one
//! line too late, and in words of the grammar.

use std::ops::Range;

use serde_yaml::granit_parser::{ErrorKind, ScanError};

/// Longest line, in bytes, of which is shown how to write it.
const LONGEST: usize = 200;

/// What is wrong, where, and what to do about it.
pub(super) struct Said {
    pub(super) bytes: Range<usize>,
    pub(super) message: String,
    pub(super) help: String,
}

/// Puts an error of the parser into words.
pub(super) fn said(text: &str, error: &ScanError) -> Said {
    let start = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let start = (0..=start).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let lines = Lines { text, start };
    let info = error.info();
    let known = match error.kind() {
        ErrorKind::UnknownAnchor => Some(Said {
            bytes: lines.letter(start),
            message: "this alias names nothing".to_owned(),
            help: "write the anchor before it: `&name`; put a text with `*` in quotes".to_owned(),
        }),
        ErrorKind::TabNotAllowed | ErrorKind::TabInBlockIndentation => lines.tab(),
        ErrorKind::SimpleKeyExpected => lines.key_without_colon(),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => lines.indentation(),
        _ if info.contains("a tab") => lines.tab(),
        _ if info.contains("quote") => lines.quote(),
        _ if info.contains("mapping values") => lines.indentation().or_else(|| lines.colon_in_text()),
        _ if info.contains("flow") || info.contains("bracket") => lines.bracket(),
        _ => None,
    };
    known.unwrap_or_else(|| Said {
        bytes: lines.letter(start),
        message: format!("this is not YAML: {info}"),
        help: "look for a missing bracket, quote or colon, lines that are not indented alike, or a text with `: ` in it that \
               needs quotes"
            .to_owned(),
    })
}

/// A text, and where the parser gave up.
struct Lines<'a> {
    text: &'a str,
    start: usize,
}

impl<'a> Lines<'a> {
    /// The letter at a place.
    fn letter(&self, at: usize) -> Range<usize> {
        at..at + self.text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
    }

    /// Where the line of a place begins.
    fn begin(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1)
    }

    /// The line that begins at a place, without its end.
    fn line(&self, begin: usize) -> &'a str {
        self.text.get(begin..).and_then(|rest| rest.lines().next()).unwrap_or("")
    }

    /// The lines with something in them before the one that begins at a place, from there back.
    fn before(&self, begin: usize) -> impl Iterator<Item = &'a str> {
        let lines = self.text.get(..begin).unwrap_or("").lines().rev();
        lines.filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))
    }

    /// A tab in the indentation of this line or of the next: the parser complains at the one before it.
    fn tab(&self) -> Option<Said> {
        let here = self.begin(self.start);
        let next = here + self.text.get(here..)?.find('\n').map_or(0, |end| end + 1);
        let found = [here, next].into_iter().find_map(|begin| {
            let line = self.line(begin);
            let blank = line.len() - line.trim_start_matches([' ', '\t']).len();
            Some((begin, line.get(..blank)?.find('\t')?))
        });
        let (begin, tab) = found?;
        let spaces = match self.before(begin).next() {
            Some(above) if above.trim_end().ends_with(':') => indent(above) + 2,
            Some(above) => indent(above),
            None => 0,
        };
        Some(Said {
            bytes: begin + tab..begin + tab + 1,
            message: "a tab stands in the indentation".to_owned(),
            help: format!("YAML is indented with spaces only: indent this line by {spaces} spaces"),
        })
    }

    /// `every 1s`, `every:1s`, `nodes`.
    fn key_without_colon(&self) -> Option<Said> {
        let begin = self.begin(self.start);
        let line = self.line(begin);
        let content = line.split(" #").next()?.trim();
        let body = Some(content.trim_start_matches("- ")).filter(|body| body.len() <= LONGEST)?;
        let is_key =
            |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        let right = match body.split_once([':', ' ']) {
            None => is_key(body).then(|| format!("{body}:")),
            Some((key, value)) => (is_key(key) && !value.is_empty()).then(|| format!("{key}: {}", value.trim())),
        }?;
        let from = begin + line.find(body)?;
        Some(Said {
            bytes: from..from + body.len(),
            message: "a key has a colon and a blank behind it, and this has not".to_owned(),
            help: format!("write `{right}`"),
        })
    }

    /// A line that is indented as none is before it that it could belong to.
    fn indentation(&self) -> Option<Said> {
        let begin = self.begin(self.start);
        let line = self.line(begin);
        let own = indent(line);
        let mut levels: Vec<usize> = Vec::new();
        for above in self.before(begin) {
            if levels.last().is_none_or(|last| indent(above) < *last) {
                levels.push(indent(above));
            }
        }
        let above = self.before(begin).next()?;
        let may_go_deeper = above.trim_end().ends_with([':', '|', '>']) || above.trim_start().starts_with("- ");
        let is_right = levels.contains(&own) || (may_go_deeper && indent(above) < own);
        let nearest = levels.iter().min_by_key(|level| level.abs_diff(own)).filter(|_| !is_right)?;
        Some(Said {
            bytes: self.letter(begin + own),
            message: format!("this line is indented by {own}, as none of those is that it could belong to"),
            help: format!("indent this line by {nearest} spaces"),
        })
    }

    /// `description: Boiler 1: temperatures`
    fn colon_in_text(&self) -> Option<Said> {
        let line = self.line(self.begin(self.start));
        let (key, value) = line.split_once(": ")?;
        let value = value.split(" #").next()?.trim();
        let is_short = line.len() <= LONGEST;
        let is_plain =
            value.contains(": ") && !value.starts_with(['"', '\'', '{', '[', '&', '*', '!']) && !value.contains('"');
        (is_plain && is_short).then(|| Said {
            bytes: self.letter(self.start),
            message: "a text with `: ` in it needs quotes".to_owned(),
            help: format!("write `{}: \"{value}\"`", key.trim().trim_start_matches("- ")),
        })
    }

    /// A quote without another one.
    fn quote(&self) -> Option<Said> {
        let mut begin = self.begin(self.start);
        loop {
            let line = self.line(begin);
            let open = ['"', '\''].into_iter().find_map(|quote| {
                let odd = line.matches(quote).count() % 2 == 1;
                odd.then(|| line.rfind(quote))?
            });
            if let Some(at) = open {
                return Some(Said {
                    bytes: begin + at..begin + at + 1,
                    message: "this quote is not closed".to_owned(),
                    help: "write another one where the text ends".to_owned(),
                });
            }
            begin = self.begin(begin.checked_sub(1)?);
        }
    }

    /// A bracket of a line before that is not closed.
    fn bracket(&self) -> Option<Said> {
        let mut open: Vec<(usize, char)> = Vec::new();
        let (mut quote, mut comment, mut last) = (None, false, '\n');
        for (at, letter) in self.text.get(..self.start)?.char_indices() {
            match letter {
                '\n' => comment = false,
                _ if comment => {}
                _ if quote.is_some() => quote = quote.filter(|quote| *quote != letter),
                '#' if last.is_whitespace() => comment = true,
                '"' | '\'' if !last.is_alphanumeric() => quote = Some(letter),
                '{' | '[' if !open.is_empty() || matches!(last, ' ' | '\n') => open.push((at, letter)),
                '}' | ']' => _ = open.pop(),
                _ => {}
            }
            last = letter;
        }
        let (at, bracket) = open.pop()?;
        if self.begin(at) == self.begin(self.start) {
            return None;
        }
        let close = if bracket == '{' { '}' } else { ']' };
        Some(Said {
            bytes: at..at + 1,
            message: format!("this `{bracket}` is not closed"),
            help: format!("write `{close}` where it ends"),
        })
    }
}

/// By how many spaces a line is indented.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}
