//! What a payload says beside the values: the time, the quality, and what to do where something is missing.

use fieldflow_contract::{Quality, Timestamp, Value};
use schemars::JsonSchema;
use serde::Deserialize;

use super::names::Here;
use super::{Into, Why};

/// How a time is written. `auto`: text is RFC 3339 (with its zone), a number is what its size says: seconds below 10¹¹,
/// milliseconds below 10¹⁴, microseconds below 10¹⁷, else nanoseconds, which is right from March 1973 to the year 5138.
/// `rfc3339` is `2026-01-01T00:00:00Z`. `s ms us ns` count since 1970, may have a fraction and may be written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum TimeFormat {
    #[default]
    Auto,
    Rfc3339,
    S,
    Ms,
    Us,
    Ns,
}

/// What to do where a value is missing. `skip`: that tag gets no record. `bad`: it gets one without value, of the quality
/// `bad:no_data`. `reject`: the whole payload is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub(super) enum Missing {
    #[default]
    Skip,
    Bad,
    Reject,
}

/// The end of the year 9999 less a day, in microseconds: what lies beyond it, or as far before 1970, cannot be written as text.
const FURTHEST: i128 = 253_402_207_200_000_000;

impl TimeFormat {
    /// The time that a value stands for.
    pub(super) fn read(self, value: &Value) -> Option<Timestamp> {
        let micros = match value {
            Value::Text(text) if matches!(self, Self::Auto | Self::Rfc3339) => match text.parse::<Timestamp>() {
                Ok(time) => i128::from(time.0),
                // A number in quotes is as common as one without.
                Err(_) if self == Self::Auto => self.count(&number(text)?)?,
                Err(_) => return None,
            },
            Value::Text(text) => self.count(&number(text)?)?,
            number => self.count(number)?,
        };
        (-FURTHEST..=FURTHEST).contains(&micros).then_some(Timestamp(micros as i64))
    }

    fn count(self, number: &Value) -> Option<i128> {
        let size = number.as_f64()?.abs();
        let (times, divisor) = match self {
            Self::Rfc3339 => return None,
            Self::Auto if size < 1e11 => return Self::S.count(number),
            Self::Auto if size < 1e14 => return Self::Ms.count(number),
            Self::Auto if size < 1e17 => return Self::Us.count(number),
            Self::S => (1_000_000, 1),
            Self::Ms => (1_000, 1),
            Self::Us => (1, 1),
            Self::Ns | Self::Auto => (1, 1_000),
        };
        match *number {
            Value::I64(whole) => Some((i128::from(whole) * times).div_euclid(divisor)),
            Value::U64(whole) => Some((i128::from(whole) * times).div_euclid(divisor)),
            _ => {
                let micros = (number.as_f64()? * times as f64 / divisor as f64).round();
                micros.is_finite().then_some(micros as i128)
            }
        }
    }
}

/// What a message or a row says of all its values.
pub(super) struct Head {
    pub(super) time: Timestamp,
    pub(super) quality: Quality,
    pub(super) missing: Missing,
}

impl Head {
    /// The time and the quality as they were found; without them, the time of the incoming record, and Good.
    pub(super) fn new(
        (time, format): (Option<Value>, TimeFormat),
        quality: Option<Value>,
        missing: Missing,
        into: &Into<'_>,
    ) -> Result<Self, Why> {
        let time = time.map_or(Some(into.from.time), |time| format.read(&time)).ok_or(Why::Time)?;
        let quality = quality.map_or(Some(Quality::GOOD), |found| self::quality(&found)).ok_or(Why::Quality)?;
        Ok(Self { time, quality, missing })
    }

    /// Makes the records of the values that were found.
    pub(super) fn give(
        &self,
        values: impl ExactSizeIterator<Item = Option<Value>>,
        here: &Here<'_>,
        name: Option<&str>,
        into: &mut Into<'_>,
    ) -> Result<(), Why> {
        let (before, count) = (into.records.len(), values.len());
        let lack = if self.quality.is_bad() { self.quality } else { Quality::BAD_NO_DATA };
        for (n, value) in values.enumerate() {
            match (value, self.missing) {
                (Some(value), _) => into.push(here.tag(n, name)?, self.time, self.quality, value)?,
                (None, Missing::Skip) => {}
                (None, Missing::Bad) => into.push(here.tag(n, name)?, self.time, lack, Value::Null)?,
                (None, Missing::Reject) => return Err(Why::Missing),
            }
        }
        // A device that has a reason to send no values has said something of all of them.
        if into.records.len() == before && self.quality.is_bad() {
            for n in 0..count {
                into.push(here.tag(n, name)?, self.time, self.quality, Value::Null)?;
            }
        }
        Ok(())
    }
}

