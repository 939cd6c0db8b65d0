//! An edge node: what its births said, and what its data means by that.

use std::collections::HashMap;

use fieldflow_contract::{Quality, Record, Tag, Value, write_json_value};

use super::{Desk, time_of};
use crate::mqtt::sparkplug::{BD_SEQ, DataType, Datum, Metric, Misfit, Payload, REBIRTH};
use crate::transform::kit::quality::worse;

/// A last value that takes more memory than this is not kept for when the tag gets stale.
const KEPT: usize = 4096;

/// See the module. Its methods tell whether it is content: if not, it wants the births of the node.
pub(super) struct EdgeNode {
    /// The node itself, then its devices.
    units: Vec<Unit>,
    devices: HashMap<Box<str>, usize>,
    metrics: Vec<Known>,
    aliases: HashMap<u64, usize>,
    /// The session that the last birth was of.
    bd_seq: Option<u64>,
    /// The number of the last message; `None` if any may follow.
    seq: Option<u8>,
    /// Whether no message was missed since the last birth. If one was, it may have been a birth with other aliases.
    is_sure: bool,
    /// Whether some of its metrics had no room.
    is_cut: bool,
}

/// The node or a device of it.
struct Unit {
    /// What its tags begin with: `group/node` or `group/node/device`.
    name: String,
    is_born: bool,
    by_name: HashMap<Box<str>, usize>,
}

impl Unit {
    fn new(name: String) -> Self {
        Self { name, is_born: false, by_name: HashMap::new() }
    }
}

/// A metric that a birth told.
struct Known {
    tag: Tag,
    kind: DataType,
    unit: usize,
    /// The last value that was live.
    value: Value,
    quality: Quality,
    is_stale: bool,
    /// Whether the birth that is being read has it.
    is_told: bool,
}

impl EdgeNode {
    pub(super) fn new(name: &str) -> Self {
        Self {
            units: vec![Unit::new(name.to_owned())],
            devices: HashMap::new(),
            metrics: Vec::new(),
            aliases: HashMap::new(),
            bd_seq: None,
            seq: None,
            is_sure: false,
            is_cut: false,
        }
    }

    /// Whether it has had this device.
    pub(super) fn knows(&self, device: &str) -> bool {
        self.devices.contains_key(device)
    }

    /// Messages may have been missed.
    pub(super) fn missed(&mut self) {
        (self.seq, self.is_sure) = (None, false);
    }

    fn is_born(&self) -> bool {
        self.units.first().is_some_and(|unit| unit.is_born)
    }

    /// The node tells all its metrics; its devices are to do the same.
    pub(super) fn birth(&mut self, payload: &Payload, desk: &mut Desk<'_>) -> bool {
        let bd_seq = bd_seq(payload);
        if self.is_born() && bd_seq != self.bd_seq {
            // Another session: the death of the one before was not heard.
            self.all_stale(desk, |_| true);
        }
        self.units.iter_mut().for_each(|unit| unit.is_born = false);
        self.aliases.clear();
        (self.bd_seq, self.seq, self.is_sure, self.is_cut) = (bd_seq, payload.seq, true, false);
        self.born(0, payload, desk);
        true
    }

    /// The node is gone, if it is the present session that died.
    pub(super) fn death(&mut self, payload: &Payload, desk: &mut Desk<'_>) -> bool {
        if !self.is_born() || bd_seq(payload) != self.bd_seq {
            desk.tally.add("old_deaths", 1);
            return true;
        }
        self.all_stale(desk, |_| true);
        self.units.iter_mut().for_each(|unit| unit.is_born = false);
        self.seq = None;
        true
    }

    /// A device tells all its metrics.
    pub(super) fn device_birth(&mut self, device: &str, payload: &Payload, desk: &mut Desk<'_>) -> bool {
        let is_content = self.follows(payload, desk);
        let Some(node) = self.units.first().filter(|node| node.is_born) else {
            desk.tally.add("before_birth", 1);
            return false;
        };
        let unit = if let Some(unit) = self.devices.get(device) {
            *unit
        } else {
            let unit = self.units.len();
            self.units.push(Unit::new(format!("{}/{device}", node.name)));
            self.devices.insert(device.into(), unit);
            unit
        };
        let metrics = &self.metrics;
        self.aliases.retain(|_, at| metrics.get(*at).is_some_and(|known| known.unit != unit));
        self.born(unit, payload, desk);
        is_content
    }

    /// A device is gone.
    pub(super) fn device_death(&mut self, device: &str, payload: &Payload, desk: &mut Desk<'_>) -> bool {
        let is_content = self.follows(payload, desk);
        if let Some(at) = self.devices.get(device).copied() {
            self.all_stale(desk, |known| known.unit == at);
            if let Some(unit) = self.units.get_mut(at) {
                unit.is_born = false;
            }
        }
        is_content
    }

    /// Values of the node, or of a device.
    pub(super) fn data(&mut self, device: Option<&str>, payload: &Payload, desk: &mut Desk<'_>) -> bool {
        let mut is_content = self.follows(payload, desk);
        let at = device.map_or(Some(0), |device| self.devices.get(device).copied());
        let Some(at) = at.filter(|at| self.is_born() && self.units.get(*at).is_some_and(|unit| unit.is_born)) else {
            desk.tally.add("before_birth", 1);
            return false;
        };
        for metric in &payload.metrics {
            match self.find(at, metric, desk) {
                Some(place) => self.tell(place, metric, payload.timestamp, desk),
                // Where there was no room for all of them, a birth would bring no more.
                None if self.is_cut => desk.tally.add("too_many_topics", 1),
                None => {
                    desk.tally.add("unknown_metrics", 1);
                    is_content = false;
                }
            }
        }
        is_content
    }

