//! How long it takes to check large files, honest and hostile ones. A file of 2,000 tags shall take less than 100 ms, and no
//! file that is let in more than a second. What follows from a file is worked out and printed too.

use std::fmt::Write as _;

use fieldflow::analysis::{Analysis, Budget};
use fieldflow::config::{ProcessEnv, load};
use fieldflow::diagnostics::Report;
use fieldflow::graph;
use fieldflow_nodes::BUILTIN;

fn two_thousand_tags() -> String {
    let mut yaml =
        "version: 1\nname: large\nnodes:\n  plc:\n    type: modbus\n    url: tcp://127.0.0.1:1502\n    tags:\n"
            .to_owned();
    for n in 0..2_000 {
        let _ = writeln!(yaml, "      l{}.t{n}: {{ at: \"holding:{n}\", as: f32, order: CDAB, every: 500ms }}", n % 7);
    }
    yaml + "  db: { type: sqlite, path: x.db }\nedges:\n  - plc -> db\n"
}

/// As many as one file of 1 MiB holds, and rules that name each of them.
fn twenty_thousand_tags() -> String {
    let tags = numbered(20_000, |text, n| writeln!(text, "      t{n}: {{ at: \"holding:{n}\" }}"));
    let plc = format!("  plc:\n    type: modbus\n    url: tcp://127.0.0.1:1502\n    tags:\n{tags}");
    let db =
        "  db: { type: sqlite, path: x.db }\nedges:\n  - plc -> db: { durable: true }\nrequire: [plc -> db: no_loss]\n";
    format!("version: 1\nname: large\nnodes:\n{plc}{db}")
}

/// Rules that name tags, each misspelt, beside as many tags.
fn rules_that_name_no_tag() -> String {
    let tags = numbered(8_000, |text, n| writeln!(text, "      line{n}.temperature: {{ at: \"holding:{n}\" }}"));
    let rules =
        numbered(4_000, |text, n| writeln!(text, "      - {{ tags: line{n}.tempreature, linear: {{ factor: 2 }} }}"));
    let patterns =
        numbered(4_000, |text, n| writeln!(text, "      - {{ tags: \"*{n}*.x\", linear: {{ factor: 2 }} }}"));
    let plc = format!("  plc:\n    type: modbus\n    url: tcp://h\n    tags:\n{tags}");
    let scale = format!("  s:\n    type: scale\n    rules:\n{rules}{patterns}  db: {{ type: console }}\n");
    format!("version: 1\nname: large\nnodes:\n{plc}{scale}edges: [plc -> s -> db]\n")
}

/// Many paths, and what each requires.
fn requirements() -> String {
    let sources = numbered(3_000, |text, n| {
        writeln!(text, "  s{n}: {{type: generate, rate: 1, tags: {{a: {{counter: {{}}}}}}}}")
    });
    let sinks = numbered(3_000, |text, n| writeln!(text, "  k{n}: {{type: console}}"));
    let edges = numbered(3_000, |text, n| writeln!(text, "- s{n} -> m\n- m -> k{n}"));
    let require = numbered(256, |text, n| writeln!(text, "- s{n} -> k{n}: no_loss\n"));
    format!("version: 1\nname: wide\nnodes:\n  m: {{type: dedupe}}\n{sources}{sinks}edges:\n{edges}require:\n{require}")
}

/// What `write` makes of each number, one behind the other.
fn numbered(count: usize, write: impl Fn(&mut String, usize) -> std::fmt::Result) -> String {
    let mut text = String::new();
    for n in 0..count {
        write(&mut text, n).expect("a text takes everything");
    }
    text
}

fn nested_anchors() -> String {
    ["a: ", &numbered(60, |text, n| write!(text, "&a{n} [")), &"0,".repeat(400_000)].concat()
}

fn nodes_and_edges(nodes: usize, edges: usize, edge: fn(&mut String, usize) -> std::fmt::Result) -> String {
    let nodes = numbered(nodes, |text, n| writeln!(text, "  node{n}: {{type: dedupe}}"));
    format!("nodes:\n{nodes}edges:\n{}", numbered(edges, edge))
}

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn main() {
    // `cargo test --benches` and `cargo clippy` build this file; only `cargo bench` shall run it.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let unknown_keys = numbered(40_000, |text, n| write!(text, "k{n}: 1, "));
    let files = [
        ("2000 tags", two_thousand_tags()),
        ("2000 tags with an error in each", two_thousand_tags().replace("every:", "evry:")),
        ("20000 tags", twenty_thousand_tags()),
        ("8000 rules that name none of 8000 tags", rules_that_name_no_tag()),
        ("3000 sources, 3000 sinks, 256 requirements", requirements()),
        ("40000 unknown keys on one line", format!("{{{unknown_keys}}}")),
        ("a key repeated 40000 times", "a: 1\n".repeat(40_000)),
        ("60 anchors around each other and 400000 values", nested_anchors()),
        (
            "20000 nodes in a cycle",
            nodes_and_edges(20_000, 20_000, |text, n| writeln!(text, "- node{n} -> node{}", (n + 1) % 20_000)),
        ),
        (
            "15000 nodes and 20000 edges to others",
            nodes_and_edges(15_000, 20_000, |text, n| writeln!(text, "- knot{n} -> node{n}")),
        ),
        ("40000 empty nodes", format!("nodes:\n{}", numbered(40_000, |text, n| writeln!(text, "  n{n}:")))),
        ("one chain of 100000", format!("edges: [{}a]", "a -> ".repeat(100_000))),
        ("one text of 600 kB", format!("name: \"{}\"", "x\\n".repeat(200_000))),
        ("200000 substitutions", format!("name: {}", "${env:a}".repeat(200_000))),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (what, text) in files {
        let path = folder.path().join("p.yaml");
        std::fs::write(&path, text).expect("the file can be written");
        let start = tokio::time::Instant::now();
        let mut report = Report::new();
        let file = load(&path, BUILTIN, &ProcessEnv, &mut report);
        let mut told = 0;
        if let Some(file) = file
            && let Some(graph) = graph::check(&file, &mut report)
        {
            let analysis = Analysis::of(&graph);
            analysis.check(&file, &Budget::default(), &mut report);
            told = analysis.render_text(&[]).len();
        }
        let checked = start.elapsed();
        let bytes = told + report.render_human(false).len() + report.render_json().len();
        let rendered = start.elapsed();
        println!(
            "{what:<50} {checked:>10.1?} to check, {:>10.1?} to print {bytes} bytes",
            rendered.saturating_sub(checked)
        );
    }
}
