//! The suite of broken files: each says in its first lines what is wrong with it, by code, line and column, and nothing else is
//! found. And that of good ones, with which nothing is wrong.

use std::fs;
use std::path::{Path, PathBuf};

use fieldflow::analysis::{Analysis, Budget};
use fieldflow::config::{Env, load};
use fieldflow::diagnostics::Report;
use fieldflow::graph;

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

pub(super) fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(format!("tests/validate/{folder}")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    files.sort();
    files
}

pub(super) fn checked(path: &Path) -> Report {
    let mut report = Report::new();
    if let Some(file) = load(path, fieldflow_nodes::BUILTIN, &Empty, &mut report)
        && let Some(graph) = graph::check(&file, &mut report)
    {
        Analysis::of(&graph).check(&file, &Budget::default(), &mut report);
    }
    report
}

/// What a file says of itself: `E0201 8:5` for each mistake.
fn expected(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map_while(|line| line.strip_prefix("# expect: ")).map(str::to_owned).collect()
}

fn found(report: &Report) -> Vec<String> {
    let place = |one: &fieldflow::diagnostics::Diagnostic| one.place.as_ref().map(fieldflow::diagnostics::Place::start);
    let shown = |one: &fieldflow::diagnostics::Diagnostic| match place(one) {
        Some((line, column)) => format!("{} {line}:{column}", one.code.id),
        None => one.code.id.to_owned(),
    };
    report.diagnostics().iter().map(shown).collect()
}

fn each_is_found(folder: &str, least: usize, mistakes: usize) {
    let files = files(folder);
    assert!(least <= files.len(), "{} files in {folder}", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let (expected, report) = (expected(&path), checked(&path));
        assert_eq!(expected.len(), mistakes, "{} says what is wrong with it", path.display());
        if found(&report) != expected {
            wrong.push(format!("{} expects {expected:?}:\n{}", path.display(), report.render_human(false)));
        }
    }
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn each_of_the_broken_files_is_told_its_one_mistake_at_its_place() {
    each_is_found("bad", 120, 1);
}

#[test]
fn five_mistakes_in_one_file_are_told_in_one_pass() {
    each_is_found("five", 20, 5);
}

#[test]
fn nothing_is_found_in_the_good_files() {
    let files = files("good");
    assert!(60 <= files.len());
    let told: Vec<String> =
        files.iter().map(|path| checked(path).render_human(false)).filter(|text| !text.is_empty()).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn no_message_shows_what_only_a_programmer_knows() {
    let inner = [
        "Error(",
        "Option<",
        "Vec<",
        "BTreeMap",
        "::",
        "serde",
        "untagged",
        "variant",
        "expected struct",
        "unwrap",
        "Some(",
        "None,",
    ];
    let all = ["bad", "five"].iter().flat_map(|folder| files(folder));
    for path in all {
        for one in checked(&path).diagnostics() {
            let said = [Some(&one.message), one.help.as_ref(), Some(&one.label)].into_iter().flatten();
            for text in said {
                let word = inner.iter().find(|word| text.contains(**word));
                assert!(word.is_none(), "{}: {text}", path.display());
                assert!(!text.trim().eq_ignore_ascii_case("invalid"), "{}: {text}", path.display());
            }
            let says_more = one.help.is_some() || 20 < one.message.len();
            assert!(says_more, "{}: {}", path.display(), one.message);
        }
    }
}
