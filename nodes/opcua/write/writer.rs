//! What becomes of a command: written once, or refused with a reason; and noted, whatever became of it.

use std::collections::HashSet;
use std::time::Duration;

use fieldflow_contract::{
    Audit, Batch, BuildContext, BuildError, Cause, Gather, LinkState, NodeError, Position, Record, Sink, TagMap,
};
use opcua::types::{NodeId, Variant};
use tokio::time::Instant;

use super::config::{Config, Settings};
use super::form::Form;
use super::send::Sending;
use super::target::Target;
use crate::command::book::Refused;
use crate::command::gates::Gates;
use crate::command::held::Held;
use crate::opcua::connection::{Server, end, is_of_link};
use crate::opcua::refusal::Refusal;
use crate::opcua::session::Session;

/// Writes to one server.
pub(super) struct Writer {
    pub(super) server: Server,
    pub(super) session: Option<Session>,
    pub(super) targets: Vec<Target>,
    /// Their places, by their tags.
    listed: TagMap<usize>,
    pub(super) gates: Gates,
    /// Whether the time of the record is written too.
    pub(super) source_time: bool,
    /// The batch in hand, which comes again if the connection is lost in the middle of it.
    held: Option<Held>,
    /// Why there is no connection, and since when.
    pub(super) trouble: Option<(Instant, Refusal)>,
    /// What was said of nodes that cannot be written.
    said: HashSet<String>,
}

/// How a command ended: a word for the counters, and why it was refused.
pub(super) type Ended = Result<&'static str, Refused>;

/// A command that may be sent.
pub(super) struct Command<'a> {
    pub(super) record: &'a Record,
    /// Its place among those that are done together.
    pub(super) at: usize,
    /// The place of its target.
    pub(super) target: usize,
    pub(super) node: NodeId,
    pub(super) form: Form,
    pub(super) value: Variant,
    rest: Duration,
}

/// How long to wait before something that only a person can mend is tried again.
const PERSON: Duration = Duration::from_secs(10);
/// How long to wait before a node that cannot be written is looked at again, when a command for it comes.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Most nodes that are named when they cannot be written.
const MOST_SAID: usize = 5;

impl Writer {
    /// A writer with these options; opens nothing.
    pub(super) fn new(config: &Config, settings: Settings, context: &BuildContext) -> Result<Self, BuildError> {
        let Settings { access, limits, targets } = settings;
        let server = Server::new(&access, context).map_err(|(at, why)| BuildError(format!("user.{at}: {why}")))?;
        let mut listed = TagMap::default();
        for (place, target) in targets.iter().enumerate() {
            *listed.slot(target.tag) = Some(place);
        }
        let gates = Gates::new(limits, context, access.url);
        let source_time = config.source_time;
        let (session, held, trouble, said) = (None, None, None, HashSet::new());
        Ok(Self { server, session, targets, listed, gates, source_time, held, trouble, said })
    }
}

impl Sink for Writer {
    async fn connect(&mut self) -> Result<(), NodeError> {
        // What is in hand opens the connection itself, so that it can expire while that does not work.
        if self.held.is_some() {
            return Ok(());
        }
        self.open().await.map_err(NodeError::from)
    }

    fn gather(&self) -> Gather {
        Gather { records: 1, wait: Duration::ZERO }
    }

    async fn write(&mut self, batches: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        let [batch] = batches else {
            return Err(NodeError::Broken(Cause::new("several batches at once, but one was to be gathered")));
        };
        let mut held = Held::take(self.held.take(), batch);
        while held.done < batch.len() {
            match self.step(batch, held.done).await {
                Ok(ended) => {
                    for (ended, record) in ended.into_iter().zip(batch.records().iter().skip(held.done)) {
                        let word = match ended {
                            Ok(word) => word,
                            Err((word, reason)) => {
                                held.refuse(held.done, format!("{}: {reason}", record.tag));
                                word
                            }
                        };
                        self.server.tally.add(word, 1);
                        held.done += 1;
                    }
                }
                Err(refusal) => {
                    self.held = Some(held);
                    return Err(refusal.into());
                }
            }
        }
        held.outcome()
    }

