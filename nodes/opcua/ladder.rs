//! What is done once a session is there: what lives on is taken up, what does not is made anew, and what was missed is told.
//!
//! The ladder: the session of before with all that is in it; a new session that takes the subscriptions over; new
//! subscriptions. On the first two steps the messages that were missed are had again before any new one is asked for.

use fieldflow_contract::{Quality, Record};
use opcua::types::{Error, MethodId, NodeId, ObjectId, StatusCode, Variant};
use tokio::time::Instant;

use super::connection::is_of_link;
use super::lookup::Missing;
use super::refusal::name;
use super::source::{AGAIN, Subscriber};
use super::structures::Types;

/// Most messages that are had again for a subscription when it is taken up.
const MOST_MISSED: usize = 10_000;

impl Subscriber {
    /// A new session.
    pub(super) async fn begin(&mut self) -> Result<(), Error> {
        let ids: Vec<u32> = self.subscriptions.iter().map(|subscription| subscription.id).collect();
        let Some(session) = &self.session else { return Ok(()) };
        let kept = if ids.is_empty() {
            Vec::new()
        } else {
            match session.transfer(ids.clone()).await {
                Ok(kept) => kept,
                Err(error) if is_of_link(error.status()) => return Err(error),
                // Many servers cannot do it.
                Err(_) => vec![false; ids.len()],
            }
        };
        if !ids.is_empty() && kept.iter().all(|kept| *kept) {
            self.server.tally.add("subscription_transferred", ids.len() as u64);
            self.recover().await?;
            return self.subscribe_all().await;
        }
        // A server that was started anew may have moved its namespaces.
        self.items.iter_mut().for_each(super::item::Item::forget);
        self.types = Types::default();
        self.resolve().await?;
        self.learn_names().await?;
        for (place, kept) in kept.into_iter().enumerate() {
            if kept {
                self.drop_old(place).await?;
            }
            self.replace(place).await?;
        }
        self.subscribe_all().await?;
        let now = Instant::now();
        self.readings.iter_mut().for_each(|reading| reading.due = now);
        self.tell_refused();
        Ok(())
    }

    /// Ends a subscription that will be made anew.
    async fn drop_old(&mut self, place: usize) -> Result<(), Error> {
        match self.session.as_ref().zip(self.subscriptions.get(place)) {
            Some((session, subscription)) => session.unsubscribe(subscription.id).await,
            None => Ok(()),
        }
    }

    /// The subscriptions live on: what they sent meanwhile is had first.
    pub(super) async fn recover(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        for place in 0..self.subscriptions.len() {
            // One that was being filled when the line broke is begun anew.
            let mut is_gone = self.subscriptions.get(place).is_some_and(|subscription| !subscription.is_filled);
            for _ in 0..if is_gone { 0 } else { MOST_MISSED } {
                let Some((session, subscription)) = self.session.as_ref().zip(self.subscriptions.get_mut(place)) else {
                    return Ok(());
                };
                (subscription.heard, subscription.is_doubted, subscription.is_settled) = (now, false, false);
                let (id, next) = (subscription.id, subscription.next);
                match session.republish(id, next).await {
                    Ok(message) if message.sequence_number == next => {
                        self.server.tally.add("republished", 1);
                        self.heard(place, message).await?;
                    }
                    Err(error) if is_of_link(error.status()) => return Err(error),
                    Err(error) if error.status() == StatusCode::BadSubscriptionIdInvalid => {
                        is_gone = true;
                        break;
                    }
                    _ => break,
                }
            }
            if is_gone {
                self.drop_old(place).await?;
                self.replace(place).await?;
            }
        }
        self.readings.iter_mut().for_each(|reading| reading.due = reading.due.max(now));
        Ok(())
    }

