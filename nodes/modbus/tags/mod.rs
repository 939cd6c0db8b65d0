//! The tags of a node: what their options resolve to.
//!
//! | to learn about | read |
//! |---|---|
//! | the options | `options` |
//! | how one value is read | `layout` |
//! | `tags_from: map.csv` | `map`, `csv` |
//!
//! [`Points`] is the one reading of them: `check` and `check_files` report what it finds wrong, `build` and `simulate` take what
//! it makes.

mod csv;
mod layout;
mod map;
mod options;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::time::Duration;

use fieldflow_contract::{At, Carries, Findings};

use self::options::{Bits, FactorFrom};
pub(super) use self::options::{Means, Sentinel, TagOptions};
use super::address::{Address, AddressStyle, Table};
use super::codec::{Kind, Layout, Part};
use super::config::{Config, check_span, report};
use super::plan::Need;

/// One tag: what to ask for, how often, and how to read the answer.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// The tag's name.
    pub(super) name: String,
    /// What it needs.
    pub(super) need: Need,
    /// How its registers become a value, or its bit.
    pub(super) layout: Layout,
    /// How often it is read.
    pub(super) every: Duration,
    /// What its value is multiplied with.
    pub(super) factor: Option<Factor>,
}

/// A register that says what to multiply a value with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Factor {
    table: Table,
    start: u16,
    /// How the register is read.
    pub(super) layout: Layout,
    /// What it says.
    pub(super) means: Means,
}

impl Factor {
    /// What it needs.
    pub(super) fn need(&self) -> Need {
        Need { table: self.table, start: self.start, count: self.layout.registers }
    }
}

impl Config {
    /// The tags of the options, and those of the file that they include if the folder of the pipeline is known. `findings`
    /// has whatever is wrong with one.
    pub(super) fn points(&self, base_dir: Option<&Path>, findings: &mut Findings) -> Vec<Point> {
        let mut points = Points::of_options(self, findings);
        if let Some(base_dir) = base_dir {
            points.add_file(base_dir, findings);
        }
        points.list
    }

    /// What the records of the tags hold. What an included file says is not known here.
    pub(super) fn carries(&self) -> Carries {
        let bytes = self.tags.values().filter(|tag| tag.kind == Some(Kind::Bytes)).count();
        match (bytes, &self.tags_from) {
            (0, None) => Carries::Values,
            (bytes, None) if bytes == self.tags.len() => Carries::Bytes,
            _ => Carries::Any,
        }
    }

    /// Reports what is wrong with the file that the options include, and with nothing else.
    pub(super) fn check_map(&self, base_dir: &Path, findings: &mut Findings) {
        Points::of_options(self, &mut Findings::default()).add_file(base_dir, findings);
    }
}

/// Most tags of one node: one row of a table can name thousands.
const MOST: usize = 65_536;

/// Most twins that are told: nobody reads a thousand of them.
const MOST_TWINS: usize = 1000;

/// The tags that were found so far.
struct Points<'a> {
    node: &'a Config,
    list: Vec<Point>,
    /// Where each of the list comes from.
    origins: Vec<Origin>,
    /// Where each name comes from, of wrong tags too.
    names: HashMap<String, Origin>,
}

/// Where a tag is named.
#[derive(Debug, Clone)]
enum Origin {
    /// Among the options.
    Option(At),
    /// In this line of the file.
    Line(usize),
}

impl<'a> Points<'a> {
    fn of_options(node: &'a Config, findings: &mut Findings) -> Self {
        let mut points = Self { node, list: Vec::new(), origins: Vec::new(), names: HashMap::new() };
        for (name, tag) in &node.tags {
            let at = At::from("tags").key(name);
            points.add(name, tag, &at, &Origin::Option(at.clone()), findings);
        }
        points.warn_of_twins(0, findings);
        points
    }

    /// Adds a tag and those that are derived from it.
    fn add(&mut self, name: &str, tag: &TagOptions, at: &At, origin: &Origin, findings: &mut Findings) {
        if name.is_empty() {
            findings.error(at.clone(), "a tag's name is empty");
        }
        let elements = tag.count.map_or(0, usize::from);
        if MOST < self.list.len() + elements.max(1) + tag.bits.len() {
            findings
                .error(at.clone(), format!("these are more than {MOST} tags"))
                .help("read the others by another node");
            return;
        }
        let point = self.node.point(name, tag, at, findings);
        if elements == 0 {
            self.claim(name, at, origin, findings);
        }
        for (name, bits) in &tag.bits {
            let at = at.clone().key("bits").key(name);
            let part = part_of(*bits, point.as_ref(), &at, findings);
            if name.is_empty() {
                findings.error(at.clone(), "a tag's name is empty");
            }
            self.claim(name, &at, origin, findings);
            if let (Some(point), Some(part)) = (&point, part) {
                let layout = Layout { part: Some(part), names: None, ..point.layout.clone() };
                self.push(Point { name: name.clone(), layout, ..point.clone() }, origin);
            }
        }
        let Some(point) = point else { return };
        for index in 0..elements {
            let name = format!("{name}.{index}");
            self.claim(&name, at, origin, findings);
            // Those past the end of the table are reported.
            let Some(element) = element(&point, index) else { return };
            self.push(Point { name, ..element }, origin);
        }
        if elements == 0 {
            self.push(point, origin);
        }
    }

