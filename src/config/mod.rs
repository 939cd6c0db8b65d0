//! The pipeline file: YAML as a tree that knows the place of every key and value, checked against schemas.
//!
//! | file | does |
//! |---|---|
//! | `read`, `parse`, `merge`, `scalar` | from a path to a tree; `parse` is the only user of the YAML crate, with `syntax` |
//! | `syntax` | what is wrong with a text that is no YAML |
//! | `substitute`, `env` | puts in what comes from the environment and from files |
//! | `schema` | checks the tree against a JSON Schema |
//! | `load`, `nodes`, `chain`, `edge`, `require` | what is peculiar to a pipeline file |
//! | `document` | any other YAML document |
//! | `published` | the JSON Schema for editors |
//!
//! Invariant: a text that came from outside is hidden in the report before anything else looks at it.

mod chain;
mod document;
mod edge;
mod env;
mod file;
mod load;
mod merge;
mod nodes;
mod parse;
mod published;
mod read;
mod require;
mod scalar;
mod schema;
mod substitute;
pub(crate) mod suggest;
mod syntax;
mod tree;

pub use chain::Endpoint;
pub use document::{document, lists};
pub use edge::{Disk, EdgeOptions, Storage, WhenFull};
pub use env::{Env, ProcessEnv};
pub use file::{EdgeEntry, NodeEntry, PipelineFile, ReadyNode};
pub use load::load;
pub use published::pipeline_schema;
pub use require::{Keep, Requirement};
