//! What a node finds wrong with its options, by the path of the field. The caller knows where that stands in the file.

use std::fmt;

use crate::context::BuildError;

/// One step of a path into the options of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// A key of a map.
    Key(String),
    /// An element of a list, counted from 0.
    Index(usize),
}

/// A path into the options of a node: `At::root().key("rules").index(2).key("linear")`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct At(pub Vec<Step>);

impl At {
    /// The node as a whole.
    pub fn root() -> Self {
        Self::default()
    }

    /// The value of a key below this place.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.0.push(Step::Key(key.into()));
        self
    }

    /// An element of the list at this place.
    #[must_use]
    pub fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }
}

impl From<&str> for At {
    /// An option of the node itself.
    fn from(key: &str) -> Self {
        Self::root().key(key)
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if n == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The pipeline cannot run.
    Error,
    /// The pipeline can run, but probably not as it is meant to.
    Warning,
}

/// One thing that is wrong with the options of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The option.
    pub at: At,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// What to write instead, if that is known.
    pub help: Option<String>,
    /// Another place that has to do with it, and what it is.
    pub related: Option<(At, String)>,
}

impl Finding {
    /// Says what to write instead.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.help = Some(help.into());
        self
    }

    /// Points at another place that has to do with it.
    pub fn related(&mut self, at: impl Into<At>, what: impl Into<String>) -> &mut Self {
        self.related = Some((at.into(), what.into()));
        self
    }
}

/// All that a node finds wrong with its options, collected in one pass.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Something because of which the pipeline cannot run.
    pub fn error(&mut self, at: impl Into<At>, message: impl Into<String>) -> &mut Finding {
        self.push(Severity::Error, at.into(), message.into())
    }

    /// Something that is probably not meant.
    pub fn warning(&mut self, at: impl Into<At>, message: impl Into<String>) -> &mut Finding {
        self.push(Severity::Warning, at.into(), message.into())
    }

    /// Why a node of which this was found cannot be built: the first error.
    pub fn refusal(&self) -> BuildError {
        let error = self.0.iter().find(|found| found.severity == Severity::Error);
        BuildError(error.map_or_else(String::new, |found| format!("{}: {}", found.at, found.message)))
    }

    fn push(&mut self, severity: Severity, at: At, message: String) -> &mut Finding {
        self.0.push(Finding { severity, at, message, help: None, related: None });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }
}
