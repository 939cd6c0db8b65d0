//! The keeper of a pipeline's durable edges: one task, one thread, one file. It commits for all edges at once.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fieldflow_contract::{Ack, Batch, Cause, Clock, NodeError, Outcome};
use fieldflow_storage::{Worker, begin_anew, crash_point};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::durable::{DurableEdge, Limits};
use super::file::{Committed, Group, Letter, QueueFile, is_full};
use super::round::Round;

/// The file's name in the pipeline's folder.
pub const FILE: &str = "state.db";

/// How long what is done may wait to be stored as done: a crash makes a consumer without a position of its own see so much again.
const STORE_TAKEN: Duration = Duration::from_millis(200);
/// So many batches that are done are stored as done at once.
const MANY_OWED: u64 = 256;
/// A disk that is full or away is tried again after this time.
const TRY_AGAIN: Duration = Duration::from_millis(500);
/// How often it is looked for what grew too old while nothing else is to do.
const LOOK_FOR_AGED: Duration = Duration::from_secs(1);
/// Dead letters in memory; who brings more waits.
const MOST_LETTERS: usize = 64;

/// What SQLite found damaged, in the file of which queue.
struct Damaged {
    epoch: u64,
    what: String,
}

/// Keeps the durable edges and the dead letters of a pipeline.
pub struct Keeper {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// The disk's work is done in place: nobody waits for it, so virtual time does not run ahead of it.
    in_place: bool,
    edges: Vec<Arc<DurableEdge>>,
    letters: Mutex<VecDeque<(Letter, Ack)>>,
    letters_room: Notify,
    work: Arc<Notify>,
    /// What SQLite found damaged in the file while it was in use.
    damage: Mutex<Option<Damaged>>,
    closing: CancellationToken,
}

impl Keeper {
    /// A keeper of this folder. It opens nothing before it runs. On virtual time it must work `in_place`.
    pub fn new(folder: &Path, clock: Arc<dyn Clock>, in_place: bool) -> Self {
        Self {
            path: folder.join(FILE),
            clock,
            in_place,
            edges: Vec::new(),
            letters: Mutex::default(),
            letters_room: Notify::new(),
            work: Arc::new(Notify::new()),
            damage: Mutex::default(),
            closing: CancellationToken::new(),
        }
    }

    /// Makes a durable edge of this name.
    pub fn edge(&mut self, name: String, limits: Limits) -> Arc<DurableEdge> {
        let edge = DurableEdge::new(name.into(), limits, Arc::clone(&self.clock), Arc::clone(&self.work));
        self.edges.push(Arc::new(edge));
        Arc::clone(&self.edges[self.edges.len() - 1])
    }

    /// Opens the file for one who works on it.
    pub(super) async fn open(
        &self,
        name: &str,
        open: fn(&Path) -> Result<QueueFile, NodeError>,
    ) -> Result<Worker<QueueFile>, NodeError> {
        QueueFile::at_work(name, self.path.clone(), open, self.in_place).await
    }

    fn letters(&self) -> MutexGuard<'_, VecDeque<(Letter, Ack)>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a batch that nobody takes. The ack is told `rejected` when it is stored.
    pub async fn bury(&self, node: &str, reason: &str, batch: Batch, ack: Ack) {
        loop {
            {
                let mut letters = self.letters();
                if letters.len() < MOST_LETTERS {
                    letters.push_back((Letter { node: node.to_owned(), reason: reason.to_owned(), batch }, ack));
                    drop(letters);
                    return self.work.notify_one();
                }
            }
            self.letters_room.notified().await;
        }
    }

    /// Tells the keeper that the file of this queue is damaged: it sets it aside and begins a new one.
    pub(super) fn damaged(&self, epoch: u64, what: String) {
        *self.damage.lock().unwrap_or_else(PoisonError::into_inner) = Some(Damaged { epoch, what });
        self.work.notify_one();
    }

    /// Tells the keeper that nobody will bring anything any more.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Commits for as long as there is something to commit; ends after `close` when all is stored.
    pub async fn run(self: Arc<Self>) {
        let mut keeping = Keeping {
            keeper: &self,
            file: None,
            epoch: 0,
            in_doubt: None,
            trouble: None,
            full: false,
            slack: false,
            looked: None,
            committed: None,
        };
        loop {
            keeping.set_aside().await;
            if keeping.file.is_none()
                && self.needs_file()
                && let Err(error) = keeping.open().await
            {
                keeping.troubled(&error).await;
                continue;
            }
            let full = keeping.is_full().await;
            let round = self.gather(!full);
            if round.is_empty() || keeping.puts_off(&round) {
                if self.closing.is_cancelled() && self.edges.iter().all(|edge| edge.is_quiet()) {
                    if let Some(file) = keeping.file.take() {
                        file.finish(|file| file.tidy_up()).await;
                    }
                    return;
                }
                keeping.tidy().await;
                self.wait(full || keeping.slack).await;
            } else if let Err(error) = keeping.commit(round).await {
                keeping.troubled(&error).await;
            }
        }
    }

