//! Every type in every order, against bytes that the field knows by heart or that were worked out by hand.

use super::*;

pub(super) fn layout(kind: Kind, order: &str) -> Layout {
    sized(kind, 4, order)
}

pub(super) fn sized(kind: Kind, registers: u16, order: &str) -> Layout {
    let mut layout = Layout::new(kind, registers);
    if !order.is_empty() {
        layout.order = Order::parse(order, kind, registers).unwrap();
    }
    layout
}

fn bit(first: u8, order: &str) -> Layout {
    Layout { part: Some(Part { first, count: None }), ..layout(Kind::Bit, order) }
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
        assert_eq!(layout(Kind::F32, order).encode(&Value::F32(123.456)).unwrap(), words, "{order}");
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
    assert_eq!(bit(3, "").decode(&[0x0008]).0, Value::Bool(true));
    assert_eq!(bit(3, "").decode(&[0xFFF7]).0, Value::Bool(false));
    assert_eq!(bit(3, "BA").decode(&[0x0800]).0, Value::Bool(true));
    assert_eq!(decode(Kind::Bool, "", &[0x0100]), Value::Bool(true));
    assert_eq!(decode(Kind::Bool, "", &[0]), Value::Bool(false));
}

#[test]
fn numbers_of_every_width_are_read_from_their_bytes() {
    for (kind, order, words, value) in [
        (Kind::U24, "", &[0xAB12, 0x3456][..], Value::U64(0x12_3456)),
        (Kind::U24, "_ABC", &[0xAB12, 0x3456], Value::U64(0x12_3456)),
        (Kind::U24, "BC_A", &[0x3456, 0xAB12], Value::U64(0x12_3456)),
        (Kind::U24, "ABC_", &[0x1234, 0x56AB], Value::U64(0x12_3456)),
        (Kind::I24, "", &[0x00FF, 0xFFFE], Value::I64(-2)),
        (Kind::I24, "", &[0xFF7F, 0xFFFF], Value::I64(8_388_607)),
        (Kind::U48, "", &[0x1234, 0x5678, 0x9ABC], Value::U64(0x1234_5678_9ABC)),
        (Kind::U48, "EFCDAB", &[0x9ABC, 0x5678, 0x1234], Value::U64(0x1234_5678_9ABC)),
        (Kind::U48, "BADCFE", &[0x3412, 0x7856, 0xBC9A], Value::U64(0x1234_5678_9ABC)),
        (Kind::I48, "", &[0xFFFF, 0xFFFF, 0xFFFE], Value::I64(-2)),
        (Kind::U8, "", &[0x12FE], Value::U64(0xFE)),
        (Kind::I8, "", &[0x12FE], Value::I64(-2)),
        // 1.5 = 1.1₂ · 2⁰: sign 0, exponent 15, fraction 1000000000₂.
        (Kind::F16, "", &[0x3E00], Value::F32(1.5)),
        (Kind::F16, "BA", &[0x00C0], Value::F32(-2.0)),
        (Kind::F16, "", &[0x7BFF], Value::F32(65_504.0)),
        (Kind::F16, "", &[0x0001], Value::F32(5.960_464_5e-8)),
        (Kind::F16, "", &[0xFC00], Value::F32(f32::NEG_INFINITY)),
        (Kind::Bcd16, "", &[0x1234], Value::U64(1234)),
        (Kind::Bcd16, "BA", &[0x3412], Value::U64(1234)),
        (Kind::Bcd32, "", &[0x1234, 0x5678], Value::U64(12_345_678)),
        (Kind::Bcd32, "CDAB", &[0x5678, 0x1234], Value::U64(12_345_678)),
        (Kind::Sm16, "", &[0x8005], Value::I64(-5)),
        (Kind::Sm16, "", &[0x0005], Value::I64(5)),
        (Kind::Sm16, "", &[0x8000], Value::I64(0)),
        (Kind::Sm32, "", &[0x8001, 0x0000], Value::I64(-65_536)),
        (Kind::Sm32, "CDAB", &[0x0000, 0x8001], Value::I64(-65_536)),
        // 10⁰ · 5678 + 10⁴ · 1234, the lowest register first.
        (Kind::Mod10k, "", &[5678, 1234, 12, 0], Value::I64(1_212_345_678)),
        (Kind::Mod10k, "ABCDEFGH", &[0, 12, 1234, 5678], Value::I64(1_212_345_678)),
        (Kind::Mod10k, "", &[0xFFFF, 0xFFFE, 0, 0], Value::I64(-20_001)),
        (Kind::Mod10k, "", &[9999, 9999, 9999, 9999], Value::I64(9_999_999_999_999_999)),
    ] {
        assert_eq!(decode(kind, order, words), value, "{kind:?} {order}");
    }
    assert_eq!(sized(Kind::Mod10k, 2, "").decode(&[5678, 1234]).0, Value::I64(12_345_678));
    assert_eq!(sized(Kind::Mod10k, 3, "ABCDEF").decode(&[1, 0, 9]).0, Value::I64(100_000_009));
    let high = Layout { order: Order::of_half(Half::High), ..layout(Kind::U8, "") };
    assert_eq!(high.decode(&[0x12FE]).0, Value::U64(0x12));
}

