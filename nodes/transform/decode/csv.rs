//! Payloads of CSV: values by their columns, one group of records for each row.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fieldflow_contract::{At, Findings, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::head::{Head, Missing, TimeFormat, number};
use super::names::{self, Here, Name, Names};
use super::{Into, Why};
use crate::transform::kit::csv::{Fault, MOST_FIELDS, row};

/// Values by their columns. What looks like a number becomes one (`007` is 7), `true` and `false` become booleans, the rest is
/// text. An empty field is a missing value; an empty line is skipped; spaces around a field do not count unless it is quoted.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(super) struct Options {
    /// What stands between two fields: one character, such as `;` or `"\t"`. Default `,`.
    #[serde(default = "comma")]
    delimiter: char,
    /// The sign between a number's whole part and its fraction: `.` or `,`. Default `.`.
    #[serde(default = "point")]
    decimal: char,
    /// Whether the first row of each payload holds the names of the columns. Default false.
    #[serde(default)]
    header: bool,
    /// The names of the columns, in order, where there is no header. Default: columns go by number.
    #[serde(default)]
    columns: Vec<String>,
    /// What to read: the name of each tag, and the column of its value, by name or by number from 0. The name may hold `{tag}`
    /// and its parts such as `{tag[1]}`, and `{name}`, which comes from the row. Records leave row by row, in the order of
    /// these names. At least one.
    #[schemars(extend("minProperties" = 1))]
    tags: BTreeMap<String, Column>,
    /// The column of the text that `{name}` stands for. Default: none.
    #[serde(default)]
    name: Option<Column>,
    /// The column of the time. Default, and where it is empty: the time of the incoming record.
    #[serde(default)]
    time: Option<Column>,
    /// How that time is written. Default `auto`.
    #[serde(default)]
    time_format: TimeFormat,
    /// The column of the quality: a word of fieldflow such as `bad:timeout`, an OPC UA status code, or `true` for good and
    /// `false` for bad; numbers from 1 to 65535, as of classic OPC, are no such codes and are rejected as `quality`. Where it is
    /// empty: good. A bad row without any value makes all its tags bad.
    #[serde(default)]
    quality: Option<Column>,
    /// What to do where a field is empty or its column is not there. Default `skip`; a payload in which no value is found at
    /// all is rejected. With `reject`, the time and the quality must be there too.
    #[serde(default)]
    missing: Missing,
}

/// A column, by number from 0 or by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub(super) enum Column {
    Number(usize),
    Name(String),
}

fn comma() -> char {
    ','
}
fn point() -> char {
    '.'
}

impl Options {
    pub(super) fn resolve(&self, findings: &mut Findings) -> Option<Reader> {
        let at = At::from("csv");
        let before = findings.0.len();
        self.check_signs(&at, findings);
        let (mut columns, mut names) = (Vec::new(), Vec::new());
        let mut asks = None;
        for (name, column) in &self.tags {
            let at = at.clone().key("tags").key(name);
            let template = names::parse(name, &[Name::TAG, Name::NAME], &at, findings);
            self.check_column(column, &at, findings);
            if let Some(template) = template {
                asks = asks.or_else(|| names::has(&template, Name::NAME).then_some(at));
                names.push(Name::new(template));
                columns.push(self.place(column));
            }
        }
        if self.tags.is_empty() {
            findings.error(at.clone().key("tags"), "no tag is read").help("name at least one tag and its column");
        }
        for (option, column) in [("name", &self.name), ("time", &self.time), ("quality", &self.quality)] {
            if let Some(column) = column {
                self.check_column(column, &at.clone().key(option), findings);
            }
        }
        match asks {
            Some(at) if self.name.is_none() => {
                findings.error(at, "`{name}` stands for nothing here").help("say by `name` in which column it stands");
            }
            None if self.name.is_some() => {
                findings
                    .error(at.clone().key("name"), "no tag has `{name}` in its name")
                    .help("write `{name}` into the names of the tags, such as \"{tag}.{name}\"");
            }
            _ => {}
        }
        if self.time.is_none() && self.time_format != TimeFormat::Auto {
            findings.error(at.key("time_format"), "a format, but no time").help("say by `time` where the time stands");
        }
        let place = |column: &Option<Column>| column.as_ref().map(|column| self.place(column));
        (findings.0.len() == before).then(|| Reader {
            names: Names::new(names),
            plan: Plan {
                signs: (self.delimiter, self.decimal),
                header: self.header,
                columns,
                name: place(&self.name),
                time: place(&self.time),
                format: self.time_format,
                quality: place(&self.quality),
                missing: self.missing,
            },
        })
    }

    fn check_signs(&self, at: &At, findings: &mut Findings) {
        if matches!(self.delimiter, '"' | '\r' | '\n') {
            findings.error(at.clone().key("delimiter"), "a quote or a line's end cannot stand between fields");
        }
        if !matches!(self.decimal, '.' | ',') {
            findings.error(at.clone().key("decimal"), format!("`{}` is neither `.` nor `,`", self.decimal));
        } else if self.decimal == self.delimiter {
            findings
                .error(at.clone().key("decimal"), "the same sign cannot stand between fields and in numbers")
                .help("where numbers have a comma, the delimiter mostly is `;`");
        }
        if self.header && !self.columns.is_empty() {
            findings
                .error(at.clone().key("columns"), "the header names the columns already")
                .help("leave `columns` out, or `header` if the payload has none");
        }
        for (n, name) in self.columns.iter().enumerate() {
            if let Some(first) = self.columns.iter().position(|other| other == name).filter(|first| *first < n) {
                let at = at.clone().key("columns");
                findings
                    .error(at.clone().index(n), format!("a column `{name}` is there already"))
                    .related(at.index(first), "the first one");
            }
        }
    }

