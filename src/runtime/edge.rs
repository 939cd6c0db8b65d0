//! The memory edge: a bounded queue with a policy for when it is full, and a ledger that adds up at every moment.
//!
//! Deliveries travel through an `async-channel`; the account beside it holds the figures and is what decides whether there
//! is room. Only the sender puts deliveries in, so order is kept; the sender holds a receiver of its own, by which it takes
//! out what a `drop_oldest` or `conflate` policy gives up.
//!
//! Invariant: entered = left + dropped + depth, whenever the account is not locked.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use fieldflow_contract::{Batch, Delivery, Outcome};
use futures_util::Stream as _;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::conflate::{Shares, conflate};
use crate::graph::{EdgeOptions, WhenFull};
use crate::queue::Origin;
use crate::telemetry::EdgeSnapshot;

/// A delivery as it comes out of an edge.
pub(super) struct Arrival {
    pub(super) delivery: Delivery,
    /// The durable edge that it comes from, and its place in it.
    pub(super) origin: Option<Origin>,
}

/// A batch in an edge, with its acks, and its size as it was accounted.
struct Item {
    batch: Batch,
    shares: Shares,
    origin: Option<Origin>,
    records: u64,
    bytes: u64,
}

impl Item {
    fn new(batch: Batch, shares: Shares, origin: Option<Origin>) -> Self {
        let (records, bytes) = (batch.len() as u64, batch.bytes() as u64);
        Self { batch, shares, origin, records, bytes }
    }

    /// Records that the ledger of this edge knows; those of a durable edge are in that one's.
    fn booked(&self) -> u64 {
        if self.origin.is_some() { 0 } else { self.records }
    }
}

/// Makes an edge: its two ends, and the handle by which it is observed.
pub(super) fn edge(from: String, to: String, options: &EdgeOptions) -> (EdgeSender, EdgeReceiver, Arc<EdgeAccount>) {
    let (sender, receiver) = channel();
    let account = Arc::new(EdgeAccount {
        from,
        to,
        capacity: options.capacity as u64,
        max_bytes: options.max_bytes.unwrap_or(u64::MAX),
        ledger: Mutex::default(),
        room: Notify::new(),
    });
    let ends = (Arc::clone(&account), Arc::clone(&account));
    let sender = EdgeSender { sender, behind: receiver.clone(), when_full: options.when_full, account: ends.0 };
    (sender, EdgeReceiver { receiver: Box::pin(receiver), account: ends.1 }, account)
}

/// Nothing is sent that the account has no room for. A bounded channel would take the memory for its whole capacity, of batches
/// of one record each, before the first one came: three quarters of a MiB an edge.
#[expect(clippy::disallowed_methods, reason = "the account is what bounds it")]
fn channel() -> (Sender<Item>, Receiver<Item>) {
    async_channel::unbounded()
}

/// The figures of an edge.
pub(super) struct EdgeAccount {
    from: String,
    to: String,
    capacity: u64,
    max_bytes: u64,
    ledger: Mutex<Ledger>,
    room: Notify,
}

#[derive(Default)]
struct Ledger {
    entered: u64,
    left: u64,
    dropped: BTreeMap<&'static str, u64>,
    /// What waits in memory, guests from a durable edge included.
    waiting: u64,
    /// What waits and is booked here.
    depth: u64,
    depth_bytes: u64,
    high_water: u64,
    blocked: Duration,
    blocked_since: Option<Instant>,
    /// When each waiting delivery came, oldest first.
    arrivals: VecDeque<Instant>,
    receiver_gone: bool,
}

impl EdgeAccount {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch that is larger than the whole edge passes alone, so that no queue deadlocks on its own size.
    fn has_room(&self, ledger: &Ledger, item: &Item) -> bool {
        ledger.waiting == 0
            || (ledger.waiting + item.records <= self.capacity && ledger.depth_bytes + item.bytes <= self.max_bytes)
    }

