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
use super::health::Policy;
use super::line::LineOptions;
use super::line_config::{self, FramingOption, Register, Tls};
use super::plan::{Limits, Need};
use super::tags::{Point, TagOptions};

/// Reads tags from a Modbus device, polling it at a fixed interval.
///
/// Tags that lie side by side are read in one request. A request that fails gives records of Bad quality that say why; they
/// concern the tags of this unit only. A register that the device refuses is found, set aside, told once as
/// `bad:configuration`, and asked for again 30 s later and then ever more seldom, to every 10 minutes. A unit that does not
/// answer is set back, see `demote_after`. An answer that comes too late or fits no request is never taken for another one.
///
/// All nodes with the same `url` share one connection, on which one request is under way at a time, and must agree on the
/// options of the line: those of the url, `standby`, `fail_back`, `pause`, `settle`, `tls`, `heartbeat`, `framing`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Where the device is. `tcp://HOST:PORT` is Modbus TCP, port 502 if left out. `rtu+tcp://HOST:PORT` is a serial server
    /// that passes on the frames of a serial line as they are. `rtu:///dev/ttyUSB0?baud=9600&parity=even&stop=1&data=8` is a
    /// serial port, 19200 baud and even parity if left out; the direction of an RS-485 line is its driver's or adapter's to
    /// switch. `tls://HOST:PORT` is Modbus TCP inside TLS, port 802 if left out. `listen://ADDRESS:PORT` waits for the device
    /// to dial in; `0.0.0.0` as the address lets it come from anywhere.
    pub(super) url: String,
    /// Who is trusted on a `tls://` line, and who this is. Paths are relative to the pipeline file.
    pub(super) tls: Option<Tls>,
    /// How a device that dials in says who it is. Many devices may share one `listen://`, each with its own id. Whoever comes
    /// is taken if left out.
    pub(super) register: Option<Register>,
    /// What a device that dials in sends by itself between answers to keep its link up, as text or `hex:FE`: thrown away.
    pub(super) heartbeat: Option<String>,
    /// How a device that dials in frames its answers: `rtu`, the default, or `tcp`.
    pub(super) framing: Option<FramingOption>,
    /// Other addresses of the same device, used in this order while the first cannot be had.
    #[serde(default)]
    pub(super) standby: Vec<String>,
    /// How long to stay with an address out of `standby` before the first one is tried again; each vain try doubles it, to
    /// 10 minutes.
    #[serde(default = "line_config::minute")]
    pub(super) fail_back: Span,
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
    /// The least time between two requests on the line, for devices that lose what comes too soon. On a serial line never
    /// less than the silence of 3.5 characters.
    #[serde(default = "line_config::nothing")]
    pub(super) pause: Span,
    /// How long to wait once the connection is open; what comes meanwhile is thrown away.
    #[serde(default = "line_config::nothing")]
    pub(super) settle: Span,
    /// Reads one register when nothing was read for so long, so that no firewall forgets the connection. Never if left out.
    pub(super) keep_alive: Option<Span>,
    /// After so many failures in a row the unit is set back: its tags are told to be Bad once, and it is only probed, so
    /// that the other units of the line need not wait for it.
    #[serde(default = "line_config::three")]
    #[schemars(range(min = 1))]
    pub(super) demote_after: u32,
    /// The time to the first probe of a unit that was set back. Each that fails doubles it, to eight times as long.
    #[serde(default = "line_config::ten_seconds")]
    pub(super) probe_every: Span,
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
    /// What no request may touch, as ranges of addresses: `holding:10..19` with both ends, or `input:7`. For devices that
    /// give nonsense, or fall over, when an undefined register is read to fill a gap.
    #[serde(default)]
    #[schemars(extend("examples" = [["holding:10..19"]]))]
    pub(super) holes: Vec<String>,
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
    /// The line, and how it is run.
    pub(super) line: LineOptions,
    /// How much one request may ask for.
    pub(super) limits: Limits,
    /// What no request may touch.
    pub(super) holes: Vec<Need>,
    /// When the unit is set back.
    pub(super) policy: Policy,
    /// How often tags are read that say nothing else.
    pub(super) every: Duration,
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
        let keep_alive = self.keep_alive.unwrap_or(second());
        for (option, span) in [
            ("every", self.every),
            ("timeout", self.timeout),
            ("fail_back", self.fail_back),
            ("probe_every", self.probe_every),
            ("keep_alive", keep_alive),
        ] {
            check_span(span, option.into(), findings);
        }
        if self.demote_after == 0 {
            findings
                .error("demote_after", "0 failures would set the unit back before it was asked")
                .help("write 1 or more");
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
        let line = self.line(findings);
        let holes = self.holes(findings);
        let points = self.points(base_dir, findings);
        let limits = Limits { registers: self.registers_per_request, bits: self.bits_per_request, gap: self.max_gap };
        Self::check_holes(&holes, &points, findings);
        let policy = Policy { after: self.demote_after, every: self.probe_every.0 };
        let line = line?;
        let wrong = findings.0.iter().any(|found| found.severity == Severity::Error);
        (!wrong).then_some(Settings { line, limits, holes, policy, every: self.every.0, points })
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
