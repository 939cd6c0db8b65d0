//! `mqtt_forward`: publishes records, each done when the broker has acknowledged its message.
//!
//! | to learn about | read |
//! |---|---|
//! | the options | `config`, and what they resolve to: `settings` |
//! | topics | `topic` |
//! | from records to messages | `payload`, `edge_node` for Sparkplug |
//! | the host that a Sparkplug edge node waits for | `primary` |
//! | sending, acknowledgements, refusals | `sink`, `messages`, `answers` |
//! | what it says of itself | `presence` |
//! | links that do not carry everything | `narrow` |
//! | what became of the batches in hand | `progress` |

mod answers;
mod config;
mod edge_node;
#[cfg(test)]
mod edge_node_tests;
mod link;
mod messages;
mod narrow;
#[cfg(test)]
mod narrow_tests;
mod payload;
#[cfg(test)]
mod payload_tests;
mod presence;
mod primary;
#[cfg(test)]
mod primary_tests;
mod progress;
mod settings;
mod sink;
#[cfg(test)]
mod storm_tests;
#[cfg(test)]
mod tests;
mod topic;

use std::path::Path;
use std::time::Duration;

use fieldflow_contract::{
    At, BuildContext, BuildError, Carries, Facts, Findings, Keeps, Looking, Node, NodeSpec, Ports, Role,
};

use self::config::Config;
use self::settings::Settings;
use self::sink::Forward;
use super::client::{Qos, identity, look};

/// `type: mqtt_forward`
pub(crate) struct MqttForward;

impl NodeSpec for MqttForward {
    const TYPE: &'static str = "mqtt_forward";
    const ROLE: Role = Role::Sink;
    const DURABLE_INPUT: bool = true;
    const EXAMPLE: &'static str = r#"url: mqtt://127.0.0.1:1883
topic: "site/{tag}"
qos: 1
payload: json
status: { topic: "status/{pipeline}" }
"#;
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::sink(Carries::Any).with_rejected()
    }

    fn check(config: &Config, findings: &mut Findings) {
        config.resolve(findings);
    }

    fn check_files(config: &Config, base_dir: &Path, findings: &mut Findings) {
        if let Some(tls) = config.tls()
            && let Err((option, why)) = identity(tls, base_dir)
        {
            findings.error(At::from("tls").key(option), why);
        }
    }

    fn check_input(config: &Config, is_durable: bool, findings: &mut Findings) {
        if let Some(place) = config.is_narrow().filter(|_| !is_durable) {
            findings
                .error(
                    At::from("urls").index(place).key("only"),
                    "what may not go this way waits on the edge that leads here, and none is durable",
                )
                .help("take `durable: false` out at the edge, or `only` here");
        }
        if is_durable && config.qos() == Qos::AtMostOnce {
            findings
                .warning(
                    "qos",
                    "with QoS 0 nobody acknowledges anything: what is under way when the connection breaks is lost, although \
                     the edge that leads here is durable",
                )
                .help("set qos: 1, or `durable: false` on the edge if a loss does not matter");
        }
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        let keeps = if config.qos() == Qos::AtMostOnce { Keeps::Unconfirmed } else { Keeps::Confirmed };
        Facts { keeps, remote: true, owns: config.owns(), ..Facts::default() }
    }

    fn look(config: &Config, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        look(settings(config)?.link, config.is_list(), context, within).map(Some)
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Forward::new(settings(&config)?, context)?))
    }
}

fn settings(config: &Config) -> Result<Settings, BuildError> {
    let mut findings = Findings::default();
    config.resolve(&mut findings).ok_or_else(|| findings.refusal())
}
