//! The options of `modbus`, and what they resolve to.
//!
//! [`Config::resolve`] is the one reading of the options: `check` reports what it finds wrong, `build` and `simulate` take
//! what it makes. No later stage checks them again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fieldflow_contract::{At, Findings, Severity, Span};
use schemars::JsonSchema;
use serde::Deserialize;

use super::address::{AddressStyle, Problem};
use super::endpoint::Endpoint;
use super::plan::Limits;
use super::tags::{Point, TagOptions};

/// Reads tags from a Modbus TCP device, polling it at a fixed interval.
///
/// Tags that lie side by side are read in one request. A read that fails gives records of Bad quality that say why. An answer
/// that comes too late or fits no request closes the connection, so that it is never taken for another one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the device listens: `tcp://HOST:PORT`. The port is 502 if left out.
    pub(super) url: String,
    /// Unit (slave) id of the device, 1 to 255. Matters behind a gateway, where one address serves many units; devices that
    /// are reached directly mostly take any, some want 255. 0 is broadcast, which nobody answers.
    #[serde(default = "unit")]
    #[schemars(range(min = 1, max = 255))]
    pub(super) unit: u8,
    /// How often the tags are read; at least `1ms`. A poll that is still going on when the next one is due makes it be
    /// skipped, and counted as `missed_poll`.
    #[serde(default = "second")]
    pub(super) every: Span,
    /// Longest wait for a connection and for each answer; at least `1ms`. Devices behind a serial gateway may need `3s`.
    #[serde(default = "second")]
    pub(super) timeout: Span,
    /// Registers (or bits) that may be read in vain to join two requests. Leave it at 0 for a device that answers undefined
    /// registers with an exception; 10 to 50 makes fewer requests of a scattered map.
    #[serde(default)]
    pub(super) max_gap: u16,
    /// Most registers that one request asks for, 1 to 125. Some devices allow less than the 125 of the standard.
    #[serde(default = "most_registers")]
    #[schemars(range(min = 1, max = 125))]
    pub(super) registers_per_request: u16,
    /// Most coils or discrete inputs that one request asks for, 1 to 2000.
    #[serde(default = "most_bits")]
    #[schemars(range(min = 1, max = 2000))]
    pub(super) bits_per_request: u16,
    /// What to read: the name of each tag, and where it lies in the device. At least one, here or in the file of `tags_from`.
    #[serde(default)]
    pub(super) tags: BTreeMap<String, TagOptions>,
    /// A table of more tags, as a CSV file beside the pipeline file: `map.csv`. Its first row names the columns, `tag` and the
    /// options of a tag (`at`, `as`, `order`, …); each other row is a tag. A cell that is left empty is an option that is left
    /// out. A list in a cell has `|` between its elements: `0x8000|0x7FFF`, `0=off|1=on`, `pump.run=0|pump.mode=4:2`. The
    /// address of `factor_from` has that column, its other options have `factor_from.as` and so on. Rows that begin with `#`
    /// are comments.
    #[schemars(extend("examples" = ["map.csv"]))]
    pub(super) tags_from: Option<String>,
    /// What a bare number means where an address is wanted. `modicon`: the first of five digits is the table (0 coil, 1
    /// discrete, 3 input, 4 holding) and the others count from 1, so that `"40001"` is `holding:0`. `pdu`: a holding register
    /// as it goes over the wire, so that `"40001"` is `holding:40001`. If left out, a bare number is refused, but for six
    /// digits, which have one meaning only.
    pub(super) address_style: Option<AddressStyle>,
}

fn unit() -> u8 {
    1
}
fn second() -> Span {
    Span(Duration::from_secs(1))
}
pub(super) fn most_registers() -> u16 {
    125
}
fn most_bits() -> u16 {
    2000
}

/// Options that were found right.
pub(super) struct Settings {
    /// Where the device listens.
    pub(super) endpoint: Endpoint,
    /// How much one request may ask for.
    pub(super) limits: Limits,
    /// The tags, by name.
    pub(super) points: Vec<Point>,
}

impl Config {
    /// Reads the options; `None` if one of them is wrong, and then `findings` has every one that is.
    ///
    /// The tags of an included file are among them if the folder of the pipeline file is known.
    pub(super) fn resolve(&self, base_dir: Option<&Path>, findings: &mut Findings) -> Option<Settings> {
        if self.unit == 0 {
            findings
                .error("unit", "unit 0 is broadcast, which no device answers")
                .help("write the unit of the device, 1 to 255");
        }
        for (option, span) in [("every", self.every), ("timeout", self.timeout)] {
            check_span(span, option.into(), findings);
        }
        for (option, value, most) in [
            ("registers_per_request", self.registers_per_request, most_registers()),
            ("bits_per_request", self.bits_per_request, most_bits()),
        ] {
            if !(1..=most).contains(&value) {
                findings
                    .error(option, format!("{value} is not between 1 and {most}, which is what the standard allows"));
            }
        }
        if self.tags.is_empty() && self.tags_from.is_none() {
            findings
                .error("tags", "no tag, so there is nothing to read")
                .help("name at least one, such as t: { at: \"holding:0\" }, or a table with `tags_from: map.csv`");
        }
        let endpoint = Endpoint::parse(&self.url).map_err(|problem| report(problem, "url".into(), findings)).ok();
        let points = self.points(base_dir, findings);
        let limits = Limits { registers: self.registers_per_request, bits: self.bits_per_request, gap: self.max_gap };
        let endpoint = endpoint?;
        let wrong = findings.0.iter().any(|found| found.severity == Severity::Error);
        (!wrong).then_some(Settings { endpoint, limits, points })
    }
}

pub(super) fn check_span(span: Span, at: At, findings: &mut Findings) {
    if span.0 < Duration::from_millis(1) {
        findings.error(at, format!("{span} is too short")).help("write at least 1ms");
    }
}

pub(super) fn report(problem: Problem, at: At, findings: &mut Findings) {
    findings.error(at, problem.message).help(problem.help);
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
