//! The source: from messages to batches, and from what became of a batch to acknowledgements.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{
    Batch, BoxFuture, Cause, Clock, Delivery, NodeError, Notices, Quality, Record, Saved, Source, Tally, Timestamp,
};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::answer::{self, Answer, Wish};
use super::config::{Outage, Retained};
use super::host::Host;
use super::outbox::Outbox;
use super::payload::Payload;
use super::piece::{BATCH, Piece, Ready};
use super::topics::{Named, Topics};
use crate::mqtt::client::{Answered, Client, Connection, Inbound, Refusal, Version};

/// How long to wait at the end for what is still on its way to the sinks.
const SETTLE: Duration = Duration::from_secs(3);

/// Hears the messages of one broker at a time.
pub(super) struct Subscriber {
    pub(super) client: Client,
    pub(super) connection: Option<Connection>,
    /// Each with its byte of options.
    pub(super) filters: Vec<(String, u8)>,
    /// The answer to the subscription, while it is awaited.
    pub(super) asked: Option<BoxFuture<'static, Answered>>,
    /// Whether the broker has the subscriptions of this process already.
    pub(super) is_subscribed: bool,
    pub(super) payload: Payload,
    pub(super) retained: Retained,
    pub(super) outage: Outage,
    pub(super) topics: Topics,
    /// What Sparkplug messages mean, if that is what comes.
    pub(super) host: Option<Host>,
    /// Whether what became of a message is told to who wants to know.
    pub(super) respond: bool,
    pub(super) outbox: Outbox,
    /// Publishes what is in the outbox.
    pub(super) publishing: JoinSet<()>,
    /// Messages that came, and what was made of them and is to leave.
    pub(super) came: Vec<Inbound>,
    pub(super) ready: Ready,
    /// The receipt after the last message that left.
    pub(super) given: u64,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) saved: Saved,
    pub(super) tally: Tally,
    pub(super) notices: Notices,
}

/// What `read` waits for.
enum Happened {
    Came,
    Answered(Vec<u8>),
    Better(usize),
}

/// The answer that is awaited, if one is.
async fn answer(asked: &mut Option<BoxFuture<'static, Answered>>) -> Answered {
    let Some(answer) = asked else { return std::future::pending().await };
    let codes = answer.await;
    *asked = None;
    codes
}

impl Source for Subscriber {
    async fn connect(&mut self) -> Result<(), NodeError> {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        self.publishing.abort_all();
        self.came.clear();
        self.ready.clear();
        self.asked = None;
        let mut connection = self.client.connect().await?;
        if let Err(refusal) = self.subscribe(&mut connection).await {
            self.client.lost(&refusal);
            connection.close().await;
            return Err(refusal.into());
        }
        self.outbox.reconnected();
        if let Some(host) = &mut self.host {
            host.reconnected(self.clock.now());
            host.asks().for_each(|ask| self.outbox.put(ask));
        }
        if self.respond || self.host.is_some() {
            self.publishing = JoinSet::new();
            self.outbox.serve(connection.publisher().clone(), &mut self.publishing);
        }
        (self.connection, self.given) = (Some(connection), 0);
        Ok(())
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        loop {
            if let Some((delivery, until)) = self.ready.pop_front() {
                self.given = until.unwrap_or(self.given);
                return Ok(delivery);
            }
            let Some(connection) = &mut self.connection else {
                return Err(Refusal::link("the connection to the broker is not open").into());
            };
            if !self.came.is_empty() {
                self.sort();
                continue;
            }
            let happened = tokio::select! {
                received = connection.receive(&mut self.came, BATCH) => received.map(|()| Happened::Came),
                codes = answer(&mut self.asked) => codes.map(Happened::Answered),
                place = self.client.better() => Ok(Happened::Better(place)),
            };
            let went_on = match happened {
                Ok(Happened::Came) => Ok(()),
                Ok(Happened::Answered(codes)) => self.granted(&codes),
                Ok(Happened::Better(place)) => {
                    self.go_back(place).await?;
                    Ok(())
                }
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = went_on {
                self.client.lost(&refusal);
                return Err(refusal.into());
            }
        }
    }

    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch> {
        if self.outage == Outage::Silent {
            return None;
        }
        Batch::new(self.topics.known().map(|tag| Record::bad(tag, now, cause.quality)).collect(), now)
    }

    async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // What is not acknowledged would come again at the next start, though it is safe.
            let _ = timeout(SETTLE, connection.window.settled(self.given)).await;
            if self.respond {
                let _ = timeout(SETTLE, self.outbox.emptied()).await;
            }
            connection.close().await;
        }
        self.publishing.abort_all();
        self.client.closed();
    }
}