    async fn idle(&mut self) -> NodeError {
        match &mut self.session {
            Some(session) => {
                let refusal = session.channel.closed().await;
                self.lost(refusal).into()
            }
            None => match &self.trouble {
                Some((_, refusal)) => refusal.clone().into(),
                None => Refusal::link("the connection is not open").into(),
            },
        }
    }

    async fn close(&mut self) {
        if let Some(session) = self.session.take() {
            end(&session.channel, &session.token).await;
            session.channel.close().await;
        }
        self.server.link.set(LinkState::Disconnected);
    }
}

impl Writer {
    /// Opens a connection, and asks the server what the nodes are.
    pub(super) async fn open(&mut self) -> Result<(), Refusal> {
        if let Some((since, refusal)) = &self.trouble
            && refusal.is_for_a_person
            && since.elapsed() < PERSON
        {
            return Err(refusal.clone());
        }
        self.session = None;
        match self.begin().await {
            Ok(session) => {
                (self.session, self.trouble) = (Some(session), None);
                self.tell_unwritable();
                Ok(())
            }
            Err(refusal) => {
                self.trouble = Some((Instant::now(), refusal.clone()));
                Err(refusal)
            }
        }
    }

    async fn begin(&mut self) -> Result<Session, Refusal> {
        let (mut session, _) = self.server.connect().await?;
        let mut all: Vec<&mut Target> = self.targets.iter_mut().collect();
        let Err(error) = session.place(&mut all).await else { return Ok(session) };
        if !is_of_link(error.status()) {
            self.server.forget();
        }
        let what = format_args!("{}: what the nodes are cannot be asked", self.server.url());
        let refusal = Refusal { is_for_a_person: false, ..Refusal::of(what, &error) };
        self.server.lost(&refusal);
        Err(refusal)
    }

    /// The connection is given up because of this.
    pub(super) fn lost(&mut self, refusal: Refusal) -> Refusal {
        if !is_of_link(refusal.code) {
            // What is wrong may be the session itself.
            self.server.forget();
        }
        self.session = None;
        let refusal = Refusal { is_for_a_person: false, ..refusal };
        self.server.lost(&refusal);
        self.server.tally.add("disconnected", 1);
        self.trouble = Some((Instant::now(), refusal.clone()));
        refusal
    }

    fn tell_unwritable(&mut self) {
        let url = self.server.url();
        let wrong = |target: &Target| Some(format!("`{}`: {}", target.tag, target.place.as_ref().err()?));
        let wrong: HashSet<String> = self.targets.iter().filter_map(wrong).collect();
        let mut new: Vec<&String> = wrong.difference(&self.said).collect();
        new.sort_unstable();
        for what in new.iter().take(MOST_SAID) {
            self.server.notices.say(format!("{url}: cannot be written: {what}"));
        }
        if let Some(more) = new.len().checked_sub(MOST_SAID).filter(|more| 0 < *more) {
            self.server.notices.say(format!("{url}: {more} more tags cannot be written"));
        }
        self.said = wrong;
    }

