//! `mqtt`: subscribes to topics, and acknowledges each message when it is delivered.
//!
//! | to learn about | read |
//! |---|---|
//! | the options | `config`, `filter` |
//! | what a message becomes, and when it is acknowledged | `subscriber`, `piece` |
//! | what Sparkplug messages mean | `host` |
//! | what is told to who sent a message | `answer`, `outbox` |
//! | topics and tags | `topics` |
//! | payloads and values | `payload` |

mod answer;
#[cfg(test)]
mod answer_tests;
mod config;
mod filter;
mod host;
mod outbox;
mod payload;
mod piece;
mod subscriber;
#[cfg(test)]
mod tests;
mod topics;

#[cfg(feature = "fuzzing")]
pub use self::host::fuzzing::sparkplug;

use std::path::Path;
use std::time::Duration;

use fieldflow_contract::{At, BuildContext, BuildError, Facts, Findings, Looking, Node, NodeSpec, Ports, Role, Tag};

use tokio::task::JoinSet;

use self::config::{Config, Settings};
use self::host::Host;
use self::outbox::Outbox;
use self::payload::Payload;
use self::piece::Ready;
use self::subscriber::Subscriber;
use self::topics::Topics;
use super::client::{Client, client_ids, identity, look};

/// `type: mqtt`
pub(crate) struct Mqtt;

impl NodeSpec for Mqtt {
    const TYPE: &'static str = "mqtt";
    const ROLE: Role = Role::Source;
    const RESENDS: bool = true;
    const EXAMPLE: &'static str = r#"url: mqtt://127.0.0.1:1883
topics: ["meters/+/power", "lines/#"]
qos: 1
client_id: gateway-1
payload: json
"#;
    type Config = Config;

    fn ports(config: &Config) -> Ports {
        Ports::source(config.carries())
    }

    fn check(config: &Config, findings: &mut Findings) {
        config.resolve(findings);
    }

    fn check_files(config: &Config, base_dir: &Path, findings: &mut Findings) {
        if let Some(tls) = &config.tls
            && let Err((option, why)) = identity(tls, base_dir)
        {
            findings.error(At::from("tls").key(option), why);
        }
    }

    fn facts(config: &Config, _: &Path) -> Facts {
        let owns = client_ids(config.client_id.as_deref(), config.url.iter().chain(&config.urls).map(String::as_str));
        Facts { owns, ..Facts::default() }
    }

    fn look(config: &Config, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        look(resolved(config)?.options, config.url.is_none(), context, within).map(Some)
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::source(subscriber(&config, context)?))
    }
}

fn resolved(config: &Config) -> Result<Settings, BuildError> {
    let mut findings = Findings::default();
    config.resolve(&mut findings).ok_or_else(|| findings.refusal())
}

fn subscriber(config: &Config, context: &BuildContext) -> Result<Subscriber, BuildError> {
    let Settings { options, filters, outage } = resolved(config)?;
    context.saved.keep();
    let other = Tag::new(&format!("{}/other", context.node)).map_err(|error| BuildError(error.to_string()))?;
    Ok(Subscriber {
        client: Client::new(options, context)?,
        connection: None,
        filters,
        asked: None,
        is_subscribed: false,
        payload: config.payload,
        retained: config.retained,
        outage,
        topics: Topics::new(config.max_topics as usize, other),
        host: (config.payload == Payload::Sparkplug)
            .then(|| Host::new(config.max_topics as usize, config.rebirth.unwrap_or(true), context.tally.clone())),
        respond: config.respond,
        outbox: Outbox::new(context.tally.clone(), context.notices.clone()),
        publishing: JoinSet::new(),
        came: Vec::new(),
        ready: Ready::new(),
        given: 0,
        clock: context.clock.clone(),
        saved: context.saved.clone(),
        tally: context.tally.clone(),
        notices: context.notices.clone(),
    })
}
