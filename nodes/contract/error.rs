//! Errors of a running node, named by what the runtime does next.

use std::fmt;

use crate::{Batch, Quality};

/// Why something did not work, in words for a person: what was tried, what happened, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What was tried and what happened, such as `tcp://127.0.0.1:1502 refused the connection`.
    pub message: String,
    /// The same for a machine: the quality that records get because of it.
    pub quality: Quality,
    /// Whether something was brought over before it happened: it is tried again soon, however often that was so before.
    pub after_progress: bool,
}

impl Cause {
    /// A cause of which no more is known than its words.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), quality: Quality::BAD_COMMUNICATION, after_progress: false }
    }

    /// The same cause, which something was brought over before.
    #[must_use]
    pub fn after_progress(mut self, after_progress: bool) -> Self {
        self.after_progress = after_progress;
        self
    }

    /// The same cause, with the quality that records get because of it.
    #[must_use]
    pub fn with_quality(mut self, quality: Quality) -> Self {
        self.quality = quality;
        self
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// An error of a running source or sink, named by what the runtime does next.
#[derive(Debug, Clone, PartialEq)]
pub enum NodeError {
    /// The link is gone: reconnect with back-off and jitter, then go on; a sink gets the same batches again.
    Disconnected(Cause),
    /// These batches can never pass: to the `rejected` port if it is wired, count them, go on.
    Rejected(Cause),
    /// A sink wrote one batch, and these records of it can never pass; the others are where they belong. Only for a sink that
    /// gathers single batches.
    RejectedPart(Batch, Cause),
    /// A sink wrote these batches but for those at these places, of which some records have to wait until the sink takes
    /// everything again, see [`Sink::takes_all`](crate::Sink::takes_all). They stay on the durable edge and hold up nothing. Only
    /// for a sink whose inputs are durable: what comes from memory is offered again until it is taken.
    Postponed(Vec<usize>, Cause),
    /// There is no more input: drain and stop cleanly.
    Ended,
    /// The node cannot go on: stop the pipeline and say why.
    Broken(Cause),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected(cause)
            | Self::Rejected(cause)
            | Self::RejectedPart(_, cause)
            | Self::Postponed(_, cause)
            | Self::Broken(cause) => cause.fmt(f),
            Self::Ended => f.write_str("no more input"),
        }
    }
}

impl std::error::Error for NodeError {}
