//! The types that the field made up beside the plain ones, and what can be said about a tag besides its type.

use crate::device::Expected;
use crate::values::{Map, permutations};

/// For 48 bits: words and bytes swapped or not, and two that no device has.
const ORDERS_OF_48_BITS: [&str; 6] = ["ABCDEF", "EFCDAB", "BADCFE", "FEDCBA", "CDABEF", "DBFACE"];

/// Holds and reads all of them.
pub(crate) fn all(map: &mut Map) {
    types(map);
    sentinels(map);
    words_for_numbers(map);
    bits_and_runs(map);
    factors(map);
    addresses(map);
}

/// The types alone.
pub(crate) fn types(map: &mut Map) {
    odd_widths(map);
    halves_of_registers(map);
    half_floats(map);
    digits(map);
    magnitudes(map);
    ten_thousands(map);
    texts_and_bytes(map);
}

fn odd_widths(map: &mut Map) {
    let of_24_bits: Vec<String> = permutations("ABC_");
    for value in [0_i64, 0x12_3456, -2, -0x12_3456, -0x80_0000, 0x7F_FFFF] {
        let bytes = &value.to_be_bytes()[5..];
        map.hold("i24", bytes, Some("_ABC"), "", Expected::I64(value));
        for order in &of_24_bits {
            map.hold("i24", bytes, Some(order), "", Expected::I64(value));
            map.hold("u24", bytes, Some(order), "", Expected::U64(value as u64 & 0xFF_FFFF));
        }
    }
    map.hold_wire("u24", &[0xEE, 0x12, 0x34, 0x56], "", Expected::U64(0x12_3456));
    for value in [0_i64, 0x1234_5678_9ABC, -2, -0x1234_5678_9ABC, -0x8000_0000_0000, 0x7FFF_FFFF_FFFF] {
        let bytes = &value.to_be_bytes()[2..];
        map.hold("i48", bytes, None, "", Expected::I64(value));
        for order in ORDERS_OF_48_BITS {
            map.hold("i48", bytes, Some(order), "", Expected::I64(value));
            map.hold("u48", bytes, Some(order), "", Expected::U64(value as u64 & 0xFFFF_FFFF_FFFF));
        }
    }
}

fn halves_of_registers(map: &mut Map) {
    for byte in [0_u8, 1, 0x7F, 0x80, 0xFF] {
        let signed = Expected::I64((byte as i8).into());
        map.hold_wire("u8", &[0xEE, byte], "", Expected::U64(byte.into()));
        map.hold_wire("u8", &[0xEE, byte], ", half: low", Expected::U64(byte.into()));
        map.hold_wire("u8", &[byte, 0xEE], ", half: high", Expected::U64(byte.into()));
        map.hold_wire("i8", &[0xEE, byte], "", signed.clone());
        map.hold_wire("i8", &[byte, 0xEE], ", half: high", signed);
    }
}

/// Bit patterns of the standard (IEEE 754, binary16) with their values.
fn half_floats(map: &mut Map) {
    for (bits, value) in [
        (0x0000_u16, 0.0),
        (0x8000, -0.0),
        (0x3C00, 1.0),
        (0x3C01, 1.000_976_6),
        (0xC000, -2.0),
        (0x3555, 0.333_251_95),
        (0x5640, 100.0),
        (0x7BFF, 65_504.0),
        (0x0400, 6.103_515_6e-5),
        (0x03FF, 6.097_555e-5),
        (0x0001, 5.960_464_5e-8),
        (0x7C00, f32::INFINITY),
        (0xFC00, f32::NEG_INFINITY),
        (0x7E00, f32::NAN),
    ] {
        for order in ["AB", "BA"] {
            map.hold("f16", &bits.to_be_bytes(), Some(order), "", Expected::F32(value));
        }
    }
}

fn digits(map: &mut Map) {
    for (word, value) in [(0x0000_u16, 0), (0x0009, 9), (0x1234, 1234), (0x9999, 9999)] {
        for order in ["AB", "BA"] {
            map.hold("bcd16", &word.to_be_bytes(), Some(order), "", Expected::U64(value));
        }
    }
    for order in permutations("ABCD") {
        for (word, value) in [(0x1234_5678_u32, 12_345_678), (0x9999_9999, 99_999_999), (0x0000_0010, 10)] {
            map.hold("bcd32", &word.to_be_bytes(), Some(&order), "", Expected::U64(value));
        }
    }
    for word in [0xA000_u16, 0x0A00, 0x00F0, 0x000B] {
        map.hold("bcd16", &word.to_be_bytes(), None, "", Expected::Bad("bad:decoding"));
        map.hold("bcd32", &u32::from(word).to_be_bytes(), Some("CDAB"), "", Expected::Bad("bad:decoding"));
    }
}

