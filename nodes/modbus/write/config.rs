//! The options of `modbus_write`, and what they resolve to.

use std::collections::BTreeMap;
use std::time::Duration;

use fieldflow_contract::{At, Findings, Severity, Span, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::target::{Scaling, Target};
use crate::modbus::address::{AddressStyle, Table};
use crate::modbus::codec::{Half, Kind, Layout, Pad};
use crate::modbus::config::check_span;
use crate::modbus::health::Policy;
use crate::modbus::line::LineOptions;
use crate::modbus::line_config::{self, FramingOption, LineConfig, Register, Tls};
use crate::modbus::plan::Need;
use crate::modbus::tags::{Sentinel, TagOptions};

/// Writes records to a Modbus device, and only to the tags that it lists.
///
/// A record is a command: its value is written to the place that `tags` names for its tag. It is written once, or refused
/// and sent to `rejected` with the reason. Refused is a tag that is not listed; a record that is not of Good quality (see
/// `uncertain`); a value that the type cannot hold exactly, that is outside of `range`, NaN or infinite; a command older
/// than `expire`; one that comes sooner than `min_interval` allows; one to a unit that was set back because it does not
/// answer; and one that came off the disk and had been received before this run began, as it may have been written then.
///
/// While nothing was sent, as the line cannot be opened or others have it, the command is tried again until it has expired;
/// a device that says that it is busy is asked four times. Otherwise what was sent is never sent again: if no answer comes,
/// if the connection breaks, or if a gateway cannot tell, the outcome is unknown, and the record is rejected as such. Look
/// at the device before you repeat it.
///
/// A coil is written by function 5, one register by 6, a value of several by one request of function 16, a bit or a half of
/// a register by 22, which leaves the other bits alone. Records are written one by one, in order. On a line that is shared
/// with `modbus` nodes a write goes ahead of all polls that wait; after eight writes in a row one poll has its turn.
///
/// Every write is noted in the table `writes` of the pipeline's `state.db`, within about a second: time in nanoseconds since
/// 1970, node, tag, device, address, value, raw (as it went over the wire), old (if it was read), outcome and reason. The
/// outcome is `written`, `verified`, `mismatch`, `unverified`, `refused` (by the device) or `unknown`. The newest 100,000 are
/// kept. To read them:
/// `sqlite3 data/NAME/state.db "SELECT datetime(time/1000000000,'unixepoch'),* FROM writes ORDER BY id DESC LIMIT 20"`.
/// If the disk does not take what was noted, nothing is written after the next 1024 writes.
///
/// All nodes with the same `url` share one connection and must agree on the options of the line: those of the url,
/// `standby`, `fail_back`, `pause`, `settle`, `tls`, `heartbeat`, `framing`; their manual is that of `modbus`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Config {
    /// Where the device is: `tcp://HOST:PORT`, `rtu+tcp://`, `rtu:///dev/…`, `tls://` or `listen://`, as for `modbus`.
    pub(super) url: String,
    /// Who is trusted on a `tls://` line, and who this is. Paths are relative to the pipeline file.
    pub(super) tls: Option<Tls>,
    /// How a device that dials in says who it is.
    pub(super) register: Option<Register>,
    /// What a device that dials in sends by itself between answers, as text or `hex:FE`: thrown away.
    pub(super) heartbeat: Option<String>,
    /// How a device that dials in frames its answers: `rtu`, the default, or `tcp`.
    pub(super) framing: Option<FramingOption>,
    /// Other addresses of the same device, used in this order while the first cannot be had.
    #[serde(default)]
    pub(super) standby: Vec<String>,
    /// How long to stay with an address out of `standby` before the first one is tried again.
    #[serde(default = "line_config::minute")]
    pub(super) fail_back: Span,
    /// Unit (slave) id of the device, 1 to 255. Nothing is broadcast: nobody would answer.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 255))]
    pub(super) unit: u8,
    /// Longest wait for a connection and for each answer; at least `1ms`. Without an answer the outcome is unknown, so do not
    /// make it short.
    #[serde(default = "second")]
    pub(super) timeout: Span,
    /// The least time between two requests on the line.
    #[serde(default = "line_config::nothing")]
    pub(super) pause: Span,
    /// How long to wait once the connection is open; what comes meanwhile is thrown away.
    #[serde(default = "line_config::nothing")]
    pub(super) settle: Span,
    /// After so many failures in a row the unit is set back: commands to it are refused, but for one now and then, see
    /// `probe_every`, until it answers.
    #[serde(default = "line_config::three")]
    #[schemars(range(min = 1))]
    pub(super) demote_after: u32,
    /// How long a unit that was set back is left alone before a command is let through to it. Each that fails doubles it, to
    /// eight times as long.
    #[serde(default = "line_config::ten_seconds")]
    pub(super) probe_every: Span,
    /// A command that is older is refused: since its own time, or since it was received, whichever is longer ago. At least
    /// `1ms`. The clock of whoever gave it must be right to within this. A command whose sender let it expire before, as an
    /// MQTT message can, is refused then.
    #[serde(default = "line_config::ten_seconds")]
    pub(super) expire: Span,
    /// Most writes in a second, 0.001 to 1000. What comes faster waits for its turn in the edge, which has its own bound, and
    /// is refused when it has expired.
    #[serde(default = "ten")]
    #[schemars(range(min = 0.001, max = 1000.0))]
    pub(super) rate: f64,
    /// Whether records of Uncertain quality are written. Bad ones never are. Default false.
    #[serde(default)]
    pub(super) uncertain: bool,
    /// Whether each write is followed by a read of the same place. A device that holds something else then, or cannot be read,
    /// makes the command rejected; it is not written again. A tag can say otherwise. Default false.
    #[serde(default)]
    pub(super) verify: bool,
    /// Whether single coils and registers are written by functions 15 and 16 too, for devices that know no others. Default
    /// false.
    #[serde(default)]
    pub(super) multiple: bool,
    /// For a device without function 22: whether a bit or a half of a register is changed by reading the register and writing
    /// it back. What anybody else writes to it in between is lost. Default false.
    #[serde(default)]
    pub(super) read_modify_write: bool,
    /// What may be written: the name of each tag, and where it lies in the device. At least one; nothing else is written.
    #[schemars(extend("minProperties" = 1))]
    pub(super) tags: BTreeMap<String, WriteOptions>,
    /// What a bare number means where an address is wanted, as for `modbus`: `modicon` or `pdu`.
    pub(super) address_style: Option<AddressStyle>,
}

