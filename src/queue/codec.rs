//! A batch as bytes: compact, versioned, checksummed.
//!
//! Layout, little-endian; `varint` is LEB128, `zigzag` a varint of a signed number:
//!
//! ```text
//! u8 version | body | u32 CRC-32C of version and body
//! body   = zigzag received | [zigzag expires − received: version 2] | varint records | record…
//! record = u8 head | varint tag | [zigzag time − previous time] | [u32 quality] | value
//! head   = value type (4 bits) | 0x40 time follows | 0x80 quality follows (else it is that of the record before, at first Good)
//! ```
//!
//! Version 2 is a batch that expires, all others are of version 1. Tags are numbers of the file's own dictionary. Whatever does not decode to the last byte is damaged: a length is never
//! trusted before the checksum is.

use std::sync::Arc;

use crc::{CRC_32_ISCSI, Crc, Table};
use fieldflow_contract::{Batch, Quality, Record, Tag, Timestamp, Value};

const VERSION: u8 = 1;
const EXPIRES: u8 = 2;
const CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

const TIME_FOLLOWS: u8 = 0x40;
const QUALITY_FOLLOWS: u8 = 0x80;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const I64: u8 = 3;
const U64: u8 = 4;
const F32: u8 = 5;
const F64: u8 = 6;
const TEXT: u8 = 7;
const BYTES: u8 = 8;

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("the checksum does not fit")]
    Checksum,
    #[error("version {0} is not known here: a newer fieldflow wrote it")]
    Version(u8),
    #[error("it ends too early or holds what no version wrote")]
    Malformed,
    #[error("it names a tag that is not in the dictionary")]
    UnknownTag,
}

/// The checksum of what is stored beside the batches, in parts.
pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut digest = CRC32C.digest();
    for part in parts {
        digest.update(part);
    }
    digest.finalize()
}

