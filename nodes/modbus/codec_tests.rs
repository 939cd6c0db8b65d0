//! Every type in every order, against bytes that the field knows by heart, and there and back again.

use super::*;
use proptest::prelude::*;

fn layout(kind: Kind, order: &str) -> Layout {
    let order = if order.is_empty() { Order::big_endian(kind) } else { Order::parse(order, kind).unwrap() };
    Layout { kind, order, bit: 0, registers: kind.registers(4), invalid: Vec::new() }
}

fn decode(kind: Kind, order: &str, words: &[u16]) -> Value {
    let (value, quality) = layout(kind, order).decode(words);
    assert_eq!(quality, Quality::GOOD);
    value
}

#[test]
fn a_float_is_read_in_the_four_common_orders() {
    for (order, words) in [
        ("", [0x42F6, 0xE979]),
        ("ABCD", [0x42F6, 0xE979]),
        ("CDAB", [0xE979, 0x42F6]),
        ("BADC", [0xF642, 0x79E9]),
        ("DCBA", [0x79E9, 0xF642]),
    ] {
        assert_eq!(decode(Kind::F32, order, &words), Value::F32(123.456), "{order}");
        assert_eq!(decode(Kind::U32, order, &words), Value::U64(0x42F6_E979), "{order}");
        assert_eq!(layout(Kind::F32, order).encode(&Value::F32(123.456)), words, "{order}");
    }
}

#[test]
fn values_of_64_bits_are_read_in_the_orders_of_the_field() {
    for (order, words) in [
        ("ABCDEFGH", [0x0123, 0x4567, 0x89AB, 0xCDEF]),
        ("GHEFCDAB", [0xCDEF, 0x89AB, 0x4567, 0x0123]),
        ("BADCFEHG", [0x2301, 0x6745, 0xAB89, 0xEFCD]),
        ("HGFEDCBA", [0xEFCD, 0xAB89, 0x6745, 0x2301]),
        ("CDABGHEF", [0x4567, 0x0123, 0xCDEF, 0x89AB]),
        ("EFGHABCD", [0x89AB, 0xCDEF, 0x0123, 0x4567]),
    ] {
        assert_eq!(decode(Kind::U64, order, &words), Value::U64(0x0123_4567_89AB_CDEF), "{order}");
    }
    assert_eq!(decode(Kind::F64, "", &[0x405E, 0xDD2F, 0x1A9F, 0xBE77]), Value::F64(123.456));
    assert_eq!(decode(Kind::F64, "GHEFCDAB", &[0xBE77, 0x1A9F, 0xDD2F, 0x405E]), Value::F64(123.456));
}

#[test]
fn integers_keep_their_sign() {
    for (kind, order, words, value) in [
        (Kind::I16, "AB", &[0xFFFE][..], Value::I64(-2)),
        (Kind::I16, "BA", &[0xFEFF], Value::I64(-2)),
        (Kind::U16, "AB", &[0xFFFE], Value::U64(65_534)),
        (Kind::U16, "BA", &[0xFEFF], Value::U64(65_534)),
        (Kind::I32, "", &[0xFFFF, 0xFFFE], Value::I64(-2)),
        (Kind::I32, "CDAB", &[0xFFFE, 0xFFFF], Value::I64(-2)),
        (Kind::U32, "", &[0xFFFF, 0xFFFE], Value::U64(4_294_967_294)),
        (Kind::I64, "", &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFE], Value::I64(-2)),
        (Kind::U64, "", &[0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF], Value::U64(u64::MAX)),
    ] {
        assert_eq!(decode(kind, order, words), value, "{kind:?} {order}");
    }
}

#[test]
fn bits_count_from_the_least_and_a_bool_is_not_zero() {
    let mut bit = layout(Kind::Bit, "");
    bit.bit = 3;
    assert_eq!(bit.decode(&[0x0008]).0, Value::Bool(true));
    assert_eq!(bit.decode(&[0xFFF7]).0, Value::Bool(false));
    let mut swapped = layout(Kind::Bit, "BA");
    swapped.bit = 3;
    assert_eq!(swapped.decode(&[0x0800]).0, Value::Bool(true));
    assert_eq!(decode(Kind::Bool, "", &[0x0100]), Value::Bool(true));
    assert_eq!(decode(Kind::Bool, "", &[0]), Value::Bool(false));
}

