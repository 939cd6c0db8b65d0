//! What an author writes for one `type:`, and what the engine sees of it.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::finding::{At, Finding, Findings, Severity, Step};
use crate::{
    Browse, Browsing, BuildContext, BuildError, Clash, Facts, Looking, Node, Ports, Probe, Probing, Role, Together,
};

/// A future behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A device that `simulate` serves in the place of the real one.
pub trait Device: Send {
    /// The address that it serves, for messages.
    fn address(&self) -> String;
    /// Takes the address; an error here means that it cannot be had.
    fn bind(&mut self) -> BoxFuture<'_, io::Result<()>>;
    /// Serves until the future is dropped.
    fn serve(&mut self) -> BoxFuture<'_, io::Result<()>>;
}

/// What an author writes for one `type:`.
///
/// Keep to this shape: module doc, `Config` with a doc comment on each field (it is the manual), this trait, then the node.
pub trait NodeSpec: Send + Sync + 'static {
    /// `type:` in the file: lower-case letters, digits and `_`.
    const TYPE: &'static str;
    /// Whether it is a source, a transform or a sink.
    const ROLE: Role;
    /// For a source: whether the other side sends again what was not acknowledged, also after a restart of this process.
    const RESENDS: bool = false;
    /// For a sink: whether an edge that leads to it is durable where the file does not say otherwise.
    const DURABLE_INPUT: bool = false;
    /// For a sink: whether it stores how far it has taken a durable edge; see [`Sink::positions`](crate::Sink::positions).
    const KEEPS_POSITION: bool = false;
    /// The options of a typical node in YAML, without `type`. A test builds it.
    const EXAMPLE: &'static str;
    /// The options. `#[serde(deny_unknown_fields)]`; the struct's doc comment begins with one line on what the node does.
    type Config: DeserializeOwned + JsonSchema + Clone + Send + Sync + 'static;

    /// The input and outputs that these options give the node.
    fn ports(config: &Self::Config) -> Ports;

    /// Reports every problem that the schema cannot see. Pure.
    fn check(config: &Self::Config, findings: &mut Findings) {
        let _ = (config, findings);
    }

    /// Reports what is wrong with the files that the options include, such as `tags_from: map.csv`, which lie in this folder.
    /// Reads them and does nothing else.
    fn check_files(config: &Self::Config, base_dir: &Path, findings: &mut Findings) {
        let _ = (config, base_dir, findings);
    }

    /// Reports what does not go together with the edges that lead to the node, of which one is durable or none is. Pure.
    fn check_input(config: &Self::Config, is_durable: bool, findings: &mut Findings) {
        let _ = (config, is_durable, findings);
    }

    /// Reports what is wrong between the nodes of this type in a file, such as a line that they share and cannot all use. Reads
    /// the files that the options include and does nothing else.
    fn check_together(nodes: &Together<'_, Self::Config>) -> Vec<Clash> {
        let _ = nodes;
        Vec::new()
    }

    /// What a dry run can tell of the nodes of this type in a file, in lines: what they will ask their devices for, and what
    /// that costs. Reads the files that the options include and does nothing else.
    fn describe(nodes: &Together<'_, Self::Config>) -> Vec<String> {
        let _ = nodes;
        Vec::new()
    }

    /// What can be told of the node before it runs, for the report of `validate`. Reads the files that the options include, which
    /// lie in this folder, and does nothing else.
    fn facts(config: &Self::Config, base_dir: &Path) -> Facts {
        let _ = (config, base_dir);
        Facts::default()
    }

    /// A look at what a node with these options would talk to, for `validate --connect`: it connects, reads, changes nothing, and
    /// ends by itself within this time. Nothing is opened before the future is awaited. `None` if there is nothing to look at.
    fn look(config: &Self::Config, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        let _ = (config, context, within);
        Ok(None)
    }

    /// Makes the node. No network, no spawn, no file written: that is for `connect`.
    ///
    /// Called again after a panic, so that the node starts with a clean state.
    fn build(config: Self::Config, context: &BuildContext) -> Result<Node, BuildError>;

    /// The JSON Schema of one quirk of a simulated device: a way in which it is not what it should be. `None` if it has none.
    fn quirks() -> Option<serde_json::Value> {
        None
    }

    /// The devices that sources with these options would talk to. Beside each is the folder of its pipeline file, for what
    /// the options include. The quirks have passed their schema.
    fn simulate(
        configs: &[(Self::Config, PathBuf)],
        quirks: &[serde_json::Value],
    ) -> Result<Vec<Box<dyn Device>>, BuildError> {
        let _ = (configs, quirks);
        Ok(Vec::new())
    }

    /// A look at a device, for who has no pipeline yet; `None` if the url is that of another protocol. Only reads.
    fn probe(probe: &Probe) -> Result<Option<Probing>, BuildError> {
        let _ = probe;
        Ok(None)
    }

    /// A walk through what a server holds, for who has no pipeline yet; `None` if the url is that of another protocol. Only reads.
    fn browse(browse: &Browse) -> Result<Option<Browsing>, BuildError> {
        let _ = browse;
        Ok(None)
    }
}

