//! Sends messages and waits for their acknowledgements.
//!
//! Within one write as many messages are under way as the broker wants; `Ok` is given when the last of them is acknowledged.
//! Answers are looked at in the order of the messages. When the connection is lost, everything from the first message on that is
//! not known to be acknowledged is sent again, so that what the broker sees last of a topic is the last. When the broker refuses
//! a single message for a reason that may pass, those of the same topic behind it are sent again for the same reason.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Cause, Clock, Gather, NodeError, Notices, Position, Sink, Tally,
};
use tokio::time::sleep;

use super::config::{Settings, What};
use super::edge_node::EdgeNode;
use super::link::{Link, UnderWay};
use super::payload::{Draft, Drafts, Encoder};
use super::progress::{Fate, Held};
use super::topic::Topics;
use crate::mqtt::client::{Client, Message, Properties, Qos, Reaction, Refusal, Version, Will};

/// How long what a person must act upon is left alone.
const PERSON: Duration = Duration::from_secs(30);
/// Most reasons that are told of one batch.
const MOST_REASONS: usize = 5;
/// Longest number of a batch with that of a record in it, for the room that it takes.
const LONGEST_SEQUENCE: usize = 20 + 1 + 10;

/// See the module.
pub(super) struct Forward {
    client: Client,
    link: Option<Link>,
    kind: Kind,
    qos: Qos,
    retain: bool,
    max_packet: usize,
    /// Properties that are the same for all messages.
    properties: Option<Properties>,
    /// The pipeline's name, if messages are to tell where they come from.
    told: Option<String>,
    status: Option<(String, [String; 2])>,
    held: Held,
    origins: Vec<Option<Position>>,
    /// How long to wait before what was refused is tried again.
    pause: Option<Duration>,
    /// What a person was told.
    said: Option<String>,
    clock: Arc<dyn Clock>,
    tally: Tally,
    notices: Notices,
}

/// What is published.
enum Kind {
    Messages(Box<Encoder>),
    Sparkplug(Box<EdgeNode>),
}

/// A message, and the batch that it is of; `None` if it is about the node itself.
struct Outgoing {
    batch: Option<usize>,
    draft: Draft,
}

impl Forward {
    /// Opens nothing.
    pub(super) fn new(settings: Settings, context: &BuildContext) -> Result<Self, BuildError> {
        let Settings { link, qos, retain, expire, user_properties, max_packet, status, what } = settings;
        let pipeline = &context.pipeline;
        let is_v5 = link.version == Version::V5;
        let mut properties = is_v5.then(|| Properties { expiry: expire, ..Properties::default() });
        let kind = match what {
            What::Messages { topic, dots_to_levels, form, is_json, is_text } => {
                if let Some(properties) = &mut properties {
                    properties.is_text = is_text;
                    properties.content_type = is_json.then(|| "application/json".to_owned());
                }
                let topics = Topics::new(topic, pipeline, dots_to_levels);
                Kind::Messages(Box::new(Encoder::new(form, topics, pipeline)))
            }
            What::Sparkplug { group, node, device, name } => {
                let node = EdgeNode::new((group, node.unwrap_or_else(|| pipeline.clone())), device, name, context);
                Kind::Sparkplug(Box::new(node))
            }
        };
        Ok(Self {
            client: Client::new(link, context)?,
            link: None,
            kind,
            qos,
            retain,
            max_packet,
            properties,
            told: user_properties.then(|| pipeline.clone()),
            status: status.map(|status| status.parts(pipeline)),
            held: Held::default(),
            origins: Vec::new(),
            pause: None,
            said: None,
            clock: Arc::clone(&context.clock),
            tally: context.tally.clone(),
            notices: context.notices.clone(),
        })
    }
}

impl Sink for Forward {
    async fn connect(&mut self) -> Result<(), NodeError> {
        let pause = self.pause.take();
        if let Some(link) = &mut self.link {
            // The broker refused a message and not the connection, which is kept open meanwhile.
            let wait = async { sleep(pause.unwrap_or_default()).await };
            tokio::select! {
                () = wait => {}
                refusal = ended(link) => return Err(self.lost(&refusal)),
            }
            return Ok(());
        }
        self.client.options.will = self.will();
        let connection = self.client.connect().await?;
        let mut link = Link::new(connection);
        let first = self.introduction(&mut link).await;
        self.link = Some(link);
        if let Some(message) = first.map_err(|refusal| self.lost(&refusal))? {
            self.tell(message).await?;
        }
        self.births().await
    }

    fn gather(&self) -> Gather {
        // Many times what is under way, so that the wait for the last acknowledgement of a write is a small part of it; no more,
        // as all of it comes again after a kill.
        Gather { records: usize::from(self.client.options.in_flight).max(100) * 10, wait: Duration::ZERO }
    }

    fn origins(&mut self, origins: &mut dyn Iterator<Item = Option<Position>>) {
        self.origins.clear();
        self.origins.extend(origins);
    }

