//! What is heard: messages in their order, what is missing between them, and the records that they become.

use fieldflow_contract::{Ack, Batch, Delivery, Quality, Record};
use opcua::types::{
    ContextOwned, DataChangeNotification, DataValue, Error, NamespaceMap, NotificationMessage, PublishResponse,
    StatusChangeNotification, StatusCode,
};
use tokio::time::{Instant, sleep};

use super::connection::is_of_link;
use super::dial::limits;
use super::item::Telling;
use super::source::{AGAIN_SOON, Subscriber};
use super::structures;
use super::subscription::{Subscription, after, is_old, missing};

/// Most messages that are asked for one by one; more are taken for lost.
const MOST_MISSING: u32 = 10_000;

impl Subscriber {
    pub(super) async fn published(&mut self, response: PublishResponse) -> Result<(), Error> {
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
                Err(error) if is_of_link(error.status()) => return Err(error),
                _ => lost += 1,
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
        let items = self.subscriptions.get(place).map(|subscription| subscription.items.clone()).unwrap_or_default();
        self.tell_hole(items).await?;
        self.resend(place).await
    }

    /// Values of these items are missing. They are had from the history of the server, where it keeps one; the others say that
    /// there were values which nobody will ever see.
    pub(super) async fn tell_hole(&mut self, items: Vec<usize>) -> Result<(), Error> {
        let holes = self.fill_holes(&items).await?;
        let now = self.server.clock.now();
        let mut records = Vec::new();
        for item in holes {
            if let Some(item) = self.items.get_mut(item) {
                item.tell_bad(Quality::BAD_DATA_LOST, now, &mut records);
            }
        }
        self.ready.extend(Batch::new(records, now).map(Delivery::unacked));
        Ok(())
    }

    /// A message that is next in order.
    pub(super) async fn heard(&mut self, place: usize, message: NotificationMessage) -> Result<(), Error> {
        if let Some(subscription) = self.subscriptions.get_mut(place) {
            subscription.next = after(message.sequence_number);
        }
        self.learn_of(&message).await?;
        let Some(status) = self.tell(place, &message) else { return Ok(()) };
        // That it has gone over to another session is told to the one that it came to as well.
        let id = self.subscriptions.get(place).map(|subscription| subscription.id);
        if let (false, Some(session), Some(id)) = (status.is_bad(), &self.session, id)
            && session.knows(id).await?
        {
            return Ok(());
        }
        let (code, url) = (super::refusal::name(status), self.server.url());
        self.server.notices.say(format!("{url}: the server has ended the subscription ({code}): it is made anew"));
        self.replace(place).await
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
    pub(super) async fn deliver_again(&mut self, messages: Vec<(u32, u32)>) -> Result<(), Error> {
        // What could not be delivered just now can hardly be delivered at once.
        sleep(AGAIN_SOON).await;
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
    pub(super) async fn unpublished(&mut self, error: Error) -> Result<(), Error> {
        match error.status() {
            StatusCode::BadTooManyPublishRequests => {
                self.pump.lower();
                Ok(())
            }
            StatusCode::BadNoSubscription if self.subscriptions.is_empty() => Ok(()),
            StatusCode::BadNoSubscription => {
                // The server may have answered before it made one.
                let young = |subscription: &Subscription| subscription.heard.elapsed() < AGAIN_SOON;
                if self.subscriptions.iter().any(young) {
                    sleep(AGAIN_SOON).await;
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
