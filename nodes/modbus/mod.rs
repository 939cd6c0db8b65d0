//! `modbus`: reads tags from a Modbus TCP device.
//!
//! | to learn about | read |
//! |---|---|
//! | the options | `config`, `tags` |
//! | `holding:0`, `tcp://…` | `address`, `endpoint` |
//! | types and byte orders | `codec` |
//! | which tags share a request | `plan` |
//! | what happens to a late or wrong answer | `session` |
//! | when what is read | `source` |
//! | as what it is told | `values` |
//! | the device that `simulate` serves | `simulator` |

mod address;
mod codec;
mod config;
mod endpoint;
#[cfg(test)]
mod peer;
mod plan;
mod session;
mod simulator;
mod source;
mod tags;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use fieldflow_contract::{BuildContext, BuildError, Carries, Device, Findings, Node, NodeSpec, Ports, Role};
use tokio::time::Instant;

use self::config::{Config, Settings};
use self::plan::Limits;
use self::session::Session;
use self::simulator::Simulator;
use self::source::{Group, Poller};
use self::tags::Point;
use self::values::reads;

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

    fn ports(_: &Config) -> Ports {
        Ports::source(Carries::Values)
    }

    fn check(config: &Config, findings: &mut Findings) {
        config.resolve(findings);
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::source(poller(&config, context)?))
    }

    fn simulate(configs: &[Config]) -> Result<Vec<Box<dyn Device>>, BuildError> {
        let mut devices: BTreeMap<_, Simulator> = BTreeMap::new();
        for config in configs {
            let Settings { endpoint, points, .. } = settings(config)?;
            let device = devices.entry(endpoint.clone()).or_insert_with(|| Simulator::new(endpoint));
            device.add(config.unit, points);
        }
        Ok(devices.into_values().map(|device| Box::new(device) as Box<dyn Device>).collect())
    }
}

fn settings(config: &Config) -> Result<Settings, BuildError> {
    let mut findings = Findings::default();
    config.resolve(&mut findings).ok_or_else(|| {
        BuildError(findings.0.first().map_or_else(String::new, |found| format!("{}: {}", found.at, found.message)))
    })
}

fn poller(config: &Config, context: &BuildContext) -> Result<Poller, BuildError> {
    let Settings { endpoint, limits, points } = settings(config)?;
    let mut intervals: BTreeMap<Duration, Vec<Point>> = BTreeMap::new();
    for point in points {
        intervals.entry(point.every).or_default().push(point);
    }
    let groups =
        intervals.into_iter().map(|(every, points)| group(every, &points, limits)).collect::<Result<_, _>>()?;
    let session = Session::new(endpoint, config.unit, config.timeout.0, context.tally.clone());
    Ok(Poller { session, groups, clock: context.clock.clone(), tally: context.tally.clone(), pending: None })
}

fn group(every: Duration, points: &[Point], limits: Limits) -> Result<Group, BuildError> {
    Ok(Group { every, due: Instant::now(), requests: reads(points, limits)? })
}
