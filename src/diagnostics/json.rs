//! The report for a program to read.

use serde_json::{Map, Value, json};

use crate::diagnostics::{Place, Report};

impl Report {
    /// A JSON array with one object for each finding. Lines and columns are counted from 1, columns in characters; the end
    /// is the column behind the last character.
    pub fn render_json(&self) -> String {
        let found = self.diagnostics().into_iter().map(|one| {
            let mut object = Map::new();
            object.insert("code".to_owned(), one.code.id.into());
            object.insert("severity".to_owned(), severity(one.severity).into());
            object.insert("message".to_owned(), one.message.into());
            object.extend(place(one.place.as_ref()));
            object.insert("label".to_owned(), one.label.into());
            object.insert("help".to_owned(), one.help.into());
            let related = one.related.into_iter().map(|(other, what)| {
                let mut object = place(Some(&other));
                object.insert("message".to_owned(), what.into());
                Value::Object(object)
            });
            object.insert("related".to_owned(), related.collect());
            Value::Object(object)
        });
        format!("{:#}", found.collect::<Value>())
    }
}

fn severity(severity: fieldflow_contract::Severity) -> &'static str {
    match severity {
        fieldflow_contract::Severity::Error => "error",
        fieldflow_contract::Severity::Warning => "warning",
    }
}

fn place(place: Option<&Place>) -> Map<String, Value> {
    let (start, end) = (place.map(Place::start), place.map(Place::end));
    let fields = json!({
        "file": place.map(|place| place.file.path()),
        "line": start.map(|start| start.0),
        "column": start.map(|start| start.1),
        "end_line": end.map(|end| end.0),
        "end_column": end.map(|end| end.1),
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::diagnostics::{Diagnostic, SourceText, codes};

    #[test]
    fn a_program_finds_every_part_under_its_name() {
        let file = Arc::new(SourceText::new("f.yaml", "a: 1\nb: 2\n"));
        let mut report = Report::new();
        let found =
            Diagnostic::new(&codes::WRONG_TYPE, "a text is wanted").at(Place::new(&file, 8..9)).help("write `x`");
        report.push(found.related(Place::new(&file, 0..1), "here"));
        let read: Value = serde_json::from_str(&report.render_json()).unwrap();
        assert_eq!(
            read,
            json!([{
                "code": codes::WRONG_TYPE.id, "severity": "error", "message": "a text is wanted", "file": "f.yaml",
                "line": 2, "column": 4, "end_line": 2, "end_column": 5, "label": "", "help": "write `x`",
                "related": [{
                    "file": "f.yaml", "line": 1, "column": 1, "end_line": 1, "end_column": 2, "message": "here",
                }],
            }])
        );
    }
}
