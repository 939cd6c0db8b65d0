//! `fieldflow graph`: the graph with each edge's policy.

use std::path::PathBuf;

use clap::ValueEnum;

use super::{Exit, Kinds, load, output};

/// Print the graph of a pipeline with each edge's policy.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fieldflow graph pipelines/demo.yaml --format mermaid")]
pub(super) struct Args {
    /// The pipeline file.
    file: PathBuf,
    /// How to print it.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For a terminal.
    Text,
    /// For Markdown.
    Mermaid,
    /// For Graphviz.
    Dot,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let graphs = match load::graphs(std::slice::from_ref(&args.file), kinds) {
        Ok(graphs) => graphs,
        Err(exit) => return exit,
    };
    for graph in &graphs {
        output::data(match args.format {
            Format::Text => graph.render_text(),
            Format::Mermaid => graph.render_mermaid(),
            Format::Dot => graph.render_dot(),
        });
    }
    Exit::Well
}
