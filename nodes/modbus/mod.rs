//! `modbus`: reads tags from a Modbus device; and `modbus_write`, which writes to one.
//!
//! | to learn about | read |
//! |---|---|
//! | the options | `config`, `tags` |
//! | `holding:0`, `tcp://…` | `address`, `endpoint` |
//! | types and byte orders | `codec` |
//! | which tags share a request | `plan` |
//! | what a plan costs the line, and what nodes do to a line that they share | `describe`, `shared` |
//! | frames, byte for byte | `frame` |
//! | what happens to a late or wrong answer | `wire` |
//! | how nodes share a line, and how it is opened | `line`, `gate`, `opening`, `transport`, `inbound`, `tls` |
//! | a unit that is busy, broken or dead | `session`, `health` |
//! | registers that the device does not have | `aside`, `isolate`, `learnt` |
//! | when what is read, and as what it is told | `source`, `group`, `values`, `factor` |
//! | a look at a device without a pipeline, and at all that one reads | `probe`, `look` |
//! | the device that `simulate` serves, and how it misbehaves | `simulator`, `quirks` |
//! | `modbus_write` | `write` |
//!
//! The client speaks with frames of its own. That of `tokio-modbus` takes a late answer on a serial line for the next one, and
//! gives up the connection over each late answer on TCP; it cannot tell why a frame was wrong either. The crate is what the
//! simulator is built with, and so what the client is tested against.

mod address;
mod aside;
#[cfg(test)]
mod aside_tests;
mod codec;
mod config;
mod describe;
mod endpoint;
mod factor;
mod frame;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gate;
mod group;
mod health;
mod inbound;
mod isolate;
mod learnt;
mod line;
mod line_config;
#[cfg(test)]
mod line_tests;
mod look;
mod opening;
#[cfg(test)]
mod peer;
mod plan;
mod probe;
mod quirks;
#[cfg(test)]
mod serial_tests;
mod session;
mod shared;
mod simulator;
mod source;
mod tags;
#[cfg(test)]
mod tests;
#[cfg_attr(not(feature = "modbus-tls"), path = "no_tls.rs")]
mod tls;
mod transport;
mod values;
mod wire;
mod write;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{
    At, BuildContext, BuildError, Clash, Device, Facts, Findings, Looking, Node, NodeSpec, Ports, Probe, Probing, Role,
    Tags, Together, Yield,
};

use self::aside::{Aside, Unit};
use self::config::{Config, Settings};
use self::endpoint::Endpoint;
use self::group::Group;
use self::learnt::Learnt;
use self::line::Line;
use self::quirks::{Quirk, Quirks};
use self::session::Session;
use self::shared::Shared;
use self::simulator::Simulator;
use self::source::Poller;
use self::tags::Point;
use self::values::members;
pub(crate) use self::write::ModbusWrite;

/// `type: modbus`
pub(crate) struct Modbus;

impl NodeSpec for Modbus {
    const TYPE: &'static str = "modbus";
    const ROLE: Role = Role::Source;
    const EXAMPLE: &'static str = r#"url: tcp://127.0.0.1:1502
unit: 1
every: 500ms
tags:
  boiler.temperature: { at: "holding:0", as: f32, order: CDAB }
  boiler.pressure: { at: "holding:2", as: i16, invalid: [0x8000] }
  boiler.burner: { at: "coil:0" }
  boiler.serial: { at: "input:100", as: string, length: 8, every: 60s }
"#;
    type Config = Config;

    fn ports(config: &Config) -> Ports {
        Ports::source(config.carries())
    }

    fn facts(config: &Config, base_dir: &Path) -> Facts {
        let Ok(settings) = settings(config, base_dir) else { return Facts::default() };
        // Each answer is a batch.
        let plans = describe::describe(&settings);
        let batches = plans.iter().map(|plan| plan.requests.len() as f64 / plan.every.as_secs_f64()).sum();
        let points = settings.points;
        let rate = points.iter().map(|point| 1.0 / point.every.as_secs_f64()).sum();
        let tags = points.into_iter().map(|point| point.name).collect();
        Facts { yields: Yield::PerSecond(rate), batches: Some(batches), tags: Tags::These(tags), ..Facts::default() }
    }

    fn check(config: &Config, findings: &mut Findings) {
        config.resolve(None, findings);
    }

    fn check_files(config: &Config, base_dir: &Path, findings: &mut Findings) {
        config.check_map(base_dir, findings);
        if let Some(tls) = &config.tls
            && let Err((option, why)) = tls::client(tls, base_dir)
        {
            findings.error(At::from("tls").key(option), why);
        }
    }

