//! Where in a frame the check sum stands, and which bytes it is of.

use std::borrow::Cow;
use std::fmt;

use fieldflow_contract::Findings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// The option `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Position {
    /// The last bytes.
    #[default]
    Tail,
    /// From this byte; counted from the end if negative.
    Offset(i32),
}

/// Where the check sum stands and what it is of, in a frame of any length.
pub(super) struct Place {
    at: i32,
    start: i32,
    /// 0 or less: from the end of the frame.
    end: i32,
    bytes: usize,
}

/// The parts of one frame.
pub(super) struct Parts<'a> {
    pub(super) covered: &'a [u8],
    pub(super) before: &'a [u8],
    pub(super) sum: &'a [u8],
    pub(super) behind: &'a [u8],
}

impl Place {
    pub(super) fn new(at: Position, over: Option<[i32; 2]>, bytes: usize) -> Self {
        let width = bytes as i32;
        let at = match at {
            Position::Tail => -width,
            Position::Offset(at) => at,
        };
        let [start, end] = over.unwrap_or(if at == 0 { [width, 0] } else { [0, at] });
        Self { at, start, end, bytes }
    }

    /// The parts of a frame, or `None` if it is too short for them. A check sum of nothing is none: 0xFFFF 0xFFFF would pass.
    pub(super) fn find<'a>(&self, frame: &'a [u8]) -> Option<Parts<'a>> {
        let from_end = |back: i32| frame.len().checked_sub(back.unsigned_abs() as usize);
        let place = |index: i32| if index < 0 { from_end(index) } else { Some(index as usize) };
        let (start, end) = (place(self.start)?, if self.end <= 0 { from_end(self.end)? } else { self.end as usize });
        let covered = frame.get(start..end).filter(|covered| !covered.is_empty())?;
        let (before, rest) = frame.split_at_checked(place(self.at)?)?;
        let (sum, behind) = rest.split_at_checked(self.bytes)?;
        Some(Parts { covered, before, sum, behind })
    }
}

/// Reports places that no frame can have, for a check sum of so many bytes.
pub(super) fn check(at: Position, over: Option<[i32; 2]>, bytes: usize, findings: &mut Findings) {
    let width = bytes as i32;
    if let Position::Offset(at) = at
        && at < 0
        && -width < at
    {
        findings
            .error(
                "at",
                format!("{at} leaves less than the {bytes} bytes of the check sum before the end of the frame"),
            )
            .help(format!("say `at: tail` or `at: -{width}` for the last {bytes} bytes"));
        return;
    }
    let Some([start, end]) = over else { return };
    let place = Place::new(at, over, bytes);
    // Both ends seen from the same end of the frame.
    if (start < 0) == (end <= 0) && end <= start {
        findings
            .error("over", format!("[{start}, {end}] covers no byte"))
            .help("[start, end]: the end is not among them, and counts from the end of the frame where 0 or less");
    } else if overlaps(&place, width) {
        findings
            .error("over", "the bytes that are checked hold the check sum itself")
            .help(format!("end before it, such as [{start}, {}], or begin behind it", place.at));
    }
}

/// Whether the check sum lies within what it is of, in every frame that is long enough.
fn overlaps(&Place { at, start, end, .. }: &Place, width: i32) -> bool {
    let (at, start, end, width) = (i64::from(at), i64::from(start), i64::from(end), i64::from(width));
    match (at < 0, end <= 0) {
        (true, true) => at < end && (0 <= start || start < at + width),
        (false, false) => at < end && 0 <= start && start < at + width,
        (false, true) => -width < end && 0 <= start && start < at + width,
        (true, false) => false,
    }
}

impl<'de> Deserialize<'de> for Position {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Position;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`tail` or the number of a byte")
            }
            fn visit_i64<E: de::Error>(self, at: i64) -> Result<Position, E> {
                let at = i32::try_from(at).map_err(|_| E::invalid_value(de::Unexpected::Signed(at), &self))?;
                Ok(Position::Offset(at))
            }
            fn visit_u64<E: de::Error>(self, at: u64) -> Result<Position, E> {
                let at = i32::try_from(at).map_err(|_| E::invalid_value(de::Unexpected::Unsigned(at), &self))?;
                Ok(Position::Offset(at))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Position, E> {
                if text == "tail" {
                    Ok(Position::Tail)
                } else {
                    Err(E::invalid_value(de::Unexpected::Str(text), &self))
                }
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Position {
    fn schema_name() -> Cow<'static, str> {
        "Position".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [{ "const": "tail" }, { "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX }],
            "examples": ["tail", -2],
        })
    }
}
