//! How a line is opened: which of its endpoints is tried when, and what is said of it.

use std::io;
use std::time::Duration;

use fieldflow_contract::{Cause, LinkState, Quality};
use tokio::time::{Instant, timeout};

use super::endpoint::Endpoint;
use super::line::{Caller, Line};
use super::transport;
use super::wire::{Framing, Wire};

/// The least silence after which a line is taken to be quiet; serial servers pass on in pieces.
const QUIET: Duration = Duration::from_millis(100);
/// The longest wait for the next try of the first endpoint.
const FAIL_BACK_AT_MOST: Duration = Duration::from_secs(600);

impl Line {
    /// Opens one of the endpoints, beginning with the one that was in use last.
    pub(super) async fn open_any(&self, caller: &Caller) -> Result<Wire, Cause> {
        let (first, state) = {
            let state = self.state();
            (state.active, if state.was_open { LinkState::Reconnecting } else { LinkState::Connecting })
        };
        self.tell(|link| link.set(state));
        let mut lost = Cause::new(format!("{} has no address", self.name));
        let count = self.options.endpoints.len();
        for place in (0..count).map(|step| (first + step) % count) {
            match self.open_one(place, caller).await {
                Ok(wire) => {
                    self.is_open(place, caller);
                    return Ok(wire);
                }
                Err(cause) => lost = cause,
            }
        }
        caller.tally.add("connect_failed", 1);
        self.tell(|link| link.trouble(LinkState::Reconnecting, lost.message.clone()));
        let mut state = self.state();
        state.lost = (state.lost.0 + 1, Some(lost.clone()));
        Err(lost)
    }

    fn is_open(&self, place: usize, caller: &Caller) {
        let mut state = self.state();
        state.lost.1 = None;
        state.was_open = true;
        let before = std::mem::replace(&mut state.active, place);
        let first_again = Instant::now() + self.options.fail_back;
        let was_standby = state.fail_back.is_some();
        state.fail_back = (place != 0).then_some((first_again, self.options.fail_back));
        drop(state);
        self.tell(|link| link.set(LinkState::Connected));
        if let Some(endpoint) = self.options.endpoints.get(place) {
            if place != 0 && (place != before || !was_standby) {
                caller.tally.add("fail_over", 1);
                caller.notices.say(format!("{} cannot be used: {endpoint} is used in its place", self.name));
            } else if place == 0 && was_standby {
                caller.notices.say(format!("{} is used again", self.name));
            }
        }
    }

    /// Tries the first endpoint again, if another is in use and it is time for that.
    pub(super) async fn back_to_the_first(&self, caller: &Caller) -> Option<Wire> {
        let (due, delay) = self.state().fail_back?;
        let now = Instant::now();
        if now < due {
            return None;
        }
        let delay = (delay * 2).min(FAIL_BACK_AT_MOST.max(self.options.fail_back));
        self.state().fail_back = Some((now + delay, delay));
        let wire = self.open_one(0, caller).await.ok()?;
        self.is_open(0, caller);
        Some(wire)
    }

    /// What to call an endpoint: the first one is what gives the line its name.
    fn name_of(&self, endpoint: &Endpoint) -> String {
        if Some(endpoint) == self.options.endpoints.first() { self.name.clone() } else { endpoint.to_string() }
    }

    async fn open_one(&self, place: usize, caller: &Caller) -> Result<Wire, Cause> {
        let Some(endpoint) = self.options.endpoints.get(place) else {
            return Err(Cause::new(format!("{} has no address", self.name)));
        };
        let authenticating = || self.tell(|link| link.set(LinkState::Authenticating));
        let opened = timeout(caller.timeout, transport::open(endpoint, &self.keys, authenticating)).await;
        let stream = match opened {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(no_connection(endpoint, &error)),
            Err(_) => {
                caller.tally.add("timeout", 1);
                let what =
                    if let Endpoint::Listen(_) = endpoint { "was dialled by no device" } else { "took no connection" };
                let message = format!("{} {what} within {:?}", self.name_of(endpoint), caller.timeout);
                return Err(Cause::new(message).with_quality(Quality::BAD_TIMEOUT));
            }
        };
        let framing = if endpoint.is_rtu() || self.options.is_rtu {
            let silence = if let Endpoint::Rtu(serial) = endpoint { serial.silence() } else { Duration::ZERO };
            Framing::Rtu(silence.max(QUIET))
        } else {
            Framing::Mbap
        };
        let mut wire = Wire::new(stream, framing, self.options.heartbeat.as_slice().into());
        if !self.options.settle.is_zero() && wire.drain(self.options.settle).await.is_err() {
            let message = format!("{endpoint} closed the connection as soon as it was open: it takes no more clients");
            return Err(Cause::new(message).with_quality(Quality::BAD_NOT_CONNECTED));
        }
        Ok(wire)
    }
}

fn no_connection(endpoint: &Endpoint, error: &io::Error) -> Cause {
    let message = match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            format!("{endpoint} refused the connection: nothing listens there, or it takes no more clients")
        }
        _ => format!("{endpoint} cannot be reached: {error}"),
    };
    Cause::new(message).with_quality(Quality::BAD_NOT_CONNECTED)
}
