//! A subscription: how it is made, and the order of its messages.

use std::time::Duration;

use opcua::core::ResponseMessage;
use opcua::types::{
    CreateMonitoredItemsRequest, CreateSubscriptionRequest, DataChangeFilter, DataChangeTrigger, DeadbandType,
    DeleteSubscriptionsRequest, Error, ExtensionObject, MonitoredItemCreateRequest, MonitoredItemCreateResult,
    MonitoringMode, MonitoringParameters, NotificationMessage, RepublishRequest, SetPublishingModeRequest, StatusCode,
    TimestampsToReturn, TransferSubscriptionsRequest,
};
use tokio::time::Instant;

use super::channel::{good, unexpected};
use super::item::Item;
use super::options::Lasting;
use super::session::{Session, ask, counted, value_of};
use super::tags::{Deadband, Discard, Trigger};

/// A subscription at the server.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: u32,
    /// What it was asked for.
    pub(super) wanted: Wanted,
    /// Its items, by their place in the list of all.
    pub(super) items: Vec<usize>,
    /// The number of the next message.
    pub(super) next: u32,
    /// When the server was heard of it last.
    pub(super) heard: Instant,
    /// How often it says that it lives.
    pub(super) every: Duration,
    /// Whether it was asked once why it is silent.
    pub(super) is_doubted: bool,
    /// Whether its first answer after a loss has come.
    pub(super) is_settled: bool,
    /// Whether the server was asked for all of its items.
    pub(super) is_filled: bool,
}

/// The number after this one.
pub(super) fn after(number: u32) -> u32 {
    if number == u32::MAX { 1 } else { number + 1 }
}

/// How many messages lie between the one that is next and this one; none if it is an old one.
pub(super) fn missing(next: u32, number: u32) -> u32 {
    // Numbers wrap; what is more than half of them away is behind.
    let ahead = number.wrapping_sub(next);
    // 0 is left out when they wrap.
    let ahead = if number < next { ahead.wrapping_sub(1) } else { ahead };
    if ahead < 1 << 31 { ahead } else { 0 }
}

/// Whether this message was there before.
pub(super) fn is_old(next: u32, number: u32) -> bool {
    1 << 31 <= number.wrapping_sub(next)
}

/// What a subscription is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) publishing: Duration,
    pub(super) lasting: Lasting,
}

impl Wanted {
    /// How long it outlives the connection.
    pub(super) fn lifetime(&self) -> Duration {
        self.publishing.saturating_mul(self.lasting.lifetime)
    }
}

/// What a server made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Given {
    /// The publishing interval.
    pub(super) millis: f64,
    /// So many of them, as in [`Lasting`].
    pub(super) keep_alive: u32,
    pub(super) lifetime: u32,
}

impl Session {
    /// Makes a subscription; what the server made of it is with it.
    pub(super) async fn subscribe(&self, wanted: Wanted) -> Result<(Subscription, Given), Error> {
        let request = CreateSubscriptionRequest {
            request_header: self.head(),
            requested_publishing_interval: wanted.publishing.as_secs_f64() * 1e3,
            requested_lifetime_count: wanted.lasting.lifetime,
            requested_max_keep_alive_count: wanted.lasting.keep_alive,
            max_notifications_per_publish: MOST_NOTIFICATIONS,
            publishing_enabled: true,
            priority: 0,
        };
        let answer: Result<_, Error> = ask!(self, request, CreateSubscription);
        let answer = answer?;
        let millis = answer.revised_publishing_interval;
        let millis = if millis.is_finite() { millis.clamp(1.0, 86_400_000.0) } else { 1000.0 };
        let every = (millis * f64::from(answer.revised_max_keep_alive_count.max(1))).clamp(100.0, 86_400_000.0);
        let subscription = Subscription {
            id: answer.subscription_id,
            wanted,
            items: Vec::new(),
            next: 1,
            heard: Instant::now(),
            every: Duration::from_secs_f64(every / 1e3),
            is_doubted: false,
            is_settled: true,
            is_filled: false,
        };
        let given =
            Given { millis, keep_alive: answer.revised_max_keep_alive_count, lifetime: answer.revised_lifetime_count };
        Ok((subscription, given))
    }

    /// Asks for items; a result for each.
    pub(super) async fn create(
        &self,
        subscription: u32,
        items: Vec<MonitoredItemCreateRequest>,
    ) -> Result<Vec<MonitoredItemCreateResult>, Error> {
        let asked = items.len();
        let request = CreateMonitoredItemsRequest {
            request_header: self.head(),
            subscription_id: subscription,
            timestamps_to_return: TimestampsToReturn::Both,
            items_to_create: Some(items),
        };
        let answer: Result<_, Error> = ask!(self, request, CreateMonitoredItems);
        counted(answer?.results, asked)
    }

