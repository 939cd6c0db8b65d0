//! The source: from messages to batches, and from what became of a batch to acknowledgements.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{
    Ack, Batch, Cause, Clock, Delivery, NodeError, Notices, Outcome, Quality, Record, Saved, Source, Tally, Timestamp,
};
use tokio::time::timeout;

use super::config::{Outage, Retained};
use super::payload::Payload;
use super::topics::{Named, Topics};
use crate::mqtt::client::{Client, Connection, Inbound, Refusal, Version, Window};

/// Most records of a batch.
const BATCH: usize = 1024;
/// How long to wait at the end for what is still on its way to the sinks.
const SETTLE: Duration = Duration::from_secs(3);

/// Hears the messages of one broker at a time.
pub(super) struct Subscriber {
    pub(super) client: Client,
    pub(super) connection: Option<Connection>,
    /// Each with its byte of options.
    pub(super) filters: Vec<(String, u8)>,
    /// Whether the broker has the subscriptions of this process already.
    pub(super) is_subscribed: bool,
    pub(super) payload: Payload,
    pub(super) retained: Retained,
    pub(super) outage: Outage,
    pub(super) topics: Topics,
    /// Messages that came and are to leave.
    pub(super) came: Vec<Inbound>,
    /// The receipt after the last message that left.
    pub(super) given: u64,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) saved: Saved,
    pub(super) tally: Tally,
    pub(super) notices: Notices,
}

impl Source for Subscriber {
    async fn connect(&mut self) -> Result<(), NodeError> {
        if let Some(connection) = self.connection.take() {
            connection.close().await;
        }
        self.came.clear();
        let connection = self.client.connect().await?;
        if let Err(refusal) = self.subscribe(&connection).await {
            self.client.lost(&refusal);
            connection.close().await;
            return Err(refusal.into());
        }
        (self.connection, self.given) = (Some(connection), 0);
        Ok(())
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        loop {
            let Some(connection) = &mut self.connection else {
                return Err(Refusal::link("the connection to the broker is not open").into());
            };
            let better = tokio::select! {
                received = connection.receive(&mut self.came, BATCH) => match received {
                    Ok(()) => None,
                    Err(refusal) => {
                        self.client.lost(&refusal);
                        return Err(refusal.into());
                    }
                },
                place = self.client.better() => Some(place),
            };
            if let Some(place) = better {
                self.go_back(place).await?;
            } else if let Some(delivery) = self.deliver() {
                return Ok(delivery);
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
            connection.close().await;
        }
        self.client.closed();
    }
}

impl Subscriber {
    /// Subscribes, and ends the subscriptions of an earlier file that the session still has.
    async fn subscribe(&mut self, connection: &Connection) -> Result<(), Refusal> {
        let limits = Arc::clone(&connection.limits);
        if !limits.shared_available && self.filters.iter().any(|(filter, _)| filter.starts_with(super::filter::SHARE)) {
            return Err(Refusal::code("the broker refused the subscription", 0x9E, None));
        }
        if !limits.wildcard_available && self.filters.iter().any(|(filter, _)| filter.contains(['+', '#'])) {
            return Err(Refusal::code("the broker refused the subscription", 0xA2, None));
        }
        let wanted: BTreeSet<&str> = self.filters.iter().map(|(filter, _)| filter.as_str()).collect();
        let before = self.saved.load().and_then(|bytes| serde_json::from_slice::<BTreeSet<String>>(&bytes).ok());
        let before = before.unwrap_or_default();
        if connection.session_present {
            let gone: Vec<String> = before.iter().filter(|old| !wanted.contains(old.as_str())).cloned().collect();
            if !gone.is_empty() {
                connection.unsubscribe(gone).await?;
            }
            // 3.1.1 would send all that it has kept once more.
            if self.is_subscribed && self.client.options.version == Version::V3 {
                return Ok(());
            }
        }
        let codes = connection.subscribe(self.filters.clone()).await?;
        self.granted(&codes)?;
        self.is_subscribed = true;
        if let Ok(bytes) = serde_json::to_vec(&wanted) {
            let _ = self.saved.store(bytes);
        }
        Ok(())
    }

    /// Looks at what the broker says to each filter. It is an error if it has granted none.
    fn granted(&self, codes: &[u8]) -> Result<(), Refusal> {
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
        Ok(())
    }

    /// Makes a batch of the messages that came; `None` if nothing is to leave.
    fn deliver(&mut self) -> Option<Delivery> {
        let now = self.clock.now();
        let window = self.connection.as_ref()?.window.clone();
        let receipts = receipts(&self.came);
        let mut records = Vec::with_capacity(self.came.len());
        for inbound in std::mem::take(&mut self.came) {
            if inbound.message.retain && self.retained == Retained::Skip {
                self.tally.add("retained_skipped", 1);
                continue;
            }
            records.push(self.record(&inbound, now));
        }
        self.given = receipts.as_ref().map_or(self.given, |range| range.end);
        let Some(batch) = Batch::new(records, now) else {
            if let Some(range) = receipts {
                window.done(range);
            }
            return None;
        };
        let ack = receipts.map_or_else(Ack::none, |range| acknowledge(window, range));
        Some(Delivery { batch, ack })
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

/// The receipts of what is to be acknowledged: without a gap, as they are given in the order of arrival.
fn receipts(came: &[Inbound]) -> Option<Range<u64>> {
    let mut owed = came.iter().filter_map(|inbound| inbound.receipt);
    let first = owed.next()?;
    Some(first..owed.next_back().unwrap_or(first) + 1)
}

fn acknowledge(window: Window, receipts: Range<u64>) -> Ack {
    Ack::new(move |outcome| match outcome {
        Outcome::Delivered | Outcome::Dropped | Outcome::Rejected => window.done(receipts),
        Outcome::Failed => window.lost(),
    })
}
