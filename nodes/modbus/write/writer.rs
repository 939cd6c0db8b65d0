//! What becomes of a command: written once, or refused with a reason; and noted, whatever became of it.

use std::collections::BTreeSet;
use std::time::Duration;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Cause, Gather, Level, NodeError, Position, Record, Sink, Tag, TagMap, Tally,
    Timestamp,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::book::{Book, Undone, refusal};
use super::config::{Config, Settings};
use super::target::{Means, Raw, Target};
use crate::modbus::frame::{Reply, Request};
use crate::modbus::health::Admission;
use crate::modbus::line::{Line, Trouble};
use crate::modbus::session::{Session, meaning};

/// Writes to one unit.
pub(super) struct Writer {
    session: Session,
    targets: TagMap<Target>,
    means: Means,
    expire: Duration,
    uncertain: bool,
    /// The least time between two writes.
    gap: Duration,
    /// When something was written last; then when each tag was.
    last: Option<Instant>,
    last_of: TagMap<Instant>,
    /// When this run began.
    began: Timestamp,
    /// The batch in hand, which comes again if the line is lost in the middle of it.
    held: Option<Held>,
    book: Book,
    tally: Tally,
}

/// A batch, and how far it has come.
struct Held {
    batch: Batch,
    /// How many of its records are done with.
    done: usize,
    /// Which of them were refused, and why.
    refused: BTreeSet<usize>,
    reasons: Vec<String>,
}

/// How long to wait before what was not sent is tried again.
const AGAIN: Duration = Duration::from_millis(50);
/// Most reasons that are told of one batch.
const MOST_REASONS: usize = 5;

impl Writer {
    /// A writer with these options; opens nothing.
    pub(super) fn new(config: &Config, settings: Settings, context: &BuildContext) -> Result<Self, BuildError> {
        let Settings { line, policy, targets } = settings;
        let mut listed = TagMap::default();
        for (name, target) in targets {
            let tag = Tag::new(&name).map_err(|error| BuildError(format!("tags.{name}: {error}")))?;
            *listed.slot(tag) = Some(target);
        }
        let session = Session::new(Line::of(line, &context.base_dir)?, config.unit, config.timeout.0, policy, context);
        let book = Book::new(context, session.name());
        Ok(Self {
            session,
            targets: listed,
            means: Means { multiple: config.multiple, read_modify_write: config.read_modify_write },
            expire: config.expire.0,
            uncertain: config.uncertain,
            gap: Duration::from_secs_f64(1.0 / config.rate),
            last: None,
            last_of: TagMap::default(),
            began: context.clock.now(),
            held: None,
            book,
            tally: context.tally.clone(),
        })
    }
}

impl Sink for Writer {
    async fn connect(&mut self) -> Result<(), NodeError> {
        // What is in hand opens the line itself, so that it can expire while that does not work.
        if self.held.is_some() {
            return Ok(());
        }
        self.session.connect().await
    }

    fn gather(&self) -> Gather {
        Gather { records: 1, wait: Duration::ZERO }
    }

    async fn write(&mut self, batches: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        let [batch] = batches else {
            return Err(NodeError::Broken(Cause::new("several batches at once, but one was to be gathered")));
        };
        // The same batch is known by its place in memory, which is its own while it is held.
        let again = self.held.take().filter(|held| std::ptr::eq(held.batch.records(), batch.records()));
        let mut held = again.unwrap_or_else(|| Held::new(batch));
        while let Some(record) = batch.records().get(held.done) {
            match self.command(record, batch).await {
                Ok(outcome) => self.tally.add(outcome, 1),
                Err(Undone::Refused(word, reason)) => {
                    self.tally.add(word, 1);
                    held.refuse(format!("{}: {reason}", record.tag));
                }
                Err(Undone::Later(cause)) => {
                    self.held = Some(held);
                    return Err(NodeError::Disconnected(cause));
                }
            }
            held.done += 1;
        }
        held.outcome()
    }

    async fn close(&mut self) {
        self.session.close();
    }
}