    fn push(&mut self, point: Point, origin: &Origin) {
        self.list.push(point);
        self.origins.push(origin.clone());
    }

    /// Reports a name that is there already.
    fn claim(&mut self, name: &str, at: &At, origin: &Origin, findings: &mut Findings) {
        match self.names.entry(name.to_owned()) {
            Entry::Vacant(free) => {
                free.insert(match origin {
                    Origin::Option(_) => Origin::Option(at.clone()),
                    Origin::Line(line) => Origin::Line(*line),
                });
            }
            Entry::Occupied(taken) => {
                let first = taken.get().clone();
                let found =
                    findings.error(at.clone(), format!("the tag `{name}` is there twice, see {}", self.shown(&first)));
                if let (Origin::Option(first), Origin::Option(_)) = (first, origin) {
                    found.related(first, "and here");
                }
            }
        }
    }

    /// Tags that will always have the same value are probably a slip of the hand. Looks at those from an index on.
    fn warn_of_twins(&self, from: usize, findings: &mut Findings) {
        let mut first_of = HashMap::new();
        for (index, (point, origin)) in self.list.iter().zip(&self.origins).enumerate() {
            let place = (point.need.table, point.need.start, &point.layout, &point.factor);
            let first: usize = *first_of.entry(place).or_insert(index);
            let (Some(twin), Some(its_origin)) = (self.list.get(first), self.origins.get(first)) else { continue };
            if first == index || index < from || MOST_TWINS < findings.0.len() {
                continue;
            }
            let message = format!("`{}` and `{}` are the same value of the device", twin.name, point.name);
            match (origin, its_origin) {
                (Origin::Option(at), Origin::Option(first)) if at != first => {
                    findings
                        .warning(at.clone(), message)
                        .related(first.clone(), "the same place, read in the same way");
                }
                (Origin::Option(at), _) => {
                    findings.warning(at.clone(), message);
                }
                (Origin::Line(line), first) => {
                    let message = format!("{}: {message}, see {}", self.line(*line), self.shown(first));
                    findings.warning("tags_from", message);
                }
            }
        }
    }
}

impl Config {
    fn point(&self, name: &str, tag: &TagOptions, at: &At, findings: &mut Findings) -> Option<Point> {
        let every = tag.every.unwrap_or(self.every);
        if let Some(every) = tag.every {
            check_span(every, at.clone().key("every"), findings);
        }
        let (need, layout) = tag.place(self.address_style, at, findings)?;
        if !need.table.is_bits() && self.registers_per_request < need.count {
            let most = self.registers_per_request;
            findings
                .error(
                    at.clone(),
                    format!("the value takes {} registers, but one request may ask for {most} only", need.count),
                )
                .related("registers_per_request", "the limit");
        }
        let factor = match &tag.factor_from {
            Some(from) => Some(self.factor(from, tag, &layout, &at.clone().key("factor_from"), findings)?),
            None => None,
        };
        let point = Point { name: name.to_owned(), need, layout, every: every.0, factor };
        check_end(&point, tag, at, findings);
        Some(point)
    }

    fn address(&self, text: &str, at: &At, findings: &mut Findings) -> Option<Address> {
        let address = Address::parse(text, self.address_style);
        address.map_err(|problem| report(problem, at.clone().key("at"), findings)).ok()
    }

