//! Files made to hurt: whatever is in them, `validate` says what is wrong, within a second of an optimised build and 64 MiB.
//!
//! The kernel holds it to both: to seconds of the processor, which do not depend on what else runs, and to bytes of data.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::generated::root;
use crate::validate::text;

/// Seconds of the processor; a build for tests is some ten times slower than one that is optimised.
const SECONDS: u32 = if cfg!(debug_assertions) { 5 } else { 1 };
/// KiB of data, 16 MiB of which are for the program itself and for what the allocator holds back.
const KIB: u32 = (64 + 16) << 10;

/// What `write` makes of each number, one behind the other.
fn each(count: usize, write: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for n in 0..count {
        text.push_str(&write(n));
    }
    text
}

fn file(nodes: &str, edges: &str) -> String {
    format!("version: 1\nname: x\nnodes:\n{nodes}edges:\n{edges}")
}

/// A file around one node of the name `n`, between a source with the tag `a` and a sink.
fn around(node: &str) -> String {
    let nodes = format!(
        "  g: {{ type: generate, rate: 1, tags: {{ a: {{ counter: {{}} }} }} }}\n  n: {node}\n  c: {{ type: console }}\n"
    );
    file(&nodes, "- g -> n -> c\n")
}

/// A file with a source of these options.
fn source(options: &str) -> String {
    file(&format!("  n: {options}\n  c: {{ type: console }}\n"), "- n -> c\n")
}

fn bomb() -> String {
    let mut text = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for n in 1..30 {
        let _ = writeln!(text, "a{n}: &a{n} [{}]", vec![format!("*a{}", n - 1); 9].join(", "));
    }
    text
}

/// What YAML itself can do to who reads it.
fn of_yaml() -> Vec<(&'static str, String)> {
    let long = "ä€😀".repeat(100_000);
    vec![
        ("nothing", String::new()),
        ("an alias bomb", bomb()),
        ("an alias bomb in merge keys", bomb().replace('[', "{ <<: [").replace(']', "] }")),
        ("anchors around each other", format!("a: {}{}", each(60, |n| format!("&a{n} [")), "0,".repeat(400_000))),
        ("100,000 anchors", each(80_000, |n| format!("- &a{n} x\n"))),
        ("a long text by 90,000 aliases", format!("a: &a {}\nb:\n{}", "x".repeat(100_000), "- *a\n".repeat(90_000))),
        ("an alias of itself", "a: &a { b: *a }\n".to_owned()),
        ("200,000 merge keys", format!("a: &a {{ b: 1 }}\nc: {{ {} }}", "<<: *a, ".repeat(100_000))),
        ("brackets", "[".repeat(1_000_000)),
        ("braces", "{a: ".repeat(250_000)),
        ("lists in lists", "- ".repeat(500_000)),
        ("questions", "? ".repeat(500_000)),
        ("steps", each(1_000, |n| " ".repeat(n) + "a:\n")),
        ("one line of text", "x".repeat(1_000_000)),
        ("one line of several bytes a letter", long.clone()),
        ("a name of several bytes a letter", format!("version: 1\nname: {long}\nnodes: {{}}\nedges: []\n")),
        ("one line with its mistake at the end", format!("{{ a: \"{long}\" ]")),
        ("a quote that is not closed", format!("a: \"{long}")),
        ("a text of escapes", format!("name: \"{}\"", "\\u00e4".repeat(150_000))),
        ("a folded text", format!("name: >\n{}", "  a\n\n".repeat(190_000))),
        ("blanks", " ".repeat(1_000_000)),
        ("tabs", "\t".repeat(1_000_000)),
        ("lines", "\n".repeat(1_000_000)),
        ("lines of another system", "\r\n".repeat(500_000)),
        ("returns", "a: 1\r".repeat(200_000)),
        ("comments", "#\n".repeat(500_000)),
        ("zeros", "\0".repeat(1_000_000)),
        ("a mark at the beginning, and others", "\u{feff}".repeat(300_000)),
        ("turned letters", "a: \u{202e}\u{200b}\u{2028}\n".repeat(60_000)),
        ("documents", "---\n".repeat(250_000)),
        ("directives", "%YAML 1.2\n".repeat(90_000)),
        ("tags of YAML", "- !x y\n".repeat(140_000)),
        ("100,000 times the same key", "a: 1\n".repeat(180_000)),
        ("100,000 keys", each(90_000, |n| format!("k{n}: 1\n"))),
        ("keys without values", each(100_000, |n| format!("{n}:\n"))),
        ("a number of a million digits", format!("version: {}\n", "9".repeat(1_000_000))),
        ("a fraction of a million digits", format!("version: 0.{}1\n", "0".repeat(1_000_000))),
        ("a key of a megabyte", format!("? {}\n: 1\n", "k".repeat(1_000_000))),
        ("substitutions", format!("name: {}", "${env:a}".repeat(120_000))),
        ("substitutions in each other", format!("name: {}", "${".repeat(500_000))),
        ("more than a megabyte", "x".repeat(1 << 21)),
    ]
}

