//! What Sparkplug messages mean: births give names, types and aliases; data is told by them; deaths make tags stale.
//!
//! | to learn about | read |
//! |---|---|
//! | whose message it is, and when a node is asked for its births | here |
//! | the metrics of one edge node and its devices | `node` |
//!
//! It listens. The one thing that it ever publishes is the wish for a rebirth; it is no primary host and writes no STATE.
//! All tables together hold no more metrics, nodes and devices than topics were agreed.

#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod node;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use fieldflow_contract::{Record, Tally, Timestamp, Value};
use serde::Deserialize;
use tokio::time::Instant;

use self::node::EdgeNode;
use super::topics::Topics;
use crate::mqtt::client::Message;
use crate::mqtt::sparkplug::{DataType, Datum, Kind, Metric, Payload, REBIRTH, Topic};

/// How long a node is left in peace after it was asked for its births, at first and at most: it may not be able to answer.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_AT_MOST: Duration = Duration::from_secs(60);

/// Hears edge nodes.
pub(super) struct Host {
    /// By `group/node`.
    nodes: HashMap<Box<str>, Heard>,
    /// Devices of all nodes.
    devices: usize,
    /// Most nodes, and most devices.
    most: usize,
    /// Whether nodes are asked for their births.
    rebirth: bool,
    /// What is to be published.
    asks: Vec<Message>,
    tally: Tally,
}

/// A node, and when it was asked for its births.
struct Heard {
    node: EdgeNode,
    asked: Option<Instant>,
    /// How often since its last birth.
    times: u32,
}

/// No Sparkplug: neither by its topic nor by its payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Foreign;

/// What a message is worked on with.
struct Desk<'a> {
    topics: &'a mut Topics,
    tally: &'a Tally,
    now: Timestamp,
    /// Takes each record, and whether it is of the past.
    put: &'a mut dyn FnMut(Record, bool),
}

/// What a host says of itself.
#[derive(Deserialize)]
struct State {
    online: bool,
    timestamp: u64,
}

impl Host {
    pub(super) fn new(most: usize, rebirth: bool, tally: Tally) -> Self {
        Self { nodes: HashMap::new(), devices: 0, most, rebirth, asks: Vec::new(), tally }
    }

    /// Messages were missed, nobody knows how many: all nodes are asked for their births.
    pub(super) fn reconnected(&mut self, now: Timestamp) {
        let Self { nodes, asks, rebirth, tally, .. } = self;
        asks.clear();
        for (key, heard) in nodes {
            heard.node.missed();
            heard.times = 0;
            if let (true, Some((group, node))) = (*rebirth, key.split_once('/')) {
                heard.ask((group, node), now, tally, asks);
            }
        }
    }

    /// Wishes for rebirths, to be published.
    pub(super) fn asks(&mut self) -> std::vec::Drain<'_, Message> {
        self.asks.drain(..)
    }

    /// Takes a message; each record of it goes to `put`, with whether it is of the past.
    pub(super) fn take(
        &mut self,
        topic: &str,
        payload: &Bytes,
        topics: &mut Topics,
        now: Timestamp,
        put: &mut dyn FnMut(Record, bool),
    ) -> Result<(), Foreign> {
        match Topic::parse(topic).ok_or(Foreign)? {
            Topic::State(_) => {
                let State { online, timestamp } = serde_json::from_slice(payload).map_err(|_| Foreign)?;
                if let Some(tag) = topics.own(topic) {
                    put(Record::good(tag, time_of(Some(timestamp)).unwrap_or(now), Value::Bool(online)), false);
                } else {
                    self.tally.add("too_many_topics", 1);
                }
            }
            Topic::Edge { kind: Kind::NodeCommand | Kind::DeviceCommand, .. } => self.tally.add("commands_unread", 1),
            Topic::Edge { group, kind, node, device } => {
                let payload = Payload::decode(payload.clone()).map_err(|_| Foreign)?;
                let desk = Desk { topics, tally: &self.tally.clone(), now, put };
                self.hear((group, node, device), kind, &payload, desk);
            }
        }
        Ok(())
    }

    fn hear(
        &mut self,
        (group, name, device): (&str, &str, Option<&str>),
        kind: Kind,
        payload: &Payload,
        mut desk: Desk<'_>,
    ) {
        let key = format!("{group}/{name}");
        if !self.nodes.contains_key(key.as_str()) {
            if self.most <= self.nodes.len() || super::topics::LONGEST < key.len() {
                return self.tally.add("too_many_topics", 1);
            }
            let heard = Heard { node: EdgeNode::new(&key), asked: None, times: 0 };
            self.nodes.insert(key.as_str().into(), heard);
        }
        let Some(heard) = self.nodes.get_mut(key.as_str()) else { return };
        let now = desk.now;
        let is_new = device.is_some_and(|device| kind == Kind::DeviceBirth && !heard.node.knows(device));
        if is_new && (self.most <= self.devices || device.is_some_and(|device| super::topics::LONGEST < device.len())) {
            return self.tally.add("too_many_topics", 1);
        }
        let is_content = match (kind, device) {
            (Kind::NodeBirth, _) => {
                heard.times = 0;
                heard.node.birth(payload, &mut desk)
            }
            (Kind::NodeDeath, _) => heard.node.death(payload, &mut desk),
            (Kind::DeviceBirth, Some(device)) => heard.node.device_birth(device, payload, &mut desk),
            (Kind::DeviceDeath, Some(device)) => heard.node.device_death(device, payload, &mut desk),
            _ => heard.node.data(device, payload, &mut desk),
        };
        self.devices += usize::from(is_new && device.is_some_and(|device| heard.node.knows(device)));
        if !is_content && self.rebirth {
            heard.ask((group, name), now, &self.tally, &mut self.asks);
        }
    }
}

impl Heard {
    /// Asks for the births, unless that was done a moment ago.
    fn ask(&mut self, (group, node): (&str, &str), time: Timestamp, tally: &Tally, asks: &mut Vec<Message>) {
        let now = Instant::now();
        let pause = (AGAIN * (1 << self.times.saturating_sub(1).min(6))).min(AGAIN_AT_MOST);
        if self.asked.is_some_and(|asked| now < asked + pause) {
            return;
        }
        self.asked = Some(now);
        self.times += 1;
        tally.add("rebirth_asked", 1);
        let topic = Topic::Edge { group, kind: Kind::NodeCommand, node, device: None };
        asks.push(Message { topic: topic.to_string(), payload: rebirth(time), ..Message::default() });
    }
}

/// What asks for a rebirth.
fn rebirth(now: Timestamp) -> Bytes {
    let timestamp = u64::try_from(now.0 / 1000).ok();
    let metric = Metric::new(DataType::Boolean, Some(&Datum::One(Value::Bool(true))));
    let metric = Metric { name: Some(REBIRTH.to_owned()), timestamp, ..metric };
    Payload { timestamp, seq: None, metrics: vec![metric] }.encode().into()
}

/// Milliseconds since 1970 as a time; `None` if there are none, or more than a time can be.
fn time_of(millis: Option<u64>) -> Option<Timestamp> {
    i64::try_from(millis?).ok()?.checked_mul(1000).map(Timestamp)
}