    pub(super) fn snapshot(&self) -> EdgeSnapshot {
        let now = Instant::now();
        let ledger = self.ledger();
        EdgeSnapshot {
            from: self.from.clone(),
            to: self.to.clone(),
            capacity: self.capacity,
            entered: ledger.entered,
            left: ledger.left,
            dropped: ledger.dropped.clone(),
            depth: ledger.depth,
            depth_bytes: ledger.depth_bytes,
            high_water: ledger.high_water,
            blocked: ledger.blocked + ledger.blocked_since.map_or(Duration::ZERO, |since| now - since),
            oldest_age: ledger.arrivals.front().map_or(Duration::ZERO, |&came| now - came),
            disk_records: None,
            disk_bytes: None,
            disk_entered: None,
        }
    }
}

impl Ledger {
    /// Counts an item as waiting.
    fn wait(&mut self, item: &Item, came: Instant) {
        self.waiting += item.records;
        self.depth += item.booked();
        self.depth_bytes += item.bytes;
        self.high_water = self.high_water.max(self.depth);
        self.arrivals.push_back(came);
    }

    /// Counts an item as no longer waiting; says since when it did.
    fn unwait(&mut self, item: &Item) -> Option<Instant> {
        self.waiting -= item.records;
        self.depth -= item.booked();
        self.depth_bytes -= item.bytes;
        self.arrivals.pop_front()
    }

    fn drop_records(&mut self, reason: &'static str, records: u64) {
        *self.dropped.entry(reason).or_default() += records;
    }

    fn unblock(&mut self) {
        if let Some(since) = self.blocked_since.take() {
            self.blocked += since.elapsed();
        }
    }
}

/// The end of an edge at which deliveries go in. There is one: order is kept because nobody else puts anything in.
pub(super) struct EdgeSender {
    sender: Sender<Item>,
    /// The sender's own way to the oldest delivery, for the policies that give it up.
    behind: Receiver<Item>,
    when_full: WhenFull,
    account: Arc<EdgeAccount>,
}

impl EdgeSender {
    /// Puts a delivery in, as the edge's policy says. Its ack is taken care of in every case.
    pub(super) async fn send(&self, delivery: Delivery) {
        let item = Item::new(delivery.batch, Shares::Whole(delivery.ack), None);
        match self.when_full {
            WhenFull::Block => self.block(item).await,
            WhenFull::DropOldest => self.drop_oldest(item),
            WhenFull::DropNewest => self.drop_newest(item),
            WhenFull::Conflate => self.conflate(item),
        }
    }

    /// Puts a batch of a durable edge in; waits until there is room.
    pub(super) async fn send_from(&self, delivery: Delivery, origin: Origin) {
        self.block(Item::new(delivery.batch, Shares::Whole(delivery.ack), Some(origin))).await;
    }

    /// Puts a delivery in if there is room for it now, else gives it back.
    pub(super) fn send_now(&self, delivery: Delivery) -> Result<(), Delivery> {
        let item = Item::new(delivery.batch, Shares::Whole(delivery.ack), None);
        let ledger = self.account.ledger();
        if ledger.receiver_gone || self.account.has_room(&ledger, &item) {
            self.put(ledger, item, Instant::now());
            return Ok(());
        }
        drop(ledger);
        Err(Delivery { batch: item.batch, ack: item.shares.into_one() })
    }

