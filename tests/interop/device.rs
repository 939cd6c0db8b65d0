//! A device under test: what it holds, which tags are read from it, and what each must come out as.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::memory::Memory;
use crate::peers::{Peer, Way};
use crate::pipeline::{self, Pipeline, Record};
use crate::turn::alone;

/// What a tag must come out as.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expected {
    Bool(bool),
    I64(i64),
    U64(u64),
    F32(f32),
    F64(f64),
    Text(String),
    Hex(String),
    /// A number with this quality, which is not good.
    Doubtful(&'static str, i64),
    Bad(&'static str),
}

/// One Modbus device of one or more units.
#[derive(Debug, Default)]
pub(crate) struct Device {
    pub(crate) memory: Memory,
    /// The tags of each unit, as YAML.
    tags: BTreeMap<u8, String>,
    expected: BTreeMap<String, Expected>,
}

impl Device {
    /// Reads a tag, and expects this. `options` follow the address, such as `, as: f32`.
    pub(crate) fn tag(&mut self, unit: u8, name: &str, (table, at): (&str, u16), options: &str, expected: Expected) {
        self.read(unit, name, &format!("\"{table}:{at}\"{options}"));
        self.expect(name, expected);
    }

    /// Reads what these options say, which follow `at: `.
    pub(crate) fn read(&mut self, unit: u8, name: &str, options: &str) {
        writeln!(self.tags.entry(unit).or_default(), "      {name}: {{ at: {options} }}").unwrap();
    }

    /// Expects this of a tag.
    pub(crate) fn expect(&mut self, name: &str, expected: Expected) {
        assert!(self.expected.insert(name.to_owned(), expected).is_none(), "{name} is there twice");
    }

    /// The options of a node that reads the tags of a unit.
    pub(crate) fn node(&self, unit: u8, url: &str, every: &str) -> String {
        let tags = &self.tags[&unit];
        format!("    type: modbus\n    url: {url}\n    unit: {unit}\n    every: {every}\n    tags:\n{tags}")
    }

    /// Whether a record is what its tag must come out as.
    pub(crate) fn agrees(&self, record: &Record) -> bool {
        self.expected.get(&record.tag).is_some_and(|expected| expected.is(record))
    }

    /// A command for each tag that is expected to be good: the tag, and the value that makes it so. Numbers that are none
    /// are left out, as they are never written.
    pub(crate) fn commands(&self) -> Vec<(&str, serde_json::Value)> {
        self.expected.iter().filter_map(|(tag, expected)| Some((tag.as_str(), expected.command()?))).collect()
    }

    /// The options of a node that writes the tags of a unit for which there are commands.
    pub(crate) fn writer(&self, unit: u8, url: &str, options: &str) -> String {
        let commands = self.commands();
        let named = |line: &&str| commands.iter().any(|(tag, _)| line.trim_start().starts_with(&format!("{tag}: {{")));
        let tags: Vec<&str> = self.tags[&unit].lines().filter(named).collect();
        let (head, tags) = (format!("    type: modbus_write\n    url: {url}\n    unit: {unit}\n"), tags.join("\n"));
        format!("{head}    expire: 1h\n    rate: 1000\n{options}    tags:\n{tags}\n")
    }

    /// Starts the peer with another memory, writes every tag once, reads them all, and compares.
    pub(crate) async fn must_be_written_to(self, (peer, way): (Peer, Way), unit: u8, options: &str, outcome: &str) {
        let _turn = alone().await;
        let Some(server) = peer.start(&self.memory.inverted(), way).await else { return };
        let commands = self.commands();
        let noted = pipeline::write(&self.writer(unit, &server.url, options), &commands).await;
        let wrong: Vec<_> = noted.iter().filter(|noted| noted.outcome != outcome).collect();
        assert!(wrong.is_empty() && noted.len() == commands.len(), "{} of {}: {wrong:?}", noted.len(), commands.len());
        let mut reader = Pipeline::start(&BTreeMap::from([("unit", self.node(unit, &server.url, "1s"))]));
        let seen = reader.first_of_each(self.expected.len()).await;
        let differ = |(tag, _): &&(&str, _)| !self.agrees(&seen[*tag]);
        let wrong: Vec<_> = commands.iter().filter(differ).map(|(tag, value)| (value, &seen[*tag])).collect();
        assert!(wrong.is_empty(), "{} of {} tags: {wrong:?}", wrong.len(), commands.len());
        reader.stop().await;
    }

    /// Starts the peer with this memory, reads every tag once, and compares.
    pub(crate) async fn must_be_read_from(self, peer: Peer, way: Way) {
        let _turn = alone().await;
        let Some(server) = peer.start(&self.memory, way).await else { return };
        let names: Vec<String> = self.tags.keys().map(|unit| format!("unit{unit}")).collect();
        let nodes =
            names.iter().zip(self.tags.keys()).map(|(name, unit)| (&**name, self.node(*unit, &server.url, "1s")));
        let mut pipeline = Pipeline::start(&nodes.collect());
        let seen = pipeline.first_of_each(self.expected.len()).await;
        let wrong: Vec<String> = seen
            .values()
            .filter(|record| !self.agrees(record))
            .map(|record| format!("{:?} was expected, but came {record:?}", self.expected.get(&record.tag)))
            .collect();
        assert!(wrong.is_empty(), "{} of {} tags:\n{}", wrong.len(), seen.len(), wrong.join("\n"));
        pipeline.stop().await;
    }
}

impl Expected {
    /// The value that makes a tag so.
    fn command(&self) -> Option<serde_json::Value> {
        Some(match self {
            Self::Bool(held) => (*held).into(),
            Self::I64(held) => (*held).into(),
            Self::U64(held) => (*held).into(),
            Self::F32(held) if held.is_finite() => serde_json::from_str(&format!("{held:?}")).ok()?,
            Self::F64(held) if held.is_finite() => (*held).into(),
            Self::Text(held) => held.as_str().into(),
            Self::Hex(held) => serde_json::json!({ "hex": held }),
            _ => return None,
        })
    }

    fn is(&self, Record { value, quality, .. }: &Record) -> bool {
        let good = quality == "good";
        match self {
            Self::Bool(held) => good && value.as_bool() == Some(*held),
            Self::I64(held) => good && value.as_i64() == Some(*held),
            Self::U64(held) => good && value.as_u64() == Some(*held),
            Self::F32(held) => {
                good && float(value)
                    .is_some_and(|v| v.is_nan() && held.is_nan() || (v as f32).to_bits() == held.to_bits())
            }
            Self::F64(held) => {
                good && float(value).is_some_and(|v| v.is_nan() && held.is_nan() || v.to_bits() == held.to_bits())
            }
            Self::Text(held) => good && value.as_str() == Some(held),
            Self::Hex(held) => good && value["hex"].as_str() == Some(held),
            Self::Doubtful(reason, held) => quality == reason && value.as_i64() == Some(*held),
            Self::Bad(reason) => value.is_null() && quality == reason,
        }
    }
}

/// A float as a record has it; an integer is none.
fn float(value: &serde_json::Value) -> Option<f64> {
    match value {
        serde_json::Value::Number(number) if number.is_f64() => number.as_f64(),
        serde_json::Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}
