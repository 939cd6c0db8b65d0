//! Records into rows: one transaction a call, many rows a statement, the tags by number, the positions beside them.

use std::sync::LazyLock;

use fieldflow_contract::{Batch, Position, Record, Tag, TagMap, Value};
use fieldflow_storage::crash_point;
use rusqlite::types::Null;
use rusqlite::{Connection, OptionalExtension as _, Result, Statement, Transaction, TransactionBehavior};

/// Rows a statement. More of them gain little; one by one takes twice as long.
const BLOCK: usize = 50;
const ONE_ROW: &str = "INSERT INTO hot(time, tag, value, quality) VALUES (?, ?, ?, ?)";
static BLOCK_OF_ROWS: LazyLock<String> = LazyLock::new(|| [ONE_ROW, &", (?, ?, ?, ?)".repeat(BLOCK - 1)].concat());

/// Writes rows, and remembers the numbers of the tags that it has met.
#[derive(Default)]
pub(super) struct Rows {
    ids: TagMap<i64>,
    /// Tags met in the transaction that is open: if it fails, their numbers are void.
    met: Vec<Tag>,
}

impl Rows {
    /// Writes all records and positions in one transaction. When this returns `Ok`, they are committed; else none is there.
    pub(super) fn write(&mut self, connection: &Connection, batches: &[Batch], positions: &[Position]) -> Result<()> {
        self.met.clear();
        let written = self.commit(connection, batches, positions);
        if written.is_err() {
            for tag in self.met.drain(..) {
                *self.ids.slot(tag) = None;
            }
        }
        written
    }

    fn commit(&mut self, connection: &Connection, batches: &[Batch], positions: &[Position]) -> Result<()> {
        // Rolls back when dropped, and bears it if SQLite has done so already.
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        let records: Vec<&Record> = batches.iter().flat_map(Batch::records).collect();
        let (blocks, rest) = records.as_chunks::<BLOCK>();
        if !blocks.is_empty() {
            let mut statement = transaction.prepare_cached(&BLOCK_OF_ROWS)?;
            for block in blocks {
                for (row, record) in block.iter().enumerate() {
                    self.bind(&transaction, &mut statement, row, record)?;
                }
                statement.raw_execute()?;
            }
        }
        if !rest.is_empty() {
            let mut statement = transaction.prepare_cached(ONE_ROW)?;
            for record in rest {
                self.bind(&transaction, &mut statement, 0, record)?;
                statement.raw_execute()?;
            }
        }
        crash_point("store.rows.written");
        for Position { edge, epoch, sequence } in positions {
            let taken = "INSERT INTO positions VALUES (?1, ?2, ?3)
                ON CONFLICT(edge) DO UPDATE SET epoch = ?2, sequence = ?3";
            transaction.prepare_cached(taken)?.execute((edge, *epoch as i64, *sequence as i64))?;
        }
        crash_point("store.positions.written");
        transaction.commit()?;
        crash_point("store.commit.done");
        Ok(())
    }

    fn bind(&mut self, connection: &Connection, into: &mut Statement<'_>, row: usize, record: &Record) -> Result<()> {
        let at = row * 4;
        into.raw_bind_parameter(at + 1, record.time.0)?;
        into.raw_bind_parameter(at + 2, self.id(connection, record.tag)?)?;
        bind_value(into, at + 3, &record.value)?;
        into.raw_bind_parameter(at + 4, record.quality.0)
    }

    fn id(&mut self, connection: &Connection, tag: Tag) -> Result<i64> {
        if let Some(id) = self.ids.get(tag) {
            return Ok(*id);
        }
        let known = connection
            .prepare_cached("SELECT id FROM tags WHERE name = ?")?
            .query_row([tag.name()], |row| row.get(0))
            .optional()?;
        let id = match known {
            Some(id) => id,
            None => connection.prepare_cached("INSERT INTO tags(name) VALUES (?)")?.insert([tag.name()])?,
        };
        *self.ids.slot(tag) = Some(id);
        self.met.push(tag);
        Ok(id)
    }
}

/// How far each durable edge was taken, as of the last commit.
pub(super) fn positions(connection: &Connection) -> Result<Vec<Position>> {
    let mut statement = connection.prepare("SELECT edge, epoch, sequence FROM positions")?;
    let rows = statement.query_map((), |row| {
        let (epoch, sequence) = (row.get::<_, i64>(1)? as u64, row.get::<_, i64>(2)? as u64);
        Ok(Position { edge: row.get::<_, String>(0)?.into(), epoch, sequence })
    })?;
    rows.collect()
}

/// How each kind of value is stored; the manual in `Config` says the same.
fn bind_value(into: &mut Statement<'_>, at: usize, value: &Value) -> Result<()> {
    match value {
        Value::Null => into.raw_bind_parameter(at, Null),
        Value::Bool(v) => into.raw_bind_parameter(at, v),
        Value::I64(v) => into.raw_bind_parameter(at, v),
        // As text where an integer has no room: SQL's own arithmetic reads it as a number.
        Value::U64(v) => match i64::try_from(*v) {
            Ok(v) => into.raw_bind_parameter(at, v),
            Err(_) => into.raw_bind_parameter(at, v.to_string()),
        },
        Value::F32(v) => bind_float(into, at, widen(*v)),
        Value::F64(v) => bind_float(into, at, *v),
        Value::Text(v) => into.raw_bind_parameter(at, &**v),
        Value::Bytes(v) => into.raw_bind_parameter(at, &**v),
    }
}

fn bind_float(into: &mut Statement<'_>, at: usize, value: f64) -> Result<()> {
    // SQLite would turn NaN into NULL, and a sensor that says "not a number" into one that says nothing.
    if value.is_nan() { into.raw_bind_parameter(at, "NaN") } else { into.raw_bind_parameter(at, value) }
}

/// The double that reads as the float does: 78.4, not 78.4000015258789.
fn widen(value: f32) -> f64 {
    let exact = f64::from(value);
    if !value.is_finite() || exact.fract() == 0.0 {
        return exact;
    }
    // The fewest decimals that come back to the same float. Up to 12 of them the product is exact: 24 + 28 bits.
    let mut scale = 10.0;
    while scale <= 1e12 {
        let decimal = (exact * scale).round() / scale;
        if decimal as f32 == value {
            return decimal;
        }
        scale *= 10.0;
    }
    value.to_string().parse().unwrap_or(exact)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_float_is_widened_to_its_shortest_decimal(bits in any::<u32>(), cents in -9_999_999..9_999_999_i32) {
            for value in [f32::from_bits(bits), cents as f32 / 100.0] {
                let wide = widen(value);
                prop_assert!(value.is_nan() && wide.is_nan() || wide as f32 == value, "{value} {wide}");
                if value.fract() != 0.0 && value.is_finite() {
                    prop_assert_eq!(wide.to_string(), value.to_string());
                }
            }
        }
    }

    #[test]
    fn a_float_reads_as_it_was_meant() {
        for (value, wide) in
            [(78.4, 78.4), (0.1, 0.1), (-1e-30, -1e-30), (16_777_216.0, 16_777_216.0), (f32::MAX, f64::from(f32::MAX))]
        {
            assert_eq!(widen(value), wide);
        }
        assert_eq!(widen(f32::NEG_INFINITY), f64::NEG_INFINITY);
        assert!(widen(f32::NAN).is_nan());
    }
}
