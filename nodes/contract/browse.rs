//! What `fieldflow browse` asks of a server, and what it is told.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::{BoxFuture, BuildContext, ProbeTable};

/// A walk through what a server holds, without a pipeline. It reads and never writes.
#[derive(Clone)]
pub struct Browse {
    /// The options of a node that say how the server is reached, such as `url`; others are not looked at.
    pub options: Value,
    /// The same as they are to be written: with the places of secrets, not the secrets.
    pub shown: Value,
    /// Where it runs: as the node of a pipeline.
    pub context: BuildContext,
    /// The folder of certificates, if it is not the one of the pipeline.
    pub pki: Option<PathBuf>,
    /// Where the walk begins, in the words of the protocol; where the server's own things begin if nothing is said.
    pub from: Option<String>,
    /// Patterns of the paths that are wanted; all if there is none.
    pub matching: Vec<String>,
    /// How many steps away from the beginning is looked.
    pub depth: usize,
    /// Most variables that are wanted.
    pub most: usize,
    /// Whether properties are wanted as well.
    pub properties: bool,
    /// How far it is, and whether it is to go on.
    pub watch: Watch,
}

/// How far a walk is, and whether it is to go on.
#[derive(Clone)]
pub struct Watch {
    told: Arc<dyn Fn(&str) + Send + Sync>,
    stopped: Arc<AtomicBool>,
}

impl Watch {
    /// What is called often with how far it is.
    pub fn new(told: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { told: Arc::new(told), stopped: Arc::default() }
    }

    /// Says how far it is.
    pub fn tell(&self, how_far: &str) {
        (self.told)(how_far);
    }

    /// Asks it to end before anything else is asked of the server.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to end.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Browsed {
    /// The variables, in the order of their paths.
    pub table: ProbeTable,
    /// A node that reads them, in YAML: its options line by line, without a name and not indented.
    pub node: String,
    /// What is not in it, and why.
    pub said: Vec<String>,
}

/// A walk under way. It fails with a sentence if the server cannot be reached, or when it was asked to end.
pub type Browsing = BoxFuture<'static, Result<Browsed, String>>;
