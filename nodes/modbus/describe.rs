//! What a node will ask its device for, and what that costs the line: for `validate`, before anything is connected.

use std::fmt;
use std::time::Duration;

use fieldflow_contract::Span;

use super::config::Settings;
use super::endpoint::Endpoint;
use super::plan::{Bounds, Need, plan};
use super::tags::Factor;

/// The requests of one interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    /// The interval.
    pub(super) every: Duration,
    /// The requests, in the order in which they are made.
    pub(super) requests: Vec<Cost>,
    /// The speed of the line, if it is a serial one that is known.
    pub(super) baud: Option<u32>,
}

/// One request and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cost {
    /// What is asked for.
    pub(super) read: Need,
    /// How many tags are in the answer.
    pub(super) tags: usize,
    /// Bytes on the wire, question and answer together.
    pub(super) bytes: u32,
    /// Time on the wire, with the silence or the pause around both; the device's own time comes on top. Zero where it is not
    /// known.
    pub(super) time: Duration,
}

/// The plan of a node, by interval.
pub(super) fn describe(settings: &Settings) -> Vec<Described> {
    let first = settings.line.endpoints.first();
    let serial = match first {
        Some(Endpoint::Rtu(serial)) => Some(serial),
        _ => None,
    };
    let is_rtu = settings.line.is_rtu || first.is_some_and(Endpoint::is_rtu);
    // Unit and check sum, or the header; function, place and count out; function and byte count back.
    let (question, answer) = if is_rtu { (8, 5) } else { (12, 9) };
    let mut intervals: Vec<Duration> = settings.points.iter().map(|point| point.every).collect();
    intervals.sort_unstable();
    intervals.dedup();
    let bounds = Bounds { holes: settings.holes.clone(), ..Bounds::default() };
    let of = |every: Duration| {
        let points: Vec<_> = settings.points.iter().filter(|point| point.every == every).collect();
        let mut needs: Vec<Need> = points.iter().map(|point| point.need).collect();
        let factors = points.iter().filter_map(|point| point.factor.as_ref()).map(Factor::need);
        needs.extend(factors);
        let cost = |request: super::plan::Request| {
            let count = u32::from(request.read.count);
            let values = if request.read.table.is_bits() { count.div_ceil(8) } else { 2 * count };
            let bytes = question + answer + values;
            let time = serial.map_or(Duration::ZERO, |serial| {
                serial.character() * bytes + serial.silence() + settings.line.pause.max(serial.silence())
            });
            // What comes behind the tags are their factors.
            let tags = request.serves.iter().filter(|index| **index < points.len()).count();
            Cost { read: request.read, tags, bytes, time }
        };
        let requests = plan(&needs, settings.limits, &bounds).into_iter().map(cost).collect();
        Described { every, requests, baud: serial.map(|serial| serial.baud) }
    };
    intervals.into_iter().map(of).collect()
}

/// As it is told to people: to the millisecond.
pub(super) fn rounded(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

impl Described {
    /// Bytes of one poll.
    pub(super) fn bytes(&self) -> u32 {
        self.requests.iter().map(|request| request.bytes).sum()
    }

    /// Time of one poll on the wire; zero where it is not known.
    pub(super) fn time(&self) -> Duration {
        self.requests.iter().map(|request| request.time).sum()
    }

    /// Which part of the line's time it takes; 1 is all of it.
    pub(super) fn load(&self) -> f64 {
        self.time().as_secs_f64() / self.every.as_secs_f64()
    }
}

impl fmt::Display for Described {
    /// `every 1s: 2 requests, 130 registers, 293 bytes, 168ms on the wire, 17 %`, then a line for each request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |is_bits: bool| -> u32 {
            let reads = self.requests.iter().map(|request| request.read);
            reads.filter(|read| read.table.is_bits() == is_bits).map(|read| u32::from(read.count)).sum()
        };
        let requests = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        write!(f, "every {}: {}", Span(self.every), count(requests, "request"))?;
        for (amount, what) in [(of(false), "register"), (of(true), "bit")] {
            if amount != 0 {
                write!(f, ", {}", count(amount, what))?;
            }
        }
        write!(f, ", {} bytes", self.bytes())?;
        if self.baud.is_some() {
            write!(f, ", {:?} on the wire, {:.0} %", rounded(self.time()), 100.0 * self.load())?;
        }
        for Cost { read, tags, bytes, .. } in &self.requests {
            let last = if read.count == 1 { String::new() } else { format!("..{}", read.end().saturating_sub(1)) };
            let tags = match u32::try_from(*tags).unwrap_or(u32::MAX) {
                0 => "a factor".to_owned(),
                tags => count(tags, "tag"),
            };
            write!(f, "\n  {}:{}{last}: {tags}, {bytes} bytes", read.table, read.start)?;
        }
        Ok(())
    }
}

/// `1 tag`, `2 tags`.
fn count(amount: u32, what: &str) -> String {
    format!("{amount} {what}{}", if amount == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::super::config::Config;
    use super::*;
    use fieldflow_contract::Findings;
    use serde_json::json;

    fn described(url: &str, tags: &serde_json::Value) -> Vec<Described> {
        let config: Config = serde_json::from_value(json!({ "url": url, "tags": tags })).unwrap();
        describe(&config.resolve(None, &mut Findings::default()).unwrap())
    }

    #[test]
    fn a_full_request_on_a_serial_line_takes_the_time_that_its_characters_take() {
        let tags: std::collections::BTreeMap<String, _> =
            (0..125).map(|n| (format!("t{n}"), json!({ "at": format!("holding:{n}") }))).collect();
        let plan = &described("rtu:///dev/ttyS0?baud=9600", &json!(tags))[0];
        // 9.2 ms for the question, 292 ms for the answer, 4 ms of silence after each.
        assert_eq!((plan.bytes(), plan.time().as_millis()), (263, 309));
        assert!((0.30..0.32).contains(&plan.load()));
        assert_eq!(plan.requests[0].tags, 125);
    }

    #[test]
    fn the_registers_of_factors_are_in_the_plan() {
        let from = |at: &str| json!({ "at": "holding:40", "factor_from": { "at": at } });
        for (at, told) in [
            ("holding:41", "every 1s: 1 request, 2 registers, 25 bytes\n  holding:40..41: 1 tag, 25 bytes"),
            (
                "input:7",
                "every 1s: 2 requests, 2 registers, 46 bytes\n  input:7: a factor, 23 bytes\n  holding:40: 1 tag, 23 bytes",
            ),
        ] {
            assert_eq!(described("tcp://plc", &json!({ "a": from(at) }))[0].to_string(), told);
        }
    }

    #[test]
    fn the_plan_is_told_by_interval() {
        let tags = json!({
            "a": { "at": "holding:0", "as": "f32" }, "b": { "at": "holding:2" }, "c": { "at": "coil:3" },
            "slow": { "at": "holding:3", "every": "1m" },
        });
        let text: Vec<String> = described("tcp://plc", &tags).iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "every 1s: 2 requests, 3 registers, 1 bit, 49 bytes\n  coil:3: 1 tag, 22 bytes\n  holding:0..2: 2 tags, \
                 27 bytes",
                "every 1m: 1 request, 1 register, 23 bytes\n  holding:3: 1 tag, 23 bytes"
            ]
        );
    }
}