fn magnitudes(map: &mut Map) {
    for (word, value) in [(0x0000_u16, 0), (0x8000, 0), (0x0001, 1), (0x8001, -1), (0x7FFF, 32_767), (0xFFFF, -32_767)]
    {
        for order in ["AB", "BA"] {
            map.hold("sm16", &word.to_be_bytes(), Some(order), "", Expected::I64(value));
        }
    }
    for (word, value) in [(0x8000_0001_u32, -1), (0xFFFF_FFFF, -0x7FFF_FFFF), (0x1234_5678, 0x1234_5678)] {
        for order in permutations("ABCD") {
            map.hold("sm32", &word.to_be_bytes(), Some(&order), "", Expected::I64(value));
        }
    }
}

/// Registers in the sequence in which they lie in the device.
fn ten_thousands(map: &mut Map) {
    for (registers, options, expected) in [
        (&[5678_i16, 1234][..], "", Some(12_345_678)),
        (&[1234, 5678], ", order: ABCD", Some(12_345_678)),
        (&[-5678, -1234], "", Some(-12_345_678)),
        (&[9999, 9999, 9999], "", Some(999_999_999_999)),
        (&[1, 2, 3], ", order: ABCDEF", Some(100_020_003)),
        (&[4, 3, 2, 1], "", Some(1_000_200_030_004)),
        (&[9999, 9999, 9999, 9999], "", Some(9_999_999_999_999_999)),
        (&[-9999, -9999, -9999, -9999], "", Some(-9_999_999_999_999_999)),
        (&[1, 2, 3, 4], ", order: ABCDEFGH", Some(1_000_200_030_004)),
        (&[10_000, 0], "", None),
        (&[0, -10_000], "", None),
        (&[0, i16::MIN, 0], "", None),
    ] {
        let wire: Vec<u8> = registers.iter().flat_map(|word| word.to_be_bytes()).collect();
        let expected = expected.map_or(Expected::Bad("bad:decoding"), Expected::I64);
        map.hold_wire("mod10k", &wire, &format!(", length: {}{options}", registers.len()), expected);
    }
}

fn texts_and_bytes(map: &mut Map) {
    let text = |text: &str| Expected::Text(text.to_owned());
    map.hold_wire("string", b"\xEEE\xEEM\xEE3\xEE4\xEE0\xEE ", ", length: 6, chars: 1", text("EM340"));
    map.hold_wire("string", b"E\xEEM\xEE3\xEE4\xEE0\xEE\0\xEE", ", length: 6, chars: 1, half: high", text("EM340"));
    map.hold_wire("string", b"AUTO\0junk!", ", length: 5, pad: nul", text("AUTO"));
    map.hold_wire("string", b"UAOTj\0nu!k", ", length: 5, pad: nul, order: BA", text("AUTO"));
    map.hold_wire("string", b"AUTO  \0\0  ", ", length: 5, pad: space", text("AUTO  \0\0"));
    map.hold_wire("bytes", &[0, 1, 0xFE, 0xFF], ", length: 2", Expected::Hex("0001feff".to_owned()));
    map.hold_wire("bytes", &[0, 1, 0xFE, 0xFF], ", length: 2, order: BA", Expected::Hex("0100fffe".to_owned()));
}

fn sentinels(map: &mut Map) {
    let failed = || Expected::Bad("bad:sensor_failure");
    for bits in [0x7FC0_0000_u32, 0x7FBF_FF80, 0xFFC1_2345] {
        map.hold("f32", &bits.to_be_bytes(), Some("CDAB"), ", invalid: [nan]", failed());
    }
    map.hold("f32", &0x7FC0_0000_u32.to_be_bytes(), None, ", invalid: [0x7FC00000]", failed());
    map.hold("f64", &(-9999.0_f64).to_be_bytes(), None, ", invalid: [-9999.0]", failed());
    map.hold("i16", &[0x80, 0], None, ", invalid: [-32768]", failed());
    map.hold("u24", &[0xFF, 0xFF, 0xFF], Some("BC_A"), ", invalid: [0xFFFFFF]", failed());
    let saturated = Expected::Doubtful("uncertain:out_of_range", 32_767);
    map.hold("i16", &[0x7F, 0xFF], Some("BA"), ", saturated: [0x7FFF], invalid: [0x8000]", saturated);
}

