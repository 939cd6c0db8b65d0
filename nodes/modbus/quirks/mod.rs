//! Ways in which the simulated device is not what it should be, as real ones are.
//!
//! The device itself knows nothing of them: `between` sits on each of its connections and changes what passes there.

pub(super) mod between;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fieldflow_contract::{BuildError, Span};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::line_config::hole;
use super::plan::Need;

/// One way in which a simulated device is not what it should be; at least one option beside those that say when.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of its own in the file")]
pub(super) struct Quirk {
    /// Which device, by its `url`; each one if left out.
    pub(super) url: Option<String>,
    /// Which unit; each one if left out. `clients`, `idle_close`, `garbage` and `deaf` concern the whole device.
    #[schemars(range(min = 1, max = 255))]
    pub(super) unit: Option<u8>,
    /// Not before the device has been there for so long.
    pub(super) after: Option<Span>,
    /// Not any more once the device has been there for so long.
    pub(super) until: Option<Span>,
    /// Of the requests that it concerns only each second, third, ….
    #[schemars(range(min = 1))]
    pub(super) nth: Option<u32>,
    /// The answer comes so much later, and so do those behind it: a slow unit, or an answer after its time.
    pub(super) late: Option<Span>,
    /// No answer comes.
    #[serde(default)]
    pub(super) silent: bool,
    /// The answer to the request before comes in the place of this one, always one behind.
    #[serde(default)]
    pub(super) stale: bool,
    /// The answer is held back and comes in one piece with the next one.
    #[serde(default)]
    pub(super) joined: bool,
    /// The answer comes in so many pieces.
    #[schemars(range(min = 2, max = 100))]
    pub(super) split: Option<u8>,
    /// What is wrong in the answer.
    pub(super) wrong: Option<Wrong>,
    /// The device hangs up in the place of an answer.
    #[serde(default)]
    pub(super) hang_up: bool,
    /// The device answers with this exception: 6 is busy, 4 is broken, 11 is a gateway whose unit does not answer.
    #[schemars(range(min = 1, max = 255))]
    pub(super) refuse: Option<u8>,
    /// Places that the device refuses, alone and in a larger request: `holding:10..19`.
    #[serde(default)]
    pub(super) holes: Vec<String>,
    /// Most registers or bits that the device gives at once; more is an illegal value.
    #[schemars(range(min = 1))]
    pub(super) most: Option<u16>,
    /// Bits can be read from address 0 on only.
    #[serde(default)]
    pub(super) from_zero: bool,
    /// The device has input registers only, and shows them as holding registers too.
    #[serde(default)]
    pub(super) mirror: bool,
    /// The register map has moved up by so many places, as after a change of firmware.
    pub(super) shift: Option<u16>,
    /// Each of these addresses holds 32 bits, which come as two registers: `holding:5000..5999`.
    pub(super) wide: Option<String>,
    /// The two registers of each 32-bit value here come the other way round than elsewhere in the device, from the first address
    /// on: `holding:100..139`.
    pub(super) swapped: Option<String>,
    /// All registers hold this, as before the device has measured anything: `0x8000` is 32768. With `until: 40s` at the start.
    pub(super) sentinel: Option<u16>,
    /// The device begins anew each so long: its counters start at 0, as at night.
    pub(super) reset: Option<Span>,
    /// How fast the device's own clock goes: 1.01 is a minute too fast in 100.
    #[schemars(range(min = 0.01, max = 100))]
    pub(super) clock: Option<f64>,
    /// So many connections are taken at once; further ones are closed.
    #[schemars(range(min = 1))]
    pub(super) clients: Option<u16>,
    /// A connection on which nothing was asked for so long is closed.
    pub(super) idle_close: Option<Span>,
    /// So many bytes of nonsense are sent when a connection opens.
    #[schemars(range(min = 1, max = 200))]
    pub(super) garbage: Option<u8>,
    /// What comes so soon after a connection was opened is lost.
    pub(super) deaf: Option<Span>,
}

/// A part of an answer that does not fit the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Wrong {
    Transaction,
    Protocol,
    Length,
    Unit,
    Function,
    ByteCount,
}

/// A quirk that was found right.
#[derive(Debug)]
struct Rule {
    quirk: Quirk,
    holes: Vec<Need>,
    wide: Option<Need>,
    swapped: Option<Need>,
    /// How many requests it concerned.
    seen: AtomicU32,
}

/// The quirks of one device.
#[derive(Debug)]
pub(super) struct Quirks {
    rules: Vec<Rule>,
    seats: Option<Arc<Semaphore>>,
    born: Instant,
}

impl Quirk {
    /// Whether it is one of this device.
    pub(super) fn is_of(&self, endpoint: &Endpoint) -> bool {
        self.url.as_ref().is_none_or(|url| Endpoint::parse(url).is_ok_and(|other| other.key() == endpoint.key()))
    }

