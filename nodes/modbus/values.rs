//! From the answer of a device to records: which tags lie in it, and what it says about each of them.

use std::collections::HashMap;
use std::sync::Arc;

use fieldflow_contract::{BuildError, Quality, Record, Tag, Timestamp, Value};

use super::codec::Layout;
use super::factor::Held;
use super::plan::Need;
use super::session::Answer;
use super::tags::{Factor, Point};

/// One request and the tags that are in its answer.
pub(super) struct Read {
    /// What to ask for.
    pub(super) need: Need,
    /// The tags.
    pub(super) tags: Vec<Place>,
    /// What other values are multiplied with; no records are made of them.
    pub(super) factors: Vec<FactorPlace>,
}

/// Where in an answer a tag lies.
pub(super) struct Place {
    /// The tag.
    pub(super) tag: Tag,
    /// Its first register or bit in the answer.
    pub(super) offset: usize,
    /// How its registers are read.
    pub(super) layout: Layout,
    /// What its value is multiplied with.
    pub(super) factor: Option<Arc<Held>>,
}

/// Where in an answer a factor lies.
pub(super) struct FactorPlace {
    offset: usize,
    layout: Layout,
    held: Arc<Held>,
}

/// What a request reads besides its place: a value for a tag, or a factor for others.
pub(super) struct Member {
    /// Where it lies.
    pub(super) need: Need,
    layout: Layout,
    /// The tag; none for a factor.
    pub(super) tag: Option<Tag>,
    /// The factor itself, or that of the value.
    held: Option<Arc<Held>>,
}

/// Everything that has to be read for these points: their values, and each factor once.
pub(super) fn members(points: &[Point]) -> Result<Vec<Member>, BuildError> {
    let mut held: HashMap<&Factor, Arc<Held>> = HashMap::new();
    let mut members = Vec::with_capacity(points.len());
    for point in points {
        let tag = Tag::new(&point.name).map_err(|error| BuildError(format!("tags.{}: {error}", point.name)))?;
        let factor = point.factor.as_ref().map(|factor| {
            Arc::clone(held.entry(factor).or_insert_with(|| {
                let held = Arc::new(Held::new(factor.means));
                let (need, layout) = (factor.need(), factor.layout.clone());
                members.push(Member { need, layout, tag: None, held: Some(Arc::clone(&held)) });
                held
            }))
        });
        members.push(Member { need: point.need, layout: point.layout.clone(), tag: Some(tag), held: factor });
    }
    Ok(members)
}

impl Member {
    /// What it is called in messages.
    pub(super) fn name(&self) -> &'static str {
        self.tag.map_or("(a factor)", Tag::name)
    }
}

impl Read {
    /// One request, and the places of these members in its answer.
    pub(super) fn of<'a>(need: Need, members: impl Iterator<Item = &'a Member>) -> Self {
        let mut read = Self { need, tags: Vec::new(), factors: Vec::new() };
        for Member { need: own, layout, tag, held } in members {
            let offset = usize::from(own.start.saturating_sub(need.start));
            let layout = layout.clone();
            match (tag, held.clone()) {
                (Some(tag), factor) => read.tags.push(Place { tag: *tag, offset, layout, factor }),
                (None, Some(held)) => read.factors.push(FactorPlace { offset, layout, held }),
                (None, None) => {}
            }
        }
        read
    }

    /// The records of this answer, which was true at this time.
    pub(super) fn records(&self, answer: &Answer, time: Timestamp, records: &mut Vec<Record>) {
        for FactorPlace { offset, layout, held } in &self.factors {
            let (value, quality) = value(answer, *offset, layout);
            held.learn(&value, quality);
        }
        for place in &self.tags {
            let (value, quality) = value(answer, place.offset, &place.layout);
            let (value, quality) = match &place.factor {
                Some(held) => held.apply(value, quality),
                None => (value, quality),
            };
            records.push(Record { tag: place.tag, quality, time, value });
        }
    }
}

/// What the answer says about the value at this place in it.
fn value(answer: &Answer, offset: usize, layout: &Layout) -> (Value, Quality) {
    match answer {
        Answer::Exception(code) => (Value::Null, reason(*code)),
        Answer::Words(words) => {
            let end = offset + usize::from(layout.registers);
            layout.decode(words.get(offset..end).unwrap_or_default())
        }
        Answer::Bits(bits) => match bits.get(offset) {
            Some(bit) => layout.decode_bit(*bit),
            None => (Value::Null, Quality::BAD_DECODING),
        },
    }
}

