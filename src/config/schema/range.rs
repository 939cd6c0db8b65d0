//! Limits: of numbers, of the length of texts and lists.

use std::ops::Range;

use serde_json::Value;

use crate::config::schema::{Checker, words};
use crate::config::tree::Item;
use crate::diagnostics::codes;

/// A limit, in the words in which it is named.
struct Bound {
    value: f64,
    shown: String,
    exclusive: bool,
}

/// The limits of a value.
#[derive(Default)]
pub(super) struct Bounds {
    low: Option<Bound>,
    high: Option<Bound>,
}

impl Bounds {
    /// What a schema says of a number: its limits, and those of the integer that the program keeps it in.
    fn of_number(schema: &Value) -> Self {
        let mut bounds = Self::default();
        if let Some((low, high)) = schema.get("format").and_then(Value::as_str).and_then(integer) {
            bounds.low = Some(Bound { value: low as f64, shown: low.to_string(), exclusive: false });
            bounds.high = Some(Bound { value: high as f64, shown: high.to_string(), exclusive: false });
        }
        for (keyword, exclusive) in [("minimum", false), ("exclusiveMinimum", true)] {
            if let Some(limit) = bound(schema, keyword, exclusive)
                && bounds.low.as_ref().is_none_or(|low| low.value <= limit.value)
            {
                bounds.low = Some(limit);
            }
        }
        for (keyword, exclusive) in [("maximum", false), ("exclusiveMaximum", true)] {
            if let Some(limit) = bound(schema, keyword, exclusive)
                && bounds.high.as_ref().is_none_or(|high| limit.value <= high.value)
            {
                bounds.high = Some(limit);
            }
        }
        bounds
    }

    /// `minLength` and `maxLength` for `Length`.
    pub(super) fn of_length(schema: &Value, of: &str) -> Self {
        Self { low: bound(schema, &format!("min{of}"), false), high: bound(schema, &format!("max{of}"), false) }
    }

    /// Whether the value lies outside.
    pub(super) fn excludes(&self, value: f64) -> bool {
        let below = |low: &Bound| value < low.value || (low.exclusive && value == low.value);
        let above = |high: &Bound| high.value < value || (high.exclusive && value == high.value);
        self.low.as_ref().is_some_and(below) || self.high.as_ref().is_some_and(above)
    }

    /// `0 to 255`, `at least 1`, `more than 0`.
    fn shown(&self) -> String {
        let low = self.low.as_ref().map(|low| (low.exclusive, low.shown.as_str()));
        let high = self.high.as_ref().map(|high| (high.exclusive, high.shown.as_str()));
        match (low, high) {
            (Some((false, low)), Some((false, high))) if low == high => format!("exactly {low}"),
            (Some((false, low)), Some((false, high))) => format!("{low} to {high}"),
            (low, high) => {
                let low =
                    low.map(|(exclusive, low)| format!("{} {low}", if exclusive { "more than" } else { "at least" }));
                let high =
                    high.map(|(exclusive, high)| format!("{} {high}", if exclusive { "less than" } else { "at most" }));
                low.into_iter().chain(high).collect::<Vec<_>>().join(" and ")
            }
        }
    }
}

impl Checker<'_> {
    pub(super) fn number(&mut self, value: f64, item: &Item, key: &Range<usize>, schema: &Value) {
        let bounds = Bounds::of_number(schema);
        if bounds.excludes(value) {
            let written = words::clip(self.written(item));
            let message = format!("{written} is out of range for {}: {} is wanted", self.here(), bounds.shown());
            let found = self.found(&codes::OUT_OF_RANGE, message, item, key);
            self.report.push(found);
        }
    }

    pub(super) fn length(&mut self, length: f64, of: &str, bounds: &Bounds, item: &Item, key: &Range<usize>) {
        if bounds.excludes(length) {
            let of = if length == 1.0 { of.trim_end_matches('s') } else { of };
            let message = format!("{} has {length} {of}: {} is wanted", self.here(), bounds.shown());
            let found = self.found(&codes::OUT_OF_RANGE, message, item, key);
            self.report.push(found);
        }
    }
}

fn bound(schema: &Value, keyword: &str, exclusive: bool) -> Option<Bound> {
    let limit = schema.get(keyword)?;
    let value = limit.as_f64()?;
    let shown = if value.fract() == 0.0 && value.abs() < 9.0e15 { format!("{value:.0}") } else { limit.to_string() };
    Some(Bound { value, shown, exclusive })
}

/// The limits of the integer type that schemars names in `format`.
fn integer(format: &str) -> Option<(i128, i128)> {
    Some(match format {
        "int8" => (i8::MIN.into(), i8::MAX.into()),
        "int16" => (i16::MIN.into(), i16::MAX.into()),
        "int32" => (i32::MIN.into(), i32::MAX.into()),
        "int64" | "int" => (i64::MIN.into(), i64::MAX.into()),
        "uint8" => (0, u8::MAX.into()),
        "uint16" => (0, u16::MAX.into()),
        "uint32" => (0, u32::MAX.into()),
        "uint64" | "uint" => (0, u64::MAX.into()),
        _ => return None,
    })
}
