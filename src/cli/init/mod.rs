//! `fieldflow init`: a first pipeline file, with a comment on each line that a person will want to change.
//!
//! What the file holds comes from the nodes themselves: their examples, and the comments of their options. What is not given by
//! flags is asked for on a terminal, and taken from the examples elsewhere.

mod ask;
mod text;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use fieldflow_contract::{NodeKind, Role};

use super::{Exit, Kinds, load, output};
use crate::analysis::Budget;
use crate::config::suggest::nearest;
use crate::diagnostics::Report;

/// Write a first pipeline file, with comments, that validates.
///
/// On a terminal, what is not given is asked for. The file is not written over one that is there.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  fieldflow init\n  \
        fieldflow init boiler.yaml --source modbus --url tcp://192.168.1.10:502 \\\n    \
        --tag boiler.temperature=holding:0 --tag boiler.burner=coil:0 --sink sqlite")]
pub(super) struct Args {
    /// The file to write. [default: the name of the pipeline, with .yaml]
    file: Option<PathBuf>,
    /// The name of the pipeline: lower-case letters, digits and hyphens. [default: that of the file, or plant]
    #[arg(long)]
    name: Option<String>,
    /// The type of the source; `fieldflow nodes` lists them. [default: modbus]
    #[arg(long, value_name = "TYPE")]
    source: Option<String>,
    /// Where the source finds its device.
    #[arg(long)]
    url: Option<String>,
    /// A tag and where it lies in the device, such as boiler.temperature=holding:0; may be given several times.
    #[arg(long = "tag", value_name = "NAME=WHERE")]
    tags: Vec<String>,
    /// The type of the sink. [default: sqlite]
    #[arg(long, value_name = "TYPE")]
    sink: Option<String>,
    /// Ask nothing, also on a terminal.
    #[arg(long)]
    yes: bool,
}

/// What the file is to hold.
struct Wanted {
    name: String,
    path: PathBuf,
    source: &'static dyn NodeKind,
    url: Option<String>,
    tags: Vec<(String, String)>,
    sink: &'static dyn NodeKind,
}

pub(super) fn run(args: &Args, kinds: Kinds) -> Exit {
    match wanted(args, kinds).and_then(|wanted| write(&wanted, kinds)) {
        Ok(()) => Exit::Well,
        Err(why) => {
            output::error(why);
            Exit::Unasked
        }
    }
}

fn wanted(args: &Args, kinds: Kinds) -> Result<Wanted, String> {
    let mut person = ask::Person::new(args.yes);
    let from_file = args.file.as_ref().and_then(|file| Some(text::plain_name(file.file_stem()?.to_str()?)));
    let name = match &args.name {
        Some(name) => name.clone(),
        None => person.asked("name of the pipeline", &from_file.unwrap_or_else(|| "plant".to_owned())),
    };
    let source = match &args.source {
        Some(source) => source.clone(),
        None => person.asked("type of the source", "modbus"),
    };
    let source = kind(&source, Role::Source, kinds)?;
    let has = |option: &str| source.schema()["properties"].get(option).is_some();
    let example = text::option(source.example(), "url");
    let url = match (&args.url, example) {
        (Some(_), _) if !has("url") => return Err(format!("`{}` has no `url`", source.type_name())),
        (Some(url), _) => Some(url.clone()),
        (None, Some(example)) if has("url") => Some(person.asked("url of the device", &example)),
        (None, _) => None,
    };
    let mut tags = Vec::new();
    for tag in &args.tags {
        let (name, at) =
            tag.split_once('=').ok_or(format!("`{tag}` has no `=`; write --tag boiler.temperature=holding:0"))?;
        tags.push((name.trim().to_owned(), at.trim().to_owned()));
    }
    if !tags.is_empty() && text::place_of_tags(*source).is_none() {
        let type_name = source.type_name();
        return Err(format!("the tags of `{type_name}` are not told by a place; see `fieldflow nodes {type_name}`"));
    }
    let sink = match &args.sink {
        Some(sink) => sink.clone(),
        None => person.asked("type of the sink", "sqlite"),
    };
    let path = args.file.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.yaml")));
    Ok(Wanted { name, path, source: *source, url, tags, sink: *kind(&sink, Role::Sink, kinds)? })
}

fn kind<'a>(wanted: &str, role: Role, kinds: &'a [&'static dyn NodeKind]) -> Result<&'a &'static dyn NodeKind, String> {
    let of_role = || kinds.iter().filter(|kind| kind.role() == role);
    of_role().find(|kind| kind.type_name() == wanted).ok_or_else(|| {
        let names: Vec<&str> = of_role().map(|kind| kind.type_name()).collect();
        let near = nearest(wanted, names.iter().copied()).map(|name| format!("; did you mean `{name}`?"));
        let near = near.unwrap_or_else(|| format!("; there are {}", names.join(", ")));
        format!("there is no {} `{wanted}`{near}", role.word())
    })
}

/// Checks the file before it is left there: what does not validate is not written.
fn write(wanted: &Wanted, kinds: Kinds) -> Result<(), String> {
    let path = &wanted.path;
    let mut file = OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => format!("{} is there already; name another file", path.display()),
        _ => format!("cannot write {}: {error}", path.display()),
    })?;
    let written = file.write_all(text::file(wanted).as_bytes());
    let mut report = Report::new();
    let right = written.is_ok() && load::check(path, kinds, &Budget::default(), &mut report).is_some();
    if right {
        output::message(format_args!("wrote {}; next: fieldflow validate {0} --report", path.display()));
        return Ok(());
    }
    // Only what was made here a moment ago is taken away again.
    let _ = std::fs::remove_file(path);
    if !report.is_empty() {
        output::message(report.render_human(output::coloured(&std::io::stderr())));
    }
    Err(match written {
        Ok(()) => "with these the file would not validate; nothing was written".to_owned(),
        Err(error) => format!("cannot write {}: {error}", path.display()),
    })
}