impl Subscriber {
    /// Subscribes, and ends the subscriptions of an earlier file that the session still has. Waits for the answer or for a
    /// message, which may come before it: those of a session that was kept, and retained ones.
    async fn subscribe(&mut self, connection: &mut Connection) -> Result<(), Refusal> {
        let limits = Arc::clone(&connection.limits);
        if !limits.shared_available && self.filters.iter().any(|(filter, _)| filter.starts_with(super::filter::SHARE)) {
            return Err(Refusal::code("the broker refused the subscription", 0x9E, None));
        }
        if !limits.wildcard_available && self.filters.iter().any(|(filter, _)| filter.contains(['+', '#'])) {
            return Err(Refusal::code("the broker refused the subscription", 0xA2, None));
        }
        let mut gone = BTreeSet::new();
        if connection.session_present {
            // 3.1.1 would send all that it has kept once more.
            if self.is_subscribed && self.client.options.version == Version::V3 {
                return Ok(());
            }
            gone = self.saved.load().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
            gone.retain(|old: &String| !self.filters.iter().any(|(filter, _)| filter == old));
        }
        let mut asked = connection.change(gone.into_iter().collect(), self.filters.clone());
        tokio::select! {
            biased;
            codes = &mut asked => self.granted(&codes?),
            received = connection.receive(&mut self.came, BATCH) => {
                self.asked = Some(asked);
                received
            }
        }
    }

    /// Looks at what the broker says to each filter. It is an error if it has granted none.
    fn granted(&mut self, codes: &[u8]) -> Result<(), Refusal> {
        let mut refused = Vec::new();
        for ((filter, options), code) in self.filters.iter().zip(codes) {
            let wanted = options & 3;
            if 0x80 <= *code {
                refused.push(Refusal::code(format!("the broker refused the subscription to `{filter}`"), *code, None));
            } else if *code < wanted && !self.is_subscribed {
                self.tally.add("qos_lowered", 1);
                self.notices.say(format!("the broker grants `{filter}` with qos {code} only, not {wanted}"));
            }
        }
        if refused.len() == self.filters.len()
            && let Some(first) = refused.first()
        {
            return Err(first.clone());
        }
        if !self.is_subscribed {
            for refusal in refused {
                self.tally.add("subscription_refused", 1);
                self.notices.say(format!("{refusal}. The others are heard"));
            }
        }
        self.is_subscribed = true;
        let wanted: BTreeSet<&str> = self.filters.iter().map(|(filter, _)| filter.as_str()).collect();
        if let Ok(bytes) = serde_json::to_vec(&wanted) {
            let _ = self.saved.store(bytes);
        }
        Ok(())
    }