/// What the engine sees of a `type:`. Every [`NodeSpec`] is one.
pub trait NodeKind: Send + Sync {
    /// See [`NodeSpec::TYPE`].
    fn type_name(&self) -> &'static str;
    /// See [`NodeSpec::ROLE`].
    fn role(&self) -> Role;
    /// See [`NodeSpec::RESENDS`].
    fn resends(&self) -> bool;
    /// See [`NodeSpec::DURABLE_INPUT`].
    fn durable_input(&self) -> bool;
    /// See [`NodeSpec::KEEPS_POSITION`].
    fn keeps_position(&self) -> bool;
    /// See [`NodeSpec::EXAMPLE`].
    fn example(&self) -> &'static str;
    /// The JSON Schema of the options.
    fn schema(&self) -> serde_json::Value;
    /// Reads the options. They have passed the schema, so what is found here is beyond it.
    fn prepare(&self, options: serde_json::Value) -> Result<Box<dyn Prepared>, Box<Finding>>;
    /// See [`NodeSpec::check_together`].
    fn check_together(&self, nodes: &Together<'_, dyn Prepared>) -> Vec<Clash>;
    /// See [`NodeSpec::describe`].
    fn describe(&self, nodes: &Together<'_, dyn Prepared>) -> Vec<String>;
    /// See [`NodeSpec::simulate`]; the options of all nodes of this type, each with the folder of its pipeline file.
    fn simulate(
        &self,
        options: &[(serde_json::Value, PathBuf)],
        quirks: &[serde_json::Value],
    ) -> Result<Vec<Box<dyn Device>>, BuildError>;
    /// See [`NodeSpec::quirks`].
    fn quirks(&self) -> Option<serde_json::Value>;
    /// See [`NodeSpec::probe`].
    fn probe(&self, probe: &Probe) -> Result<Option<Probing>, BuildError>;
    /// See [`NodeSpec::browse`].
    fn browse(&self, browse: &Browse) -> Result<Option<Browsing>, BuildError>;
}

/// A node whose options were read.
pub trait Prepared: Send + Sync {
    /// See [`NodeSpec::ports`].
    fn ports(&self) -> Ports;
    /// See [`NodeSpec::check`].
    fn check(&self, findings: &mut Findings);
    /// See [`NodeSpec::check_files`].
    fn check_files(&self, base_dir: &Path, findings: &mut Findings);
    /// See [`NodeSpec::check_input`].
    fn check_input(&self, is_durable: bool, findings: &mut Findings) {
        let _ = (is_durable, findings);
    }

    /// See [`NodeSpec::facts`].
    fn facts(&self, base_dir: &Path) -> Facts {
        let _ = base_dir;
        Facts::default()
    }
    /// See [`NodeSpec::look`].
    fn look(&self, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        let _ = (context, within);
        Ok(None)
    }
    /// See [`NodeSpec::build`].
    fn build(&self, context: &BuildContext) -> Result<Node, BuildError>;
    /// Its options, as [`NodeSpec::Config`]; none if it only stands in for a node.
    fn config(&self) -> Option<&dyn Any> {
        None
    }
}

impl<S: NodeSpec> NodeKind for S {
    fn type_name(&self) -> &'static str {
        S::TYPE
    }

    fn role(&self) -> Role {
        S::ROLE
    }

    fn resends(&self) -> bool {
        S::RESENDS
    }

    fn durable_input(&self) -> bool {
        S::DURABLE_INPUT
    }

    fn keeps_position(&self) -> bool {
        S::KEEPS_POSITION
    }

    fn example(&self) -> &'static str {
        S::EXAMPLE
    }

