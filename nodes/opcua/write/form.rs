//! In what form a node takes its value: of which type, one or many, and from the value of a command to that.

use std::collections::HashMap;
use std::sync::Arc;

use fieldflow_contract::Value;
use opcua::types::{Array, NumericRange, Variant};
use serde_json::Value as Json;

use super::scalar::Scalar;
use crate::command::amount::{Scaling, plain, shown, within};
use crate::opcua::values::{self, Made};
use crate::transform::kit::number::of_json;

/// In what form a node takes its value.
#[derive(Debug, Clone)]
pub(super) struct Form {
    pub(super) scalar: Scalar,
    pub(super) shape: Shape,
    /// The names of the numbers, if it is an enumeration.
    pub(super) names: Option<Arc<HashMap<i64, String>>>,
}

/// How many values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// One.
    One,
    /// One element of an array of so many dimensions.
    Element(usize),
    /// An array with so many elements in each dimension; 0 for any number.
    Many(Vec<u32>),
}

/// What is done with a number before it is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    pub(super) range: Option<[f64; 2]>,
    pub(super) scaling: Option<Scaling>,
}

/// Most elements that are written at once.
const MOST_ELEMENTS: usize = 65_536;

impl Shape {
    /// The part of an array that a range names.
    pub(super) fn part(range: &NumericRange) -> Option<Self> {
        let size = |range: &NumericRange| match range {
            NumericRange::Index(_) => Some(1),
            NumericRange::Range(first, last) => last.checked_sub(*first)?.checked_add(1),
            _ => None,
        };
        let sizes: Vec<u32> = match range {
            NumericRange::MultipleRanges(all) => all.iter().map(size).collect::<Option<_>>()?,
            one => vec![size(one)?],
        };
        Some(if sizes.iter().all(|size| *size == 1) { Self::Element(sizes.len()) } else { Self::Many(sizes) })
    }

    /// How many values that are, if it is said.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Self::One | Self::Element(_) => Some(1),
            Self::Many(sizes) => {
                let all = sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size as usize));
                all.filter(|all| *all != 0)
            }
        }
    }
}

impl Form {
    /// What is to be sent for a value; in words why it cannot be.
    pub(super) fn variant(&self, value: &Value, measure: Measure, namespaces: &[String]) -> Result<Variant, String> {
        let one = |value: &Value| self.one(value, measure, namespaces);
        let (values, sizes) = match &self.shape {
            Shape::One => return one(value),
            Shape::Element(dimensions) => (vec![one(value)?], vec![1; *dimensions]),
            Shape::Many(wanted) => {
                let (elements, sizes) = elements(value, wanted, self.scalar)?;
                let all: Result<Vec<Variant>, String> = elements
                    .iter()
                    .enumerate()
                    .map(|(index, value)| one(value).map_err(|why| format!("element {index}: {why}")))
                    .collect();
                (all?, sizes)
            }
        };
        let array = match sizes.as_slice() {
            [_] => Array::new(self.scalar.id(), values),
            _ => Array::new_multi(self.scalar.id(), values, sizes),
        };
        array.map(|array| Variant::Array(Box::new(array))).map_err(|error| error.to_string())
    }

    fn one(
        &self,
        value: &Value,
        Measure { range, scaling }: Measure,
        namespaces: &[String],
    ) -> Result<Variant, String> {
        let checked = plain(value, self.scalar.is_float())?;
        if let Some(range) = range {
            within(&checked, range)?;
        }
        let number = match (&self.names, value, scaling) {
            (Some(names), Value::Text(text), _) => {
                let found = names.iter().find(|(_, name)| name.as_str() == &**text);
                let (number, _) =
                    found.ok_or_else(|| format!("`{}` is none of the names of its type", shown(value)))?;
                Value::I64(*number)
            }
            (_, _, Some(scaling)) => scaling.inverse(&checked, self.scalar.is_float())?,
            _ => value.clone(),
        };
        let variant = self.scalar.variant(&number, namespaces)?;
        match (&self.names, &variant) {
            (Some(names), Variant::Int32(number)) if !names.contains_key(&i64::from(*number)) => {
                Err(format!("{number} is none of the numbers of its type"))
            }
            _ => Ok(variant),
        }
    }

