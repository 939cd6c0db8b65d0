//! What the manual shows is true: its files validate, its cases play, and so does the example of every node.

use std::fs;
use std::path::Path;

use crate::cli::{Site, ask};
use crate::generated::root;

#[test]
fn the_files_and_the_manual_validate() {
    for entry in fs::read_dir(root().join("pipelines")).unwrap().map(Result::unwrap) {
        if entry.path().extension().is_some_and(|end| end == "yaml") {
            validates(&entry.path());
        }
    }
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks: Vec<&str> = readme.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        if block.starts_with("# case.yaml") {
            plays(block);
        } else {
            validates(&Site::of(block).file);
        }
    }
}

/// A `case.yaml` for the demo is right: its faults befall nodes that are there, and its counters come out.
fn plays(case_yaml: &str) {
    let site = Site::of(&fs::read_to_string(root().join("pipelines/demo.yaml")).unwrap());
    let case = site.dir.path().join("site.tests/manual");
    fs::create_dir_all(&case).unwrap();
    fs::write(case.join("case.yaml"), case_yaml).unwrap();
    let input = root().join("pipelines/demo.tests/heating-up/boiler.in.jsonl");
    fs::copy(input, case.join("boiler.in.jsonl")).unwrap();
    let (code, said, _) = ask(&["test", site.file.to_str().unwrap(), "--bless"]);
    assert_eq!(code, 0, "{said}");
}

fn validates(path: &Path) {
    let (code, _, said) = ask(&["validate", "--deny-warnings", path.to_str().unwrap()]);
    assert_eq!(code, 0, "{}: {said}", path.display());
}

#[test]
fn the_example_of_every_node_validates() {
    for kind in fieldflow_nodes::BUILTIN {
        let indented: String = kind.example().trim_end().lines().map(|line| format!("    {line}\n")).collect();
        let name = kind.type_name();
        // A replay may bring values and raw bytes, so it can stand before every node.
        let feed = "  feed: { type: replay, path: frames.jsonl }\n";
        let (before, after) = match kind.role() {
            fieldflow_contract::Role::Source => ("", "  - it -> screen\n".to_owned()),
            fieldflow_contract::Role::Transform => {
                let options = serde_yaml::from_str(kind.example()).unwrap();
                let ports = kind.prepare(options).unwrap_or_else(|found| panic!("{name}: {}", found.message)).ports();
                let wired = ports.outputs.iter().filter(|port| port.required);
                let edges: String = wired.map(|port| format!("  - it.{} -> screen\n", port.name)).collect();
                (feed, "  - feed -> it\n".to_owned() + edges.as_str())
            }
            fieldflow_contract::Role::Sink => (feed, "  - feed -> it\n  - feed -> screen\n".to_owned()),
        };
        let yaml = format!(
            "version: 1\nname: x\nnodes:\n{before}  screen: {{ type: console }}\n  it:\n    type: {name}\n{indented}edges:\n{after}"
        );
        let site = Site::of(&yaml);
        let frames = r#"{"t":"2026-01-01T00:00:00Z","tag":"a","value":{"hex":"0103"}}"#;
        fs::write(site.dir.path().join("frames.jsonl"), frames).unwrap();
        validates(&site.file);
    }
}
