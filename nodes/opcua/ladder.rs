//! What is done once a session is there: what lives on is taken up, what does not is made anew, and what was missed is told.
//!
//! The ladder: the session of before with all that is in it; a new session that takes the subscriptions over; new
//! subscriptions. On the first two steps the messages that were missed are had again before any new one is asked for.

use fieldflow_contract::{Quality, Record};
use opcua::types::{Error, MethodId, MonitoredItemCreateResult, NodeId, ObjectId, StatusCode, Variant};
use tokio::time::Instant;

use super::connection::is_of_link;
use super::lookup::Missing;
use super::refusal::name;
use super::source::{AGAIN, Subscriber};
use super::structures::Types;
use super::subscription::{filter, is_of_filter, is_of_size, request};

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
            return self.recover().await;
        }
        // A server that was started anew may have moved its namespaces.
        self.items.iter_mut().for_each(super::item::Item::forget);
        self.types = Types::default();
        self.resolve().await?;
        self.learn_names().await?;
        if ids.is_empty() {
            let subscribed = (0..self.items.len())
                .filter(|place| self.items.get(*place).is_some_and(|item| item.point.every.is_none()));
            let subscribed: Vec<usize> = subscribed.collect();
            if !subscribed.is_empty() {
                self.add(subscribed).await?;
            }
        } else {
            for (place, kept) in kept.into_iter().enumerate() {
                if kept {
                    self.drop_old(place).await?;
                }
                self.replace(place).await?;
            }
        }
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
            let mut is_gone = false;
            for _ in 0..MOST_MISSED {
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
        let (mut new, _) = session.subscribe(&self.wanted).await?;
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
        self.tell_hole(items).await
    }

    /// A subscription for these items.
    async fn add(&mut self, items: Vec<usize>) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        let (mut subscription, millis) = session.subscribe(&self.wanted).await?;
        let asked = self.wanted.publishing.as_secs_f64() * 1e3;
        if asked + 0.5 < millis {
            let url = self.server.url();
            self.server
                .notices
                .say(format!("{url}: the server publishes every {millis} ms, not every {asked} ms as it was asked to"));
        }
        subscription.items = items.clone();
        let id = subscription.id;
        self.subscriptions.push(subscription);
        self.fill(id, items).await
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

    /// Asks for items of a subscription, as many at once as the server takes.
    async fn fill(&mut self, subscription: u32, items: Vec<usize>) -> Result<(), Error> {
        let mut rest: Vec<usize> = items;
        let mut slower: Vec<String> = Vec::new();
        let mut unfiltered: Vec<usize> = Vec::new();
        rest.retain(|place| self.items.get(*place).is_some_and(|item| item.node.is_some()));
        let mut start = 0;
        while start < rest.len() {
            let Some(session) = &mut self.session else { return Ok(()) };
            let size = session.profile.items.clamp(1, rest.len() - start);
            let Some(chunk) = rest.get(start..start + size) else { break };
            let filters = session.profile.filters;
            let wanted: Vec<_> = chunk
                .iter()
                .filter_map(|place| {
                    let item = self.items.get(*place)?;
                    Some((*place, request(*place, item, filters && item.band.is_none())?))
                })
                .collect();
            let (places, wanted): (Vec<usize>, Vec<_>) = wanted.into_iter().unzip();
            match session.create(subscription, wanted).await {
                Ok(results) => {
                    for (place, result) in places.into_iter().zip(results) {
                        self.created(place, &result, filters, &mut slower, &mut unfiltered);
                    }
                    start += size;
                }
                Err(error) if is_of_size(error.status()) && 1 < size => {
                    session.profile.items = size / 2;
                    self.server.tally.add("batch_halved", 1);
                }
                Err(error) => return Err(error),
            }
        }
        self.tell_slower(&slower);
        self.without_filter(subscription, unfiltered).await
    }

    /// What the server said to one item.
    fn created(
        &mut self,
        place: usize,
        result: &MonitoredItemCreateResult,
        filters: bool,
        slower: &mut Vec<String>,
        unfiltered: &mut Vec<usize>,
    ) {
        let Some(item) = self.items.get_mut(place) else { return };
        let wants_filter = filter(item).is_some() && item.band.is_none();
        if result.status_code.is_bad() {
            if wants_filter && filters && is_of_filter(result.status_code) {
                unfiltered.push(place);
            } else {
                item.refused = Some(result.status_code);
            }
            return;
        }
        item.refused = None;
        if wants_filter
            && !filters
            && let Some(width) = item.width()
        {
            item.hold(width);
        }
        let asked = item.point.sampling.filter(|span| !span.is_zero()).map(|span| span.as_secs_f64() * 1e3);
        if asked.is_some_and(|asked| asked + 0.5 < result.revised_sampling_interval)
            || result.revised_queue_size < item.point.queue
        {
            slower.push(format!(
                "`{}` every {} ms with a queue of {}",
                item.point.tag.name(),
                result.revised_sampling_interval,
                result.revised_queue_size
            ));
        }
    }

    /// The server does not filter these: they are asked for without, and small changes are kept back here.
    async fn without_filter(&mut self, subscription: u32, items: Vec<usize>) -> Result<(), Error> {
        if items.is_empty() {
            return Ok(());
        }
        self.server.tally.add("filter_refused", items.len() as u64);
        let count = items.len();
        let url = self.server.url();
        self.server.notices.say(format!(
            "{url}: the server refuses the deadband or trigger of {}: small changes are kept back here",
            tags(count)
        ));
        for place in &items {
            let width = match self.items.get(*place).map(super::item::Item::width) {
                Some(Some(width)) => Some(width),
                _ => self.width_of_range(*place).await?,
            };
            if let Some(item) = self.items.get_mut(*place) {
                // A band of nothing lets every change pass.
                item.hold(width.unwrap_or(0.0));
            }
        }
        Box::pin(self.fill(subscription, items)).await
    }

    /// The width of a deadband that is a share of the range that the server states.
    async fn width_of_range(&mut self, place: usize) -> Result<Option<f64>, Error> {
        let Some((session, item)) = self.session.as_ref().zip(self.items.get(place)) else { return Ok(None) };
        let (Some(node), Some(super::tags::Deadband::Percent(share))) = (item.node.clone(), item.point.deadband) else {
            return Ok(None);
        };
        Ok(session.range(node).await?.map(|(low, high)| (high - low).abs() * share / 100.0))
    }

    /// Asks again for what the server refused.
    pub(super) async fn ask_again(&mut self) -> Result<(), Error> {
        let Some((_, wait)) = self.again.take() else { return Ok(()) };
        let before: Vec<usize> = self.refused();
        for place in &before {
            if let Some(item) = self.items.get_mut(*place) {
                (item.node, item.refused) = (None, None);
            }
        }
        self.resolve().await?;
        for place in 0..self.subscriptions.len() {
            let Some(subscription) = self.subscriptions.get(place) else { break };
            let id = subscription.id;
            let mine: Vec<usize> = before.iter().copied().filter(|item| subscription.items.contains(item)).collect();
            self.fill(id, mine).await?;
        }
        let rest = self.refused().len();
        if rest < before.len() {
            let url = self.server.url();
            self.server
                .notices
                .say(format!("{url}: heard now: {} that the server refused before", tags(before.len() - rest)));
        }
        if 0 < rest {
            self.again = Some((Instant::now() + wait, (wait * 2).min(AGAIN.1)));
        }
        Ok(())
    }

    fn refused(&self) -> Vec<usize> {
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

    fn tell_slower(&self, slower: &[String]) {
        if let Some(first) = slower.first() {
            let url = self.server.url();
            self.server.notices.say(format!(
                "{url}: the server gives less than was asked for to {}, such as {first}",
                tags(slower.len())
            ));
        }
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
fn tags(count: usize) -> String {
    format!("{count} tag{}", if count == 1 { "" } else { "s" })
}
