//! Tables in CSV files that options include, read with the number of each row.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::transform::kit::csv;

/// Largest file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// A table: a header and rows of as many cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Table {
    /// The names of the columns.
    pub(super) header: Vec<String>,
    /// The rows, each with the number of its line in the file.
    pub(super) rows: Vec<(usize, Vec<String>)>,
}

/// Reads a table from a file. The error says why there is none; what is wrong with single rows goes to `wrong`, as line and
/// sentence.
pub(super) fn read(path: &Path, separator: char, wrong: &mut Vec<(usize, String)>) -> Result<Table, String> {
    let cannot = |error: std::io::Error| format!("it cannot be read: {error}");
    let file = File::open(path).map_err(cannot)?;
    let mut text = String::new();
    let size = file.take(LARGEST + 1).read_to_string(&mut text).map_err(cannot)?;
    if LARGEST < size as u64 {
        return Err(format!("it is larger than {LARGEST} bytes"));
    }
    let table = parse(&text, separator, wrong);
    if table.header.is_empty() { Err("it is empty".to_owned()) } else { Ok(table) }
}

/// Reads a table from a text. Cells may stand in quotation marks, in which `""` is one; empty lines do not count.
fn parse(text: &str, separator: char, wrong: &mut Vec<(usize, String)>) -> Table {
    let mut table = Table::default();
    // Some spreadsheets put a byte order mark in front.
    for (n, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match cells(line, separator) {
            Err(what) => wrong.push((n + 1, what)),
            Ok(cells) if table.header.is_empty() => table.header = cells,
            Ok(cells) if cells.len() == table.header.len() => table.rows.push((n + 1, cells)),
            Ok(cells) => {
                wrong.push((n + 1, format!("{} cells, and the header has {}", cells.len(), table.header.len())));
            }
        }
    }
    table
}

/// The cells of one line. No cell goes on in the next one, so that each wrong row is told by its own number.
fn cells(line: &str, separator: char) -> Result<Vec<String>, String> {
    let (mut rest, mut cells) = (line, Vec::new());
    csv::row(&mut rest, separator, &mut cells).map_err(|fault| fault.what().to_owned())?;
    if !rest.is_empty() {
        return Err("a line's end stands among the cells".to_owned());
    }
    Ok(cells.into_iter().map(String::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn cells_are_read_and_wrong_rows_are_told_by_their_line() {
        let mut wrong = Vec::new();
        let text = "\u{feff}key, line\r\n\r\na,\"1, \"\"x\"\"\"\nb\n\"c\nd,\"x\"y\ne,\n";
        let table = parse(text, ',', &mut wrong);
        assert_eq!(table.header, ["key", "line"]);
        let rows: Vec<_> = table.rows.iter().map(|(n, cells)| (*n, cells.join("|"))).collect();
        assert_eq!(rows, [(3, "a|1, \"x\"".to_owned()), (7, "e|".to_owned())]);
        let lines: Vec<usize> = wrong.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [4, 5, 6], "{wrong:?}");
    }

    proptest! {
        #[test]
        fn no_file_makes_the_reader_panic(text in "[a;,\" \n\r☃]{0,60}") {
            for (_, cells) in parse(&text, ';', &mut Vec::new()).rows {
                prop_assert!(!cells.is_empty());
            }
        }
    }
}
