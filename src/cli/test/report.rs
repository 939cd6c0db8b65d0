//! What became of the cases, for people, for programs and for build servers.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::{Tested, seconds};

/// A whole run.
pub(super) struct Whole<'a> {
    pub(super) tested: &'a [Tested],
    pub(super) took: Duration,
}

impl Whole<'_> {
    /// How many passed and failed; a pipeline file that is not valid is a failure of its own.
    fn count(&self) -> (usize, usize) {
        let invalid = self.tested.iter().filter(|tested| tested.invalid.is_some()).count();
        let cases = self.tested.iter().flat_map(|tested| &tested.cases);
        let passed = cases.clone().filter(|(_, verdict)| verdict.passed()).count();
        (passed, cases.count() - passed + invalid)
    }

    pub(super) fn human(&self, colour: bool) -> String {
        let paint =
            |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
        let mut text = String::new();
        for tested in self.tested {
            let pipeline = tested.pipeline.display();
            if let Some(invalid) = &tested.invalid {
                let _ = writeln!(text, "{} {pipeline} is not valid\n{}", paint("1;31", "FAIL"), indented(invalid));
            } else if tested.cases.is_empty() {
                let _ = writeln!(text, "{} {pipeline} has no cases", paint("1;33", "none"));
            }
            for (name, verdict) in &tested.cases {
                let word = if verdict.passed() { paint("32", "ok  ") } else { paint("1;31", "FAIL") };
                let blessed = match verdict.blessed.len() {
                    0 => String::new(),
                    files => paint("33", &format!("  blessed {files} {}", if files == 1 { "file" } else { "files" })),
                };
                let _ = writeln!(text, "{word} {pipeline} {name}{blessed}");
                verdict.failures.iter().for_each(|failure| text.push_str(&indented(failure)));
            }
        }
        let missing = self.tested.iter().map(|tested| (tested, tested.not_exercised()));
        let missing: Vec<_> = missing.filter(|(_, parts)| !parts.is_empty()).collect();
        if !missing.is_empty() {
            text.push_str("\nnot exercised by any case:\n");
        }
        for (tested, parts) in missing {
            // That an edge is never full is nothing that most people would write a case for: a number will do.
            let (plain, parts): (Vec<_>, Vec<_>) =
                parts.into_iter().partition(|part| part.ends_with("when full (block)"));
            let folded = match plain.len() {
                0 => None,
                1 => Some("1 edge when full (block)".to_owned()),
                edges => Some(format!("{edges} edges when full (block)")),
            };
            let parts: Vec<String> = parts.into_iter().chain(folded).collect();
            let _ = writeln!(text, "  {}: {}", tested.pipeline.display(), parts.join(", "));
        }
        let (passed, failed) = self.count();
        let failed = if failed == 0 { "0 failed".to_owned() } else { paint("1;31", &format!("{failed} failed")) };
        let _ = write!(text, "\n{passed} passed, {failed}, in {} s\n", seconds(self.took));
        text
    }

    pub(super) fn json(&self) -> String {
        let pipelines = self.tested.iter().map(|tested| {
            let cases = tested.cases.iter().map(|(name, verdict)| {
                json!({
                    "case": name,
                    "passed": verdict.passed(),
                    "seconds": verdict.took.as_secs_f64(),
                    "failures": verdict.failures,
                    "blessed": verdict.blessed,
                })
            });
            json!({
                "pipeline": tested.pipeline,
                "invalid": tested.invalid,
                "cases": cases.collect::<Vec<_>>(),
                "not_exercised": tested.not_exercised(),
            })
        });
        let (passed, failed) = self.count();
        let whole = json!({
            "passed": passed, "failed": failed, "seconds": self.took.as_secs_f64(),
            "pipelines": pipelines.collect::<Vec<_>>(),
        });
        format!("{whole:#}\n")
    }

    pub(super) fn junit(&self) -> String {
        let (passed, failed) = self.count();
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let (all, took) = (passed + failed, seconds(self.took));
        let _ = writeln!(text, r#"<testsuites name="fieldflow" tests="{all}" failures="{failed}" time="{took}">"#);
        for tested in self.tested {
            let name = escaped(&tested.pipeline.display().to_string());
            let bad = tested.cases.iter().filter(|(_, verdict)| !verdict.passed()).count();
            let invalid = usize::from(tested.invalid.is_some());
            let (all, bad) = (tested.cases.len() + invalid, bad + invalid);
            let _ = writeln!(text, r#"  <testsuite name="{name}" tests="{all}" failures="{bad}">"#);
            if let Some(invalid) = &tested.invalid {
                case(&mut text, &name, "validate", Duration::ZERO, std::slice::from_ref(invalid));
            }
            for (case_name, verdict) in &tested.cases {
                case(&mut text, &name, case_name, verdict.took, &verdict.failures);
            }
            text.push_str("  </testsuite>\n");
        }
        text.push_str("</testsuites>\n");
        text
    }
}

fn case(text: &mut String, pipeline: &str, name: &str, took: Duration, failures: &[String]) {
    let (name, took) = (escaped(name), seconds(took));
    let _ = write!(text, r#"    <testcase classname="{pipeline}" name="{name}" time="{took}""#);
    if failures.is_empty() {
        text.push_str("/>\n");
        return;
    }
    let first = failures.first().and_then(|failure| failure.lines().next()).unwrap_or_default();
    let all = escaped(&failures.join("\n"));
    let _ = writeln!(text, ">\n      <failure message=\"{}\">{all}</failure>\n    </testcase>", escaped(first));
}

/// For XML: the five signs that mean something there, and no control characters, which are not allowed at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            // Neither these nor the two that are no characters at all may stand in XML, not even escaped.
            no if no.is_control() || matches!(no, '\u{fffe}' | '\u{ffff}') => escaped.push('?'),
            other => escaped.push(other),
        }
    }
    escaped
}

fn indented(text: &str) -> String {
    text.trim_end().lines().map(|line| format!("     {line}\n")).collect()
}
