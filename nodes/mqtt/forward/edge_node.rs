//! A Sparkplug B edge node: which metrics it has, which births are due, and the numbers of its messages.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fieldflow_contract::{Batch, BuildContext, Quality, Record, Saved, Tag, TagMap, Timestamp, Value};

use super::payload::{Draft, Drafts};
use super::primary::Primary;
use crate::mqtt::client::{Message, Qos};
use crate::mqtt::sparkplug::{self, DataType, Datum, Metric, Payload, Topic, check_id};
use crate::template::Template;

/// A metric whose type changed so often gets no births for it any more; its data tells the type.
const MOST_CHANGES: u8 = 8;
/// Bytes of a payload beside its metrics.
const AROUND: usize = 32;

/// See the module.
pub(super) struct EdgeNode {
    group: String,
    node: String,
    device: Option<Template>,
    name: Template,
    pipeline: String,
    /// By alias.
    metrics: Vec<Known>,
    aliases: TagMap<Result<usize, String>>,
    /// The names that are taken, each with its device.
    names: HashSet<(Option<usize>, String)>,
    devices: Vec<String>,
    /// Whether all births are due.
    is_due: bool,
    /// The devices of which a birth is due.
    due: BTreeSet<usize>,
    bd_seq: Option<u8>,
    seq: u8,
    saved: Saved,
    /// The host that must be online, if one must.
    pub(super) primary: Option<Primary>,
}

/// A metric, and its last value.
struct Known {
    name: String,
    device: Option<usize>,
    kind: DataType,
    /// Whether the type was guessed, as there was no value.
    is_guessed: bool,
    changes: u8,
    value: Value,
    time: Timestamp,
    quality: Quality,
}

impl EdgeNode {
    /// A node of this group and name.
    pub(super) fn new(
        (group, node): (String, String),
        device: Option<Template>,
        name: Template,
        context: &BuildContext,
    ) -> Self {
        context.saved.keep();
        Self {
            group,
            node,
            device,
            name,
            pipeline: context.pipeline.clone(),
            metrics: Vec::new(),
            aliases: TagMap::default(),
            names: HashSet::new(),
            devices: Vec::new(),
            is_due: false,
            due: BTreeSet::new(),
            bd_seq: None,
            seq: 0,
            saved: context.saved.clone(),
            primary: None,
        }
    }

    /// The same, with a host that must be online.
    pub(super) fn waiting_for(self, host: Option<String>) -> Self {
        Self { primary: host.map(Primary::new), ..self }
    }

    /// What the broker is to say when it has lost this node. For each connection another one, that births can be told apart.
    pub(super) fn will(&mut self, now: Timestamp) -> Message {
        let kept = || self.saved.load().and_then(|bytes| bytes.first().copied());
        let next = self.bd_seq.or_else(kept).map_or(0, |last| last.wrapping_add(1));
        self.bd_seq = Some(next);
        // One byte is never too large.
        let _ = self.saved.store(vec![next]);
        self.death(now)
    }

    /// Says that this node is gone.
    pub(super) fn death(&self, now: Timestamp) -> Message {
        let payload = Payload { timestamp: Some(millis(now)), seq: None, metrics: vec![self.bd_seq()] };
        Message {
            topic: self.topic(sparkplug::Kind::NodeDeath, None),
            payload: payload.encode().into(),
            qos: Qos::AtLeastOnce,
            ..Message::default()
        }
    }

    fn bd_seq(&self) -> Metric {
        let number = Datum::One(Value::I64(i64::from(self.bd_seq.unwrap_or_default())));
        Metric { name: Some(sparkplug::BD_SEQ.to_owned()), ..Metric::new(DataType::Int64, Some(&number)) }
    }

    /// Where commands to this node are published.
    pub(super) fn commands(&self) -> String {
        self.topic(sparkplug::Kind::NodeCommand, None)
    }

    /// A connection is open on which nothing was said yet.
    pub(super) fn connected(&mut self) {
        self.is_due = true;
        self.primary.iter_mut().for_each(Primary::connected);
    }

    /// All births are to be said again.
    pub(super) fn ask_for_births(&mut self) {
        self.is_due = true;
    }

    /// The births that were due are said.
    pub(super) fn born(&mut self) {
        self.is_due = false;
        self.due.clear();
    }