#[test]
fn digits_that_are_none_cannot_be_decoded() {
    for (layout, words) in [
        (layout(Kind::Bcd16, ""), &[0x12A4][..]),
        (layout(Kind::Bcd32, ""), &[0x1234, 0x567F]),
        (layout(Kind::Mod10k, ""), &[10_000, 0, 0, 0]),
        (sized(Kind::Mod10k, 2, ""), &[0, 0xD8F0]),
        (sized(Kind::Mod10k, 2, ""), &[0x8000, 0x8000]),
    ] {
        assert_eq!(layout.decode(words), (Value::Null, Quality::BAD_DECODING), "{words:X?}");
    }
    assert_eq!(sized(Kind::Mod10k, 2, "").decode(&[0, 0xD8F1]).0, Value::I64(-99_990_000));
}

#[test]
fn numbers_out_of_some_bits_are_told_apart() {
    let field = |first, count| Layout { part: Some(Part { first, count: Some(count) }), ..layout(Kind::U32, "CDAB") };
    assert_eq!(field(4, 8).decode(&[0x5678, 0x1234]).0, Value::U64(0x67));
    assert_eq!(field(0, 32).decode(&[0x5678, 0x1234]).0, Value::U64(0x1234_5678));
    assert_eq!(field(28, 4).encode(&Value::U64(0xA)), Ok(vec![0, 0xA000]));
    assert_eq!(field(28, 4).mask(), [0, 0xF000]);
    assert_eq!(field(28, 4).encode(&Value::U64(16)), Err("16 does not fit these bits, which go to 15".to_owned()));
}

#[test]
fn words_stand_for_numbers_and_an_unknown_number_stays_one() {
    let names = [(0, "off"), (1, "on"), (-1, "fault")].map(|(number, name)| (number, Arc::from(name)));
    let names = Some(Arc::new(Names(names.into())));
    let state = Layout { names: names.clone(), ..layout(Kind::I16, "") };
    assert_eq!(state.decode(&[1]), (Value::Text("on".into()), Quality::GOOD));
    assert_eq!(state.decode(&[0xFFFF]), (Value::Text("fault".into()), Quality::GOOD));
    assert_eq!(state.decode(&[7]), (Value::I64(7), Quality::UNCERTAIN));
    assert_eq!(state.encode(&Value::Text("fault".into())), Ok(vec![0xFFFF]));
    assert_eq!(state.encode(&Value::I64(7)), Ok(vec![7]));
    assert!(state.encode(&Value::Text("of".into())).is_err());
    let coil = Layout { names, ..layout(Kind::Bool, "") };
    assert_eq!(coil.decode_bit(true), (Value::Text("on".into()), Quality::GOOD));
}

