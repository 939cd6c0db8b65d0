//! `fieldflow test` and `fieldflow record`: what passes, what fails and what is said of it.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::cli::{Site, ask};

/// Two sources into one sink, edges of every policy, a durable one; everything that can go wrong does.
const BUSY: &str = "\
version: 1
name: busy
nodes:
  a: { type: generate, rate: 10, tags: { a.x: { counter: {} } } }
  b: { type: generate, rate: 10, tags: { b.x: { counter: {} } } }
  half: { type: scale, rules: [{ tags: \"*\", linear: { factor: 0.5 } }] }
  changes: { type: dedupe }
  kept: { type: console }
  newest: { type: console }
  last: { type: console }
edges:
  - a -> half
  - b -> half -> changes
  - { changes -> kept: { durable: true } }
  - { changes -> newest: { capacity: 3, when_full: drop_oldest } }
  - { changes -> last: { capacity: 2, when_full: conflate } }
";

const TROUBLE: &str = r#"
faults:
  - { at: 3s, disconnect: a, for: 4s }
  - { at: 8s, bad_quality: b, for: 2s, quality: bad:timeout }
  - { at: 11s, sink_down: kept, for: 9s }
  - { at: 12s, sink_slow: newest, for: 6s, delay: 2500ms }
  - { at: 12s, sink_slow: last, for: 6s }
  - { at: 14s, restart: true }
  - { at: 22s, sink_rejects: kept, for: 2s }
expect: { counters: { 'fieldflow_node_discarded_records_total{node="kept", reason="rejected"}': 3 } }
"#;

fn at(second: f64) -> String {
    let millis = (second * 1000.0).round() as u32;
    format!("2026-01-01T00:00:{:02}.{:03}Z", millis / 1000, millis % 1000)
}

fn line(second: f64, tag: &str, value: &str) -> String {
    format!("{{\"t\":\"{}\",\"tag\":\"{tag}\",\"value\":{value}}}\n", at(second))
}

/// A pipeline with one case, in a folder of its own.
struct Bench {
    site: Site,
    case: PathBuf,
}

impl Bench {
    fn of(pipeline: &str, files: &[(&str, &str)]) -> Self {
        let site = Site::of(pipeline);
        let case = site.dir.path().join("site.tests/case");
        fs::create_dir_all(&case).unwrap();
        for (name, text) in files {
            fs::write(case.join(name), text).unwrap();
        }
        Self { site, case }
    }

    fn busy(trouble: &str) -> Self {
        let a: String = (0..30).map(|n| line(f64::from(n), "a.x", &n.to_string())).collect();
        // Now and then at the very same time as the other, and else by less than a millisecond or two.
        let b: String = (0..60).map(|n| line(f64::from(n) / 2.0 + 0.0004, "b.x", &(n / 3).to_string())).collect();
        Self::of(BUSY, &[("a.in.jsonl", &a), ("b.in.jsonl", &b), ("case.yaml", trouble)])
    }

    fn test(&self, more: &[&str]) -> (i32, String, String) {
        ask(&[&["test", self.site.file.to_str().unwrap()], more].concat())
    }

    /// What came out, by file; the files are deleted.
    fn take(&self) -> Vec<(String, String)> {
        let (code, said, _) = self.test(&["--bless"]);
        assert_eq!(code, 0, "{said}");
        take(&self.case)
    }
}

fn take(case: &Path) -> Vec<(String, String)> {
    let files = fs::read_dir(case).unwrap().map(|entry| entry.unwrap().path());
    let outputs = files.filter(|path| path.to_string_lossy().ends_with(".out.jsonl"));
    let mut taken: Vec<(String, String)> = outputs
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            fs::remove_file(&path).unwrap();
            (path.file_name().unwrap().to_string_lossy().into_owned(), text)
        })
        .collect();
    taken.sort();
    taken
}

#[test]
fn every_pipeline_has_cases_and_all_of_them_pass() {
    let (code, json, said) = ask(&["test", "pipelines", "--format", "json"]);
    let told: Json = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}{said}"));
    assert_eq!((code, &told["failed"]), (0, &0.into()), "{told:#}");
    for pipeline in told["pipelines"].as_array().unwrap() {
        assert!(!pipeline["cases"].as_array().unwrap().is_empty(), "{} has no cases", pipeline["pipeline"]);
        // What an edge does when it is full can be left to the tests of the runtime; nodes and ports cannot.
        let missing = pipeline["not_exercised"].as_array().unwrap();
        let missing: Vec<&Json> = missing.iter().filter(|part| !part.as_str().unwrap().starts_with("edge ")).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", pipeline["pipeline"]);
    }
}

