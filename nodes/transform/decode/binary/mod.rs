//! Binary frames: the options, and what they resolve to.

mod frame;

use fieldflow_contract::{At, Findings};
use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use self::frame::Reader;
use self::frame::{Item, Number, Plan, What};
use super::MOST_RECORDS;
use super::head::TimeFormat;
use super::names::{self, Name, Names};
use crate::transform::kit::decimal::Line;
use crate::transform::kit::endian::Endian;

/// The fields of a frame, in order.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(in crate::transform) struct Options {
    /// Which byte of a number comes first: of the `big` end, as networks do, or of the `little` end. Default `big`.
    #[serde(default = "Endian::big")]
    endian: Endian,
    /// The fields, at least one. Each stands right behind the one before it, unless it has an `at`.
    #[schemars(length(min = 1))]
    fields: Vec<Field>,
    /// The name of the field that holds the time of all records, since 1970. It is a value too, unless it has `skip: true`.
    /// The uptime of a device is no time: leave it a value. Default: the time of the incoming record.
    #[serde(default)]
    time: Option<String>,
    /// How that time is written. Default `auto`.
    #[serde(default)]
    time_format: TimeFormat,
    /// The name of the field that holds the quality of all records: an OPC UA status code, or, if it is a boolean, `true` for
    /// good. It is a value too, unless it has `skip: true`. Default: good.
    #[serde(default)]
    quality: Option<String>,
    /// What to do with a frame that goes on behind its last field: `reject` it, because it is not the frame that was
    /// described, or `ignore` what is left. Default `reject`.
    #[serde(default)]
    rest: Rest,
}

/// One field of a frame.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::transform) struct Field {
    /// What it is called, as in the description of the device.
    name: String,
    /// Its type: integers of 8 to 64 bits, unsigned (`u16`) or signed (`i16`); IEEE floats `f32` and `f64`; `bool`, a byte that
    /// is not 0; `bytes`; `text` in UTF-8, up to its first NUL.
    #[serde(rename = "as")]
    kind: Kind,
    /// Which byte comes first, if not as in the whole frame.
    #[serde(default)]
    endian: Option<Endian>,
    /// Where it begins, in bytes from the start of the frame, or from its end if negative. Fields may lie over each other.
    /// Default: right behind the field before it.
    #[serde(default)]
    at: Option<i64>,
    /// Only with `bytes` and `text`: how many bytes, or, if negative, all but the last so many. Default: all that is left.
    #[serde(default)]
    length: Option<i64>,
    /// Only with integers: which bits of it, counted from 0, the least. One number is a flag, and becomes a boolean; `[4, 3]`
    /// are the three bits from bit 4 on, as an integer, signed if the type is.
    #[serde(default)]
    bits: Option<Bits>,
    /// What the number is multiplied by; the result is a double, decimal-exact as in `scale`. Default 1.
    #[serde(default)]
    factor: Option<f64>,
    /// What is added after that. Default 0.
    #[serde(default)]
    offset: Option<f64>,
    /// How many values of this type stand behind each other. Default 1.
    #[serde(default)]
    #[schemars(range(min = 1))]
    count: Option<usize>,
    /// The tag of its records; `{tag}` is the tag that the frame came with, `{name}` the name of the field, `{index}` the
    /// number of the value, from 0, where there are several. Default `{tag}.{name}`, or `{tag}.{name}.{index}` with `count`.
    #[serde(default)]
    tag: Option<String>,
    /// Whether it gives no record: padding, or a field that is only the time or the quality. Default false.
    #[serde(default)]
    skip: bool,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U24,
    I24,
    U32,
    I32,
    U48,
    I48,
    U64,
    I64,
    F32,
    F64,
    Bool,
    Bytes,
    Text,
}

impl Kind {
    /// How many bytes; `None` for those that are as long as they are.
    fn width(self) -> Option<usize> {
        Some(match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U24 | Self::I24 => 3,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U48 | Self::I48 => 6,
            Self::U64 | Self::I64 | Self::F64 => 8,
            Self::Bytes | Self::Text => return None,
        })
    }

    fn is_signed(self) -> bool {
        matches!(self, Self::I8 | Self::I16 | Self::I24 | Self::I32 | Self::I48 | Self::I64)
    }

    fn is_integer(self) -> bool {
        !matches!(self, Self::F32 | Self::F64 | Self::Bool | Self::Bytes | Self::Text)
    }
}

/// What to do with what is left of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Rest {
    #[default]
    Reject,
    Ignore,
}

