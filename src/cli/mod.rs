//! The command line: one file per verb.
//!
//! Data goes to stdout, messages to stderr. Exit codes: 0 well, 1 the answer is no, 2 could not be asked.

mod browse;
mod completions;
mod explain;
mod export;
mod graph;
mod init;
mod load;
mod nodes;
mod output;
mod pki;
mod probe;
mod query;
mod queue;
mod record;
mod run;
mod schema;
mod simulate;
mod store;
mod test;
mod validate;

pub use nodes::summary;
pub use schema::schemas;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use fieldflow_contract::NodeKind;

/// The node types that a command line knows.
pub type Kinds = &'static [&'static dyn NodeKind];

/// How a verb ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All well.
    Well,
    /// The answer is no: invalid, failed, broke.
    No,
    /// The question could not be asked: usage, unreadable file, address taken.
    Unasked,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Well => Self::SUCCESS,
            Exit::No => Self::from(1),
            Exit::Unasked => Self::from(2),
        }
    }
}

/// Dataflow for the plant floor: a YAML file, checked, run, observed; and nothing that was acknowledged is lost.
#[derive(Parser)]
#[command(name = "fieldflow", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Try it without a device:\n  fieldflow run pipelines/demo.yaml --simulate --for 10s")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Init(init::Args),
    Run(run::Args),
    Validate(validate::Args),
    Test(test::Args),
    Record(record::Args),
    Explain(explain::Args),
    Graph(graph::Args),
    Nodes(nodes::Args),
    Schema(schema::Args),
    Simulate(simulate::Args),
    Probe(probe::Args),
    Browse(browse::Args),
    Query(query::Args),
    Export(export::Args),
    Queue(queue::Args),
    Pki(pki::Args),
    Completions(completions::Args),
}

/// Runs the command line with these node types.
pub fn main(kinds: Kinds) -> ExitCode {
    let exit = match Cli::parse().verb {
        Verb::Init(args) => init::run(&args, kinds),
        Verb::Run(args) => run::run(&args, kinds),
        Verb::Validate(args) => validate::run(&args, kinds),
        Verb::Test(args) => test::run(&args, kinds),
        Verb::Record(args) => record::run(&args, kinds),
        Verb::Explain(args) => explain::run(&args),
        Verb::Graph(args) => graph::run(&args, kinds),
        Verb::Nodes(args) => nodes::run(&args, kinds),
        Verb::Schema(args) => schema::run(&args, kinds),
        Verb::Simulate(args) => simulate::run(&args, kinds),
        Verb::Probe(args) => probe::run(&args, kinds),
        Verb::Browse(args) => browse::run(&args, kinds),
        Verb::Query(args) => query::run(&args, kinds),
        Verb::Export(args) => export::run(&args, kinds),
        Verb::Queue(args) => queue::run(&args, kinds),
        Verb::Pki(args) => pki::run(&args, kinds),
        Verb::Completions(args) => completions::run(&args),
    };
    exit.into()
}