#[test]
fn the_same_case_gives_the_same_bytes_every_time_and_beside_any_number_of_others() {
    let bench = Bench::busy(TROUBLE);
    let once = bench.take();
    assert_eq!(once.len(), 3);
    assert!(once.iter().all(|(_, text)| 10 < text.lines().count()), "{once:?}");
    // Twins beside it, so that the workers have something to do at the same time.
    for n in 0..19 {
        let twin = bench.case.with_file_name(format!("case{n}"));
        fs::create_dir(&twin).unwrap();
        for entry in fs::read_dir(&bench.case).unwrap().map(Result::unwrap) {
            fs::copy(entry.path(), twin.join(entry.file_name())).unwrap();
        }
    }
    for jobs in ["1", "4"] {
        let (code, said, _) = bench.test(&["--bless", "--jobs", jobs]);
        assert_eq!((code, said.matches("blessed 3 files").count()), (0, 20), "{said}");
        for entry in fs::read_dir(bench.case.parent().unwrap()).unwrap().map(Result::unwrap) {
            assert_eq!(take(&entry.path()), once, "{} with {jobs} jobs", entry.path().display());
        }
    }
}

#[test]
fn a_kill_at_any_moment_loses_nothing_and_repeats_nothing() {
    let pipeline = BUSY.replace("changes -> newest: { capacity: 3, when_full: drop_oldest }", "changes -> newest");
    let pipeline = pipeline.replace("changes -> last: { capacity: 2, when_full: conflate }", "changes -> last");
    let pipeline = pipeline.replace("type: dedupe", "type: scale, rules: [{ tags: \"*\", linear: {} }]");
    let bench = Bench::busy("");
    fs::write(&bench.site.file, pipeline).unwrap();
    let whole = bench.take();
    for restart in 1..20 {
        let at = f64::from(restart) * 1.7;
        fs::write(
            bench.case.join("case.yaml"),
            format!("faults: [{{ at: {at}s, restart: true }}, {{ at: 10s, sink_down: kept, for: 8s }}]"),
        )
        .unwrap();
        assert_eq!(bench.take(), whole, "killed after {at} s");
    }
}