    /// Does what the next records of a batch ask for; how each of them ended. None of them did if the connection is lost before
    /// anything was sent.
    async fn step(&mut self, batch: &Batch, from: usize) -> Result<Vec<Ended>, Refusal> {
        let Some(first) = batch.records().get(from) else { return Ok(Vec::new()) };
        if let Err(ended) = self.early(first, batch) {
            return Ok(vec![Err(ended)]);
        }
        if let Some(session) = &mut self.session
            && session.channel.is_closed()
        {
            let refusal = session.channel.closed().await;
            self.lost(refusal);
        }
        if self.session.is_none() {
            self.open().await?;
        }
        let most = self.session.as_ref().map_or(1, |session| session.profile.writes.clamp(1, Audit::MOST));
        self.look_again(batch, from, most).await?;
        let (mut ended, mut group) = (Vec::new(), Vec::new());
        let mut nodes = HashSet::new();
        for record in batch.records().iter().skip(from) {
            if most <= group.len() {
                break;
            }
            match self.prepare(record, batch, ended.len()) {
                // Its records are written in their order.
                Ok(command) if !nodes.insert(command.node.clone()) => break,
                Ok(command) => {
                    ended.push(None);
                    group.push(command);
                }
                Err(refused) => ended.push(Some(Err(refused))),
            }
        }
        if group.is_empty() {
            return Ok(ended.into_iter().flatten().collect());
        }
        let rest = group.iter().map(|command| command.rest).max().unwrap_or_default();
        let waited = self.gates.wait(group.len(), Instant::now().checked_add(rest)).await;
        // What has expired while it waited.
        group.retain(|command| {
            let Err(refused) = waited.clone().and_then(|()| self.gates.rest(command.record, batch, "")) else {
                return true;
            };
            if let Some(slot) = ended.get_mut(command.at) {
                *slot = Some(Err(refused));
            }
            false
        });
        if group.is_empty() {
            return Ok(ended.into_iter().flatten().collect());
        }
        match self.send(group, &mut ended).await {
            Sending::Done => Ok(ended.into_iter().flatten().collect()),
            Sending::Again => Ok(Vec::new()),
            Sending::Lost(refusal) => Err(refusal),
        }
    }

    /// What can be told of a command without the server: how much time it has left.
    fn early(&self, record: &Record, batch: &Batch) -> Result<Duration, Refused> {
        let Some(target) = self.target(record) else { return Err(("not_listed", "not listed".to_owned())) };
        let why = self.trouble.as_ref().map_or_else(String::new, |(_, refusal)| format!(": {refusal}"));
        self.gates.admit(record, batch)?;
        let rest = self.gates.rest(record, batch, &why)?;
        self.gates.not_too_soon(record.tag, target.min_interval)?;
        self.gates.in_turn(rest)?;
        Ok(rest)
    }

    fn target(&self, record: &Record) -> Option<&Target> {
        self.listed.get(record.tag).and_then(|place| self.targets.get(*place))
    }

    /// A command that is ready to be sent; else why it is refused.
    fn prepare<'a>(&self, record: &'a Record, batch: &Batch, at: usize) -> Result<Command<'a>, Refused> {
        let rest = self.early(record, batch)?;
        let (Some(place), Some(target)) = (self.listed.get(record.tag), self.target(record)) else {
            return Err(("not_listed", "not listed".to_owned()));
        };
        let node = target.place.as_ref().map_err(|why| ("not_writable", format!("nothing was sent: {why}")))?;
        let namespaces = self.session.as_ref().map_or(&[][..], |session| &session.namespaces);
        let value = node.form.variant(&record.value, target.measure, namespaces).map_err(|why| ("value", why))?;
        let (node, form) = (node.node.clone(), node.form.clone());
        Ok(Command { record, at, target: *place, node, form, value, rest })
    }

    /// Looks at nodes again that could not be written when they were looked at last: somebody may have mended that.
    async fn look_again(&mut self, batch: &Batch, from: usize, most: usize) -> Result<(), Refusal> {
        let next: HashSet<usize> = batch
            .records()
            .iter()
            .skip(from)
            .take(most)
            .filter_map(|record| self.listed.get(record.tag).copied())
            .collect();
        let is_due = |target: &Target| {
            target.place.is_err() && target.looked.is_none_or(|looked| LOOK_AGAIN <= looked.elapsed())
        };
        let Some(session) = &mut self.session else { return Ok(()) };
        let mut due: Vec<&mut Target> = self
            .targets
            .iter_mut()
            .enumerate()
            .filter(|(place, target)| next.contains(place) && is_due(target))
            .map(|(_, target)| target)
            .collect();
        if due.is_empty() {
            return Ok(());
        }
        match session.place(&mut due).await {
            Ok(()) => Ok(()),
            Err(error) => {
                let what = format!("{}: what the nodes are cannot be asked", self.server.url());
                Err(self.lost(Refusal::of(what, &error)))
            }
        }
    }
}
