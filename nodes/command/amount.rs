//! Values of commands: whether they can be acted upon, what raw number they stand for, and how they are shown.

use std::cmp::Ordering;

use fieldflow_contract::{At, Findings, Value};

use crate::transform::kit::decimal::{Line, decimal_of, divide, double_of};
use crate::transform::kit::number::{compare, number};

/// The value is the raw number times the scale, plus the offset. Both are finite, and the scale is not 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scaling {
    pub(crate) scale: f64,
    pub(crate) offset: f64,
}

/// The value of a command, if it can be written at all; `Bool` counts as 0 or 1.
pub(crate) fn plain(value: &Value, to_float: bool) -> Result<Value, String> {
    Ok(match value {
        Value::Null => return Err("there is no value".to_owned()),
        Value::F32(float) if !float.is_finite() => return Err(format!("{float} is no number to write")),
        Value::F64(float) if !float.is_finite() => return Err(format!("{float} is no number to write")),
        Value::Bool(on) => Value::U64(u64::from(*on)),
        // The decimal that people see.
        Value::F32(float) if !to_float => Value::F64(double_of(*float)),
        other => other.clone(),
    })
}

/// Whether a number lies in the range of those that may be written.
pub(crate) fn within(value: &Value, [low, high]: [f64; 2]) -> Result<(), String> {
    if matches!(value, Value::Text(_) | Value::Bytes(_)) {
        return Err(format!("{} is no number", shown(value)));
    }
    let outside = |end, beyond| compare(value, &Value::F64(end)) == beyond;
    if outside(low, Ordering::Less) || outside(high, Ordering::Greater) {
        return Err(format!("{} is outside of {low} to {high}", shown(value)));
    }
    Ok(())
}

/// Reads the options `scale` and `offset` of a tag, and reports what is wrong with them; `what` it is, if it is no number.
pub(crate) fn scaling(
    (scale, offset): (Option<f64>, Option<f64>),
    what: Option<&str>,
    at: &At,
    findings: &mut Findings,
) -> Option<Scaling> {
    for (option, number) in [("scale", scale), ("offset", offset)] {
        let Some(number) = number else { continue };
        let at = at.clone().key(option);
        if let Some(what) = what {
            findings.error(at, format!("{what} cannot be scaled")).help("leave it out");
        } else if !number.is_finite() {
            findings.error(at, "an ordinary number is wanted here, neither NaN nor infinite");
        } else if option == "scale" && number == 0.0 {
            findings
                .error(at, "a scale of 0 would make each value the offset, and nothing can be told from that")
                .help("write what one step of the raw number stands for, such as 0.1");
        }
    }
    let is_given = scale.is_some() || offset.is_some();
    let scaling = Scaling { scale: scale.unwrap_or(1.0), offset: offset.unwrap_or(0.0) };
    // The range is worked out with it before anybody looks at what was found.
    let is_right = scaling.scale.is_finite() && scaling.scale != 0.0 && scaling.offset.is_finite();
    (is_given && is_right).then_some(scaling)
}

/// Reports what is wrong with the option `range` of a tag, and whether nothing is; `what` it is, if it is no number.
pub(crate) fn check_range([low, high]: [f64; 2], what: Option<&str>, at: &At, findings: &mut Findings) -> bool {
    let at = at.clone().key("range");
    if let Some(what) = what {
        findings.error(at, format!("{what} has no range")).help("leave it out");
    } else if !(low.is_finite() && high.is_finite()) {
        findings.error(at, "ordinary numbers are wanted here, neither NaN nor infinite");
    } else if high < low {
        findings
            .error(at, format!("the low end {low} is above the high end {high}, so nothing could be written"))
            .help("write the lower number first");
    } else {
        return true;
    }
    false
}

impl Scaling {
    /// The raw number of this value: the one of which `scale` makes just this value if it must be whole, else the nearest
    /// double.
    pub(crate) fn inverse(self, value: &Value, is_float: bool) -> Result<Value, String> {
        let number = number(value).ok_or_else(|| format!("{} is no number", shown(value)))?;
        let plainly = (number - self.offset) / self.scale;
        let share = self.share(value);
        if is_float {
            // The limit of `divide`.
            let share = share.filter(|(_, bottom)| *bottom < 1 << 72);
            return Ok(Value::F64(share.map_or(plainly, |(top, bottom)| divide(top, bottom.unsigned_abs()))));
        }
        let (whole, is_exact) = match share {
            Some((top, bottom)) => (rounded(top, bottom), top % bottom == 0),
            None => (plainly.round() as i128, false),
        };
        let raw = u64::try_from(whole).map(Value::U64).or_else(|_| i64::try_from(whole).map(Value::I64));
        let raw =
            raw.map_err(|_| format!("{} would be {plainly:e} as a raw number, which fits no type", shown(value)))?;
        let forth = || Line::linear(self.scale, self.offset).at(&raw).map(Value::F64);
        if is_exact || forth().is_some_and(|again| compare(&again, value) == Ordering::Equal) {
            return Ok(raw);
        }
        let Self { scale, offset } = self;
        let value = shown(value);
        Err(format!(
            "{value} is the value of no whole raw number, the nearest is {whole} (scale {scale}, offset {offset}); round it \
             before"
        ))
    }

    /// The raw number as a share of two integers without a common divisor, the lower one positive; `None` if it is too long.
    fn share(self, value: &Value) -> Option<(i128, i128)> {
        let (value, behind) = match *value {
            Value::I64(whole) => (i128::from(whole), 0),
            Value::U64(whole) => (i128::from(whole), 0),
            Value::F32(float) => decimal_of(float)?,
            Value::F64(float) => decimal_of(float)?,
            _ => return None,
        };
        let ((offset, less), (scale, places)) = (decimal_of(self.offset)?, decimal_of(self.scale)?);
        let ten = |power: u32| 10_i128.checked_pow(power);
        let common = behind.max(less);
        let value = value.checked_mul(ten(common - behind)?)?;
        let top = value.checked_sub(offset.checked_mul(ten(common - less)?)?)?.checked_mul(ten(places)?)?;
        let bottom = scale.checked_mul(ten(common)?)?;
        (bottom != 0).then_some(())?;
        let divisor = i128::try_from(gcd(top.unsigned_abs(), bottom.unsigned_abs())).ok().filter(|by| *by != 0)?;
        let sign = bottom.signum();
        Some((top.checked_mul(sign)? / divisor, bottom.checked_mul(sign)? / divisor))
    }
}

/// The nearest integer to a share of which the lower number is positive.
fn rounded(top: i128, bottom: i128) -> i128 {
    let (whole, rest) = (top.div_euclid(bottom), top.rem_euclid(bottom));
    if bottom - rest <= rest { whole.saturating_add(1) } else { whole }
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Which floats are shown without an exponent.
const PLAIN: std::ops::Range<f64> = 1e-6..1e16;

/// A value for people, of a length that has an end.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(on) => on.to_string(),
        Value::I64(number) => number.to_string(),
        Value::U64(number) => number.to_string(),
        Value::F32(number) if !PLAIN.contains(&f64::from(number.abs())) && *number != 0.0 => format!("{number:e}"),
        Value::F64(number) if !PLAIN.contains(&number.abs()) && *number != 0.0 => format!("{number:e}"),
        Value::F32(number) => number.to_string(),
        Value::F64(number) => number.to_string(),
        Value::Text(text) => text.chars().take(250).collect(),
        Value::Bytes(bytes) => bytes.iter().take(250).map(|byte| format!("{byte:02x}")).collect(),
    }
}
