//! Comma-separated values as in RFC 4180, with a header. No value is an empty field, an empty text is `""`.

use std::borrow::Cow;
use std::io::{self, Write};

use fieldflow_contract::{Record, Value};

use super::{Columns, Row, Sheet, plain};

/// Writes rows as lines of comma-separated values.
pub(in crate::cli) struct Csv<W> {
    out: W,
}

impl<W: Write> Csv<W> {
    /// Begins with the header.
    pub(super) fn new(columns: &Columns, out: W) -> io::Result<Self> {
        Self::of(&columns.names(), out)
    }

    /// Begins with a header of these names.
    pub(in crate::cli) fn of(names: &[&str], mut out: W) -> io::Result<Self> {
        writeln!(out, "{}", names.join(","))?;
        Ok(Self { out })
    }

    /// Writes a line of texts, and a sample behind them.
    pub(in crate::cli) fn noted(&mut self, notes: &[&str], record: &Record) -> io::Result<()> {
        for note in notes {
            write!(self.out, "{},", quoted((*note).into()))?;
        }
        self.row(Row::Sample(record))
    }
}

impl<W: Write> Sheet for Csv<W> {
    fn row(&mut self, row: Row<'_>) -> io::Result<()> {
        write!(self.out, "{},{}", quoted(row.tag().name().into()), row.time())?;
        for value in row.values() {
            let field = match value {
                Value::Text(text) if text.is_empty() => Cow::Borrowed("\"\""),
                value => quoted(plain(value)),
            };
            write!(self.out, ",{field}")?;
        }
        if let Row::Sample(record) = row {
            write!(self.out, ",{}", record.quality)?;
        }
        writeln!(self.out)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn quoted(field: Cow<'_, str>) -> Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) { format!("\"{}\"", field.replace('"', "\"\"")).into() } else { field }
}
