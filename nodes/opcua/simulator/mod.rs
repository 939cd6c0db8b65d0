//! The server that `simulate` serves: every node that the tags of the file name is there and moves.
//!
//! | to learn about | read |
//! |---|---|
//! | which nodes there are, and of which type | `plant` |
//! | how a value moves | `cell` |
//! | the nodes of the standard: the folders, what the server says of itself, the types | `standard` |
//! | certificates, and who trusts whom | `trust` |
//!
//! Whatever is written to a variable is taken, stays, and can be read. The server is the library's, whose client this node is not.

mod cell;
mod plant;
mod standard;
mod trust;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use fieldflow_contract::{BoxFuture, BuildError, Device};
use opcua::client::IdentityToken;
use opcua::crypto::SecurityPolicy;
use opcua::types::{
    AttributeId, DataEncoding, DataValue, DateTime, MessageSecurityMode, NumericRange, TimestampsToReturn,
};
use opcua_server::address_space::NodeType;
use opcua_server::node_manager::memory::{InMemoryNodeManagerBuilder, SimpleNodeManager, SimpleNodeManagerBuilder};
use opcua_server::{ANONYMOUS_USER_TOKEN_ID, Server, ServerBuilder, ServerEndpoint, ServerHandle, ServerUserToken};
use tokio::net::TcpListener;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::cell::{Cell, Kind};
use self::plant::Plant;
use self::trust::Trust;
use super::config::{Config, Settings};
use super::options::host;
use crate::loopback::is_loopback;

pub(super) use self::trust::folder_of;

/// How often values move.
const MOVES: Duration = Duration::from_millis(100);
/// As often as that for so many; for more, as much more rarely.
const AT_ONCE: usize = 1000;
/// Most nodes that a request may name, and items that a subscription may have.
const MOST: usize = 100_000;

/// A server at one address.
struct Simulator {
    host: String,
    port: u16,
    /// The name that it gives itself.
    uri: String,
    plant: Plant,
    endpoints: Vec<Endpoint>,
    users: Vec<IdentityToken>,
    bound: Option<Bound>,
}

/// A path, and how a connection to it is secured.
type Endpoint = (String, SecurityPolicy, MessageSecurityMode);

struct Bound {
    server: Option<Server>,
    handle: ServerHandle,
    listener: Option<TcpListener>,
    cells: Vec<Cell>,
    _trust: Trust,
}

/// The servers of these nodes: one for each address.
pub(super) fn simulators(configs: &[(Config, PathBuf)]) -> Result<Vec<Box<dyn Device>>, BuildError> {
    let mut simulators: BTreeMap<(String, u16), Simulator> = BTreeMap::new();
    for (config, base_dir) in configs {
        let settings = super::settings(config)?;
        let user = settings.access.user.as_ref().map(|user| user.token(base_dir)).transpose();
        let user = user.map_err(|(option, why)| BuildError(format!("user.{option}: {why}")))?;
        let (host, port) =
            host(&settings.access.url).ok_or_else(|| BuildError(format!("{}: no host", settings.access.url)))?;
        let place = simulators.entry((host.clone(), port));
        let simulator = place.or_insert_with(|| Simulator::new(host, port));
        simulator.add(&settings, user).map_err(|why| BuildError(format!("{}: {why}", settings.access.url)))?;
    }
    Ok(simulators.into_values().map(|simulator| Box::new(simulator) as Box<dyn Device>).collect())
}

impl Simulator {
    fn new(host: String, port: u16) -> Self {
        let uri = format!("urn:{host}:fieldflow:simulator:{port}");
        Self { host, port, plant: Plant::new(&uri), uri, endpoints: Vec::new(), users: Vec::new(), bound: None }
    }

    /// Adds what a node of the file is about.
    fn add(&mut self, settings: &Settings, user: Option<IdentityToken>) -> Result<(), String> {
        let path = format!("/{}", settings.access.url.splitn(4, '/').nth(3).unwrap_or_default());
        let mut endpoints = vec![
            (settings.access.security.policy, settings.access.security.mode),
            (SecurityPolicy::Basic256Sha256, MessageSecurityMode::SignAndEncrypt),
        ];
        // Whoever is on this machine may as well look at what is made up here.
        if is_loopback(&self.host) {
            endpoints.push((SecurityPolicy::None, MessageSecurityMode::None));
        }
        for (policy, mode) in endpoints {
            let endpoint = (path.clone(), policy, mode);
            if !self.endpoints.contains(&endpoint) {
                self.endpoints.push(endpoint);
            }
        }
        self.users.extend(user);
        settings.points.iter().try_for_each(|point| self.plant.add(point))
    }

