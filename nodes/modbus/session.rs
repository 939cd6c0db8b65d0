//! One unit, as a node asks it: patience with a busy device, and what each refusal means for the unit.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{BuildContext, Cause, Link, LinkState, NodeError, Timestamp};
use tokio::time::{Instant, sleep};

use super::frame::{Reply, Request};
use super::gate::Urgency;
use super::health::{Admission, Policy};
use super::line::{Caller, Line, Trouble};
use super::plan::Need;
use super::values::reason;

/// What a device gave for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Coils or discrete inputs, as many as were asked for.
    Bits(Vec<bool>),
    /// Registers, as many as were asked for.
    Words(Vec<u16>),
    /// The device refused the request, with this code.
    Exception(u8),
}

/// One unit on a line.
pub(super) struct Session {
    line: Arc<Line>,
    unit: u8,
    caller: Caller,
    /// Where the unit stands, for `/health`.
    link: Link,
    /// The place of this node among those of the line.
    place: u64,
    #[cfg(test)]
    links: fieldflow_contract::Links,
}

/// How often a device that is busy is asked again, and after which wait.
const BUSY: (u32, Duration) = (3, Duration::from_millis(150));

impl Session {
    /// A session on a line that may be open or not.
    pub(super) fn new(line: Arc<Line>, unit: u8, timeout: Duration, policy: Policy, context: &BuildContext) -> Self {
        let place = line.join(unit, context.links.link(line.name()));
        let unit_link = context.links.link(format!("{} unit {unit}", line.name()));
        let caller = Caller {
            timeout,
            policy,
            clock: Arc::clone(&context.clock),
            tally: context.tally.clone(),
            notices: context.notices.clone(),
        };
        Self {
            line,
            unit,
            caller,
            link: unit_link,
            place,
            #[cfg(test)]
            links: context.links.clone(),
        }
    }

    /// Opens the line if no other node has.
    pub(super) async fn connect(&mut self) -> Result<(), NodeError> {
        self.link.set(if self.link.state() == LinkState::Disconnected {
            LinkState::Connecting
        } else {
            LinkState::Reconnecting
        });
        self.line.open(&self.caller).await.map_err(|cause| self.lost(cause))
    }

    /// The unit, for people.
    pub(super) fn name(&self) -> String {
        format!("{} unit {}", self.line.name(), self.unit)
    }

    /// The place of this node on its line, counted from 0.
    pub(super) fn place(&self) -> u64 {
        self.place
    }

    /// Where its links stand.
    #[cfg(test)]
    pub(super) fn links(&self) -> fieldflow_contract::Links {
        self.links.clone()
    }

    /// Whether the unit may be asked now.
    pub(super) fn admit(&self) -> Admission {
        self.line.units(|units| units.admit(self.unit, Instant::now()))
    }

    /// Whether the unit is set back.
    pub(super) fn is_back(&self) -> bool {
        self.line.units(|units| units.is_back(self.unit))
    }

    /// When the line was used last, by whatever node, while it is open.
    pub(super) fn last_used(&self) -> Option<Instant> {
        self.line.last_used()
    }

    /// Asks for registers or bits and waits for the answer to just this; with the time in the middle of the exchange.
    pub(super) async fn read(&self, need: Need) -> Result<(Answer, Timestamp), Trouble> {
        match self.ask(&Request::Read(need), Urgency::Poll, None).await? {
            (Reply::Bits(bits), time) => Ok((Answer::Bits(bits), time)),
            (Reply::Words(words), time) => Ok((Answer::Words(words), time)),
            (Reply::Exception(code), time) => Ok((Answer::Exception(code), time)),
            // No read is answered so; the frame codec sees to that.
            (Reply::Done, _) => Err(Trouble::Unit(Cause::new("a write was answered in the place of a read"))),
        }
    }

