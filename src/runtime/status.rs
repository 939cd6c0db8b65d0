//! What is known of one node while it runs: its state, its counters, its last error.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fieldflow_contract::{Ack, Clock, LinkStatus, Links, Notices, Role, Tally};
use tracing::{info, warn};

use super::guard::guard_call;
use super::news::News;
use crate::graph::Secrets;
use crate::telemetry::{NodeSnapshot, NodeState, SourceSnapshot};

const NEVER: i64 = i64::MIN;

/// The counters and the state of a node. The loops write, a snapshot reads.
pub(super) struct NodeStatus {
    pipeline: String,
    name: String,
    kind: &'static str,
    role: Role,
    ports: Vec<String>,
    clock: Arc<dyn Clock>,
    own: Own,
    secrets: Arc<Secrets>,
    received: AtomicU64,
    written: AtomicU64,
    sent: Vec<AtomicU64>,
    busy_nanos: AtomicU64,
    last_record: AtomicI64,
    words: Mutex<Words>,
    source: Mutex<SourceSnapshot>,
}

/// What a node tells of itself.
pub(super) struct Own {
    pub(super) tally: Tally,
    pub(super) links: Links,
    pub(super) notices: Notices,
}

struct Words {
    state: NodeState,
    discarded: BTreeMap<&'static str, u64>,
    last_error: Option<String>,
    /// Tries since the trouble that is going on began.
    attempts: u64,
    news: News,
}

impl NodeStatus {
    pub(super) fn new(
        (pipeline, name): (&str, &str),
        (kind, role): (&'static str, Role),
        ports: Vec<String>,
        clock: Arc<dyn Clock>,
        own: Own,
        secrets: Arc<Secrets>,
    ) -> Self {
        let words = Words {
            state: NodeState::Starting,
            discarded: BTreeMap::new(),
            last_error: None,
            attempts: 0,
            news: News::default(),
        };
        Self {
            pipeline: pipeline.to_owned(),
            name: name.to_owned(),
            kind,
            role,
            sent: ports.iter().map(|_| AtomicU64::new(0)).collect(),
            ports,
            clock,
            own,
            secrets,
            received: AtomicU64::new(0),
            written: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
            last_record: AtomicI64::new(NEVER),
            words: Mutex::new(words),
            source: Mutex::default(),
        }
    }

    fn words(&self) -> MutexGuard<'_, Words> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn received(&self, records: u64) {
        self.received.fetch_add(records, Ordering::Relaxed);
        self.touch();
    }

    /// Records that a sink has brought to where they stay.
    pub(super) fn written(&self, records: u64) {
        self.written.fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, port: usize, records: u64) {
        self.sent[port].fetch_add(records, Ordering::Relaxed);
        self.touch();
    }

    fn touch(&self) {
        self.last_record.store(self.clock.now().0, Ordering::Relaxed);
    }

    pub(super) fn busy(&self, spent: Duration) {
        self.busy_nanos.fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
    }

    pub(super) fn discarded(&self, reason: &'static str, records: u64) {
        *self.words().discarded.entry(reason).or_default() += records;
    }

    pub(super) fn count_error(&self, kind: &'static str) {
        self.own.tally.add(kind, 1);
    }

    pub(super) fn state(&self, state: NodeState) {
        self.words().state = state;
    }

    /// Notes a failure, without the secrets in its message. It is logged when it is news, not at every try.
    pub(super) fn failing(&self, state: NodeState, kind: &'static str, message: &str) {
        self.count_error(kind);
        let message = self.secrets.hide(message);
        let mut words = self.words();
        let news = words.news.trouble(&message) || state == NodeState::Broken;
        words.state = state;
        words.attempts += 1;
        words.last_error = Some(message.clone().into_owned());
        drop(words);
        if news {
            warn!(pipeline = self.pipeline, node = self.name, state = state.word(), error = &*message, "{}", kind);
        }
    }

    /// Notes that the node works, but refused something for good.
    pub(super) fn rejecting(&self, message: &str) {
        self.running();
        self.failing(NodeState::Running, "rejected", message);
    }

    /// Notes that the node works; logged when it did not before.
    pub(super) fn running(&self) {
        let mut words = self.words();
        let before = std::mem::replace(&mut words.state, NodeState::Running);
        if before == NodeState::Running {
            return;
        }
        let attempts = std::mem::take(&mut words.attempts);
        let news = words.news.over();
        drop(words);
        match before {
            NodeState::Starting => info!(pipeline = self.pipeline, node = self.name, "running"),
            _ if news => info!(pipeline = self.pipeline, node = self.name, attempts, "running again"),
            _ => {}
        }
    }

    /// Whether the node works as far as is known.
    pub(super) fn is_running(&self) -> bool {
        self.words().state == NodeState::Running
    }

    /// An ack that keeps the source's ledger and then tells the source.
    pub(super) fn issue(self: &Arc<Self>, upstream: Ack) -> Ack {
        {
            let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
            source.sent += 1;
            source.outstanding += 1;
        }
        let status = Arc::clone(self);
        Ack::explained(move |outcome, reason| {
            // It may go to whoever sent the records.
            if let Some(reason) = reason {
                upstream.rejected(&status.secrets.hide(&reason));
            }
            {
                let mut source = status.source.lock().unwrap_or_else(PoisonError::into_inner);
                source.outstanding -= 1;
                source.resolved[outcome as usize] += 1;
            }
            // Whoever holds the last share tells the source: its panic must not become theirs.
            if let Err(panicked) = guard_call(|| upstream.resolve(outcome)) {
                let state = status.words().state;
                status.failing(state, "panic", &panicked.0);
            }
        })
    }

    fn links(&self) -> Vec<LinkStatus> {
        let hide = |text: &str| self.secrets.hide(text).into_owned();
        let links = self.own.links.snapshot().into_iter();
        let links =
            links.map(|link| LinkStatus { name: hide(&link.name), trouble: link.trouble.as_deref().map(hide), ..link });
        links.collect()
    }

    pub(super) fn snapshot(&self) -> NodeSnapshot {
        let words = self.words();
        let last = self.last_record.load(Ordering::Relaxed);
        let sent = self.sent.iter().map(|sent| sent.load(Ordering::Relaxed));
        NodeSnapshot {
            name: self.name.clone(),
            kind: self.kind,
            role: self.role,
            state: words.state,
            received: self.received.load(Ordering::Relaxed),
            sent: self.ports.iter().cloned().zip(sent).collect(),
            written: self.written.load(Ordering::Relaxed),
            discarded: words.discarded.clone(),
            errors: self.own.tally.snapshot(),
            gauges: self.own.tally.gauges(),
            busy: Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed)),
            last_record_age: (last != NEVER).then(|| self.clock.now().since(fieldflow_contract::Timestamp(last))),
            last_error: words.last_error.clone(),
            links: self.links(),
            notices: self.own.notices.last().iter().map(|said| self.secrets.hide(said).into_owned()).collect(),
            source: (self.role == Role::Source).then(|| *self.source.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}
