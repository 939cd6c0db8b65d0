//! The source: what is heard, read and watched for, and what becomes of it.

use std::collections::VecDeque;
use std::time::Duration;

use fieldflow_contract::{Ack, Batch, Cause, Delivery, NodeError, Quality, Record, Source, Timestamp};
use opcua::types::{
    ContextOwned, DataChangeNotification, DataValue, Error, NamespaceMap, NotificationMessage, PublishResponse,
    StatusChangeNotification, StatusCode,
};
use tokio::time::{Instant, sleep_until};

use super::config::TimeOf;
use super::connection::{How, Server, end, is_of_link};
use super::dial::limits;
use super::item::{Item, Telling};
use super::pump::Pump;
use super::reading::Reading;
use super::refusal::Refusal;
use super::session::Session;
use super::structures::{self, Types};
use super::subscription::{Subscription, Wanted, after, is_old, missing};

/// When nothing was heard of a subscription for so many of its keep-alives, it is looked after.
const PATIENCE: u32 = 3;
/// How long to wait before something that only a person can mend is tried again.
const PERSON: Duration = Duration::from_secs(10);
/// The wait before items that the server refuses are asked for again: the first, and the longest.
pub(super) const AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// Hears one server.
pub(super) struct Subscriber {
    pub(super) server: Server,
    pub(super) session: Option<Session>,
    pub(super) items: Vec<Item>,
    pub(super) wanted: Wanted,
    pub(super) time: TimeOf,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) pump: Pump,
    pub(super) readings: Vec<Reading>,
    /// What is known of the types of the server.
    pub(super) types: Types,
    /// Records that are to leave.
    pub(super) ready: VecDeque<Delivery>,
    /// When items that the server refuses are asked for again, and the wait after that.
    pub(super) again: Option<(Instant, Duration)>,
    /// When somebody was told to do something that he has to do.
    pub(super) told_person: Option<Instant>,
    /// When this node was last ready to hear.
    pub(super) listened: Instant,
}

enum Event {
    Published(Result<PublishResponse, Error>),
    Undelivered(Vec<(u32, u32)>),
    Closed(Refusal),
    Due,
}

impl Source for Subscriber {
    async fn connect(&mut self) -> Result<(), NodeError> {
        self.session = None;
        self.pump.clear();
        if let Some(told) = self.told_person.take() {
            sleep_until(told + PERSON).await;
        }
        let (session, how) = self.server.connect().await.map_err(|refusal| self.given_up(refusal))?;
        self.session = Some(session);
        let prepared = match how {
            How::Reactivated => self.recover().await,
            How::New => self.begin().await,
        };
        self.listened = Instant::now();
        prepared.map_err(|error| self.lost("the subscription", &error))
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        self.was_away();
        loop {
            if let Some(delivery) = self.ready.pop_front() {
                self.listened = Instant::now();
                return Ok(delivery);
            }
            let wait = self.publish_wait();
            let due = self.due();
            let Some(session) = &mut self.session else {
                return Err(Refusal::link("the connection is not open").into());
            };
            self.pump.top_up(session, self.subscriptions.len(), wait);
            let receipts = self.pump.receipts.clone();
            let event = tokio::select! {
                biased;
                published = self.pump.next() => Event::Published(published),
                undelivered = receipts.failed() => Event::Undelivered(undelivered),
                closed = session.channel.closed() => Event::Closed(closed),
                () = sleep_until(due) => Event::Due,
            };
            let done = match event {
                Event::Published(Ok(response)) => self.published(response).await,
                Event::Published(Err(error)) => self.unpublished(error).await,
                Event::Undelivered(messages) => self.deliver_again(messages).await,
                Event::Due => self.look_after().await,
                Event::Closed(refusal) => {
                    self.server.lost(&refusal);
                    return Err(refusal.into());
                }
            };
            if let Err(error) = done {
                return Err(self.lost("the connection", &error));
            }
        }
    }

    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch> {
        let mut records = Vec::new();
        for item in &mut self.items {
            item.tell_bad(cause.quality, now, &mut records);
        }
        Batch::new(records, now)
    }

