//! The pump of a durable edge: hands over what is committed, in order, from memory while the reader keeps up and from the disk
//! when it does not.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{Ack, Batch, NodeError, Position};
use fieldflow_storage::{Worker, crash_point};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::codec::Damage;
use super::durable::{DurableEdge, Lane, Place, Step};
use super::file::{LAST_SEQUENCE, QueueFile, ReadBack};
use super::keeper::Keeper;

/// How much is read at once: enough to be fast, little enough to be no matter in memory.
const READ_AT_ONCE: u64 = 256 * 1024;
/// A disk that cannot be read is asked again after this time.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// A batch that failed so often is a dead letter: it must not loop.
const MOST_FAILURES: u8 = 2;

/// Where a delivery comes from: its edge and its place in it.
#[derive(Clone)]
pub struct Origin {
    /// The edge.
    pub edge: Arc<DurableEdge>,
    /// Its place, counted from 1.
    pub sequence: u64,
    /// Which queue the place is of: the file may be replaced while a batch is on its way.
    pub(super) epoch: u64,
}

impl Origin {
    /// What the batch is known by, now and when it comes again.
    pub fn position(&self) -> Position {
        Position { edge: self.edge.shared_name(), epoch: self.epoch, sequence: self.sequence }
    }

    /// Gives the batch back to its edge: the consumer cannot take it now. Whatever its ack says then is no news.
    pub fn postpone(&self) {
        self.edge.postpone(self.epoch, self.sequence);
    }

    /// Whether the edge wants the batch back, to hand over older ones before it.
    pub fn is_recalled(&self) -> bool {
        self.edge.is_recalled(self.epoch, self.sequence)
    }

    /// Whether the batch is done already: its consumer said so by its position.
    pub fn is_done(&self) -> bool {
        self.edge.is_done(self.epoch, self.sequence)
    }
}

/// Where the pump hands batches over to.
pub trait Outlet: Send + Sync {
    /// Whether nobody takes anything any more.
    fn is_closed(&self) -> bool;
    /// Hands a batch over; waits until there is room.
    fn hand_over(&self, batch: Batch, ack: Ack, origin: Origin) -> impl Future<Output = ()> + Send;
}

/// Pumps until there will be no more, nobody takes anything, or `stop` comes while it would have to read from the disk: what is
/// there is safe there.
pub async fn pump(edge: Arc<DurableEdge>, keeper: Arc<Keeper>, out: impl Outlet, stop: CancellationToken) {
    let reader = Reader::new(Arc::clone(&keeper));
    let mut pump = Pump { reader, keeper, out, due: Instant::now(), ahead: Default::default(), edge };
    loop {
        if pump.out.is_closed() {
            return;
        }
        match pump.edge.step(pump.due <= Instant::now()) {
            Step::Live(place, batch) => pump.hand_over(place, batch).await,
            Step::End => return,
            Step::Wait => {
                // After a stop the sender closes the edge, and that wakes the pump too.
                pump.edge.wait_for_more().await;
            }
            Step::Later | Step::Postponed | Step::Read(..) | Step::Again(..) if stop.is_cancelled() => return,
            Step::Later => {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(pump.due) => {}
                    () = pump.edge.wait_for_more() => {}
                }
            }
            Step::Postponed => {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = pump.edge.wait_for_more() => {}
                }
            }
            Step::Read(lane, from, upto) => {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => return,
                    () = pump.replay(lane, from, upto) => {}
                }
            }
            Step::Again(place, times) => pump.again(place, times).await,
        }
    }
}

struct Pump<O> {
    edge: Arc<DurableEdge>,
    keeper: Arc<Keeper>,
    out: O,
    reader: Reader,
    /// When the next replayed batch may go, if replay is limited.
    due: Instant,
    /// What was read and not handed over yet, of each lane, and of which queue it is.
    ahead: [(u64, VecDeque<ReadBack>); 2],
}

impl<O: Outlet> Pump<O> {
    async fn hand_over(&self, Place { epoch, sequence }: Place, batch: Batch) {
        let edge = Arc::clone(&self.edge);
        let ack = Ack::new(move |outcome| edge.resolved(epoch, sequence, outcome));
        self.out.hand_over(batch, ack, Origin { edge: Arc::clone(&self.edge), sequence, epoch }).await;
        crash_point("queue.handed_over");
    }