/// Where a tag lies in the device, and what may be written there. Most options are those of the tags of `modbus`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct WriteOptions {
    /// Table and address, counted from 0: `holding:0`, `coil:3`, `holding:5.3` for bit 3 of a register, or `"400001"`.
    #[schemars(extend("examples" = ["holding:0"]))]
    at: String,
    /// The type, as for `modbus`. A register is `u16` and a coil `bool` if left out. A float is rounded to the nearest that
    /// the type has; all else is held exactly, or refused.
    #[serde(rename = "as")]
    kind: Option<Kind>,
    /// Which bit of the register, 0 (the least) to 15. Only and always with `as: bit`.
    #[schemars(range(max = 15))]
    bit: Option<u8>,
    /// Which half of the register, `high` or `low`, for `u8`, `i8` and a text with `chars: 1`. `low` if left out.
    half: Option<Half>,
    /// How many registers: 1 to 123 for `string` and `bytes`, 2 to 4 for `mod10k`.
    #[schemars(range(min = 1, max = 123))]
    length: Option<u16>,
    /// How many characters lie in each register of a `string`, 1 or 2. 2 if left out.
    #[schemars(range(min = 1, max = 2))]
    chars: Option<u8>,
    /// What is written behind the text of a `string`: `nul`, the default, or `space`.
    pad: Option<Pad>,
    /// The sequence of the bytes on the wire, as for `modbus`: `CDAB` for swapped words.
    #[schemars(extend("examples" = ["CDAB"]))]
    order: Option<String>,
    /// Raw values that mean "no value" to the device, such as `[0x8000]`: never written.
    #[serde(default)]
    invalid: Vec<Sentinel>,
    /// Words for numbers, such as `{ 0: off, 1: on }`: a text is written as its number, and no other number is.
    #[serde(rename = "enum", default)]
    names: BTreeMap<String, String>,
    /// The lowest and the highest value that may be written, such as `[5, 80]`, in the unit of the record. What is outside is
    /// refused, not clamped; `clamp` before this node clamps. For numbers; whatever the type can hold if left out.
    range: Option<[f64; 2]>,
    /// The value is the raw number times this, plus `offset`, as the `scale` node with the same factor makes it: what is
    /// written is (value − offset) / scale. A value that is no whole raw number is refused for whole types; `round` before
    /// this node rounds. Worked out in decimals. Default 1.
    scale: Option<f64>,
    /// See `scale`. Default 0.
    offset: Option<f64>,
    /// Whether this tag is read back, if not as the node says.
    verify: Option<bool>,
    /// A command that comes sooner after the last write of this tag is refused, to spare a memory that wears out. Default none.
    min_interval: Option<Span>,
}