    /// A pipeline without durable edges and dead letters has no file.
    fn needs_file(&self) -> bool {
        !self.edges.is_empty() || !self.letters().is_empty()
    }

    async fn wait(&self, busy: bool) {
        let soon = busy || self.edges.iter().any(|edge| !edge.is_quiet());
        let later = self.edges.iter().any(|edge| edge.ages());
        let something = async {
            tokio::select! {
                () = self.work.notified() => {}
                () = self.closing.cancelled(), if !self.closing.is_cancelled() => {}
            }
        };
        match (soon, later) {
            (true, _) => drop(timeout(STORE_TAKEN, something).await),
            (_, true) => drop(timeout(LOOK_FOR_AGED, something).await),
            _ => something.await,
        }
    }

    /// Everything that there is to commit now; on a full disk only what makes room.
    fn gather(&self, puts: bool) -> Round {
        let mut round = Round { group: Group { now: self.clock.now(), ..Group::default() }, ..Round::default() };
        for edge in &self.edges {
            let pending = if puts { edge.take_pending() } else { Vec::new() };
            let incoming = pending.iter().map(|pending| pending.batch.bytes() as u64 / 3).sum();
            let chores = edge.chores(incoming);
            if let Some(id) = chores.id {
                round.group.puts.extend(pending.iter().map(|pending| (id, pending.batch.clone())));
            }
            round.group.taken.extend(chores.taken);
            round.group.evict.extend(chores.evict);
            round.group.damaged.extend(chores.damaged);
            round.pending.push(pending);
        }
        if puts {
            for (letter, ack) in self.letters().drain(..) {
                round.group.letters.push(letter);
                round.acks.push(ack);
            }
            self.letters_room.notify_one();
        }
        round
    }
}

/// The keeper at work.
struct Keeping<'a> {
    keeper: &'a Keeper,
    file: Option<Worker<QueueFile>>,
    /// Which queue the file is, since it was last opened.
    epoch: u64,
    /// A round whose commit failed: nobody knows whether it was done, until the file is open again.
    in_doubt: Option<Round>,
    trouble: Option<String>,
    /// The disk was full: nothing is put in until there is room again.
    full: bool,
    /// There is room in the file that can be given back to the disk.
    slack: bool,
    /// When nothing was found that is too old.
    looked: Option<Instant>,
    /// When it last committed.
    committed: Option<Instant>,
}

