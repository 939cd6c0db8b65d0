//! What the source has to say: it waits here, bounded, and is published by a task that ends with the connection, so that nobody
//! who hears messages waits for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fieldflow_contract::{Notices, Tally};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::mqtt::client::{Message, Publisher, Qos};

/// Most messages that wait.
const MOST: usize = 1000;

/// See the module. A clone is the same.
#[derive(Clone)]
pub(super) struct Outbox(Arc<Shared>);

struct Shared {
    waiting: Mutex<VecDeque<Message>>,
    more: Notify,
    empty: Notify,
    tally: Tally,
    notices: Notices,
}

impl Outbox {
    pub(super) fn new(tally: Tally, notices: Notices) -> Self {
        let waiting = Mutex::new(VecDeque::new());
        Self(Arc::new(Shared { waiting, more: Notify::new(), empty: Notify::new(), tally, notices }))
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Message>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message behind those that wait; where there is no room it is counted and gone.
    pub(super) fn put(&self, message: Message) {
        let mut waiting = self.waiting();
        if waiting.len() < MOST {
            waiting.push_back(message);
            self.0.more.notify_one();
        } else {
            self.0.tally.add("outbox_full", 1);
        }
    }

    /// Forgets what was for the connection that is gone.
    pub(super) fn reconnected(&self) {
        self.waiting().retain(|message| message.qos != Qos::AtMostOnce);
    }

    /// Waits until everything is published.
    pub(super) async fn emptied(&self) {
        loop {
            let empty = self.0.empty.notified();
            if self.waiting().is_empty() {
                return;
            }
            empty.await;
        }
    }

    /// Publishes on this connection what is put here, one after another, until the connection ends. What the broker had not
    /// taken over by then stays.
    pub(super) fn serve(&self, publisher: Publisher, tasks: &mut JoinSet<()>) {
        let outbox = self.clone();
        tasks.spawn(async move {
            loop {
                let more = outbox.0.more.notified();
                let next = outbox.waiting().front().cloned();
                let Some(message) = next else {
                    outbox.0.empty.notify_one();
                    more.await;
                    continue;
                };
                let told = match publisher.publish(message).await {
                    Ok(receipt) => receipt.await,
                    Err(refusal) => Err(refusal),
                };
                match told {
                    Err(refusal) if !refusal.is_of_message => return,
                    Err(refusal) => {
                        outbox.0.tally.add("publish_refused", 1);
                        let told = outbox.0.tally.snapshot().get("publish_refused").copied();
                        if told == Some(1) {
                            outbox
                                .0
                                .notices
                                .say(format!("{refusal}. That is said once, and counted as `publish_refused`"));
                        }
                    }
                    Ok(()) => {}
                }
                outbox.waiting().pop_front();
            }
        });
    }
}
