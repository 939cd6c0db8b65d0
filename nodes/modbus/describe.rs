//! What a node will ask its device for, and what that costs the line: for `validate`, before anything is connected.

use std::fmt;
use std::time::Duration;

use fieldflow_contract::{At, Findings, Span};

use super::config::Settings;
use super::endpoint::Endpoint;
use super::plan::{Bounds, Need, plan};

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
        let points = settings.points.iter().filter(|point| point.every == every);
        let needs: Vec<Need> = points.map(|point| point.need).collect();
        let cost = |request: super::plan::Request| {
            let count = u32::from(request.read.count);
            let values = if request.read.table.is_bits() { count.div_ceil(8) } else { 2 * count };
            let bytes = question + answer + values;
            let time = serial.map_or(Duration::ZERO, |serial| {
                serial.character() * bytes + serial.silence() + settings.line.pause.max(serial.silence())
            });
            Cost { read: request.read, tags: request.serves.len(), bytes, time }
        };
        let requests = plan(&needs, settings.limits, &bounds).into_iter().map(cost).collect();
        Described { every, requests, baud: serial.map(|serial| serial.baud) }
    };
    intervals.into_iter().map(of).collect()
}

/// The plan of a node in lines.
pub(super) fn lines(settings: &Settings) -> Vec<String> {
    describe(settings).iter().flat_map(|plan| plan.to_string().lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Warns of more than the line can carry: of an interval by itself, else of all of them together.
pub(super) fn warn(settings: &Settings, findings: &mut Findings) {
    let plans = describe(settings);
    let load = |plan: &Described| 100.0 * plan.time().as_secs_f64() / plan.every.as_secs_f64();
    let at_baud = |plan: &Described| plan.baud.map_or_else(String::new, |baud| format!(" at {baud} baud"));
    let help = "read less often, or fewer tags, or give the line a higher baud rate";
    let mut is_one = false;
    for plan in plans.iter().filter(|plan| plan.is_too_much()) {
        let (time, every, percent) = (rounded(plan.time()), Span(plan.every), load(plan));
        let message = format!("the cycle needs {time:?}{}, every: {every}: {percent:.0} %", at_baud(plan));
        // The tags of the other intervals have their own `every`.
        let own = settings.points.iter().filter(|point| point.every == plan.every);
        let at = if plan.every == settings.every {
            At::from("every")
        } else {
            own.map(|point| At::from("tags").key(&point.name)).next().unwrap_or_default()
        };
        findings.warning(at, message).help(help);
        is_one = true;
    }
    let sum: f64 = plans.iter().map(load).sum();
    if !is_one
        && 100.0 < sum
        && let Some(plan) = plans.first()
    {
        let message = format!("the cycles of all intervals together need {sum:.0} % of the line{}", at_baud(plan));
        findings.warning("every", message).help(help);
    }
}

/// As it is told to people: to the millisecond.
fn rounded(time: Duration) -> Duration {
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

    /// Whether a poll takes longer on the wire than its interval.
    pub(super) fn is_too_much(&self) -> bool {
        self.every < self.time()
    }
}

impl fmt::Display for Described {
    /// `every 1s: 2 requests, 130 registers, 293 bytes, 168ms on the wire at 19200 baud`, then a line for each request.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |is_bits: bool| -> u32 {
            let reads = self.requests.iter().map(|request| request.read);
            reads.filter(|read| read.table.is_bits() == is_bits).map(|read| u32::from(read.count)).sum()
        };
        let (registers, bits) = (of(false), of(true));
        write!(f, "every {:?}: {} requests", self.every, self.requests.len())?;
        if registers != 0 {
            write!(f, ", {registers} registers")?;
        }
        if bits != 0 {
            write!(f, ", {bits} bits")?;
        }
        write!(f, ", {} bytes", self.bytes())?;
        if let Some(baud) = self.baud {
            write!(f, ", {:?} on the wire at {baud} baud", rounded(self.time()))?;
        }
        for Cost { read, tags, bytes, .. } in &self.requests {
            let last = read.end().saturating_sub(1);
            write!(f, "\n  {}:{}..{last}: {tags} tags, {bytes} bytes", read.table, read.start)?;
        }
        Ok(())
    }
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
        assert_eq!((plan.bytes(), plan.time().as_millis(), plan.is_too_much()), (263, 309, false));
        assert_eq!(plan.requests[0].tags, 125);
    }

    #[test]
    fn more_than_a_serial_line_can_carry_is_warned_of() {
        let warned = |options: serde_json::Value| {
            let mut config = json!({ "url": "rtu:///dev/ttyS0?baud=9600" });
            config.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
            let config: Config = serde_json::from_value(config).unwrap();
            let mut findings = Findings::default();
            warn(&config.resolve(None, &mut Findings::default()).unwrap(), &mut findings);
            findings.0.iter().map(|found| format!("{}: {}", found.at, found.message)).collect::<Vec<_>>()
        };
        let far = |count: u16| -> serde_json::Map<String, serde_json::Value> {
            (0..count).map(|n| (format!("t{n:02}"), json!({ "at": format!("holding:{}", 100 * n) }))).collect()
        };
        // A request of one register is 15 characters of 1.15 ms and 8 ms of silence.
        assert_eq!(warned(json!({ "tags": far(39) })), Vec::<String>::new());
        assert_eq!(
            warned(json!({ "tags": far(80) })),
            ["every: the cycle needs 2.016s at 9600 baud, every: 1s: 202 %"]
        );
        assert_eq!(
            warned(json!({ "tags": far(39), "pause": "100ms" })),
            ["every: the cycle needs 4.726s at 9600 baud, every: 1s: 473 %"]
        );
        let mut two = far(39);
        two["t07"] = json!({ "at": "holding:700", "every": "20ms" });
        assert_eq!(
            warned(json!({ "tags": two })),
            ["tags.t07: the cycle needs 25ms at 9600 baud, every: 20ms: 126 %"]
        );
        two["t07"] = json!({ "at": "holding:700", "every": "50ms" });
        assert_eq!(
            warned(json!({ "tags": two })),
            ["every: the cycles of all intervals together need 146 % of the line at 9600 baud"]
        );
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
                "every 1s: 2 requests, 3 registers, 1 bits, 49 bytes\n  coil:3..3: 1 tags, 22 bytes\n  holding:0..2: 2 tags, \
                 27 bytes",
                "every 60s: 1 requests, 1 registers, 23 bytes\n  holding:3..3: 1 tags, 23 bytes"
            ]
        );
    }
}
