//! From the options of a tag to how its registers are read.

use std::sync::Arc;

use fieldflow_contract::{At, Findings, Severity, Value};

use super::options::{NotANumber, Sentinel, TagOptions};
use crate::modbus::address::{Address, Problem};
use crate::modbus::codec::{Half, Kind, Layout, Names, Order, Part, Sentinels, TextForm};
use crate::modbus::config::report;

impl TagOptions {
    /// A coil or a discrete input is one bit, and there is hardly anything to say about how to read it.
    pub(super) fn bit_layout(&self, address: Address, at: &At, findings: &mut Findings) -> Option<Layout> {
        let before = findings.0.len();
        let table = address.table;
        if let Some(kind) = self.kind.filter(|kind| *kind != Kind::Bool) {
            findings
                .error(at.clone().key("as"), format!("a {table} is one bit: it cannot be read as {}", kind.word()))
                .help("leave `as` out, or read it from `holding:` or `input:`");
        }
        let given = [
            ("bit", self.bit.is_some()),
            ("half", self.half.is_some()),
            ("length", self.length.is_some()),
            ("chars", self.chars.is_some()),
            ("pad", self.pad.is_some()),
            ("order", self.order.is_some()),
            ("invalid", !self.invalid.is_empty()),
            ("saturated", !self.saturated.is_empty()),
            ("bits", !self.bits.is_empty()),
            ("factor_from", self.factor_from.is_some()),
        ];
        for (option, _) in given.iter().filter(|(_, given)| *given) {
            findings
                .error(at.clone().key(*option), format!("a {table} is one bit, so `{option}` means nothing"))
                .help("leave it out");
        }
        let mut layout = Layout::new(Kind::Bool, 1);
        layout.names = self.names_of(&layout, at, findings);
        (findings.0.len() == before).then_some(layout)
    }

    /// How the registers at this address are read.
    pub(super) fn layout(&self, address: Address, at: &At, findings: &mut Findings) -> Option<Layout> {
        let before = findings.0.len();
        let kind = self.kind.unwrap_or(if address.bit.is_some() { Kind::Bit } else { Kind::U16 });
        let part = self.bit_of(address, kind, at, findings);
        let registers = self.registers_of(kind, at, findings);
        let text = self.text_of(kind, at, findings);
        let mut layout = Layout { part, text, ..Layout::new(kind, registers?) };
        if let Some(order) = self.order_of(&layout, at, findings) {
            layout.order = order;
        }
        layout.names = self.names_of(&layout, at, findings);
        layout.sentinels = self.sentinels_of(&layout, at, findings);
        let errors = findings.0.iter().skip(before).any(|found| found.severity == Severity::Error);
        (!errors).then_some(layout)
    }