    fn factor(
        &self,
        from: &FactorFrom,
        tag: &TagOptions,
        of: &Layout,
        at: &At,
        findings: &mut Findings,
    ) -> Option<Factor> {
        let refused = if !tag.names.is_empty() {
            Some("`enum`")
        } else if !tag.bits.is_empty() {
            Some("`bits`")
        } else {
            Some(of.kind.word()).filter(|_| !(of.kind.is_integer() || of.kind.is_float()))
        };
        if let Some(refused) = refused {
            findings.error(at.clone(), format!("{refused} cannot be multiplied")).help("leave `factor_from` out");
        }
        let address = self.address(&from.at, at, findings)?;
        let kind = from.kind.unwrap_or(Kind::I16);
        if address.table.is_bits() || address.bit.is_some() {
            findings.error(at.clone().key("at"), "a bit is no factor").help("write the address of a register");
            return None;
        }
        if !(kind.is_integer() || kind.is_float()) || kind == Kind::Mod10k {
            findings
                .error(at.clone().key("as"), format!("`{}` is no factor", kind.word()))
                .help("write a type of numbers");
            return None;
        }
        let options = TagOptions {
            kind: Some(kind),
            order: from.order.clone(),
            invalid: from.invalid.clone(),
            ..TagOptions::default()
        };
        let factor = Factor {
            table: address.table,
            start: address.start,
            layout: options.layout(address, at, findings)?,
            means: from.means,
        };
        if 65_536 < factor.need().end() {
            findings.error(at.clone().key("at"), "the value ends past the last address 65535");
        }
        if self.registers_per_request < factor.layout.registers {
            findings
                .error(
                    at.clone(),
                    format!("the factor takes {} registers, more than one request asks for", factor.layout.registers),
                )
                .related("registers_per_request", "the limit");
        }
        Some(factor)
    }
}

impl TagOptions {
    /// Where the value lies and how its registers are read; `findings` has what is wrong.
    pub(super) fn place(
        &self,
        style: Option<AddressStyle>,
        at: &At,
        findings: &mut Findings,
    ) -> Option<(Need, Layout)> {
        let address = Address::parse(&self.at, style);
        let address = address.map_err(|problem| report(problem, at.clone().key("at"), findings)).ok()?;
        let layout = if address.table.is_bits() {
            self.bit_layout(address, at, findings)
        } else {
            self.layout(address, at, findings)
        }?;
        Some((Need { table: address.table, start: address.start, count: layout.registers }, layout))
    }
}

/// Reports a value, or a run of them, that goes past the end of its table.
fn check_end(point: &Point, tag: &TagOptions, at: &At, findings: &mut Findings) {
    let elements = tag.count.unwrap_or(1);
    if elements == 0 {
        findings.error(at.clone().key("count"), "no value").help("write how many there are, or leave it out");
    }
    if tag.count.is_some() && !tag.bits.is_empty() {
        findings.error(at.clone().key("bits"), "the bits of several values have no names of their own").help(
            "leave `count` out and write a tag for each value, or read single bits: `at: \"holding:5.0\"` with `count`",
        );
    }
    let need = point.need;
    let bits = u32::from(point.layout.part.map_or(0, |part| part.first));
    let last = match point.layout.kind {
        Kind::Bit => u32::from(need.start) + (bits + u32::from(elements).saturating_sub(1)) / 16,
        _ => u32::from(need.start) + (u32::from(need.count) * u32::from(elements)).saturating_sub(1),
    };
    if last < 65_536 {
        return;
    }
    let found = if elements == 1 {
        findings.error(at.clone().key("at"), format!("the value ends at {last}, past the last address 65535"))
    } else {
        findings.error(at.clone().key("count"), format!("the last value ends at {last}, past the last address 65535"))
    };
    if elements == 1 {
        let begin = 65_536 - u32::from(need.count);
        found.help(format!("a value of {} registers begins at {begin} or below", need.count));
    }
}

/// The value so many places behind this one.
fn element(first: &Point, index: usize) -> Option<Point> {
    let mut point = first.clone();
    let places = match (point.layout.kind, point.layout.part) {
        (Kind::Bit, Some(part)) => {
            let bit = usize::from(part.first) + index;
            point.layout.part = Some(Part { first: (bit % 16) as u8, ..part });
            bit / 16
        }
        _ => index * usize::from(point.need.count),
    };
    point.need.start = point.need.start.checked_add(u16::try_from(places).ok()?)?;
    Some(point)
}

/// The bits of a field; `point` is the value that they are of, if it could be made out.
fn part_of(bits: Bits, point: Option<&Point>, at: &At, findings: &mut Findings) -> Option<Part> {
    let kind = point?.layout.kind;
    let part = match bits {
        Bits::One(first) => Part { first, count: None },
        Bits::Several(first, count) => Part { first, count: Some(count) },
    };
    if !kind.is_unsigned() {
        let message = format!("`{}` has no bits to tell apart", kind.word());
        findings.error(at.clone(), message).help("read the tag as u16, u32 or another unsigned type");
        return None;
    }
    let width = 8 * kind.bytes(0);
    let count = part.count.unwrap_or(1);
    if count == 0 || width < count || width - count < part.first {
        let message = match bits {
            Bits::One(first) => format!("{} has no bit {first}", kind.word()),
            Bits::Several(_, 0) => "a number of 0 bits says nothing".to_owned(),
            Bits::Several(first, count) => format!("{} has no {count} bits from bit {first} on", kind.word()),
        };
        findings.error(at.clone(), message).help(format!("bits count from 0, the least, to {}", width - 1));
        return None;
    }
    Some(part)
}
