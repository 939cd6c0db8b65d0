//! `fieldflow browse`: a walk through what a server holds, for who has no list of its variables.
//!
//! | to learn about | read |
//! |---|---|
//! | which paths are wanted | `pattern` |
//! | the walk, and that it ends | `walk` |
//! | types, units, ranges, states, values | `details` |
//! | the node that is printed | `yaml` |
//! | the requests | `asking` |

mod asking;
mod details;
mod pattern;
mod walk;
mod yaml;

use std::time::Duration;

use fieldflow_contract::{Browse, Browsed, Browsing, BuildError, Findings, ProbeTable, Severity, Span};
use opcua::types::{Error, NodeId, ObjectId, StatusCode};
use serde::Deserialize;
use serde_json::Value;

use self::details::Detail;
use self::pattern::Patterns;
use self::walk::{Found, Wanted};
use super::connection::{Server, end};
use super::ids::{self, Id};
use super::options::{Access, SecurityOptions, User};
use super::profile::Kind;
use super::refusal::{self, Refusal};
use super::session::Session;

/// The options of a node that say how its server is reached.
#[derive(Deserialize)]
struct Reached {
    url: String,
    #[serde(default)]
    security: SecurityOptions,
    user: Option<User>,
    timeout: Option<Span>,
    server: Option<Kind>,
    batch: Option<u32>,
}

const COLUMNS: &[&str] = &["path", "node", "type", "access", "unit", "range", "states", "value", "status"];

/// Prepares a walk; nothing is opened yet. `None` if the url is that of another protocol.
pub(super) fn begin(browse: &Browse) -> Result<Option<Browsing>, BuildError> {
    if !browse.options.get("url").and_then(Value::as_str).is_some_and(|url| url.starts_with("opc.tcp:")) {
        return Ok(None);
    }
    let reached = Reached::deserialize(&browse.options).map_err(|error| BuildError(error.to_string()))?;
    let access = reached.access()?;
    let patterns = Patterns::parse(&browse.matching).map_err(BuildError)?;
    let from = browse.from.as_deref().map(Id::parse).transpose();
    let from = from.map_err(|problem| BuildError(format!("{}; {}", problem.message, problem.help)))?;
    let mut server =
        Server::new(&access, &browse.context).map_err(|(option, why)| BuildError(format!("user.{option}: {why}")))?;
    if let Some(folder) = &browse.pki {
        server.keep_certificates_in(folder.clone());
    }
    let browse = browse.clone();
    Ok(Some(Box::pin(async move {
        let (mut session, _) = server.connect().await.map_err(|refusal| refusal.message)?;
        let done = browsed(&mut session, from, &patterns, &browse).await;
        // Who does not answer does not hear it either.
        end(&session.channel, &session.token).await;
        session.channel.close().await;
        done.map_err(|refusal| refusal.message)
    })))
}

impl Reached {
    fn access(&self) -> Result<Access, BuildError> {
        let mut findings = Findings::default();
        let way = (self.url.as_str(), &self.security, self.user.as_ref());
        let timeout = self.timeout.map_or(Duration::from_secs(5), |span| span.0);
        let access = Access::resolve(way, (timeout, self.server, self.batch), &mut findings);
        match (access, findings.0.into_iter().find(|found| found.severity == Severity::Error)) {
            (Some(access), None) => Ok(access),
            (_, error) => Err(BuildError(error.map_or_else(String::new, |found| {
                let help = found.help.map(|help| format!("; {help}")).unwrap_or_default();
                format!("{}: {}{help}", found.at, found.message)
            }))),
        }
    }
}

async fn browsed(
    session: &mut Session,
    from: Option<Id>,
    patterns: &Patterns,
    browse: &Browse,
) -> Result<Browsed, Refusal> {
    let lost = |error: Error| match error.status() {
        StatusCode::BadRequestInterrupted if browse.watch.is_stopped() => Refusal::link("stopped"),
        _ => Refusal::of("the server cannot be walked through", &error),
    };
    let begun = match &from {
        None => ObjectId::ObjectsFolder.into(),
        Some(id) => node(session, id).await?,
    };
    let wanted = Wanted {
        patterns,
        depth: browse.depth.max(1),
        most: browse.most,
        properties: browse.properties,
        batch: session.most_to_browse().await.map_err(lost)?,
        watch: &browse.watch,
    };
    let mut found = walk::walk(session, begun, &wanted).await.map_err(lost)?;
    if let (1, 1, Some(status)) = (found.nodes, found.refused.0, found.refused.1) {
        let begun = browse.from.as_deref().unwrap_or("the folder Objects");
        return Err(Refusal::code(format_args!("{begun} cannot be looked into"), status));
    }
    let variables = std::mem::take(&mut found.variables);
    let details = details::details(session, variables, &browse.watch).await.map_err(lost)?;
    let (good, bad): (Vec<Detail>, Vec<Detail>) = details.iter().cloned().partition(is_for_a_tag);
    Ok(Browsed {
        node: yaml::node(&browse.shown, &good),
        said: said(&found, bad.len()),
        table: ProbeTable { name: "variables", columns: COLUMNS, rows: details.into_iter().map(row).collect() },
    })
}

/// Whether a node can read it, and name it.
fn is_for_a_tag(detail: &Detail) -> bool {
    detail.is_readable() && Id::parse(&detail.node).is_ok()
}

/// The node where the walk begins.
async fn node(session: &Session, id: &Id) -> Result<NodeId, Refusal> {
    let lost = |error: Error| Refusal::of("the beginning of the walk cannot be found", &error);
    match id.resolve(&session.namespaces) {
        Ok(ids::Found::Node(node)) => Ok(node),
        Ok(ids::Found::Path(path)) => {
            let found = session.follow(vec![Session::path(None, path)]).await.map_err(lost)?;
            let found = found.into_iter().next().unwrap_or(Err(StatusCode::BadNoMatch));
            found.map_err(|status| Refusal::code("the beginning of the walk cannot be found", status))
        }
        Err(missing) => Err(Refusal::person(missing.to_string(), StatusCode::BadNodeIdUnknown)),
    }
}

fn row(detail: Detail) -> Vec<Value> {
    let text = |text: String| if text.is_empty() { Value::Null } else { Value::String(text) };
    let maybe = |text: Option<String>| text.map_or(Value::Null, Value::String);
    vec![
        detail.path.into(),
        detail.node.into(),
        detail.of.into(),
        text(detail.access),
        maybe(detail.unit),
        maybe(detail.range),
        maybe(detail.states),
        detail.value,
        maybe(detail.status),
    ]
}

/// What is not in the list.
fn said(found: &Found, unfit: usize) -> Vec<String> {
    let nodes = |count: usize| format!("{count} node{}", if count == 1 { "" } else { "s" });
    let mut said: Vec<String> = found.ended.iter().cloned().collect();
    if let (count, Some(status)) = found.refused {
        said.push(format!("{} cannot be looked into ({})", nodes(count), refusal::name(status)));
    }
    if found.too_deep != 0 {
        said.push(format!("{} lie too deep: give --depth, or begin there with --from", nodes(found.too_deep)));
    }
    if found.strange != 0 {
        said.push(format!("{} of another server, or with names that are too long, are left out", nodes(found.strange)));
    }
    if unfit != 0 {
        let variables = if unfit == 1 { "variable" } else { "variables" };
        said.push(format!("{unfit} {variables} that nobody can read are not among the tags"));
    }
    said
}
