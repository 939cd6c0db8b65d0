//! The lines of a file around some places, made safe for a terminal: nothing in them controls it, nothing runs off its edge.

use std::ops::Range;

use crate::diagnostics::SourceText;

/// Longest line that is shown, in characters.
const WIDEST: usize = 120;
/// How much of a long line is shown before the underlined part.
const LEAD: usize = 40;
/// Lines so far away from every underlined one are left empty; the renderer folds them away.
const NEAR: usize = 2;

/// Some lines of a file, with the places to underline counted in the bytes of `text`.
pub(super) struct Excerpt {
    /// The number of the first line, counted from 1.
    pub(super) first_line: usize,
    /// The lines.
    pub(super) text: String,
    /// The places, in the order in which they were asked for.
    pub(super) spans: Vec<Range<usize>>,
}

impl Excerpt {
    /// The lines from the first to the last of these spans. Of a span over several lines only the first is underlined.
    pub(super) fn of(file: &SourceText, spans: &[Range<usize>]) -> Self {
        let lines: Vec<usize> = spans.iter().map(|span| file.line_of(span.start)).collect();
        let first = lines.iter().min().copied().unwrap_or(0);
        let last = lines.iter().max().copied().unwrap_or(0);
        let mut excerpt = Self { first_line: first + 1, text: String::new(), spans: vec![0..0; spans.len()] };
        for line in first..=last {
            let here: Vec<usize> = (0..spans.len()).filter(|n| lines[*n] == line).collect();
            if lines.iter().any(|underlined| underlined.abs_diff(line) <= NEAR) {
                excerpt.push_line(file, line, &here, spans);
            }
            excerpt.text.push('\n');
        }
        excerpt
    }

    /// The column of the first place, counted from 1 in what is shown.
    pub(super) fn column(&self) -> usize {
        let before = self.spans.first().and_then(|span| self.text.get(..span.start)).unwrap_or("");
        before.chars().rev().take_while(|c| *c != '\n').count() + 1
    }

    fn push_line(&mut self, file: &SourceText, line: usize, here: &[usize], spans: &[Range<usize>]) {
        let bytes = file.line_bytes(line);
        let shown = file.text().get(bytes.clone()).unwrap_or("");
        // The smallest number is the place that the finding is about, if that is on this line.
        let from = here.first().map_or(bytes.start, |n| spans[*n].start);
        let before = shown.get(..from.saturating_sub(bytes.start)).map_or(0, |before| before.chars().count());
        let length = shown.chars().count();
        let skip = if length <= WIDEST { 0 } else { before.saturating_sub(LEAD).min(length - WIDEST) };
        if skip != 0 {
            self.text.push('…');
        }
        let line_start = self.text.len();
        for n in here {
            self.spans[*n] = line_start..line_start;
        }
        for (at, c) in shown.char_indices().skip(skip).take(WIDEST) {
            let at = bytes.start + at;
            let start = self.text.len();
            self.text.push(printable(c));
            for n in here {
                let (span, placed) = (&spans[*n], &mut self.spans[*n]);
                if at < span.start || (at == span.start && span.is_empty()) {
                    // Not reached yet: an empty span stays behind the last character before it.
                    let next = if at < span.start { self.text.len() } else { start };
                    *placed = next..next;
                } else if at < span.end {
                    placed.end = self.text.len();
                }
            }
        }
        if skip + WIDEST < length {
            self.text.push('…');
        }
    }
}

/// The character, or a stand-in of one column for one that would control the terminal.
pub(super) fn printable(c: char) -> char {
    let changes_direction = matches!(c, '\u{200d}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match c {
        '\t' => ' ',
        _ if c.is_control() || changes_direction || c == '\u{feff}' => '\u{fffd}',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    #[test]
    fn what_would_control_the_terminal_is_shown_as_a_stand_in_and_the_place_still_fits() {
        let file = SourceText::new("f", "k: \u{1b}[31mred\u{9b}2J # x\n");
        let excerpt = Excerpt::of(&file, slice::from_ref(&(8..11)));
        assert_eq!(excerpt.text, "k: \u{fffd}[31mred\u{fffd}2J # x\n");
        assert_eq!(&excerpt.text[excerpt.spans[0].clone()], "red");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let file = SourceText::new("f", format!("{}HERE{}\n", "a".repeat(50_000), "b".repeat(50_000)));
        let excerpt = Excerpt::of(&file, slice::from_ref(&(50_000..50_004)));
        assert!(excerpt.text.chars().count() < 130);
        assert_eq!(&excerpt.text[excerpt.spans[0].clone()], "HERE");
    }

    #[test]
    fn lines_far_from_every_place_are_left_empty() {
        let file = SourceText::new("f", "line\n".repeat(100));
        let excerpt = Excerpt::of(&file, &[0..4, 450..454]);
        assert_eq!(excerpt.text.lines().count(), 91);
        assert_eq!(excerpt.text.lines().filter(|line| line.is_empty()).count(), 85);
    }
}
