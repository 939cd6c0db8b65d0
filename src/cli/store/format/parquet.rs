//! Apache Parquet in the long form: a row a sample, a column for each kind of value.
//!
//! Of `value_f64`, `value_i64`, `value_text` and `value_bytes` at most one is set. An integer that has no room in 64 bits with
//! sign is text. Of buckets, `count` is an integer and all else a double; a `first` or `last` that is no number is not set.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use fieldflow_contract::Value;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use super::{Agg, Columns, Row, Sheet, plain};

/// Rows that are held in memory until they are a row group.
const GROUP: usize = 128 * 1024;
/// The same in bytes of text and of bytes.
const BYTES: usize = 64 << 20;

/// Writes rows as a Parquet file.
pub(super) struct Parquet<W: Write + Send> {
    out: SerializedFileWriter<W>,
    aggs: Option<Vec<Agg>>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
}

impl<W: Write + Send> Parquet<W> {
    /// Begins.
    pub(super) fn new(columns: Columns, out: W) -> io::Result<Self> {
        let aggs = match columns {
            Columns::Samples => None,
            Columns::Buckets(aggs) => Some(aggs),
        };
        let (schema, columns) = schema(aggs.as_deref());
        let schema = parse_message_type(&schema).map_err(failed)?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let out = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties)).map_err(failed)?;
        Ok(Self { out, aggs, columns, rows: 0, bytes: 0 })
    }

    fn group(&mut self) -> Result<(), ParquetError> {
        (self.rows, self.bytes) = (0, 0);
        let mut group = self.out.next_row_group()?;
        let mut columns = self.columns.iter_mut();
        while let (Some(column), Some(mut writer)) = (columns.next(), group.next_column()?) {
            column.write(&mut writer)?;
            writer.close()?;
        }
        group.close().map(drop)
    }
}

impl<W: Write + Send> Sheet for Parquet<W> {
    fn row(&mut self, row: Row<'_>) -> io::Result<()> {
        let mut cells = vec![Cell::Text(row.tag().name().into()), Cell::Int(row.time().0)];
        match (row, &self.aggs) {
            (Row::Sample(record), _) => {
                cells.extend(value_cells(&record.value));
                // The bits of the code; the schema says that they have no sign.
                cells.push(Cell::Code(record.quality.0.cast_signed()));
            }
            (Row::Bucket(bucket), Some(aggs)) => {
                cells.extend(aggs.iter().zip(&bucket.values).map(|(agg, value)| match (agg, value) {
                    (Agg::Count, Value::U64(count)) => Cell::Int(i64::try_from(*count).unwrap_or(i64::MAX)),
                    (_, value) => value.as_f64().map_or(Cell::Nothing, Cell::Double),
                }));
            }
            (Row::Bucket(_), None) => return Err(io::Error::other("a bucket among samples")),
        }
        self.rows += 1;
        self.bytes += row.values().iter().map(Value::heap_bytes).sum::<usize>();
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            column.push(cell)?;
        }
        if self.rows < GROUP && self.bytes < BYTES { Ok(()) } else { self.group().map_err(failed) }
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.rows != 0 {
            self.group().map_err(failed)?;
        }
        self.out.finish().map_err(failed)?;
        self.out.inner_mut().flush()
    }
}

/// The schema, and its columns, still empty.
fn schema(aggs: Option<&[Agg]>) -> (String, Vec<Column>) {
    let mut text =
        "message samples { required binary tag (UTF8); required int64 time (TIMESTAMP(MICROS,true));".to_owned();
    let mut columns = vec![Column::required(Values::Bytes(Vec::new())), Column::required(Values::I64(Vec::new()))];
    if let Some(aggs) = aggs {
        for agg in aggs {
            let (kind, values) = match agg {
                Agg::Count => ("int64", Values::I64(Vec::new())),
                _ => ("double", Values::F64(Vec::new())),
            };
            let _ = write!(text, " optional {kind} {};", agg.name());
            columns.push(Column::optional(values));
        }
    } else {
        text += " optional double value_f64; optional int64 value_i64; optional binary value_text (UTF8); \
            optional binary value_bytes; required int32 quality (INTEGER(32,false));";
        columns.extend([
            Column::optional(Values::F64(Vec::new())),
            Column::optional(Values::I64(Vec::new())),
            Column::optional(Values::Bytes(Vec::new())),
            Column::optional(Values::Bytes(Vec::new())),
            Column::required(Values::I32(Vec::new())),
        ]);
    }
    (text + " }", columns)
}

/// The columns `value_f64`, `value_i64`, `value_text` and `value_bytes`.
fn value_cells(value: &Value) -> [Cell; 4] {
    const NOTHING: Cell = Cell::Nothing;
    let int = |value| [NOTHING, Cell::Int(value), NOTHING, NOTHING];
    match value {
        Value::Null => [NOTHING; 4],
        Value::Bool(value) => int(i64::from(*value)),
        Value::I64(value) => int(*value),
        Value::F32(value) => [Cell::Double(f64::from(*value)), NOTHING, NOTHING, NOTHING],
        Value::F64(value) => [Cell::Double(*value), NOTHING, NOTHING, NOTHING],
        Value::U64(_) | Value::Text(_) => [NOTHING, NOTHING, Cell::Text(plain(value).as_ref().into()), NOTHING],
        Value::Bytes(bytes) => [NOTHING, NOTHING, NOTHING, Cell::Text(ByteArray::from(bytes.to_vec()))],
    }
}

