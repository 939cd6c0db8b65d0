//! A line: the one way to the units behind an address, and the only owner of its connection.
//!
//! All nodes with one `url` share it, whichever pipeline they are in. Whoever has the turn opens the connection if there is
//! none, does one exchange, and puts the connection back. Invariant: the connection is here only between exchanges. Whatever
//! goes wrong in one, a caller who walks away among it, leaves no connection behind on which a late answer could arrive, but
//! for the cases in which such an answer is known for what it is.
//!
//! A line is lost when it cannot be opened, or breaks. A unit that does not answer is that unit's trouble, see `health`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use fieldflow_contract::{BuildError, Cause, Clock, Link, LinkState, Notices, Quality, Tally, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::endpoint::Endpoint;
use super::frame::{Fault, Reply, Request};
use super::gate::{Gate, Urgency};
use super::health::{Policy, Units};
use super::inbound::Expected;
use super::line_config::Tls;
use super::tls;
use super::wire::{Failure, Wire};

/// How a line is run. All nodes that share it must say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LineOptions {
    /// Where the device is; the first is the one to use if it can be had. Never empty.
    pub(super) endpoints: Vec<Endpoint>,
    /// How long to stay with another endpoint before the first one is tried again.
    pub(super) fail_back: Duration,
    /// The least time between two requests.
    pub(super) pause: Duration,
    /// How long to wait, and to throw away what comes, after the connection is open.
    pub(super) settle: Duration,
    /// Whether a device that dials in speaks in frames of a serial line.
    pub(super) is_rtu: bool,
    /// What a device that dials in says first.
    pub(super) register: Vec<u8>,
    /// What it says between answers.
    pub(super) heartbeat: Vec<u8>,
    /// Who is trusted.
    pub(super) tls: Option<Tls>,
}

/// What it takes to know the other side.
#[derive(Default)]
pub(super) struct Keys {
    /// For `tls://`: the certificates, and the name to find in the device's.
    #[cfg_attr(not(feature = "modbus-tls"), expect(dead_code, reason = "nothing is secret then"))]
    pub(super) tls: Option<(tls::Identity, Option<String>)>,
    /// For `listen://`: the device.
    pub(super) device: Option<Expected>,
}

/// For whom an exchange is made.
pub(super) struct Caller {
    /// Longest wait for a connection and for an answer.
    pub(super) timeout: Duration,
    /// When the unit is set back.
    pub(super) policy: Policy,
    /// For the time of the answer.
    pub(super) clock: Arc<dyn Clock>,
    /// Counts what goes wrong.
    pub(super) tally: Tally,
    /// Is told of what is worth a sentence.
    pub(super) notices: Notices,
}

/// Why an exchange gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The line cannot be opened, so nothing was asked.
    Line(Cause),
    /// The line was lost while the request was under way.
    Broken(Cause),
    /// Too many writes wait already, or it became too late for this one; so nothing was asked.
    Unsent(Cause),
    /// This unit gave no usable answer; the others may.
    Unit(Cause),
}

impl Trouble {
    /// Why it failed.
    pub(super) fn into_cause(self) -> Cause {
        match self {
            Self::Line(cause) | Self::Broken(cause) | Self::Unsent(cause) | Self::Unit(cause) => cause,
        }
    }
}

/// A line; see the module.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) options: LineOptions,
    pub(super) keys: Keys,
    gate: Gate,
    state: Mutex<State>,
}

/// What is known of a line at one moment.
#[derive(Default)]
pub(super) struct State {
    wire: Option<Wire>,
    /// Which endpoint is in use.
    pub(super) active: usize,
    /// When to try the first endpoint again, and how long to wait after that.
    pub(super) fail_back: Option<(Instant, Duration)>,
    transaction: u16,
    /// Failures since the last answer of any unit, and of which units.
    in_row: u32,
    failing: BTreeSet<u8>,
    /// How often the line could not be opened, and why the last time.
    pub(super) lost: (u64, Option<Cause>),
    pub(super) was_open: bool,
    units: Units,
    members: BTreeMap<u64, (u8, Link)>,
    joined: u64,
}

/// The lines of this process. A line lives as long as a node has it.
static LINES: Mutex<BTreeMap<String, Weak<Line>>> = Mutex::new(BTreeMap::new());

/// Failures in a row, of all units that are asked at all, after which the connection itself is suspected.
const SUSPECT: u32 = 3;
/// The same when some unit was not asked meanwhile.
const SUSPECT_ANYWAY: u32 = 8;
/// A connection that was idle for so long may have been closed by a firewall or the device: that is no failure.
const IDLE: Duration = Duration::from_secs(1);

