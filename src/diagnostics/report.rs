//! What was found, collected.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use fieldflow_contract::Severity;

use crate::diagnostics::{Code, Place, Secrets, codes};

/// One thing that is wrong, with where and what to do about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// The kind of mistake.
    pub code: &'static Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// Where; `None` where it is in no file.
    pub place: Option<Place>,
    /// A few words to stand beside the underlined text; may be empty.
    pub label: String,
    /// What to write instead.
    pub help: Option<String>,
    /// Other places that have to do with it, and what they are.
    pub related: Vec<(Place, String)>,
}

impl Diagnostic {
    /// Something wrong; how bad it is follows from the code's first letter.
    pub fn new(code: &'static Code, message: impl Into<String>) -> Self {
        let severity = if code.id.starts_with('W') { Severity::Warning } else { Severity::Error };
        let (message, label) = (message.into(), String::new());
        Self { code, severity, message, place: None, label, help: None, related: Vec::new() }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    /// Puts a few words beside the underlined text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, where there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<impl Into<String>>) -> Self {
        self.help = help.map(Into::into);
        self
    }

    /// Points at another place that has to do with it.
    #[must_use]
    pub fn related(mut self, place: Place, what: impl Into<String>) -> Self {
        self.related.push((place, what.into()));
        self
    }
}

/// The most findings that a report holds; more are only counted. A hostile file can make a hundred thousand.
const MOST: usize = 1000;

/// All that was found in one pass.
#[derive(Debug, Clone, Default)]
pub struct Report {
    found: Vec<Diagnostic>,
    /// The hashes of what was found.
    seen: HashSet<u64>,
    errors: usize,
    warnings: usize,
    secrets: Secrets,
}

impl Report {
    /// An empty report.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what was found. The same mistake at the same place (as an alias brings it) is kept once.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let mut hash = DefaultHasher::new();
        diagnostic.place.as_ref().map(|place| (place.file.path(), &place.span)).hash(&mut hash);
        (diagnostic.code.id, &diagnostic.message).hash(&mut hash);
        if !self.seen.insert(hash.finish()) {
            return;
        }
        match diagnostic.severity {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        if self.found.len() < MOST {
            self.found.push(diagnostic);
        }
    }

    /// Whether more would only be counted.
    pub fn is_full(&self) -> bool {
        MOST <= self.found.len()
    }

    /// Counts what there is no room for.
    pub fn count(&mut self, code: &'static Code) {
        if code.is_warning() { self.warnings += 1 } else { self.errors += 1 }
    }

    /// Hides a value in everything that the report says, also in what it holds already.
    pub fn hide(&mut self, secret: &str) {
        self.secrets.add(secret);
    }

    /// The values that the report hides.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Whether a file could not even be read, so that nothing is known of what stands in it.
    pub fn is_unreadable(&self) -> bool {
        self.found.iter().any(|found| found.code == &codes::UNREADABLE)
    }

    /// Whether there is anything because of which the pipeline cannot run.
    pub fn has_errors(&self) -> bool {
        self.errors != 0
    }

    /// How many errors.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many errors of any code but this one.
    pub(crate) fn errors_but(&self, code: &'static Code) -> usize {
        self.errors() - self.found.iter().filter(|found| found.code == code).count()
    }

    /// How many warnings.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// What was found, at most a thousand, sorted by place, with every secret hidden.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut found: Vec<Diagnostic> = self.found.iter().map(|one| self.without_secrets(one)).collect();
        let key = |one: &Diagnostic| one.place.as_ref().map(|place| (place.file.path().to_owned(), place.span.start));
        found.sort_by_cached_key(|one| (key(one), one.code.id));
        found
    }

    /// The closing line: `2 errors, 1 warning`; empty where nothing was found.
    pub fn summary(&self) -> String {
        let count = |number: usize, word: &str| match number {
            0 => None,
            1 => Some(format!("1 {word}")),
            _ => Some(format!("{number} {word}s")),
        };
        let counts = [count(self.errors, "error"), count(self.warnings, "warning")];
        let counts = counts.into_iter().flatten().collect::<Vec<_>>().join(", ");
        let more = self.found.len() < self.errors + self.warnings;
        if more { format!("{counts}; the first {MOST} found are shown") } else { counts }
    }

    fn without_secrets(&self, found: &Diagnostic) -> Diagnostic {
        let hide = |text: &String| self.secrets.hide(text).into_owned();
        Diagnostic {
            message: hide(&found.message),
            label: hide(&found.label),
            help: found.help.as_ref().map(hide),
            related: found.related.iter().map(|(place, what)| (place.clone(), hide(what))).collect(),
            ..found.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostics::{SourceText, codes};

    #[test]
    fn a_report_is_sorted_by_place_and_counts_by_severity() {
        let file = Arc::new(SourceText::new("f.yaml", "a: 1\nb: 2\n"));
        let mut report = Report::new();
        report.push(Diagnostic::new(&codes::NODE_WARNING, "later").at(Place::new(&file, 5..6)));
        report.push(Diagnostic::new(&codes::WRONG_TYPE, "sooner").at(Place::new(&file, 0..1)));
        report.push(Diagnostic::new(&codes::UNREADABLE, "nowhere"));
        report.push(Diagnostic::new(&codes::UNREADABLE, "nowhere"));
        let order: Vec<String> = report.diagnostics().into_iter().map(|one| one.message).collect();
        assert_eq!(order, ["nowhere", "sooner", "later"]);
        assert_eq!(report.summary(), "2 errors, 1 warning");
        assert!(report.has_errors());
    }

    #[test]
    fn a_flood_is_counted_but_not_kept() {
        let mut report = Report::new();
        for n in 0..5_000 {
            report.push(Diagnostic::new(&codes::UNKNOWN_KEY, n.to_string()));
        }
        assert_eq!(report.diagnostics().len(), 1_000);
        assert_eq!(report.summary(), "5000 errors; the first 1000 found are shown");
    }

    #[test]
    fn a_secret_is_hidden_in_every_part_also_when_it_is_learnt_late() {
        let file = Arc::new(SourceText::new("f.yaml", "a: 1\n"));
        let place = Place::new(&file, 0..1);
        let mut report = Report::new();
        let canary = "canary-4711";
        let found = Diagnostic::new(&codes::WRONG_TYPE, canary).at(place.clone());
        report.push(found.label(canary).help(canary).related(place, canary));
        report.hide(canary);
        assert!(!report.render_human(false).contains(canary));
        assert!(!report.render_json().contains(canary));
    }
}