#[test]
fn what_is_wrong_with_a_case_is_told() {
    let pipeline = "version: 1\nname: one\nnodes:\n  gen: { type: generate, rate: 10, tags: { a: { counter: {} } } }\n  out: { type: console }\nedges: [gen -> out]\n";
    let input = [line(0.0, "a", "1"), line(1.0, "a", "2")].concat();
    let good = [("gen.in.jsonl", input.as_str()), ("out.out.jsonl", input.as_str())];
    let bench = Bench::of(pipeline, &good);
    assert_eq!(bench.test(&[]).0, 0, "{:?}", bench.test(&[]));
    let ten = [line(0.0, "a", "1.0"), line(1.0, "a", "2.4")].concat();
    for (file, text, said) in [
        ("out.out.jsonl", None, "--bless"),
        ("out.out.jsonl", Some(ten.as_str()), "out.out.jsonl:2: a: value 2, expected 2.4"),
        ("out.out.jsonl", Some("{"), "out.out.jsonl:1: not a record"),
        ("extra.out.jsonl", Some(""), "has no sink `extra`"),
        ("extra.in.jsonl", Some(""), "has no source `extra`"),
        ("gen.in.jsonl", None, "gen.in.jsonl is missing"),
        ("gen.in.jsonl", Some("{\"t\":1}"), "gen.in.jsonl:1: not a record"),
        ("case.yaml", Some("tolerence: 1\n"), "tolerance"),
        ("case.yaml", Some("faults: [{ at: 1s, disconnect: out, for: 1s }]"), "no source `out`"),
        ("case.yaml", Some("faults: [{ at: 1s, disconnect: gen }]"), "needs `for`"),
        ("case.yaml", Some("faults: [{ at: soon, restart: true }]"), "`soon` is neither"),
        ("case.yaml", Some("faults: [{ at: 1s, restart: true, for: 1s }]"), "`for` means nothing here"),
        ("case.yaml", Some("until: 3s\nfaults: [{ at: 3s, restart: true }]"), "it never happens"),
        ("case.yaml", Some("expect: { counters: { fieldflow_node_sent_records_total: 3 } }"), "is 2, expected 3"),
        (
            "case.yaml",
            Some("expect: { counters: { fieldflow_node_sent_total: 0 } }"),
            "no metric `fieldflow_node_sent_total`",
        ),
        (
            "case.yaml",
            Some("expect: { counters: { 'fieldflow_node_sent_records_total{node=\"genn\"}': 0 } }"),
            "no `node` named `genn`",
        ),
        (
            "gen.in.jsonl",
            Some(&line(0.0, "a", "1").replace("2026", "2029").repeat(2).replacen("2029", "2026", 1)),
            "mistyped",
        ),
        ("notes.jsonl", Some(""), "notes.jsonl is no part of a case"),
        ("case.yml", Some(""), "case.yml is no part of a case"),
        ("case.yaml", Some("faults: [{ at: 0s, sink_rejects: out, for: 1500ms }]"), "2 records were rejected by `out`"),
    ] {
        let bench = Bench::of(pipeline, &good);
        match text {
            Some(text) => fs::write(bench.case.join(file), text).unwrap(),
            None => fs::remove_file(bench.case.join(file)).unwrap(),
        }
        let (code, told, _) = bench.test(&[]);
        assert_eq!(code, 1, "{file} {text:?}: {told}");
        assert!(told.contains(said), "{file} {text:?}: {told}");
    }
    fs::write(bench.case.join("case.yaml"), "tolerance: 0.5\n").unwrap();
    fs::write(bench.case.join("out.out.jsonl"), ten).unwrap();
    assert_eq!(bench.test(&[]).0, 0, "2 is 2.4 within half");
    assert_eq!(bench.test(&["--filter", "nothing"]).0, 2);
}

#[test]
fn a_blessed_case_passes_and_what_is_no_longer_expected_is_deleted() {
    let bench = Bench::busy("");
    fs::write(bench.case.join("gone.out.jsonl"), "").unwrap();
    fs::write(bench.case.join("kept.out.jsonl"), "{").unwrap();
    assert_eq!(bench.test(&[]).0, 1);
    let (code, said, _) = bench.test(&["--bless"]);
    assert!(code == 0 && said.contains("blessed 4 files"), "{said}");
    assert!(!bench.case.join("gone.out.jsonl").exists());
    let (code, said, _) = bench.test(&["--bless"]);
    assert!(code == 0 && !said.contains("blessed"), "what is right is not written again: {said}");
}

#[test]
fn what_went_wrong_on_the_way_is_not_blessed() {
    let bench = Bench::busy("expect: { counters: { fieldflow_node_sent_records_total: 1 } }");
    let (code, said, _) = bench.test(&["--bless"]);
    assert!(code == 1 && said.contains("expected 1") && said.contains("nothing was blessed"), "{said}");
    assert!(!bench.case.join("kept.out.jsonl").exists());
}

#[test]
fn an_empty_line_tells_where_a_batch_ends() {
    let pipeline = "version: 1\nname: one\nnodes:\n  gen: { type: generate, rate: 10, tags: { a: { counter: {} } } }\n  \
        out: { type: console }\nedges:\n  - { gen -> out: { capacity: 1, when_full: drop_newest } }\n";
    let slow = "faults: [{ at: 0s, sink_slow: out, for: 5s }]\n";
    for (apart, came) in [("", 3), ("\n", 2)] {
        let input = ["1", "2", "3"].map(|value| line(0.0, "a", value)).join(apart);
        let bench = Bench::of(pipeline, &[("gen.in.jsonl", &input), ("case.yaml", slow)]);
        assert_eq!(bench.take()[0].1.lines().count(), came, "{input}");
    }
}