impl Line {
    /// The line of these endpoints; opens nothing. Certificates lie in this folder.
    pub(super) fn of(options: LineOptions, folder: &Path) -> Result<Arc<Self>, BuildError> {
        let (key, name) = (options.key(), options.name());
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| line.strong_count() != 0);
        if let Some(line) = lines.get(&key).and_then(Weak::upgrade) {
            return match line.options.difference(&options) {
                None => Ok(line),
                Some(option) => Err(BuildError(format!(
                    "{option}: another node uses {name} too, with another `{option}`; a line is run in one way only: write \
                     the same in both"
                ))),
            };
        }
        let keys = options.keys(folder)?;
        let line = Arc::new(Self { name, options, keys, gate: Gate::default(), state: Mutex::default() });
        lines.insert(key, Arc::downgrade(&line));
        Ok(line)
    }

    /// Its name for people: the url.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Adds a node that asks this unit and sees the state of the line there. Gives the place to leave by.
    pub(super) fn join(&self, unit: u8, link: Link) -> u64 {
        let mut state = self.state();
        let place = state.joined;
        state.joined += 1;
        link.set(if state.wire.is_some() { LinkState::Connected } else { LinkState::Disconnected });
        state.members.insert(place, (unit, link));
        place
    }

    /// The node leaves; the last one closes the connection.
    pub(super) fn leave(&self, place: u64) {
        let mut state = self.state();
        if let Some((_, link)) = state.members.remove(&place) {
            link.set(LinkState::Disconnected);
        }
        if state.members.is_empty() {
            state.wire = None;
        }
    }

    /// Looks at the units.
    pub(super) fn units<T>(&self, look: impl FnOnce(&mut Units) -> T) -> T {
        look(&mut self.state().units)
    }

    /// When the line was used last, while it is open.
    pub(super) fn last_used(&self) -> Option<Instant> {
        self.state().wire.as_ref().map(Wire::last)
    }

    /// Opens the line if it is not open.
    pub(super) async fn open(&self, caller: &Caller) -> Result<(), Cause> {
        let lost = self.state().lost.0;
        let _pass = self.gate.enter(Urgency::Poll).await;
        let wire = self.wire(caller, lost).await?;
        self.state().wire = Some(wire);
        Ok(())
    }

    /// One request and its answer, with the time in the middle between the two. The request is not sent after `until`.
    pub(super) async fn exchange(
        &self,
        caller: &Caller,
        unit: u8,
        request: &Request,
        urgency: Urgency,
        until: Option<Instant>,
    ) -> Result<(Reply, Timestamp), Trouble> {
        let (lost, owes) = {
            let state = self.state();
            (state.lost.0, state.units.owes(unit, Instant::now()))
        };
        if let Some(until) = owes {
            sleep_until(until).await;
        }
        let Some(_pass) = self.gate.enter(urgency).await else {
            let message = format!("{} writes wait for {} already", Gate::WRITES, self.name);
            return Err(Trouble::Unsent(Cause::new(message).with_quality(Quality::BAD_BUSY)));
        };
        let mut was_reopened = false;
        loop {
            let mut wire = self.wire(caller, lost).await.map_err(Trouble::Line)?;
            if wire.heard() && !self.options.pause.is_zero() {
                sleep_until(wire.last() + self.options.pause).await;
            }
            let was_idle = wire.heard() && IDLE <= wire.last().elapsed();
            // What is sent on a dead connection has no known outcome, so a write looks first whether it is one.
            if !request.is_read() && wire.has_ended() {
                caller.tally.add(if was_idle { "idle_close" } else { "closed" }, 1);
                if std::mem::replace(&mut was_reopened, true) {
                    let message = format!("{} closes each connection at once", self.name);
                    return Err(Trouble::Line(Cause::new(message).with_quality(Quality::BAD_NOT_CONNECTED)));
                }
                continue;
            }
            if until.is_some_and(|until| until < Instant::now()) {
                self.state().wire = Some(wire);
                let message = format!("{} was busy for so long that it became too late", self.name);
                return Err(Trouble::Unsent(Cause::new(message).with_quality(Quality::BAD_BUSY)));
            }
            let transaction = {
                let mut state = self.state();
                state.transaction = wire.transaction(state.transaction);
                state.transaction
            };
            let owes = |unit| self.state().units.owes(unit, Instant::now()).is_some();
            let before = caller.clock.now();
            let result = wire.exchange((transaction, unit), request, caller.timeout, owes, &caller.tally).await;
            let time = before + caller.clock.now().since(before) / 2;
            match result {
                Ok(reply) => {
                    let mut state = self.state();
                    (state.wire, state.in_row) = (Some(wire), 0);
                    state.failing.clear();
                    return Ok((reply, time));
                }
                // A device may close whenever it likes while nothing is asked.
                Err(Failure::Ended) if wire.heard() && !was_reopened && request.is_read() => {
                    caller.tally.add("idle_close", 1);
                    was_reopened = true;
                }
                Err(Failure::Closed(_)) if was_idle && !was_reopened && request.is_read() => {
                    caller.tally.add("idle_close", 1);
                    was_reopened = true;
                }
                Err(failure) => return Err(self.failed(wire, failure, caller, unit, request).await),
            }
        }
    }

    /// What a failure means, and whether the connection can be used further.
    async fn failed(&self, mut wire: Wire, failure: Failure, caller: &Caller, unit: u8, request: &Request) -> Trouble {
        let what = request.what();
        let (cause, mut is_usable) = match failure {
            Failure::Timeout => {
                caller.tally.add("timeout", 1);
                let message =
                    format!("{}: unit {unit} gave no answer for {what} within {:?}", self.name, caller.timeout);
                (Cause::new(message).with_quality(Quality::BAD_TIMEOUT), true)
            }
            Failure::Mismatch(fault) => {
                caller.tally.add(fault.word(), 1);
                let done = if wire.quiet().is_some() { "the line was drained" } else { "the connection was closed" };
                let message = format!(
                    "{}: {} when unit {unit} was asked for {what}; {done}, so that it is not taken for another answer",
                    self.name,
                    fault.says()
                );
                (Cause::new(message), wire.quiet().is_some())
            }
            Failure::Closed(_) | Failure::Ended => {
                let error = if let Failure::Closed(error) = failure { error } else { None };
                caller.tally.add("closed", 1);
                let why = error.map(|error| format!(" ({error})")).unwrap_or_default();
                let message = format!("{} closed the connection{why}", self.name);
                let cause = Cause::new(message).with_quality(Quality::BAD_NOT_CONNECTED);
                self.tell(|link| link.trouble(LinkState::Reconnecting, cause.message.clone()));
                return Trouble::Broken(cause);
            }
        };
        if let Some(quiet) = wire.quiet() {
            match wire.drain(quiet).await {
                Ok(true) => caller.tally.add("late", u64::from(matches!(failure, Failure::Timeout))),
                // The answer is still owed. Nothing on this line tells it from the answer to the same question asked
                // again, so the unit is not asked until it has had the time of one more answer.
                Ok(false) if matches!(failure, Failure::Timeout | Failure::Mismatch(Fault::Unit)) => {
                    let until = Instant::now() + caller.timeout;
                    self.units(|units| units.owes_until(unit, until));
                }
                Ok(false) => {}
                Err(_) => is_usable = false,
            }
        }
        let now = Instant::now();
        let mut state = self.state();
        state.in_row += 1;
        state.failing.insert(unit);
        let all_fail =
            state.members.values().all(|(unit, _)| state.failing.contains(unit) || state.units.is_back(*unit));
        if (SUSPECT <= state.in_row && all_fail) || SUSPECT_ANYWAY <= state.in_row {
            // It may be the connection: a firewall forgot it, a cable was pulled. A new one gives each unit a chance.
            is_usable = false;
            state.in_row = 0;
            state.failing.clear();
            state.units.probe_all(now);
            state.active = (state.active + 1) % self.options.endpoints.len().max(1);
        }
        if is_usable {
            state.wire = Some(wire);
        }
        Trouble::Unit(cause)
    }

    /// The open connection, taken out; a new one if there is none. For whoever has the turn.
    async fn wire(&self, caller: &Caller, lost: u64) -> Result<Wire, Cause> {
        let open = {
            let mut state = self.state();
            // It could not be opened while this caller waited for his turn: that is his failure too, or each of many nodes
            // would wait for one time-out after the other.
            if let (false, (times, Some(cause))) = (state.wire.is_some(), &state.lost)
                && *times != lost
            {
                return Err(cause.clone());
            }
            state.wire.take()
        };
        match open {
            None => self.open_any(caller).await,
            Some(wire) => Ok(self.back_to_the_first(caller).await.unwrap_or(wire)),
        }
    }

    /// Tells all nodes of the line.
    pub(super) fn tell(&self, tell: impl Fn(&Link)) {
        self.state().members.values().for_each(|(_, link)| tell(link));
    }

    /// The state, for a moment.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LineOptions {
    /// What the line is known by.
    pub(super) fn key(&self) -> String {
        let url = self.endpoints.first().map(Endpoint::key).unwrap_or_default();
        if self.register.is_empty() { url } else { format!("{url} {:02X?}", self.register) }
    }

    /// What people call it.
    pub(super) fn name(&self) -> String {
        let url = self.endpoints.first().map(Endpoint::to_string).unwrap_or_default();
        match std::str::from_utf8(&self.register) {
            _ if self.register.is_empty() => url,
            Ok(id) if !id.contains(char::is_control) => format!("{url} {id}"),
            _ => format!("{url} {:02X?}", self.register),
        }
    }

    fn keys(&self, folder: &Path) -> Result<Keys, BuildError> {
        let wrong = |(option, why)| BuildError(format!("tls.{option}: {why}"));
        let tls = match &self.tls {
            Some(tls) => Some((tls::client(tls, folder).map_err(wrong)?, tls.server_name.clone())),
            None => None,
        };
        let alike = |other| {
            BuildError(format!(
                "register: a device that dials in could be taken for another one, known by {other:02X?}"
            ))
        };
        let device = match self.endpoints.first() {
            Some(Endpoint::Listen(address)) => Some(Expected::at(*address, &self.register).map_err(alike)?),
            _ => None,
        };
        Ok(Keys { tls, device })
    }
}
