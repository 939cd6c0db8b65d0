//! Mistakes as people make them who write their first file, each mended with nothing but what its message says: what is put in
//! backquotes behind `write` or `did you mean` is written, and the like. Whatever cannot be mended so has a message that says too little.

use std::fs;

use fieldflow::diagnostics::{Diagnostic, Report};

use super::suite::checked;

const GOOD: &str = r#"version: 1
name: boiler-house
nodes:
  plc:
    type: modbus
    url: tcp://127.0.0.1:1502
    every: 1s
    tags:
      boiler.temperature: { at: "holding:0", as: f32 }
      boiler.pressure: { at: "holding:2", as: i16 }
  bar:
    type: scale
    rules:
      - { tags: boiler.pressure, linear: { factor: 0.1 } }
  changes:
    type: deadband
    rules:
      - { tags: boiler.temperature, absolute: 0.5 }
  store:
    type: sqlite
    path: boiler.db
edges:
  - plc -> bar -> changes -> store
"#;

/// What people write, in the place of what is right.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("a line that is indented by one too few", "    url: tcp", "   url: tcp"),
    ("a line that is indented by one too many", "    every: 1s", "     every: 1s"),
    ("a tab", "    every: 1s", "\tevery: 1s"),
    ("a tab behind spaces", "    every: 1s", "  \tevery: 1s"),
    ("no colon", "    every: 1s", "    every 1s"),
    ("no blank behind the colon", "    every: 1s", "    every:1s"),
    ("no colon behind the name of a section", "nodes:\n", "nodes\n"),
    ("a key with a letter too few", "    every: 1s", "    evry: 1s"),
    ("a key by another name", "    every: 1s", "    interval: 1s"),
    ("an address by another name", "at: \"holding:2\"", "address: \"holding:2\""),
    ("a node with its letters in another order", "plc -> bar", "plc -> bra"),
    ("an edge too few", "plc -> bar -> changes -> store", "plc -> bar -> changes"),
    ("another arrow", "plc -> bar -> changes -> store", "plc => bar => changes => store"),
    ("a duration with the word for its unit", "every: 1s", "every: 1sec"),
    ("a duration without a unit", "every: 1s", "every: 500"),
    ("an address as it stands in the manual of the device", "at: \"holding:2\"", "at: 40003"),
    ("a type as other programs call it", "as: f32", "as: float"),
    ("a decimal comma", "factor: 0.1", "factor: 0,1"),
    (
        "a number with a unit of thousands",
        "- plc -> bar -> changes -> store",
        "- plc -> bar -> changes -> store: { capacity: 10k }",
    ),
    (
        "a tag twice",
        "      boiler.pressure:",
        "      boiler.pressure: { at: \"holding:3\", as: i16 }\n      boiler.pressure:",
    ),
    ("a variable that is not set", "tcp://127.0.0.1:1502", "tcp://${env:PLC}:1502"),
    ("a variable as a shell has it", "tcp://127.0.0.1:1502", "tcp://${PLC}:1502"),
    ("an edge into a port", "changes -> store", "changes -> store.in"),
    ("an output that the node has not", "plc -> bar", "plc.rejected -> bar"),
    ("a deadband before the scale", "plc -> bar -> changes -> store", "plc -> changes -> bar -> store"),
    ("a tag with a letter too few in a rule", "{ tags: boiler.pressure", "{ tags: boiler.presure"),
    ("a type of node with a letter too few", "type: sqlite", "type: sqlit"),
    ("a type of node by another name", "type: modbus", "type: modbus_tcp"),
    ("an address without its protocol", "url: tcp://127.0.0.1:1502", "url: 127.0.0.1:1502"),
    ("no quote at the end", "path: boiler.db", "path: \"boiler.db"),
    ("no bracket at the end", "as: f32 }", "as: f32"),
    ("a name with a capital and a blank", "name: boiler-house", "name: Boiler House"),
    ("no version", "version: 1\n", ""),
    ("a colon in a text", "version: 1\n", "version: 1\ndescription: Boiler 1: the old one\n"),
    (
        "an option on the wrong level",
        "    rules:\n      - { tags: boiler.temperature, absolute: 0.5 }",
        "    absolute: 0.5\n    rules:\n      - { tags: boiler.temperature, absolute: 0.5 }",
    ),
];

/// What somebody is told of a file, as text and as findings.
fn told(yaml: &str) -> (Vec<Diagnostic>, Report) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.yaml");
    fs::write(&path, yaml).unwrap();
    let report = checked(&path);
    (report.diagnostics(), report)
}

