//! The keeper at work: opens the file, commits, and goes on when the disk fails, fills, or damages the file.

use std::sync::PoisonError;
use std::time::Duration;

use fieldflow_contract::{Cause, NodeError, Outcome, Saved};
use fieldflow_storage::{Worker, begin_anew, crash_point};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{Damaged, Keeper, Kept};
use crate::queue::file::{Committed, QueueFile, is_full};
use crate::queue::round::Round;

/// How long what is done may wait to be stored as done: a crash makes a consumer without a position of its own see so much again.
const STORE_TAKEN: Duration = Duration::from_millis(200);
/// So many batches that are done are stored as done at once.
const MANY_OWED: u64 = 256;
/// How long what the nodes keep may wait to be stored, and how long it does at least. What they wrote waits no longer.
const STORE_DOCUMENTS: Duration = Duration::from_secs(1);
/// How often it is looked for what grew too old while nothing else is to do.
const LOOK_FOR_AGED: Duration = Duration::from_secs(1);
/// A disk that is full or away is tried again after this time.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// The keeper at work.
pub(super) struct Keeping<'a> {
    keeper: &'a Keeper,
    file: Option<Worker<QueueFile>>,
    /// Which queue the file is, since it was last opened.
    epoch: u64,
    /// A round whose commit failed: nobody knows whether it was done, until the file is open again.
    in_doubt: Option<Round>,
    /// The queue in whose file the nodes' documents are.
    documents_in: Option<u64>,
    trouble: Option<String>,
    /// The disk was full: nothing is put in until there is room again.
    full: bool,
    /// There is room in the file that can be given back to the disk.
    slack: bool,
    /// When nothing was found that is too old.
    looked: Option<Instant>,
    /// When it last committed.
    committed: Option<Instant>,
    /// When the nodes were last asked for what they store.
    asked: Option<Instant>,
}

impl<'a> Keeping<'a> {
    pub(super) fn new(keeper: &'a Keeper) -> Self {
        Self {
            keeper,
            file: None,
            epoch: 0,
            in_doubt: None,
            documents_in: None,
            trouble: None,
            full: false,
            slack: false,
            looked: None,
            committed: None,
            asked: None,
        }
    }

    pub(super) async fn run(&mut self) {
        let keeper = self.keeper;
        loop {
            self.set_aside().await;
            if self.file.is_none()
                && keeper.needs_file()
                && let Err(error) = self.open().await
            {
                if keeper.closing.is_cancelled() && keeper.is_quiet() && self.in_doubt.is_none() {
                    return;
                }
                self.troubled(&error).await;
                continue;
            }
            let full = self.is_full().await;
            // Asked first: what the nodes stored before the end is seen after it.
            let closing = keeper.closing.is_cancelled();
            let round = keeper.gather(!full, self.documents_are_due(closing));
            if !round.is_empty() && !self.puts_off(&round) {
                if let Err(error) = self.commit(round).await {
                    self.troubled(&error).await;
                }
            } else if closing && keeper.is_quiet() {
                if let Some(file) = self.file.take() {
                    file.finish(|file| file.tidy_up()).await;
                }
                return;
            } else {
                self.tidy().await;
                keeper.wait(self.look_in(full), closing).await;
            }
        }
    }

    async fn open(&mut self) -> Result<(), NodeError> {
        let open = if self.keeper.in_place { QueueFile::open_for_virtual_time } else { QueueFile::open };
        let mut file = self.keeper.open("queue", open).await?;
        match self.enter(&mut file).await {
            Ok(epoch) => (self.file, self.epoch) = (Some(file), epoch),
            Err(error) => {
                self.let_go(file).await;
                return Err(error);
            }
        }
        if self.trouble.take().is_some() {
            info!(file = %self.keeper.path.display(), "the state of the pipeline is kept again");
        }
        Ok(())
    }

    /// Finds the edges and the documents in a file that was opened; which queue it is.
    async fn enter(&mut self, file: &mut Worker<QueueFile>) -> Result<u64, NodeError> {
        let names: Vec<String> = self.keeper.edges.iter().map(|edge| edge.name().to_owned()).collect();
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
        self.load(file, epoch).await?;
        if let Some(round) = self.in_doubt.take() {
            self.settle(file, round, epoch).await?;
        }
        for (edge, (found, oldest)) in self.keeper.edges.iter().zip(&found) {
            edge.opened(epoch, found, *oldest);
        }
        Ok(epoch)
    }

    /// Hands the nodes what they kept. A file that took the place of another is to get what that one had.
    async fn load(&mut self, file: &mut Worker<QueueFile>, epoch: u64) -> Result<(), NodeError> {
        let nodes = &self.keeper.nodes;
        match self.documents_in {
            Some(known) if known == epoch => {}
            Some(_) => nodes.iter().for_each(|node| node.saved.not_written()),
            None => {
                let names: Vec<_> = nodes.iter().map(|Kept { node, kind, .. }| (node.clone(), *kind)).collect();
                let found = file.call(move |file| {
                    names.iter().map(|(node, kind)| file.document(node, kind)).collect::<Result<Vec<_>, _>>()
                });
                for (Kept { node, saved, .. }, found) in nodes.iter().zip(found.await?) {
                    match found {
                        Some(Ok(bytes)) => saved.found(bytes),
                        Some(Err(damage)) => {
                            let file = self.keeper.path.display();
                            warn!(node, %file, %damage, "what the node kept over the restart is damaged: it begins anew");
                        }
                        None => {}
                    }
                }
                self.keeper.loaded.send_replace(true);
            }
        }
        self.documents_in = Some(epoch);
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

    /// Whether it is time to write what the nodes store. Not with every commit: a large document would wear the disk.
    fn documents_are_due(&mut self, closing: bool) -> bool {
        let due = closing || self.asked.is_none_or(|asked| STORE_DOCUMENTS <= asked.elapsed());
        if due {
            self.asked = Some(Instant::now());
        }
        due
    }

    /// How long to wait for something to do before it is looked again; `None` for as long as it takes.
    fn look_in(&self, full: bool) -> Option<Duration> {
        let Keeper { edges, nodes, audits, .. } = self.keeper;
        let soon = full || self.slack || edges.iter().any(|edge| !edge.is_quiet());
        let ages = edges.iter().any(|edge| edge.ages());
        let asked = self.asked.filter(|_| !nodes.is_empty() || !audits.is_empty());
        let documents = asked.map(|asked| STORE_DOCUMENTS.saturating_sub(asked.elapsed()));
        [soon.then_some(STORE_TAKEN), ages.then_some(LOOK_FOR_AGED), documents].into_iter().flatten().min()
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
            return Err(NodeError::Disconnected(Cause::new("the file is not open")));
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
                if let Some(file) = self.file.take() {
                    self.let_go(file).await;
                }
                self.in_doubt = Some(round);
                Err(error)
            }
        }
    }

    /// Closes a file that failed. One that SQLite found damaged is set aside, and nobody may have it open then.
    async fn let_go(&self, mut file: Worker<QueueFile>) {
        if let Some(what) = file.call(|file| file.damage()).await {
            self.keeper.damaged(self.epoch, what);
            file.finish(|_| ()).await;
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
        round.saved.iter().for_each(Saved::not_written);
        round.audited.into_iter().for_each(|(audit, entries)| audit.not_written(entries));
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
            warn!(file = %self.keeper.path.display(), error = message, "cannot keep the state of the pipeline");
            self.trouble = Some(message);
        }
        tokio::time::sleep(TRY_AGAIN).await;
    }
}