impl Held {
    fn new(batch: &Batch) -> Self {
        Self { batch: batch.clone(), done: 0, refused: BTreeSet::new(), reasons: Vec::new() }
    }

    fn refuse(&mut self, reason: String) {
        self.refused.insert(self.done);
        if self.reasons.len() < MOST_REASONS {
            self.reasons.push(reason);
        }
    }

    fn outcome(self) -> Result<(), NodeError> {
        let more = self.refused.len().saturating_sub(self.reasons.len());
        let mut index = 0;
        let part = self.batch.filter(|_| {
            index += 1;
            self.refused.contains(&(index - 1))
        });
        let Some(part) = part else { return Ok(()) };
        let mut reasons = self.reasons;
        if 0 < more {
            reasons.push(format!("and {more} more"));
        }
        Err(NodeError::RejectedPart(part, Cause::new(reasons.join("; "))))
    }
}

impl Writer {
    /// Does what a record asks for, and tells the outcome in one word.
    async fn command(&mut self, record: &Record, batch: &Batch) -> Result<&'static str, Undone> {
        let refused = |word, reason: String| Err(Undone::Refused(word, reason));
        let Some(target) = self.targets.get(record.tag).cloned() else {
            return refused("not_listed", "not listed".to_owned());
        };
        if batch.is_replayed() && batch.received() < self.began {
            let reason = "it was received before this run began, and may have been written then";
            return refused("from_before", reason.to_owned());
        }
        if record.quality.level() == Level::Bad || !(record.quality.is_good() || self.uncertain) {
            return refused("quality", format!("its quality is {}", record.quality));
        }
        let raw = match target.raw(&record.value) {
            Ok(raw) => raw,
            Err(reason) => return refused("value", reason),
        };
        let rest = self.rest(record, batch, "")?;
        // No end in sight for a time that is longer than the clock can tell.
        let until = Instant::now().checked_add(rest);
        if let Some(last) = self.last_of.get(record.tag)
            && last.elapsed() < target.min_interval
        {
            let (ago, least) = (last.elapsed(), target.min_interval);
            return refused("too_soon", format!("it was written {ago:.1?} ago, and is not written within {least:?}"));
        }
        if let Some(turn) = self.last.map(|last| last + self.gap) {
            if until.is_some_and(|until| until < turn) {
                let reason = format!(
                    "it would have had to wait longer for its turn than the {rest:.1?} that it had, see `rate`"
                );
                return refused("expired", reason);
            }
            sleep_until(turn).await;
        }
        while !self.book.audit.has_room() {
            if until.is_some_and(|until| until < Instant::now()) {
                return refused("not_noted", "the disk does not take the book of writes".to_owned());
            }
            sleep(AGAIN).await;
        }
        loop {
            match self.send(record, &target, &raw, until).await {
                // Nothing was sent.
                Err(Undone::Later(cause)) => {
                    self.rest(record, batch, &format!(": {cause}"))?;
                    return Err(Undone::Later(cause));
                }
                Ok(None) => {
                    self.rest(record, batch, ": the line was busy")?;
                    sleep(AGAIN).await;
                }
                Ok(Some(outcome)) => return Ok(outcome),
                Err(refused) => return Err(refused),
            }
        }
    }

    /// How long a command may still be written, by the option and by who sent it.
    fn rest(&self, record: &Record, batch: &Batch, why: &str) -> Result<Duration, Undone> {
        let (now, limit) = (self.book.clock.now(), self.expire);
        let age = now.since(record.time.min(batch.received()));
        let expired = |reason| Err(Undone::Refused("expired", reason));
        let Some(rest) = limit.checked_sub(age) else {
            return expired(format!("the command is {age:.1?} old and expires after {limit:?}{why}"));
        };
        match batch.expires() {
            Some(end) if end <= now => {
                let ago = now.since(end);
                expired(format!("whoever sent the command let it expire, {ago:.1?} ago{why}"))
            }
            Some(end) => Ok(rest.min(end.since(now))),
            None => Ok(rest),
        }
    }

    /// Writes, and reads back. `Ok(None)` if nothing was sent because others had the line for too long.
    async fn send(
        &mut self,
        record: &Record,
        target: &Target,
        raw: &Raw,
        until: Option<Instant>,
    ) -> Result<Option<&'static str>, Undone> {
        if let Admission::Leave(cause) = self.session.admit() {
            let reason = format!("nothing was sent, as the unit was set back: {cause}");
            return Err(Undone::Refused("set_back_unit", reason));
        }
        let (request, old) = match (target.request(raw, self.means), raw) {
            (Some(request), _) => (request, None),
            (None, Raw::Part { word, mask }) => match self.read_before(target, until).await? {
                Some(held) => (target.changed(held, (*word, *mask), self.means), Some(held)),
                None => return Ok(None),
            },
            (None, _) => return Ok(None),
        };
        let underway = self.book.begin(record, target, raw, old);
        let asked = self.session.ask_ahead(&request, until).await;
        if let Err(Trouble::Line(_) | Trouble::Unsent(_)) = &asked {
            underway.forget();
            return match asked {
                Err(Trouble::Line(cause)) => Err(Undone::Later(cause)),
                _ => Ok(None),
            };
        }
        self.last = Some(Instant::now());
        *self.last_of.slot(record.tag) = self.last;
        match asked {
            Ok(Reply::Done) => {}
            Ok(Reply::Exception(code)) => {
                let (outcome, reason) = refusal(code, &request);
                return Err(underway.failed(outcome, reason));
            }
            Ok(_) => return Err(underway.failed("unknown", "the answer fits no write".to_owned())),
            Err(Trouble::Unit(cause) | Trouble::Broken(cause) | Trouble::Line(cause) | Trouble::Unsent(cause)) => {
                let reason = format!("outcome unknown: it was sent, and then {cause}; it is not sent again");
                return Err(underway.failed("unknown", reason));
            }
        }
        if !target.verify {
            return Ok(Some(underway.end("written", String::new())));
        }
        match self.session.ask_ahead(&Request::Read(target.need), None).await {
            Ok(Reply::Bits(bits)) if Target::agrees(raw, &bits, &[]) => {
                Ok(Some(underway.end("verified", String::new())))
            }
            Ok(Reply::Words(words)) if Target::agrees(raw, &[], &words) => {
                Ok(Some(underway.end("verified", String::new())))
            }
            Ok(Reply::Bits(bits)) => {
                let held = Raw::Bit(bits.first().copied().unwrap_or_default()).shown();
                Err(underway.failed("mismatch", format!("it was written, but {held} was read back")))
            }
            Ok(Reply::Words(words)) => {
                let held = Raw::Words(words).shown();
                Err(underway.failed("mismatch", format!("it was written, but {held} was read back")))
            }
            other => {
                let why = match other {
                    Ok(Reply::Exception(code)) => meaning(code),
                    Ok(_) => "the answer fits no read".to_owned(),
                    Err(
                        Trouble::Line(cause) | Trouble::Broken(cause) | Trouble::Unit(cause) | Trouble::Unsent(cause),
                    ) => cause.message,
                };
                Err(underway.failed("unverified", format!("it was written, but could not be read back: {why}")))
            }
        }
    }

    /// What the register holds of which a part is to be changed. `Ok(None)` as for `send`.
    async fn read_before(&mut self, target: &Target, until: Option<Instant>) -> Result<Option<u16>, Undone> {
        let refused = |why: String| {
            Err(Undone::Refused("refused", format!("nothing was written, as the register could not be read: {why}")))
        };
        match self.session.ask_ahead(&Request::Read(target.need), until).await {
            Ok(Reply::Words(words)) => match words.first() {
                Some(word) => Ok(Some(*word)),
                None => refused("an answer without registers".to_owned()),
            },
            Ok(Reply::Exception(code)) => refused(meaning(code)),
            Ok(_) => refused("the answer fits no read".to_owned()),
            Err(Trouble::Line(cause)) => Err(Undone::Later(cause)),
            Err(Trouble::Unsent(_)) => Ok(None),
            Err(Trouble::Unit(cause) | Trouble::Broken(cause)) => refused(cause.message),
        }
    }
}
