//! From the batches in hand to the messages that are to be sent.

use fieldflow_contract::{Batch, Position};

use super::answers::Outgoing;
use super::payload::{Draft, Drafts};
use super::progress::Fate;
use super::sink::{Forward, Kind};
use crate::mqtt::client::Message;

/// Longest number of a batch with that of a record in it, for the room that it takes.
const LONGEST_SEQUENCE: usize = 20 + 1 + 10;

impl Forward {
    /// All messages of what is still to be sent; what can never be is noted as refused.
    pub(super) fn encode(&mut self, batches: &[Batch]) -> Vec<Outgoing> {
        let around = self.around();
        let most = self.max_packet.min(self.limit());
        let room = |topic: &str| most.saturating_sub(around + topic.len());
        let mut outgoing = Vec::new();
        let now = self.clock.now();
        if let Kind::Sparkplug(node) = &mut self.kind {
            let waits = |batch: &Batch, at: usize| self.held.fates(batch).get(at) == Some(&Fate::Waits);
            let refused = node.meet(batches, waits);
            for (batch, at, why) in refused {
                if let Some(batch) = batches.get(batch) {
                    self.held.note(batch, at, Fate::Refused(why));
                }
            }
            outgoing.extend(node.births(now).into_iter().map(|draft| Outgoing { batch: None, draft }));
        }
        for (number, batch) in batches.iter().enumerate() {
            let fates = self.held.fates(batch);
            let waits = |at: usize| fates.get(at) == Some(&Fate::Waits);
            let Drafts { messages, refused } = match &mut self.kind {
                Kind::Messages(encoder) => encoder.encode(batch.records(), waits, room),
                Kind::Sparkplug(node) => node.encode(batch, waits, room, now),
            };
            for (at, why) in refused {
                self.held.note(batch, at, Fate::Refused(why));
            }
            outgoing.extend(messages.into_iter().map(|draft| Outgoing { batch: Some(number), draft }));
        }
        outgoing
    }

    /// The longest packet that the broker takes.
    pub(super) fn limit(&self) -> usize {
        self.link.as_ref().map_or(usize::MAX, |link| link.connection.limits.maximum_packet_size as usize)
    }

    /// The most bytes of a packet beside topic and payload.
    pub(super) fn around(&self) -> usize {
        let properties = self.properties.clone().map(|mut properties| {
            let longest = |position: &Option<Position>| position.as_ref().map_or(0, |position| stream(position).len());
            let stream = self.origins.iter().map(longest).max().unwrap_or_default();
            for text in self.told.iter().flat_map(|pipeline| {
                [("pipeline", pipeline.len()), ("stream", stream), ("sequence", LONGEST_SEQUENCE), ("replay", 4)]
            }) {
                properties.user.push((text.0.to_owned(), "x".repeat(text.1)));
            }
            Box::new(properties)
        });
        let empty = Message { qos: self.qos, properties, ..Message::default() };
        // The length of the packet takes up to three bytes more than that of an empty one.
        empty.packet_len(self.client.options.version) + 3
    }

    pub(super) fn message(&self, draft: &Draft, of: Option<(&Batch, usize)>) -> Message {
        let properties = self.properties.clone().map(|mut properties| {
            if let (Some(pipeline), Some((batch, number))) = (&self.told, of) {
                let mut tell = |name: &str, value: String| properties.user.push((name.to_owned(), value));
                tell("pipeline", pipeline.clone());
                if let Some(Some(position)) = self.origins.get(number) {
                    tell("stream", stream(position));
                    tell("sequence", format!("{}.{}", position.sequence, draft.records.first().unwrap_or(&0)));
                }
                if batch.is_replayed() {
                    tell("replay", "true".to_owned());
                }
            }
            Box::new(properties)
        });
        Message {
            topic: draft.topic.to_string(),
            payload: draft.payload.clone().into(),
            qos: self.qos,
            retain: self.retain,
            properties,
            dup: false,
        }
    }
}

/// What a receiver knows a queue by.
fn stream(position: &Position) -> String {
    format!("{}@{:x}", position.edge, position.epoch)
}
