//! The keeper of a pipeline's durable edges, dead letters, nodes' documents and writes to devices: one task, one thread, one file. It commits for
//! all of them at once.

mod work;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fieldflow_contract::{Ack, Audit, Batch, Clock, NodeError, Saved};
use fieldflow_storage::Worker;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::durable::{DurableEdge, Limits};
use super::file::{Document, Group, Letter, QueueFile, Written};
use super::round::Round;
use work::Keeping;

/// The file's name in the pipeline's folder.
pub const FILE: &str = "state.db";

/// Dead letters in memory; who brings more waits.
const MOST_LETTERS: usize = 64;

/// What SQLite found damaged, in the file of which queue.
struct Damaged {
    epoch: u64,
    what: String,
}

/// A node that keeps a document over a restart.
struct Kept {
    node: String,
    kind: &'static str,
    saved: Saved,
}

/// Keeps the durable edges and the dead letters of a pipeline, and what its nodes keep over a restart.
pub struct Keeper {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    /// The disk's work is done in place: nobody waits for it, so virtual time does not run ahead of it.
    in_place: bool,
    edges: Vec<Arc<DurableEdge>>,
    letters: Mutex<VecDeque<(Letter, Ack)>>,
    letters_room: Notify,
    nodes: Vec<Kept>,
    /// What nodes write to devices.
    audits: Vec<(String, Audit)>,
    /// Whether the nodes have what they kept.
    loaded: watch::Sender<bool>,
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
            nodes: Vec::new(),
            audits: Vec::new(),
            loaded: watch::Sender::new(false),
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

    /// Keeps what this node of this type stores.
    pub fn keep(&mut self, node: String, kind: &'static str, saved: Saved) {
        self.nodes.push(Kept { node, kind, saved });
    }

    /// Notes what this node writes to devices.
    pub fn audit(&mut self, node: String, audit: Audit) {
        self.audits.push((node, audit));
    }

    /// Waits until the nodes have what they kept, for as long as the disk is away.
    pub async fn loaded(&self) {
        if !self.nodes.is_empty() {
            // The sender lives as long as this.
            let _ = self.loaded.subscribe().wait_for(|loaded| *loaded).await;
        }
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
        Keeping::new(&self).run().await;
    }

    /// A pipeline without durable edges, dead letters and nodes that keep or note something has no file.
    fn needs_file(&self) -> bool {
        !(self.edges.is_empty() && self.letters().is_empty() && self.nodes.is_empty() && self.audits.is_empty())
    }

    /// Whether nothing is left to be stored.
    fn is_quiet(&self) -> bool {
        self.edges.iter().all(|edge| edge.is_quiet())
            && self.letters().is_empty()
            && !self.nodes.iter().any(|node| node.saved.is_new())
            && !self.audits.iter().any(|(_, audit)| audit.is_new())
    }

    /// Waits for something to do, or until it is time to look.
    async fn wait(&self, look_in: Option<Duration>, closing: bool) {
        let something = async {
            tokio::select! {
                () = self.work.notified() => {}
                () = self.closing.cancelled(), if !closing => {}
            }
        };
        match look_in {
            Some(wait) => drop(timeout(wait, something).await),
            None => something.await,
        }
    }

    /// Everything that there is to commit now; on a full disk only what makes room. Nodes' documents only when it is time.
    fn gather(&self, puts: bool, documents: bool) -> Round {
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
        for (node, audit) in self.audits.iter().filter(|(_, audit)| puts && audit.is_new()) {
            let entries = audit.take_new();
            round.group.writes.extend(entries.iter().map(|entry| Written { node: node.clone(), entry: entry.clone() }));
            round.audited.push((audit.clone(), entries));
        }
        for Kept { node, kind, saved } in self.nodes.iter().filter(|_| puts && documents) {
            if let Some(bytes) = saved.take_new() {
                round.group.documents.push(Document { node: node.clone(), kind, bytes });
                round.saved.push(saved.clone());
            }
        }
        round
    }
}
