//! What goes into a node and what comes out of it.

use crate::PortName;

/// Whether a node brings records in, works on them, or brings them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// No input.
    Source,
    /// An input and outputs.
    Transform,
    /// An input, and at most a `rejected` output.
    Sink,
}

impl Role {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Transform => "transform",
            Self::Sink => "sink",
        }
    }
}

/// What the records of an input or output hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carries {
    /// Numbers, booleans and text.
    Values,
    /// Raw bytes, to be decoded.
    Bytes,
    /// Either: an input that takes both, an output that may be both.
    Any,
    /// For an output: whatever the input brought.
    Same,
}

/// An output of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name, as in `node.name -> other`.
    pub name: PortName,
    /// What leaves by it.
    pub carries: Carries,
    /// Whether a pipeline that leaves it unwired is wrong.
    pub required: bool,
}

impl Port {
    /// The port that `node -> other` means.
    pub const DEFAULT: &'static str = "out";
    /// The port for what can never pass, as it came.
    pub const REJECTED: &'static str = "rejected";
}

/// The input and the outputs of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// What the input takes; `None` for a source.
    pub input: Option<Carries>,
    /// The outputs, the default one first.
    pub outputs: Vec<Port>,
}

impl Ports {
    /// A source with one output.
    pub fn source(carries: Carries) -> Self {
        Self { input: None, outputs: vec![Port { name: Port::DEFAULT.into(), carries, required: true }] }
    }

    /// A transform with one input and one output.
    pub fn transform(takes: Carries, gives: Carries) -> Self {
        Self { input: Some(takes), ..Self::source(gives) }
    }

    /// A sink.
    pub fn sink(takes: Carries) -> Self {
        Self { input: Some(takes), outputs: Vec::new() }
    }

    /// The same with one more output, which may be left unwired.
    #[must_use]
    pub fn with_optional(mut self, name: impl Into<PortName>, carries: Carries) -> Self {
        self.outputs.push(Port { name: name.into(), carries, required: false });
        self
    }

    /// The same with a `rejected` output for what can never pass, as it came in.
    #[must_use]
    pub fn with_rejected(self) -> Self {
        self.with_optional(Port::REJECTED, Carries::Same)
    }
}
