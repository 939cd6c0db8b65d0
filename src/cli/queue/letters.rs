//! Dead letters in a file: each record with when it was buried, who gave it up, and why.

use std::io::{self, Write};

use fieldflow_contract::from_json_line;
use serde_json::Value;

use crate::cli::store::{Csv, Sheet as _};
use crate::queue::Letter;

/// Writes dead letters as lines of JSON or of comma-separated values.
pub(super) enum LetterSheet<W> {
    /// Comma-separated values.
    Csv(Csv<W>),
    /// Lines of JSON.
    Jsonl(W),
}

impl<W: Write> LetterSheet<W> {
    /// Begins.
    pub(super) fn new(csv: bool, out: W) -> io::Result<Self> {
        let names = ["buried", "node", "reason", "tag", "time", "value", "quality"];
        if csv { Csv::of(&names, out).map(Self::Csv) } else { Ok(Self::Jsonl(out)) }
    }

    /// Writes a letter; how many records it had, and whether some could not be read.
    pub(super) fn letter(&mut self, letter: &Letter) -> io::Result<(u64, bool)> {
        let buried = letter.time.to_string();
        let (mut written, mut lost) = (0, false);
        for line in letter.records.lines() {
            let (Ok(record), Some(rest)) = (from_json_line(line), line.strip_prefix('{')) else {
                lost = true;
                continue;
            };
            match self {
                Self::Csv(csv) => csv.noted(&[&buried, &letter.node, &letter.reason], &record)?,
                Self::Jsonl(out) => {
                    let (node, reason) = (Value::from(letter.node.as_str()), Value::from(letter.reason.as_str()));
                    writeln!(out, r#"{{"buried":"{buried}","node":{node},"reason":{reason},{rest}"#)?;
                }
            }
            written += 1;
        }
        Ok((written, lost))
    }

    /// Writes what is still to be written.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Csv(csv) => csv.finish(),
            Self::Jsonl(out) => out.flush(),
        }
    }
}