    fn schema(&self) -> serde_json::Value {
        schemars::schema_for!(S::Config).to_value()
    }

    fn prepare(&self, options: serde_json::Value) -> Result<Box<dyn Prepared>, Box<Finding>> {
        let config = read_options::<S::Config>(options)?;
        Ok(Box::new(Ready::<S> { config }))
    }

    fn check_together(&self, nodes: &Together<'_, dyn Prepared>) -> Vec<Clash> {
        all_read::<S>(nodes).map_or_else(Vec::new, |nodes| S::check_together(&nodes))
    }

    fn describe(&self, nodes: &Together<'_, dyn Prepared>) -> Vec<String> {
        all_read::<S>(nodes).map_or_else(Vec::new, |nodes| S::describe(&nodes))
    }

    fn quirks(&self) -> Option<serde_json::Value> {
        S::quirks()
    }

    fn simulate(
        &self,
        options: &[(serde_json::Value, PathBuf)],
        quirks: &[serde_json::Value],
    ) -> Result<Vec<Box<dyn Device>>, BuildError> {
        let read = |(options, base_dir): &(serde_json::Value, PathBuf)| match read_options(options.clone()) {
            Ok(config) => Ok((config, base_dir.clone())),
            Err(found) => Err(BuildError(found.message)),
        };
        S::simulate(&options.iter().map(read).collect::<Result<Vec<_>, _>>()?, quirks)
    }

    fn probe(&self, probe: &Probe) -> Result<Option<Probing>, BuildError> {
        S::probe(probe)
    }

    fn browse(&self, browse: &Browse) -> Result<Option<Browsing>, BuildError> {
        S::browse(browse)
    }
}

/// The options of all nodes; `None` if one of them is of another type.
fn all_read<'a, S: NodeSpec>(nodes: &Together<'a, dyn Prepared>) -> Option<Together<'a, S::Config>> {
    let read = |(name, node): &(&'a str, &'a dyn Prepared)| Some((*name, node.config()?.downcast_ref()?));
    Some(Together { nodes: nodes.nodes.iter().map(read).collect::<Option<_>>()?, base_dir: nodes.base_dir })
}

/// Reads options into their type; else what is wrong, and where.
pub fn read_options<T: DeserializeOwned>(options: serde_json::Value) -> Result<T, Box<Finding>> {
    serde_path_to_error::deserialize(options).map_err(|error| {
        Box::new(Finding {
            severity: Severity::Error,
            at: At(error.path().iter().filter_map(step).collect()),
            message: error.inner().to_string(),
            help: None,
            related: None,
        })
    })
}

fn step(segment: &serde_path_to_error::Segment) -> Option<Step> {
    match segment {
        serde_path_to_error::Segment::Seq { index } => Some(Step::Index(*index)),
        serde_path_to_error::Segment::Map { key } => Some(Step::Key(key.clone())),
        serde_path_to_error::Segment::Enum { variant } => Some(Step::Key(variant.clone())),
        serde_path_to_error::Segment::Unknown => None,
    }
}

struct Ready<S: NodeSpec> {
    config: S::Config,
}

impl<S: NodeSpec> Prepared for Ready<S> {
    fn ports(&self) -> Ports {
        S::ports(&self.config)
    }

    fn check(&self, findings: &mut Findings) {
        S::check(&self.config, findings);
    }

    fn check_files(&self, base_dir: &Path, findings: &mut Findings) {
        S::check_files(&self.config, base_dir, findings);
    }

    fn check_input(&self, is_durable: bool, findings: &mut Findings) {
        S::check_input(&self.config, is_durable, findings);
    }

    fn facts(&self, base_dir: &Path) -> Facts {
        S::facts(&self.config, base_dir)
    }

    fn look(&self, context: &BuildContext, within: Duration) -> Result<Option<Looking>, BuildError> {
        S::look(&self.config, context, within)
    }

    fn build(&self, context: &BuildContext) -> Result<Node, BuildError> {
        S::build(self.config.clone(), context)
    }

    fn config(&self) -> Option<&dyn Any> {
        Some(&self.config)
    }
}