/// Writes a batch. `number` gives the dictionary's number of a tag.
pub(super) fn encode(batch: &Batch, mut number: impl FnMut(Tag) -> u32) -> Vec<u8> {
    let mut out = Vec::with_capacity(16 + batch.len() * 16);
    out.push(if batch.expires().is_some() { EXPIRES } else { VERSION });
    put_zigzag(&mut out, batch.received().0);
    if let Some(expires) = batch.expires() {
        put_zigzag(&mut out, expires.0.wrapping_sub(batch.received().0));
    }
    put_varint(&mut out, batch.len() as u64);
    let (mut time, mut quality) = (batch.received().0, Quality::GOOD);
    for record in batch.records() {
        let at = out.len();
        out.push(0);
        put_varint(&mut out, u64::from(number(record.tag)));
        let mut head = 0;
        if record.time.0 != time {
            head |= TIME_FOLLOWS;
            put_zigzag(&mut out, record.time.0.wrapping_sub(time));
            time = record.time.0;
        }
        if record.quality != quality {
            head |= QUALITY_FOLLOWS;
            quality = record.quality;
            out.extend_from_slice(&quality.0.to_le_bytes());
        }
        out[at] = head | put_value(&mut out, &record.value);
    }
    let sum = CRC32C.checksum(&out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

fn put_value(out: &mut Vec<u8>, value: &Value) -> u8 {
    match value {
        Value::Null => NULL,
        Value::Bool(false) => FALSE,
        Value::Bool(true) => TRUE,
        Value::I64(v) => {
            put_zigzag(out, *v);
            I64
        }
        Value::U64(v) => {
            put_varint(out, *v);
            U64
        }
        Value::F32(v) => {
            out.extend_from_slice(&v.to_le_bytes());
            F32
        }
        Value::F64(v) => {
            out.extend_from_slice(&v.to_le_bytes());
            F64
        }
        Value::Text(text) => {
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
            TEXT
        }
        Value::Bytes(bytes) => {
            put_varint(out, bytes.len() as u64);
            out.extend_from_slice(bytes);
            BYTES
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while 0x80 <= value {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_zigzag(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)) as u64);
}

/// Reads a batch. `tag` finds a tag by its number in the dictionary.
pub(super) fn decode(bytes: &[u8], mut tag: impl FnMut(u32) -> Option<Tag>) -> Result<Batch, Damage> {
    let (bytes, sum) = bytes.split_last_chunk().ok_or(Damage::Malformed)?;
    if CRC32C.checksum(bytes) != u32::from_le_bytes(*sum) {
        return Err(Damage::Checksum);
    }
    let (&version, body) = bytes.split_first().ok_or(Damage::Malformed)?;
    if !matches!(version, VERSION | EXPIRES) {
        return Err(Damage::Version(version));
    }
    let mut reader = Reader(body);
    let received = reader.zigzag()?;
    let expires = if version == EXPIRES { Some(Timestamp(received.wrapping_add(reader.zigzag()?))) } else { None };
    let count = reader.varint()? as usize;
    // Each record takes two bytes at least.
    let mut records = Vec::with_capacity(count.min(body.len() / 2));
    let (mut time, mut quality) = (received, Quality::GOOD);
    for _ in 0..count {
        let head = reader.byte()?;
        let number = u32::try_from(reader.varint()?).map_err(|_| Damage::Malformed)?;
        if head & TIME_FOLLOWS != 0 {
            time = time.wrapping_add(reader.zigzag()?);
        }
        if head & QUALITY_FOLLOWS != 0 {
            quality = Quality(u32::from_le_bytes(reader.array()?));
        }
        let value = reader.value(head & 0x0F)?;
        let tag = tag(number).ok_or(Damage::UnknownTag)?;
        records.push(Record { tag, quality, time: Timestamp(time), value });
    }
    if !reader.0.is_empty() {
        return Err(Damage::Malformed);
    }
    Batch::new(records, Timestamp(received)).map(|batch| batch.expiring(expires)).ok_or(Damage::Malformed)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damage::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Damage::Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, Damage> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn varint(&mut self) -> Result<u64, Damage> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Damage::Malformed)
    }

    fn zigzag(&mut self) -> Result<i64, Damage> {
        self.varint().map(|value| (value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn counted(&mut self) -> Result<&'a [u8], Damage> {
        let length = usize::try_from(self.varint()?).map_err(|_| Damage::Malformed)?;
        self.take(length)
    }

    fn value(&mut self, kind: u8) -> Result<Value, Damage> {
        Ok(match kind {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            I64 => Value::I64(self.zigzag()?),
            U64 => Value::U64(self.varint()?),
            F32 => Value::F32(f32::from_le_bytes(self.array()?)),
            F64 => Value::F64(f64::from_le_bytes(self.array()?)),
            TEXT => Value::Text(Arc::from(str::from_utf8(self.counted()?).map_err(|_| Damage::Malformed)?)),
            BYTES => Value::Bytes(Arc::from(self.counted()?)),
            _ => return Err(Damage::Malformed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tag(number: u32) -> Option<Tag> {
        (number < 5).then(|| Tag::new(&format!("codec.{number}")).unwrap())
    }

    fn number(wanted: Tag) -> u32 {
        (0..5).find(|&number| tag(number) == Some(wanted)).unwrap()
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::I64),
            any::<u64>().prop_map(Value::U64),
            any::<f32>().prop_map(Value::F32),
            any::<f64>().prop_map(Value::F64),
            Just(Value::F64(f64::NAN)),
            ".{0,9}".prop_map(|text| Value::Text(text.into())),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| Value::Bytes(bytes.into())),
        ]
    }

    fn batch() -> impl Strategy<Value = Batch> {
        let time = prop_oneof![Just(7), any::<i64>()];
        let quality = prop::sample::select(vec![Quality::GOOD, Quality::BAD_TIMEOUT]);
        let record = (0..5_u32, time, quality, value()).prop_map(|(number, time, quality, value)| Record {
            tag: tag(number).unwrap(),
            quality,
            time: Timestamp(time),
            value,
        });
        let expires = prop::option::of(any::<i64>().prop_map(Timestamp));
        (prop::collection::vec(record, 1..20), any::<i64>(), expires).prop_map(|(records, received, expires)| {
            Batch::new(records, Timestamp(received)).unwrap().expiring(expires)
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(batch in batch()) {
            let back = decode(&encode(&batch, number), tag).unwrap();
            prop_assert_eq!((back.received(), back.expires()), (batch.received(), batch.expires()));
            prop_assert_eq!(back.len(), batch.len());
            for (one, two) in back.records().iter().zip(batch.records()) {
                prop_assert!(one.value.same_as(&two.value));
                prop_assert_eq!((one.tag, one.quality, one.time), (two.tag, two.quality, two.time));
            }
        }

        #[test]
        fn a_flipped_bit_is_always_found(batch in batch(), at in any::<prop::sample::Index>(), bit in 0..8) {
            let mut bytes = encode(&batch, number);
            let at = at.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            prop_assert!(decode(&bytes, tag).is_err());
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            // With a checksum that fits, so that what lies behind it is reached.
            let sum = CRC32C.checksum(&bytes);
            bytes.extend_from_slice(&sum.to_le_bytes());
            let _ = decode(&bytes, tag);
            for version in [VERSION, EXPIRES] {
                bytes[0] = version;
                let sum = CRC32C.checksum(&bytes);
                bytes.extend_from_slice(&sum.to_le_bytes());
                let _ = decode(&bytes, tag);
            }
        }
    }

    #[test]
    fn a_float_of_a_poll_takes_ten_bytes() {
        let record = |n: u32| Record::good(tag(n % 5).unwrap(), Timestamp(1_767_225_600_000_000), Value::F64(0.1));
        let batch = Batch::new((0..1000).map(record).collect(), Timestamp(1_767_225_600_000_000)).unwrap();
        assert!(encode(&batch, number).len() <= 10 * 1000 + 20);
    }
}
