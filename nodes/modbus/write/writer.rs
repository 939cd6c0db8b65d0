//! What becomes of a command: written once, or refused with a reason; and noted, whatever became of it.

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Cause, Gather, NodeError, Position, Record, Sink, Tag, TagMap, Tally,
};
use tokio::time::{Instant, sleep};

use super::config::{Config, Settings};
use super::refusal::refusal;
use super::target::{Means, Raw, Target};
use crate::command::amount::shown;
use crate::command::book::{Deed, Refused};
use crate::command::gates::{AGAIN, Gates};
use crate::command::held::Held;
use crate::modbus::frame::{Reply, Request};
use crate::modbus::health::Admission;
use crate::modbus::line::{Line, Trouble};
use crate::modbus::session::{Session, meaning};

/// Why a command was not done.
enum Undone {
    /// It is settled.
    Refused(&'static str, String),
    /// Nothing was sent, and it may be tried again when the line is back.
    Later(Cause),
}

impl From<Refused> for Undone {
    fn from((word, reason): Refused) -> Self {
        Self::Refused(word, reason)
    }
}

/// Writes to one unit.
pub(super) struct Writer {
    session: Session,
    targets: TagMap<Target>,
    means: Means,
    /// The batch in hand, which comes again if the line is lost in the middle of it.
    held: Option<Held>,
    gates: Gates,
    tally: Tally,
}

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
        let gates = Gates::new(config.limits(), context, session.name());
        Ok(Self {
            session,
            targets: listed,
            means: Means { multiple: config.multiple, read_modify_write: config.read_modify_write },
            held: None,
            gates,
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
        Gather { records: 1, wait: std::time::Duration::ZERO }
    }

    async fn write(&mut self, batches: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        let [batch] = batches else {
            return Err(NodeError::Broken(Cause::new("several batches at once, but one was to be gathered")));
        };
        let mut held = Held::take(self.held.take(), batch);
        while let Some(record) = batch.records().get(held.done) {
            match self.command(record, batch).await {
                Ok(outcome) => self.tally.add(outcome, 1),
                Err(Undone::Refused(word, reason)) => {
                    self.tally.add(word, 1);
                    held.refuse(held.done, format!("{}: {reason}", record.tag));
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

impl Writer {
    /// Does what a record asks for, and tells the outcome in one word.
    async fn command(&mut self, record: &Record, batch: &Batch) -> Result<&'static str, Undone> {
        let refused = |word, reason: String| Err(Undone::Refused(word, reason));
        let Some(target) = self.targets.get(record.tag).cloned() else {
            return refused("not_listed", "not listed".to_owned());
        };
        self.gates.admit(record, batch)?;
        let raw = match target.raw(&record.value) {
            Ok(raw) => raw,
            Err(reason) => return refused("value", reason),
        };
        let rest = self.gates.rest(record, batch, "")?;
        // No end in sight for a time that is longer than the clock can tell.
        let until = Instant::now().checked_add(rest);
        self.gates.not_too_soon(record.tag, target.min_interval)?;
        self.gates.in_turn(rest)?;
        self.gates.wait(1, until).await?;
        loop {
            match self.send(record, &target, &raw, until).await {
                // Nothing was sent.
                Err(Undone::Later(cause)) => {
                    self.gates.rest(record, batch, &format!(": {cause}"))?;
                    return Err(Undone::Later(cause));
                }
                Ok(None) => {
                    self.gates.rest(record, batch, ": the line was busy")?;
                    sleep(AGAIN).await;
                }
                Ok(Some(outcome)) => return Ok(outcome),
                Err(refused) => return Err(refused),
            }
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
        let underway = self.gates.book.begin(Deed {
            tag: record.tag.name(),
            address: target.address(),
            value: shown(&record.value),
            raw: raw.shown(),
            old: old.map(|word| Raw::Words(vec![word]).shown()),
        });
        let asked = self.session.ask_ahead(&request, until).await;
        if let Err(Trouble::Line(_) | Trouble::Unsent(_)) = &asked {
            underway.forget();
            return match asked {
                Err(Trouble::Line(cause)) => Err(Undone::Later(cause)),
                _ => Ok(None),
            };
        }
        self.gates.sent([record.tag]);
        match asked {
            Ok(Reply::Done) => {}
            Ok(Reply::Exception(code)) => {
                let (outcome, reason) = refusal(code, &request);
                return Err(underway.failed(outcome, reason).into());
            }
            Ok(_) => return Err(underway.failed("unknown", "the answer fits no write".to_owned()).into()),
            Err(Trouble::Unit(cause) | Trouble::Broken(cause) | Trouble::Line(cause) | Trouble::Unsent(cause)) => {
                let reason = format!("outcome unknown: it was sent, and then {cause}; it is not sent again");
                return Err(underway.failed("unknown", reason).into());
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
                Err(underway.failed("mismatch", format!("it was written, but {held} was read back")).into())
            }
            Ok(Reply::Words(words)) => {
                let held = Raw::Words(words).shown();
                Err(underway.failed("mismatch", format!("it was written, but {held} was read back")).into())
            }
            other => {
                let why = match other {
                    Ok(Reply::Exception(code)) => meaning(code),
                    Ok(_) => "the answer fits no read".to_owned(),
                    Err(
                        Trouble::Line(cause) | Trouble::Broken(cause) | Trouble::Unit(cause) | Trouble::Unsent(cause),
                    ) => cause.message,
                };
                Err(underway.failed("unverified", format!("it was written, but could not be read back: {why}")).into())
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