    /// Hands the next batch of a lane over, from what was read of it before if it is there.
    async fn replay(&mut self, lane: Lane, from: Place, upto: u64) {
        let (epoch, ahead) = &mut self.ahead[usize::from(lane == Lane::Live)];
        // The lane may have gone on elsewhere meanwhile.
        if *epoch != from.epoch || ahead.front().is_none_or(|first| from.sequence < first.sequence) {
            ahead.clear();
        }
        while ahead.front().is_some_and(|first| first.sequence < from.sequence) {
            ahead.pop_front();
        }
        if ahead.is_empty() {
            let Some(read) = self.reader.read(&self.edge, from, upto, READ_AT_ONCE).await else { return };
            // What should be there is gone, which only an eviction does; the edge knows it or is told here.
            let none = || if upto == LAST_SEQUENCE { from.sequence } else { upto };
            let first = read.first().map_or_else(|| none() + 1, |first| first.sequence);
            self.edge.nothing_before(lane, from, first);
            (*epoch, *ahead) = (from.epoch, read.into());
        }
        let Some(ReadBack { sequence, records, batch }) = ahead.pop_front() else { return };
        let place = Place { sequence, ..from };
        match batch {
            Ok(batch) => {
                if self.edge.takes(lane, place, &batch) {
                    if let Some(rate) = self.edge.limits().replay_rate {
                        let wait = Duration::from_secs_f64(batch.len() as f64 / rate);
                        self.due = self.due.max(Instant::now()) + wait;
                    }
                    self.hand_over(place, batch.replayed()).await;
                }
            }
            Err(damage) => {
                warn!(edge = self.edge.name(), sequence, records, %damage, "a damaged batch is set aside");
                self.edge.damaged(lane, place, records, &damage.to_string());
            }
        }
    }

    /// A batch that failed on its way is tried once more; then it is given up, with its content in the dead letters.
    async fn again(&mut self, place: Place, times: u8) {
        let Place { epoch, sequence } = place;
        let Some(read) = self.reader.read(&self.edge, place, sequence, 1).await else {
            return self.edge.not_read(place);
        };
        match read.into_iter().find(|read| read.sequence == sequence).map(|read| read.batch) {
            Some(Ok(batch)) if times < MOST_FAILURES => self.hand_over(place, batch.replayed()).await,
            Some(Ok(batch)) => {
                let edge = Arc::clone(&self.edge);
                let ack = Ack::new(move |_| edge.resolved(epoch, sequence, fieldflow_contract::Outcome::Rejected));
                self.keeper.bury(self.edge.name(), "it failed twice behind this edge", batch, ack).await;
            }
            // Nobody has it any more, and that is counted.
            Some(Err(_)) => self.edge.gone(place, "damaged"),
            None => self.edge.gone(place, "drop_oldest"),
        }
    }
}

/// The pump's own connection, opened when it first has to read.
struct Reader {
    keeper: Arc<Keeper>,
    /// The connection, and of which queue it is.
    file: Option<(Worker<QueueFile>, u64)>,
}

impl Reader {
    fn new(keeper: Arc<Keeper>) -> Self {
        Self { keeper, file: None }
    }

    /// What stands in the file from this batch on; `None` after trouble with the disk, which was waited for.
    async fn read(&mut self, edge: &DurableEdge, from: Place, upto: u64, most: u64) -> Option<Vec<ReadBack>> {
        let (id, _) = edge.last_committed()?;
        match self.try_read(id, from, upto, most).await {
            Ok(read) => Some(read),
            Err(error) => {
                warn!(edge = edge.name(), %error, "cannot read what waits on disk");
                if let Some((mut file, epoch)) = self.file.take()
                    && let Some(what) = file.call(|file| file.damage()).await
                {
                    self.keeper.damaged(epoch, what);
                }
                tokio::time::sleep(READ_AGAIN).await;
                None
            }
        }
    }

    async fn try_read(&mut self, id: u16, from: Place, upto: u64, most: u64) -> Result<Vec<ReadBack>, NodeError> {
        let Place { epoch, sequence: from } = from;
        if self.file.as_ref().is_some_and(|(_, of)| *of != epoch) {
            // The file was set aside, and this connection would go on reading it.
            self.file = None;
        }
        if self.file.is_none() {
            self.file = Some((self.keeper.open("queue-reader", QueueFile::open_beside).await?, epoch));
        }
        let Some((file, _)) = &mut self.file else { return Ok(Vec::new()) };
        file.call(move |file| {
            let read = file.read(id, from, upto, most)?;
            if read.iter().all(|read| !matches!(read.batch, Err(Damage::UnknownTag))) {
                return Ok(read);
            }
            // The keeper's connection adds to the dictionary.
            file.refresh()?;
            file.read(id, from, upto, most)
        })
        .await
    }
}
