//! `fieldflow schema`: the JSON Schemas, for editors.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Exit, Kinds, output};
use crate::config::pipeline_schema;

/// Print the JSON Schema of pipeline files, or write it and one for each node type into a folder.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  fieldflow schema --out schemas/")]
pub(super) struct Args {
    /// The folder to write them into.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Every schema with the name of its file.
pub fn schemas(kinds: Kinds) -> Vec<(PathBuf, String)> {
    let text = |schema: &serde_json::Value| format!("{schema:#}\n");
    let pipeline = (PathBuf::from("pipeline.schema.json"), text(&pipeline_schema(kinds)));
    let node = |kind: &&dyn fieldflow_contract::NodeKind| {
        (Path::new("nodes").join(format!("{}.schema.json", kind.type_name())), text(&kind.schema()))
    };
    std::iter::once(pipeline).chain(kinds.iter().map(node)).collect()
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    let Some(folder) = &args.out else {
        output::data(format_args!("{:#}\n", pipeline_schema(kinds)));
        return Exit::Well;
    };
    for (name, text) in schemas(kinds) {
        let path = folder.join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        if let Err(error) = written {
            output::error(format_args!("cannot write {}: {error}", path.display()));
            return Exit::Unasked;
        }
        output::message(format_args!("wrote {}", path.display()));
    }
    Exit::Well
}