/// The quality that a value stands for: a word of fieldflow, a status code of OPC UA, or whether the value is good.
///
/// A number that has nothing in the upper half is Good in OPC UA whatever it is, but it is more likely of classic OPC (192 is
/// good, 64 uncertain) or of Sparkplug (500 is stale), and to take a Bad value for Good is the worst that can happen.
fn quality(value: &Value) -> Option<Quality> {
    match value {
        Value::Text(word) => word.trim().to_ascii_lowercase().parse().ok(),
        Value::I64(code) => u32::try_from(*code).ok().filter(|code| !(1..=0xFFFF).contains(code)).map(Quality),
        Value::U64(code) => u32::try_from(*code).ok().filter(|code| !(1..=0xFFFF).contains(code)).map(Quality),
        Value::Bool(good) => Some(if *good { Quality::GOOD } else { Quality::BAD }),
        _ => None,
    }
}

/// A text that is a number: digits with sign, point and exponent, or a word for what is none.
pub(super) fn number(text: &str) -> Option<Value> {
    if let Some(float) = not_finite(text) {
        return Some(Value::F64(float));
    }
    // `parse` alone would take `inf` and `nan` in all their forms.
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if !is_plain {
        return None;
    }
    let whole = text.parse().map(Value::I64).or_else(|_| text.parse().map(Value::U64));
    whole.ok().or_else(|| text.parse().ok().filter(|float: &f64| float.is_finite()).map(Value::F64))
}

/// The words that fieldflow writes where JSON has no number.
pub(super) fn not_finite(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: i64 = 1_767_225_600_123_456;

    #[test]
    fn a_time_is_read_by_its_format_or_by_its_size() {
        for (format, value) in [
            (TimeFormat::Auto, Value::Text("2026-01-01T00:00:00.123456Z".into())),
            (TimeFormat::Auto, Value::Text("2026-01-01T01:00:00.123456+01:00".into())),
            (TimeFormat::Auto, Value::Text("1767225600123456".into())),
            (TimeFormat::Auto, Value::F64(1_767_225_600.123_456)),
            (TimeFormat::Auto, Value::F64(1_767_225_600_123.456)),
            (TimeFormat::Auto, Value::U64(1_767_225_600_123_456)),
            (TimeFormat::Auto, Value::I64(1_767_225_600_123_456_789)),
            (TimeFormat::S, Value::Text("1767225600.123456".into())),
            (TimeFormat::Us, Value::I64(TIME)),
            (TimeFormat::Ns, Value::I64(1_767_225_600_123_456_000)),
        ] {
            assert_eq!(format.read(&value), Some(Timestamp(TIME)), "{format:?} {value:?}");
        }
        assert_eq!(TimeFormat::Ns.read(&Value::I64(-1)), Some(Timestamp(-1)), "before 1970 it counts on evenly");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for (format, value) in [
            (TimeFormat::Auto, Value::Text("2026-01-01T00:00:00".into())),
            (TimeFormat::Auto, Value::Text("now".into())),
            (TimeFormat::Auto, Value::Bool(true)),
            (TimeFormat::Auto, Value::F64(f64::NAN)),
            (TimeFormat::S, Value::F64(1e300)),
            (TimeFormat::S, Value::F64(-1e300)),
            (TimeFormat::S, Value::U64(u64::MAX)),
            (TimeFormat::S, Value::Text("2026-01-01T00:00:00Z".into())),
            (TimeFormat::Rfc3339, Value::I64(TIME)),
            (TimeFormat::Rfc3339, Value::Text("1767225600".into())),
        ] {
            assert_eq!(format.read(&value), None, "{format:?} {value:?}");
        }
    }

    #[test]
    fn quality_is_a_word_a_code_or_a_truth() {
        for (value, said) in [
            (Value::Text("Bad:timeout".into()), Some(Quality::BAD_TIMEOUT)),
            (Value::Text("bad:0x80AB0000".into()), Some(Quality(0x80AB_0000))),
            (Value::I64(0x800A_0000), Some(Quality::BAD_TIMEOUT)),
            (Value::Bool(true), Some(Quality::GOOD)),
            (Value::Bool(false), Some(Quality::BAD)),
            (Value::I64(0), Some(Quality::GOOD)),
            (Value::I64(192), None),
            (Value::U64(500), None),
            (Value::I64(-1), None),
            (Value::Text("fine".into()), None),
            (Value::F64(0.0), None),
        ] {
            assert_eq!(quality(&value), said, "{value:?}");
        }
    }

    #[test]
    fn numbers_in_text_are_told_from_words() {
        for (text, value) in [
            ("12", Some(Value::I64(12))),
            ("-0012", Some(Value::I64(-12))),
            ("18446744073709551615", Some(Value::U64(u64::MAX))),
            ("+5.50", Some(Value::F64(5.5))),
            (".5", Some(Value::F64(0.5))),
            ("1e3", Some(Value::F64(1000.0))),
            ("1e999", None),
            ("inf", None),
            ("e", None),
            ("", None),
            ("12 bar", None),
        ] {
            assert_eq!(number(text), value, "{text}");
        }
    }
}