    fn build(&self, trust: &Trust) -> io::Result<(Server, ServerHandle)> {
        let mut users = vec![ANONYMOUS_USER_TOKEN_ID.to_owned()];
        let nodes = SimpleNodeManagerBuilder::new_imports(vec![Box::new(self.plant.clone())], "fieldflow simulator");
        let mut builder = ServerBuilder::new()
            .without_node_managers()
            .application_name("fieldflow simulator")
            .application_uri(&self.uri)
            .product_uri("urn:fieldflow:simulator")
            .host(&self.host)
            .port(self.port)
            .pki_dir(trust.server())
            .certificate_path("own/cert.der")
            .private_key_path("private/private.pem")
            .trust_client_certs(true)
            .with_node_manager(InMemoryNodeManagerBuilder::new(nodes));
        for (index, user) in self.users.iter().enumerate() {
            let id = format!("user{index}");
            let token = match user {
                IdentityToken::UserName(name, password) => ServerUserToken::user_pass(name, &password.0),
                IdentityToken::X509(certificate, _) => ServerUserToken::x509(&id, &trust.keep(&id, certificate)?),
                _ => continue,
            };
            builder = builder.add_user_token(&id, token);
            users.push(id);
        }
        for (index, (path, policy, mode)) in self.endpoints.iter().enumerate() {
            let endpoint = ServerEndpoint::new(path, *policy, *mode, &users);
            builder = builder.add_endpoint(index.to_string(), endpoint).discovery_urls(vec![path.clone()]);
        }
        let limits = builder.limits_mut();
        limits.subscriptions.max_monitored_items_per_sub = MOST;
        limits.operational.max_monitored_items_per_call = MOST;
        builder.build().map_err(io::Error::other)
    }
}

impl Device for Simulator {
    fn address(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        format!("opc.tcp://{host}:{}", self.port)
    }

    fn bind(&mut self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            let listener = TcpListener::bind((self.host.as_str(), self.port)).await?;
            let (host, port, uri) = (self.host.clone(), self.port, self.uri.clone());
            // Keys take a second.
            let trust = tokio::task::spawn_blocking(move || Trust::new(&host, port, &uri)).await;
            let trust = trust.map_err(io::Error::other)??;
            let (server, handle) = self.build(&trust)?;
            let mut cells: Vec<Cell> = std::mem::take(&mut self.plant.cells).into_values().collect();
            cells.push(Cell::new(standard::clock(), Kind::Clock, 0.0));
            self.bound = Some(Bound { server: Some(server), handle, listener: Some(listener), cells, _trust: trust });
            Ok(())
        })
    }

    fn serve(&mut self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            let unbound =
                || io::Error::new(io::ErrorKind::NotConnected, "the server has no address yet: bind it first");
            let Bound { server, handle, listener, cells, .. } = self.bound.as_mut().ok_or_else(unbound)?;
            let (server, listener) = server.take().zip(listener.take()).ok_or_else(unbound)?;
            // Its connections end with the server, which ends when this future is dropped.
            tokio::select! {
                ended = server.run_with(listener) => ended.map_err(io::Error::other),
                () = movement(handle, cells) => Ok(()),
            }
        })
    }
}

/// Moves the values, without end.
async fn movement(handle: &ServerHandle, cells: &mut [Cell]) {
    let Some(manager) = handle.node_managers().get_of_type::<SimpleNodeManager>() else { return };
    let mut ticks = interval(MOVES * u32::try_from(cells.len().div_ceil(AT_ONCE)).unwrap_or(u32::MAX).max(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let born = Instant::now();
    loop {
        ticks.tick().await;
        let (now, age) = (DateTime::now(), born.elapsed());
        let mut values = Vec::new();
        // Held until all is told: what somebody writes meanwhile must not be told before.
        let mut space = manager.address_space().write();
        for cell in cells.iter_mut().filter(|cell| !cell.is_written) {
            let Some(NodeType::Variable(variable)) = space.find_mut(&cell.id) else { continue };
            let held = variable.value(TimestampsToReturn::Source, &NumericRange::None, &DataEncoding::Binary, 0.0);
            // What somebody has written has a time of its source, what is written here has none: the library would keep a
            // value back that comes between two samplings, and give it the time of the one before.
            cell.is_written = cell.has_moved && held.source_timestamp.is_some();
            if !cell.is_written {
                let value = Some(cell.kind.value(cell.phase, age));
                let value = DataValue { value, server_timestamp: Some(now), ..DataValue::null() };
                variable.set_data_value(value.clone());
                cell.has_moved = true;
                values.push((value, &cell.id, AttributeId::Value));
            }
        }
        // Not by the manager: it would cut the part that a client asks for out of that part once more.
        handle.subscriptions().notify_data_change(values.into_iter());
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