fn one() -> u8 {
    1
}
fn second() -> Span {
    Span(Duration::from_secs(1))
}
fn ten() -> f64 {
    10.0
}

/// Most registers that one request writes.
const MOST_REGISTERS: u16 = 123;

/// Options that were found right.
pub(super) struct Settings {
    /// The line, and how it is run.
    pub(super) line: LineOptions,
    /// When the unit is set back.
    pub(super) policy: Policy,
    /// What may be written, by name.
    pub(super) targets: Vec<(String, Target)>,
}

impl Config {
    /// Reads the options; `None` if one of them is wrong, and then `findings` has every one that is.
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Settings> {
        if self.unit == 0 {
            findings
                .error("unit", "unit 0 is broadcast, which no device answers")
                .help("write the unit of the device, 1 to 255");
        }
        for (option, span) in [
            ("timeout", self.timeout),
            ("fail_back", self.fail_back),
            ("probe_every", self.probe_every),
            ("expire", self.expire),
        ] {
            check_span(span, option.into(), findings);
        }
        if self.demote_after == 0 {
            findings
                .error("demote_after", "0 failures would set the unit back before it was asked")
                .help("write 1 or more");
        }
        if !(0.001..=1000.0).contains(&self.rate) {
            findings
                .error("rate", format!("{} is not between 0.001 and 1000 writes in a second", self.rate))
                .help("write how many writes the device can take, such as 10");
        }
        if self.tags.is_empty() {
            findings
                .error("tags", "no tag is listed, so nothing may be written")
                .help("name at least one, such as setpoint: { at: \"holding:0\", range: [5, 80] }");
        }
        let line = LineConfig {
            url: &self.url,
            tls: self.tls.as_ref(),
            register: self.register.as_ref(),
            heartbeat: self.heartbeat.as_ref(),
            framing: self.framing,
            standby: &self.standby,
            fail_back: self.fail_back,
            pause: self.pause,
            settle: self.settle,
            unit: self.unit,
        };
        let line = line.resolve(findings);
        let target = |(name, tag): (&String, &WriteOptions)| Some((name.clone(), self.target(name, tag, findings)?));
        let targets: Vec<_> = self.tags.iter().filter_map(target).collect();
        let policy = Policy { after: self.demote_after, every: self.probe_every.0 };
        let line = line?;
        let wrong = findings.0.iter().any(|found| found.severity == Severity::Error);
        (!wrong).then_some(Settings { line, policy, targets })
    }

