//! A node that reads what was found, in YAML. A text in quotes is the same in YAML as in JSON.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::details::Detail;

/// Longest name of a tag, with room for a number behind it.
const LONGEST: usize = 1000;

/// The options of a node, line by line.
pub(super) fn node(options: &Value, details: &[Detail]) -> String {
    let mut yaml = String::from("type: opcua\n");
    for option in ["url", "security", "user", "timeout", "server", "batch"] {
        if let Some(value) = options.get(option).filter(|value| !value.is_null()) {
            let _ = writeln!(yaml, "{option}: {}", flow(value));
        }
    }
    yaml.push_str("tags:\n");
    let mut taken = HashSet::new();
    for detail in details {
        let tag = unique(&tag(&detail.names), &mut taken);
        let _ = writeln!(yaml, "  {}: {{ node: {} }} # {}", key(&tag), quoted(&detail.node), comment(detail));
    }
    yaml
}

/// A tag of the names of a path: `Line 1/Speed` is `Line_1.Speed`.
fn tag(names: &[String]) -> String {
    let plain = |name: &String| {
        let name: String =
            name.chars().map(|c| if c.is_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' }).collect();
        let trimmed = name.trim_matches('.');
        if trimmed.is_empty() { "_".to_owned() } else { trimmed.to_owned() }
    };
    let mut tag = names.iter().map(plain).collect::<Vec<_>>().join(".");
    // What is left out is what is above all.
    while LONGEST < tag.len() {
        tag = tag.split_once('.').map(|(_, below)| below.to_owned()).unwrap_or_default();
    }
    if tag.is_empty() { "tag".to_owned() } else { tag }
}

fn unique(tag: &str, taken: &mut HashSet<String>) -> String {
    let more = (2..).map(|number: u64| format!("{tag}_{number}"));
    let free = std::iter::once(tag.to_owned()).chain(more).find(|name| !taken.contains(name)).unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// A key that YAML takes for a text as it stands, or one in quotes.
fn key(tag: &str) -> String {
    let is_plain = tag.starts_with(|c: char| c.is_ascii_alphabetic())
        && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&tag.to_lowercase().as_str());
    if is_plain { tag.to_owned() } else { quoted(tag) }
}

/// A text in quotes, in which `${` is not the place of a variable.
fn quoted(text: &str) -> String {
    let json = Value::from(text.replace("${", "$${")).to_string();
    // YAML has more signs that end a line than JSON.
    json.replace('\u{7f}', "\\u007f")
        .replace('\u{85}', "\\u0085")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
        .replace('\u{feff}', "\\ufeff")
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {}", flow(value))).collect();
            if fields.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", fields.join(", ")) }
        }
        Value::String(text) if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && key(text) == *text => {
            text.clone()
        }
        // What is asked for by `${env:…}` stays what it is.
        Value::String(text) if text.starts_with("${") => Value::from(text.as_str()).to_string(),
        Value::String(text) => quoted(text),
        other => other.to_string(),
    }
}

fn comment(detail: &Detail) -> String {
    let parts = [Some(&detail.of), detail.unit.as_ref(), detail.range.as_ref(), detail.states.as_ref()];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tag_is_made_of_the_path_and_there_is_none_twice() {
        let of = |names: &[&str]| tag(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["Line 1", "Tank&/2", "T.Wert"]), "Line_1.Tank__2.T.Wert");
        assert_eq!(of(&["Öl", "{x}*", "..."]), "Öl._x__._");
        assert_eq!(of(&[&"a".repeat(600), &"b".repeat(600)]), "b".repeat(600));
        assert_eq!(of(&[&"a".repeat(2000)]), "tag");
        let mut taken = HashSet::new();
        let all = ["a", "a", "a_2", "a"].map(|name| unique(name, &mut taken));
        assert_eq!(all, ["a", "a_2", "a_2_2", "a_3"]);
    }

    #[test]
    fn a_node_is_written_so_that_it_is_read_as_it_was() {
        let options = json!({
            "url": "opc.tcp://plc:4840", "security": { "policy": "None", "allow_insecure": true },
            "user": { "name": "op", "password": "${env:OPC_PASSWORD}" }, "server": "kepware", "tags": { "x": 1 },
        });
        let detail = |name: &str, node: &str| Detail {
            names: vec![name.to_owned()],
            node: node.to_owned(),
            of: "Double".to_owned(),
            unit: Some("°C".to_owned()),
            range: Some("0..200".to_owned()),
            ..Detail::default()
        };
        let yaml = node(&options, &[detail("T", "nsu=urn:plant;s=\"${T}\""), detail("1", "i=7")]);
        let expected = r#"type: opcua
url: "opc.tcp://plc:4840"
security: { policy: None, allow_insecure: true }
user: { name: op, password: "${env:OPC_PASSWORD}" }
server: kepware
tags:
  T: { node: "nsu=urn:plant;s=\"$${T}\"" } # Double, °C, 0..200
  "1": { node: "i=7" } # Double, °C, 0..200
"#;
        assert_eq!(yaml, expected);
    }
}