    async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            end(&session.channel, &session.token).await;
            session.channel.close().await;
        }
        self.server.link.set(fieldflow_contract::LinkState::Disconnected);
    }
}

impl Subscriber {
    fn given_up(&mut self, refusal: Refusal) -> NodeError {
        self.told_person = refusal.is_for_a_person.then(Instant::now);
        refusal.into()
    }

    /// The connection is given up because of this.
    fn lost(&mut self, what: &str, error: &Error) -> NodeError {
        let code = error.status();
        if !is_of_link(code) {
            // What is wrong may be the session itself.
            self.server.forget();
        }
        self.session = None;
        let refusal = Refusal::of(format_args!("{}: {what}", self.server.url()), error);
        let refusal = Refusal { is_for_a_person: false, ..refusal };
        self.server.lost(&refusal);
        self.server.tally.add("disconnected", 1);
        refusal.into()
    }

    /// While nothing was asked of this node, nobody could be heard.
    fn was_away(&mut self) {
        let now = Instant::now();
        if Duration::from_secs(1) < now - self.listened {
            self.subscriptions.iter_mut().for_each(|subscription| subscription.heard = now);
        }
        self.listened = now;
    }

    /// How long an answer to a publish request may take: each waits for those before it.
    fn publish_wait(&self) -> Duration {
        let every = self.subscriptions.iter().map(|subscription| subscription.every).max().unwrap_or_default();
        every * (PATIENCE + 5) + self.session.as_ref().map_or(Duration::from_secs(5), |session| session.channel.timeout)
    }

    /// When there is something to do, if nothing comes before.
    fn due(&self) -> Instant {
        let silent = self.subscriptions.iter().map(|subscription| subscription.heard + subscription.every * PATIENCE);
        let reads = self.readings.iter().map(|reading| reading.due);
        let again = self.again.map(|(due, _)| due);
        silent.chain(reads).chain(again).min().unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }

    async fn look_after(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if self.again.is_some_and(|(due, _)| due <= now) {
            self.ask_again().await?;
        }
        self.read_due(now).await?;
        let silent = |subscription: &Subscription| subscription.heard + subscription.every * PATIENCE <= Instant::now();
        while let Some(place) = self.subscriptions.iter().position(silent) {
            self.doubt(place).await?;
        }
        Ok(())
    }

    /// A subscription is silent: the server has forgotten it, or it is gone itself.
    async fn doubt(&mut self, place: usize) -> Result<(), Error> {
        let Some((session, subscription)) = self.session.as_ref().zip(self.subscriptions.get_mut(place)) else {
            return Ok(());
        };
        self.server.tally.add("watchdog", 1);
        if !session.knows(subscription.id).await? {
            return self.replace(place).await;
        }
        if std::mem::replace(&mut subscription.is_doubted, true) {
            let silent = "the server answers, but its subscription is silent";
            self.server.notices.say(format!("{}: {silent}: the connection is opened anew", self.server.url()));
            return Err(Error::new(StatusCode::BadTimeout, silent));
        }
        subscription.heard = Instant::now();
        Ok(())
    }

    async fn published(&mut self, response: PublishResponse) -> Result<(), Error> {
        let Some(place) = self.subscriptions.iter().position(|known| known.id == response.subscription_id) else {
            // One that was given up, and which the server has kept.
            if let Some(session) = &self.session {
                session.unsubscribe(response.subscription_id).await?;
            }
            return Ok(());
        };
        let message = response.notification_message;
        let Some(subscription) = self.subscriptions.get_mut(place) else { return Ok(()) };
        (subscription.heard, subscription.is_doubted) = (Instant::now(), false);
        let (next, number) = (subscription.next, message.sequence_number);
        let is_empty = message.notification_data.as_ref().is_none_or(Vec::is_empty);
        if is_old(next, number) {
            if !is_empty {
                self.server.tally.add("message_twice", 1);
                self.pump.receipts.done((response.subscription_id, number));
            }
            return Ok(());
        }
        if 0 < missing(next, number) {
            self.fetch(place, number).await?;
        }
        // A sign of life has the number of the message that will come next.
        if !is_empty {
            self.heard(place, message).await?;
        }
        if !response.more_notifications {
            self.settle(place);
        }
        Ok(())
    }