/// One bit, or the first of some and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
enum Bits {
    One(u32),
    Some([u32; 2]),
}

impl Options {
    /// Whether a field leaves as raw bytes.
    pub(super) fn gives_bytes(&self) -> bool {
        self.fields.iter().any(|field| field.kind == Kind::Bytes && !field.skip)
    }

    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Reader> {
        let at = At::from("binary");
        let before = findings.0.len();
        let mut names = Vec::new();
        let mut items = Vec::new();
        let mut is_open = None;
        for (n, field) in self.fields.iter().enumerate() {
            let at = at.clone().key("fields").index(n);
            field.check(&at, findings);
            self.check_name(n, &at, findings);
            if let (None, Some(open)) = (field.at, is_open) {
                let message =
                    format!("nothing is left behind a field that takes all, and `{}` stands there", field.name);
                findings
                    .error(at.clone(), message)
                    .related(At::from("binary").key("fields").index(open), "it takes all that is left")
                    .help("give that one a `length`, which may be negative: all but the last so many bytes");
            }
            is_open = (field.kind.width().is_none() && field.length.is_none()).then_some(n);
            let first = field.name(&at, findings, &mut names);
            items.push(field.item(self.endian, first));
        }
        if names.is_empty() && before == findings.0.len() {
            findings
                .error(at.clone().key("fields"), "no field gives a record")
                .help("take `skip` off the ones you want");
        }
        if MOST_RECORDS < self.fields.iter().map(Field::values).fold(0, usize::saturating_add) {
            findings.error(at.clone().key("fields"), format!("more than {MOST_RECORDS} values in one frame"));
        }
        let time = self.role("time", self.time.as_ref(), findings);
        let quality = self.role("quality", self.quality.as_ref(), findings);
        if time.is_some() && time == quality {
            findings
                .error(at.clone().key("quality"), "one field cannot be both the time and the quality")
                .related(at.clone().key("time"), "the field is the time already");
        }
        if self.time.is_none() && self.time_format != TimeFormat::Auto {
            findings.error(at.key("time_format"), "a format, but no time").help("say by `time` which field it is");
        }
        (findings.0.len() == before).then(|| Reader {
            names: Names::new(names),
            plan: Plan { items, time, format: self.time_format, quality, takes_rest: self.rest == Rest::Ignore },
        })
    }

    fn check_name(&self, n: usize, at: &At, findings: &mut Findings) {
        let field = &self.fields[n];
        if field.name.is_empty() {
            findings.error(at.clone().key("name"), "the name of a field is empty");
        }
        let same = |other: &&Field| !other.skip && other.tag == field.tag && other.name == field.name;
        if !field.skip && self.fields[..n].iter().any(|other| same(&other)) {
            findings
                .error(at.clone().key("name"), format!("a field `{}` is there already", field.name))
                .help("two fields that give the same tag cannot be told apart; padding takes `skip: true`");
        }
        let is_fixed = |tag: &&String| !tag.contains("{name}");
        let first =
            self.fields[..n].iter().position(|other| !other.skip && other.tag == field.tag && other.name != field.name);
        if let Some((tag, first)) = field.tag.as_ref().filter(is_fixed).zip(first).filter(|_| !field.skip) {
            findings
                .error(at.clone().key("tag"), format!("a field with the tag `{tag}` is there already"))
                .related(At::from("binary").key("fields").index(first), "the other one");
        }
    }

    /// The field that is the time or the quality.
    fn role(&self, option: &str, name: Option<&String>, findings: &mut Findings) -> Option<usize> {
        let name = name?;
        let at = At::from("binary").key(option);
        let Some(n) = self.fields.iter().position(|field| field.name == *name) else {
            let known: Vec<&str> = self.fields.iter().map(|field| field.name.as_str()).collect();
            findings
                .error(at, format!("no field has the name `{name}`"))
                .help(format!("known are {}", known.join(" ")));
            return None;
        };
        let field = &self.fields[n];
        let fits = match (option, field.kind) {
            (_, Kind::Bytes) => false,
            ("time", kind) => kind != Kind::Bool && !matches!(field.bits, Some(Bits::One(_))),
            (_, kind) => !matches!(kind, Kind::F32 | Kind::F64) && field.factor.or(field.offset).is_none(),
        };
        if !fits || field.values() != 1 {
            findings
                .error(at, format!("`{name}` cannot be the {option}"))
                .related(At::from("binary").key("fields").index(n), "it is this field")
                .help("one number is wanted there");
        }
        Some(n)
    }
}

