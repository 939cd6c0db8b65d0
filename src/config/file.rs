//! A pipeline file that was read, with the places that later stages need to speak of it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use fieldflow_contract::{At, NodeKind, Ports, Prepared};
use schemars::JsonSchema;

use crate::config::chain::Endpoint;
use crate::config::edge::{Edge, EdgeOptions};
use crate::config::require::Requirement;
use crate::config::tree::Item;
use crate::diagnostics::{Place, Secrets};

/// A pipeline file whose structure was checked. Parts with errors are left out or marked; the errors are in the report.
pub struct PipelineFile {
    /// The pipeline's name: its identity.
    pub name: String,
    /// Where the name stands.
    pub name_place: Option<Place>,
    /// What it is for.
    pub description: Option<String>,
    /// The file.
    pub path: PathBuf,
    /// The folder of the file.
    pub base_dir: PathBuf,
    /// The nodes, in the order of the file.
    pub nodes: Vec<NodeEntry>,
    /// The edges, one for each hop, in the order of the file.
    pub edges: Vec<EdgeEntry>,
    /// Whether every edge could be read. If not, nothing can be said of what is missing.
    pub edges_complete: bool,
    /// What it requires of its paths.
    pub require: Vec<Requirement>,
    /// Whether nothing was wrong with the file.
    pub sound: bool,
    /// What must not be printed.
    pub secrets: Secrets,
}

/// A node of the file.
pub struct NodeEntry {
    /// Its name.
    pub name: String,
    /// Where its name stands.
    pub place: Place,
    /// Its type, if that is known.
    pub kind: Option<&'static dyn NodeKind>,
    /// What was read of it, if nothing was wrong with it.
    pub ready: Option<ReadyNode>,
    /// Its options with their places.
    pub(super) item: Arc<Item>,
}

impl NodeEntry {
    /// Where an option stands: its value, the key of a map or list, or the nearest above it that is in the file.
    pub fn place_of(&self, at: &At) -> Place {
        Place::new(&self.place.file, self.item.place_of(at, &self.place.span))
    }
}

/// The options of a node with which nothing is wrong.
#[derive(Clone)]
pub struct ReadyNode {
    /// The options in JSON, without `type`.
    pub options: Arc<serde_json::Value>,
    /// The options as the node itself holds them.
    pub prepared: Arc<dyn Prepared>,
    /// Its input and outputs.
    pub ports: Ports,
}

/// An edge of the file: one hop of a chain.
#[derive(Debug, Clone)]
pub struct EdgeEntry {
    /// Where it begins.
    pub from: Endpoint,
    /// Where it ends.
    pub to: Endpoint,
    /// Its options.
    pub options: EdgeOptions,
}

impl EdgeEntry {
    /// Where the hop stands, from its first to its last letter.
    pub fn place(&self) -> Place {
        let (from, to) = (&self.from.place.span, &self.to.place.span);
        Place::new(&self.from.place.file, from.start..to.end.max(from.end))
    }
}

/// A fieldflow pipeline: nodes that bring in, change and store records, and the edges between them.
#[derive(JsonSchema)]
#[schemars(rename = "Pipeline", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "the struct is the schema; the file is read as a tree, so that every value keeps its place"
)]
pub(super) struct Structure {
    /// The version of the pipeline language: 1.
    #[schemars(extend("enum" = [1], "examples" = [1]))]
    version: u32,
    /// The pipeline's identity: lower-case letters, digits and hyphens, at most 63. All that it writes lies in a folder of
    /// this name, whatever else is changed in the file.
    #[schemars(regex(pattern = r"^[a-z0-9-]{1,63}$"), extend("examples" = ["boiler-house"]))]
    name: String,
    /// What the pipeline is for, in a line or two.
    description: Option<String>,
    /// What holds where nothing else is said.
    defaults: Option<Defaults>,
    /// The nodes by name. A name is made of letters, digits, `_` and `-`.
    nodes: BTreeMap<String, serde_json::Value>,
    /// The edges: chains such as `plc -> scale -> store`, alone or as the key of a map with the options of every hop.
    edges: Vec<serde_json::Value>,
    /// What must hold of paths from a source to a sink, such as `- plc -> store: no_loss`; `validate` reports what does not.
    /// `no_loss`: no edge drops, the sink confirms what survives a power cut, and only what was under way in the last moment before a
    /// kill or a power cut can be lost. `at_least_once`: not even that, for sources that send again what was not acknowledged.
    /// `exactly_once`: as `no_loss`, and nothing that was taken onto the disk arrives twice.
    require: Option<Vec<serde_json::Value>>,
}

/// What holds where nothing else is said.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[expect(dead_code, reason = "as above")]
struct Defaults {
    /// Options of every edge that does not give its own.
    edge: Option<Edge>,
}
