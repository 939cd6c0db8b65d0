//! What a person sees of each mistake: `tests/diagnostics/<case>.yaml` and `<case>.expected`, and nothing else to write.
//!
//! `UPDATE=1 cargo test diagnostics` writes what is missing or has changed; `git diff` is the review.

#![expect(clippy::unwrap_used, reason = "a case that cannot be set up has failed")]

mod kinds;
mod outside;
mod published;
mod robust;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow::analysis::{Analysis, Budget};
use fieldflow::config::load;
use fieldflow::diagnostics::{Report, codes};
use fieldflow::graph;
use fieldflow_nodes::BUILTIN;

use kinds::KINDS;
use outside::MadeUp;

/// What follows for the whole pipeline is shown with the nodes of the plant, in a folder of their own.
const PLANT: &str = "tests/diagnostics/plant";

/// What `validate` and `graph` would print of the file.
fn rendered(path: &Path) -> (String, Report) {
    let mut report = Report::new();
    let is_plant = path.starts_with(PLANT);
    let file = load(path, if is_plant { BUILTIN } else { KINDS }, &MadeUp, &mut report);
    let graph = file.and_then(|file| {
        let graph = graph::check(&file, &mut report)?;
        let budget = Budget {
            memory: Some(16 << 20),
            disk: Some(2 << 30),
            writes: Some(1 << 30),
            outage: Some(Duration::from_secs(86_400)),
        };
        let budget = if path.ends_with("budget.yaml") { budget } else { Budget::default() };
        Analysis::of(&graph).check(&file, &budget, &mut report);
        (!report.has_errors()).then_some(graph)
    });
    let mut text = report.render_human(false);
    assert_eq!(graph.is_some(), !report.has_errors(), "a graph is given exactly where there are no errors:\n{text}");
    if let Some(graph) = graph.filter(|_| !is_plant) {
        for part in [graph.render_text(), graph.render_mermaid(), graph.render_dot()] {
            text.push_str(&part);
            text.push('\n');
        }
    }
    (text, report)
}

fn cases() -> Vec<PathBuf> {
    let folders = ["tests/diagnostics", PLANT].map(|folder| fs::read_dir(folder).unwrap());
    let folder = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        folder.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    cases.sort();
    cases
}

#[test]
fn every_mistake_is_explained_as_expected() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = Vec::new();
    for path in cases() {
        let (text, _) = rendered(&path);
        let expected = path.with_extension("expected");
        if fs::read_to_string(&expected).ok().as_ref() == Some(&text) {
            continue;
        }
        if update {
            fs::write(&expected, text).unwrap();
        } else {
            wrong.push(format!("--- {}\n{text}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nUPDATE=1 cargo test rewrites what is expected", wrong.join("\n"));
}

#[test]
fn every_code_has_a_case() {
    let told: BTreeSet<&str> =
        cases().iter().flat_map(|path| rendered(path).1.diagnostics()).map(|found| found.code.id).collect();
    // What no file in the folder can show: it would have to be missing, too large, not a text, or (tests/queue.rs) have run.
    let mut elsewhere = vec![&codes::UNREADABLE, &codes::TOO_LARGE, &codes::NOT_UTF8, &codes::ORPHANED_BACKLOG];
    // What only another file or a device can show: tests/validate.rs.
    elsewhere.extend([&codes::SAME_PIPELINE, &codes::CANNOT_REACH, &codes::DOUBTFUL, &codes::WRONG_KIND_OF_VALUE]);
    let elsewhere: Vec<&str> = elsewhere.iter().map(|code| code.id).collect();
    let missing: Vec<&str> =
        codes::ALL.iter().map(|code| code.id).filter(|id| !told.contains(id) && !elsewhere.contains(id)).collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