    /// Makes deliveries of the messages that came.
    fn sort(&mut self) {
        let now = self.clock.now();
        let Some(window) = self.connection.as_ref().map(|connection| connection.window.clone()) else { return };
        let mut piece = Piece::default();
        for inbound in std::mem::take(&mut self.came) {
            let wish = if self.respond { answer::wish(&inbound.message, &self.filters) } else { Wish::None };
            if wish == Wish::Refused {
                self.tally.add("respond_refused", 1);
            }
            let is_alone = inbound.expires.is_some() || wish == Wish::Wanted;
            if is_alone {
                std::mem::take(&mut piece).send(&window, now, &self.outbox, &mut self.ready);
            }
            piece.owe(inbound.receipt);
            piece.expires = inbound.expires.map(|end| deadline(end, now));
            let quality = self.records(&inbound, now, &mut piece);
            if wish == Wish::Wanted {
                piece.answer = Answer::to(&inbound.message, quality);
            }
            if is_alone {
                std::mem::take(&mut piece).send(&window, now, &self.outbox, &mut self.ready);
            }
        }
        piece.send(&window, now, &self.outbox, &mut self.ready);
        if let Some(host) = &mut self.host {
            host.asks().for_each(|ask| self.outbox.put(ask));
        }
    }

    /// Makes records of a message; the quality of the last of them.
    fn records(&mut self, inbound: &Inbound, now: Timestamp, piece: &mut Piece) -> Quality {
        let message = &inbound.message;
        if message.retain && self.retained == Retained::Skip {
            self.tally.add("retained_skipped", 1);
            return Quality::GOOD;
        }
        if let Some(host) = &mut self.host
            && inbound.is_sound
            && !inbound.is_cut
        {
            let is_old = message.retain && self.retained == Retained::Mark;
            let mut put = |mut record: Record, is_of_the_past: bool| {
                if is_old && record.quality.is_good() {
                    record.quality = Quality::UNCERTAIN_INITIAL;
                }
                piece.put(record, is_of_the_past);
            };
            if host.take(&message.topic, &message.payload, &mut self.topics, now, &mut put).is_ok() {
                return Quality::GOOD;
            }
        }
        let record = self.record(inbound, now);
        let quality = record.quality;
        piece.put(record, false);
        quality
    }

    fn record(&mut self, inbound: &Inbound, now: Timestamp) -> Record {
        let message = &inbound.message;
        let said = if inbound.is_cut {
            self.tally.add("payload_too_long", 1);
            super::payload::Said::bad(Quality::BAD_OUT_OF_RANGE)
        } else {
            self.payload.read(&message.payload)
        };
        if said.quality == Quality::BAD_DECODING {
            self.tally.add("bad_payload", 1);
        }
        let (tag, quality) = match self.topics.tag(&message.topic, inbound.is_sound) {
            Named::Own(tag) => (tag, said.quality),
            Named::Changed(tag) => {
                self.tally.add("bad_topic", 1);
                (tag, Quality::BAD_DECODING)
            }
            Named::TooMany(tag) => {
                self.tally.add("too_many_topics", 1);
                (tag, Quality::BAD_CONFIGURATION)
            }
        };
        let is_old = message.retain && self.retained == Retained::Mark && quality.is_good();
        let quality = if is_old { Quality::UNCERTAIN_INITIAL } else { quality };
        Record { tag, quality, time: said.time.unwrap_or(now), value: said.value }
    }

    /// Goes to a better broker. The one that was used shall not keep what comes meanwhile.
    async fn go_back(&mut self, place: usize) -> Result<(), NodeError> {
        if let Some(connection) = self.connection.take() {
            let filters = self.filters.iter().map(|(filter, _)| filter.clone()).collect();
            let _ = timeout(SETTLE, connection.unsubscribe(filters)).await;
            let _ = timeout(SETTLE, connection.window.settled(self.given)).await;
            connection.close().await;
        }
        self.is_subscribed = false;
        self.client.prefer(place);
        self.connect().await
    }
}

/// The end of a time that is measured here, as a time of the clock.
fn deadline(end: Instant, now: Timestamp) -> Timestamp {
    let here = Instant::now();
    let micros = |span: Duration| i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp(if end < here {
        now.0.saturating_sub(micros(here - end))
    } else {
        now.0.saturating_add(micros(end - here))
    })
}