    /// A message that was sent before.
    pub(super) async fn republish(&self, subscription: u32, number: u32) -> Result<NotificationMessage, Error> {
        let request = RepublishRequest {
            request_header: self.head(),
            subscription_id: subscription,
            retransmit_sequence_number: number,
        };
        let answer: Result<_, Error> = ask!(self, request, Republish);
        Ok(answer?.notification_message)
    }

    /// Takes subscriptions of a lost session over; whether each is ours now.
    pub(super) async fn transfer(&self, ids: Vec<u32>) -> Result<Vec<bool>, Error> {
        let asked = ids.len();
        let request = TransferSubscriptionsRequest {
            request_header: self.head(),
            subscription_ids: Some(ids),
            send_initial_values: false,
        };
        let answer: Result<_, Error> = ask!(self, request, TransferSubscriptions);
        Ok(counted(answer?.results, asked)?.into_iter().map(|result| !result.status_code.is_bad()).collect())
    }

    /// Whether the server knows the subscription.
    pub(super) async fn knows(&self, subscription: u32) -> Result<bool, Error> {
        let request = SetPublishingModeRequest {
            request_header: self.head(),
            publishing_enabled: true,
            subscription_ids: Some(vec![subscription]),
        };
        let answer: Result<_, Error> = ask!(self, request, SetPublishingMode);
        Ok(counted(answer?.results, 1)?.into_iter().all(|status| !status.is_bad()))
    }

    /// Ends a subscription, whether the server still knows it or not.
    pub(super) async fn unsubscribe(&self, subscription: u32) -> Result<(), Error> {
        let request =
            DeleteSubscriptionsRequest { request_header: self.head(), subscription_ids: Some(vec![subscription]) };
        let answer: Result<_, Error> = ask!(self, request, DeleteSubscriptions);
        answer.map(|_| ())
    }
}

/// Most values in a message: it takes many times its length once it is decoded.
const MOST_NOTIFICATIONS: u32 = 10_000;

/// How an item is asked for.
pub(super) fn request(place: usize, item: &Item, filtered: bool) -> Option<MonitoredItemCreateRequest> {
    let point = &item.point;
    let mut what = value_of(item.node.clone()?);
    what.index_range = point.range();
    let sampling = point.sampling.map_or(-1.0, |span| span.as_secs_f64() * 1e3);
    Some(MonitoredItemCreateRequest {
        item_to_monitor: what,
        monitoring_mode: MonitoringMode::Reporting,
        requested_parameters: MonitoringParameters {
            client_handle: u32::try_from(place).ok()?,
            sampling_interval: sampling,
            filter: if filtered { filter(item).unwrap_or_default() } else { ExtensionObject::null() },
            queue_size: point.queue,
            discard_oldest: point.discard == Discard::Oldest,
        },
    })
}

/// The filter of an item, if it wants one.
pub(super) fn filter(item: &Item) -> Option<ExtensionObject> {
    let point = &item.point;
    if point.deadband.is_none() && point.trigger == Trigger::Value {
        return None;
    }
    let (kind, width) = match point.deadband {
        None => (DeadbandType::None, 0.0),
        Some(Deadband::Absolute(width)) => (DeadbandType::Absolute, width),
        Some(Deadband::Percent(share)) => (DeadbandType::Percent, share),
    };
    let trigger = match point.trigger {
        Trigger::Status => DataChangeTrigger::Status,
        Trigger::Value => DataChangeTrigger::StatusValue,
        Trigger::Timestamp => DataChangeTrigger::StatusValueTimestamp,
    };
    Some(ExtensionObject::from_message(DataChangeFilter { trigger, deadband_type: kind as u32, deadband_value: width }))
}

/// Whether the server refuses the filter, not the item.
pub(super) fn is_of_filter(code: StatusCode) -> bool {
    matches!(
        code,
        StatusCode::BadFilterNotAllowed
            | StatusCode::BadMonitoredItemFilterUnsupported
            | StatusCode::BadMonitoredItemFilterInvalid
            | StatusCode::BadDeadbandFilterInvalid
    )
}

/// Whether fewer at once might do.
pub(super) fn is_of_size(code: StatusCode) -> bool {
    matches!(
        code,
        StatusCode::BadTooManyOperations
            | StatusCode::BadTcpMessageTooLarge
            | StatusCode::BadRequestTooLarge
            | StatusCode::BadResponseTooLarge
            | StatusCode::BadEncodingLimitsExceeded
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_around_and_leave_zero_out() {
        assert_eq!((after(1), after(u32::MAX)), (2, 1));
        for (next, number, lost) in [
            (1, 1, 0),
            (1, 4, 3),
            (5, 4, 0),
            (u32::MAX, u32::MAX, 0),
            (u32::MAX, 1, 1),
            (u32::MAX, 3, 3),
            (2, u32::MAX, 0),
        ] {
            assert_eq!(missing(next, number), lost, "{number} where {next} is next");
        }
        assert!(is_old(5, 4) && is_old(1, u32::MAX) && !is_old(5, 5) && !is_old(u32::MAX, 1));
    }
}
