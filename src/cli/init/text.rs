//! The text of a first pipeline file.

use std::fmt::Write as _;

use fieldflow_contract::NodeKind;

use super::Wanted;

/// The file.
pub(super) fn file(wanted: &Wanted) -> String {
    let Wanted { name, path, source, url, tags, sink } = wanted;
    let path = path.display();
    let mut text = String::new();
    let _ = write!(
        text,
        "# Check it: fieldflow validate {path} --report\n\
         # Run it: fieldflow run {path}\n\
         # Options: fieldflow nodes TYPE\n\
         version: 1\n\
         name: {name} # identity: its data lies in data/{name}/ and survives every edit of this file\n\
         \n\
         nodes:\n"
    );
    let _ = writeln!(text, "  # {}", summary(*source));
    let _ = writeln!(text, "  source:\n    type: {}", source.type_name());
    text.push_str(&options(*source, url.as_deref(), tags));
    let _ = writeln!(text, "\n  # {}", summary(*sink));
    let _ = writeln!(text, "  sink:\n    type: {}", sink.type_name());
    text.push_str(&options(*sink, None, &[]));
    text.push_str(
        "\nedges:\n  \
           # On disk first: a kill, a power cut or an outage of the sink loses nothing that is in it.\n  \
           - source -> sink: { durable: true, max_bytes: 1GiB }\n\
         \n\
         # Uncomment it, and `validate` tells what in this file could lose records, now and after each edit:\n\
         # require:\n\
         #   - source -> sink: no_loss\n",
    );
    text
}

/// The options of the node's example, with the url and the tags in the place of the example's own.
fn options(kind: &dyn NodeKind, url: Option<&str>, tags: &[(String, String)]) -> String {
    let mut text = String::new();
    let mut in_tags = false;
    for line in kind.example().trim_end().lines() {
        let is_option = !line.starts_with(' ');
        in_tags = if is_option { line == "tags:" } else { in_tags };
        // The meaning of an option is that of its doc comment, in its first sentence.
        let name = line.split(':').next().filter(|_| is_option).unwrap_or_default();
        if let Some(meaning) = meaning(kind, name) {
            let _ = writeln!(text, "    # {meaning}");
        }
        match (line.strip_prefix("url: "), url) {
            (Some(_), Some(url)) => _ = writeln!(text, "    url: {}", quoted(url)),
            _ if in_tags && !tags.is_empty() => {
                if is_option {
                    let _ = writeln!(text, "    tags:");
                    for (name, at) in tags {
                        let place = place_of_tags(kind).unwrap_or("at");
                        let _ = writeln!(text, "      {}: {{ {place}: {} }}", quoted(name), quoted(at));
                    }
                }
            }
            _ => _ = writeln!(text, "    {line}"),
        }
    }
    text
}

/// What an option of a tag is called that says where it lies: the one that is required.
pub(super) fn place_of_tags(kind: &dyn NodeKind) -> Option<&'static str> {
    let example = kind.example();
    ["at", "node"].into_iter().find(|place| example.contains("tags:") && example.contains(&format!("{{ {place}: ")))
}

/// The value of an option in an example.
pub(super) fn option(example: &str, name: &str) -> Option<String> {
    let value = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim_matches('"').to_owned());
    example.lines().find_map(value)
}

/// The first sentence of what is said of an option.
fn meaning(kind: &dyn NodeKind, name: &str) -> Option<String> {
    let said = kind.schema()["properties"].get(name)?["description"].as_str()?.replace('\n', " ");
    let sentence = said.split(". ").next()?.trim_end_matches('.').to_owned();
    (sentence.len() <= 110).then_some(sentence)
}

fn summary(kind: &dyn NodeKind) -> String {
    crate::cli::summary(kind)
}

/// A name of this text that a pipeline can have.
pub(super) fn plain_name(text: &str) -> String {
    let plain: String =
        text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    match plain.trim_matches('-') {
        "" => "plant".to_owned(),
        plain => plain.to_owned(),
    }
}

/// A text as YAML takes it, whatever stands in it.
fn quoted(text: &str) -> String {
    let is_plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c))
        && text.starts_with(|c: char| c.is_ascii_alphabetic());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_yaml_could_take_for_something_else_is_quoted() {
        for (text, written) in [
            ("boiler.t", "boiler.t"),
            ("yes no", "\"yes no\""),
            ("40001", "\"40001\""),
            ("tcp://h:502", "\"tcp://h:502\""),
            ("a\"b\n", "\"a\\\"b\\n\""),
        ] {
            assert_eq!(quoted(text), written);
        }
    }

    #[test]
    fn a_file_name_becomes_a_name() {
        assert_eq!([plain_name("Boiler House_1"), plain_name("__")], ["boiler-house-1", "plant"]);
    }
}
