//! The report: everything that is wrong with a file, collected in one pass, each with its code, its place and its fix.
//!
//! Invariant: no message leaves this module with the value of a secret in it, whoever wrote the message.

pub mod codes;
mod excerpt;
mod human;
mod json;
mod report;
mod sarif;
mod secrets;
mod source;

pub use codes::Code;
pub use report::{Diagnostic, Report};
pub use secrets::Secrets;
pub use source::{Place, SourceText};
