//! `tags_from: map.csv`: the tags of a table, one a row, with columns that are called like the options of a tag.
//!
//! A list in a cell is written with `|` between its elements: `0x8000|0x7FFF`, `0=off|1=on`, `pump.run=0|pump.mode=4:2`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::str::FromStr;

use fieldflow_contract::{At, Finding, Findings, Severity, Step};

use super::csv::{self, Row};
use super::options::{Bits, FactorFrom, Means, NotANumber, Sentinel, TagOptions};
use super::{Origin, Points};
use crate::modbus::address::Problem;
use crate::modbus::codec::{Half, Kind, Pad};

/// The columns that there can be.
pub(super) const COLUMNS: [&str; 20] = [
    "tag",
    "at",
    "as",
    "bit",
    "half",
    "length",
    "chars",
    "pad",
    "order",
    "count",
    "every",
    "invalid",
    "saturated",
    "enum",
    "bits",
    "factor_from",
    "factor_from.as",
    "factor_from.order",
    "factor_from.means",
    "factor_from.invalid",
];

/// Most bytes of a table: room for more tags than a device has places.
const LARGEST: u64 = 16 << 20;
/// Most findings about one file: a column that is wrong is wrong in every row.
const MOST_FINDINGS: usize = 30;

#[cfg(feature = "fuzzing")]
impl crate::modbus::config::Config {
    /// The tags of an included file that holds this.
    #[cfg(feature = "fuzzing")]
    pub(in crate::modbus) fn points_of_table(&self, text: &str, findings: &mut Findings) -> Vec<super::Point> {
        let mut points = Points::of_options(self, findings);
        points.add_table("map.csv", Ok(text.to_owned()), findings);
        points.list
    }
}

impl Points<'_> {
    /// Adds the tags of the file that the options include, if they include one.
    pub(super) fn add_file(&mut self, base_dir: &Path, findings: &mut Findings) {
        if let Some(name) = self.node.tags_from.as_deref() {
            self.add_table(name, read(name, base_dir), findings);
        }
    }

    /// Adds the tags of a table, if it could be read.
    pub(super) fn add_table(&mut self, name: &str, text: Result<String, String>, findings: &mut Findings) {
        let before = self.list.len();
        let mut found = Findings::default();
        match text {
            Err(message) => {
                found.error("tags_from", message);
            }
            Ok(text) => match csv::rows(&text) {
                Err((line, problem)) => {
                    found.error("tags_from", format!("{name}:{line}: {}", problem.message)).help(problem.help);
                }
                Ok(rows) => self.add_rows(&rows, &mut found),
            },
        }
        self.warn_of_twins(before, &mut found);
        let more = found.0.len().saturating_sub(MOST_FINDINGS);
        let errors = found.0.iter().skip(MOST_FINDINGS).any(|found| found.severity == Severity::Error);
        findings.0.extend(found.0.into_iter().take(MOST_FINDINGS));
        let message = format!("{name}: {more} more of the kind");
        match (more, errors) {
            (0, _) => {}
            (_, true) => drop(findings.error("tags_from", message)),
            (_, false) => drop(findings.warning("tags_from", message)),
        }
    }

    /// Where a tag is named, for people.
    pub(super) fn shown(&self, origin: &Origin) -> String {
        match origin {
            Origin::Option(at) => format!("`{at}`"),
            Origin::Line(line) => self.line(*line),
        }
    }

    /// `map.csv:17`
    pub(super) fn line(&self, line: usize) -> String {
        format!("{}:{line}", self.node.tags_from.as_deref().unwrap_or_default())
    }

    fn add_rows(&mut self, rows: &[Row], findings: &mut Findings) {
        let file = self.node.tags_from.clone().unwrap_or_default();
        let Some((header, rows)) = rows.split_first() else {
            findings.error("tags_from", format!("{file} is empty")).help("its first row has the names of its columns");
            return;
        };
        let before = findings.0.len();
        check_header(&file, header, findings);
        if findings.0.len() != before {
            return;
        }
        if rows.is_empty() {
            findings
                .error("tags_from", format!("{file} has no tag"))
                .help("write one a row, below the names of the columns");
        }
        for row in rows {
            let mut found = Findings::default();
            self.add_row(&header.cells, row, &mut found);
            for one in found.0 {
                findings.0.push(in_file(one, &self.line(row.line)));
            }
        }
    }

    fn add_row(&mut self, columns: &[String], row: &Row, findings: &mut Findings) {
        if columns.len() < row.cells.len() {
            let message = format!("{} cells, but {} columns", row.cells.len(), columns.len());
            findings.error(At::root(), message).help("put a cell that has the separator in it in quotes");
            return;
        }
        let (mut name, mut tag, mut factor) = ("", TagOptions::default(), None);
        for (column, cell) in columns.iter().zip(&row.cells).filter(|(_, cell)| !cell.is_empty()) {
            let put = match column.as_str() {
                "tag" => {
                    name = cell;
                    Ok(())
                }
                column if column.starts_with("factor_from") => put_factor(&mut factor, column, cell),
                column => put(&mut tag, column, cell),
            };
            if let Err(problem) = put {
                findings.error(column.as_str(), problem.message).help(problem.help);
            }
        }
        for (column, cell) in [("tag", name), ("at", &tag.at)] {
            if cell.is_empty() {
                findings.error(column, "the cell is empty");
            }
        }
        if factor.as_ref().is_some_and(|factor| factor.at.is_empty()) {
            findings
                .error("factor_from", "the cell is empty, but others are about the factor")
                .help("write its address");
        }
        if !findings.0.is_empty() {
            return;
        }
        tag.factor_from = factor;
        self.add(name, &tag, &At::root(), &Origin::Line(row.line), findings);
    }
}

