//! The options of a tag, and what they resolve to.
//!
//! [`Config::points`] is the one reading of them: `check` reports what it finds wrong, `build` and `simulate` take what it makes.

use std::time::Duration;

use fieldflow_contract::{At, Findings, Span};
use schemars::JsonSchema;
use serde::Deserialize;

use super::address::Address;
use super::codec::{Kind, Layout, Order};
use super::config::{Config, check_span, most_registers, report};
use super::plan::Need;

/// Where a tag lies in the device, and how its bits are read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct TagOptions {
    /// Table and address: `holding:0`, `input:3`, `coil:0`, `discrete:7`, counted from 0 as on the wire. `holding:5.3` is
    /// bit 3 of a register. Modicon numbers of six digits, which count from 1, are taken too: `"400001"` is `holding:0`.
    #[schemars(extend("examples" = ["holding:0"]))]
    pub(super) at: String,
    /// The type. A register is `u16` and a coil or discrete input is `bool` if left out.
    #[serde(rename = "as")]
    pub(super) kind: Option<Kind>,
    /// Which bit of the register, 0 (the least) to 15. Only and always with `as: bit`.
    #[schemars(range(max = 15))]
    pub(super) bit: Option<u8>,
    /// How many registers the text takes, 1 to 125, two characters each. Only and always with `as: string`.
    #[schemars(range(min = 1, max = 125))]
    pub(super) length: Option<u16>,
    /// The sequence of the bytes on the wire, `A` being the most significant: `AB` or `BA` for 16 bits, `ABCD`, `CDAB` (words
    /// swapped), `BADC`, `DCBA` or any other for 32 bits, eight letters for 64 bits. A string takes `BA` if the characters
    /// of each register are swapped. Most significant first if left out.
    #[schemars(extend("examples" = ["CDAB"]))]
    pub(super) order: Option<String>,
    /// How often this tag is read, if not as often as the node says.
    pub(super) every: Option<Span>,
    /// Raw values that mean "no value", as unsigned integers of the width of the type, such as `[0x8000]`. They give no value
    /// and the quality `bad:sensor_failure`. For `bool` and `bit` the whole register is compared.
    #[serde(default)]
    pub(super) invalid: Vec<u64>,
}

/// One tag: what to ask for, how often, and how to read the answer.
pub(super) struct Point {
    /// The tag's name.
    pub(super) name: String,
    /// What it needs.
    pub(super) need: Need,
    /// How its registers become a value; a bit of a table of bits needs nothing of it.
    pub(super) layout: Layout,
    /// How often it is read.
    pub(super) every: Duration,
}

impl Config {
    /// The tags that the options name, by name. `findings` has whatever is wrong with one.
    pub(super) fn points(&self, findings: &mut Findings) -> Vec<Point> {
        self.tags
            .iter()
            .filter_map(|(name, tag)| self.point(name, tag, &At::from("tags").key(name), findings))
            .collect()
    }

    fn point(&self, name: &str, tag: &TagOptions, at: &At, findings: &mut Findings) -> Option<Point> {
        if name.is_empty() {
            findings.error(at.clone(), "a tag's name is empty");
        }
        let every = tag.every.unwrap_or(self.every);
        if let Some(every) = tag.every {
            check_span(every, at.clone().key("every"), findings);
        }
        let address =
            Address::parse(&tag.at).map_err(|problem| report(problem, at.clone().key("at"), findings)).ok()?;
        let layout = if address.table.is_bits() {
            tag.bit_layout(address, at, findings)
        } else {
            tag.layout(address, at, findings)
        }?;
        let need = Need { table: address.table, start: address.start, count: layout.registers };
        if 65_536 < need.end() {
            let last = need.end() - 1;
            findings
                .error(at.clone().key("at"), format!("the value ends at {last}, past the last address 65535"))
                .help(format!(
                    "a value of {} registers begins at {} or below",
                    need.count,
                    65_536 - u32::from(need.count)
                ));
        }
        if !need.table.is_bits() && self.registers_per_request < need.count {
            let most = self.registers_per_request;
            findings
                .error(
                    at.clone(),
                    format!("the value takes {} registers, but one request may ask for {most} only", need.count),
                )
                .related("registers_per_request", "the limit");
        }
        Some(Point { name: name.to_owned(), need, layout, every: every.0 })
    }
}

