//! The samples of one tag in the order of time, a slice at a time.
//!
//! Each slice is a transaction of its own, and it is in memory before anybody sees it: how slowly the rows are taken away
//! does not matter to the pipeline. Rows of one tag and one time always come in the same slice, so that the time alone says
//! where the next slice begins, wherever the store has moved its rows meanwhile.

use fieldflow_contract::{Quality, Record, Tag, Timestamp, Value};
use rusqlite::types::ValueRef;
use rusqlite::{Error, Params, Row};

use super::select::Range;
use super::{Failure, Store};

/// Most rows of a slice: some tens of milliseconds.
const ROWS: usize = 20_000;
/// A slice of long texts or bytes ends here.
const BYTES: usize = 8 << 20;

const NEXT: &str = "SELECT time, value, quality FROM samples
    WHERE tag = ? AND time >= ? AND time < ? ORDER BY time LIMIT ?";
const AT: &str = "SELECT time, value, quality FROM samples WHERE tag = ? AND time = ?";
const NEWEST: &str = "SELECT time, value, quality FROM samples
    WHERE tag = ? AND time >= ? AND time < ? ORDER BY time DESC LIMIT ?";

/// The samples of one tag in a range, as an iterator of slices. A slice is never empty.
pub(super) struct Slices<'a> {
    store: &'a Store,
    tag: Tag,
    /// Where the next slice begins; `None` after the last one.
    next: Option<i64>,
    to: i64,
    rows: usize,
}

impl Store {
    /// All samples of a tag in the range.
    pub(super) fn slices(&self, tag: Tag, range: Range) -> Slices<'_> {
        Slices { store: self, tag, next: Some(range.from), to: range.to, rows: ROWS }
    }

    /// The newest samples of a tag in the range, oldest first.
    pub(super) fn newest(&self, tag: Tag, range: Range, count: u32) -> Result<Vec<Record>, Failure> {
        let (mut newest, _) = self.fetch(tag, NEWEST, (tag.name(), range.from, range.to, count), usize::MAX)?;
        newest.reverse();
        Ok(newest)
    }

    /// The rows of a query, and whether it was broken off because they are too long.
    fn fetch(&self, tag: Tag, sql: &str, of: impl Params, most: usize) -> Result<(Vec<Record>, bool), Failure> {
        let failed = |error: Error| Failure::reading(&self.path, &error);
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query(of).map_err(failed)?;
        let (mut records, mut bytes) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(failed)? {
            let record = record(tag, row).map_err(failed)?;
            bytes += record.value.heap_bytes();
            records.push(record);
            if most < bytes {
                return Ok((records, true));
            }
        }
        Ok((records, false))
    }
}

impl Slices<'_> {
    fn slice(&mut self, from: i64) -> Result<Vec<Record>, Failure> {
        let (tag, most) = (self.tag, self.rows as i64);
        let (mut records, too_long) = self.store.fetch(tag, NEXT, (tag.name(), from, self.to, most), BYTES)?;
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(records) };
        let (first, last) = (first.time, last.time);
        if !too_long && records.len() < self.rows {
            return Ok(records);
        }
        // The last time may have more rows than there was room for: it comes with the next slice, whole.
        records.truncate(records.partition_point(|record| record.time < last));
        if records.is_empty() {
            // Nothing but this one time, as where a whole batch bears the same.
            records = self.store.fetch(tag, AT, (tag.name(), first.0), usize::MAX)?.0;
            self.next = last.0.checked_add(1);
        } else {
            self.next = Some(last.0);
        }
        Ok(records)
    }
}

impl Iterator for Slices<'_> {
    type Item = Result<Vec<Record>, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        // Rows may be deleted while this looks for them; then the next slice is what is left.
        while let Some(from) = self.next.take() {
            match self.slice(from) {
                Ok(records) if records.is_empty() => {}
                found => return Some(found),
            }
        }
        None
    }
}

/// The record that was stored, as far as SQL's types tell: a boolean has become 0 or 1.
fn record(tag: Tag, row: &Row<'_>) -> rusqlite::Result<Record> {
    let code: i64 = row.get(2)?;
    Ok(Record {
        tag,
        time: Timestamp(row.get(0)?),
        value: value(row.get_ref(1)?),
        // A code that is none was not written by the sink: nobody knows what it means.
        quality: u32::try_from(code).map_or(Quality::BAD, Quality),
    })
}

fn value(stored: ValueRef<'_>) -> Value {
    match stored {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::I64(number),
        ValueRef::Real(number) => Value::F64(number),
        ValueRef::Text(text) => text_value(&String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.into()),
    }
}

