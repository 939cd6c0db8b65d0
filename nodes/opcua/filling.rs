//! Which item is in which subscription, and how they get there: one subscription for each publishing interval, and more of them
//! where the server takes only so many items in one.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use opcua::types::{Error, MonitoredItemCreateResult, StatusCode};
use tokio::time::Instant;

use super::ladder::tags;
use super::revised::Revised;
use super::source::{AGAIN, Subscriber};
use super::subscription::{Wanted, filter, is_of_filter, is_of_size, request};

/// Most subscriptions: whoever takes but a few items in each does not take all that is wanted.
const MOST: usize = 100;

/// What the server said to items.
#[derive(Default)]
struct Said {
    revised: Revised,
    /// Those that it does not filter.
    unfiltered: Vec<usize>,
    /// Those for which there is no room in the subscription.
    crowded: Vec<usize>,
}

impl Subscriber {
    /// Subscribes to all that is in no subscription yet.
    pub(super) async fn subscribe_all(&mut self) -> Result<(), Error> {
        let there: HashSet<usize> =
            self.subscriptions.iter().flat_map(|subscription| subscription.items.iter().copied()).collect();
        let mut wanted: BTreeMap<Duration, (Wanted, Vec<usize>)> = BTreeMap::new();
        for (place, item) in self.items.iter().enumerate() {
            if item.point.every.is_none() && !there.contains(&place) {
                let of = item.point.wanted;
                wanted.entry(of.publishing).or_insert_with(|| (of, Vec::new())).1.push(place);
            }
        }
        for (of, items) in wanted.into_values() {
            let most = self.session.as_ref().map_or(usize::MAX, |session| session.profile.per_subscription.max(1));
            for part in items.chunks(most) {
                self.add(of, part.to_vec()).await?;
            }
        }
        Ok(())
    }

    /// A subscription for these items.
    async fn add(&mut self, wanted: Wanted, items: Vec<usize>) -> Result<(), Error> {
        let Some(session) = &self.session else { return Ok(()) };
        let (mut subscription, given) = match session.subscribe(wanted).await {
            Err(error) if error.status() == StatusCode::BadTooManySubscriptions && !self.subscriptions.is_empty() => {
                return self.join(wanted, items).await;
            }
            made => made?,
        };
        let mut revised = Revised::default();
        if let Some(first) = items.first().and_then(|place| self.items.get(*place)) {
            revised.subscription(wanted, given, items.len(), first.point.tag.name());
        }
        self.tell_revised(&revised);
        subscription.items.clone_from(&items);
        let id = subscription.id;
        self.subscriptions.push(subscription);
        self.fill(id, items).await?;
        self.is_filled(id);
        Ok(())
    }

    /// The server has no more subscriptions: these items go into the one that is most like what they want.
    async fn join(&mut self, wanted: Wanted, items: Vec<usize>) -> Result<(), Error> {
        let distance = |other: Duration| other.abs_diff(wanted.publishing);
        let nearest = self.subscriptions.iter_mut().min_by_key(|subscription| distance(subscription.wanted.publishing));
        let Some(subscription) = nearest else { return Ok(()) };
        let (id, every) = (subscription.id, subscription.wanted.publishing);
        subscription.items.extend(items.iter().copied());
        subscription.is_filled = false;
        let url = self.server.url();
        self.server.notices.say(format!(
            "{url}: the server has no more subscriptions: {} with `publishing` {:?} go into the one of {every:?}",
            tags(items.len()),
            wanted.publishing
        ));
        Box::pin(self.fill(id, items)).await?;
        self.is_filled(id);
        Ok(())
    }

    /// All that is in a subscription was asked for.
    pub(super) fn is_filled(&mut self, id: u32) {
        if let Some(subscription) = self.subscriptions.iter_mut().find(|subscription| subscription.id == id) {
            subscription.is_filled = true;
        }
    }

    /// Asks for items of a subscription, as many at once as the server takes.
    pub(super) async fn fill(&mut self, subscription: u32, items: Vec<usize>) -> Result<(), Error> {
        let mut rest: Vec<usize> = items;
        let mut said = Said::default();
        rest.retain(|place| self.items.get(*place).is_some_and(|item| item.node.is_some()));
        let (mut start, mut most) = (0, usize::MAX);
        while start < rest.len() {
            let Some(session) = &mut self.session else { return Ok(()) };
            let size = session.profile.items.min(most).clamp(1, rest.len() - start);
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
                        self.created(place, &result, filters, &mut said);
                    }
                    start += size;
                }
                Err(error) if is_of_size(error.status()) && 1 < size => {
                    session.profile.items = size / 2;
                    self.server.tally.add("batch_halved", 1);
                }
                // There may be room for some of them.
                Err(error) if error.status() == StatusCode::BadTooManyMonitoredItems && 1 < size => most = size / 2,
                Err(error) if error.status() == StatusCode::BadTooManyMonitoredItems => {
                    said.crowded.extend(rest.iter().skip(start));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        self.tell_revised(&said.revised);
        self.without_filter(subscription, said.unfiltered).await?;
        self.overflow(subscription, said.crowded).await
    }

    /// What the server said to one item.
    fn created(&mut self, place: usize, result: &MonitoredItemCreateResult, filters: bool, said: &mut Said) {
        let Some(item) = self.items.get_mut(place) else { return };
        let wants_filter = filter(item).is_some() && item.band.is_none();
        if result.status_code.is_bad() {
            if wants_filter && filters && is_of_filter(result.status_code) {
                said.unfiltered.push(place);
            } else if result.status_code == StatusCode::BadTooManyMonitoredItems {
                said.crowded.push(place);
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
        said.revised.item(&item.point, result);
    }

    /// There is no room for these in their subscription: they get one of their own, if that was what is in the way.
    async fn overflow(&mut self, subscription: u32, crowded: Vec<usize>) -> Result<(), Error> {
        if crowded.is_empty() {
            return Ok(());
        }
        for place in &crowded {
            if let Some(item) = self.items.get_mut(*place) {
                item.refused = Some(StatusCode::BadTooManyMonitoredItems);
            }
        }
        let many = self.subscriptions.len();
        let full = self.subscriptions.iter_mut().find(|known| known.id == subscription);
        // One that has taken nothing at all is not full: the server is.
        let Some(full) = full.filter(|full| crowded.len() < full.items.len() && many < MOST) else { return Ok(()) };
        let left: HashSet<usize> = crowded.iter().copied().collect();
        full.items.retain(|place| !left.contains(place));
        let wanted = full.wanted;
        self.server.tally.add("subscription_full", 1);
        Box::pin(self.add(wanted, crowded)).await
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
        let Some((_, wait)) = self.again else { return Ok(()) };
        // Set before anything can fail, so that what is not done now is done then.
        self.again = Some((Instant::now() + wait, (wait * 2).min(AGAIN.1)));
        let before: Vec<usize> = self.refused();
        for place in &before {
            if let Some(item) = self.items.get_mut(*place) {
                item.node = None;
            }
        }
        self.resolve().await?;
        for place in &before {
            // One that is read is asked for no other way.
            if let Some(item) =
                self.items.get_mut(*place).filter(|item| item.point.every.is_some() && item.node.is_some())
            {
                item.refused = None;
            }
        }
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
        if rest == 0 {
            self.again = None;
        }
        Ok(())
    }

    fn tell_revised(&self, revised: &Revised) {
        let url = self.server.url();
        for line in revised.lines() {
            self.server.notices.say(format!("{url}: {line}"));
        }
    }
}