enum Cell {
    Nothing,
    Text(ByteArray),
    Int(i64),
    Code(i32),
    Double(f64),
}

/// A column of the row group that is being filled.
struct Column {
    values: Values,
    /// 1 where there is a value, 0 where there is none; only of an optional column.
    levels: Option<Vec<i16>>,
}

enum Values {
    Bytes(Vec<ByteArray>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    F64(Vec<f64>),
}

impl Column {
    fn required(values: Values) -> Self {
        Self { values, levels: None }
    }

    fn optional(values: Values) -> Self {
        Self { values, levels: Some(Vec::new()) }
    }

    fn push(&mut self, cell: Cell) -> io::Result<()> {
        if let Some(levels) = &mut self.levels {
            levels.push(i16::from(!matches!(cell, Cell::Nothing)));
        }
        match (&mut self.values, cell) {
            (_, Cell::Nothing) if self.levels.is_some() => {}
            (Values::Bytes(values), Cell::Text(value)) => values.push(value),
            (Values::I64(values), Cell::Int(value)) => values.push(value),
            (Values::I32(values), Cell::Code(value)) => values.push(value),
            (Values::F64(values), Cell::Double(value)) => values.push(value),
            _ => return Err(io::Error::other("a value that does not fit its column")),
        }
        Ok(())
    }

    /// Writes what the column holds, and empties it.
    fn write(&mut self, to: &mut SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = self.levels.as_deref();
        match &mut self.values {
            Values::Bytes(values) => {
                to.typed::<ByteArrayType>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::I64(values) => {
                to.typed::<Int64Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::I32(values) => {
                to.typed::<Int32Type>().write_batch(values, levels, None)?;
                values.clear();
            }
            Values::F64(values) => {
                to.typed::<DoubleType>().write_batch(values, levels, None)?;
                values.clear();
            }
        }
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        Ok(())
    }
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes_of::Shared;
    use fieldflow_contract::{Quality, Record, Tag, Timestamp};
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;

    /// A file in memory that can be looked at while the sheet still has it.
    mod bytes_of {
        use std::io::{self, Write};
        use std::sync::{Arc, Mutex};

        #[derive(Clone, Default)]
        pub(super) struct Shared(pub(super) Arc<Mutex<Vec<u8>>>);

        impl Write for Shared {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
    }

    #[test]
    fn every_kind_of_value_reads_back_from_more_than_one_row_group() {
        let file = Shared::default();
        let mut sheet = Parquet::new(Columns::Samples, file.clone()).unwrap();
        let tag = Tag::new("parquet.test").unwrap();
        let values = [
            Value::Null,
            Value::I64(-7),
            Value::F64(78.4),
            Value::U64(u64::MAX),
            Value::Text("run".into()),
            Value::Bytes([1, 0xff].as_slice().into()),
        ];
        let rows = GROUP + 6;
        for (n, value) in (0..rows).zip(values.iter().cycle()) {
            let record = Record { tag, quality: Quality::BAD_TIMEOUT, time: Timestamp(n as i64), value: value.clone() };
            sheet.row(Row::Sample(&record)).unwrap();
        }
        sheet.finish().unwrap();
        let bytes = file.0.lock().unwrap().clone();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("x.parquet"), bytes).unwrap();
        let reader = SerializedFileReader::new(std::fs::File::open(dir.path().join("x.parquet")).unwrap()).unwrap();
        assert_eq!((reader.num_row_groups(), reader.metadata().file_metadata().num_rows()), (2, rows as i64));
        for (n, row) in reader.get_row_iter(None).unwrap().enumerate() {
            let row = row.unwrap();
            let fields: Vec<&Field> = row.get_column_iter().map(|(_, field)| field).collect();
            assert_eq!(*fields[0], Field::Str("parquet.test".to_owned()));
            assert_eq!(*fields[1], Field::TimestampMicros(n as i64));
            assert_eq!(*fields[6], Field::UInt(Quality::BAD_TIMEOUT.0));
            let set: Vec<&&Field> = fields[2..6].iter().filter(|field| ***field != Field::Null).collect();
            let wanted = match n % 6 {
                0 => None,
                1 => Some(Field::Long(-7)),
                2 => Some(Field::Double(78.4)),
                3 => Some(Field::Str(u64::MAX.to_string())),
                4 => Some(Field::Str("run".to_owned())),
                _ => Some(Field::Bytes(ByteArray::from(vec![1, 0xff]))),
            };
            assert_eq!(set.first().map(|field| (***field).clone()), wanted);
        }
    }
}
