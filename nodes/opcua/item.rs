//! A tag at run time: which node it is, what the server was asked, and the records that its values become.

use std::collections::HashMap;
use std::sync::Arc;

use fieldflow_contract::{Quality, Record, Tag, Tally, Timestamp, Value};
use opcua::types::{DataValue, DateTime, NodeId, StatusCode};

use super::config::TimeOf;
use super::tags::{Deadband, Point};
use super::values::{self, Made};

/// A tag at run time.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) point: Point,
    /// The node, as long as the session lasts.
    pub(super) node: Option<NodeId>,
    /// Why there is nothing from it, if the server says no.
    pub(super) refused: Option<StatusCode>,
    /// What keeps small changes back here, because the server does not.
    pub(super) band: Option<Band>,
    /// The names of an enumeration.
    pub(super) names: Option<Arc<HashMap<i64, String>>>,
    /// The tags of parts: `[0]`, `.field`.
    parts: HashMap<String, Tag>,
    /// The source time of the newest value that the server gave.
    pub(super) reached: Option<DateTime>,
    /// What is not newer than this was told from the history of the server.
    pub(super) filled: Option<DateTime>,
    /// What was told last, as long as the subscription that told it lives.
    last: Vec<Record>,
    /// When it was told here that there is no value, if nothing newer was told since.
    bad_since: Option<Timestamp>,
}

/// How far a number must move away from the last one that was told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Band {
    pub(super) width: f64,
    last: Option<(f64, Quality)>,
}

/// What a value is told with.
pub(super) struct Telling<'a> {
    pub(super) time: TimeOf,
    pub(super) now: Timestamp,
    pub(super) tally: &'a Tally,
}

/// Bits of a status that say that the server lost values, where it says anything about a value.
const OVERFLOW: u32 = 0x0480;

impl Item {
    pub(super) fn new(point: Point) -> Self {
        Self {
            point,
            node: None,
            refused: None,
            band: None,
            names: None,
            parts: HashMap::new(),
            reached: None,
            filled: None,
            last: Vec::new(),
            bad_since: None,
        }
    }

    /// What the session said of it is of no worth any more.
    pub(super) fn forget(&mut self) {
        (self.node, self.refused, self.band, self.names) = (None, None, None, None);
        self.begin_anew();
    }

    /// Its subscription is another one, which begins with the value of now.
    pub(super) fn begin_anew(&mut self) {
        self.last.clear();
    }

    /// Nothing has changed while its tags were told to be without a value: says the last one again, as of now.
    pub(super) fn stand(&mut self, now: Timestamp, out: &mut Vec<Record>) {
        if self.last.is_empty() || self.bad_since.take().is_none() {
            return;
        }
        for record in &mut self.last {
            record.time = now;
        }
        out.extend(self.last.iter().cloned());
    }

    /// Keeps small changes back from now on.
    pub(super) fn hold(&mut self, width: f64) {
        self.band = Some(Band { width, last: None });
    }

    /// How far it must move by itself, if it is known without asking the server.
    pub(super) fn width(&self) -> Option<f64> {
        match self.point.deadband {
            Some(Deadband::Absolute(width)) => Some(width),
            _ => None,
        }
    }

    /// The records of a value. `made` is what it is, if that was found out already.
    pub(super) fn tell(&mut self, value: &DataValue, made: Option<Made>, telling: &Telling<'_>, out: &mut Vec<Record>) {
        if let Some(time) = value.source_timestamp.filter(|time| values::time(time).is_some()) {
            if self.filled.is_some_and(|filled| time <= filled) {
                return;
            }
            self.filled = None;
            self.reached = self.reached.max(Some(time));
        }
        let before = out.len();
        self.make(value, made, telling, out);
        let told = out.get_mut(before..).unwrap_or_default();
        let Some(newest) = told.iter().map(|record| record.time).max() else { return };
        if let Some(since) = self.bad_since {
            if since < newest {
                self.bad_since = None;
            } else if self.last.is_empty() {
                // The value of old is there again: that is news, and of now.
                self.bad_since = None;
                for record in told.iter_mut() {
                    record.time = telling.now;
                }
            }
        }
        self.last.clear();
        self.last.extend(told.iter().cloned());
    }