pub(crate) fn words_for_numbers(map: &mut Map) {
    let words = ", enum: { 0: off, 1: on, -1: fault }";
    map.hold("i16", &[0, 1], None, words, Expected::Text("on".to_owned()));
    map.hold("i16", &[0xFF, 0xFF], None, words, Expected::Text("fault".to_owned()));
    map.hold("i32", &[0, 0, 0, 7], Some("CDAB"), words, Expected::Doubtful("uncertain", 7));
}

fn bits_and_runs(map: &mut Map) {
    let table = map.table;
    let at = map.put(&[0x56, 0x78, 0x12, 0x34]);
    let bits =
        format!("{table}.bit: 3, {table}.clear: 0, {table}.low: [0, 4], {table}.middle: [12, 8], {table}.all: [0, 32]");
    map.device.read(
        1,
        &format!("{table}.flags"),
        &format!("\"{table}:{at}\", as: u32, order: CDAB, bits: {{ {bits} }}"),
    );
    for (name, expected) in [
        ("flags", Expected::U64(0x1234_5678)),
        ("bit", Expected::Bool(true)),
        ("clear", Expected::Bool(false)),
        ("low", Expected::U64(8)),
        ("middle", Expected::U64(0x45)),
        ("all", Expected::U64(0x1234_5678)),
    ] {
        map.device.expect(&format!("{table}.{name}"), expected);
    }
    let at = map.put(&[0, 1, 0, 0, 0, 2, 0, 0, 0xFF, 0xFE, 0xFF, 0xFF]);
    map.device.read(1, &format!("{table}.run"), &format!("\"{table}:{at}\", as: i32, order: CDAB, count: 3"));
    for (index, value) in [1, 2, -2].into_iter().enumerate() {
        map.device.expect(&format!("{table}.run.{index}"), Expected::I64(value));
    }
    let at = map.put(&[0x80, 0x00, 0x00, 0x01]);
    map.device.read(1, &format!("{table}.lamps"), &format!("\"{table}:{at}.14\", count: 4"));
    for (index, on) in [false, true, true, false].into_iter().enumerate() {
        map.device.expect(&format!("{table}.lamps.{index}"), Expected::Bool(on));
    }
}

/// Values before and behind their factors.
fn factors(map: &mut Map) {
    let table = map.table;
    let values = map.put(&[0x04, 0xD2, 0xFF, 0xF9]);
    let exponent = map.put(&[0xFF, 0xFE]);
    let factor = map.put(&[0, 3]);
    let later = map.put(&[0, 5, 0x80, 0]);
    for (name, at, options, expected) in [
        ("volts", values, format!("factor_from: {{ at: \"{table}:{exponent}\" }}"), Expected::F64(12.34)),
        ("amps", values + 1, format!("as: i16, factor_from: {{ at: \"{table}:{exponent}\" }}"), Expected::F64(-0.07)),
        (
            "energy",
            later,
            format!("factor_from: {{ at: \"{table}:{factor}\", as: u16, means: factor }}"),
            Expected::U64(15),
        ),
        ("unknown", later, format!("factor_from: {{ at: \"{table}:{}\" }}", later + 1), Expected::Bad("bad:no_data")),
    ] {
        map.device.read(1, &format!("{table}.{name}"), &format!("\"{table}:{at}\", {options}"));
        map.device.expect(&format!("{table}.{name}"), expected);
    }
}

/// The same register by each of its names.
fn addresses(map: &mut Map) {
    let table = map.table;
    let at = map.put(&[0x12, 0x34]);
    let first = if table == "holding" { '4' } else { '3' };
    for (name, address, options) in [
        ("canonical", format!("{table}:{at}"), ""),
        ("hex", format!("{table}:{at:#x}"), ", as: i16"),
        ("modicon", format!("{first}{:05}", u32::from(at) + 1), ", as: bcd16"),
    ] {
        let expected = if name == "modicon" { 1234 } else { 0x1234 };
        map.device.read(1, &format!("{table}.{name}"), &format!("\"{address}\"{options}"));
        map.device.expect(&format!("{table}.{name}"), Expected::U64(expected));
    }
}