impl TagOptions {
    /// A coil or a discrete input is one bit, and there is nothing to say about how to read it.
    fn bit_layout(&self, address: Address, at: &At, findings: &mut Findings) -> Option<Layout> {
        let before = findings.0.len();
        let table = address.table;
        if let Some(kind) = self.kind.filter(|kind| *kind != Kind::Bool) {
            findings
                .error(at.clone().key("as"), format!("a {table} is one bit: it cannot be read as {}", kind.word()))
                .help("leave `as` out, or read it from `holding:` or `input:`");
        }
        let given = [
            ("bit", self.bit.is_some()),
            ("length", self.length.is_some()),
            ("order", self.order.is_some()),
            ("invalid", !self.invalid.is_empty()),
        ];
        for (option, _) in given.iter().filter(|(_, given)| *given) {
            findings
                .error(at.clone().key(*option), format!("a {table} is one bit, so `{option}` means nothing"))
                .help("leave it out");
        }
        let order = Order::big_endian(Kind::Bool);
        let layout = Layout { kind: Kind::Bool, order, bit: 0, registers: 1, invalid: Vec::new() };
        (findings.0.len() == before).then_some(layout)
    }

    fn layout(&self, address: Address, at: &At, findings: &mut Findings) -> Option<Layout> {
        let before = findings.0.len();
        let kind = self.kind.unwrap_or(if address.bit.is_some() { Kind::Bit } else { Kind::U16 });
        let bit = self.bit_of(address, kind, at, findings);
        let registers = kind.registers(self.length_of(kind, at, findings));
        let order = match &self.order {
            None => Some(Order::big_endian(kind)),
            Some(order) => {
                Order::parse(order, kind).map_err(|problem| report(problem, at.clone().key("order"), findings)).ok()
            }
        };
        self.check_invalid(kind, at, findings);
        let layout = Layout { kind, order: order?, bit, registers, invalid: self.invalid.clone() };
        (findings.0.len() == before).then_some(layout)
    }

    fn bit_of(&self, address: Address, kind: Kind, at: &At, findings: &mut Findings) -> u8 {
        let Address { table, start, .. } = address;
        match (kind, address.bit, self.bit) {
            (Kind::Bit, None, None) => {
                findings
                    .error(at.clone(), "`as: bit` needs `bit`")
                    .help(format!("write at: \"{table}:{start}.0\" for the least bit"));
            }
            (Kind::Bit, Some(_), Some(_)) => {
                findings
                    .error(at.clone().key("bit"), "the bit is named twice")
                    .related(at.clone().key("at"), "and here");
            }
            (Kind::Bit, None, Some(bit)) if 15 < bit => {
                findings
                    .error(at.clone().key("bit"), format!("a register has no bit {bit}"))
                    .help("bits count from 0, the least, to 15");
            }
            (Kind::Bit, in_address, own) => return in_address.or(own).unwrap_or(0),
            (_, None, None) => {}
            (_, in_address, _) => {
                let place = if in_address.is_some() { "at" } else { "bit" };
                findings
                    .error(at.clone().key(place), format!("a bit is named, but the tag is read as {}", kind.word()))
                    .help("write `as: bit`, or leave the bit out");
            }
        }
        0
    }

    fn length_of(&self, kind: Kind, at: &At, findings: &mut Findings) -> u16 {
        match (kind, self.length) {
            (Kind::String, Some(length)) if (1..=most_registers()).contains(&length) => return length,
            (Kind::String, Some(length)) => {
                findings.error(at.clone().key("length"), format!("{length} is not between 1 and 125 registers"));
            }
            (Kind::String, None) => {
                findings
                    .error(at.clone(), "`as: string` needs `length`")
                    .help("write how many registers the text takes, two characters each");
            }
            (_, Some(_)) => {
                findings
                    .error(at.clone().key("length"), format!("a {} has its length by its type", kind.word()))
                    .help("leave it out, or write `as: string`");
            }
            (_, None) => {}
        }
        1
    }

    fn check_invalid(&self, kind: Kind, at: &At, findings: &mut Findings) {
        let bits = 8 * u32::from(kind.ordered_bytes());
        for (index, raw) in self.invalid.iter().enumerate() {
            let at = at.clone().key("invalid").index(index);
            if kind == Kind::String {
                findings.error(at, "a string has no raw value to compare with").help("leave `invalid` out");
            } else if raw.checked_shr(bits).is_some_and(|above| above != 0) {
                findings.error(at, format!("{raw:#x} does not fit the {bits} bits of {}", kind.word()));
            }
        }
    }
}
