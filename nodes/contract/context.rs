//! Where a node is built, and why it could not be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::{Audit, Clock, Links, Notices, Saved, Tally};

/// Where a node is built: its name, its places in the file system, and the clock.
#[derive(Clone)]
pub struct BuildContext {
    /// The pipeline's name.
    pub pipeline: String,
    /// The node's name in the file.
    pub node: String,
    /// The pipeline's own folder, for all that it writes.
    pub data_dir: PathBuf,
    /// The folder of the pipeline file, for what the file includes.
    pub base_dir: PathBuf,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The node's own counters.
    pub tally: Tally,
    /// What the node keeps over a restart.
    pub saved: Saved,
    /// What the node wrote to devices.
    pub audit: Audit,
    /// Where its links stand.
    pub links: Links,
    /// What it has to say.
    pub notices: Notices,
}

impl BuildContext {
    /// A node by itself, as in a test or a bench: its files lie in this folder.
    pub fn alone(node: &str, folder: &Path, clock: Arc<dyn Clock>) -> Self {
        Self {
            pipeline: "alone".to_owned(),
            node: node.to_owned(),
            data_dir: folder.to_owned(),
            base_dir: folder.to_owned(),
            clock,
            tally: Tally::default(),
            saved: Saved::default(),
            audit: Audit::default(),
            links: Links::default(),
            notices: Notices::default(),
        }
    }
}

/// A node could not be built; the message says why and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub String);