    fn check_column(&self, column: &Column, at: &At, findings: &mut Findings) {
        match column {
            Column::Number(n) if MOST_FIELDS <= *n => {
                findings.error(at.clone(), format!("column {n}: a row has at most {MOST_FIELDS}"));
            }
            Column::Number(n) if !self.columns.is_empty() && self.columns.len() <= *n => {
                let message = format!("column {n}, and the last of `columns` is {}", self.columns.len() - 1);
                findings.error(at.clone(), message).help("columns count from 0");
            }
            Column::Name(name) if !self.header && !self.columns.contains(name) => {
                let help = if self.columns.is_empty() {
                    "list the `columns`, say `header: true`, or give the number of the column"
                } else {
                    "it is none of `columns`"
                };
                findings.error(at.clone(), format!("no column has the name `{name}`")).help(help);
            }
            _ => {}
        }
    }

    fn place(&self, column: &Column) -> Place {
        match column {
            Column::Number(n) => Place::Number(*n),
            Column::Name(name) => match self.columns.iter().position(|known| known == name) {
                Some(n) => Place::Number(n),
                None => Place::Header(name.clone()),
            },
        }
    }
}

/// Where a field stands: in a column of this number, or in that which the header gives this name.
enum Place {
    Number(usize),
    Header(String),
}

impl Place {
    /// The number of the column; of one that the header does not have, a number that no row has.
    fn number(&self, header: &[Cow<'_, str>]) -> usize {
        match self {
            Self::Number(n) => *n,
            Self::Header(name) => header.iter().position(|known| known == name).unwrap_or(usize::MAX),
        }
    }
}

/// Reads tables.
pub(super) struct Reader {
    pub(super) names: Names,
    plan: Plan,
}

struct Plan {
    /// The delimiter, and the decimal sign.
    signs: (char, char),
    header: bool,
    columns: Vec<Place>,
    name: Option<Place>,
    time: Option<Place>,
    format: TimeFormat,
    quality: Option<Place>,
    missing: Missing,
}

/// Where everything stands in one payload: the numbers of the columns.
struct Columns {
    values: Vec<usize>,
    name: Option<usize>,
    time: Option<usize>,
    quality: Option<usize>,
}

impl Reader {
    pub(super) fn read(&mut self, payload: &[u8], into: &mut Into<'_>) -> Result<(), Why> {
        let text = std::str::from_utf8(payload).map_err(|_| Why::Format)?;
        let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text);
        let here = self.names.of(into.from.tag)?;
        let (before, mut rows, mut fields) = (into.records.len(), 0_usize, Vec::new());
        let has_header = self.plan.header && row(&mut rest, self.plan.signs.0, &mut fields)?;
        let columns = self.plan.columns(&fields);
        while row(&mut rest, self.plan.signs.0, &mut fields)? {
            rows += 1;
            self.plan.row(&fields, &columns, &here, into)?;
        }
        let found = before < into.records.len();
        if found || (has_header && rows == 0) { Ok(()) } else { Err(Why::Missing) }
    }
}

impl Plan {
    fn columns(&self, header: &[Cow<'_, str>]) -> Columns {
        let one = |place: &Option<Place>| place.as_ref().map(|place| place.number(header));
        Columns {
            values: self.columns.iter().map(|place| place.number(header)).collect(),
            name: one(&self.name),
            time: one(&self.time),
            quality: one(&self.quality),
        }
    }

    fn row(&self, fields: &[Cow<'_, str>], columns: &Columns, here: &Here<'_>, into: &mut Into<'_>) -> Result<(), Why> {
        let field = |column: usize| fields.get(column).map(AsRef::as_ref).filter(|text| !text.is_empty());
        let head = |column: Option<usize>| match column.map(field) {
            Some(None) if self.missing == Missing::Reject => Err(Why::Missing),
            found => Ok(found.flatten().map(|text| self.value(text))),
        };
        let name = columns.name.and_then(field);
        if columns.name.is_some() && name.is_none() {
            // What has no name cannot even be told to be Bad.
            return if self.missing == Missing::Skip { Ok(()) } else { Err(Why::Missing) };
        }
        let head = Head::new((head(columns.time)?, self.format), head(columns.quality)?, self.missing, into)?;
        let values = columns.values.iter().map(|column| field(*column).map(|text| self.value(text)));
        head.give(values, here, name, into)
    }

    fn value(&self, text: &str) -> Value {
        let number = match self.signs.1 {
            // A point among digits would then stand between thousands, or the option is wrong.
            ',' if text.contains('.') => None,
            ',' => number(&text.replace(',', ".")),
            _ => number(text),
        };
        number.unwrap_or_else(|| match text {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::Text(text.into()),
        })
    }
}

impl From<Fault> for Why {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooManyFields => Self::Size,
            Fault::NotClosed | Fault::BehindQuote => Self::Format,
        }
    }
}
