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
//! | as what it is told | `values`, `factor` |
//! | the device that `simulate` serves | `simulator` |

mod address;
mod codec;
mod config;
mod endpoint;
mod factor;
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
use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{BuildContext, BuildError, Device, Findings, Node, NodeSpec, Ports, Role, Severity};
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

    fn ports(config: &Config) -> Ports {
        Ports::source(config.carries())
    }

    fn check(config: &Config, findings: &mut Findings) {
        config.resolve(None, findings);
    }

    fn check_files(config: &Config, base_dir: &Path, findings: &mut Findings) {
        config.check_map(base_dir, findings);
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::source(poller(&config, context)?))
    }

    fn simulate(configs: &[(Config, PathBuf)]) -> Result<Vec<Box<dyn Device>>, BuildError> {
        let mut devices: BTreeMap<_, Simulator> = BTreeMap::new();
        for (config, base_dir) in configs {
            let Settings { endpoint, points, .. } = settings(config, base_dir)?;
            let device = devices.entry(endpoint.clone()).or_insert_with(|| Simulator::new(endpoint));
            device.add(config.unit, points);
        }
        Ok(devices.into_values().map(|device| Box::new(device) as Box<dyn Device>).collect())
    }
}

fn settings(config: &Config, base_dir: &Path) -> Result<Settings, BuildError> {
    let mut findings = Findings::default();
    config.resolve(Some(base_dir), &mut findings).ok_or_else(|| {
        let error = findings.0.iter().find(|found| found.severity == Severity::Error);
        BuildError(error.map_or_else(String::new, |found| format!("{}: {}", found.at, found.message)))
    })
}

fn poller(config: &Config, context: &BuildContext) -> Result<Poller, BuildError> {
    let Settings { endpoint, limits, points } = settings(config, &context.base_dir)?;
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