    fn bit_of(&self, address: Address, kind: Kind, at: &At, findings: &mut Findings) -> Option<Part> {
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
            (Kind::Bit, in_address, own) => return in_address.or(own).map(|first| Part { first, count: None }),
            (_, None, None) => {}
            (_, in_address, _) => {
                let place = if in_address.is_some() { "at" } else { "bit" };
                findings
                    .error(at.clone().key(place), format!("a bit is named, but the tag is read as {}", kind.word()))
                    .help("write `as: bit`, or leave the bit out");
            }
        }
        None
    }

    fn registers_of(&self, kind: Kind, at: &At, findings: &mut Findings) -> Option<u16> {
        let word = kind.word();
        if let Some(registers) = kind.registers() {
            if self.length.is_some() {
                findings
                    .error(at.clone().key("length"), format!("`{word}` has its length by its type"))
                    .help("leave it out, or write `as: string`");
            }
            return Some(registers);
        }
        let (least, most) = if kind == Kind::Mod10k { (2, 4) } else { (1, 125) };
        match self.length {
            Some(length) if (least..=most).contains(&length) => return Some(length),
            Some(length) => {
                let message = format!("{length} is not between {least} and {most} registers");
                findings.error(at.clone().key("length"), message);
            }
            None => {
                let help = match kind {
                    Kind::Mod10k => "write how many registers the number takes, 2 to 4, of four digits each",
                    Kind::Bytes => "write how many registers there are, two bytes each",
                    _ => "write how many registers the text takes, two characters each",
                };
                findings.error(at.clone(), format!("`as: {word}` needs `length`")).help(help);
            }
        }
        None
    }

    fn text_of(&self, kind: Kind, at: &At, findings: &mut Findings) -> TextForm {
        let mut misplaced = |option: &str, message: String, help: &str| {
            findings.error(at.clone().key(option), message).help(help);
        };
        let one = self.chars == Some(1);
        for (option, given) in [("chars", self.chars.is_some()), ("pad", self.pad.is_some())] {
            if given && kind != Kind::String {
                misplaced(
                    option,
                    format!("`{}` has no characters", kind.word()),
                    "leave it out, or write `as: string`",
                );
            }
        }
        if let Some(chars) = self.chars.filter(|chars| !(1..=2).contains(chars)) {
            misplaced("chars", format!("{chars} characters do not fit a register"), "write 1 or 2");
        }
        match (kind, self.half) {
            (_, None) | (Kind::U8 | Kind::I8, _) => {}
            (Kind::String, Some(_)) if one => {}
            (Kind::String, Some(_)) => {
                misplaced(
                    "half",
                    "both halves of each register hold a character".to_owned(),
                    "write `chars: 1` beside it",
                );
            }
            _ => {
                let message = format!("`{}` fills its register, so `half` means nothing", kind.word());
                misplaced("half", message, "leave it out, or write `as: u8` or `as: i8`");
            }
        }
        TextForm { half: one.then(|| self.half.unwrap_or(Half::Low)), pad: self.pad }
    }

    /// `None` for the standard, or if it is wrong.
    fn order_of(&self, layout: &Layout, at: &At, findings: &mut Findings) -> Option<Order> {
        let Some(order) = &self.order else {
            return (layout.kind.bytes(1) == 1).then(|| Order::of_half(self.half.unwrap_or(Half::Low)));
        };
        if layout.text.half.is_some() {
            findings
                .error(at.clone().key("order"), "with one character in each register there is nothing to swap")
                .help("leave it out; `half: high` or `half: low` says where the character lies");
            return None;
        }
        let order = Order::parse(order, layout.kind, layout.registers);
        order.map_err(|problem| report(problem, at.clone().key("order"), findings)).ok()
    }

    fn names_of(&self, layout: &Layout, at: &At, findings: &mut Findings) -> Option<Arc<Names>> {
        if self.names.is_empty() {
            return None;
        }
        let at = at.clone().key("enum");
        let kind = layout.kind;
        if !kind.is_integer() && !matches!(kind, Kind::Bool | Kind::Bit) {
            let message = format!("`{}` has no words: only whole numbers, `bool` and `bit` have", kind.word());
            findings.error(at, message).help("leave `enum` out");
            return None;
        }
        let mut names = Names::default();
        for (number, name) in &self.names {
            let at = at.clone().key(number);
            let Some(parsed) = whole(number) else {
                findings.error(at, format!("`{number}` is not a whole number")).help("write numbers before the words");
                continue;
            };
            let value = u64::try_from(parsed).map_or(Value::I64(parsed as i64), Value::U64);
            if let Err(error) = kind.raw(&value, layout.registers) {
                findings.error(at, error);
            } else if names.0.insert(parsed, name.as_str().into()).is_some() {
                findings.error(at, format!("the number {parsed} is there twice"));
            }
        }
        Some(Arc::new(names))
    }

    fn sentinels_of(&self, layout: &Layout, at: &At, findings: &mut Findings) -> Sentinels {
        let mut sentinels = Sentinels::default();
        for (option, list) in [("invalid", &self.invalid), ("saturated", &self.saturated)] {
            for (index, sentinel) in list.iter().enumerate() {
                let at = at.clone().key(option).index(index);
                let raw = match (sentinel, option) {
                    (Sentinel::Word(NotANumber::Nan), "invalid") if layout.kind.is_float() => {
                        sentinels.nan = true;
                        continue;
                    }
                    (Sentinel::Word(NotANumber::Nan), "saturated") if layout.kind.is_float() => {
                        let help = "write it as `invalid`";
                        Err(Problem::new("what is not a number is no value that could be kept", help))
                    }
                    _ => bits(*sentinel, layout),
                };
                match raw {
                    Err(problem) => report(problem, at, findings),
                    Ok(raw) => {
                        warn_of_tiny(*sentinel, layout, at, findings);
                        let list = if option == "invalid" { &mut sentinels.invalid } else { &mut sentinels.saturated };
                        list.push(raw);
                        if matches!(sentinel, Sentinel::Float(0.0)) {
                            // Zero has two signs.
                            list.push(raw ^ 1 << (8 * u32::from(layout.kind.bytes(0)) - 1));
                        }
                    }
                }
            }
        }
        sentinels
    }
}