/// What a graph can do.
fn of_graphs() -> Vec<(&'static str, String)> {
    let plain = |count: usize| each(count, |n| format!("  n{n}: {{type: dedupe}}\n"));
    let ends = "  g: {type: generate, rate: 1, tags: {a: {counter: {}}}}\n  c: {type: console}\n";
    let diamonds = each(9_000, |n| format!("- n{n} -> n{}\n", n + 1));
    let wide = each(300, |from| each(300 - from, |n| format!("- n{from} -> n{}\n", from + n + 1)));
    vec![
        ("100,000 nodes without a word", file(&each(95_000, |n| format!("  {n}:\n")), "- a -> b\n")),
        ("40,000 nodes", file(&plain(40_000), "- n1 -> n2\n")),
        ("100,000 edges of one pair", file(&plain(2), &"- n0 -> n1\n".repeat(90_000))),
        ("100,000 edges between strangers", file(&plain(3_000), &each(60_000, |n| format!("- a{n} -> b\n")))),
        ("20,000 nodes and 30,000 edges", file(&plain(20_000), &each(30_000, |n| format!("- n{n} -> n{}\n", n / 2)))),
        ("a chain of 200,000", file(&plain(1), &format!("- {}a\n", "a -> ".repeat(190_000)))),
        ("a chain of arrows", file(&plain(1), &format!("- {}\n", "->".repeat(400_000)))),
        (
            "a chain of 15,000 nodes",
            file(&(plain(15_000) + ends), &format!("- g -> {}c\n", each(15_000, |n| format!("n{n} -> ")))),
        ),
        ("a cycle of 15,000", file(&plain(15_000), &each(15_000, |n| format!("- n{n} -> n{}\n", (n + 1) % 15_000)))),
        ("15,000 cycles of one", file(&plain(15_000), &each(15_000, |n| format!("- n{n} -> n{n}\n")))),
        ("7,500 cycles of two", file(&plain(15_000), &each(15_000, |n| format!("- n{n} -> n{}\n", n ^ 1)))),
        ("cycles through each other", file(&plain(300), &each(200, |a| each(200, |b| format!("- n{a} -> n{b}\n"))))),
        ("everything before everything", file(&(plain(301) + ends), &format!("- g -> n0\n{wide}- n300 -> c\n"))),
        (
            "9,000 forks that meet again",
            file(
                &(plain(9_001) + ends),
                &format!("- g -> n0\n{diamonds}{}- n9000 -> c\n", each(8_999, |n| format!("- n{n} -> n{}\n", n + 2))),
            ),
        ),
        (
            "sources, sinks and requirements",
            file(
                &format!(
                    "  m: {{type: dedupe}}\n{}{}",
                    each(3_000, |n| format!("  s{n}: {{type: generate, rate: 1, tags: {{a: {{counter: {{}}}}}}}}\n")),
                    each(3_000, |n| format!("  k{n}: {{type: console}}\n"))
                ),
                &format!(
                    "{}require:\n{}",
                    each(3_000, |n| format!("- s{n} -> m\n- m -> k{n}\n")),
                    each(10_000, |n| format!("- s{n} -> k{n}: no_loss\n"))
                ),
            ),
        ),
        (
            "two long names",
            file(
                &format!("  ? {}\n  : {{type: dedupe}}\n", "a".repeat(400_000)),
                &format!("- {}b -> c\n", "a".repeat(400_000)),
            ),
        ),
    ]
}

