//! The report for a person at a terminal, in the manner of a compiler.

use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Renderer, Snippet};
use fieldflow_contract::Severity;

use crate::diagnostics::excerpt::{Excerpt, printable};
use crate::diagnostics::{Diagnostic, Place, Report};

/// A related place so many lines away is named in a note: the renderer goes through all lines between.
const FARTHEST: usize = 500;
/// Longest message that is shown, in characters: a node may quote a whole option in its own.
const LONGEST: usize = 600;

impl Report {
    /// Every finding with the place underlined, sorted by place, and a closing line with the counts.
    pub fn render_human(&self, color: bool) -> String {
        let renderer = if color { Renderer::styled() } else { Renderer::plain() };
        // The excerpt has cut long lines already; cutting again would shift the marks.
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(10_000);
        let mut text = String::new();
        for found in self.diagnostics() {
            let excerpt = found.place.as_ref().map(|place| Excerpt::of(&place.file, &spans(&found, place)));
            let shown = renderer.render(&[group(&found, excerpt.as_ref())]);
            match (&found.place, excerpt) {
                (Some(place), Some(excerpt)) => {
                    // The renderer counts the column in the excerpt, of which the beginning may have been cut away.
                    let (line, column) = place.start();
                    let start = |column| format!("{}:{line}:{column}", safe(place.file.path()));
                    text.push_str(&shown.replacen(&start(excerpt.column()), &start(column), 1));
                }
                _ => text.push_str(&shown),
            }
            text.push_str("\n\n");
        }
        if !text.is_empty() {
            text.push_str(&self.summary());
            text.push('\n');
        }
        text
    }
}

/// The places that are shown in one excerpt, the one that the finding is about first.
fn spans(found: &Diagnostic, place: &Place) -> Vec<Range<usize>> {
    std::iter::once(&place.span).chain(near(found, place).map(|(other, _)| &other.span)).cloned().collect()
}

/// The related places that can be shown in one excerpt with the place itself.
fn near<'a>(found: &'a Diagnostic, place: &'a Place) -> impl Iterator<Item = &'a (Place, String)> {
    found.related.iter().filter(|(other, _)| is_near(place, other))
}

fn is_near(place: &Place, other: &Place) -> bool {
    let line = |place: &Place| place.file.line_of(place.span.start);
    other.file.path() == place.file.path() && line(place).abs_diff(line(other)) <= FARTHEST
}

fn group(found: &Diagnostic, excerpt: Option<&Excerpt>) -> Group<'static> {
    let level = match found.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = level.primary_title(safe(&found.message)).id(found.code.id).elements(Vec::<Element<'_>>::new());
    if let (Some(place), Some(excerpt)) = (&found.place, excerpt) {
        group = group.element(snippet(found, place, excerpt));
    }
    let apart = |other: &Place| !found.place.as_ref().is_some_and(|place| is_near(place, other));
    for (place, what) in found.related.iter().filter(|(other, _)| apart(other)) {
        let (line, column) = place.start();
        group = group.element(Level::NOTE.message(safe(&format!("{what}: {}:{line}:{column}", place.file.path()))));
    }
    if let Some(help) = &found.help {
        group = group.element(Level::HELP.message(safe(help)));
    }
    group
}

fn snippet(found: &Diagnostic, place: &Place, excerpt: &Excerpt) -> Snippet<'static, Annotation<'static>> {
    let labels = std::iter::once(&found.label).chain(near(found, place).map(|(_, what)| what));
    let marks = excerpt.spans.iter().cloned().zip(labels).enumerate().map(|(n, (span, label))| {
        let kind = if n == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        kind.span(span).label((!label.is_empty()).then(|| safe(label)))
    });
    let lines = Snippet::source(excerpt.text.clone()).line_start(excerpt.first_line);
    lines.path(safe(place.file.path())).annotations(marks)
}

/// The text, cut to a length that can be read and without anything that would control the terminal.
fn safe(text: &str) -> String {
    let mut safe: String = text.chars().take(LONGEST).map(|c| if c == '\n' { c } else { printable(c) }).collect();
    if LONGEST < text.chars().count() {
        safe.push('…');
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostics::{SourceText, codes};

    #[test]
    fn a_finding_is_shown_with_its_place_underlined_and_its_fix() {
        let file = Arc::new(SourceText::new("boiler.yaml", "name: x\nnodes:\n  plc:\n    evry: 5s\n"));
        let mut report = Report::new();
        let found = Diagnostic::new(&codes::UNKNOWN_KEY, "`evry` is not an option").at(Place::new(&file, 26..30));
        report.push(
            found.label("unknown").help("did you mean `every`?").related(Place::new(&file, 17..20), "in this node"),
        );
        let expected = "\
error[E0201]: `evry` is not an option
 --> boiler.yaml:4:5
  |
3 |   plc:
  |   --- in this node
4 |     evry: 5s
  |     ^^^^ unknown
  |
  = help: did you mean `every`?

1 error
";
        assert_eq!(report.render_human(false), expected);
        assert!(report.render_human(true).contains("\u{1b}["));
    }

    #[test]
    fn no_message_can_control_the_terminal_or_flood_it() {
        let mut report = Report::new();
        report.push(Diagnostic::new(&codes::UNREADABLE, format!("\u{1b}]0;title\u{7}{}", "x".repeat(1_000_000))));
        let shown = report.render_human(false);
        assert!(!shown.contains(['\u{1b}', '\u{7}']));
        assert!(shown.len() < 1_000);
    }
}