#[test]
fn a_source_that_was_down_when_the_process_was_killed_misses_what_came_meanwhile() {
    let pipeline = "version: 1\nname: one\nnodes:\n  gen: { type: generate, rate: 10, tags: { a: { counter: {} } } }\n  \
        out: { type: console }\nedges: [gen -> out]\n";
    let input: String = (0..10).map(|n| line(f64::from(n), "a", &n.to_string())).collect();
    let faults = |restart| format!("faults: [{{ at: 2500ms, disconnect: gen, for: 4s }}{restart}]");
    let values = |restart| {
        let bench = Bench::of(pipeline, &[("gen.in.jsonl", &input), ("case.yaml", &faults(restart))]);
        let out = bench.take().remove(0).1;
        let values = out.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["value"].clone());
        values.filter(|value| !value.is_null()).map(|value| value.as_i64().unwrap()).collect::<Vec<_>>()
    };
    for restart in ["", ", { at: 4s, restart: true }"] {
        // The link is tried again now and then, so it may be back a little later than the device.
        let came = values(restart);
        assert_eq!(came[..3], [0, 1, 2], "{restart}: {came:?}");
        assert!(came[3..].first().is_some_and(|first| (7..=9).contains(first)), "{restart}: {came:?}");
    }
}

#[test]
fn a_file_or_a_folder_that_is_named_twice_is_tested_once() {
    let bench = Bench::busy("");
    bench.test(&["--bless"]);
    let folder = bench.site.dir.path();
    let beside = folder.join("nothing/..");
    fs::create_dir(folder.join("nothing")).unwrap();
    let (code, json, _) = bench.test(&[beside.to_str().unwrap(), bench.case.to_str().unwrap(), "--format", "json"]);
    let told: Json = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &told["passed"], &told["failed"]), (0, &1.into(), &0.into()), "{json}");
    // One case alone says nothing of what no case exercises.
    let (_, json, _) = ask(&["test", bench.case.to_str().unwrap(), "--format", "json"]);
    let told: Json = serde_json::from_str(&json).unwrap();
    assert_eq!(told["pipelines"][0]["not_exercised"], Json::Array(Vec::new()), "{json}");
}

#[test]
fn cases_whose_pipeline_is_gone_fail() {
    let bench = Bench::busy("");
    fs::remove_file(&bench.site.file).unwrap();
    let (code, said, _) = ask(&["test", bench.site.dir.path().to_str().unwrap()]);
    assert!(code == 1 && said.contains("site.yaml is not valid"), "{said}");
}

#[test]
fn build_servers_get_junit() {
    let bench = Bench::busy("");
    let (code, xml, _) = bench.test(&["--format", "junit"]);
    assert_eq!(code, 1);
    assert!(xml.starts_with("<?xml version=\"1.0\"") && xml.contains("tests=\"1\" failures=\"1\""), "{xml}");
    assert!(xml.contains("<failure message=\"kept.out.jsonl is missing"), "{xml}");
    assert_eq!(xml.matches("<testcase ").count(), xml.matches("</testcase>").count(), "{xml}");
}

#[test]
fn what_no_case_exercised_is_told() {
    let quiet = "faults: [{ at: 12s, sink_slow: newest, for: 9s, delay: 3s }]";
    let bench = Bench::busy(quiet);
    let (_, json, _) = bench.test(&["--bless", "--format", "json"]);
    let told: Json = serde_json::from_str(&json).unwrap();
    let missing = told["pipelines"][0]["not_exercised"].to_string();
    assert!(missing.contains("edge changes -> last when full (conflate)"), "{missing}");
    assert!(!missing.contains("drop_oldest") && !missing.contains("node "), "{missing}");
}

#[test]
fn a_live_run_becomes_a_case_that_passes() {
    let pipeline =
        BUSY.replace("{ type: generate, rate: 10, tags: { a", "{ type: generate, rate: 200, batch: 5, tags: { a");
    let site = Site::of(&pipeline);
    let file = site.file.to_str().unwrap();
    let (code, _, said) = ask(&["record", file, "--for", "700ms", "--case", "monday"]);
    assert_eq!(code, 0, "{said}");
    let case = site.dir.path().join("site.tests/monday");
    let recorded = fs::read_to_string(case.join("a.in.jsonl")).unwrap();
    assert!(20 < recorded.lines().count(), "{recorded}");
    assert!(!site.data().exists(), "the sinks and the data folder are not touched");
    assert_eq!(ask(&["test", file]).0, 0);
    let (code, _, said) = ask(&["record", file, "--for", "1s", "--case", "monday"]);
    assert!(code == 2 && said.contains("exists already"), "{said}");
}