/// What the options of nodes can do.
fn of_nodes() -> Vec<(&'static str, String)> {
    let tags = |each_tag: fn(usize) -> String, count| each(count, each_tag);
    let device = |more: &str, tags: &str| source(&format!("\n    type: modbus\n    url: {more}\n    tags:\n{tags}"));
    let tcp = "tcp://127.0.0.1:1502";
    let scattered = |n: usize| format!("      t{n}: {{at: \"holding:{}\"}}\n", (n * 40_503) % 65_536);
    let slow = "rtu:///dev/ttyS0?baud=300";
    let ends = "  g: {type: generate, rate: 1, tags: {a: {counter: {}}}}\n  c: {type: console}\n";
    let sources = |kind: &str, count: usize| {
        let nodes = each(count, |n| format!("  n{n}: {{{kind}}}\n"));
        file(&(nodes + ends), &format!("- g -> c\n{}", each(count, |n| format!("- n{n} -> c\n"))))
    };
    let sinks = |kind: &str, count: usize| {
        let nodes = each(count, |n| format!("  n{n}: {{{kind}}}\n"));
        file(&(nodes + ends), &format!("- g -> c\n{}", each(count, |n| format!("- g -> n{n}\n"))))
    };
    let map = |value: String| around(&format!("{{ type: map, rules: [{{ tags: a, value: \"{value}\" }}] }}"));
    let rules = |rule: &dyn Fn(usize) -> String, count: usize| {
        let tags = each(8_000, |n| format!("      line{n}.temperature: {{at: \"holding:{n}\"}}\n"));
        let scale = format!("  s:\n    type: scale\n    rules:\n{}", each(count, rule));
        file(
            &format!("  n:\n    type: modbus\n    url: {tcp}\n    tags:\n{tags}{scale}  c: {{type: console}}\n"),
            "- n -> s -> c\n",
        )
    };
    let most = u64::MAX;
    let endless = source("{ type: generate, rate: max, tags: { a: { counter: {} } } }")
        .replace("-> c\n", &format!("-> c: {{ durable: true, max_bytes: {most}B, max_age: {most}h }}\n"));
    let pattern = |pattern: String| around(&format!("{{ type: filter, keep: {{ tags: \"{pattern}\" }} }}"));
    vec![
        ("30,000 tags of one address", device(tcp, &tags(|n| format!("      t{n}: {{at: \"holding:0\"}}\n"), 30_000))),
        ("28,000 tags all over the place", device(tcp, &tags(scattered, 28_000))),
        ("28,000 tags on a slow line", device(slow, &tags(scattered, 28_000))),
        ("50,000 tags without a word", device(tcp, &tags(|n| format!("      t{n}:\n"), 50_000))),
        (
            "20,000 tags of a server",
            source(&format!(
                "\n    type: opcua\n    url: opc.tcp://h\n    tags:\n{}",
                tags(|n| format!("      t{n}: {{node: \"ns=2;s=t{n}\"}}\n"), 20_000)
            )),
        ),
        ("a table of 100,000 tags", device(tcp, "").replace("    tags:\n", "    tags_from: map.csv\n")),
        (
            "6,000 devices on one line",
            sources("type: modbus, url: \"rtu:///dev/ttyS0\", tags: {t: {at: \"holding:0\"}}", 6_000),
        ),
        ("6,000 clients of one name", sources("type: mqtt, url: \"mqtt://h\", client_id: a, topics: [a]", 6_000)),
        ("10,000 stores in one file", sinks("type: sqlite, path: x.db", 10_000)),
        (
            "rules that misspell tags",
            rules(&|n| format!("      - {{tags: line{n}.tempreature, linear: {{factor: 2}}}}\n"), 4_000),
        ),
        ("patterns", rules(&|n| format!("      - {{tags: \"*{n}*.*x\", linear: {{factor: 2}}}}\n"), 6_000)),
        ("a pattern of stars", pattern("*a".repeat(300_000))),
        ("a pattern of stars and questions", pattern(format!("{}b", "*?".repeat(300_000)))),
        ("an expression of brackets", map("(".repeat(500_000))),
        ("an expression of signs", map("-".repeat(500_000) + "1")),
        ("a long sum", map("+1".repeat(400_000))),
        (
            "huge numbers",
            source(&format!(
                "{{ type: generate, rate: 1e308, batch: {0}, count: {0}, tags: {{ a: {{ counter: {{}} }} }} }}",
                u64::MAX
            )),
        ),
        (
            "a span of a million digits",
            source(&format!("{{ type: modbus, url: \"{tcp}\", every: {}h, tags: {{}} }}", "9".repeat(1_000_000))),
        ),
        ("spans and sizes at their ends", endless),
        (
            "an address of a million digits",
            device(tcp, &format!("      t: {{ at: \"holding:{}\" }}\n", "9".repeat(900_000))),
        ),
        (
            "a url of a megabyte",
            source(&format!("{{ type: modbus, url: \"tcp://{}\", tags: {{}} }}", "h".repeat(900_000))),
        ),
        (
            "10,000 filters of topics",
            source(&format!(
                "{{ type: mqtt, url: \"mqtt://h\", topics: [{}] }}",
                each(10_000, |n| format!("\"{}#\", ", "+/".repeat(n % 40)))
            )),
        ),
    ]
}