impl Keeping<'_> {
    async fn open(&mut self) -> Result<(), NodeError> {
        let names: Vec<String> = self.keeper.edges.iter().map(|edge| edge.name().to_owned()).collect();
        let mut file = self.keeper.open("queue", QueueFile::open).await?;
        let (epoch, found) = file
            .call(move |file| {
                let found = file.register(&names)?;
                crash_point("queue.open.registered");
                let with_oldest = found.into_iter().map(|edge| file.oldest(edge.id).map(|oldest| (edge, oldest)));
                Ok::<_, NodeError>((file.epoch(), with_oldest.collect::<Result<Vec<_>, _>>()?))
            })
            .await?;
        // The ballast is made when there is room for it; without it the disk can get full all the same.
        file.call(|file| file.has_room()).await;
        if let Some(round) = self.in_doubt.take() {
            self.settle(&mut file, round, epoch).await?;
        }
        for (edge, (found, oldest)) in self.keeper.edges.iter().zip(&found) {
            edge.opened(epoch, found, *oldest);
        }
        (self.file, self.epoch) = (Some(file), epoch);
        if self.trouble.take().is_some() {
            info!(file = %self.keeper.path.display(), "the durable edges are kept again");
        }
        Ok(())
    }

    /// A commit that answered with an error may have been done: the file knows. It was done for all edges or for none.
    async fn settle(&mut self, file: &mut Worker<QueueFile>, round: Round, epoch: u64) -> Result<(), NodeError> {
        let edges = self.keeper.edges.iter().zip(&round.pending);
        let known: Vec<(u16, u64, usize)> = edges
            .filter(|(edge, _)| edge.epoch() == epoch)
            .filter_map(|(edge, pending)| edge.last_committed().map(|(id, last)| (id, last, pending.len())))
            .collect();
        let asked = known.clone();
        let beyond = file
            .call(move |file| {
                asked.iter().map(|(id, last, _)| file.places_beyond(*id, *last)).collect::<Result<Vec<_>, _>>()
            })
            .await;
        let beyond = match beyond {
            Ok(beyond) => beyond,
            Err(error) => {
                self.in_doubt = Some(round);
                return Err(error);
            }
        };
        let done = known.len() == round.pending.len()
            && known.iter().any(|(_, _, puts)| *puts != 0)
            && known.iter().zip(&beyond).all(|((_, _, puts), places)| *puts == places.len());
        if done {
            let puts = beyond.into_iter().flatten().collect();
            self.done(round, &Committed { puts, ..Committed::default() });
        } else {
            self.undone(round);
        }
        Ok(())
    }

    /// Sets the file aside if it was found damaged, so that the next `open` begins a new one.
    async fn set_aside(&mut self) {
        let damage = self.keeper.damage.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Who still reads a file that was set aside already says nothing new.
        let Some(Damaged { what, .. }) = damage.filter(|damage| damage.epoch == self.epoch) else { return };
        self.epoch = 0;
        if let Some(file) = self.file.take() {
            file.finish(|_| ()).await;
        }
        let told = begin_anew(&self.keeper.path, &what);
        warn!(error = %told, "what waited in the durable edges is lost as far as it cannot be recovered");
    }

    /// Whether the disk is still full.
    async fn is_full(&mut self) -> bool {
        if self.full
            && let Some(file) = &mut self.file
            && file.call(|file| file.has_room()).await
        {
            self.full = false;
            info!(file = %self.keeper.path.display(), "there is room on the disk again");
        }
        self.full
    }

    /// Whether a round need not be done now: a backlog with a `max_age` can be looked through again at any moment.
    fn puts_off(&self, round: &Round) -> bool {
        let lately = self.looked.is_some_and(|looked| looked.elapsed() < LOOK_FOR_AGED);
        round.only_looks() && (lately || self.keeper.closing.is_cancelled()) || self.stores_later(round)
    }

    /// What is done is stored with the next commit, or a little later with what is done by then: a sync for each ack would wear
    /// the disk. A long backlog and a full disk are not kept waiting.
    fn stores_later(&self, round: &Round) -> bool {
        let just_now = self.committed.is_some_and(|committed| committed.elapsed() < STORE_TAKEN);
        let owed: u64 = self.keeper.edges.iter().map(|edge| edge.owed()).sum();
        round.only_stores() && just_now && owed < MANY_OWED && !self.full && !self.keeper.closing.is_cancelled()
    }

    /// Gives room back while there is nothing else to do.
    async fn tidy(&mut self) {
        if self.slack
            && let Some(file) = &mut self.file
        {
            self.slack = file.call(|file| file.give_back()).await;
        }
    }

    async fn commit(&mut self, round: Round) -> Result<(), NodeError> {
        let Some(file) = &mut self.file else {
            self.undone(round);
            return Err(NodeError::Disconnected(Cause::new("the file of the durable edges is not open")));
        };
        let group = round.group.clone();
        match file.call(move |file| file.commit(&group)).await {
            Ok(committed) => {
                self.slack |= !committed.freed.is_empty();
                self.committed = Some(Instant::now());
                self.looked = committed.evicted.is_empty().then(Instant::now);
                self.done(round, &committed);
                Ok(())
            }
            Err(error) => {
                if let Some(what) = file.call(|file| file.damage()).await {
                    self.keeper.damaged(self.epoch, what);
                }
                self.file = None;
                self.in_doubt = Some(round);
                Err(error)
            }
        }
    }

    fn done(&self, round: Round, committed: &Committed) {
        let mut places = committed.puts.as_slice();
        let mut acks = Vec::new();
        for (edge, pending) in self.keeper.edges.iter().zip(round.pending) {
            let (own, rest) = places.split_at(pending.len().min(places.len()));
            places = rest;
            acks.extend(edge.committed(pending, own));
            edge.freed(committed);
        }
        for ack in acks {
            ack.resolve(Outcome::Delivered);
            crash_point("queue.ack.told");
        }
        for ack in round.acks {
            ack.resolve(Outcome::Rejected);
        }
    }

    fn undone(&self, round: Round) {
        for (edge, pending) in self.keeper.edges.iter().zip(round.pending) {
            let id = edge.last_committed().map(|(id, _)| id);
            let own = round.group.damaged.iter().filter(|(owner, ..)| Some(*owner) == id);
            edge.not_committed(pending, own.map(|(_, sequence, reason)| (*sequence, reason.clone())).collect());
        }
        let mut letters = self.keeper.letters();
        for letter in round.group.letters.into_iter().zip(round.acks).rev() {
            letters.push_front(letter);
        }
    }

    /// Says what is wrong when it is news, and waits a little.
    async fn troubled(&mut self, error: &NodeError) {
        self.full |= is_full(&self.keeper.path);
        let message = error.to_string();
        if self.trouble.as_ref() != Some(&message) {
            warn!(file = %self.keeper.path.display(), error = message, "cannot keep what waits in the durable edges");
            self.trouble = Some(message);
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}
