//! Which database is meant: one that is named, or that of a pipeline file's `sqlite` sink.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::Failure;
use crate::cli::{Exit, Kinds, output};
use crate::config::suggest::nearest;
use crate::config::{self, NodeEntry, PipelineFile, ProcessEnv};
use crate::diagnostics::Report;

/// The type of node that stores into a database.
const SINK: &str = "sqlite";

/// The database, and the tags in it.
#[derive(clap::Args)]
pub(in crate::cli) struct Place {
    /// The pipeline file whose database is read. It is left out with --db.
    #[arg(required_unless_present = "db")]
    file: Option<String>,
    /// Tags by name or by pattern: `*` stands for any text, `?` for one character. [default: all tags]
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Read this database, without a pipeline file.
    #[arg(long, value_name = "PATH")]
    db: Option<PathBuf>,
    /// Which `sqlite` sink, where the pipeline has several.
    #[arg(long, value_name = "NAME", conflicts_with = "db")]
    node: Option<String>,
    /// The folder below which each pipeline keeps its data, in a folder of its name.
    #[arg(long, value_name = "DIR", default_value = "data", conflicts_with = "db")]
    data_dir: PathBuf,
}

impl Place {
    /// The names and patterns of tags.
    pub(in crate::cli) fn tags(&self) -> Vec<&str> {
        // With --db there is no pipeline file, and what stands in its place is the first tag.
        let first = self.file.as_deref().filter(|_| self.db.is_some());
        first.into_iter().chain(self.tags.iter().map(String::as_str)).collect()
    }

    /// The path of the database.
    pub(in crate::cli) fn database(&self, kinds: Kinds) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.db {
            return match path.try_exists() {
                Ok(true) => Ok(path.clone()),
                Ok(false) => Err(Failure::unasked(format!("{}: there is no such file", path.display()))),
                Err(error) => Err(Failure::finding(path, &error)),
            };
        }
        let file = Path::new(self.file.as_deref().unwrap_or_default());
        if is_database(file) {
            let file = file.display();
            return Err(Failure::unasked(format!("{file} is a database, not a pipeline file: say --db {file}")));
        }
        let (name, stored) = self.sink(file, kinds)?;
        let path = self.data_dir.join(&name).join(stored);
        match path.try_exists() {
            Ok(true) => Ok(path),
            Ok(false) => Err(Failure::unasked(format!(
                "{}: there is no such file: either pipeline `{name}` has not run yet, or it ran with another --data-dir",
                path.display()
            ))),
            Err(error) => Err(Failure::finding(&path, &error)),
        }
    }

    /// The name of the pipeline, and the path of its database as the file has it.
    fn sink(&self, path: &Path, kinds: Kinds) -> Result<(String, PathBuf), Failure> {
        let mut report = Report::default();
        let file = config::load(path, kinds, &ProcessEnv, &mut report);
        // What is wrong elsewhere in the file, such as a password that only the service knows, is no hindrance to read.
        if let Some(file) = file.filter(|file| is_name(&file.name)) {
            let sink = self.choose(&file)?;
            let stored = sink.ready.as_ref().and_then(|ready| ready.options["path"].as_str());
            if let Some(stored) = stored {
                return Ok((file.name.clone(), PathBuf::from(stored)));
            }
        }
        output::message(report.render_human(output::coloured(&std::io::stderr())));
        Err(Failure::told(if report.is_unreadable() { Exit::Unasked } else { Exit::No }))
    }

    fn choose<'a>(&self, file: &'a PipelineFile) -> Result<&'a NodeEntry, Failure> {
        let path = file.path.display();
        let stores = |node: &&NodeEntry| node.kind.is_some_and(|kind| kind.type_name() == SINK);
        let sinks: Vec<&NodeEntry> = file.nodes.iter().filter(stores).collect();
        let names: Vec<&str> = sinks.iter().map(|node| node.name.as_str()).collect();
        match (&self.node, sinks.as_slice()) {
            (_, []) => Err(Failure::unasked(format!("{path} has no `{SINK}` sink: name a database with --db"))),
            (None, [one]) => Ok(one),
            (None, _) => Err(Failure::unasked(format!(
                "{path} has several `{SINK}` sinks: choose one with --node {}",
                names.join("|")
            ))),
            (Some(wanted), _) => sinks.iter().find(|node| node.name == *wanted).copied().ok_or_else(|| {
                let hint = nearest(wanted, names.iter().copied()).map(|name| format!("did you mean `{name}`?"));
                let hint = hint.unwrap_or_else(|| format!("there is {}", names.join(", ")));
                Failure::unasked(format!("{path} has no `{SINK}` sink named `{wanted}`; {hint}"))
            }),
        }
    }
}

/// Whether a name may become that of a folder; of one that may not, the report tells.
pub(in crate::cli) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Whether a file is an SQLite database, as its first bytes have it.
pub(in crate::cli) fn is_database(path: &Path) -> bool {
    let mut head = [0; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"SQLite format 3\0"
}
