//! Tests of the whole, one module a theme.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too: what they cannot have, they fail by")]

mod cli;
mod codes;
mod diagnostics;
mod generated;
mod golden;
mod manual;
mod node_cases;
mod query;
mod queue;
mod runtime;
mod tidy;
mod validate;
