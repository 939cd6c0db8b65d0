//! `modbus_write`: writes commands to the tags that it lists, each once.
//!
//! | to learn about | read |
//! |---|---|
//! | the options | `config` |
//! | from a value to registers and a request | `target` |
//! | what becomes of a command | `writer` |
//! | what a refusal of the device says | `refusal` |
//! | gates, the book, the batch in hand | `crate::command` |
//! | how it gets to the device | `super::session`, `super::line` |

mod config;
#[cfg(test)]
mod plant;
mod refusal;
mod target;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{
    At, BuildContext, BuildError, Carries, Device, Facts, Findings, Keeps, Looking, Node, NodeSpec, Ports, Role, Seen,
    Sink, TagSelector, Wants,
};
use tokio::time::timeout;

use self::config::{Config, Settings};
use self::writer::Writer;
use super::endpoint::Endpoint;
use super::tls;
use crate::loopback::is_loopback;

/// `type: modbus_write`
pub(crate) struct ModbusWrite;

impl NodeSpec for ModbusWrite {
    const TYPE: &'static str = "modbus_write";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = r#"url: tcp://127.0.0.1:1502
unit: 1
expire: 5s
verify: true
tags:
  boiler.setpoint: { at: "holding:20", as: i16, scale: 0.1, range: [20, 85] }
  boiler.limit: { at: "holding:22", as: f32, order: CDAB, range: [0, 12.5], min_interval: 60s }
  boiler.pump: { at: "coil:4" }
  boiler.mode: { at: "holding:24", enum: { "0": off, "1": eco, "2": full } }
  boiler.release: { at: "holding:25.3" }
"#;
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::sink(Carries::Any).with_rejected()
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        let targets = config.resolve(&mut Findings::default()).map(|settings| settings.targets).unwrap_or_default();
        let wants = targets.iter().map(|(tag, target)| Wants {
            at: At::from("tags").key(tag),
            tags: TagSelector::from(tag.as_str()),
            types: target.types(),
        });
        Facts { keeps: Keeps::Confirmed, remote: true, wants: wants.collect(), ..Facts::default() }
    }

    fn check(config: &Config, findings: &mut Findings) {
        config.resolve(findings);
    }

    fn check_files(config: &Config, base_dir: &Path, findings: &mut Findings) {
        if let Some(tls) = &config.tls
            && let Err((option, why)) = tls::client(tls, base_dir)
        {
            findings.error(At::from("tls").key(option), why);
        }
    }

    fn look(config: &Config, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        let mut writer = Writer::new(config, settings(config)?, context)?;
        Ok(Some(Box::pin(async move {
            let mut seen = Seen::default();
            match timeout(within, writer.connect()).await {
                Ok(Ok(())) => seen.said.push("connected; nothing was written".to_owned()),
                Ok(Err(error)) => _ = seen.findings.error("url", format!("cannot connect: {error}")),
                Err(_) => _ = seen.findings.error("url", format!("no connection within {within:?}")),
            }
            writer.close().await;
            seen
        })))
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Writer::new(&config, settings(&config)?, context)?))
    }

    /// Simulates nothing, but sees to it that a run on simulated values writes to no plant.
    fn simulate(configs: &[(Config, PathBuf)], _: &[serde_json::Value]) -> Result<Vec<Box<dyn Device>>, BuildError> {
        for (config, _) in configs {
            let is_here = settings(config)?.line.endpoints.iter().all(|endpoint| match endpoint {
                Endpoint::Tcp(at) => is_loopback(&at.host),
                _ => false,
            });
            if !is_here {
                return Err(BuildError(format!(
                    "{}: `modbus_write` would write simulated values to a real device; use an address of this machine, such \
                     as tcp://127.0.0.1:1502, or leave the node out",
                    config.url
                )));
            }
        }
        Ok(Vec::new())
    }
}

fn settings(config: &Config) -> Result<Settings, BuildError> {
    let mut findings = Findings::default();
    config.resolve(&mut findings).ok_or_else(|| findings.refusal())
}
