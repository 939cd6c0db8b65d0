//! `fieldflow validate`: the dry run. Opens no socket, writes no file.

use std::path::PathBuf;

use clap::ValueEnum;
use fieldflow_contract::Together;

use super::{Exit, Kinds, load, output, queue};
use crate::diagnostics::Report;
use crate::graph::Graph;

/// Check pipeline files without running them: every problem in one pass.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  fieldflow validate pipelines/*.yaml\n  fieldflow validate pipelines/demo.yaml --plan"
)]
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
    /// Tell what each node will ask its device for, if nothing is wrong: the requests and, on a serial line, the time that
    /// they take.
    #[arg(long, conflicts_with = "format")]
    plan: bool,
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
        let (Some((_, graph)), Format::Human) = (checked, args.format) else { continue };
        if before == (report.errors(), report.warnings()) {
            let (nodes, edges) = (graph.nodes().count(), graph.edges().count());
            output::message(format_args!("{}: well ({nodes} nodes, {edges} edges)", path.display()));
        }
        // A plan is most of all wanted where it is warned of.
        if args.plan {
            plan(&graph, kinds);
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

/// Prints what can be told of the nodes before they are built.
fn plan(graph: &Graph, kinds: Kinds) {
    for kind in kinds {
        let of_kind = graph.nodes().filter(|node| node.kind.type_name() == kind.type_name());
        let nodes = of_kind.map(|node| (node.name.as_str(), &*node.prepared)).collect();
        for line in kind.describe(&Together { nodes, base_dir: &graph.base_dir }) {
            output::data(format_args!("{}\n", graph.secrets.hide(&line)));
        }
    }
}
