//! What no compiler checks: who may import whom, that every file says what it is for, and that it can be read in one sitting.

use std::fs;
use std::path::{Path, PathBuf};

const LONGEST: usize = 400;

/// Each room of `src/` with the rooms that it may import. `telemetry` and the contract are open to all but `diagnostics`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("cli", &["analysis", "config", "diagnostics", "golden", "graph", "queue", "runtime", "telemetry", "web"]),
    ("web", &["telemetry"]),
    ("golden", &["config", "diagnostics", "graph", "runtime", "telemetry"]),
    ("analysis", &["config", "diagnostics", "graph"]),
    ("runtime", &["graph", "queue", "telemetry"]),
    ("queue", &["telemetry"]),
    ("graph", &["config", "diagnostics"]),
    ("config", &["diagnostics"]),
    ("diagnostics", &[]),
    ("telemetry", &[]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(below: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(below).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn all_files() -> Vec<PathBuf> {
    ["src", "nodes", "tests", "benches"].iter().flat_map(|folder| rust_files(&root().join(folder))).collect()
}

#[test]
fn rooms_import_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for (room, may) in MAY_IMPORT {
        for file in rust_files(&root().join("src").join(room)) {
            let text = fs::read_to_string(&file).unwrap();
            for (number, line) in text.lines().enumerate() {
                let mut rest = line;
                while let Some(at) = rest.find("crate::") {
                    rest = &rest[at + "crate::".len()..];
                    let other: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                    if other != *room
                        && MAY_IMPORT.iter().any(|(name, _)| *name == other)
                        && !may.contains(&other.as_str())
                    {
                        wrong.push(format!("{}:{}: `{room}` must not import `{other}`", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_room_is_in_the_table() {
    for entry in fs::read_dir(root().join("src")).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
        let name = entry.file_name().into_string().unwrap();
        assert!(MAY_IMPORT.iter().any(|(room, _)| *room == name), "src/{name} is not in the table of tests/tidy.rs");
    }
}

#[test]
fn only_main_names_the_built_in_nodes_and_only_config_reads_yaml() {
    for file in rust_files(&root().join("src")).iter().filter(|file| !file.to_string_lossy().ends_with("tests.rs")) {
        let text = fs::read_to_string(file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let is_main = file.ends_with("src/main.rs");
        assert!(is_main || !code.contains("fieldflow_nodes"), "{} names the nodes crate", file.display());
        let in_config = file.starts_with(root().join("src/config"));
        assert!(in_config || !code.contains("serde_yaml"), "{} reads YAML by itself", file.display());
    }
}

#[test]
fn nodes_see_no_engine() {
    for file in ["nodes/Cargo.toml", "nodes/storage/Cargo.toml", "nodes/contract/Cargo.toml"] {
        let manifest = fs::read_to_string(root().join(file)).unwrap();
        for banned in ["fieldflow =", "fieldflow.workspace", "async-channel", "metrics", "serde_yaml", "tracing"] {
            assert!(!manifest.contains(banned), "{file} must not depend on `{banned}`");
        }
    }
}

#[test]
fn every_file_says_what_it_is_for_and_is_read_in_one_sitting() {
    let mut wrong = Vec::new();
    for file in all_files() {
        let text = fs::read_to_string(&file).unwrap();
        if !text.starts_with("//!") {
            wrong.push(format!("{} does not begin with a module doc", file.display()));
        }
        let lines = text.lines().count();
        if LONGEST < lines {
            wrong.push(format!("{} has {lines} lines; split it by subject", file.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn main_is_short() {
    assert!(fs::read_to_string(root().join("src/main.rs")).unwrap().lines().count() <= 40);
}

#[test]
fn the_bans_say_why() {
    let text = fs::read_to_string(root().join("clippy.toml")).unwrap();
    for line in text.lines().filter(|line| line.contains("path =")) {
        assert!(line.contains("reason = \""), "{line}");
    }
}

#[test]
fn the_registry_is_sorted_and_every_node_is_documented() {
    let names: Vec<&str> = fieldflow_nodes::BUILTIN.iter().map(|kind| kind.type_name()).collect();
    assert!(names.is_sorted() && !names.is_empty(), "{names:?}");
    for kind in fieldflow_nodes::BUILTIN {
        let name = kind.type_name();
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'), "{name}");
        let schema = kind.schema();
        let summary = fieldflow::cli::summary(*kind);
        assert!(summary.ends_with('.') && summary.len() < 160, "{name}: the first line of its doc is `{summary}`");
        assert_eq!(schema["additionalProperties"], false, "{name}: deny_unknown_fields is missing");
        undocumented(&schema, name);
    }
}

/// Every option has a doc comment: it is the manual.
fn undocumented(schema: &serde_json::Value, path: &str) {
    if let Some(options) = schema["properties"].as_object() {
        for (name, option) in options {
            // The word of a choice (`counter: {}`) is documented beside it.
            let documented =
                option["description"].is_string() || (options.len() == 1 && schema["description"].is_string());
            assert!(documented, "{path}.{name} has no doc comment");
        }
    }
    match schema {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, inner)| undocumented(inner, &format!("{path}.{key}")));
        }
        serde_json::Value::Array(all) => all.iter().for_each(|inner| undocumented(inner, path)),
        _ => {}
    }
}