    /// A subscription is gone, and what it would have sent with it: makes it anew.
    pub(super) async fn replace(&mut self, place: usize) -> Result<(), Error> {
        self.server.tally.add("subscription_recreated", 1);
        let Some(old) = self.subscriptions.get(place) else { return Ok(()) };
        self.pump.receipts.forget(old.id);
        let Some(session) = &self.session else { return Ok(()) };
        let (mut new, _) = session.subscribe(old.wanted).await?;
        let Some(old) = self.subscriptions.get_mut(place) else { return Ok(()) };
        new.items = std::mem::take(&mut old.items);
        new.is_settled = false;
        let (id, items) = (new.id, new.items.clone());
        *old = new;
        for place in &items {
            if let Some(item) = self.items.get_mut(*place) {
                item.begin_anew();
            }
        }
        self.fill(id, items.clone()).await?;
        self.is_filled(id);
        self.tell_hole(items).await
    }

    /// Finds out which nodes are meant.
    pub(super) async fn resolve(&mut self) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        let found = session.nodes(self.items.iter().map(|item| &item.point.id)).await?;
        let mut unknown: Vec<String> = Vec::new();
        for (item, found) in self.items.iter_mut().zip(found) {
            match found {
                Ok(node) => item.node = Some(node),
                Err(Missing::Node(status)) => item.refused = Some(status),
                Err(Missing::Namespace(missing)) => {
                    item.refused = Some(StatusCode::BadNodeIdUnknown);
                    unknown.push(missing.to_string());
                }
            }
        }
        unknown.sort();
        unknown.dedup();
        for missing in unknown.iter().take(3) {
            self.server.notices.say(format!("{}: {missing}", self.server.url()));
        }
        Ok(())
    }

    pub(super) fn refused(&self) -> Vec<usize> {
        self.items.iter().enumerate().filter(|(_, item)| item.refused.is_some()).map(|(place, _)| place).collect()
    }

    /// Says once of each item that the server refuses that it does.
    fn tell_refused(&mut self) {
        let now = self.server.clock.now();
        let refused = self.refused();
        self.again = (!refused.is_empty()).then(|| (Instant::now() + AGAIN.0, AGAIN.0 * 2));
        let mut records: Vec<Record> = Vec::new();
        for place in &refused {
            let Some(item) = self.items.get_mut(*place) else { continue };
            let status = item.refused.unwrap_or(StatusCode::Bad);
            item.tell_bad(Quality(status.bits()), now, &mut records);
        }
        self.server.tally.add("refused_item", refused.len() as u64);
        let url = self.server.url();
        for place in refused.iter().take(3) {
            let Some(item) = self.items.get(*place) else { continue };
            let why = name(item.refused.unwrap_or(StatusCode::Bad));
            self.server.notices.say(format!(
                "{url}: `{}` at {} is refused: {why}",
                item.point.tag.name(),
                item.point.node
            ));
        }
        if 3 < refused.len() {
            self.server.notices.say(format!("{url}: {} tags are refused in all; the others are heard", refused.len()));
        }
        self.ready.extend(fieldflow_contract::Batch::new(records, now).map(fieldflow_contract::Delivery::unacked));
    }

    /// Has the values of now sent again for a subscription; reads them where the server cannot do that.
    pub(super) async fn resend(&mut self, place: usize) -> Result<(), Error> {
        let Some((session, subscription)) = self.session.as_ref().zip(self.subscriptions.get(place)) else {
            return Ok(());
        };
        let (server, method): (NodeId, NodeId) = (ObjectId::Server.into(), MethodId::Server_ResendData.into());
        match session.call(server, method, vec![Variant::UInt32(subscription.id)]).await {
            Ok(result) if !result.status_code.is_bad() => return Ok(()),
            Err(error) if is_of_link(error.status()) => return Err(error),
            _ => {}
        }
        let items = subscription.items.clone();
        let values = self.values(&items).await?;
        self.tell_read(values).await
    }
}

/// `1 tag`, `2 tags`.
pub(super) fn tags(count: usize) -> String {
    format!("{count} tag{}", if count == 1 { "" } else { "s" })
}