    /// Whether this is the message after the last one, or a birth has come since one was missed.
    fn follows(&mut self, payload: &Payload, desk: &mut Desk<'_>) -> bool {
        if !self.is_born() {
            return false;
        }
        // Some nodes number nothing.
        let Some(seq) = payload.seq else { return self.is_sure };
        if self.seq.replace(seq).is_some_and(|last| last.wrapping_add(1) != seq) {
            desk.tally.add("seq_gaps", 1);
            self.is_sure = false;
        }
        self.is_sure
    }

    fn born(&mut self, at: usize, payload: &Payload, desk: &mut Desk<'_>) {
        if let Some(unit) = self.units.get_mut(at) {
            unit.is_born = true;
        }
        self.metrics.iter_mut().filter(|known| known.unit == at).for_each(|known| known.is_told = false);
        for metric in &payload.metrics {
            let Some(name) = metric.name.as_deref() else {
                desk.tally.add("bad_metrics", 1);
                continue;
            };
            if name == BD_SEQ || name == REBIRTH {
                continue;
            }
            let kind = metric.kind.unwrap_or(DataType::Other(0));
            let Some(place) = self.place(at, name, kind, desk) else {
                self.is_cut = true;
                desk.tally.add("too_many_topics", 1);
                continue;
            };
            if let Some(alias) = metric.alias {
                self.aliases.insert(alias, place);
            }
            if let Some(known) = self.metrics.get_mut(place) {
                (known.kind, known.is_told) = (kind, true);
            }
            self.tell(place, metric, payload.timestamp, desk);
        }
        // What the node has no more.
        self.all_stale(desk, |known| known.unit == at && !known.is_told);
    }

    /// The metric that is meant. One that is told with its name and type needs no birth.
    fn find(&mut self, at: usize, metric: &Metric, desk: &mut Desk<'_>) -> Option<usize> {
        let Some(name) = metric.name.as_deref() else {
            let place = *self.aliases.get(&metric.alias?)?;
            return self.metrics.get(place).is_some_and(|known| known.unit == at).then_some(place);
        };
        match self.units.get(at)?.by_name.get(name) {
            Some(place) => Some(*place),
            None => self.place(at, name, metric.kind?, desk),
        }
    }

    /// The place of a metric by its name, which is made if there is room.
    fn place(&mut self, at: usize, name: &str, kind: DataType, desk: &mut Desk<'_>) -> Option<usize> {
        let unit = self.units.get_mut(at)?;
        if let Some(place) = unit.by_name.get(name) {
            return Some(*place);
        }
        let tag = desk.topics.own(&format!("{}/{name}", unit.name))?;
        let place = self.metrics.len();
        unit.by_name.insert(name.into(), place);
        let (value, quality) = (Value::Null, Quality::BAD_NO_DATA);
        self.metrics.push(Known { tag, kind, unit: at, value, quality, is_stale: true, is_told: true });
        Some(place)
    }

    /// Makes a record of a value.
    fn tell(&mut self, place: usize, metric: &Metric, sent: Option<u64>, desk: &mut Desk<'_>) {
        let Some(known) = self.metrics.get_mut(place) else { return };
        let (value, mut quality) = match metric.datum(metric.kind.unwrap_or(known.kind)) {
            Ok(Some(Datum::One(value))) => (value, metric.quality()),
            Ok(Some(Datum::Many(values))) => (array(&values), metric.quality()),
            Ok(None) => (Value::Null, worse(metric.quality(), Quality::BAD_NO_DATA)),
            Err(Misfit::Unread(_)) => (Value::Null, Quality::BAD_NOT_SUPPORTED),
            Err(_) => {
                desk.tally.add("bad_metrics", 1);
                (Value::Null, Quality::BAD_DECODING)
            }
        };
        if !self.is_sure && metric.name.is_none() {
            quality = worse(quality, Quality::UNCERTAIN);
        }
        let time = time_of(metric.timestamp).or(time_of(sent)).unwrap_or(desk.now);
        if !metric.is_historical {
            let kept = if value.heap_bytes() <= KEPT { value.clone() } else { Value::Null };
            (known.value, known.quality, known.is_stale) = (kept, quality, false);
        }
        (desk.put)(Record { tag: known.tag, quality, time, value }, metric.is_historical);
    }

    /// Says of each of these metrics that its value is the last one that is known.
    fn all_stale(&mut self, desk: &mut Desk<'_>, is_meant: impl Fn(&Known) -> bool) {
        for known in self.metrics.iter_mut().filter(|known| !known.is_stale && is_meant(known)) {
            known.is_stale = true;
            let quality = worse(known.quality, Quality::UNCERTAIN_LAST_USABLE);
            (desk.put)(Record { tag: known.tag, quality, time: desk.now, value: known.value.clone() }, false);
        }
    }
}

/// The session that a birth or death is of.
fn bd_seq(payload: &Payload) -> Option<u64> {
    let metric = payload.metrics.iter().find(|metric| metric.name.as_deref() == Some(BD_SEQ))?;
    match metric.datum(metric.kind.unwrap_or(DataType::Int64)) {
        Ok(Some(Datum::One(Value::I64(number)))) => u64::try_from(number).ok(),
        Ok(Some(Datum::One(Value::U64(number)))) => Some(number),
        _ => None,
    }
}

/// An array as JSON: no value holds several.
fn array(values: &[Value]) -> Value {
    let mut text = "[".to_owned();
    for (at, value) in values.iter().enumerate() {
        if at != 0 {
            text.push(',');
        }
        write_json_value(value, &mut text);
    }
    text.push(']');
    Value::Text(text.into())
}
