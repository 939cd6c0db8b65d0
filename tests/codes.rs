//! What `explain` says is true: each example makes the mistake that it stands for and no other, and its mended form makes none.

use std::fs;
use std::path::Path;

use fieldflow::analysis::{Analysis, Budget};
use fieldflow::config::{Env, load};
use fieldflow::diagnostics::{Code, Report, codes};
use fieldflow::graph;

use crate::cli::ask;
use crate::generated::{root, up_to_date};

/// An environment in which nothing is set.
struct Empty;

impl Env for Empty {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
    fn file(&self, path: &Path) -> std::io::Result<String> {
        fs::read_to_string(path)
    }
}

fn found(text: &str) -> (Vec<&'static str>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plant.yaml");
    fs::write(&path, text).unwrap();
    let mut report = Report::new();
    if let Some(file) = load(&path, fieldflow_nodes::BUILTIN, &Empty, &mut report)
        && let Some(graph) = graph::check(&file, &mut report)
    {
        Analysis::of(&graph).check(&file, &Budget::default(), &mut report);
    }
    (report.diagnostics().iter().map(|one| one.code.id).collect(), report.render_human(false))
}

#[test]
fn every_example_makes_its_mistake_and_its_mended_form_makes_none() {
    let mut wrong = Vec::new();
    for code in codes::ALL.iter().filter(|code| !code.wrong.is_empty()) {
        let (ids, text) = found(&Code::whole(code.wrong));
        if ids != [code.id] {
            wrong.push(format!("the wrong example of {} gives {ids:?}:\n{text}", code.id));
        }
        let (ids, text) = found(&Code::whole(code.right));
        if !ids.is_empty() {
            wrong.push(format!("the right example of {} gives {ids:?}:\n{text}", code.id));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_code_has_an_example_or_a_reason_why_not() {
    let none: Vec<&str> = codes::ALL.iter().filter(|code| code.wrong.is_empty()).map(|code| code.id).collect();
    // They are about the file as such, about what only a node can read and no built-in one still has to, about what lies on the disk,
    // about what was asked for, about a thousand items, or about other files.
    let known =
        ["E0101", "E0102", "E0103", "E0402", "E0502", "E0601", "E0602", "E0701", "W0301", "W0504", "W0505", "W0601"];
    assert_eq!(none, known);
}

#[test]
fn a_person_can_ask_what_a_code_means() {
    let (code, said, _) = ask(&["explain", "e0201"]);
    assert_eq!(code, 0);
    assert_eq!(said, codes::UNKNOWN_KEY.explanation());
    let (code, listed, _) = ask(&["explain"]);
    assert_eq!((code, listed.lines().count()), (0, codes::ALL.len()));
    let (code, _, said) = ask(&["explain", "E2001"]);
    assert!(code == 1 && said.contains("there is no code `E2001`; is it E0201?"), "{said}");
}

#[test]
fn the_chapter_of_codes_follows_from_the_table() {
    let mut text = "# What errors and warnings mean\n\nWritten by `UPDATE=1 cargo test` from the table that `fieldflow explain CODE` \
                    prints. An example\nleaves out the parts of the file that do not matter.\n"
        .to_owned();
    for code in codes::ALL.iter() {
        text.push('\n');
        text.push_str(&code.chapter());
    }
    up_to_date(&root().join("docs/codes.md"), &text);
}
