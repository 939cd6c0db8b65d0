//! `fieldflow completions`: what a shell needs to complete the command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::{Cli, Exit, output};

/// Print the completions for a shell.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fieldflow completions bash > /etc/bash_completion.d/fieldflow")]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "fieldflow", &mut script);
    output::data(String::from_utf8_lossy(&script));
    Exit::Well
}