    async fn write(&mut self, batches: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        if self.link.is_none() {
            return Err(NodeError::Disconnected(Cause::new("there is no connection to the broker")));
        }
        self.held.take_up(batches);
        self.hear();
        let outgoing = self.encode(batches);
        self.send(batches, &outgoing).await?;
        self.said = None;
        self.answer(batches)
    }

    async fn idle(&mut self) -> NodeError {
        loop {
            let Some(link) = &mut self.link else {
                return NodeError::Disconnected(Cause::new("there is no connection to the broker"));
            };
            tokio::select! {
                came = link.listen() => if let Err(refusal) = came {
                    return self.lost(&refusal);
                },
                place = self.client.better() => {
                    self.leave().await;
                    self.client.prefer(place);
                    return NodeError::Disconnected(Cause::new("a better broker is back, and is used again"));
                }
            }
            self.hear();
            if let Err(error) = self.births().await {
                return error;
            }
        }
    }

    async fn close(&mut self) {
        self.leave().await;
        self.client.closed();
    }
}

/// Waits until the connection has ended.
async fn ended(link: &mut Link) -> Refusal {
    loop {
        if let Err(refusal) = link.listen().await {
            return refusal;
        }
    }
}

impl Forward {
    /// Says goodbye, and that this node is gone.
    async fn leave(&mut self) {
        let last = match &mut self.kind {
            Kind::Sparkplug(node) => Some(node.death(self.clock.now())),
            Kind::Messages(_) => self.status(1),
        };
        if let Some(message) = last {
            // If it does not arrive, the broker says it by the will.
            let _ = self.tell(message).await;
        }
        if let Some(link) = self.link.take() {
            link.connection.close().await;
        }
    }

    /// What the broker is to say when it has lost this client.
    fn will(&mut self) -> Option<Will> {
        let message = match &mut self.kind {
            Kind::Sparkplug(node) => Some(node.will(self.clock.now())),
            Kind::Messages(_) => self.status(1),
        };
        message.map(|message| Will { message, delay: 0 })
    }

    /// The status message: 0 for being there, 1 for not.
    fn status(&self, which: usize) -> Option<Message> {
        let (topic, words) = self.status.as_ref()?;
        Some(Message {
            topic: topic.clone(),
            payload: words.get(which).cloned().unwrap_or_default().into(),
            qos: Qos::AtLeastOnce,
            retain: true,
            ..Message::default()
        })
    }

    /// What is said first on a new connection.
    async fn introduction(&mut self, link: &mut Link) -> Result<Option<Message>, Refusal> {
        if let Kind::Sparkplug(node) = &mut self.kind {
            node.connected();
            let codes = link.connection.subscribe(vec![(node.commands(), 1)]).await?;
            if let Some(code) = codes.first().filter(|code| 0x80 <= **code) {
                return Err(Refusal::code(format!("the broker refused `{}`", node.commands()), *code, None));
            }
        }
        Ok(self.status(0))
    }

    /// Publishes a message about the node itself, and waits until the broker has it.
    async fn tell(&mut self, message: Message) -> Result<(), NodeError> {
        let Some(link) = &mut self.link else { return Ok(()) };
        let mut under_way = UnderWay::new();
        let told = match link.publish(message, &mut under_way, |_| false).await {
            Some(Ok(receipt)) => {
                under_way.push_back((0, receipt));
                link.answer(&mut under_way).await.1
            }
            Some(Err(refusal)) => Err(refusal),
            None => Ok(()),
        };
        told.map_err(|refusal| self.trouble(&refusal))
    }

    /// Looks at what has come.
    fn hear(&mut self) {
        if let (Some(link), Kind::Sparkplug(node)) = (&mut self.link, &mut self.kind) {
            link.heard().for_each(|message| node.hear(&message));
        }
    }

    /// Publishes births, if any are due.
    async fn births(&mut self) -> Result<(), NodeError> {
        let Kind::Sparkplug(node) = &mut self.kind else { return Ok(()) };
        let births = node.births(self.clock.now());
        for draft in births {
            let message = self.message(&draft, None);
            self.tell(message).await?;
        }
        if let Kind::Sparkplug(node) = &mut self.kind {
            node.born();
        }
        Ok(())
    }

