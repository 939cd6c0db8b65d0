//! Durations and sizes as people write them: `250ms`, `5s`, `64KiB`, `1GiB`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::Quality;

/// The text is not what the option wants; the message says what would be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnitError(String);

/// A length of time in an option: a number and a unit out of `us ms s m h d`, such as `250ms` or `7d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A size in an option: a number and a unit out of `B KiB MiB GiB TiB` (or `kB MB GB TB` in thousands), such as `64KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A part of a whole in an option, in whole percent from 1 to 99, such as `25%`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u8);

const SPANS: &[(&str, u64)] =
    &[("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
];

/// The number times its unit, rounded to whole base units.
fn parse(text: &str, units: &[(&str, u64)], example: &str) -> Result<u64, UnitError> {
    let wrong = || UnitError(format!("a number with its unit is wanted here, such as {example}"));
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start()).ok_or_else(|| {
        let known: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        UnitError(format!("the unit `{}` is none of {}", unit.trim(), known.join(" ")))
    })?;
    let whole = (number * *scale as f64).round();
    // 2⁵³ base units: 285 years or 8 PiB; past it a double has no room for the last digit.
    if 9.0e15 < whole {
        return Err(UnitError("that is too much".to_owned()));
    }
    Ok(whole as u64)
}

fn print(value: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fits = |(_, scale): &&(&str, u64)| value.is_multiple_of(*scale) && (value != 0 || *scale == 1);
    let (name, scale) = units.iter().filter(fits).max_by_key(|(_, scale)| *scale).unwrap_or(&units[0]);
    write!(f, "{}{name}", value / scale)
}

impl FromStr for Span {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, SPANS, "250ms, 5s, 2h or 7d").map(|us| Self(Duration::from_micros(us)))
    }
}

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        parse(text, SIZES, "64KiB or 1GiB").map(Self)
    }
}

impl FromStr for Share {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let percent = text.strip_suffix('%').and_then(|number| number.trim_end().parse().ok());
        percent
            .filter(|percent| (1..100).contains(percent))
            .map(Self)
            .ok_or_else(|| UnitError("a part from 1% to 99% is wanted here, such as 25%".to_owned()))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_micros() as u64 {
            0 => f.write_str("0s"),
            micros => print(micros, SPANS, f),
        }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(self.0, &SIZES[..5], f)
    }
}

macro_rules! as_text {
    ($type:ident, $format:literal, $pattern:literal, $example:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Cow::<'de, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "x-format": $format, "pattern": $pattern, "examples": [$example] })
            }
        }
    };
}

as_text!(Span, "span", r"^\d+(\.\d+)? ?(us|ms|s|m|h|d)$|^\$\{", "250ms");
as_text!(ByteSize, "size", r"^\d+(\.\d+)? ?(B|KiB|MiB|GiB|TiB|kB|MB|GB|TB)$|^\$\{", "64KiB");
as_text!(Share, "share", r"^\d+ ?%$|^\$\{", "25%");

/// Checks a text against the `x-format` of a schema. A format that is not known here passes.
pub fn check_format(format: &str, text: &str) -> Result<(), UnitError> {
    match format {
        "span" => text.parse::<Span>().map(drop),
        "size" => text.parse::<ByteSize>().map(drop),
        "share" => text.parse::<Share>().map(drop),
        "quality" => text.parse::<Quality>().map(drop).map_err(UnitError),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_read_as_people_write_them() {
        assert_eq!("250ms".parse::<Span>().unwrap().0, Duration::from_millis(250));
        assert_eq!("1.5 s".parse::<Span>().unwrap().0, Duration::from_millis(1500));
        assert_eq!("7d".parse::<Span>().unwrap().0, Duration::from_secs(7 * 86_400));
        assert_eq!("64KiB".parse::<ByteSize>().unwrap().0, 65_536);
        assert_eq!("1GB".parse::<ByteSize>().unwrap().0, 1_000_000_000);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in
            [("250", "unit"), ("ms", "number"), ("5 parsecs", "`parsecs` is none of"), ("-1s", "number")]
        {
            assert!(text.parse::<Span>().unwrap_err().to_string().contains(said), "{text}");
        }
        assert!("99999999999999999999d".parse::<Span>().is_err());
    }

    #[test]
    fn a_share_is_a_part_and_not_the_whole() {
        assert_eq!(("25%".parse(), "5 %".parse()), (Ok(Share(25)), Ok(Share(5))));
        for wrong in ["25", "0%", "100%", "-5%", "2.5%", "%", "300%"] {
            assert!(wrong.parse::<Share>().unwrap_err().to_string().contains("1% to 99%"), "{wrong}");
        }
    }

    #[test]
    fn they_are_printed_in_the_largest_unit_that_fits() {
        for text in ["250ms", "90s", "2h", "7d", "0s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        assert_eq!(ByteSize(1 << 30).to_string(), "1GiB");
    }
}
