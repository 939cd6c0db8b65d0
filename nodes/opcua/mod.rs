//! OPC UA: `opcua`, which subscribes to the values of a server.
//!
//! | to learn about | read |
//! |---|---|
//! | the options | `config`, `tags`, `options` |
//! | `nsu=urn:plant;s=Line.Speed` | `ids` |
//! | certificates, and who is trusted | `pki` |
//! | why a server says no | `refusal` |
//! | from an address to a session, and back to the one of before | `connection` |
//! | TCP, messages, secure channel, requests | `dial`, `transport`, `stream`, `channel`, `session` |
//! | what kind of server it is, and how much it takes at once | `profile` |
//! | subscriptions, their messages and their order | `subscription`, `pump` |
//! | what is done after a reconnect | `ladder`, `history` |
//! | what is waited for, and what becomes of what is heard or read | `source`, `hearing`, `reading` |
//! | values, qualities, times | `item`, `values` |
//! | what is looked at before a run | `look` |
//! | structures, and the names of enumerations | `structures`, `lookup` |
//! | the server that `simulate` serves | `simulator` |
//!
//! Of the library its codec, its cryptography, its secure channel and its requests are used, not its sessions nor its transport:
//! see `channel` and `transport`.

mod channel;
mod config;
mod connection;
mod dial;
mod hearing;
mod history;
mod ids;
mod item;
mod ladder;
mod look;
mod lookup;
mod options;
mod pki;
mod profile;
mod pump;
mod reading;
mod refusal;
mod session;
#[cfg(feature = "opcua-simulator")]
mod simulator;
mod source;
mod stream;
mod structures;
mod subscription;
mod tags;
mod transport;
mod values;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{
    At, BuildContext, BuildError, Carries, Device, Facts, Findings, Looking, Node, NodeSpec, Ports, Role, Severity,
    Tags,
};
use tokio::time::Instant;

use self::config::{Config, Settings};
use self::connection::Server;
use self::item::Item;
use self::pump::Pump;
use self::reading::Reading;
use self::source::Subscriber;
use self::structures::Types;
use self::subscription::Wanted;

/// `type: opcua`
pub(crate) struct Opcua;

impl NodeSpec for Opcua {
    const TYPE: &'static str = "opcua";
    const ROLE: Role = Role::Source;
    const EXAMPLE: &'static str = r#"url: opc.tcp://127.0.0.1:4840
security: { policy: Basic256Sha256, mode: SignAndEncrypt }
publishing: 500ms
tags:
  line.speed: { node: "nsu=urn:plant;s=Line.Speed", sampling: 100ms, deadband: 0.1 }
  line.state: { node: "ns=2;i=1001", queue: 20 }
  server.time: { node: "i=2258", every: 10s }
"#;
    type Config = Config;

    fn ports(_: &Config) -> Ports {
        Ports::source(Carries::Any)
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

    fn facts(config: &Config, _: &Path) -> Facts {
        // How many records come is the server's affair; a structure has its parts behind the name of its tag.
        Facts { tags: Tags::These(config.tags.keys().cloned().collect()), ..Facts::default() }
    }

    fn look(config: &Config, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        look::begin(config, context, within).map(Some)
    }

    fn build(config: Config, context: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::source(subscriber(&config, context)?))
    }

    #[cfg(feature = "opcua-simulator")]
    fn simulate(configs: &[(Config, PathBuf)], _: &[serde_json::Value]) -> Result<Vec<Box<dyn Device>>, BuildError> {
        simulator::simulators(configs)
    }

    #[cfg(not(feature = "opcua-simulator"))]
    fn simulate(configs: &[(Config, PathBuf)], _: &[serde_json::Value]) -> Result<Vec<Box<dyn Device>>, BuildError> {
        let url = configs.first().map_or("opc.tcp://", |(config, _)| &config.url);
        Err(BuildError(format!(
            "{url}: this build is without the simulator of OPC UA servers; build it with --features fieldflow-nodes/opcua-simulator"
        )))
    }
}

fn settings(config: &Config) -> Result<Settings, BuildError> {
    let mut findings = Findings::default();
    config.resolve(&mut findings).ok_or_else(|| {
        let error = findings.0.iter().find(|found| found.severity == Severity::Error);
        BuildError(error.map_or_else(String::new, |found| format!("{}: {}", found.at, found.message)))
    })
}

fn subscriber(config: &Config, context: &BuildContext) -> Result<Subscriber, BuildError> {
    let settings = settings(config)?;
    let server =
        Server::new(&settings, context).map_err(|(option, why)| BuildError(format!("user.{option}: {why}")))?;
    let mut intervals: BTreeMap<Duration, Vec<usize>> = BTreeMap::new();
    for (place, point) in settings.points.iter().enumerate() {
        if let Some(every) = point.every {
            intervals.entry(every).or_default().push(place);
        }
    }
    let reading = |(every, items)| Reading { every, due: Instant::now(), items };
    Ok(Subscriber {
        server,
        session: None,
        items: settings.points.into_iter().map(Item::new).collect(),
        wanted: Wanted { publishing: settings.publishing, lasting: settings.lasting },
        time: settings.time,
        subscriptions: Vec::new(),
        pump: Pump::default(),
        readings: intervals.into_iter().map(reading).collect(),
        types: Types::default(),
        ready: VecDeque::new(),
        again: None,
        told_person: None,
        listened: Instant::now(),
    })
}
