//! What others make of what is published: yaml-language-server of the schema, a SARIF schema of the log.
//!
//! `tests/run` installs both below `target/interop/editor`.

use std::env;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::cli::ask;
use crate::generated::root;
use crate::validate::suite::files;

/// What `tests/editor/check.mjs` finds wrong; `None` if what it needs is not installed and may be missing.
#[expect(clippy::explicit_write, reason = "what `eprintln!` says, a test that passes keeps to itself")]
fn check(args: &[&str]) -> Option<Vec<String>> {
    let modules = root().join("target/interop/editor/node_modules");
    let node = env::var_os("PATH")
        .and_then(|path| env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.exists()));
    let Some(node) = node.filter(|_| modules.join("yaml-language-server").exists()) else {
        let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
        assert!(
            !is("CI", "true") && !is("FIELDFLOW_PEERS", "required"),
            "{} is missing; tests/run installs it",
            modules.display()
        );
        writeln!(std::io::stderr(), "SKIPPED what an editor makes of the schema: {} is missing", modules.display())
            .unwrap();
        return None;
    };
    let mut command = Command::new(node);
    command.arg("tests/editor/check.mjs").arg(modules).args(args).current_dir(root());
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let failed = !output.status.success() && said.is_empty();
    assert!(!failed, "{}", String::from_utf8_lossy(&output.stderr));
    Some(said.lines().map(str::to_owned).collect())
}

const SCHEMA: &str = "schemas/pipeline.schema.json";

fn names(files: &[PathBuf]) -> Vec<&str> {
    files.iter().map(|file| file.to_str().unwrap()).collect()
}

#[test]
fn a_sarif_log_is_one_by_its_schema() {
    let dir = tempfile::tempdir().unwrap();
    let mut logs = Vec::new();
    for (number, what) in
        ["pipelines", "tests/validate/bad", "tests/validate/five", "tests/diagnostics", "no/such.yaml"]
            .iter()
            .enumerate()
    {
        let (_, log, _) = ask(&["validate", what, "--format", "sarif"]);
        logs.push(dir.path().join(format!("{number}.sarif")));
        fs::write(&logs[number], log).unwrap();
    }
    let args: Vec<&str> = ["sarif"].into_iter().chain(names(&logs)).collect();
    if let Some(wrong) = check(&args) {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
    fs::write(&logs[0], r#"{ "version": "2.1.0", "runs": [{ "results": [] }] }"#).unwrap();
    if let Some(wrong) = check(&["sarif", logs[0].to_str().unwrap()]) {
        assert_eq!(wrong.len(), 1, "a run without a tool is none: {wrong:?}");
    }
}

#[test]
fn an_editor_completes_what_may_stand_there_and_says_what_it_means() {
    if let Some(wrong) = check(&["help", SCHEMA]) {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn an_editor_finds_nothing_in_good_files() {
    let good = files("good");
    let args: Vec<&str> = ["files", SCHEMA, "good", "pipelines/demo.yaml", "pipelines/compressor.yaml"]
        .into_iter()
        .chain(names(&good))
        .collect();
    if let Some(wrong) = check(&args) {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn an_editor_finds_what_is_wrong_with_the_structure() {
    // Options that contradict each other and what a requirement is for are beyond a schema; so are infinity, and aliases, to this one.
    let beyond = ["E0215", "requirement_from_a_transform", "infinite_number", "yaml_unknown_alias"];
    let is_structure = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        let first = text.lines().next().unwrap();
        let structural = ["E0104", "E0107", "E0110", "E02"].iter().any(|code| first.contains(code));
        structural && !beyond.iter().any(|word| first.contains(word) || file.to_str().unwrap().contains(word))
    };
    let bad: Vec<PathBuf> = files("bad").into_iter().chain(files("five")).filter(is_structure).collect();
    assert!(80 < bad.len(), "{} files", bad.len());
    let args: Vec<&str> = ["files", SCHEMA, "bad"].into_iter().chain(names(&bad)).collect();
    if let Some(wrong) = check(&args) {
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
