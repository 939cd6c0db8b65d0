//! Node types made up for these tests: together their options have every shape that a schema can take.

use std::collections::BTreeMap;

use fieldflow_contract::{
    At, BuildContext, BuildError, ByteSize, Carries, Findings, Node, NodeKind, NodeSpec, Ports, Role, Span, TagSelector,
};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) const KINDS: &[&dyn NodeKind] = &[&Change, &Messages, &Out, &Pass, &Split, &Store, &Unpack, &Values];

/// A node type of which only the options and ports matter here.
macro_rules! kind {
    ($name:ident, $type:literal, $role:ident, $config:ty, $ports:expr, $check:expr) => {
        struct $name;
        impl NodeSpec for $name {
            const TYPE: &'static str = $type;
            const ROLE: Role = Role::$role;
            const KEEPS_POSITION: bool = matches!($type.as_bytes(), b"store");
            const EXAMPLE: &'static str = "";
            type Config = $config;
            fn ports(_: &$config) -> Ports {
                $ports
            }
            fn check(config: &$config, findings: &mut Findings) {
                let check: fn(&$config, &mut Findings) = $check;
                check(config, findings);
            }
            fn build(_: $config, _: &BuildContext) -> Result<Node, BuildError> {
                Err(BuildError("never built".to_owned()))
            }
        }
    };
}

kind!(Values, "values", Source, ValuesConfig, Ports::source(Carries::Values), check_values);
kind!(Messages, "messages", Source, MessagesConfig, Ports::source(Carries::Bytes), |_, _| {});
kind!(Change, "change", Transform, ChangeConfig, Ports::transform(Carries::Values, Carries::Values), |_, _| {});
kind!(Pass, "pass", Transform, Nothing, Ports::transform(Carries::Any, Carries::Same), |_, _| {});
kind!(
    Unpack,
    "unpack",
    Transform,
    Nothing,
    Ports::transform(Carries::Bytes, Carries::Values).with_rejected(),
    |_, _| {}
);
kind!(Split, "split", Transform, Nothing, split_ports(), |_, _| {});
kind!(Store, "store", Sink, StoreConfig, Ports::sink(Carries::Values).with_rejected(), |_, _| {});
kind!(Out, "out", Sink, Nothing, Ports::sink(Carries::Any), |_, _| {});

/// Reads values.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ValuesConfig {
    /// The address of the device.
    #[schemars(extend("examples" = ["tcp://127.0.0.1:1502"]))]
    url: String,
    /// The unit. Default 1.
    #[serde(default = "one")]
    unit: u8,
    /// The poll interval. Default 1s.
    #[expect(dead_code, reason = "only its schema matters")]
    every: Option<Span>,
    /// Registers that may be read in vain. Default 0.
    #[serde(default)]
    max_gap: u16,
    /// The tags by name.
    tags: BTreeMap<String, TagConfig>,
}

/// A tag.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TagConfig {
    /// Table and address.
    #[schemars(length(min = 1))]
    at: String,
    /// What the registers hold.
    #[serde(rename = "as")]
    #[expect(dead_code, reason = "only its schema matters")]
    layout: Option<Layout>,
    /// The order of the bytes.
    #[expect(dead_code, reason = "only its schema matters")]
    order: Option<String>,
    /// The tag's own poll interval.
    #[expect(dead_code, reason = "only its schema matters")]
    every: Option<Span>,
}

/// What registers hold.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Layout {
    I16,
    U16,
    F32,
}

fn one() -> u8 {
    1
}

fn check_values(config: &ValuesConfig, findings: &mut Findings) {
    if !config.url.starts_with("tcp://") {
        findings.error("url", format!("`{}` is not an address", config.url)).help("such as tcp://127.0.0.1:1502");
    }
    if 247 < config.unit {
        findings.warning("unit", "few devices answer to a unit over 247");
    }
    if 100 < config.max_gap {
        findings.error("timeout", "a gap of over 100 registers needs a longer timeout").related("max_gap", "this gap");
    }
    let mut first: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, tag) in &config.tags {
        if let Some(before) = first.insert(&tag.at, name) {
            let at = At::from("tags").key(name.as_str()).key("at");
            findings
                .error(at, "two tags read the same register")
                .related(At::from("tags").key(before), "the other one");
        }
    }
}

/// Receives messages.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema matters")]
struct MessagesConfig {
    /// What to subscribe to.
    #[schemars(length(min = 1))]
    topics: Vec<String>,
    /// Quality of service. Default 0.
    #[schemars(range(min = 0, max = 2))]
    qos: Option<u8>,
    /// Whether the session is kept. Default false.
    #[serde(default)]
    keep: bool,
    /// The password.
    password: Option<String>,
    /// How the password is sent.
    login: Option<Login>,
}

/// How a password is sent.
#[derive(Clone, Deserialize, JsonSchema)]
enum Login {
    /// As it is.
    Plain,
    /// As a digest.
    Digest,
}

/// Changes values.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema matters")]
struct ChangeConfig {
    /// What to do with what.
    #[serde(default)]
    rules: Vec<Rule>,
    /// What happens to the rest. Default `keep`.
    rest: Option<Rest>,
    /// Most bytes kept.
    memory: Option<ByteSize>,
    /// A name that must fit.
    fit: Option<Fit>,
}

/// A rule.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema matters")]
struct Rule {
    /// Which tags.
    tags: TagSelector,
    /// The line.
    linear: Option<Linear>,
    /// From where to where.
    range: Option<[f64; 2]>,
}

/// A line.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema matters")]
struct Linear {
    /// What to multiply with.
    factor: f64,
    /// What to add.
    #[serde(default)]
    offset: f64,
}

/// What happens to the rest.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema matters")]
enum Rest {
    /// It passes.
    Keep,
    /// It is let go.
    Drop,
    /// It is gathered.
    Window {
        /// For how long.
        length: Span,
        /// How many at most.
        #[schemars(range(min = 1))]
        most: Option<u32>,
    },
    /// It is given a name.
    Name(String),
}

/// Something that only the node itself can read.
#[derive(Clone, JsonSchema)]
struct Fit(#[expect(dead_code, reason = "only its schema matters")] String);

impl<'de> Deserialize<'de> for Fit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "fits" { Ok(Self(text)) } else { Err(serde::de::Error::custom(format!("`{text}` does not fit"))) }
    }
}

/// Stores values.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its schema matters")]
struct StoreConfig {
    /// The file.
    path: String,
}

/// No options.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn split_ports() -> Ports {
    let mut ports = Ports::transform(Carries::Any, Carries::Same);
    ports.outputs[0].name = "even".into();
    ports = ports.with_optional("odd", Carries::Same);
    ports.outputs[1].required = true;
    ports
}
