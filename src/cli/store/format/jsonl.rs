//! One JSON object a line: a sample as the node `console` prints it, a bucket with the same `t` and `tag`.

use std::io::{self, Write};

use fieldflow_contract::{Value, write_json_line};

use super::{Columns, Row, Sheet, plain};

/// Writes rows as lines of JSON.
pub(super) struct Jsonl<W> {
    names: Vec<&'static str>,
    line: String,
    out: W,
}

impl<W: Write> Jsonl<W> {
    /// Begins.
    pub(super) fn new(columns: Columns, out: W) -> Self {
        let names = match columns {
            Columns::Samples => Vec::new(),
            Columns::Buckets(aggs) => aggs.into_iter().map(super::Agg::name).collect(),
        };
        Self { names, line: String::new(), out }
    }
}

impl<W: Write> Sheet for Jsonl<W> {
    fn row(&mut self, row: Row<'_>) -> io::Result<()> {
        match row {
            Row::Sample(record) => {
                self.line.clear();
                write_json_line(record, &mut self.line);
                self.out.write_all(self.line.as_bytes())?;
            }
            Row::Bucket(bucket) => {
                write!(self.out, r#"{{"t":"{}","tag":{}"#, bucket.start, json(&Value::Text(bucket.tag.name().into())))?;
                for (name, value) in self.names.iter().zip(&bucket.values) {
                    write!(self.out, r#","{name}":{}"#, json(value))?;
                }
                self.out.write_all(b"}")?;
            }
        }
        self.out.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::I64(value) => (*value).into(),
        Value::U64(value) => (*value).into(),
        Value::F64(value) if value.is_finite() => (*value).into(),
        Value::Bytes(_) => {
            let hex = plain(value);
            serde_json::json!({ "hex": hex.trim_start_matches("0x") })
        }
        value => plain(value).into(),
    }
}
