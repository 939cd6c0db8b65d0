//! How rows look: for a person, for a spreadsheet, for a program.

mod csv;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
mod table;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use fieldflow_contract::{Record, Tag, Timestamp, Value};

pub(in crate::cli) use csv::Csv;
pub(in crate::cli) use table::{Cell, Table};

use super::Failure;
use super::bucket::{Agg, Bucket};

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Format {
    /// Aligned columns, for a terminal.
    Table,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// One JSON object a line, a sample as the node `console` prints it.
    Jsonl,
    /// Apache Parquet, compressed with Snappy.
    Parquet,
}

/// What the rows of an answer hold beside tag and time.
#[derive(Debug, Clone)]
pub(in crate::cli) enum Columns {
    /// Value and quality.
    Samples,
    /// What the buckets are summed up to.
    Buckets(Vec<Agg>),
}

impl Columns {
    /// The names of all columns.
    fn names(&self) -> Vec<&'static str> {
        let own = match self {
            Self::Samples => vec!["value", "quality"],
            Self::Buckets(aggs) => aggs.iter().map(|agg| agg.name()).collect(),
        };
        ["tag", "time"].into_iter().chain(own).collect()
    }
}

/// A row of an answer.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) enum Row<'a> {
    /// A sample as it was stored.
    Sample(&'a Record),
    /// Samples that were summed up.
    Bucket(&'a Bucket),
}

impl Row<'_> {
    fn tag(&self) -> Tag {
        match self {
            Self::Sample(record) => record.tag,
            Self::Bucket(bucket) => bucket.tag,
        }
    }

    fn time(&self) -> Timestamp {
        match self {
            Self::Sample(record) => record.time,
            Self::Bucket(bucket) => bucket.start,
        }
    }

    fn values(&self) -> &[Value] {
        match self {
            Self::Sample(record) => std::slice::from_ref(&record.value),
            Self::Bucket(bucket) => &bucket.values,
        }
    }
}

/// Takes rows and writes them in one of the formats.
pub(in crate::cli) trait Sheet {
    /// Writes a row, now or later.
    fn row(&mut self, row: Row<'_>) -> io::Result<()>;
    /// Writes what is still to be written.
    fn finish(&mut self) -> io::Result<()>;
}

/// Begins a sheet in this format.
pub(in crate::cli) fn sheet<'a>(
    format: Format,
    columns: Columns,
    to: &str,
    out: impl io::Write + Send + 'a,
) -> Result<Box<dyn Sheet + 'a>, Failure> {
    let failed = |error: io::Error| Failure::writing(to, &error);
    Ok(match format {
        Format::Table => Box::new(table::Table::new(&columns, out)),
        Format::Csv => Box::new(csv::Csv::new(&columns, out).map_err(failed)?),
        Format::Jsonl => Box::new(jsonl::Jsonl::new(columns, out)),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet::Parquet::new(columns, out).map_err(failed)?),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => {
            return Err(Failure::unasked(
                "this program was built without Parquet: build it with `cargo build --release --features parquet`, \
                 or take --format csv",
            ));
        }
    })
}

/// A value as plain text; nothing for no value.
fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::Text(text) => Cow::Borrowed(text),
        Value::Bool(value) => value.to_string().into(),
        Value::I64(value) => value.to_string().into(),
        Value::U64(value) => value.to_string().into(),
        Value::F32(value) => float(f64::from(*value)),
        Value::F64(value) => float(*value),
        Value::Bytes(bytes) => bytes
            .iter()
            .fold("0x".to_owned(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            })
            .into(),
    }
}

fn float(value: f64) -> Cow<'static, str> {
    match value {
        _ if value.is_nan() => "NaN".into(),
        f64::INFINITY => "Infinity".into(),
        f64::NEG_INFINITY => "-Infinity".into(),
        // The shortest text that reads back to the same float, and keeps the `.0` that tells it from an integer.
        _ => format!("{value:?}").into(),
    }
}