    fn check_together(nodes: &Together<'_, Config>) -> Vec<Clash> {
        Shared::all(nodes).iter().flat_map(Shared::clashes).collect()
    }

    fn describe(nodes: &Together<'_, Config>) -> Vec<String> {
        Shared::all(nodes).iter().flat_map(Shared::lines).collect()
    }

    fn look(config: &Config, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        look::begin(config, context, within).map(Some)
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::source(poller(&config, context)?))
    }

    fn quirks() -> Option<serde_json::Value> {
        Some(schemars::schema_for!(Quirk).to_value())
    }

    fn simulate(
        configs: &[(Config, PathBuf)],
        quirks: &[serde_json::Value],
    ) -> Result<Vec<Box<dyn Device>>, BuildError> {
        let quirks: Vec<Quirk> = quirks
            .iter()
            .map(|quirk| serde_json::from_value(quirk.clone()).map_err(|error| BuildError(error.to_string())))
            .collect::<Result<_, _>>()?;
        for (index, quirk) in quirks.iter().enumerate() {
            quirk.check().map_err(|error| BuildError(format!("{}[{index}]: {error}", Self::TYPE)))?;
        }
        let mut devices: BTreeMap<_, Simulator> = BTreeMap::new();
        for (config, base_dir) in configs {
            let Settings { line, points, .. } = settings(config, base_dir)?;
            let Some(endpoint @ Endpoint::Tcp(host)) = line.endpoints.first() else {
                return Err(BuildError(format!("{}: only devices at tcp:// can be simulated", config.url)));
            };
            let device = match devices.entry(host.clone()) {
                Entry::Occupied(device) => device.into_mut(),
                Entry::Vacant(place) => {
                    let own = quirks.iter().filter(|quirk| quirk.is_of(endpoint)).cloned().collect();
                    place.insert(Simulator::new(host.clone(), Quirks::new(own)?))
                }
            };
            device.add(config.unit, points);
        }
        for url in quirks.iter().filter_map(|quirk| quirk.url.as_ref()) {
            let endpoint = Endpoint::parse(url).map_err(|problem| BuildError(problem.message))?;
            if !devices.keys().any(|host| Endpoint::Tcp(host.clone()).key() == endpoint.key()) {
                return Err(BuildError(format!("a quirk is for {url}, but no node reads from there")));
            }
        }
        Ok(devices.into_values().map(|device| Box::new(device) as Box<dyn Device>).collect())
    }

    fn probe(probe: &Probe) -> Result<Option<Probing>, BuildError> {
        probe::begin(probe)
    }
}

fn settings(config: &Config, base_dir: &Path) -> Result<Settings, BuildError> {
    let mut findings = Findings::default();
    config.resolve(Some(base_dir), &mut findings).ok_or_else(|| findings.refusal())
}

fn poller(config: &Config, context: &BuildContext) -> Result<Poller, BuildError> {
    let Settings { line, limits, holes, policy, points, .. } = settings(config, &context.base_dir)?;
    let line = Line::of(line, &context.base_dir)?;
    let url = line.name().to_owned();
    context.saved.keep();
    let session = Session::new(line, config.unit, config.timeout.0, policy, context);
    let mut intervals: BTreeMap<Duration, Vec<Point>> = BTreeMap::new();
    for point in points {
        intervals.entry(point.every).or_default().push(point);
    }
    let groups = intervals.into_iter().enumerate().map(|(index, (every, points))| {
        Ok(Group::new(every, members(&points)?, Some(every.mul_f64(fraction(session.place(), index)))))
    });
    Ok(Poller {
        groups: groups.collect::<Result<_, BuildError>>()?,
        session,
        limits,
        holes,
        keep_alive: config.keep_alive.map(|span| span.0),
        unit: Unit { url, id: config.unit, saved: context.saved.clone(), clock: context.clock.clone() },
        tally: context.tally.clone(),
        notices: context.notices.clone(),
        learnt: Learnt::default(),
        aside: Aside::default(),
        is_silent: false,
        beat: None,
        ready: Vec::new(),
        pending: None,
    })
}

/// Which part of its interval a group waits, so that the nodes of a line do not all come at once. Steps of the golden ratio
/// are spread evenly, however many nodes there will be.
fn fraction(place: u64, group: usize) -> f64 {
    ((place as f64 + 0.5 * group as f64) * 0.618_033_988_75).fract()
}