    /// The first answer after a loss brings all that has changed. What it does not bring stands as it was.
    fn settle(&mut self, place: usize) {
        let Some(subscription) = self.subscriptions.get_mut(place) else { return };
        if std::mem::replace(&mut subscription.is_settled, true) {
            return;
        }
        let now = self.server.clock.now();
        let mut records = Vec::new();
        for place in &subscription.items {
            if let Some(item) = self.items.get_mut(*place) {
                item.stand(now, &mut records);
            }
        }
        self.ready.extend(Batch::new(records, now).map(Delivery::unacked));
    }

    /// The messages from the next one up to this one did not come: asks for each, and tells those that cannot be had.
    async fn fetch(&mut self, place: usize, number: u32) -> Result<(), Error> {
        let mut lost = 0;
        while let Some(subscription) = self.subscriptions.get_mut(place)
            && 0 < missing(subscription.next, number)
        {
            let (id, next) = (subscription.id, subscription.next);
            if MOST_MISSING < missing(next, number) {
                lost += missing(next, number);
                subscription.next = number;
                break;
            }
            subscription.next = after(next);
            let Some(session) = &self.session else { return Ok(()) };
            match session.republish(id, next).await {
                Ok(message) if message.sequence_number == next => {
                    self.server.tally.add("republished", 1);
                    self.learn_of(&message).await?;
                    self.tell(place, &message);
                }
                Ok(_) => lost += 1,
                Err(error) if is_of_link(error.status()) => return Err(error),
                Err(_) => lost += 1,
            }
        }
        if 0 < lost { self.tell_lost(place, lost).await } else { Ok(()) }
    }

    /// Messages of a subscription are lost: says so for each of its tags, and asks for their values of now.
    async fn tell_lost(&mut self, place: usize, messages: u32) -> Result<(), Error> {
        self.server.tally.add("message_lost", u64::from(messages));
        let url = self.server.url();
        self.server
            .notices
            .say(format!("{url}: {messages} messages of the server are lost, and it does not have them any more"));
        self.tell_hole(place);
        self.resend(place).await
    }

    /// One record for each tag of a subscription: there were values that nobody will ever see.
    pub(super) fn tell_hole(&mut self, place: usize) {
        let now = self.server.clock.now();
        let mut records = Vec::new();
        let items = self.subscriptions.get(place).map(|subscription| subscription.items.clone()).unwrap_or_default();
        for item in items {
            if let Some(item) = self.items.get_mut(item) {
                item.tell_bad(Quality::BAD_DATA_LOST, now, &mut records);
            }
        }
        self.ready.extend(Batch::new(records, now).map(Delivery::unacked));
    }

    /// A message that is next in order.
    pub(super) async fn heard(&mut self, place: usize, message: NotificationMessage) -> Result<(), Error> {
        if let Some(subscription) = self.subscriptions.get_mut(place) {
            subscription.next = after(message.sequence_number);
        }
        self.learn_of(&message).await?;
        if let Some(status) = self.tell(place, &message) {
            let code = super::refusal::name(status);
            let url = self.server.url();
            self.server.notices.say(format!("{url}: the server has ended the subscription ({code}): it is made anew"));
            return self.replace(place).await;
        }
        Ok(())
    }