    /// Whether what was read back is what was written.
    pub(super) fn agrees(&self, written: &Variant, read: &Variant) -> bool {
        let inner = |value: &Variant| match (&self.shape, value) {
            (Shape::Element(_), Variant::Array(array)) => {
                if let [one] = array.values.as_slice() {
                    values::make(one, false)
                } else {
                    values::make(value, false)
                }
            }
            _ => values::make(value, false),
        };
        inner(written) == inner(read)
    }
}

/// The elements of an array, row by row, and how many there are in each dimension.
fn elements(value: &Value, wanted: &[u32], scalar: Scalar) -> Result<(Vec<Value>, Vec<u32>), String> {
    let text = match value {
        Value::Null => return Err("there is no value".to_owned()),
        Value::Text(text) => text,
        // As servers send them.
        Value::Bytes(bytes) if scalar == Scalar::Byte && wanted.len() == 1 => {
            let values: Vec<Value> = bytes.iter().map(|byte| Value::U64(u64::from(*byte))).collect();
            let size = u32::try_from(values.len()).map_err(|_| "it is too long".to_owned())?;
            fits(&[size], wanted)?;
            return Ok((values, vec![size]));
        }
        other => return Err(format!("{} is one value, but the node holds an array: write [1,2,3]", shown(other))),
    };
    let no = || format!("`{}` is not an array such as [1,2,3]", shown(value));
    let Ok(list @ Json::Array(_)) = serde_json::from_str(text) else { return Err(no()) };
    let (mut values, mut sizes) = (Vec::new(), vec![None; wanted.len()]);
    collect(&list, &mut sizes, &mut values)?;
    let sizes: Vec<u32> = sizes.into_iter().map(|size| size.unwrap_or(0)).collect();
    fits(&sizes, wanted)?;
    Ok((values, sizes))
}

fn fits(sizes: &[u32], wanted: &[u32]) -> Result<(), String> {
    let other = sizes.iter().zip(wanted).find(|(is, wanted)| is != wanted && **wanted != 0);
    other.map_or(Ok(()), |(is, wanted)| Err(format!("it has {is} elements, but there are {wanted}")))
}

fn collect(json: &Json, sizes: &mut [Option<u32>], values: &mut Vec<Value>) -> Result<(), String> {
    let Some((size, inner)) = sizes.split_first_mut() else {
        if MOST_ELEMENTS <= values.len() {
            return Err(format!("it has more than {MOST_ELEMENTS} elements"));
        }
        values.push(element(json)?);
        return Ok(());
    };
    let Json::Array(row) = json else { return Err("an array of more dimensions is wanted: [[1,2],[3,4]]".to_owned()) };
    let is = u32::try_from(row.len()).unwrap_or(u32::MAX);
    if *size.get_or_insert(is) != is {
        return Err("its rows are not of one length".to_owned());
    }
    row.iter().try_for_each(|json| collect(json, inner, values))
}

/// As `opcua` writes it.
fn element(json: &Json) -> Result<Value, String> {
    Ok(match json {
        Json::Null => Value::Null,
        Json::Bool(on) => Value::Bool(*on),
        Json::Number(number) => of_json(number),
        Json::String(text) => Value::Text(text.as_str().into()),
        Json::Object(map) => {
            let hex = map.get("hex").and_then(Json::as_str).filter(|_| map.len() == 1).and_then(bytes);
            hex.ok_or_else(|| "there is an object in the array".to_owned())?
        }
        Json::Array(_) => return Err("it has more dimensions than the array of the node".to_owned()),
    })
}

fn bytes(hex: &str) -> Option<Value> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let is_hex = hex.len().is_multiple_of(2) && hex.bytes().all(|c| c.is_ascii_hexdigit());
    let bytes: Option<Vec<u8>> = is_hex.then(|| hex.as_bytes().chunks(2).map(pair).collect())?;
    bytes.map(|bytes| Value::Bytes(bytes.into()))
}

/// What is sent, for the book of writes: `Int16 78`, `Int32[3] [1,2,3]`.
pub(super) fn told(variant: &Variant, scalar: Scalar) -> String {
    let value = match values::make(variant, false) {
        Made::One(value) => shown(&value),
        _ => String::new(),
    };
    match variant {
        Variant::Array(array) => format!("{scalar:?}[{}] {value}", array.values.len()),
        _ => format!("{scalar:?} {value}"),
    }
}

#[cfg(test)]
#[path = "form_tests.rs"]
mod tests;
