//! A file's text, and places in it.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

/// The text of a file, with the path under which a person knows it.
#[derive(Debug)]
pub struct SourceText {
    path: String,
    text: String,
    /// The byte at which each line starts; found when the first place is asked for.
    lines: OnceLock<Vec<usize>>,
}

impl SourceText {
    /// The text of the file at this path.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into(), lines: OnceLock::new() }
    }

    /// The path, as it was given.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn starts(&self) -> &[usize] {
        self.lines.get_or_init(|| {
            let after_breaks = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after_breaks).collect()
        })
    }

    /// The line, counted from 0, on which a byte stands.
    pub(crate) fn line_of(&self, byte: usize) -> usize {
        self.starts().partition_point(|start| *start <= byte).saturating_sub(1)
    }

    /// The bytes of a line, counted from 0, without its end.
    pub(crate) fn line_bytes(&self, line: usize) -> Range<usize> {
        let start = self.starts().get(line).copied().unwrap_or(self.text.len());
        let end = self.starts().get(line + 1).copied().unwrap_or(self.text.len());
        let text = self.text.get(start..end).unwrap_or("");
        start..start + text.trim_end_matches(['\n', '\r']).len()
    }

    /// The nearest byte at or before this one at which a character starts.
    fn floor(&self, byte: usize) -> usize {
        let byte = byte.min(self.text.len());
        (0..=byte).rev().find(|at| self.text.is_char_boundary(*at)).unwrap_or(0)
    }

    /// Line and column of a byte, both counted from 1, the column in characters.
    fn line_column(&self, byte: usize) -> (usize, usize) {
        let byte = self.floor(byte);
        let line = self.line_of(byte);
        let before = self.starts().get(line).and_then(|start| self.text.get(*start..byte)).unwrap_or("");
        (line + 1, before.chars().count() + 1)
    }
}

/// A stretch of a file.
#[derive(Debug, Clone)]
pub struct Place {
    /// The file.
    pub file: Arc<SourceText>,
    /// The bytes.
    pub span: Range<usize>,
}

impl Place {
    /// These bytes of the file, cut to what the file has.
    pub fn new(file: &Arc<SourceText>, span: Range<usize>) -> Self {
        let start = file.floor(span.start);
        Self { span: start..file.floor(span.end).max(start), file: Arc::clone(file) }
    }

    /// Line and column of the first character, counted from 1.
    pub fn start(&self) -> (usize, usize) {
        self.file.line_column(self.span.start)
    }

    /// Line and column behind the last character, counted from 1.
    pub fn end(&self) -> (usize, usize) {
        self.file.line_column(self.span.end)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.span == other.span && self.file.path == other.file.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters_and_lines_from_one() {
        let file = Arc::new(SourceText::new("f", "äöü: 1\r\nb: €2\n"));
        assert_eq!(Place::new(&file, 8..9).start(), (1, 6));
        let two = Place::new(&file, 17..18);
        assert_eq!((two.start(), two.end()), ((2, 5), (2, 6)));
        assert_eq!(file.line_bytes(0), 0..9);
    }

    #[test]
    fn a_place_outside_the_file_or_inside_a_character_is_cut_to_fit() {
        let file = Arc::new(SourceText::new("f", "ä\n"));
        assert_eq!(Place::new(&file, 1..99).span, 0..3);
        assert_eq!(Place::new(&file, 50..99).start(), (2, 1));
    }
}