    /// Makes records of a message; the status with which the subscription is ended, if it says that.
    pub(super) fn tell(&mut self, place: usize, message: &NotificationMessage) -> Option<StatusCode> {
        let id = self.subscriptions.get(place)?.id;
        let now = self.server.clock.now();
        let telling = Telling { time: self.time, now, tally: &self.server.tally };
        let (mut records, mut ended) = (Vec::new(), None);
        let context = ContextOwned::new_default(NamespaceMap::new(), limits());
        let context = context.context();
        for data in message.notification_data.iter().flatten() {
            if let Some(change) = data.inner_as::<DataChangeNotification>() {
                for notified in change.monitored_items.iter().flatten() {
                    match self.items.get_mut(notified.client_handle as usize) {
                        Some(item) => {
                            let value = &notified.value;
                            let elements = item.point.elements;
                            let structure = |value| structures::make(&self.types, value, elements, &context);
                            item.tell(value, value.value.as_ref().and_then(structure), &telling, &mut records);
                        }
                        None => self.server.tally.add("unknown_item", 1),
                    }
                }
            } else if let Some(change) = data.inner_as::<StatusChangeNotification>() {
                ended = Some(change.status);
            }
        }
        let receipt = (id, message.sequence_number);
        match Batch::new(records, now) {
            Some(batch) => self.ready.push_back(Delivery { batch, ack: self.pump.receipts.of(receipt) }),
            None => self.pump.receipts.done(receipt),
        }
        ended
    }

    /// Messages whose records were not delivered are had again from the server, if it still has them.
    async fn deliver_again(&mut self, messages: Vec<(u32, u32)>) -> Result<(), Error> {
        for (id, number) in messages {
            let Some(place) = self.subscriptions.iter().position(|known| known.id == id) else { continue };
            let Some(session) = &self.session else { continue };
            match session.republish(id, number).await {
                Ok(message) if message.sequence_number == number => {
                    self.server.tally.add("republished", 1);
                    self.learn_of(&message).await?;
                    self.tell(place, &message);
                }
                Err(error) if is_of_link(error.status()) => return Err(error),
                _ => self.tell_lost(place, 1).await?,
            }
        }
        Ok(())
    }

    /// A publish request was not answered as it should be.
    async fn unpublished(&mut self, error: Error) -> Result<(), Error> {
        match error.status() {
            StatusCode::BadTooManyPublishRequests => {
                self.pump.lower();
                Ok(())
            }
            StatusCode::BadNoSubscription if self.subscriptions.is_empty() => Ok(()),
            StatusCode::BadNoSubscription => {
                // The server may have answered before it made one.
                let young = |subscription: &Subscription| subscription.heard.elapsed() < Duration::from_millis(100);
                if self.subscriptions.iter().any(young) {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    return Ok(());
                }
                let url = self.server.url();
                self.server.notices.say(format!("{url}: the server has forgotten the subscription: it is made anew"));
                for place in 0..self.subscriptions.len() {
                    self.replace(place).await?;
                }
                Ok(())
            }
            _ => Err(error),
        }
    }

    /// Records of values that were read, all together.
    pub(super) async fn tell_read(&mut self, values: Vec<(usize, DataValue)>) -> Result<(), Error> {
        let unknown = self.unknown(values.iter().map(|(_, value)| value));
        self.learn(unknown).await?;
        let context = ContextOwned::new_default(NamespaceMap::new(), limits());
        let context = context.context();
        let now = self.server.clock.now();
        let telling = Telling { time: self.time, now, tally: &self.server.tally };
        let mut records: Vec<Record> = Vec::new();
        for (place, value) in values {
            if let Some(item) = self.items.get_mut(place) {
                let elements = item.point.elements;
                let structure = |value| structures::make(&self.types, value, elements, &context);
                item.tell(&value, value.value.as_ref().and_then(structure), &telling, &mut records);
            }
        }
        self.ready.extend(Batch::new(records, now).map(|batch| Delivery { batch, ack: Ack::none() }));
        Ok(())
    }
}

/// Most messages that are asked for one by one; more are taken for lost.
const MOST_MISSING: u32 = 10_000;