/// The bits that a sentinel stands for.
fn bits(sentinel: Sentinel, layout: &Layout) -> Result<u64, Problem> {
    let (kind, word) = (layout.kind, layout.kind.word());
    let width = 8 * u32::from(kind.bytes(layout.registers));
    let of_value = |value: Value| {
        kind.raw(&value, layout.registers).map_err(|error| Problem::new(error, "write a value that the type can hold"))
    };
    match sentinel {
        _ if kind.is_text() => {
            let of = if kind == Kind::String { "a string" } else { "a run of bytes" };
            Err(Problem::new(format!("{of} has no raw value to compare with"), "leave it out"))
        }
        Sentinel::Bits(raw) if raw.checked_shr(width).is_some_and(|above| above != 0) => {
            let help = format!("write its bits as the device sends them, {} hexadecimal digits at most", width / 4);
            Err(Problem::new(format!("{raw:#x} does not fit the {width} bits of {word}"), help))
        }
        Sentinel::Bits(raw) => Ok(raw),
        Sentinel::Negative(value) if kind.is_signed() => of_value(Value::I64(value)),
        Sentinel::Negative(value) if kind.is_float() => Err(Problem::new(
            format!("{value} is neither the bits of a float nor a decimal"),
            format!("write {value}.0 for the value, or its bits in hex"),
        )),
        Sentinel::Negative(value) => Err(Problem::new(
            format!("{value} is below zero, which {word} cannot be"),
            "write the bits, such as 0x8000, or read the tag as a signed type",
        )),
        Sentinel::Float(value) if kind.is_float() => of_value(Value::F64(value)),
        Sentinel::Float(value) => {
            Err(Problem::new(format!("{value} is a decimal, and {word} has none"), "write a whole number"))
        }
        Sentinel::Word(NotANumber::Nan) => {
            Err(Problem::new(format!("every {word} is a number"), "`nan` is for f16, f32 and f64 only"))
        }
    }
}

/// A small whole number is the bits of a float that hardly any device sends: its value was meant.
fn warn_of_tiny(sentinel: Sentinel, layout: &Layout, at: At, findings: &mut Findings) {
    let Sentinel::Bits(raw) = sentinel else { return };
    let fraction = match layout.kind {
        Kind::F16 => 10,
        Kind::F32 => 23,
        Kind::F64 => 52,
        _ => return,
    };
    if raw != 0 && raw >> fraction == 0 {
        findings
            .warning(at, format!("{raw} stands for the bits of a {}, which is next to nothing", layout.kind.word()))
            .help(format!("write {raw}.0 if the value is meant"));
    }
}

/// A whole number as it stands in the file, in hex too.
pub(super) fn whole(text: &str) -> Option<i128> {
    match text.strip_prefix("0x") {
        Some(hex) if hex.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u64::from_str_radix(hex, 16).ok().map(i128::from)
        }
        Some(_) => None,
        None => text.parse::<i64>().map(i128::from).or_else(|_| text.parse::<u64>().map(i128::from)).ok(),
    }
}
