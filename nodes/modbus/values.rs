//! From the answer of a device to records: which tags lie in it, and what it says about each of them.

use fieldflow_contract::{BuildError, Quality, Record, Tag, Timestamp, Value};

use super::codec::Layout;
use super::plan::{Limits, Need, plan};
use super::session::Answer;
use super::tags::Point;

/// One request and the tags that are in its answer.
pub(super) struct Read {
    /// What to ask for.
    pub(super) need: Need,
    /// The tags.
    pub(super) tags: Vec<Place>,
}

/// Where in an answer a tag lies.
pub(super) struct Place {
    /// The tag.
    pub(super) tag: Tag,
    /// Its first register or bit in the answer.
    pub(super) offset: usize,
    /// How its registers are read.
    pub(super) layout: Layout,
}

/// The requests that read these points, and where in their answers each lies.
pub(super) fn reads(points: &[Point], limits: Limits) -> Result<Vec<Read>, BuildError> {
    let needs: Vec<Need> = points.iter().map(|point| point.need).collect();
    let mut requests = Vec::new();
    for request in plan(&needs, limits) {
        let mut tags = Vec::with_capacity(request.serves.len());
        for point in request.serves.iter().filter_map(|&index| points.get(index)) {
            let tag = Tag::new(&point.name).map_err(|error| BuildError(format!("tags.{}: {error}", point.name)))?;
            let offset = usize::from(point.need.start - request.read.start);
            tags.push(Place { tag, offset, layout: point.layout.clone() });
        }
        requests.push(Read { need: request.read, tags });
    }
    Ok(requests)
}

impl Read {
    /// The records of this answer, which was true at this time.
    pub(super) fn records(&self, answer: &Answer, time: Timestamp, records: &mut Vec<Record>) {
        for place in &self.tags {
            let (value, quality) = match answer {
                Answer::Exception(code) => (Value::Null, reason(*code)),
                Answer::Words(words) => {
                    let end = place.offset + usize::from(place.layout.registers);
                    place.layout.decode(words.get(place.offset..end).unwrap_or_default())
                }
                Answer::Bits(bits) => match bits.get(place.offset) {
                    Some(bit) => (Value::Bool(*bit), Quality::GOOD),
                    None => (Value::Null, Quality::BAD_DECODING),
                },
            };
            records.push(Record { tag: place.tag, quality, time, value });
        }
    }
}

/// What the exception code of a device says about the values that it did not give.
fn reason(code: u8) -> Quality {
    match code {
        0x01 => Quality::BAD_NOT_SUPPORTED,
        0x02 | 0x03 => Quality::BAD_CONFIGURATION,
        0x04 => Quality::BAD_DEVICE_FAILURE,
        0x05 | 0x06 => Quality::BAD_BUSY,
        0x0A | 0x0B => Quality::BAD_NO_COMMUNICATION,
        _ => Quality::BAD_COMMUNICATION,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_exception_has_its_reason() {
        let of = |code| reason(code).to_string();
        assert_eq!(
            [1, 2, 3, 4].map(of),
            ["bad:not_supported", "bad:configuration", "bad:configuration", "bad:device_failure"]
        );
        assert_eq!([5, 6, 8].map(of), ["bad:busy", "bad:busy", "bad:communication"]);
        assert_eq!([0x0A, 0x0B, 0x41].map(of), ["bad:no_communication", "bad:no_communication", "bad:communication"]);
    }
}
