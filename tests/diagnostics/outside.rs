//! The world outside the pipeline file, and files that are no pipeline files at all.

use std::io;
use std::path::Path;

use fieldflow::config::{Env, load};
use fieldflow::diagnostics::{Code, Report, codes};

use super::kinds::KINDS;

/// An environment with a secret in it.
pub(super) struct MadeUp;

pub(super) const CANARY: &str = "canary-4711";

impl Env for MadeUp {
    fn var(&self, name: &str) -> Option<String> {
        match name {
            "CANARY" => Some(CANARY.to_owned()),
            "UNIT" => Some("7".to_owned()),
            "TOO_MUCH" => Some("70000".to_owned()),
            _ => None,
        }
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        if path == Path::new("/run/secret") { Ok(format!("{CANARY}\n")) } else { Err(io::ErrorKind::NotFound.into()) }
    }
}

fn load_bytes(bytes: &[u8]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.yaml");
    std::fs::write(&path, bytes).unwrap();
    let mut report = Report::new();
    assert!(load(&path, KINDS, &MadeUp, &mut report).is_none());
    report
}

fn only_code(report: &Report) -> &'static Code {
    let found = report.diagnostics();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].code
}

#[test]
fn what_is_no_readable_file_is_named_as_such() {
    let mut report = Report::new();
    assert!(load(Path::new("tests/no such file.yaml"), KINDS, &MadeUp, &mut report).is_none());
    assert_eq!(only_code(&report), &codes::UNREADABLE);
    assert!(report.render_human(false).contains("no such file or directory\n"));
    let mut report = Report::new();
    assert!(load(Path::new("tests"), KINDS, &MadeUp, &mut report).is_none());
    assert_eq!(only_code(&report), &codes::UNREADABLE);
}

#[test]
fn a_file_over_one_mebibyte_is_refused_unread() {
    assert_eq!(only_code(&load_bytes("#".repeat((1 << 20) + 1).as_bytes())), &codes::TOO_LARGE);
    assert_eq!(only_code(&load_bytes("#".repeat(1 << 20).as_bytes())), &codes::EMPTY);
}

#[test]
fn a_file_that_is_not_utf_8_is_pointed_at_where_it_is_not() {
    let report = load_bytes(b"name: k\xfchler\n");
    assert_eq!(only_code(&report), &codes::NOT_UTF8);
    assert_eq!(report.diagnostics()[0].place.as_ref().unwrap().start(), (1, 8));
    assert!(load_bytes(b"\xff\xfev\0e\0").render_human(false).contains("UTF-16"));
}

#[test]
fn no_rendering_of_any_report_tells_a_secret() {
    for path in super::cases() {
        let (text, report) = super::rendered(&path);
        assert!(!text.contains(CANARY) && !report.render_json().contains(CANARY), "{}", path.display());
        assert!(!text.contains("70000") || !std::fs::read_to_string(&path).unwrap().contains("TOO_MUCH"));
    }
}