#[test]
fn text_may_fill_half_of_each_register_and_be_padded_in_three_ways() {
    let form = |half, pad| Layout { text: TextForm { half, pad }, ..sized(Kind::String, 4, "") };
    for (half, pad, words, text) in [
        (Some(Half::Low), None, [0x0045, 0x004D, 0x0020, 0x0000], "EM"),
        (Some(Half::High), None, [0x4500, 0x4DFF, 0x2000, 0x00FF], "EM"),
        (None, Some(Pad::Nul), [0x454D, 0x2000, 0x4A55, 0x4E4B], "EM "),
        (None, Some(Pad::Space), [0x454D, 0x0020, 0x2020, 0x2020], "EM\0"),
    ] {
        assert_eq!(form(half, pad).decode(&words).0, Value::Text(text.into()), "{half:?} {pad:?}");
    }
    assert_eq!(form(Some(Half::High), None).encode(&Value::Text("EM".into())), Ok(vec![0x4500, 0x4D00, 0, 0]));
    assert_eq!(
        form(None, Some(Pad::Space)).encode(&Value::Text("EM".into())),
        Ok(vec![0x454D, 0x2020, 0x2020, 0x2020])
    );
    assert_eq!(form(Some(Half::High), None).mask(), [0xFF00; 4]);
}

#[test]
fn raw_bytes_come_as_they_are() {
    let bytes = |order: &str, words| sized(Kind::Bytes, 2, order).decode(words).0;
    assert_eq!(bytes("", &[0x0102, 0x0000]), Value::Bytes([1, 2, 0, 0].into()));
    assert_eq!(bytes("BA", &[0x0201, 0x0403]), Value::Bytes([1, 2, 3, 4].into()));
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
    let of = |kind, order: &str, invalid| Layout {
        sentinels: Sentinels { invalid, ..Sentinels::default() },
        ..layout(kind, order)
    };
    let number = of(Kind::I16, "BA", vec![0x8000, 0x7FFF]);
    assert_eq!(number.decode(&[0x0080]), failed);
    assert_eq!(number.decode(&[0xFF7F]), failed);
    assert_eq!(number.decode(&[0x8000]), (Value::I64(0x80), Quality::GOOD));
    assert!(number.encode(&Value::I64(-32_768)).is_err(), "it would be read as no value");
    assert_eq!(of(Kind::F32, "CDAB", vec![0x7FC0_0000]).decode(&[0x0000, 0x7FC0]), failed);
    // Fronius was seen sending this one.
    let any_nan = Layout { sentinels: Sentinels { nan: true, ..Sentinels::default() }, ..layout(Kind::F32, "") };
    assert_eq!(any_nan.decode(&[0x7FBF, 0xFF80]), failed);
    assert_eq!(any_nan.decode(&[0x7F80, 0x0000]).0, Value::F32(f32::INFINITY));
    assert!(matches!(layout(Kind::F32, "").decode(&[0x7FC0, 0]), (Value::F32(nan), Quality::GOOD) if nan.is_nan()));
}

#[test]
fn a_saturated_value_is_kept_but_uncertain() {
    let sentinels = Sentinels { saturated: vec![0x7FFF], ..Sentinels::default() };
    let layout = Layout { sentinels, ..layout(Kind::I16, "") };
    assert_eq!(layout.decode(&[0x7FFF]), (Value::I64(32_767), Quality::UNCERTAIN_OUT_OF_RANGE));
    assert_eq!(layout.decode(&[0x7FFE]), (Value::I64(32_766), Quality::GOOD));
}