    /// All messages of what is still to be sent; what can never be is noted as refused.
    fn encode(&mut self, batches: &[Batch]) -> Vec<Outgoing> {
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
    fn limit(&self) -> usize {
        self.link.as_ref().map_or(usize::MAX, |link| link.connection.limits.maximum_packet_size as usize)
    }

    /// The most bytes of a packet beside topic and payload.
    fn around(&self) -> usize {
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

    fn message(&self, draft: &Draft, of: Option<(&Batch, usize)>) -> Message {
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

    /// Sends messages; gives `Ok` when each is acknowledged, or its records are noted as refused.
    async fn send(&mut self, batches: &[Batch], outgoing: &[Outgoing]) -> Result<(), NodeError> {
        let mut answers =
            Answers { batches, outgoing, held: std::mem::take(&mut self.held), held_up: HashSet::new(), trouble: None };
        let mut under_way = UnderWay::new();
        for (number, Outgoing { batch, draft }) in outgoing.iter().enumerate() {
            let of = batch.and_then(|number| Some((batches.get(number)?, number)));
            let message = self.message(draft, of);
            let Some(link) = &mut self.link else { break };
            match link.publish(message, &mut under_way, |(number, told)| answers.take(number, told)).await {
                Some(Ok(receipt)) => under_way.push_back((number, receipt)),
                Some(Err(refusal)) => {
                    if answers.take(number, Err(refusal)) {
                        break;
                    }
                }
                None => break,
            }
        }
        while !under_way.is_empty() {
            let Some(link) = &mut self.link else { break };
            let (number, told) = link.answer(&mut under_way).await;
            answers.take(number, told);
        }
        let Answers { held, trouble, .. } = answers;
        self.held = held;
        match trouble {
            Some(refusal) => Err(self.trouble(&refusal)),
            None => {
                if let Kind::Sparkplug(node) = &mut self.kind {
                    node.born();
                }
                Ok(())
            }
        }
    }

    /// Notes trouble: of the connection, or with a message that may pass later.
    fn trouble(&mut self, refusal: &Refusal) -> NodeError {
        if let Kind::Sparkplug(node) = &mut self.kind {
            // What was numbered and did not arrive would be a gap.
            node.ask_for_births();
        }
        if !refusal.is_of_message || self.link.as_ref().is_none_or(|link| link.connection.ended().is_some()) {
            return self.lost(refusal);
        }
        self.tally.add("refused_message", 1);
        if refusal.reaction == Reaction::Person {
            self.pause = Some(PERSON);
            if self.said.as_ref() != Some(&refusal.message) {
                self.said = Some(refusal.message.clone());
                self.tally.add("person_must_act", 1);
                self.notices.say(format!("{refusal}. It is tried again every {} s", PERSON.as_secs()));
            }
        }
        NodeError::Disconnected(refusal.cause())
    }

    fn lost(&mut self, refusal: &Refusal) -> NodeError {
        let ended = self.link.take().and_then(|link| link.connection.ended().cloned());
        let refusal = ended.unwrap_or_else(|| refusal.clone());
        self.client.lost(&refusal);
        refusal.into()
    }

    /// What is said of batches that are sent as far as they can be.
    fn answer(&mut self, batches: &[Batch]) -> Result<(), NodeError> {
        let refused = batches.iter().find_map(|batch| self.held.refused(batch));
        let Some((part, mut reasons)) = refused else {
            batches.iter().for_each(|batch| self.held.let_go(batch));
            return Ok(());
        };
        if let [batch] = batches {
            self.held.let_go(batch);
        }
        let more = reasons.len().saturating_sub(MOST_REASONS);
        reasons.truncate(MOST_REASONS);
        if 0 < more {
            reasons.push(format!("and {more} more"));
        }
        let cause = Cause::new(reasons.join("; "));
        // Of several, they come again one by one; nothing of them is sent again then.
        if batches.len() == 1 { Err(NodeError::RejectedPart(part, cause)) } else { Err(NodeError::Rejected(cause)) }
    }
}

/// What a receiver knows a queue by.
fn stream(position: &Position) -> String {
    format!("{}@{:x}", position.edge, position.epoch)
}

/// What is made of the answers of the broker.
struct Answers<'a> {
    batches: &'a [Batch],
    outgoing: &'a [Outgoing],
    held: Held,
    /// Topics of which a message was refused for a time.
    held_up: HashSet<Arc<str>>,
    trouble: Option<Refusal>,
}

impl Answers<'_> {
    /// Takes an answer; whether nothing more is to be sent.
    fn take(&mut self, number: usize, told: Result<(), Refusal>) -> bool {
        let Some(Outgoing { batch, draft }) = self.outgoing.get(number) else { return true };
        let batch = batch.and_then(|number| self.batches.get(number));
        match (told, batch) {
            (Ok(()), batch) => {
                let is_lost = self.trouble.as_ref().is_some_and(|trouble| !trouble.is_of_message);
                if let Some(batch) = batch.filter(|_| !is_lost && !self.held_up.contains(&draft.topic)) {
                    draft.records.iter().for_each(|at| self.held.note(batch, *at, Fate::Sent));
                }
            }
            (Err(refusal), Some(batch)) if is_for_good(&refusal) => {
                for at in &draft.records {
                    self.held.note(batch, *at, Fate::Refused(refusal.message.clone()));
                }
            }
            (Err(refusal), _) => {
                self.held_up.insert(Arc::clone(&draft.topic));
                self.trouble.get_or_insert(refusal);
            }
        }
        self.trouble.is_some()
    }
}

/// Whether a message can never be sent: its topic, its length or its payload is not taken.
fn is_for_good(refusal: &Refusal) -> bool {
    refusal.is_of_message && matches!(refusal.code, Some(0x90 | 0x95 | 0x99))
}
