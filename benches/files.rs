//! How long it takes to check large files, honest and hostile ones. A file of 2,000 tags shall take less than 100 ms, and no
//! file that is let in more than a second.

use std::fmt::Write as _;

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
        file.and_then(|file| graph::check(&file, &mut report));
        let checked = start.elapsed();
        let bytes = report.render_human(false).len() + report.render_json().len();
        let rendered = start.elapsed();
        println!(
            "{what:<50} {checked:>10.1?} to check, {:>10.1?} to print {bytes} bytes",
            rendered.saturating_sub(checked)
        );
    }
}