#[test]
fn what_does_not_fit_is_refused_and_never_cut() {
    for (kind, value, said) in [
        (Kind::U16, Value::I64(-1), "-1 does not fit u16, which goes from 0 to 65535"),
        (Kind::U16, Value::U64(65_536), "does not fit u16"),
        (Kind::I16, Value::U64(32_768), "which goes from -32768 to 32767"),
        (Kind::U8, Value::U64(256), "does not fit u8"),
        (Kind::I24, Value::I64(8_388_608), "does not fit i24"),
        (Kind::U48, Value::U64(1 << 48), "does not fit u48"),
        (Kind::I64, Value::U64(1 << 63), "does not fit i64"),
        (Kind::U64, Value::I64(-1), "does not fit u64"),
        (Kind::U16, Value::F64(1.5), "1.5 is not a whole number"),
        (Kind::U16, Value::F32(f32::NAN), "not a whole number"),
        (Kind::I64, Value::F64(f64::INFINITY), "not a whole number"),
        (Kind::Bcd16, Value::U64(10_000), "does not fit bcd16"),
        (Kind::Bcd32, Value::I64(-1), "does not fit bcd32"),
        (Kind::Sm16, Value::I64(-32_768), "does not fit sm16"),
        (Kind::Mod10k, Value::I64(10_000_000_000_000_000), "does not fit mod10k"),
        (Kind::F16, Value::F64(65_520.0), "too large for f16"),
        (Kind::F32, Value::F64(1e39), "too large for f32"),
        (Kind::Bool, Value::U64(2), "does not fit bool"),
        (Kind::F32, Value::Text("1".into()), "is not a number"),
        (Kind::F32, Value::Null, "no value"),
        (Kind::String, Value::Text("nine char".into()), "there is room for 8"),
        (Kind::String, Value::U64(1), "is not text"),
        (Kind::Bytes, Value::Bytes([1].into()), "1 bytes are not the 8"),
        (Kind::Bytes, Value::Text("x".into()), "is not raw bytes"),
    ] {
        let error = layout(kind, "").encode(&value).unwrap_err();
        assert!(error.contains(said), "{kind:?} {value:?}: {error}");
    }
    for (kind, value, words) in [
        (Kind::U16, Value::F64(3.0), &[3][..]),
        (Kind::F16, Value::F64(65_519.9), &[0x7BFF]),
        (Kind::F16, Value::F64(1.0 + 1.0 / 2048.0), &[0x3C00]),
        (Kind::F16, Value::F64(1.0 + 3.0 / 2048.0), &[0x3C02]),
        (Kind::F16, Value::F64(1e-9), &[0]),
        (Kind::F32, Value::F64(78.4), &[0x429C, 0xCCCD]),
        (Kind::F64, Value::F32(123.456), &[0x405E, 0xDD2F, 0x1A9F, 0xBE77]),
        (Kind::Mod10k, Value::I64(-12_345), &[0xF6D7, 0xFFFF, 0, 0]),
    ] {
        assert_eq!(layout(kind, "").encode(&value).unwrap(), words, "{kind:?} {value:?}");
    }
}

#[test]
fn registers_that_are_too_few_are_no_value() {
    assert_eq!(layout(Kind::F32, "").decode(&[0x42F6]), (Value::Null, Quality::BAD_DECODING));
}

#[test]
fn an_order_that_does_not_fit_is_explained() {
    for (order, kind, said) in [
        ("CDAB", Kind::U16, "u16 has 2 bytes"),
        ("CDAB", Kind::String, "each register of a text has 2 bytes"),
        ("BA", Kind::F32, "f32 has 4 bytes"),
        ("AABB", Kind::U32, "each letter of ABCD once"),
        ("abcd", Kind::U32, "each letter of ABCD once"),
        ("ÄBCD", Kind::U32, "each letter of ABCD once"),
        ("ABCDEFGI", Kind::U64, "each letter of ABCDEFGH once"),
        ("", Kind::U16, "2 bytes"),
        ("AB", Kind::U8, "means nothing"),
        ("ABC", Kind::U24, "`_` for the one that means nothing"),
        ("ABCD", Kind::U24, "each letter of ABC_ once"),
        ("ABCD", Kind::U48, "6 bytes"),
    ] {
        let problem = Order::parse(order, kind, 4).unwrap_err();
        assert!(problem.message.contains(said), "{order}: {}", problem.message);
    }
    let swap = Order::parse("CDAB", Kind::I16, 1).unwrap_err();
    assert!(swap.help.contains("only a value of several registers can have its words swapped"), "{}", swap.help);
}
