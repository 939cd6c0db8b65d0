//! `fieldflow validate`: the dry run. Opens no socket, writes no file; `--connect` opens sockets, and writes nothing either.
//!
//! | file | does |
//! |---|---|
//! | `files` | which files are meant: those that are named, and those of a folder |
//! | `connect` | asks what each node talks to |
//! | `watch` | checks again at every save |

mod connect;
mod files;
mod watch;

use std::path::PathBuf;

use clap::ValueEnum;
use fieldflow_contract::{NodeKind, Span, Together};
use serde_json::{Value, json};

use super::{Exit, Kinds, load, output, queue};
use crate::analysis::{Analysis, Budget, across};
use crate::config::PipelineFile;
use crate::diagnostics::Report;
use crate::graph::Graph;

/// Check pipeline files without running them: every problem in one pass.
///
/// Of several files, also what is wrong between them: names, files and lines that they share.
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(after_help = "Examples:\n  fieldflow validate pipelines/\n  \
        fieldflow validate pipelines/demo.yaml --report --budget memory=64MiB,disk=8GiB,writes=20GiB,outage=24h\n  \
        fieldflow explain E0201")]
pub(super) struct Args {
    /// The pipeline files; of a folder, all that end in .yaml or .yml.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The folder below which each pipeline keeps its data. What waits there for edges that are not in the file any more is
    /// told.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// How to print what is found.
    #[arg(long, value_enum, default_value = "human")]
    format: Format,
    /// Tell what follows from the file, if nothing is wrong: what each path keeps, who holds up whom, how much it takes, and
    /// what is asked of devices. With `--format json` the findings then stand under `findings`.
    #[arg(long)]
    report: bool,
    /// Tell only what each node will ask its device for, if nothing is wrong: the requests and, on a serial line, the time
    /// that they take.
    #[arg(long, conflicts_with = "format", conflicts_with = "report")]
    plan: bool,
    /// What may be used and must be borne, such as memory=64MiB,disk=8GiB,writes=20GiB,outage=24h: more is an error. `writes` is
    /// what is written to the disk a day.
    #[arg(long, value_name = "LIMITS", default_value = "")]
    budget: Budget,
    /// Ask what each node talks to as well, if nothing is wrong: connect, read each tag once, look at the disk and the
    /// database. Nothing is written and nothing is changed.
    #[arg(long, conflicts_with = "watch")]
    connect: bool,
    /// How long each node may take to be asked.
    #[arg(long, value_name = "DURATION", default_value = "10s", requires = "connect")]
    within: Span,
    /// Answer no to warnings too.
    #[arg(long)]
    deny_warnings: bool,
    /// Check again whenever a file is saved, until Ctrl-C.
    #[arg(long)]
    watch: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With excerpts of the file, for people. On stderr.
    Human,
    /// One array of findings, for programs. On stdout.
    Json,
    /// A SARIF 2.1.0 log, for code hosts and editors. On stdout.
    Sarif,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    if args.watch { watch::run(args, || once(args, kinds)) } else { once(args, kinds) }
}

/// Checks all files once.
fn once(args: &Args, kinds: Kinds) -> Exit {
    let files = match files::meant(&args.files) {
        Ok(files) => files,
        Err(why) => {
            output::error(why);
            return Exit::Unasked;
        }
    };
    let mut report = Report::default();
    let mut right: Vec<(PipelineFile, Graph)> = Vec::new();
    for path in &files {
        let before = (report.errors(), report.warnings());
        let Some((file, graph)) = load::check(path, kinds, &args.budget, &mut report) else { continue };
        queue::report(&file, &graph, &args.data_dir, &mut report);
        if args.format == Format::Human && before == (report.errors(), report.warnings()) {
            let (nodes, edges) = (graph.nodes().count(), graph.edges().count());
            output::message(format_args!("{}: well ({nodes} nodes, {edges} edges)", path.display()));
        }
        right.push((file, graph));
    }
    across::check(&right, &args.data_dir, kinds, &mut report);
    if args.connect
        && connect::check(&right, &args.data_dir, args.within.0, args.format == Format::Human, &mut report)
            != Exit::Well
    {
        return Exit::Unasked;
    }
    match args.format {
        Format::Json => output::data(format_args!("{}\n", json(args, &right, kinds, &report))),
        Format::Sarif => output::data(report.render_sarif() + "\n"),
        Format::Human => {
            for (_, graph) in &right {
                tell(args, graph, kinds);
            }
            if !report.is_empty() {
                output::message(report.render_human(output::coloured(&std::io::stderr())).trim_end());
                let code = report.diagnostics().first().map_or("E0201", |found| found.code.id);
                output::message(format_args!("`fieldflow explain {code}` tells more of a code"));
            }
        }
    }
    if report.is_unreadable() {
        Exit::Unasked
    } else if report.has_errors() || (args.deny_warnings && report.warnings() != 0) {
        Exit::No
    } else {
        Exit::Well
    }
}

/// Prints what follows from a file. It is most of all wanted where it is warned of.
fn tell(args: &Args, graph: &Graph, kinds: Kinds) {
    let lines = || described(graph, kinds);
    if args.report {
        output::data(graph.secrets.hide(&Analysis::of(graph).render_text(&lines())) + "\n");
    } else if args.plan {
        for line in lines() {
            output::data(format_args!("{line}\n"));
        }
    }
}

fn json(args: &Args, right: &[(PipelineFile, Graph)], kinds: Kinds, report: &Report) -> String {
    if !args.report {
        return report.render_json();
    }
    let findings: Value = serde_json::from_str(&report.render_json()).unwrap_or_default();
    let pipelines = right.iter().map(|(_, graph)| Analysis::of(graph).render_json(&described(graph, kinds)));
    let text = format!("{:#}", json!({ "findings": findings, "pipelines": pipelines.collect::<Vec<_>>() }));
    let secrets = right.iter().map(|(_, graph)| &graph.secrets).collect::<crate::diagnostics::Secrets>();
    secrets.hide(&text).into_owned()
}

/// What can be told of the nodes before they are built, type by type.
fn described(graph: &Graph, kinds: Kinds) -> Vec<String> {
    let of = |kind: &&dyn NodeKind| {
        let of_kind = graph.nodes().filter(|node| node.kind.type_name() == kind.type_name());
        let nodes = of_kind.map(|node| (node.name.as_str(), &*node.prepared)).collect();
        kind.describe(&Together { nodes, base_dir: &graph.base_dir })
    };
    kinds.iter().flat_map(of).map(|line| graph.secrets.hide(&line).into_owned()).collect()
}
