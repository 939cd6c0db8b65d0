//! OPC UA: `opcua`, which subscribes to the values of a server, and `opcua_write`, which writes them.
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
//! | what is in which subscription, and what the server made of it | `filling`, `revised` |
//! | what is done after a reconnect | `ladder`, `history` |
//! | what is waited for, and what becomes of what is heard or read | `source`, `hearing`, `reading` |
//! | values, qualities, times | `item`, `values` |
//! | what is told and looked at before a run | `load`, `look` |
//! | a walk through what a server holds | `browse` |
//! | structures, and the names of enumerations | `structures`, `standard`, `lookup` |
//! | commands that are written | `write` |
//! | the server that `simulate` serves | `simulator` |
//!
//! Of the library its codec, its cryptography, its secure channel and its requests are used, not its sessions nor its transport:
//! see `channel` and `transport`.

mod browse;
mod channel;
mod config;
mod connection;
mod dial;
mod filling;
mod hearing;
mod history;
mod ids;
mod item;
mod ladder;
mod load;
mod look;
mod lookup;
mod options;
mod pki;
mod profile;
mod pump;
mod reading;
mod refusal;
mod revised;
mod session;
#[cfg(feature = "opcua-simulator")]
mod simulator;
mod source;
mod standard;
mod stream;
mod structures;
mod subscription;
mod tags;
mod transport;
mod values;
mod write;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fieldflow_contract::{
    At, Browse, Browsing, BuildContext, BuildError, Carries, Device, Facts, Findings, Looking, Node, NodeSpec, Ports,
    Role, Tags, Together,
};
use tokio::time::Instant;

use self::config::{Config, Settings};
use self::connection::Server;
use self::item::Item;
use self::pump::Pump;
use self::reading::Reading;
use self::source::Subscriber;
use self::structures::Types;
pub(crate) use self::write::OpcuaWrite;

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
        load::check(config, findings);
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
        let tags = Tags::These(config.tags.keys().cloned().collect());
        Facts { tags, asks: load::asks(config), ..Facts::default() }
    }

    fn describe(nodes: &Together<'_, Config>) -> Vec<String> {
        nodes.nodes.iter().filter_map(|(name, config)| load::line(name, config)).collect()
    }

    fn look(config: &Config, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        look::begin(config, context, within).map(Some)
    }

    fn browse(browse: &Browse) -> Result<Option<Browsing>, BuildError> {
        browse::begin(browse)
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
    config.resolve(&mut findings).ok_or_else(|| findings.refusal())
}

fn subscriber(config: &Config, context: &BuildContext) -> Result<Subscriber, BuildError> {
    let settings = settings(config)?;
    let server =
        Server::new(&settings.access, context).map_err(|(option, why)| BuildError(format!("user.{option}: {why}")))?;
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
