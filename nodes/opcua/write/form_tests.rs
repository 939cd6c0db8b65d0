//! Values to what is sent: what a reader of it gets back is what was asked for, or nothing is sent.

use std::collections::HashMap;
use std::sync::Arc;

use fieldflow_contract::Value;
use opcua::types::{NumericRange, Variant};
use proptest::prelude::*;

use super::{Form, Measure, Shape};
use crate::command::amount::Scaling;
use crate::opcua::values::{self, Made};
use crate::opcua::write::scalar::Scalar;

const PLAIN: Measure = Measure { range: None, scaling: None };

fn form(scalar: Scalar, shape: Shape) -> Form {
    Form { scalar, shape, names: None }
}

fn one(scalar: Scalar, value: &Value) -> Result<Variant, String> {
    form(scalar, Shape::One).variant(value, PLAIN, &[])
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// What `opcua` makes of it.
fn read(variant: &Variant) -> Value {
    match values::make(variant, false) {
        Made::One(value) => value,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_is_held_exactly_or_refused_in_words() {
    for (scalar, value, expected) in [
        (Scalar::Boolean, Value::Bool(true), Ok(Variant::Boolean(true))),
        (Scalar::Boolean, Value::U64(0), Ok(Variant::Boolean(false))),
        (Scalar::Boolean, Value::I64(2), Err("2 is neither false (0) nor true (1)")),
        (Scalar::Byte, Value::U64(255), Ok(Variant::Byte(255))),
        (Scalar::Byte, Value::U64(256), Err("256 does not fit Byte, which goes from 0 to 255")),
        (Scalar::SByte, Value::I64(-129), Err("-129 does not fit SByte, which goes from -128 to 127")),
        (Scalar::UInt16, Value::F64(3.0), Ok(Variant::UInt16(3))),
        (Scalar::UInt16, Value::F64(3.5), Err("3.5 is not a whole number")),
        (Scalar::UInt16, Value::F32(78.4), Err("78.4 is not a whole number")),
        (Scalar::Int16, text("3"), Err("the text `3` is not a number")),
        (Scalar::Int16, Value::Null, Err("there is no value")),
        (Scalar::Int32, Value::Bool(true), Ok(Variant::Int32(1))),
        (Scalar::Int64, Value::U64(1 << 63), Err("does not fit Int64")),
        (Scalar::Int64, Value::F64(1e300), Err("does not fit Int64")),
        (Scalar::UInt64, Value::U64(u64::MAX), Ok(Variant::UInt64(u64::MAX))),
        (Scalar::UInt64, Value::I64(-1), Err("-1 does not fit UInt64")),
        (Scalar::Float, Value::F64(78.4), Ok(Variant::Float(78.4))),
        (Scalar::Float, Value::U64(16_777_217), Err("16777217 would become 16777216 as Float")),
        (Scalar::Float, Value::F64(1e39), Err("too large for Float")),
        (Scalar::Float, Value::F64(1e-60), Err("would become 0 as Float")),
        (Scalar::Float, Value::F32(f32::NAN), Err("NaN is no number to write")),
        (Scalar::Double, Value::F64(f64::NEG_INFINITY), Err("-inf is no number to write")),
        (Scalar::Double, Value::I64((1 << 53) + 1), Err("9007199254740993 would become 9007199254740992 as Double")),
        (Scalar::Double, Value::I64(1 << 53), Ok(Variant::Double(9_007_199_254_740_992.0))),
        (Scalar::Double, Value::Bytes([1u8].as_slice().into()), Err("01 is not a number")),
        (Scalar::String, text("Grüße"), Ok(Variant::String("Grüße".into()))),
        (Scalar::String, Value::F64(1.0), Err("1 is not a text")),
        (Scalar::String, Value::Bool(true), Err("true is not a text")),
        (Scalar::ByteString, text("ab"), Err("ab is not bytes")),
        (Scalar::DateTime, text("yesterday"), Err("`yesterday` is not a time such as")),
        (Scalar::DateTime, text("0001-01-01T00:00:00Z"), Err("is not a time between 1601 and 9999")),
        (Scalar::Guid, text("x"), Err("`x` is not a GUID")),
        (Scalar::NodeId, text("/Objects"), Err("a way to a node")),
        (Scalar::NodeId, text("nsu=urn:x;i=1"), Err("no namespace `urn:x`")),
        (Scalar::QualifiedName, text("70000:x"), Err("between 0 and 65535")),
    ] {
        match (one(scalar, &value), expected) {
            (Ok(is), Ok(expected)) => assert_eq!(is, expected, "{value:?} as {scalar:?}"),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{value:?} as {scalar:?}: {why}"),
            (is, _) => panic!("{value:?} as {scalar:?}: {is:?}"),
        }
    }
}

#[test]
fn a_text_becomes_what_the_source_reads_as_that_text() {
    for (scalar, given) in [
        (Scalar::XmlElement, "<a/>"),
        (Scalar::LocalizedText, "an"),
        (Scalar::DateTime, "2026-01-02T03:04:05.678901Z"),
        (Scalar::Guid, "72962b91-fa75-4ae6-8d28-b404dc7daf63"),
        (Scalar::NodeId, "ns=2;s=Line.Speed"),
        (Scalar::NodeId, "i=2258"),
        (Scalar::ExpandedNodeId, "svr=0;i=85"),
        (Scalar::QualifiedName, "2:Speed"),
        (Scalar::QualifiedName, "Speed"),
    ] {
        assert_eq!(read(&one(scalar, &text(given)).unwrap()), text(given), "{scalar:?}");
    }
    assert_eq!(read(&one(Scalar::StatusCode, &Value::U64(0x8034_0000)).unwrap()), Value::U64(0x8034_0000));
}

#[test]
fn an_enumeration_takes_its_numbers_and_its_names_and_no_others() {
    let names = HashMap::from([(0, "Stopped".to_owned()), (7, "Running".to_owned())]);
    let state = Form { names: Some(Arc::new(names)), ..form(Scalar::Int32, Shape::One) };
    let variant = |value: Value| state.variant(&value, PLAIN, &[]);
    assert_eq!(variant(text("Running")), Ok(Variant::Int32(7)));
    assert_eq!(variant(Value::U64(0)), Ok(Variant::Int32(0)));
    assert_eq!(variant(Value::U64(1)), Err("1 is none of the numbers of its type".to_owned()));
    assert_eq!(variant(text("Broken")), Err("`Broken` is none of the names of its type".to_owned()));
}

#[test]
fn a_range_and_a_scale_hold_for_a_number_and_for_each_of_an_array() {
    let measure = Measure { range: Some([5.0, 80.0]), scaling: Some(Scaling { scale: 0.1, offset: -5.0 }) };
    let number = |value: Value| form(Scalar::Int16, Shape::One).variant(&value, measure, &[]);
    assert_eq!(number(Value::F32(78.4)), Ok(Variant::Int16(834)));
    assert!(number(Value::F64(80.1)).unwrap_err().contains("80.1 is outside of 5 to 80"));
    assert!(number(Value::F64(78.44)).unwrap_err().contains("is the value of no whole raw number"));
    let many = form(Scalar::Int16, Shape::Many(vec![0]));
    assert_eq!(read(&many.variant(&text("[5,6.5]"), measure, &[]).unwrap()), text("[100,115]"));
    let why = many.variant(&text("[5,4]"), measure, &[]).unwrap_err();
    assert_eq!(why, "element 1: 4 is outside of 5 to 80");
}

#[test]
fn an_array_has_the_form_of_the_node_or_is_refused() {
    for (sizes, given, expected) in [
        (vec![0], "[1,2,3]", Ok("[1,2,3]")),
        (vec![0], "[]", Ok("[]")),
        (vec![3], "[1,2]", Err("it has 2 elements, but there are 3")),
        (vec![2, 2], "[[1,2],[3,4]]", Ok("[[1,2],[3,4]]")),
        (vec![2, 2], "[[1,2],[3]]", Err("its rows are not of one length")),
        (vec![2, 2], "[1,2,3,4]", Err("an array of more dimensions is wanted")),
        (vec![0], "[[1]]", Err("more dimensions than the array of the node")),
        (vec![0], "[1,null]", Err("element 1: there is no value")),
        (vec![0], "[1,\"2\"]", Err("element 1: the text `2` is not a number")),
        (vec![0], "[1,2.5]", Err("element 1: 2.5 is not a whole number")),
        (vec![0], "[1,300]", Err("element 1: 300 does not fit Byte")),
        (vec![0], "[{}]", Err("there is an object in the array")),
        (vec![0], "1,2", Err("`1,2` is not an array such as [1,2,3]")),
    ] {
        let is = form(Scalar::Byte, Shape::Many(sizes)).variant(&text(given), PLAIN, &[]);
        match (is, expected) {
            (Ok(is), Ok(expected)) => assert_eq!(read(&is), text(expected)),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{given}: {why}"),
            (is, _) => panic!("{given}: {is:?}"),
        }
    }
    let bytes = form(Scalar::Byte, Shape::Many(vec![0])).variant(&Value::Bytes([1u8, 2].as_slice().into()), PLAIN, &[]);
    assert_eq!(read(&bytes.unwrap()), text("[1,2]"));
    let strings = form(Scalar::ByteString, Shape::Many(vec![0])).variant(&text("[{\"hex\":\"00ff\"}]"), PLAIN, &[]);
    assert_eq!(read(&strings.unwrap()), text("[{\"hex\":\"00ff\"}]"), "as the source writes it");
    let single = form(Scalar::Byte, Shape::Many(vec![0])).variant(&Value::U64(1), PLAIN, &[]);
    assert!(single.unwrap_err().contains("the node holds an array"));
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(form(Scalar::Byte, Shape::Many(vec![0])).variant(&text(&deep), PLAIN, &[]).is_err());
}

#[test]
fn a_part_of_an_array_has_as_many_elements_as_it_names() {
    let part = |text: &str| Shape::part(&text.parse::<NumericRange>().unwrap());
    assert_eq!(part("3"), Some(Shape::Element(1)));
    assert_eq!(part("1,2"), Some(Shape::Element(2)));
    assert_eq!(part("0:9"), Some(Shape::Many(vec![10])));
    assert_eq!(part("1,0:9"), Some(Shape::Many(vec![1, 10])));
    assert_eq!(part("0:4294967295"), None, "more than can be counted");
    assert_eq!(Shape::part(&NumericRange::None), None);
    let element = form(Scalar::Int32, Shape::Element(1));
    let written = element.variant(&Value::I64(6), PLAIN, &[]).unwrap();
    assert_eq!(read(&written), text("[6]"), "one element goes as an array of one");
    assert!(element.agrees(&written, &written) && element.agrees(&written, &Variant::Int32(6)));
    assert!(!element.agrees(&written, &Variant::Int32(7)));
}

proptest! {
    #[test]
    fn what_is_taken_reads_back_as_it_was(number in any::<i128>().prop_map(|n| n as i64), scalar in 1u32..=11, float: f64) {
        let scalar = Scalar::of(scalar).unwrap();
        if let Ok(written) = one(scalar, &Value::I64(number)) {
            let back = read(&written);
            let same = match back {
                Value::Bool(on) => i64::from(on) == number,
                Value::I64(is) => is == number,
                Value::U64(is) => i64::try_from(is) == Ok(number),
                Value::F32(is) => is as i128 == i128::from(number),
                Value::F64(is) => is as i128 == i128::from(number),
                _ => false,
            };
            prop_assert!(same, "{number} as {scalar:?} is {back:?}");
        }
        if let Ok(Variant::Double(is)) = one(Scalar::Double, &Value::F64(float)) {
            prop_assert_eq!(is.to_bits(), float.to_bits());
        }
    }
}
