//! The requests by which a server sends: how many are under way, and what they acknowledge.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fieldflow_contract::{Ack, BoxFuture, Outcome};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use opcua::core::{RequestMessage, ResponseMessage};
use opcua::types::{Error, PublishRequest, PublishResponse, SubscriptionAcknowledgement};
use tokio::sync::Notify;

use super::channel::{good, head, unexpected};
use super::session::Session;

/// Most requests under way: each can bring a message of the greatest length.
const MOST: usize = 4;

/// The requests.
#[derive(Default)]
pub(super) struct Pump {
    waiting: FuturesUnordered<BoxFuture<'static, Result<Box<PublishResponse>, Error>>>,
    /// The server has said that it takes no more.
    ceiling: Option<usize>,
    pub(super) receipts: Receipts,
}

/// Which messages are delivered, and which are not.
#[derive(Debug, Clone, Default)]
pub(super) struct Receipts(Arc<(Mutex<Told>, Notify)>);

#[derive(Debug, Default)]
struct Told {
    done: Vec<Message>,
    failed: Vec<Message>,
}

/// A message: its subscription, and its number in it.
pub(super) type Message = (u32, u32);

impl Pump {
    /// Sends as many requests as are to be under way for so many subscriptions.
    pub(super) fn top_up(&mut self, session: &Session, subscriptions: usize, wait: Duration) {
        let wanted = if subscriptions == 0 { 0 } else { (subscriptions + 1).min(self.ceiling.unwrap_or(MOST)) };
        while self.waiting.len() < wanted {
            let done = std::mem::take(&mut self.receipts.told().done);
            let channel = session.channel.inner();
            let acknowledged = done.into_iter().map(|(subscription_id, sequence_number)| SubscriptionAcknowledgement {
                subscription_id,
                sequence_number,
            });
            let acknowledged: Vec<_> = acknowledged.collect();
            let request = PublishRequest {
                request_header: head(&channel, &session.token, wait),
                subscription_acknowledgements: (!acknowledged.is_empty()).then_some(acknowledged),
            };
            self.waiting.push(Box::pin(async move {
                match channel.send(RequestMessage::from(request), wait).await? {
                    ResponseMessage::Publish(answer) => good(&answer.response_header).map(|()| answer),
                    other => Err(unexpected(&other)),
                }
            }));
        }
    }

    /// The next answer. Never, if nothing is under way.
    pub(super) async fn next(&mut self) -> Result<Box<PublishResponse>, Error> {
        match self.waiting.next().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    /// The server takes fewer requests than are under way.
    pub(super) fn lower(&mut self) {
        self.ceiling = Some(self.waiting.len().max(1));
    }

    /// The connection is another one: what was under way on the last one is not waited for.
    pub(super) fn clear(&mut self) {
        self.waiting = FuturesUnordered::new();
        self.ceiling = None;
    }
}

impl Receipts {
    /// What tells that this message was delivered, once it is.
    pub(super) fn of(&self, message: Message) -> Ack {
        let receipts = self.clone();
        Ack::new(move |outcome| match outcome {
            Outcome::Delivered | Outcome::Dropped | Outcome::Rejected => receipts.done(message),
            Outcome::Failed => {
                receipts.told().failed.push(message);
                receipts.0.1.notify_one();
            }
        })
    }

    /// This message is delivered.
    pub(super) fn done(&self, message: Message) {
        self.told().done.push(message);
    }

    /// Waits for messages that were not delivered, and are to be had again.
    pub(super) async fn failed(&self) -> Vec<Message> {
        loop {
            let failed = std::mem::take(&mut self.told().failed);
            if !failed.is_empty() {
                return failed;
            }
            self.0.1.notified().await;
        }
    }

    /// The subscription is no more.
    pub(super) fn forget(&self, subscription: u32) {
        let mut told = self.told();
        told.done.retain(|(of, _)| *of != subscription);
        told.failed.retain(|(of, _)| *of != subscription);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_is_acknowledged_when_it_is_delivered_and_had_again_when_it_is_not() {
        let receipts = Receipts::default();
        receipts.of((1, 1)).resolve(Outcome::Delivered);
        receipts.of((1, 2)).resolve(Outcome::Failed);
        receipts.of((2, 9)).resolve(Outcome::Rejected);
        drop(receipts.of((1, 3)));
        assert_eq!(receipts.failed().await, [(1, 2), (1, 3)], "one that is dropped without a word has failed");
        assert_eq!(receipts.told().done, [(1, 1), (2, 9)]);
        receipts.forget(1);
        assert_eq!(receipts.told().done, [(2, 9)]);
    }
}