    /// Asks ahead of all polls. A write goes out once, whatever its outcome, but for a device that said that it did nothing
    /// as it was busy; and nothing goes out after `until`.
    pub(super) async fn ask_ahead(&self, request: &Request, until: Option<Instant>) -> Result<Reply, Trouble> {
        self.ask(request, Urgency::Write, until).await.map(|(reply, _)| reply)
    }

    async fn ask(
        &self,
        request: &Request,
        urgency: Urgency,
        until: Option<Instant>,
    ) -> Result<(Reply, Timestamp), Trouble> {
        let mut tries = 0;
        loop {
            let (reply, time) = match self.line.exchange(&self.caller, self.unit, request, urgency, until).await {
                Ok(replied) => replied,
                Err(Trouble::Unit(cause)) => return Err(self.failed(cause)),
                Err(trouble) => {
                    if let Trouble::Line(cause) | Trouble::Broken(cause) = &trouble {
                        self.link.trouble(LinkState::Reconnecting, cause.message.clone());
                    }
                    return Err(trouble);
                }
            };
            let Reply::Exception(code) = reply else {
                self.answered();
                return Ok((reply, time));
            };
            self.caller.tally.add("exception", 1);
            let refused = || {
                let message =
                    format!("{}: unit {} refused {}: {}", self.line.name(), self.unit, request.what(), meaning(code));
                Cause::new(message).with_quality(reason(code))
            };
            // An acknowledged write is under way: only a refused one may be asked for again.
            let may_repeat = request.is_read() || code == 0x06;
            match code {
                0x05 | 0x06 | 0x08 if tries < BUSY.0 && may_repeat => {
                    tries += 1;
                    // Without the turn: the other units need not wait for this one.
                    sleep(BUSY.1).await;
                }
                0x0A | 0x0B if request.is_read() => return Err(self.failed(refused())),
                0x01..=0x03 | 0x05..=0x08 => {
                    self.answered();
                    return Ok((Reply::Exception(code), time));
                }
                // The device says that it is broken, or something that no standard knows; or a gateway about a write.
                _ => {
                    self.failed(refused());
                    return Ok((Reply::Exception(code), time));
                }
            }
        }
    }

    fn answered(&self) {
        if self.line.units(|units| units.answered(self.unit)) {
            self.caller.notices.say(format!("{}: unit {} answers again", self.line.name(), self.unit));
        }
        if self.link.state() != LinkState::Connected {
            self.link.set(LinkState::Connected);
        }
    }

    fn failed(&self, cause: Cause) -> Trouble {
        let Policy { every, .. } = self.caller.policy;
        let is_set_back =
            self.line.units(|units| units.failed(self.unit, self.caller.policy, cause.clone(), Instant::now()));
        self.link.trouble(LinkState::Reconnecting, cause.message.clone());
        if is_set_back {
            self.caller.tally.add("set_back", 1);
            let more = format!("it is asked every {every:?} only, then ever more seldom, until it answers");
            self.caller.notices.say(format!("{}; {more}", cause.message));
        }
        Trouble::Unit(cause)
    }

    fn lost(&self, cause: Cause) -> NodeError {
        self.link.trouble(LinkState::Reconnecting, cause.message.clone());
        NodeError::Disconnected(cause)
    }

    /// Leaves the line.
    pub(super) fn close(&mut self) {
        self.line.leave(self.place);
        self.link.set(LinkState::Disconnected);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.close();
    }
}

/// What an exception code means, for people.
pub(super) fn meaning(code: u8) -> String {
    let meaning = match code {
        0x01 => "illegal function",
        0x02 => "illegal data address",
        0x03 => "illegal data value",
        0x04 => "device failure",
        0x05 => "acknowledged, not done yet",
        0x06 => "device busy",
        0x08 => "memory parity error",
        0x0A => "the gateway has no path to it",
        0x0B => "it does not answer the gateway",
        _ => "of the maker's own",
    };
    format!("exception {code:02X}, {meaning}")
}