/// Checks a file as a process of its own; what went wrong with that, if anything did.
fn hurts(what: &str, yaml: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.yaml");
    fs::write(&path, yaml).unwrap();
    if yaml.contains("map.csv") {
        let rows = each(100_000, |n| format!("t{n},holding:{}\n", n % 65_536));
        fs::write(dir.path().join("map.csv"), format!("tag,at\n{rows}")).unwrap();
    }
    let limits = format!("ulimit -t {SECONDS} && ulimit -d {KIB} && ulimit -c 0 && exec \"$@\"");
    let mut command = Command::new("bash");
    command.args(["-c", &limits, "bash", env!("CARGO_BIN_EXE_fieldflow"), "validate", "--report", text(&path)]);
    let output = command.args(["--budget", "memory=1MiB,disk=1MiB,outage=1h"]).current_dir(root()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // A file with which nothing is wrong may be among them; one that was given up is not.
    let is_well = matches!(output.status.code(), Some(0..=2)) && !said.contains("panicked");
    let end: String = said.chars().take(300).collect();
    (!is_well).then(|| format!("{what}: {}: {end}", output.status))
}

#[test]
fn no_file_takes_longer_than_a_second_or_more_than_64_mib() {
    let mut all = [of_yaml(), of_graphs(), of_nodes()].concat();
    // With a mark that some editors put before a text, and with the ends of lines of another system.
    let (_, plain) = all.iter().find(|(what, _)| *what == "9,000 forks that meet again").unwrap().clone();
    all.push(("the same with a mark before it", format!("\u{feff}{plain}")));
    all.push(("the same with other ends of lines", plain.replace('\n', "\r\n")));
    let wrong: Vec<String> = all.iter().filter_map(|(what, yaml)| hurts(what, yaml)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