/// A text, or one of the numbers for which SQL has no type.
fn text_value(text: &str) -> Value {
    if text == "NaN" {
        return Value::F64(f64::NAN);
    }
    let digits = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(number) if digits && i64::MAX as u64 <= number && number.to_string() == text => Value::U64(number),
        _ => Value::Text(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::Connection;
    use rusqlite::types::Value as Sql;

    const ALL: Range = Range { from: i64::MIN, to: i64::MAX, now: 0 };

    /// A database with these rows of the tag `a`, and the connection of its writer.
    fn database(dir: &tempfile::TempDir, rows: &[(i64, Sql)]) -> (Store, Connection) {
        let path = dir.path().join("plant.db");
        let writer = Connection::open(&path).unwrap();
        let schema = "PRAGMA journal_mode = wal; CREATE TABLE s(tag, time, value, quality);
            CREATE VIEW samples AS SELECT * FROM s; BEGIN";
        writer.execute_batch(schema).unwrap();
        for (time, value) in rows {
            writer.execute("INSERT INTO s VALUES ('a', ?, ?, 0)", (time, value)).unwrap();
        }
        writer.execute_batch("COMMIT").unwrap();
        (Store::open(&path).unwrap(), writer)
    }

    fn values(slices: Slices<'_>) -> Vec<Vec<(i64, Value)>> {
        slices.map(|slice| slice.unwrap().into_iter().map(|record| (record.time.0, record.value)).collect()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_row_comes_once_however_it_is_sliced(
            times in prop::collection::vec(0..12_i64, 0..60), rows in 1..9_usize, from in 0..4_i64, to in 4..13_i64,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let stored: Vec<(i64, Sql)> = times.iter().zip(0..).map(|(time, n)| (*time, Sql::Integer(n))).collect();
            let (store, _writer) = database(&dir, &stored);
            let slices = Slices { rows, ..store.slices(Tag::new("a").unwrap(), Range { from, to, now: 0 }) };
            let slices = values(slices);
            let mut found: Vec<(i64, Value)> = slices.concat();
            prop_assert!(found.is_sorted_by_key(|row| row.0));
            prop_assert!(slices.iter().all(|slice| !slice.is_empty()));
            let number = |value: &Value| if let Value::I64(number) = value { *number } else { -1 };
            found.sort_by_key(|(time, value)| (*time, number(value)));
            let mut wanted: Vec<(i64, Value)> = times.iter().zip(0..).map(|(time, n)| (*time, Value::I64(n))).collect();
            wanted.retain(|row| (from..to).contains(&row.0));
            wanted.sort_by_key(|(time, value)| (*time, number(value)));
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn between_slices_the_log_can_be_emptied() {
        let dir = tempfile::tempdir().unwrap();
        let rows: Vec<(i64, Sql)> = (0..100).map(|n| (n, Sql::Integer(n))).collect();
        let (store, writer) = database(&dir, &rows);
        let slices = Slices { rows: 10, ..store.slices(Tag::new("a").unwrap(), ALL) };
        let checkpoint =
            || writer.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |row| row.get::<_, i64>(0)).unwrap();
        writer.busy_timeout(std::time::Duration::ZERO).unwrap();
        let mut count = 0;
        for slice in slices {
            count += slice.unwrap().len();
            writer.execute("INSERT INTO s VALUES ('b', 0, 0, 0)", ()).unwrap();
            assert_eq!(checkpoint(), 0, "a reader was in the way");
            assert_eq!(std::fs::metadata(dir.path().join("plant.db-wal")).unwrap().len(), 0);
        }
        assert_eq!(count, 100);
        // And the test can tell: a reader that is in the middle of its rows is in the way.
        let mut statement = store.connection.prepare("SELECT * FROM samples").unwrap();
        let mut rows = statement.query(()).unwrap();
        rows.next().unwrap();
        writer.execute("INSERT INTO s VALUES ('b', 0, 0, 0)", ()).unwrap();
        assert_eq!(checkpoint(), 1);
    }

    #[test]
    fn long_values_make_short_slices() {
        let dir = tempfile::tempdir().unwrap();
        let rows: Vec<(i64, Sql)> = (0..10).map(|n| (n, Sql::Blob(vec![0; BYTES / 3]))).collect();
        let (store, _writer) = database(&dir, &rows);
        let slices = values(store.slices(Tag::new("a").unwrap(), ALL));
        assert_eq!(slices.iter().map(Vec::len).sum::<usize>(), 10);
        assert!(slices.iter().all(|slice| slice.len() <= 3));
    }

    #[test]
    fn values_come_back_as_they_were_meant() {
        let dir = tempfile::tempdir().unwrap();
        let text = |text: &str| Sql::Text(text.to_owned());
        let rows =
            [Sql::Null, Sql::Integer(-1), Sql::Real(0.5), text("18446744073709551615"), text("007"), text("run")];
        let rows: Vec<(i64, Sql)> = (0..).zip(rows).collect();
        let (store, writer) = database(&dir, &rows);
        let wanted = [
            Value::Null,
            Value::I64(-1),
            Value::F64(0.5),
            Value::U64(u64::MAX),
            Value::Text("007".into()),
            Value::Text("run".into()),
        ];
        let found = values(store.slices(Tag::new("a").unwrap(), ALL)).concat();
        assert!(found.into_iter().map(|row| row.1).eq(wanted));
        writer.execute_batch("INSERT INTO s VALUES ('a', 9, 'NaN', 0), ('a', 10, x'01ff', -7)").unwrap();
        let newest = store.newest(Tag::new("a").unwrap(), ALL, 2).unwrap();
        assert!(newest[0].value.same_as(&Value::F64(f64::NAN)));
        assert_eq!(newest[1].value, Value::Bytes([1, 0xff].as_slice().into()));
        assert_eq!(newest[1].quality, Quality::BAD, "a code that is none is not taken for good");
    }
}
