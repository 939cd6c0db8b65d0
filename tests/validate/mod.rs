//! `validate` as a person uses it: what it tells, what it asks, and that it leaves no trace.

mod connect;
mod editor;
mod hostile;
mod init;
mod mended;
mod purity;
mod suite;

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::cli::{Site, Started, ask, fieldflow};
use crate::generated::{root, up_to_date};

/// Writes pipeline files into a folder of their own.
pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const STORE: &str = "edges: [g -> s]\n";

fn plain(name: &str, path: &str) -> String {
    format!(
        "version: 1\nname: {name}\nnodes:\n  g: {{ type: generate, rate: 10, tags: {{ a: {{ counter: {{}} }} }} }}\n  s: {{ type: sqlite, path: {path} }}\n{STORE}"
    )
}

#[test]
fn the_report_tells_what_each_path_keeps_who_holds_up_whom_and_how_much_it_takes() {
    for name in ["compressor", "demo"] {
        let (code, told, said) = ask(&["validate", "--report", &format!("pipelines/{name}.yaml")]);
        assert_eq!(code, 0, "{said}");
        assert!(told.lines().all(|line| line.chars().count() <= 100), "{told}");
        up_to_date(&root().join(format!("tests/validate/{name}.report")), &told);
    }
}

#[test]
fn a_program_reads_the_same_report() {
    let (code, told, _) = ask(&["validate", "--report", "--format", "json", "pipelines/demo.yaml"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((code, &told["findings"]), (0, &serde_json::json!([])));
    let demo = &told["pipelines"][0];
    assert_eq!(demo["paths"][0]["guarantee"], "at_most_once");
    assert_eq!(demo["edges"][0]["records_per_second"], 21.0);
    assert_eq!(demo["stalls"][0]["held"][0]["source"], "boiler");
}

#[test]
fn a_budget_is_kept_or_an_error() {
    let demo = "pipelines/demo.yaml";
    let (code, _, said) = ask(&["validate", demo, "--budget", "memory=64MiB"]);
    assert_eq!(code, 0, "{said}");
    let (code, _, said) = ask(&["validate", demo, "--budget", "memory=1MiB,disk=1GiB,writes=1MiB"]);
    assert!(code == 1 && said.matches("error[E0502]").count() == 3, "{said}");
    assert!(said.contains("are written to the disk a day, the budget is 1MiB"), "{said}");
    for wrong in ["memory=64", "time=1h", "memory"] {
        let (code, _, said) = ask(&["validate", demo, "--budget", wrong]);
        assert!(code == 2 && said.contains("--budget"), "{wrong}: {said}");
    }
}

#[test]
fn a_folder_is_checked_file_by_file_and_between_its_files() {
    let dir = folder(&[("a.yaml", &plain("a", "a.db")), ("b.yaml", &plain("b", "b.db")), ("notes.txt", "")]);
    let (code, _, said) = ask(&["validate", text(dir.path())]);
    assert!(code == 0 && said.matches(": well (").count() == 2, "{said}");
    fs::write(dir.path().join("c.yaml"), plain("a", "c.db")).unwrap();
    fs::write(dir.path().join("d.yaml"), plain("d", "../b/b.db")).unwrap();
    let (code, told, _) = ask(&["validate", text(dir.path()), "--format", "json"]);
    assert_eq!(code, 1);
    let told: Value = serde_json::from_str(&told).unwrap();
    let found: Vec<(&str, &str, u64, u64)> = told.as_array().unwrap().iter().map(place).collect();
    assert_eq!(found, [("E0701", "c.yaml", 2, 7), ("E0503", "d.yaml", 5, 28)]);
    assert!(told[1]["related"][0]["file"].as_str().unwrap().ends_with("b.yaml"), "{told}");
    let (code, _, said) = ask(&["validate", text(tempfile::tempdir().unwrap().path())]);
    assert!(code == 2 && said.contains("there is no file that ends in .yaml or .yml"), "{said}");
}

/// Code, file, line and column of a finding.
fn place(found: &Value) -> (&str, &str, u64, u64) {
    let file = found["file"].as_str().unwrap_or_default();
    let name = file.rsplit('/').next().unwrap();
    let number = |key: &str| found[key].as_u64().unwrap_or_default();
    (found["code"].as_str().unwrap(), name, number("line"), number("column"))
}

#[test]
fn nodes_of_two_files_that_share_a_line_must_agree_on_it() {
    let file = |name: &str, pause: &str| {
        format!(
            "version: 1\nname: {name}\nnodes:\n  plc:\n    type: modbus\n    url: tcp://127.0.0.1:1502\n    pause: {pause}\n    tags: {{ t: {{ at: \"holding:0\" }} }}\n  out: {{ type: console }}\nedges: [plc -> out]\n"
        )
    };
    let dir = folder(&[("a.yaml", &file("a", "1ms")), ("b.yaml", &file("b", "2ms"))]);
    let (code, told, _) = ask(&["validate", text(dir.path()), "--format", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let found: Vec<_> = told.as_array().unwrap().iter().map(place).collect();
    assert_eq!((code, found), (1, vec![("E0401", "b.yaml", 7, 12)]), "{told}");
    let (code, _, said) = ask(&["run", text(&dir.path().join("a.yaml")), text(&dir.path().join("b.yaml"))]);
    assert!(code == 1 && said.contains("E0401"), "it is not run either: {said}");
}

#[test]
fn what_the_nodes_of_two_files_ask_of_one_server_is_added_up() {
    let file = |name: &str, count: usize| {
        let nodes: String = (0..count)
            .map(|n| format!("  ua{n}: {{ type: opcua, url: \"opc.tcp://press\", server: s7-1200, tags: {{ t{n}: {{ node: i=2258 }} }} }}\n"))
            .collect();
        let edges: String = (0..count).map(|n| format!("  - ua{n} -> out\n")).collect();
        format!("version: 1\nname: {name}\nnodes:\n{nodes}  out: {{ type: console }}\nedges:\n{edges}")
    };
    let dir = folder(&[("a.yaml", &file("a", 6)), ("b.yaml", &file("b", 4))]);
    let (code, _, said) = ask(&["validate", "--deny-warnings", text(dir.path())]);
    assert_eq!(code, 0, "ten sessions are what it has: {said}");
    fs::write(dir.path().join("b.yaml"), file("b", 5)).unwrap();
    let (code, told, _) = ask(&["validate", text(dir.path()), "--format", "json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let found: Vec<_> = told.as_array().unwrap().iter().map(place).collect();
    assert_eq!((code, found), (0, vec![("W0505", "b.yaml", 8, 28)]), "{told}");
}

#[test]
fn a_file_that_is_watched_is_checked_at_every_save() {
    let site = Site::of(&plain("a", "a.db"));
    let mut started = Started::new(&mut fieldflow(&["validate", "--watch", text(&site.file)]));
    started.hear("well (2 nodes, 1 edges)");
    started.hear("waiting for the next save");
    fs::write(&site.file, plain("A", "a.db")).unwrap();
    started.hear("E0211");
    started.hear("waiting for the next save");
    fs::write(&site.file, plain("ab", "a.db")).unwrap();
    started.hear("well (2 nodes, 1 edges)");
}

#[test]
fn what_is_told_of_the_disk_is_what_is_written() {
    let yaml = "version: 1\nname: d\nnodes:\n  g: { type: generate, rate: 20000, batch: 1, count: 60000, tags: { a: { noise: {} }, b: { sine: {} }, c: { ramp: {} } } }\n  s: { type: sqlite, path: s.db, ballast: 0B }\n  t: { type: sqlite, path: /proc/none/t.db, ballast: 0B }\nedges:\n  - g -> s\n  - g -> t: { durable: true, max_bytes: 1GiB }\n";
    let site = Site::of(yaml);
    let (_, said) = Started::new(&mut site.run(&["--listen", "off", "--for", "6s", "--grace", "1s"])).end();
    let (_, told, _) = ask(&["validate", "--report", "--format", "json", text(&site.file)]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let a_day = told["pipelines"][0]["stores"][0]["bytes_per_day"].as_f64().unwrap();
    let row = a_day / 86_400.0 / 20_000.0;
    let stored = fs::metadata(site.data().join("d/s.db")).unwrap().len() as f64 / 60_000.0;
    assert!((0.7..1.4).contains(&(stored / row)), "a row takes {stored} bytes, {row} are told: {said}");
    // What an edge covers must not be told too long, nor by far too short.
    let data = site.data();
    let (_, listed, _) = ask(&["queue", "ls", text(&site.file), "--data-dir", text(&data), "--format", "json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let edge = &listed[0]["edges"][0];
    let waiting = edge["bytes"].as_f64().unwrap() / edge["records"].as_f64().unwrap();
    let covers = told["pipelines"][0]["edges"][1]["covers_seconds"].as_f64().unwrap();
    let counted = f64::from(1 << 30) / (covers * 20_000.0);
    assert!(
        (1.0..2.0).contains(&(counted / waiting)),
        "a record takes {waiting} bytes, {counted} are counted: {listed}"
    );
}
