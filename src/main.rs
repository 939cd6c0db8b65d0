//! The command line of fieldflow; the only file that names the crate of the built-in nodes.

use std::process::ExitCode;

fn main() -> ExitCode {
    fieldflow::cli::main(fieldflow_nodes::BUILTIN)
}
