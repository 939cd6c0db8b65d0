//! The plain types in every order of their bytes, with the values at which decoders go wrong; `types` has the others.
//!
//! What a server holds is made by the definition of an order, and not by the code under test: `A` is the most significant
//! byte of a value, and the letter at place k names the byte that comes k-th over the wire.

use crate::device::{Device, Expected};
use crate::peers::{Peer, Way};
use crate::types;

/// For 64 bits, the eight that devices have: words, halves and bytes swapped or not.
const ORDERS_OF_64_BITS: [&str; 8] =
    ["ABCDEFGH", "GHEFCDAB", "BADCFEHG", "HGFEDCBA", "CDABGHEF", "EFGHABCD", "DCBAHGFE", "FEHGBADC"];

#[tokio::test]
async fn every_type_in_every_order_is_what_pymodbus_holds() {
    device().must_be_read_from(Peer::Pymodbus, Way::Tcp).await;
}

#[tokio::test]
async fn every_type_in_every_order_is_what_libmodbus_holds() {
    device().must_be_read_from(Peer::Libmodbus, Way::Tcp).await;
}

#[tokio::test]
async fn every_type_in_every_order_is_what_pymodbus_holds_at_the_end_of_a_serial_line() {
    device().must_be_read_from(Peer::Pymodbus, Way::Serial).await;
}

#[tokio::test]
async fn every_type_in_every_order_is_what_libmodbus_holds_at_the_end_of_a_serial_line() {
    device().must_be_read_from(Peer::Libmodbus, Way::Serial).await;
}

/// All of it side by side, so that it takes many full requests; at other addresses in one table than in the other.
fn device() -> Device {
    let mut device = Device::default();
    for (table, start) in [("holding", 0), ("input", 5000)] {
        let mut map = Map { device: &mut device, table, next: start, count: 0 };
        plain(&mut map);
        types::all(&mut map);
    }
    device
}

/// The plain types.
pub(crate) fn plain(map: &mut Map) {
    numbers(map);
    booleans(map);
    texts(map);
}

/// A table that is being filled from the bottom.
pub(crate) struct Map<'a> {
    pub(crate) device: &'a mut Device,
    pub(crate) table: &'static str,
    pub(crate) next: u16,
    pub(crate) count: usize,
}

impl Map<'_> {
    /// Holds a value, its bytes sent in this order, and reads it. An order that is not named is the one of the standard. A
    /// byte that means nothing is not zero.
    pub(crate) fn hold(&mut self, kind: &str, big_endian: &[u8], order: Option<&str>, more: &str, expected: Expected) {
        let letters = order.unwrap_or(&"ABCDEFGH"[..big_endian.len()]);
        let wire: Vec<u8> = letters
            .bytes()
            .map(|letter| if letter == b'_' { 0xEE } else { big_endian[usize::from(letter - b'A')] })
            .collect();
        let options = order.map(|order| format!(", order: {order}")).unwrap_or_default();
        self.hold_wire(kind, &wire, &format!("{options}{more}"), expected);
    }

    /// Holds these bytes as they are, and reads them.
    pub(crate) fn hold_wire(&mut self, kind: &str, wire: &[u8], options: &str, expected: Expected) {
        let name = format!("{}.{kind}.{}", self.table, self.count);
        let at = self.put(wire);
        self.device.tag(1, &name, (self.table, at), &format!(", as: {kind}{options}"), expected);
    }

    /// Holds these bytes at the next free address, and tells which that was.
    pub(crate) fn put(&mut self, wire: &[u8]) -> u16 {
        let words: Vec<u16> = wire.chunks_exact(2).map(|pair| u16::from(pair[0]) << 8 | u16::from(pair[1])).collect();
        let at = self.next;
        self.device.memory.put(1, self.table, at, &words);
        self.next += words.len() as u16;
        self.count += 1;
        at
    }
}

fn numbers(map: &mut Map) {
    let of_32_bits = permutations("ABCD");
    assert_eq!(of_32_bits.len(), 24);
    for (kind, big_endian, expected) in samples() {
        let orders: Vec<&str> = match big_endian.len() {
            2 => vec!["AB", "BA"],
            4 => of_32_bits.iter().map(String::as_str).collect(),
            _ => ORDERS_OF_64_BITS.to_vec(),
        };
        map.hold(kind, &big_endian, None, "", expected.clone());
        for order in orders {
            map.hold(kind, &big_endian, Some(order), "", expected.clone());
        }
    }
}