    fn make(&mut self, value: &DataValue, made: Option<Made>, telling: &Telling<'_>, out: &mut Vec<Record>) {
        let quality = Quality(value.status.unwrap_or(StatusCode::Good).bits());
        if quality.0 & 0x0C80 == OVERFLOW {
            telling.tally.add("server_queue_overflow", 1);
        }
        let server = || value.server_timestamp.as_ref().and_then(values::time);
        let time = match telling.time {
            TimeOf::Source => value.source_timestamp.as_ref().and_then(values::time).or_else(server),
            TimeOf::Server => server(),
            TimeOf::Gather => None,
        };
        let time = time.unwrap_or(telling.now);
        if quality.is_bad() {
            self.all_bad(quality, time, out);
            return;
        }
        let whole = value.value.as_ref().unwrap_or(&opcua::types::Variant::Empty);
        let picked = self.point.index.is_some().then(|| values::pick(whole, &self.point.range())).flatten();
        let variant = picked.as_ref().unwrap_or(whole);
        match made.unwrap_or_else(|| values::make(variant, self.point.elements)) {
            Made::One(value) => {
                let value = self.named(value);
                if self.passes(&value, quality) {
                    out.push(Record { tag: self.point.tag, quality, time, value });
                }
            }
            Made::Parts(parts) => {
                for (part, value) in parts {
                    match self.part(&part) {
                        Some(tag) => out.push(Record { tag, quality, time, value }),
                        None => telling.tally.add("too_many_tags", 1),
                    }
                }
            }
            made => {
                telling.tally.add("undecodable", 1);
                let value = if let Made::Raw(bytes) = made { Value::Bytes(bytes.into()) } else { Value::Null };
                out.push(Record { tag: self.point.tag, quality: Quality::BAD_TYPE_MISMATCH, time, value });
            }
        }
    }

    /// There is no value from now on, for a reason that is not the server's: one record for each tag that is known of it.
    pub(super) fn tell_bad(&mut self, quality: Quality, now: Timestamp, out: &mut Vec<Record>) {
        self.bad_since = Some(now);
        self.all_bad(quality, now, out);
    }

    fn all_bad(&mut self, quality: Quality, time: Timestamp, out: &mut Vec<Record>) {
        if let Some(band) = &mut self.band {
            band.last = None;
        }
        if self.parts.is_empty() {
            out.push(Record::bad(self.point.tag, time, quality));
        } else {
            let mut parts: Vec<Tag> = self.parts.values().copied().collect();
            parts.sort_by_key(|tag| tag.name());
            out.extend(parts.into_iter().map(|tag| Record::bad(tag, time, quality)));
        }
    }

    fn part(&mut self, part: &str) -> Option<Tag> {
        if let Some(tag) = self.parts.get(part) {
            return Some(*tag);
        }
        if values::MOST_PARTS <= self.parts.len() {
            return None;
        }
        let tag = Tag::new(&format!("{}{part}", self.point.tag.name())).ok()?;
        self.parts.insert(part.to_owned(), tag);
        Some(tag)
    }

    fn named(&self, value: Value) -> Value {
        let number = match value {
            Value::I64(number) => Some(number),
            Value::U64(number) => i64::try_from(number).ok(),
            _ => None,
        };
        let name = self.names.as_ref().zip(number).and_then(|(names, number)| names.get(&number));
        name.map_or(value, |name| Value::Text(name.as_str().into()))
    }

    fn passes(&mut self, value: &Value, quality: Quality) -> bool {
        let (Some(band), Some(number)) = (&mut self.band, value.as_f64()) else { return true };
        let near = band.last.is_some_and(|(last, before)| {
            before == quality && ((number - last).abs() <= band.width || (number.is_nan() && last.is_nan()))
        });
        if !near {
            band.last = Some((number, quality));
        }
        !near
    }
}

#[cfg(test)]
#[path = "item_tests.rs"]
mod tests;
