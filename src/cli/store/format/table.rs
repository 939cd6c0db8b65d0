//! Aligned columns for a terminal: numbers to the right, all else to the left.

use std::io::{self, Write};

use fieldflow_contract::Value;

use super::{Columns, Row, Sheet, plain};

/// So many rows are held back to see how wide the columns are. Later rows can only make them wider.
const BLOCK: usize = 1000;

/// Writes rows in columns.
pub(in crate::cli) struct Table<W> {
    names: Vec<&'static str>,
    widths: Vec<usize>,
    rows: Vec<Vec<Cell>>,
    begun: bool,
    out: W,
}

/// What stands in a column of a row.
pub(in crate::cli) struct Cell {
    text: String,
    width: usize,
    right: bool,
}

impl Cell {
    /// A text; a number stands to the right.
    pub(in crate::cli) fn new(text: &str, right: bool) -> Self {
        // A text can come from a device, and must not be able to steer the terminal.
        let text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
        Self { width: text.chars().count(), text, right }
    }

    /// A value.
    pub(in crate::cli) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::new("-", true),
            value => Self::new(&plain(value), value.as_f64().is_some()),
        }
    }
}

impl<W: Write> Table<W> {
    /// Begins.
    pub(super) fn new(columns: &Columns, out: W) -> Self {
        Self::of(columns.names(), out)
    }

    /// Begins with columns of these names.
    pub(in crate::cli) fn of(names: Vec<&'static str>, out: W) -> Self {
        Self { widths: vec![0; names.len()], names, rows: Vec::new(), begun: false, out }
    }

    /// Adds a row.
    pub(in crate::cli) fn line(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        self.rows.push(cells);
        if self.rows.len() < BLOCK { Ok(()) } else { self.print() }
    }

    /// Prints what was held back.
    pub(in crate::cli) fn print(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if !self.begun {
            self.begun = true;
            // A name stands over the numbers below it.
            let right = |column: usize| {
                self.rows.iter().any(|row: &Vec<Cell>| row.get(column).is_some_and(|cell: &Cell| cell.right))
            };
            let header = self.names.iter().enumerate().map(|(column, name)| Cell::new(name, right(column))).collect();
            self.rows.insert(0, header);
        }
        for row in &self.rows {
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = cell.width.max(*width);
            }
        }
        for row in self.rows.drain(..) {
            let mut line = String::new();
            for (width, cell) in self.widths.iter().zip(&row) {
                let gap = " ".repeat(width - cell.width);
                let (before, after) = if cell.right { (gap.as_str(), "") } else { ("", gap.as_str()) };
                line.extend([before, &cell.text, after, "  "]);
            }
            writeln!(self.out, "{}", line.trim_end())?;
        }
        self.out.flush()
    }
}

impl<W: Write> Sheet for Table<W> {
    fn row(&mut self, row: Row<'_>) -> io::Result<()> {
        let mut cells = vec![Cell::new(row.tag().name(), false), Cell::new(&row.time().to_string(), false)];
        cells.extend(row.values().iter().map(Cell::of));
        if let Row::Sample(record) = row {
            cells.push(Cell::new(&record.quality.to_string(), false));
        }
        self.line(cells)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.print()
    }
}