/// The type, the value's bytes from the most significant on, and the value.
fn samples() -> Vec<(&'static str, Vec<u8>, Expected)> {
    let mut all = Vec::new();
    macro_rules! of {
        ($kind:ident, $expected:ident, $($value:expr),+) => {
            $(all.push((stringify!($kind), <$kind>::to_be_bytes($value).to_vec(), Expected::$expected($value.into())));)+
        };
    }
    of!(i16, I64, 0_i16, 0x1234_i16, -2_i16, -0x1234_i16, i16::MIN, i16::MAX);
    of!(u16, U64, 0_u16, 0x1234_u16, 0x8000_u16, u16::MAX);
    of!(i32, I64, 0_i32, 0x1234_5678_i32, -2_i32, -0x1234_5678_i32, i32::MIN, i32::MAX);
    of!(u32, U64, 0_u32, 0x1234_5678_u32, 0x89AB_CDEF_u32, u32::MAX);
    of!(i64, I64, 0_i64, 0x0123_4567_89AB_CDEF_i64, -2_i64, -0x0123_4567_89AB_CDEF_i64, i64::MIN, i64::MAX);
    of!(u64, U64, 0_u64, 0x0123_4567_89AB_CDEF_u64, 0xFEDC_BA98_7654_3210_u64, u64::MAX);
    of!(f32, F32, 0.0_f32, -0.0_f32, 78.4_f32, 123.456_f32, -1.0e-7_f32, 16_777_216.0_f32, f32::MIN, f32::MAX);
    of!(f32, F32, f32::MIN_POSITIVE, f32::from_bits(1), f32::from_bits(0x807F_FFFF));
    of!(f32, F32, f32::NAN, f32::from_bits(0xFFC1_2345), f32::INFINITY, f32::NEG_INFINITY);
    of!(f64, F64, 0.0_f64, -0.0_f64, 78.4_f64, 123.456_f64, -1.0e-7_f64, 1.0e300_f64, f64::MIN, f64::MAX);
    of!(f64, F64, f64::MIN_POSITIVE, f64::from_bits(1), f64::from_bits(0x800F_FFFF_FFFF_FFFF));
    of!(f64, F64, f64::NAN, f64::from_bits(0xFFF8_0123_4567_89AB), f64::INFINITY, f64::NEG_INFINITY);
    all
}

fn booleans(map: &mut Map) {
    for word in [0_u16, 1, 0x0100, 0x8000, u16::MAX] {
        map.hold("bool", &word.to_be_bytes(), None, "", Expected::Bool(word != 0));
    }
    for order in ["AB", "BA"] {
        for bit in 0..16 {
            for word in [0xA5C3_u16, !0xA5C3] {
                let on = (word / 2_u16.pow(bit)) % 2 == 1;
                map.hold("bit", &word.to_be_bytes(), Some(order), &format!(", bit: {bit}"), Expected::Bool(on));
            }
        }
    }
    map.hold("i16", &[0x80, 0x00], None, ", invalid: [0x8000]", Expected::Bad("bad:sensor_failure"));
    map.hold("i32", &[0, 0, 0x7F, 0xFF], Some("CDAB"), ", invalid: [0x7FFF]", Expected::Bad("bad:sensor_failure"));
}

fn texts(map: &mut Map) {
    for (bytes, text) in [
        (b"fieldflow 1.0".as_slice(), "fieldflow 1.0"),
        (b"full", "full"),
        (b"padded  ", "padded"),
        (b"", ""),
        ("78,4 °C – Öl".as_bytes(), "78,4 °C – Öl"),
        (b"\xB0C in Latin-1", "°C in Latin-1"),
        (b"\"quoted\" \\ \ttext", "\"quoted\" \\ \ttext"),
    ] {
        for padding in [0, 6] {
            let mut bytes = bytes.to_vec();
            bytes.resize((bytes.len() + padding).next_multiple_of(2).max(2), 0);
            let length = format!(", length: {}", bytes.len() / 2);
            let swapped: Vec<u8> = bytes.chunks_exact(2).flat_map(|pair| [pair[1], pair[0]]).collect();
            let expected = Expected::Text(text.to_owned());
            map.hold_wire("string", &bytes, &length, expected.clone());
            map.hold_wire("string", &bytes, &format!("{length}, order: AB"), expected.clone());
            map.hold_wire("string", &swapped, &format!("{length}, order: BA"), expected);
        }
    }
}

/// All sequences of these letters.
pub(crate) fn permutations(letters: &str) -> Vec<String> {
    if letters.is_empty() {
        return vec![String::new()];
    }
    let without = |first: char| letters.chars().filter(move |letter| *letter != first).collect::<String>();
    let beginning_with =
        |first: char| permutations(&without(first)).into_iter().map(move |rest| format!("{first}{rest}"));
    letters.chars().flat_map(beginning_with).collect()
}
