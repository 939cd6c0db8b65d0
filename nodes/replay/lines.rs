//! A file of records, read line by line and a little at a time.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use fieldflow_contract::{Record, from_json_line};

/// Most bytes of a line.
const LONGEST: u64 = 1 << 20;

/// Most records of a batch.
const BATCH: usize = 4096;

/// So many records are read at one go.
const CHUNK: usize = 1024;

/// What cannot be read.
#[derive(Debug)]
pub(super) enum Wrong {
    /// A line, counted from 1, and why. The next one may be right.
    Line(u64, String),
    /// The file.
    File(io::Error),
}

/// Some batches, and what comes behind them.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) batches: Vec<Vec<Record>>,
    pub(super) then: Then,
}

/// What comes behind a chunk.
#[derive(Debug, Default)]
pub(super) enum Then {
    /// More of the file.
    More,
    /// Nothing.
    #[default]
    End,
    /// Something wrong, and perhaps more.
    Wrong(Wrong),
}

/// The lines of a file.
pub(super) struct Lines<R = BufReader<File>> {
    reader: R,
    /// Lines read so far.
    number: u64,
    line: Vec<u8>,
    /// The batch at hand: all of one time.
    batch: Vec<Record>,
}

impl Lines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // A pipe or a terminal would be waited for, and could be read only once.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no ordinary file"));
        }
        Ok(Self::new(BufReader::new(File::open(path)?)))
    }
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, number: 0, line: Vec::new(), batch: Vec::new() }
    }

    /// The next record; `None` at the end of the file. Empty lines are skipped.
    pub(super) fn next_record(&mut self) -> Result<Option<Record>, Wrong> {
        loop {
            self.line.clear();
            let read = (&mut self.reader).take(LONGEST).read_until(b'\n', &mut self.line).map_err(Wrong::File)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == LONGEST && self.line.last() != Some(&b'\n') {
                self.skip_line().map_err(Wrong::File)?;
                return Err(Wrong::Line(self.number, format!("a line has at most {LONGEST} bytes")));
            }
            let wrong = |reason: String| Wrong::Line(self.number, reason);
            let text = std::str::from_utf8(&self.line).map_err(|_| wrong("not a record: no UTF-8".to_owned()))?.trim();
            if !text.is_empty() {
                // The JSON reader sees only this one line.
                let told = |reason: String| wrong(reason.replace(" at line 1 column ", " at column "));
                return from_json_line(text).map(Some).map_err(|error| told(error.to_string()));
            }
        }
    }

    /// Reads on to the end of a line that is too long to keep.
    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let some = self.reader.fill_buf()?;
            let end = some.iter().position(|byte| *byte == b'\n');
            let (used, is_end) = (end.map_or(some.len(), |end| end + 1), end.is_some() || some.is_empty());
            self.reader.consume(used);
            if is_end {
                return Ok(());
            }
        }
    }

    /// The next few batches.
    pub(super) fn next_chunk(&mut self) -> Chunk {
        let (mut batches, mut records) = (Vec::new(), 0);
        let then = loop {
            if CHUNK <= records {
                break Then::More;
            }
            match self.next_record() {
                Ok(Some(record)) => {
                    let is_other = self.batch.last().is_some_and(|last| last.time != record.time);
                    if is_other || self.batch.len() == BATCH {
                        records += self.batch.len();
                        batches.push(std::mem::take(&mut self.batch));
                    }
                    self.batch.push(record);
                }
                Ok(None) => {
                    batches.extend(Some(std::mem::take(&mut self.batch)).filter(|batch| !batch.is_empty()));
                    break Then::End;
                }
                Err(wrong) => break Then::Wrong(wrong),
            }
        };
        Chunk { batches, then }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: usize, value: usize) -> String {
        format!("{{\"t\":\"2026-01-01T00:00:{second:02}Z\",\"tag\":\"replay.lines\",\"value\":{value}}}\n")
    }

    #[test]
    fn neighbours_of_one_time_are_a_batch_and_a_wrong_line_ends_nothing() {
        let text = [&line(0, 1), "\n", &line(0, 2), "{oops\n", &line(0, 3), &line(1, 4), &line(0, 5)].concat();
        let mut lines = Lines::new(text.as_bytes());
        let Chunk { batches, then } = lines.next_chunk();
        assert!(batches.is_empty(), "the batch is not complete");
        assert!(matches!(then, Then::Wrong(Wrong::Line(4, reason)) if reason.contains("at column 2")));
        let Chunk { batches, then } = lines.next_chunk();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [3, 1, 1]);
        assert!(matches!(then, Then::End));
    }

    #[test]
    fn a_line_without_end_is_skipped_and_not_kept() {
        let text = [&"x".repeat(3 << 20), "\n", line(0, 1).trim_end()].concat();
        let mut lines = Lines::new(text.as_bytes());
        assert!(matches!(lines.next_record(), Err(Wrong::Line(1, _))));
        assert!(lines.line.capacity() <= 2 << 20);
        assert!(matches!(lines.next_record(), Ok(Some(_))));
        assert!(matches!(lines.next_record(), Ok(None)));
        let mut endless = Lines::new(&b"\xFF\n"[..]);
        assert!(matches!(endless.next_record(), Err(Wrong::Line(1, reason)) if reason.contains("UTF-8")));
    }

    #[test]
    fn a_long_file_is_read_a_little_at_a_time_and_a_long_batch_is_cut() {
        let text: String = (0..10_000).map(|n| line(usize::from(5_000 <= n), n)).collect();
        let mut lines = Lines::new(text.as_bytes());
        let mut sizes = Vec::new();
        loop {
            let Chunk { batches, then } = lines.next_chunk();
            assert!(batches.iter().map(Vec::len).sum::<usize>() < CHUNK + BATCH);
            sizes.extend(batches.iter().map(Vec::len));
            if matches!(then, Then::End) {
                break;
            }
        }
        assert_eq!(sizes, [4096, 904, 4096, 904]);
    }
}
