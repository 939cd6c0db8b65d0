//! `opcua` against asyncua and node-opcua.

mod browse;
mod hostile;
mod ladder;
mod look;
mod node;
mod outage;
mod secure;
mod server;
mod simulation;
mod subscriptions;
mod values;
mod write;

use std::collections::BTreeMap;

use self::server::Server;
use crate::pipeline::{Pipeline, Record};

/// A pipeline from this server; the options are lines of YAML, four blanks in.
fn pipeline(server: &Server, options: &str, tags: &[(&str, &str)]) -> Pipeline {
    let insecure = "    security: { policy: None, allow_insecure: true }\n";
    with(&server.url, &format!("{insecure}{options}"), tags)
}

/// The same, with nothing said of its security.
fn with(url: &str, options: &str, tags: &[(&str, &str)]) -> Pipeline {
    Pipeline::start(&BTreeMap::from([("ua", node(url, options, tags))]))
}

/// A node that has these tags, each with its options.
fn node(url: &str, options: &str, tags: &[(&str, &str)]) -> String {
    let tags: String = tags.iter().map(|(tag, options)| format!("      \"{tag}\": {{ {options} }}\n")).collect();
    format!("    type: opcua\n    url: {url}\n{options}    tags:\n{tags}")
}

/// The options of a tag that is a node of `urn:plant` by this name.
fn plant(name: &str) -> String {
    format!("node: \"nsu=urn:plant;s={name}\"")
}

/// The number that a good record holds.
fn number(record: &Record) -> Option<i64> {
    (record.quality == "good").then(|| record.value.as_i64()).flatten()
}