    /// Takes what the host says of itself, or a command: the only one that a node has is to say its births.
    pub(super) fn hear(&mut self, message: &Message) {
        self.primary.iter_mut().for_each(|primary| primary.hear(message));
        if message.topic != self.commands() {
            return;
        }
        let Ok(payload) = Payload::decode(message.payload.clone()) else { return };
        let yes = Datum::One(Value::Bool(true));
        let asks = |metric: &Metric| {
            metric.name.as_deref() == Some(sparkplug::REBIRTH)
                && metric.datum(DataType::Boolean).is_ok_and(|datum| datum.as_ref() == Some(&yes))
        };
        self.is_due |= payload.metrics.iter().any(asks);
    }

    /// Gets to know the metrics of batches; those that cannot be ones are told by batch and record.
    pub(super) fn meet(
        &mut self,
        batches: &[Batch],
        waits: impl Fn(&Batch, usize) -> bool,
    ) -> Vec<(usize, usize, String)> {
        let mut refused = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            for (at, record) in batch.records().iter().enumerate().filter(|(at, _)| waits(batch, *at)) {
                match self.alias(record) {
                    Ok(alias) => self.retype(alias, record),
                    Err(why) => refused.push((number, at, why)),
                }
            }
        }
        refused
    }

    fn alias(&mut self, record: &Record) -> Result<usize, String> {
        if let Some(known) = self.aliases.get(record.tag) {
            return known.clone();
        }
        let made = self.adopt(record);
        self.aliases.slot(record.tag).insert(made).clone()
    }

    /// Makes a metric of a tag that is new.
    fn adopt(&mut self, record: &Record) -> Result<usize, String> {
        let tag = record.tag;
        let name = self.fill(&self.name, tag)?;
        if name.is_empty() || name == sparkplug::BD_SEQ || name == sparkplug::REBIRTH {
            return Err(format!("tag `{tag}` cannot be metric `{name}`: that name has another meaning"));
        }
        let device = match &self.device {
            Some(template) => {
                let device = self.fill(template, tag)?;
                check_id(&device).map_err(|why| format!("tag `{tag}` cannot be of device `{device}`: {why}"))?;
                Some(self.device(device))
            }
            None => None,
        };
        if !self.names.insert((device, name.clone())) {
            return Err(format!("tag `{tag}` and another one would both be metric `{name}`"));
        }
        let kind = DataType::of_value(&record.value);
        self.metrics.push(Known {
            name,
            device,
            kind: kind.unwrap_or(DataType::Double),
            is_guessed: kind.is_none(),
            changes: 0,
            value: record.value.clone(),
            time: record.time,
            quality: record.quality,
        });
        self.births_of(device);
        Ok(self.metrics.len() - 1)
    }

    fn fill(&self, template: &Template, tag: Tag) -> Result<String, String> {
        let fill = |name: &str, to: &mut String| to.push_str(if name == "tag" { tag.name() } else { &self.pipeline });
        template.expand(fill).map_err(|missing| missing.to_string())
    }

    fn device(&mut self, name: String) -> usize {
        self.devices.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.devices.push(name);
            self.devices.len() - 1
        })
    }

    fn births_of(&mut self, device: Option<usize>) {
        match device {
            Some(device) => {
                self.due.insert(device);
            }
            None => self.is_due = true,
        }
    }

    /// Notes that a metric has another type than was told.
    fn retype(&mut self, alias: usize, record: &Record) {
        let Some(known) = self.metrics.get_mut(alias) else { return };
        let Some(kind) = DataType::of_value(&record.value).filter(|kind| *kind != known.kind) else { return };
        if known.is_guessed || known.changes < MOST_CHANGES {
            known.changes += u8::from(!known.is_guessed);
            (known.kind, known.is_guessed) = (kind, false);
            (known.value, known.time, known.quality) = (record.value.clone(), record.time, record.quality);
            let device = known.device;
            self.births_of(device);
        }
    }

    /// The births that are due; those of the node begin the numbers anew.
    pub(super) fn births(&mut self, now: Timestamp) -> Vec<Draft> {
        let mut births = Vec::new();
        if self.is_due {
            self.seq = 0;
            let no = Datum::One(Value::Bool(false));
            let rebirth = Metric {
                name: Some(sparkplug::REBIRTH.to_owned()),
                timestamp: Some(millis(now)),
                ..Metric::new(DataType::Boolean, Some(&no))
            };
            let bd_seq = Metric { timestamp: Some(millis(now)), ..self.bd_seq() };
            births.push(self.birth(None, vec![bd_seq, rebirth], now));
        }
        for device in 0..self.devices.len() {
            if self.is_due || self.due.contains(&device) {
                births.push(self.birth(Some(device), Vec::new(), now));
            }
        }
        births
    }

    fn birth(&mut self, device: Option<usize>, mut metrics: Vec<Metric>, now: Timestamp) -> Draft {
        let all = self.metrics.iter().enumerate().filter(|(_, known)| known.device == device);
        metrics.extend(all.map(|(alias, known)| {
            // A value of another type than the metric's, of a type that changes all the time, is none.
            let fits = DataType::of_value(&known.value) == Some(known.kind);
            let datum = fits.then(|| Datum::One(known.value.clone()));
            Metric {
                name: Some(known.name.clone()),
                alias: Some(alias as u64),
                timestamp: Some(millis(known.time)),
                quality: Metric::quality_of(known.quality),
                ..Metric::new(known.kind, datum.as_ref())
            }
        }));
        let kind = if device.is_some() { sparkplug::Kind::DeviceBirth } else { sparkplug::Kind::NodeBirth };
        let topic = self.topic(kind, device).into();
        Draft { topic, payload: self.payload(metrics, now), records: Vec::new() }
    }

    /// Messages with those records of a batch that are wanted, one for each device, more where one would be too long.
    pub(super) fn encode(
        &mut self,
        batch: &Batch,
        wanted: impl Fn(usize) -> bool,
        room: impl Fn(&str) -> usize,
        now: Timestamp,
    ) -> Drafts {
        let mut refused = Vec::new();
        let mut parts: Vec<Part> = Vec::new();
        let mut open: HashMap<Option<usize>, usize> = HashMap::new();
        for (at, record) in batch.records().iter().enumerate().filter(|(at, _)| wanted(*at)) {
            let Some(Ok(alias)) = self.aliases.get(record.tag) else { continue };
            let alias = *alias;
            let Some(known) = self.metrics.get_mut(alias) else { continue };
            let metric = known.data(alias, record, batch.is_replayed());
            let (device, bytes) = (known.device, metric.most_bytes());
            let kind = if device.is_some() { sparkplug::Kind::DeviceData } else { sparkplug::Kind::NodeData };
            let part = open.get(&device).and_then(|part| parts.get_mut(*part));
            if let Some(part) = part.filter(|part| part.bytes + bytes <= part.room) {
                part.bytes += bytes;
                part.metrics.push(metric);
                part.records.push(at);
                continue;
            }
            let topic: Arc<str> = self.topic(kind, device).into();
            let room = room(&topic);
            if room < AROUND + bytes {
                let why = format!("a payload of {} bytes, where at most {room} can be sent", AROUND + bytes);
                refused.push((at, why));
                continue;
            }
            open.insert(device, parts.len());
            parts.push(Part { topic, room, bytes: AROUND + bytes, metrics: vec![metric], records: vec![at] });
        }
        let draft =
            |part: Part| Draft { payload: self.payload(part.metrics, now), topic: part.topic, records: part.records };
        Drafts { messages: parts.into_iter().map(draft).collect(), refused }
    }

    /// A payload with the next number.
    fn payload(&mut self, metrics: Vec<Metric>, now: Timestamp) -> Vec<u8> {
        let seq = self.seq;
        self.seq = seq.wrapping_add(1);
        Payload { timestamp: Some(millis(now)), seq: Some(seq), metrics }.encode()
    }

    fn topic(&self, kind: sparkplug::Kind, device: Option<usize>) -> String {
        let device = device.and_then(|device| self.devices.get(device)).map(String::as_str);
        Topic::Edge { group: &self.group, kind, node: &self.node, device }.to_string()
    }
}

/// A message under way to be one.
struct Part {
    topic: Arc<str>,
    room: usize,
    bytes: usize,
    metrics: Vec<Metric>,
    records: Vec<usize>,
}

impl Known {
    /// The metric of a record. Its type is told only if it is not that of the birth.
    fn data(&mut self, alias: usize, record: &Record, is_historical: bool) -> Metric {
        (self.value, self.time, self.quality) = (record.value.clone(), record.time, record.quality);
        let kind = DataType::of_value(&record.value).unwrap_or(self.kind);
        let datum = (record.value != Value::Null).then(|| Datum::One(record.value.clone()));
        let metric = Metric::new(kind, datum.as_ref());
        Metric {
            alias: Some(alias as u64),
            timestamp: Some(millis(record.time)),
            kind: metric.kind.filter(|kind| *kind != self.kind),
            is_historical,
            quality: Metric::quality_of(record.quality),
            ..metric
        }
    }
}

/// Milliseconds since 1970; Sparkplug has none before.
fn millis(time: Timestamp) -> u64 {
    u64::try_from(time.0.div_euclid(1000)).unwrap_or(0)
}
