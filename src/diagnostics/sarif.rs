//! The report as SARIF 2.1.0, which code hosts and editors show beside the lines.

use std::fmt::Write as _;
use std::path::Path;

use fieldflow_contract::Severity;
use serde_json::{Value, json};

use crate::diagnostics::{Code, Diagnostic, Place, Report};

impl Report {
    /// One SARIF log with one run. Columns are counted in characters, as elsewhere.
    pub fn render_sarif(&self) -> String {
        let found = self.diagnostics();
        let mut used: Vec<&'static Code> = found.iter().map(|one| one.code).collect();
        used.sort_unstable_by_key(|code| code.id);
        used.dedup();
        let results: Vec<Value> = found.iter().map(|one| result(one, &used)).collect();
        let log = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "fieldflow",
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": used.iter().map(|code| rule(code)).collect::<Vec<_>>(),
                } },
                "columnKind": "unicodeCodePoints",
                "results": results,
            }],
        });
        format!("{log:#}")
    }
}

fn rule(code: &Code) -> Value {
    json!({
        "id": code.id,
        "shortDescription": { "text": code.title },
        "fullDescription": { "text": code.cause },
        "help": { "text": code.explanation(), "markdown": code.chapter() },
        "defaultConfiguration": { "level": if code.is_warning() { "warning" } else { "error" } },
    })
}

fn result(found: &Diagnostic, used: &[&'static Code]) -> Value {
    let mut message = found.message.clone();
    if let Some(help) = &found.help {
        let _ = write!(message, "\nhelp: {help}");
    }
    let level = match found.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let related = found.related.iter().enumerate().map(|(id, (place, what))| {
        let mut location = location(place);
        location["id"] = json!(id);
        location["message"] = json!({ "text": if what.is_empty() { "see here" } else { what } });
        location
    });
    let mut result = json!({
        "ruleId": found.code.id,
        "ruleIndex": used.iter().position(|code| *code == found.code),
        "level": level,
        "message": { "text": message },
    });
    if let Some(place) = &found.place {
        result["locations"] = json!([location(place)]);
    }
    let related: Vec<Value> = related.collect();
    if !related.is_empty() {
        result["relatedLocations"] = Value::Array(related);
    }
    result
}

fn location(place: &Place) -> Value {
    let ((line, column), (end_line, end_column)) = (place.start(), place.end());
    json!({ "physicalLocation": {
        "artifactLocation": { "uri": uri(place.file.path()) },
        "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
    } })
}

/// The path as a URI: relative to where this command ran, or a `file://` one.
fn uri(path: &str) -> String {
    let mut uri = if Path::new(path).is_absolute() { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(byte)),
            _ => _ = write!(uri, "%{byte:02X}"),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostics::{SourceText, codes};

    #[test]
    fn a_result_names_its_rule_its_place_and_the_places_beside() {
        let file = Arc::new(SourceText::new("a b/ü.yaml", "a: 1\nb: 2\n"));
        let mut report = Report::new();
        let found =
            Diagnostic::new(&codes::WRONG_TYPE, "a text is wanted").at(Place::new(&file, 8..9)).help("write `x`");
        report.push(found.related(Place::new(&file, 0..1), "here"));
        report.push(Diagnostic::new(&codes::UNREADABLE, "nowhere"));
        let log: Value = serde_json::from_str(&report.render_sarif()).unwrap();
        let run = &log["runs"][0];
        let [nowhere, result] = run["results"].as_array().unwrap().as_slice() else { panic!("{log}") };
        assert_eq!(nowhere.get("locations"), None);
        assert_eq!(run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize]["id"], "E0203");
        assert_eq!(result["message"]["text"], "a text is wanted\nhelp: write `x`");
        assert_eq!(
            result["locations"][0]["physicalLocation"],
            json!({
                "artifactLocation": { "uri": "a%20b/%C3%BC.yaml" },
                "region": { "startLine": 2, "startColumn": 4, "endLine": 2, "endColumn": 5 },
            })
        );
        assert_eq!(result["relatedLocations"][0]["message"]["text"], "here");
        assert_eq!(uri("/plant/x.yaml"), "file:///plant/x.yaml");
    }
}
