//! Which paths are wanted: `Line*/Temp*`, name by name, so that what can hold nothing wanted is not looked into.

/// Most names of all patterns together, with one more for each.
const MOST: usize = 64;

/// The patterns, their names one after the other.
#[derive(Debug)]
pub(super) struct Patterns(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Any number of names: `**`.
    Any,
    /// One name, in which `*` is any text and `?` any character.
    Name(Vec<char>),
    /// A pattern ends here.
    End,
}

/// How far the patterns fit the path so far: a bit for each place in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fit(u64);

impl Fit {
    /// No pattern fits, whatever comes.
    pub(super) const NONE: Self = Self(0);

    /// Whether something below can fit.
    pub(super) fn goes_on(self, patterns: &Patterns) -> bool {
        patterns.places(self).any(|(_, part)| *part != Part::End)
    }

    /// Whether the path fits.
    pub(super) fn is_whole(self, patterns: &Patterns) -> bool {
        patterns.places(self).any(|(_, part)| *part == Part::End)
    }
}

impl Patterns {
    /// Reads them; none is all paths. Says what is wrong.
    pub(super) fn parse(texts: &[String]) -> Result<Self, String> {
        let all = ["**".to_owned()];
        let mut parts = Vec::new();
        for text in if texts.is_empty() { &all } else { texts } {
            for name in names(text.strip_prefix('/').unwrap_or(text)) {
                if name.is_empty() {
                    return Err(format!("a name of the pattern `{text}` is empty; write 'Line*/Temp*' or '**/Temp*'"));
                }
                parts.push(if name == ['*', '*'] { Part::Any } else { Part::Name(name) });
            }
            parts.push(Part::End);
        }
        if MOST < parts.len() {
            return Err(format!("the patterns have {} names in all, and {MOST} are the most", parts.len()));
        }
        Ok(Self(parts))
    }

    /// Where every path begins.
    pub(super) fn start(&self) -> Fit {
        let begins = |place: &usize| *place == 0 || self.0.get(place - 1) == Some(&Part::End);
        self.with_empty((0..self.0.len()).filter(begins).fold(Fit::NONE, Fit::and))
    }

    /// One name further.
    pub(super) fn next(&self, fit: Fit, name: &str) -> Fit {
        let name: Vec<char> = name.chars().collect();
        let mut next = Fit::NONE;
        for (place, part) in self.places(fit) {
            match part {
                Part::Any => next = next.and(place),
                Part::Name(pattern) if is_like(pattern, &name) => next = next.and(place + 1),
                Part::Name(_) | Part::End => {}
            }
        }
        self.with_empty(next)
    }

    fn places(&self, fit: Fit) -> impl Iterator<Item = (usize, &Part)> {
        self.0.iter().enumerate().filter(move |(place, _)| fit.has(*place))
    }

    /// `**` is no name at all as well.
    fn with_empty(&self, mut fit: Fit) -> Fit {
        for (place, part) in self.0.iter().enumerate() {
            if *part == Part::Any && fit.has(place) {
                fit = fit.and(place + 1);
            }
        }
        fit
    }
}

impl Fit {
    fn and(self, place: usize) -> Self {
        Self(self.0 | 1u64.checked_shl(place as u32).unwrap_or(0))
    }

    fn has(self, place: usize) -> bool {
        self.0.checked_shr(place as u32).unwrap_or(0) & 1 == 1
    }
}

/// The names of a path; `&/` is a slash inside of one, as in `node`.
fn names(text: &str) -> Vec<Vec<char>> {
    let mut names = vec![Vec::new()];
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '/' => {
                names.push(Vec::new());
                continue;
            }
            '&' => characters.next().unwrap_or('&'),
            other => other,
        };
        if let Some(name) = names.last_mut() {
            name.push(character);
        }
    }
    names
}

/// A name as it stands in a path.
pub(super) fn written(name: &str) -> String {
    name.replace('&', "&&").replace('/', "&/")
}

/// Whether a name is like a pattern. Takes no more steps than the product of their lengths.
fn is_like(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut place, mut back) = (0, 0, None);
    while place < name.len() {
        match pattern.get(at) {
            Some('*') => {
                back = Some((at, place));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || name.get(place) == Some(wanted) => {
                at += 1;
                place += 1;
            }
            _ => {
                // The last `*` takes one more.
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                (at, place) = (star + 1, from + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|left| *left == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the path fits, and whether something below it can.
    fn fit(patterns: &[&str], path: &[&str]) -> (bool, bool) {
        let texts: Vec<String> = patterns.iter().map(|text| (*text).to_owned()).collect();
        let patterns = Patterns::parse(&texts).unwrap();
        let fit = path.iter().fold(patterns.start(), |fit, name| patterns.next(fit, name));
        (fit.is_whole(&patterns), fit.goes_on(&patterns))
    }

    #[test]
    fn a_path_fits_name_by_name() {
        for (patterns, path, expected) in [
            (&["Line*/Temp*"][..], &["Line1"][..], (false, true)),
            (&["Line*/Temp*"], &["Line1", "Temperature"], (true, false)),
            (&["Line*/Temp*"], &["Line1", "Speed"], (false, false)),
            (&["Line*/Temp*"], &["Area", "Line1"], (false, false)),
            (&["**/Temp?"], &["Area", "Line1", "Temp3"], (true, true)),
            (&["**/Temp?"], &["Temp3"], (true, true)),
            (&["Line/**"], &["Line"], (true, true)),
            (&["Line/**"], &["Line", "a", "b"], (true, true)),
            (&["/A/x", "B/y"], &["B", "y"], (true, false)),
            (&["/A/x", "B/y"], &["B", "x"], (false, false)),
            (&["a&/b/*"], &["a/b", "c"], (true, false)),
            (&[], &["anything", "at", "all"], (true, true)),
        ] {
            assert_eq!(fit(patterns, path), expected, "{patterns:?} {path:?}");
        }
    }

    #[test]
    fn stars_stand_for_any_text_and_take_no_time_that_explodes() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        for (pattern, name, expected) in [
            ("*", "", true),
            ("a*c*e", "abcde", true),
            ("a*c*e", "abcd", false),
            ("?", "é", true),
            ("*.Wert", "T.Wert.Wert", true),
        ] {
            assert_eq!(is_like(&chars(pattern), &chars(name)), expected, "{pattern} {name}");
        }
        assert!(!is_like(&chars(&"*a".repeat(50)), &chars(&"b".repeat(10_000))));
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        let parse = |text: &str| Patterns::parse(&[text.to_owned()]).map(|_| ()).unwrap_err();
        assert!(parse("Line//x").contains("is empty"));
        assert!(parse(&"a/".repeat(70)).contains("is empty") || parse(&"a/".repeat(70)).contains("the most"));
        assert!(Patterns::parse(&["x/".repeat(63) + "x"]).unwrap_err().contains("the most"));
    }
}