    fn target(&self, name: &str, tag: &WriteOptions, findings: &mut Findings) -> Option<Target> {
        let at = At::from("tags").key(name);
        if name.is_empty() {
            findings.error(at.clone(), "a tag's name is empty");
        }
        let (need, layout) = tag.place().place(self.address_style, &at, findings)?;
        if let Some((what, instead)) = match need.table {
            Table::Input => Some(("an input register", "a holding register")),
            Table::Discrete => Some(("a discrete input", "a coil")),
            Table::Coil | Table::Holding => None,
        } {
            findings
                .error(at.clone().key("at"), format!("{what} can be read only, nothing writes to {}", tag.at))
                .help(format!("look in the manual for {instead} that sets the same"));
        }
        check_size(need, &at, findings);
        let scaling = tag.scaling(&layout, &at, findings);
        let target = Target {
            need,
            layout,
            scaling,
            range: tag.range,
            verify: tag.verify.unwrap_or(self.verify),
            min_interval: tag.min_interval.map_or(Duration::ZERO, |span| span.0),
        };
        tag.check_range(&target, &at, findings);
        Some(target)
    }
}

/// Reports a value that is longer than a request, or than its table.
fn check_size(need: Need, at: &At, findings: &mut Findings) {
    if MOST_REGISTERS < need.count {
        findings
            .error(
                at.clone().key("length"),
                format!("{} registers are more than one request writes, {MOST_REGISTERS}", need.count),
            )
            .help("a value is never split over two requests: write it as two tags");
    }
    if 65_536 < need.end() {
        findings
            .error(at.clone().key("at"), format!("the value ends at {}, past the last address 65535", need.end() - 1));
    }
}

impl WriteOptions {
    /// The options that say where the value lies, as a tag of `modbus` has them.
    fn place(&self) -> TagOptions {
        TagOptions {
            at: self.at.clone(),
            kind: self.kind,
            bit: self.bit,
            half: self.half,
            length: self.length,
            chars: self.chars,
            pad: self.pad,
            order: self.order.clone(),
            invalid: self.invalid.clone(),
            names: self.names.clone(),
            ..TagOptions::default()
        }
    }

    fn scaling(&self, layout: &Layout, at: &At, findings: &mut Findings) -> Option<Scaling> {
        for (option, number) in [("scale", self.scale), ("offset", self.offset)] {
            let Some(number) = number else { continue };
            let at = at.clone().key(option);
            if let Some(what) = no_number(layout) {
                findings.error(at, format!("{what} cannot be scaled")).help("leave it out");
            } else if !number.is_finite() {
                findings.error(at, "an ordinary number is wanted here, neither NaN nor infinite");
            } else if option == "scale" && number == 0.0 {
                findings
                    .error(at, "a scale of 0 would make each value the offset, and nothing can be told from that")
                    .help("write what one step of the raw number stands for, such as 0.1");
            }
        }
        let is_given = self.scale.is_some() || self.offset.is_some();
        let scaling = Scaling { scale: self.scale.unwrap_or(1.0), offset: self.offset.unwrap_or(0.0) };
        // The range is worked out with it before anybody looks at what was found.
        let is_right = scaling.scale.is_finite() && scaling.scale != 0.0 && scaling.offset.is_finite();
        (is_given && is_right).then_some(scaling)
    }

    fn check_range(&self, target: &Target, at: &At, findings: &mut Findings) {
        let Some([low, high]) = self.range else { return };
        let at = at.clone().key("range");
        if let Some(what) = no_number(&target.layout) {
            findings.error(at, format!("{what} has no range")).help("leave it out");
        } else if !(low.is_finite() && high.is_finite()) {
            findings.error(at, "ordinary numbers are wanted here, neither NaN nor infinite");
        } else if high < low {
            findings
                .error(at, format!("the low end {low} is above the high end {high}, so nothing could be written"))
                .help("write the lower number first");
        } else {
            for (index, end) in [low, high].into_iter().enumerate() {
                if let Err(why) = target.raw(&Value::F64(end)) {
                    findings.warning(at.clone().index(index), format!("{end} itself cannot be written: {why}"));
                }
            }
        }
    }
}

/// What it is, if it is no number.
fn no_number(layout: &Layout) -> Option<String> {
    let is_number = layout.kind.is_integer() || layout.kind.is_float();
    match (&layout.names, is_number) {
        (Some(_), _) => Some("a tag with `enum`".to_owned()),
        (None, false) => Some(format!("`{}`", layout.kind.word())),
        (None, true) => None,
    }
}
