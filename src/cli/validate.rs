//! `fieldflow validate`: the dry run. Opens no socket, writes no file.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Exit, Kinds, load, output, queue};
use crate::diagnostics::Report;

/// Check pipeline files without running them: every problem in one pass.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fieldflow validate pipelines/*.yaml")]
pub(super) struct Args {
    /// The pipeline files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The folder below which each pipeline keeps its data. What waits there for edges that are not in the file any more is
    /// told.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// How to print what is found.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Answer no to warnings too.
    #[arg(long)]
    deny_warnings: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With excerpts of the file, for people. On stderr.
    Human,
    /// One array of findings, for programs. On stdout.
    Json,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let mut report = Report::default();
    for path in &args.files {
        let before = (report.errors(), report.warnings());
        let checked = load::check(path, kinds, &mut report);
        if let Some((file, graph)) = &checked {
            queue::report(file, graph, &args.data_dir, &mut report);
        }
        if let (Some((_, graph)), Format::Human) = (checked, args.format)
            && before == (report.errors(), report.warnings())
        {
            let (nodes, edges) = (graph.nodes().count(), graph.edges().count());
            output::message(format_args!("{}: well ({nodes} nodes, {edges} edges)", path.display()));
        }
    }
    match args.format {
        Format::Json => output::data(report.render_json() + "\n"),
        Format::Human if report.is_empty() => {}
        Format::Human => output::message(report.render_human(output::coloured(&std::io::stderr()))),
    }
    if report.is_unreadable() {
        Exit::Unasked
    } else if report.has_errors() || (args.deny_warnings && report.warnings() != 0) {
        Exit::No
    } else {
        Exit::Well
    }
}