impl Field {
    fn values(&self) -> usize {
        self.count.unwrap_or(1)
    }

    fn check(&self, at: &At, findings: &mut Findings) {
        let mut wrong = |option: &str, message: String, help: &str| {
            findings.error(at.clone().key(option), message).help(help);
        };
        match self.kind.width() {
            Some(_) if self.length.is_some() => {
                wrong(
                    "length",
                    "only `bytes` and `text` have a length".to_owned(),
                    "`count` says how many values there are",
                );
            }
            None if self.length == Some(0) => {
                wrong("length", "a field of no length".to_owned(), "leave it out to take all that is left");
            }
            None if self.count.is_some() => {
                wrong(
                    "count",
                    "`bytes` and `text` are one value each".to_owned(),
                    "`length` says how many bytes it has",
                );
            }
            _ => {}
        }
        if self.count == Some(0) {
            wrong("count", "no value at all".to_owned(), "leave it out for one value");
        }
        let width = self.kind.width().unwrap_or(0) as u32 * 8;
        match self.bits {
            Some(_) if !self.kind.is_integer() => {
                wrong("bits", "only integers have bits to take".to_owned(), "use u8, u16, u32 or u64 for flags");
            }
            Some(Bits::One(bit)) if width <= bit => {
                wrong("bits", format!("bit {bit} of {width}"), "bits count from 0, the least");
            }
            Some(Bits::Some([from, count])) if count == 0 || width < from.saturating_add(count) => {
                wrong(
                    "bits",
                    format!("{count} bits from bit {from} on, of {width}"),
                    "say [from, how many], from 0, the least",
                );
            }
            _ => {}
        }
        for (option, number) in [("factor", self.factor), ("offset", self.offset)] {
            let Some(number) = number else { continue };
            let is_number = self.kind.width().is_some() && self.kind != Kind::Bool;
            if !is_number || matches!(self.bits, Some(Bits::One(_))) {
                wrong(option, "only numbers can be scaled".to_owned(), "leave it out");
            } else if !number.is_finite() {
                wrong(option, "an ordinary number is wanted here, neither NaN nor infinite".to_owned(), "such as 0.1");
            } else if option == "factor" && number == 0.0 {
                wrong(option, "a factor of 0 makes every value the offset".to_owned(), "leave it out for 1");
            }
        }
        if self.skip && self.tag.is_some() {
            wrong("tag", "a field that is skipped has no tag".to_owned(), "leave one of the two out");
        }
    }

    /// Adds the names of its values; gives the number of the first.
    fn name(&self, at: &At, findings: &mut Findings, all: &mut Vec<Name>) -> Option<usize> {
        if self.skip {
            return None;
        }
        let is_many = self.count.is_some();
        let usual = if is_many { "{tag}.{name}.{index}" } else { "{tag}.{name}" };
        let at = at.clone().key("tag");
        let text = self.tag.as_deref().unwrap_or(usual);
        let template = names::parse(text, &[Name::TAG, Name::NAME, Name::INDEX], &at, findings)?;
        if is_many != names::has(&template, Name::INDEX) {
            let message = if is_many { "all values would have one tag" } else { "there is one value only" };
            let help = if is_many { "put `{index}` into the tag" } else { "leave `{index}` out" };
            findings.error(at, message).help(help);
            return None;
        }
        let first = all.len();
        let values = self.values().min(MOST_RECORDS);
        all.extend((0..values).map(|index| Name::of_field(template.clone(), &self.name, index)));
        Some(first)
    }

    fn item(&self, endian: Endian, first: Option<usize>) -> Item {
        let what = match (self.kind.width(), self.kind) {
            (None, Kind::Text) => What::Text(self.length),
            (None, _) => What::Bytes(self.length),
            (Some(width), kind) => {
                let (from, bits) = match self.bits {
                    None => (0, width as u32 * 8),
                    Some(Bits::One(bit)) => (bit, 1),
                    Some(Bits::Some([from, count])) => (from, count),
                };
                What::Number(Box::new(Number {
                    width,
                    is_little: self.endian.unwrap_or(endian) == Endian::Little,
                    kind,
                    is_signed: kind.is_signed(),
                    is_flag: matches!(self.bits, Some(Bits::One(_))),
                    from,
                    bits,
                    line: (self.factor.or(self.offset).is_some())
                        .then(|| Line::linear(self.factor.unwrap_or(1.0), self.offset.unwrap_or(0.0))),
                }))
            }
        };
        Item { at: self.at, what, count: self.values().min(MOST_RECORDS), first }
    }
}
