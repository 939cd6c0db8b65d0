//! How records are written: what stands in a column, and the three forms with rules of their own.

use std::fmt::Write as _;

use fieldflow_contract::{Quality, Record, Tag, TagMap, Value, write_json_line, write_json_value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Why;
use crate::template::Template;

/// Something that a record says. `time` is RFC 3339 in UTC, `time_ms` milliseconds since 1970; `quality` is a word such as
/// `good` or `bad:timeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Column {
    Time,
    TimeMs,
    Tag,
    Value,
    Quality,
}

impl Column {
    /// A row, if nothing else is said.
    pub(super) const ROW: [Self; 4] = [Self::Time, Self::Tag, Self::Value, Self::Quality];

    fn word(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::TimeMs => "time_ms",
            Self::Tag => "tag",
            Self::Value => "value",
            Self::Quality => "quality",
        }
    }
}

/// A record, to be written piece by piece.
pub(crate) struct Line<'a>(pub(crate) &'a Record);

impl Line<'_> {
    /// What a placeholder of a template stands for.
    pub(crate) fn hole(&self, name: &str, to: &mut String) {
        let columns = [Column::Time, Column::TimeMs, Column::Tag, Column::Value, Column::Quality];
        if let Some(column) = columns.into_iter().find(|column| column.word() == name) {
            self.plain(column, to);
        }
    }

    /// Appends it without quotes.
    fn plain(&self, column: Column, to: &mut String) {
        let record = self.0;
        // Writing to a text does not fail.
        let _ = match (column, &record.value) {
            (Column::Time, _) => write!(to, "{}", record.time),
            (Column::TimeMs, _) => write!(to, "{}", record.time.0.div_euclid(1000)),
            (Column::Tag, _) => to.write_str(record.tag.name()),
            (Column::Quality, _) => write!(to, "{}", record.quality),
            (Column::Value, Value::Text(text)) => to.write_str(text),
            (Column::Value, Value::Bytes(bytes)) => bytes.iter().try_for_each(|byte| write!(to, "{byte:02x}")),
            (Column::Value, value) => {
                let start = to.len();
                write_json_value(value, to);
                // The words for what is not finite come in quotes.
                if to.get(start..).is_some_and(|text| text.starts_with('"')) {
                    to.remove(start);
                    to.pop();
                }
                Ok(())
            }
        };
    }

    fn json(&self, column: Column, to: &mut String) {
        match column {
            Column::Value => write_json_value(&self.0.value, to),
            Column::TimeMs => self.plain(column, to),
            Column::Tag => quoted(self.0.tag.name(), to),
            Column::Time | Column::Quality => {
                to.push('"');
                self.plain(column, to);
                to.push('"');
            }
        }
    }
}

fn quoted(text: &str, to: &mut String) {
    write_json_value(&Value::Text(text.into()), to);
}

/// A record as an object: as everywhere, or with these members.
pub(super) fn json(record: &Record, fields: Option<&[(String, Column)]>, to: &mut String) {
    let Some(fields) = fields else { return write_json_line(record, to) };
    for (n, (name, column)) in fields.iter().enumerate() {
        to.push(if n == 0 { '{' } else { ',' });
        quoted(name, to);
        to.push(':');
        Line(record).json(*column, to);
    }
    to.push('}');
}

/// Rows with delimiters.
pub(super) struct Csv {
    pub(super) columns: Vec<Column>,
    pub(super) delimiter: char,
    pub(super) header: bool,
}

impl Csv {
    /// The row of names, if there is to be one.
    pub(super) fn head(&self) -> String {
        if !self.header {
            return String::new();
        }
        let names: Vec<&str> = self.columns.iter().map(|column| column.word()).collect();
        names.join(&self.delimiter.to_string()) + "\n"
    }

    pub(super) fn write(&self, record: &Record, to: &mut String) {
        for (n, column) in self.columns.iter().enumerate() {
            if n != 0 {
                to.push(self.delimiter);
            }
            let start = to.len();
            if *column != Column::Value || record.value != Value::Null {
                Line(record).plain(*column, to);
            }
            let field = to.get(start..).unwrap_or_default();
            // A lone empty text is quoted, lest its row be an empty line.
            let is_lost = field.is_empty() && self.columns.len() == 1;
            if is_lost
                || field.starts_with(' ')
                || field.ends_with(' ')
                || field.contains(['"', '\r', '\n', self.delimiter])
            {
                let field = field.replace('"', "\"\"");
                to.truncate(start);
                let _ = write!(to, "\"{field}\"");
            }
        }
    }
}