fn read(name: &str, base_dir: &Path) -> Result<String, String> {
    let path = base_dir.join(name);
    let unreadable = |error: &dyn std::fmt::Display| format!("{} cannot be read: {error}", path.display());
    // A pipe or a device could be read for ever.
    if std::fs::metadata(&path).is_ok_and(|data| !data.is_file()) {
        return Err(unreadable(&"it is no file"));
    }
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    read.map_err(|error| unreadable(&error))?;
    if LARGEST < bytes.len() as u64 {
        return Err(format!("{} is larger than {} MiB", path.display(), LARGEST >> 20));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        let line = valid.split(|byte| *byte == b'\n').count();
        format!("{name}:{line}: what stands here is not UTF-8; save the table as \"CSV UTF-8\"")
    })
}

fn check_header(file: &str, header: &Row, findings: &mut Findings) {
    let at = format!("{file}:{}", header.line);
    for (index, column) in header.cells.iter().enumerate() {
        if !COLUMNS.contains(&column.as_str()) {
            let message = if column.is_empty() {
                format!("{at}: column {} has no name", index + 1)
            } else {
                format!("{at}: there is no column `{column}`")
            };
            findings.error("tags_from", message).help(format!("known columns: {}", COLUMNS.join(", ")));
        } else if header.cells.iter().take(index).any(|other| other == column) {
            findings.error("tags_from", format!("{at}: the column `{column}` is there twice"));
        }
    }
    for needed in ["tag", "at"] {
        if !header.cells.iter().any(|column| column == needed) {
            findings
                .error("tags_from", format!("{at}: the column `{needed}` is missing"))
                .help("the first row has the names of the columns");
        }
    }
}

/// A finding about a row, as one about the file: `map.csv:17: order: …`.
fn in_file(found: Finding, line: &str) -> Finding {
    let column = match found.at.0.first() {
        Some(Step::Key(option)) => format!("{option}: "),
        _ => String::new(),
    };
    Finding {
        at: "tags_from".into(),
        message: format!("{line}: {column}{}", found.message),
        // Another place of the same row; the line says it.
        related: found.related.filter(|(at, _)| *at == At::from("registers_per_request")),
        ..found
    }
}

fn put(tag: &mut TagOptions, column: &str, cell: &str) -> Result<(), Problem> {
    match column {
        "at" => cell.clone_into(&mut tag.at),
        "as" => tag.kind = Some(kind(cell)?),
        "bit" => tag.bit = Some(number(cell)?),
        "half" => tag.half = Some(word(cell, &[("high", Half::High), ("low", Half::Low)])?),
        "length" => tag.length = Some(number(cell)?),
        "chars" => tag.chars = Some(number(cell)?),
        "pad" => tag.pad = Some(word(cell, &[("nul", Pad::Nul), ("space", Pad::Space)])?),
        "order" => tag.order = Some(cell.to_owned()),
        "count" => tag.count = Some(number(cell)?),
        "every" => {
            let wrong = |error: fieldflow_contract::UnitError| Problem::new(error.to_string(), "such as 500ms");
            tag.every = Some(cell.parse().map_err(wrong)?);
        }
        "invalid" => tag.invalid = list(cell, sentinel)?,
        "saturated" => tag.saturated = list(cell, sentinel)?,
        "enum" => tag.names = map(list(cell, pair)?)?,
        "bits" => tag.bits = map(list(cell, bits)?)?,
        _ => {}
    }
    Ok(())
}

