//! The source: what is heard, read and watched for, and what becomes of it.

use std::collections::VecDeque;
use std::time::Duration;

use fieldflow_contract::{Batch, Cause, Delivery, NodeError, Source, Timestamp};
use opcua::types::{Error, PublishResponse};
use tokio::time::{Instant, sleep_until};

use super::config::TimeOf;
use super::connection::{How, Server, end, is_of_link};
use super::item::Item;
use super::pump::Pump;
use super::reading::Reading;
use super::refusal::Refusal;
use super::session::Session;
use super::structures::Types;
use super::subscription::Subscription;

/// When nothing was heard of a subscription for so many of its keep-alives, it is looked after.
const PATIENCE: u32 = 3;
/// How long to wait before something that only a person can mend is tried again.
const PERSON: Duration = Duration::from_secs(10);
/// The wait before something is tried again that failed just now.
pub(super) const AGAIN_SOON: Duration = Duration::from_millis(100);
/// The wait before items that the server refuses are asked for again: the first, and the longest.
pub(super) const AGAIN: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));

/// Hears one server.
pub(super) struct Subscriber {
    pub(super) server: Server,
    pub(super) session: Option<Session>,
    pub(super) items: Vec<Item>,
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
    Published(Result<Box<PublishResponse>, Error>),
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
        if prepared.is_err() && how == How::New {
            // What is in it is not all that is wanted.
            self.server.forget();
        }
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
                Event::Published(Ok(response)) => self.published(*response).await,
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
            let url = self.server.url();
            self.server
                .notices
                .say(format!("{url}: the server answers, but its subscription is silent: it is made anew"));
            session.unsubscribe(subscription.id).await?;
            // The server may have lost the requests as well.
            self.pump.clear();
            return self.replace(place).await;
        }
        subscription.heard = Instant::now();
        Ok(())
    }
}