/// Lines for `InfluxDB` and all that speak as it does.
pub(super) struct LineProtocol {
    measurement: Template,
    labels: Vec<(String, Template)>,
    field: Template,
    known: TagMap<Result<Series, Why>>,
}

/// What is written of a tag in each line.
struct Series {
    /// The measurement and the labels.
    key: String,
    value: String,
    /// The field of the quality: of its own for each field of a measurement, lest one overwrite the other.
    quality: String,
}

impl LineProtocol {
    pub(super) fn new(measurement: Template, labels: Vec<(String, Template)>, field: Template) -> Self {
        Self { measurement, labels, field, known: TagMap::default() }
    }

    pub(super) fn write(&mut self, record: &Record, to: &mut String) -> Result<(), Why> {
        let time = record.time.0.checked_mul(1000).ok_or(Why::Time)?;
        let Self { measurement, labels, field, known } = self;
        let known = known.slot(record.tag).get_or_insert_with(|| series(measurement, labels, field, record.tag));
        let series = known.as_ref().map_err(|why| *why)?;
        let is_finite = !matches!(record.value.as_f64(), Some(value) if !value.is_finite());
        let has_value = is_finite && !record.quality.is_bad() && record.value != Value::Null;
        let quality = match record.quality {
            quality if has_value || quality.is_bad() => quality,
            _ if is_finite => Quality::BAD_NO_DATA,
            _ => Quality::BAD_OUT_OF_RANGE,
        };
        let _ = write!(to, "{} ", series.key);
        if has_value {
            let _ = write!(to, "{}=", series.value);
            write_field(&record.value, to);
        }
        if quality != Quality::GOOD {
            let _ = write!(to, "{}{}=\"{quality}\"", if has_value { "," } else { "" }, series.quality);
        }
        let _ = write!(to, " {time}");
        Ok(())
    }
}

fn series(measurement: &Template, labels: &[(String, Template)], field: &Template, tag: Tag) -> Result<Series, Why> {
    let fill = |template: &Template| {
        template.expand(|_, to| to.push_str(tag.name())).ok().filter(|text| !text.is_empty()).ok_or(Why::Name)
    };
    let mut key = String::new();
    let measurement = fill(measurement)?;
    // A line that begins with `#` is a comment.
    if measurement.starts_with('#') {
        key.push('\\');
    }
    escape(&measurement, &[',', ' '], &mut key);
    for (name, text) in labels {
        key.push(',');
        escape(name, &[',', '=', ' '], &mut key);
        key.push('=');
        escape(&fill(text)?, &[',', '=', ' '], &mut key);
    }
    let field = fill(field)?;
    let (mut value, mut quality) = (String::new(), String::new());
    escape(&field, &[',', '=', ' '], &mut value);
    match field.as_str() {
        "value" => quality.push_str("quality"),
        _ => escape(&(field + "_quality"), &[',', '=', ' '], &mut quality),
    }
    Ok(Series { key, value, quality })
}

/// Appends a name. A line's end cannot stand in it and becomes a space; a backslash at its end would escape what follows, and
/// becomes a slash.
fn escape(name: &str, special: &[char], to: &mut String) {
    let name = match name.strip_suffix('\\') {
        Some(rest) => format!("{rest}/"),
        None => name.to_owned(),
    };
    for sign in name.chars() {
        let sign = if matches!(sign, '\r' | '\n') { ' ' } else { sign };
        if special.contains(&sign) {
            to.push('\\');
        }
        to.push(sign);
    }
}

/// Appends a value that is there and finite.
fn write_field(value: &Value, to: &mut String) {
    let _ = match value {
        Value::I64(whole) => write!(to, "{whole}i"),
        Value::U64(whole) => write!(to, "{whole}{}", if i64::try_from(*whole).is_ok() { 'i' } else { 'u' }),
        Value::Text(text) => write!(to, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Value::Bytes(bytes) => {
            to.push('"');
            let _ = bytes.iter().try_for_each(|byte| write!(to, "{byte:02x}"));
            to.write_char('"')
        }
        Value::Null | Value::Bool(_) | Value::F32(_) | Value::F64(_) => {
            write_json_value(value, to);
            Ok(())
        }
    };
}
