//! What `validate --connect` learns of what a node talks to. A look reads and never writes.

use std::collections::BTreeMap;

use crate::{BoxFuture, Findings, ValueType};

/// What was seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// What is wrong, by the path of the option that names it.
    pub findings: Findings,
    /// What is well, in a few words each: `5 of 5 tags read`.
    pub said: Vec<String>,
    /// Of what type the value of each tag was, where there was one.
    pub types: BTreeMap<String, ValueType>,
}

/// A look under way. It ends by itself within the time that it was given.
pub type Looking = BoxFuture<'static, Seen>;