/// The texts between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The file, mended by what one message says; `None` if it does not say enough.
fn mended(yaml: &str, found: &Diagnostic) -> Option<String> {
    let (help, place) = (found.help.as_deref()?, found.place.as_ref()?);
    let (from, to) = (place.span.start, place.span.end);
    let line = yaml.get(..from)?.rfind('\n').map_or(0, |end| end + 1);
    let line_end = from + yaml.get(from..)?.find('\n')?;
    let put = |from: usize, to: usize, text: &str| Some(format!("{}{text}{}", yaml.get(..from)?, yaml.get(to..)?));
    let first = quoted(help).first().copied().unwrap_or_default();
    if let Some(rest) =
        help.strip_prefix("YAML is indented with spaces only: ").or(Some(help))?.strip_prefix("indent this line by ")
    {
        let spaces: usize = rest.split(' ').next()?.parse().ok()?;
        let blank = yaml.get(line..line_end)?;
        let blank = blank.len() - blank.trim_start().len();
        return put(line, line + blank, &" ".repeat(spaces));
    }
    if help.starts_with("put it in quotes: ") {
        return put(from, to, help.strip_prefix("put it in quotes: ")?);
    }
    if let Some(address) = help.strip_prefix("write \"") {
        return put(from, to, &format!("\"{}\"", address.split('"').next()?));
    }
    if help.starts_with("write `") && help.contains("where it ends") {
        return put(line_end, line_end, &format!(" {first}"));
    }
    if help == "write another one where the text ends" {
        return put(line_end, line_end, yaml.get(from..to)?);
    }
    if help.starts_with("write `")
        && help.contains("the decimal sign is a point")
        && found.message.contains("not an option")
    {
        let comma = yaml.get(..from)?.rfind(|c: char| !c.is_ascii_digit() && c != ',')? + 1;
        return put(comma, to, first);
    }
    if help.starts_with("write `") && found.message.contains("needs quotes") {
        let start = line + (yaml.get(line..)?.len() - yaml.get(line..)?.trim_start().len());
        return put(start, line_end, first);
    }
    if help.starts_with("write it in an element of the list") {
        // It is there already, so it goes.
        return put(line, line_end + 1, "");
    }
    if help.starts_with("write `${env:NAME}`") {
        return put(from, to, &format!("${{env:{}}}", yaml.get(from..to)?.trim_matches(['$', '{', '}'])));
    }
    if help.starts_with("set it, or give a default") {
        return put(from, to, &first.replace("default", "127.0.0.1"));
    }
    if help.starts_with("write ")
        || help.starts_with("did you mean")
        || help.starts_with("such as `")
        || help.starts_with("a duration needs")
        || help.starts_with("its outputs are")
    {
        let is_output = help.starts_with("its outputs are");
        let text =
            if is_output { format!("{}.{first}", yaml.get(from..to)?.split('.').next()?) } else { first.to_owned() };
        return put(from, to, &text);
    }
    if help.starts_with("add it, such as") {
        return put(line, line, &format!("{first}\n"));
    }
    if help.starts_with("connect it: ") && !first.contains('…') {
        return Some(format!("{yaml}  - {first}\n"));
    }
    if help.starts_with("delete or rename") {
        return put(line, line_end + 1, "");
    }
    if help == "scale first, so that thresholds are in engineering units" {
        // The two that the message names change places in the edge.
        let names = quoted(&found.message);
        let [thins, scales] = names.as_slice() else { return None };
        return Some(yaml.replace(&format!("{thins} -> {scales}"), &format!("{scales} -> {thins}")));
    }
    None
}

#[test]
fn each_mistake_of_a_newcomer_is_mended_from_its_message_alone() {
    assert!(told(GOOD).0.is_empty());
    let mut wrong = Vec::new();
    for (what, right, written) in MISTAKES {
        assert!(GOOD.contains(right), "{what}");
        let mut yaml = GOOD.replacen(right, written, 1);
        assert!(!told(&yaml).0.is_empty(), "{what} is no mistake:\n{yaml}");
        // What is said first is mended first; some mistakes hide others.
        for _ in 0..3 {
            let (found, _) = told(&yaml);
            let Some(next) = found.iter().find_map(|found| mended(&yaml, found)) else { break };
            yaml = next;
        }
        let (found, report) = told(&yaml);
        if !found.is_empty() {
            wrong.push(format!("== {what}\n{}{yaml}", report.render_human(false)));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), MISTAKES.len(), wrong.join("\n"));
}