fn put_factor(factor: &mut Option<FactorFrom>, column: &str, cell: &str) -> Result<(), Problem> {
    let factor = factor.get_or_insert_with(|| FactorFrom {
        at: String::new(),
        kind: None,
        order: None,
        means: Means::default(),
        invalid: Vec::new(),
    });
    match column {
        "factor_from" => cell.clone_into(&mut factor.at),
        "factor_from.as" => factor.kind = Some(kind(cell)?),
        "factor_from.order" => factor.order = Some(cell.to_owned()),
        "factor_from.means" => {
            factor.means = word(cell, &[("exponent", Means::Exponent), ("factor", Means::Factor)])?;
        }
        "factor_from.invalid" => factor.invalid = list(cell, sentinel)?,
        _ => {}
    }
    Ok(())
}

fn kind(cell: &str) -> Result<Kind, Problem> {
    Kind::of_word(cell).ok_or_else(|| {
        let words: Vec<&str> = Kind::ALL.iter().map(|(_, word)| *word).collect();
        Problem::new(format!("there is no type `{cell}`"), format!("known types: {}", words.join(", ")))
    })
}

fn word<T: Copy>(cell: &str, known: &[(&str, T)]) -> Result<T, Problem> {
    known.iter().find(|(word, _)| *word == cell).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
        Problem::new(format!("`{cell}` is not known here"), format!("write {}", words.join(" or ")))
    })
}

fn number<T: FromStr>(cell: &str) -> Result<T, Problem> {
    cell.parse().map_err(|_| Problem::new(format!("`{cell}` is not a number that fits here"), "write a whole number"))
}

fn list<T>(cell: &str, parse: impl Fn(&str) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
    cell.split('|').map(|element| parse(element.trim())).collect()
}

fn map<T>(pairs: Vec<(String, T)>) -> Result<BTreeMap<String, T>, Problem> {
    let mut map = BTreeMap::new();
    for (name, value) in pairs {
        let twice = Problem::new(format!("`{name}` is there twice"), "leave one of them out");
        if map.insert(name, value).is_some() {
            return Err(twice);
        }
    }
    Ok(map)
}

fn sentinel(text: &str) -> Result<Sentinel, Problem> {
    if text == "nan" {
        return Ok(Sentinel::Word(NotANumber::Nan));
    }
    if let Some(whole) = super::layout::whole(text) {
        return Ok(u64::try_from(whole).map_or(Sentinel::Negative(whole as i64), Sentinel::Bits));
    }
    let is_decimal = text.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    text.parse().ok().filter(|value: &f64| is_decimal && value.is_finite()).map(Sentinel::Float).ok_or_else(|| {
        Problem::new(
            format!("`{text}` is not a raw value"),
            "write 0x8000, or several with | between them: 0x8000|0x7FFF",
        )
    })
}

/// `0=off`
fn pair(text: &str) -> Result<(String, String), Problem> {
    text.split_once('=')
        .map(|(number, name)| (number.trim().to_owned(), name.trim().to_owned()))
        .ok_or_else(|| Problem::new(format!("`{text}` is not a number with its word"), "write 0=off|1=on"))
}

/// `pump.run=0` or `pump.mode=4:2`
fn bits(text: &str) -> Result<(String, Bits), Problem> {
    let parse = || {
        let (name, place) = text.split_once('=')?;
        let bits = match place.split_once(':') {
            None => Bits::One(place.trim().parse().ok()?),
            Some((first, count)) => Bits::Several(first.trim().parse().ok()?, count.trim().parse().ok()?),
        };
        Some((name.trim().to_owned(), bits))
    };
    parse().ok_or_else(|| {
        Problem::new(
            format!("`{text}` is not a tag with its bit"),
            "write pump.run=0 for a bit, pump.mode=4:2 for two bits from bit 4 on",
        )
    })
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