/// What the exception code of a device says about the values that it did not give.
pub(super) fn reason(code: u8) -> Quality {
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
    use std::time::Duration;

    use serde_json::{Value as Json, json};

    use super::*;
    use crate::modbus::config::Config;
    use crate::modbus::group::Group;
    use crate::modbus::learnt::Learnt;

    fn requests(tags: &Json) -> Vec<Read> {
        let config: Config = serde_json::from_value(json!({ "url": "tcp://plc", "tags": tags })).unwrap();
        let settings = config.resolve(None, &mut fieldflow_contract::Findings::default()).unwrap();
        let mut group = Group::new(Duration::from_secs(1), members(&settings.points).unwrap(), None);
        group.plan(settings.limits, &[], &Learnt::default(), 0);
        group.requests.into_iter().map(|asking| asking.read).collect()
    }

    /// `name=value` or `name=quality` of each record.
    fn told(read: &Read, answer: &Answer) -> Vec<String> {
        let mut records = Vec::new();
        read.records(answer, Timestamp(0), &mut records);
        let text = |record: &Record| match &record.value {
            Value::Null => format!("{}={}", record.tag, record.quality),
            Value::F64(value) => format!("{}={value}", record.tag),
            value => format!("{}={value:?}", record.tag),
        };
        records.iter().map(text).collect()
    }

    #[test]
    fn a_value_waits_for_its_factor_and_keeps_the_last_good_one() {
        let from = json!({ "at": "holding:40" });
        let tags = json!({
            "a": { "at": "holding:10", "factor_from": from }, "b": { "at": "holding:11", "factor_from": from },
            "raw": { "at": "holding:40", "as": "i16" },
        });
        let [factor, values] = &requests(&tags)[..] else { panic!("two requests") };
        assert_eq!((factor.need.start, values.need.start), (40, 10), "factors first");
        let pair = Answer::Words(vec![1234, 5]);
        assert_eq!(told(values, &pair), ["a=bad:no_data", "b=bad:no_data"]);
        assert_eq!(told(values, &Answer::Exception(4)), ["a=bad:device_failure", "b=bad:device_failure"]);
        assert_eq!(told(factor, &Answer::Words(vec![0xFFFE])), ["raw=I64(-2)"]);
        assert_eq!(told(values, &pair), ["a=12.34", "b=0.05"]);
        for none in [Answer::Exception(2), Answer::Words(vec![0x8000])] {
            told(factor, &none);
            assert_eq!(told(values, &pair), ["a=12.34", "b=0.05"], "{none:?}");
        }
    }

    #[test]
    fn a_factor_in_the_same_answer_is_of_the_same_moment_wherever_it_lies() {
        let tags = json!({ "a": { "at": "holding:10", "as": "u32", "factor_from": { "at": "holding:12", "means": "factor", "as": "u16" } } });
        let [read] = &requests(&tags)[..] else { panic!("one request") };
        assert_eq!((read.need.start, read.need.count, read.tags.len()), (10, 3, 1));
        for (factor, product) in [(3, 3 * 65_539), (7, 7 * 65_543)] {
            assert_eq!(told(read, &Answer::Words(vec![1, factor, factor])), [format!("a=U64({product})")]);
        }
    }

    #[test]
    fn words_and_fields_come_with_their_registers_and_coils() {
        let tags = json!({
            "valve": { "at": "coil:0", "enum": { "0": "closed", "1": "open" } },
            "pump": { "at": "holding:0", "enum": { "41": "busy" }, "bits": { "pump.mode": [4, 2], "pump.run": 0 } },
        });
        let [coils, registers] = &requests(&tags)[..] else { panic!("two requests") };
        assert_eq!(told(coils, &Answer::Bits(vec![true])), [r#"valve=Text("open")"#]);
        let told = told(registers, &Answer::Words(vec![0x29]));
        assert_eq!(told, ["pump.mode=U64(2)", "pump.run=Bool(true)", r#"pump=Text("busy")"#]);
    }

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