    /// Whether the receiver is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.account.ledger().receiver_gone
    }

    async fn block(&self, item: Item) {
        loop {
            {
                let mut ledger = self.account.ledger();
                if ledger.receiver_gone || self.account.has_room(&ledger, &item) {
                    ledger.unblock();
                    return self.put(ledger, item, Instant::now());
                }
                ledger.blocked_since.get_or_insert_with(Instant::now);
            }
            // The receiver leaves a permit behind when it takes something, so nothing is missed in between.
            self.account.room.notified().await;
        }
    }

    fn drop_newest(&self, item: Item) {
        let mut ledger = self.account.ledger();
        if ledger.receiver_gone || self.account.has_room(&ledger, &item) {
            return self.put(ledger, item, Instant::now());
        }
        ledger.entered += item.records;
        ledger.drop_records("drop_newest", item.records);
        drop(ledger);
        item.shares.into_one().resolve(Outcome::Dropped);
    }

    fn drop_oldest(&self, item: Item) {
        let mut given_up = Vec::new();
        let mut ledger = self.account.ledger();
        // What waits for a node that is gone was not dropped by the policy: it has failed.
        while !ledger.receiver_gone && !self.account.has_room(&ledger, &item) {
            // Empty although something waits: the receiver holds it already and is about to count it.
            let Ok(oldest) = self.behind.try_recv() else { break };
            ledger.unwait(&oldest);
            ledger.drop_records("drop_oldest", oldest.records);
            given_up.push(oldest.shares.into_one());
        }
        self.put(ledger, item, Instant::now());
        for ack in given_up {
            ack.resolve(Outcome::Dropped);
        }
    }

    fn conflate(&self, item: Item) {
        let mut ledger = self.account.ledger();
        if ledger.receiver_gone || self.account.has_room(&ledger, &item) {
            return self.put(ledger, item, Instant::now());
        }
        let (mut waiting, mut before, mut oldest) = (Vec::new(), 0, None);
        while let Ok(older) = self.behind.try_recv() {
            let came = ledger.unwait(&older);
            oldest = oldest.or(came);
            before += older.records;
            waiting.push((older.batch, older.shares));
        }
        // What waited was counted when it came; only the newest enters now.
        ledger.entered += item.records;
        let newest = Delivery { batch: item.batch, ack: item.shares.into_one() };
        let (batch, shares, replaced) = conflate(waiting, newest);
        let kept = Item::new(batch, shares, None);
        ledger.drop_records("conflate", (before + item.records).saturating_sub(kept.records));
        self.hand_over(ledger, kept, oldest.unwrap_or_else(Instant::now));
        for ack in replaced {
            ack.resolve(Outcome::Dropped);
        }
    }

    /// Books an item as entered and puts it in.
    fn put(&self, mut ledger: MutexGuard<'_, Ledger>, item: Item, came: Instant) {
        ledger.entered += item.booked();
        self.hand_over(ledger, item, came);
    }

    fn hand_over(&self, mut ledger: MutexGuard<'_, Ledger>, item: Item, came: Instant) {
        ledger.wait(&item, came);
        if let Err(refused) = self.sender.try_send(item) {
            let item = refused.into_inner();
            ledger.waiting -= item.records;
            ledger.depth -= item.booked();
            ledger.depth_bytes -= item.bytes;
            ledger.arrivals.pop_back();
            ledger.drop_records("receiver_gone", item.booked());
            drop(ledger);
            item.shares.into_one().resolve(Outcome::Failed);
        }
    }
}

/// The end of an edge at which deliveries come out.
pub(super) struct EdgeReceiver {
    receiver: Pin<Box<Receiver<Item>>>,
    account: Arc<EdgeAccount>,
}

impl EdgeReceiver {
    /// The next delivery; `None` when the sender is gone and nothing is left.
    pub(super) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Arrival>> {
        self.receiver.as_mut().poll_next(cx).map(|item| item.map(|item| self.took(item)))
    }

    /// The next delivery, if one waits.
    pub(super) fn try_recv(&mut self) -> Option<Arrival> {
        self.receiver.try_recv().ok().map(|item| self.took(item))
    }

    fn took(&self, item: Item) -> Arrival {
        let mut ledger = self.account.ledger();
        ledger.unwait(&item);
        ledger.left += item.booked();
        drop(ledger);
        self.account.room.notify_one();
        Arrival { delivery: Delivery { batch: item.batch, ack: item.shares.into_one() }, origin: item.origin }
    }
}

impl Drop for EdgeReceiver {
    /// The node is gone for good: nobody may wait for room any more. What still waits stays in the figures.
    fn drop(&mut self) {
        self.receiver.close();
        self.account.ledger().receiver_gone = true;
        self.account.room.notify_one();
    }
}

#[cfg(test)]
#[path = "edge_tests.rs"]
mod tests;