#[test]
fn text_loses_its_padding_and_nothing_else() {
    for (order, words, text) in [
        ("AB", [0x5075, 0x6D70, 0x2037, 0x2000], "Pump 7"),
        ("BA", [0x7550, 0x706D, 0x3720, 0x0000], "Pump 7"),
        ("AB", [0x2041, 0x0042, 0x0000, 0x2020], " A\0B"),
        ("AB", [0xC2B0, 0x4300, 0, 0], "°C"),
        ("AB", [0xB043, 0, 0, 0], "°C"),
        ("AB", [0, 0, 0, 0], ""),
    ] {
        assert_eq!(decode(Kind::String, order, &words), Value::Text(text.into()));
    }
}

#[test]
fn a_sentinel_is_a_failed_sensor_whatever_the_order() {
    let failed = (Value::Null, Quality::BAD_SENSOR_FAILURE);
    let mut number = layout(Kind::I16, "BA");
    number.invalid = vec![0x8000, 0x7FFF];
    assert_eq!(number.decode(&[0x0080]), failed);
    assert_eq!(number.decode(&[0xFF7F]), failed);
    assert_eq!(number.decode(&[0x8000]), (Value::I64(0x80), Quality::GOOD));
    let mut float = layout(Kind::F32, "CDAB");
    float.invalid = vec![0x7FC0_0000];
    assert_eq!(float.decode(&[0x0000, 0x7FC0]), failed);
}

#[test]
fn registers_that_are_too_few_are_no_value() {
    assert_eq!(layout(Kind::F32, "").decode(&[0x42F6]), (Value::Null, Quality::BAD_DECODING));
}

#[test]
fn an_order_that_does_not_fit_is_explained() {
    for (order, kind, said) in [
        ("CDAB", Kind::U16, "u16 has 2 bytes"),
        ("CDAB", Kind::String, "each register of a string has 2 bytes"),
        ("BA", Kind::F32, "f32 has 4 bytes"),
        ("AABB", Kind::U32, "each letter of ABCD once"),
        ("abcd", Kind::U32, "each letter of ABCD once"),
        ("ÄBCD", Kind::U32, "each letter of ABCD once"),
        ("ABCDEFGI", Kind::U64, "each letter of ABCDEFGH once"),
        ("", Kind::U16, "2 bytes"),
    ] {
        let problem = Order::parse(order, kind).unwrap_err();
        assert!(problem.message.contains(said), "{order}: {}", problem.message);
    }
}

fn any_layout() -> impl Strategy<Value = Layout> {
    let kinds = [Kind::I16, Kind::U16, Kind::I32, Kind::U32, Kind::I64, Kind::U64, Kind::F32, Kind::F64];
    prop::sample::select(kinds.to_vec()).prop_flat_map(|kind| {
        let letters: Vec<char> = "ABCDEFGH".chars().take(kind.ordered_bytes().into()).collect();
        Just(letters).prop_shuffle().prop_map(move |letters| layout(kind, &letters.into_iter().collect::<String>()))
    })
}

proptest! {
    #[test]
    fn any_registers_survive_decoding_and_encoding(layout in any_layout(), words in prop::collection::vec(any::<u16>(), 4)) {
        let words = &words[..usize::from(layout.registers)];
        let (value, _) = layout.decode(words);
        prop_assert_eq!(layout.encode(&value), words);
    }

    #[test]
    fn any_text_survives_encoding_and_decoding(text in "[!-~]{0,8}", order in prop::sample::select(vec!["AB", "BA"])) {
        let layout = layout(Kind::String, order);
        let value = Value::Text(text.into());
        prop_assert_eq!(layout.decode(&layout.encode(&value)).0, value);
    }

    #[test]
    fn any_bit_survives(bit in 0_u8..16, on: bool, order in prop::sample::select(vec!["AB", "BA"])) {
        let layout = Layout { bit, ..layout(Kind::Bit, order) };
        prop_assert_eq!(layout.decode(&layout.encode(&Value::Bool(on))).0, Value::Bool(on));
    }
}
