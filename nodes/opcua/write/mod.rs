//! `opcua_write`: writes commands to the nodes that it lists, each once.
//!
//! | to learn about | read |
//! |---|---|
//! | the options | `config` |
//! | what the server says of a node, and which | `target` |
//! | from a value to what is sent | `form`, `scalar` |
//! | what becomes of a command | `writer` |
//! | requests, answers, reading back | `send` |
//! | what a status code says about a write | `outcome` |
//! | gates, the book, the batch in hand | `crate::command` |
//! | what is looked at before a run | `look` |

mod config;
mod form;
mod look;
mod outcome;
mod scalar;
mod send;
mod target;
mod writer;

use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{
    At, BuildContext, BuildError, Carries, Device, Facts, Findings, Keeps, Looking, Node, NodeSpec, Ports, Role,
};

use self::config::{Config, Settings};
use self::writer::Writer;
use super::options::host;
use crate::loopback::is_loopback;

/// `type: opcua_write`
pub(crate) struct OpcuaWrite;

impl NodeSpec for OpcuaWrite {
    const TYPE: &'static str = "opcua_write";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = r#"url: opc.tcp://127.0.0.1:4840
expire: 5s
verify: true
tags:
  boiler.setpoint: { node: "nsu=urn:plant;s=Boiler.Setpoint", range: [20, 85], min_interval: 1s }
  boiler.pump: { node: "nsu=urn:plant;s=Boiler.Pump" }
  boiler.mode: { node: "ns=2;i=1001", as: Int16, verify: false }
  boiler.recipe: { node: "nsu=urn:plant;s=Boiler.Recipe", index: "0:9", scale: 0.1 }
"#;
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::sink(Carries::Any).with_rejected()
    }

    fn facts(_: &Config, _: &Path) -> Facts {
        Facts { keeps: Keeps::Confirmed, remote: true, ..Facts::default() }
    }

    fn check(config: &Config, findings: &mut Findings) {
        config.resolve(findings);
    }

    fn check_files(config: &Config, base_dir: &Path, findings: &mut Findings) {
        if let Some(user) = &config.user
            && let Err((option, why)) = user.token(base_dir)
        {
            findings.error(At::from("user").key(option), why);
        }
    }

    fn look(config: &Config, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        look::begin(config, context, within).map(Some)
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Writer::new(&config, settings(&config)?, context)?))
    }

    /// Simulates nothing, but sees to it that a run on simulated values writes to no plant.
    fn simulate(configs: &[(Config, PathBuf)], _: &[serde_json::Value]) -> Result<Vec<Box<dyn Device>>, BuildError> {
        for (config, _) in configs {
            if !host(&config.url).is_some_and(|(name, _)| is_loopback(&name)) {
                return Err(BuildError(format!(
                    "{}: `opcua_write` would write simulated values to a real device; use an address of this machine, such \
                     as opc.tcp://127.0.0.1:4840, or leave the node out",
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_run_on_simulated_values_writes_to_this_machine_only() {
        for (url, is_here) in [
            ("opc.tcp://127.0.0.1:4840", true),
            ("opc.tcp://localhost/server", true),
            ("opc.tcp://[::1]:4840", true),
            ("opc.tcp://10.0.0.7", false),
            ("opc.tcp://plc.example", false),
        ] {
            let config = serde_json::from_value(json!({ "url": url, "tags": { "a": { "node": "i=1" } } })).unwrap();
            assert_eq!(OpcuaWrite::simulate(&[(config, ".".into())], &[]).is_ok(), is_here, "{url}");
        }
    }
}