    /// What is wrong with it, if anything is.
    pub(super) fn check(&self) -> Result<(), BuildError> {
        Rule::new(self.clone()).map(drop)
    }

    fn is_empty(&self) -> bool {
        let is_set = [self.silent, self.stale, self.joined, self.hang_up, self.from_zero, self.mirror];
        let is_given = [
            self.late.is_some(),
            self.split.is_some(),
            self.wrong.is_some(),
            self.refuse.is_some(),
            !self.holes.is_empty(),
            self.most.is_some(),
            self.shift.is_some(),
            self.wide.is_some(),
            self.swapped.is_some(),
            self.sentinel.is_some(),
            self.reset.is_some(),
            self.clock.is_some(),
            self.clients.is_some(),
            self.idle_close.is_some(),
            self.garbage.is_some(),
            self.deaf.is_some(),
        ];
        !is_set.into_iter().chain(is_given).any(|is| is)
    }

    fn is_now(&self, age: Duration) -> bool {
        self.after.is_none_or(|after| after.0 <= age) && self.until.is_none_or(|until| age < until.0)
    }

    fn concerns(&self, unit: u8) -> bool {
        self.unit.is_none_or(|own| own == unit)
    }
}

impl Rule {
    fn new(quirk: Quirk) -> Result<Self, BuildError> {
        if quirk.is_empty() {
            return Err(BuildError("a quirk says when, but not what: add one, such as `late: 800ms`".to_owned()));
        }
        if quirk.reset.is_some_and(|every| every.0.is_zero()) {
            return Err(BuildError("`reset: 0s` would leave no time at all: write a time such as `24h`".to_owned()));
        }
        let range =
            |text: &String| hole(text).map_err(|wrong| BuildError(format!("{}; {}", wrong.message, wrong.help)));
        let holes = quirk.holes.iter().map(range).collect::<Result<_, _>>()?;
        let wide = quirk.wide.as_ref().map(range).transpose()?;
        let swapped = quirk.swapped.as_ref().map(range).transpose()?;
        Ok(Self { quirk, holes, wide, swapped, seen: AtomicU32::new(0) })
    }
}

impl Quirks {
    /// The quirks of a device that begins now.
    pub(super) fn new(quirks: Vec<Quirk>) -> Result<Self, BuildError> {
        let rules: Vec<Rule> = quirks.into_iter().map(Rule::new).collect::<Result<_, _>>()?;
        let seats = rules.iter().filter_map(|rule| rule.quirk.clients).min();
        let seats = seats.map(|seats| Arc::new(Semaphore::new(seats.into())));
        Ok(Self { rules, seats, born: Instant::now() })
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The device is there from now on.
    pub(super) fn begin(&mut self) {
        self.born = Instant::now();
    }

    /// How long the device has been there by its own clock, and since it last began anew.
    pub(super) fn age(&self, unit: u8, age: Duration) -> Duration {
        self.rules.iter().map(|rule| &rule.quirk).filter(|quirk| quirk.concerns(unit) && quirk.is_now(age)).fold(
            age,
            |age, quirk| {
                let age = quirk.clock.map_or(age, |rate| age.mul_f64(rate.clamp(0.01, 100.0)));
                let every = quirk.reset.map_or(0, |every| every.0.as_nanos());
                let since = age.as_nanos().checked_rem(every).unwrap_or(age.as_nanos());
                Duration::from_nanos(u64::try_from(since).unwrap_or(u64::MAX))
            },
        )
    }

    /// A place for one more client, until it is dropped; the error is that there is none.
    fn seat(&self) -> Result<Option<OwnedSemaphorePermit>, ()> {
        let Some(seats) = &self.seats else { return Ok(None) };
        Arc::clone(seats).try_acquire_owned().map(Some).map_err(|_| ())
    }

    /// What concerns the whole device now.
    fn now(&self) -> impl Iterator<Item = &Quirk> {
        let age = self.born.elapsed();
        self.rules.iter().map(|rule| &rule.quirk).filter(move |quirk| quirk.is_now(age))
    }

    /// What concerns this request of this unit.
    fn of(&self, unit: u8) -> Vec<&Rule> {
        let age = self.born.elapsed();
        let concerns = |rule: &&Rule| {
            let is_of = rule.quirk.is_now(age) && rule.quirk.concerns(unit);
            // The first one is number 1.
            is_of
                && (rule.seen.fetch_add(1, Ordering::Relaxed).wrapping_add(1))
                    .is_multiple_of(rule.quirk.nth.unwrap_or(1).max(1))
        };
        self.rules.iter().filter(concerns).collect()
    }
}
