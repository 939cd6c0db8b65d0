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
    Batch, BuildContext, BuildError, Cause, Clock, Gather, NodeError, Notices, Position, Sink, TagSelector, Tally,
};
use tokio::time::sleep;

use super::answers::{Answers, Outgoing};
use super::edge_node::EdgeNode;
use super::link::{Link, UnderWay};
use super::narrow::Narrow;
use super::payload::Encoder;
use super::progress::{Fate, Held};
use super::settings::{Settings, What};
use super::topic::Topics;
use crate::mqtt::client::{Client, Properties, Qos, Reaction, Refusal, Version};

/// How long what a person must act upon is left alone.
const PERSON: Duration = Duration::from_secs(30);
/// Most reasons that are told of one batch.
const MOST_REASONS: usize = 5;

/// See the module.
pub(super) struct Forward {
    pub(super) client: Client,
    pub(super) link: Option<Link>,
    pub(super) kind: Kind,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    pub(super) max_packet: usize,
    /// Properties that are the same for all messages.
    pub(super) properties: Option<Properties>,
    /// The pipeline's name, if messages are to tell where they come from.
    pub(super) told: Option<String>,
    pub(super) status: Option<(String, [String; 2])>,
    pub(super) held: Held,
    pub(super) narrow: Narrow,
    /// The link in use, or the last one, does not carry everything.
    was_narrow: bool,
    pub(super) origins: Vec<Option<Position>>,
    /// How long to wait before what was refused is tried again.
    pub(super) pause: Option<Duration>,
    /// What a person was told.
    pub(super) said: Option<String>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tally: Tally,
    pub(super) notices: Notices,
}

/// What is published.
pub(super) enum Kind {
    Messages(Box<Encoder>),
    Sparkplug(Box<EdgeNode>),
}

impl Forward {
    /// Opens nothing.
    pub(super) fn new(settings: Settings, context: &BuildContext) -> Result<Self, BuildError> {
        let Settings { link, only, qos, retain, expire, user_properties, max_packet, status, what } = settings;
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
            What::Sparkplug { group, node, device, host, name } => {
                let node = EdgeNode::new((group, node.unwrap_or_else(|| pipeline.clone())), device, name, context);
                Kind::Sparkplug(Box::new(node.waiting_for(host)))
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
            narrow: Narrow::new(only),
            was_narrow: false,
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
        let is_narrow = !self.takes_all();
        if is_narrow && !std::mem::replace(&mut self.was_narrow, is_narrow) {
            self.notices.say("this link does not carry everything: what it does not waits on the durable edge");
        }
        self.was_narrow = is_narrow;
        let first = self.introduction(&mut link).await;
        self.link = Some(link);
        if let Some(message) = first.map_err(|refusal| self.lost(&refusal))? {
            self.tell(message).await?;
        }
        self.host_comes().await?;
        self.births().await
    }

    fn gather(&self) -> Gather {
        // Many times what is under way, so that the wait for the last acknowledgement of a write is a small part of it; no more,
        // as all of it comes again after a kill.
        Gather { records: usize::from(self.client.options.in_flight).max(100) * 10, wait: Duration::ZERO }
    }

    fn takes_all(&self) -> bool {
        self.narrow.only(self.client.active()).is_none()
    }

    fn origins(&mut self, origins: &mut dyn Iterator<Item = Option<Position>>) {
        self.origins.clear();
        self.origins.extend(origins);
    }

    async fn write(&mut self, batches: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        if self.link.is_none() {
            return Err(NodeError::Disconnected(Cause::new("there is no connection to the broker")));
        }
        if let Some(place) = self.client.better_now() {
            return Err(self.go_back(place).await);
        }
        self.held.take_up(batches);
        self.sort(batches);
        self.hear();
        self.host_is_there().await?;
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
                place = self.client.better() => return self.go_back(place).await,
            }
            self.hear();
            if let Err(error) = self.host_is_there().await {
                return error;
            }
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
    /// Leaves this broker for a better one.
    async fn go_back(&mut self, place: usize) -> NodeError {
        self.leave().await;
        self.client.prefer(place);
        NodeError::Disconnected(Cause::new("a better broker is back, and is used again"))
    }

    /// Sees what of the batches the link carries, and what went over another one before.
    fn sort(&mut self, batches: &[Batch]) {
        let only = self.narrow.only(self.client.active());
        for (batch, origin) in batches.iter().zip(&self.origins) {
            let went: Vec<&TagSelector> = origin.iter().flat_map(|origin| self.narrow.went_ahead(origin)).collect();
            if only.is_none() && went.is_empty() && !self.held.has_later(batch) {
                continue;
            }
            self.held.sort(batch, |record| match only {
                _ if went.iter().any(|went| went.selects(record.tag)) => Fate::Sent,
                Some(only) if !only.selects(record.tag) => Fate::Later,
                _ => Fate::Waits,
            });
        }
    }

    /// Batches of which something waits for another link, by their places.
    fn later(&self, batches: &[Batch]) -> Vec<usize> {
        (0..batches.len()).filter(|place| batches.get(*place).is_some_and(|batch| self.held.has_later(batch))).collect()
    }

    /// Notes that what the link carries of these batches went.
    fn note_what_went(&mut self) {
        if let Some(active) = self.client.active().filter(|active| self.narrow.only(Some(*active)).is_some()) {
            self.origins.iter().flatten().for_each(|origin| self.narrow.note(active, origin));
        }
    }

    /// Sends messages; gives `Ok` when each is acknowledged, or its records are noted as refused.
    async fn send(&mut self, batches: &[Batch], outgoing: &[Outgoing]) -> Result<(), NodeError> {
        let mut answers = Answers {
            batches,
            outgoing,
            held: std::mem::take(&mut self.held),
            held_up: HashSet::new(),
            trouble: None,
            has_progress: false,
        };
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
        let Answers { held, trouble, has_progress, .. } = answers;
        self.held = held;
        if let Some(refusal) = trouble {
            return match self.trouble(&refusal) {
                NodeError::Disconnected(cause) => Err(NodeError::Disconnected(cause.after_progress(has_progress))),
                other => Err(other),
            };
        }
        if let Kind::Sparkplug(node) = &mut self.kind {
            node.born();
        }
        Ok(())
    }

    /// Notes trouble: of the connection, or with a message that may pass later.
    pub(super) fn trouble(&mut self, refusal: &Refusal) -> NodeError {
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

    pub(super) fn lost(&mut self, refusal: &Refusal) -> NodeError {
        let ended = self.link.take().and_then(|link| link.connection.ended().cloned());
        let refusal = ended.unwrap_or_else(|| refusal.clone());
        self.client.lost(&refusal);
        refusal.into()
    }

    /// What is said of batches that are sent as far as they can be.
    fn answer(&mut self, batches: &[Batch]) -> Result<(), NodeError> {
        let refused = batches.iter().find_map(|batch| self.held.refused(batch));
        if refused.is_none() {
            self.note_what_went();
        }
        // Of a batch that comes again anyway it is told then what was refused; of several they come one by one first.
        let later = if refused.is_none() || batches.len() == 1 { self.later(batches) } else { Vec::new() };
        if !later.is_empty() {
            // What no edge keeps comes again as it is.
            for (batch, origin) in batches.iter().zip(&self.origins) {
                if origin.is_some() {
                    self.held.let_go(batch);
                }
            }
            return Err(NodeError::Postponed(later, Cause::new("what this link does not carry waits for another one")));
        }
        let Some((part, mut reasons)) = refused else {
            for batch in batches {
                self.held.let_go(batch);
            }
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
