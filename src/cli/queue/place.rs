//! Which state file is meant, and which edge in it.

use std::path::{Path, PathBuf};

use super::standing::{Known, shown};
use crate::cli::store::{Failure, is_database, is_name};
use crate::cli::{Exit, Kinds, output};
use crate::config::suggest::{listed, nearest};
use crate::config::{self, PipelineFile, ProcessEnv};
use crate::diagnostics::Report;
use crate::queue::{Backlog, FILE, Inspector};

/// A state file, and an edge in it.
#[derive(clap::Args)]
pub(super) struct Place {
    /// The pipeline file. It is left out with --state.
    #[arg(required_unless_present = "state")]
    file: Option<String>,
    /// The edge: `from -> to` (in quotes), `from/to` or `from.port/to`.
    edge: Option<String>,
    /// Read this `state.db`, without a pipeline file.
    #[arg(long, value_name = "PATH")]
    state: Option<PathBuf>,
    /// The folder below which each pipeline keeps its data, in a folder of its name.
    #[arg(long, value_name = "DIR", default_value = "data", conflicts_with = "state")]
    data_dir: PathBuf,
}

impl Place {
    /// The edge as it was written.
    pub(super) fn edge(&self) -> Option<&str> {
        // With --state there is no pipeline file, and what stands in its place is the edge.
        if self.state.is_some() { self.file.as_deref() } else { self.edge.as_deref() }
    }

    /// The state file.
    pub(super) fn state(&self, kinds: Kinds) -> Result<State, Failure> {
        if let Some(path) = &self.state {
            if let (Some(file), Some(_)) = (&self.file, &self.edge) {
                return Err(Failure::unasked(format!("with --state there is no pipeline file: leave {file} out")));
            }
            return State::at(path);
        }
        let file = Path::new(self.file.as_deref().unwrap_or_default());
        State::of(file, &self.data_dir, kinds)?.there()
    }
}

/// A state file that was found.
pub(super) struct State {
    /// The name of the pipeline.
    pub(super) pipeline: String,
    /// The file.
    pub(super) path: PathBuf,
    /// The edges of the pipeline file, if that could be read.
    pub(super) known: Option<Known>,
}

impl State {
    /// The state file at this path.
    pub(super) fn at(path: &Path) -> Result<Self, Failure> {
        let state = Self { pipeline: String::new(), path: path.to_owned(), known: None }.there()?;
        // The pipeline is told by the names of its edges, if they all say the same.
        let edges = state.inspector()?.edges().map_err(|error| Failure::state(&error))?;
        let mut pipelines: Vec<&str> = edges.iter().filter_map(|edge| Some(edge.name.split_once('/')?.0)).collect();
        pipelines.dedup();
        let pipeline = if let [one] = pipelines.as_slice() { (*one).to_owned() } else { String::new() };
        Ok(Self { pipeline, ..state })
    }

    /// The state file of a pipeline, which may not be there yet.
    pub(super) fn of(file: &Path, data_dir: &Path, kinds: Kinds) -> Result<Self, Failure> {
        if is_database(file) {
            let file = file.display();
            return Err(Failure::unasked(format!("{file} is a database, not a pipeline file: say --state {file}")));
        }
        let file = read(file, kinds)?;
        let path = data_dir.join(&file.name).join(FILE);
        Ok(Self { known: Known::of_file(&file), pipeline: file.name, path })
    }

    /// The same, if it is there.
    fn there(self) -> Result<Self, Failure> {
        let path = self.path.display();
        match self.path.try_exists() {
            Ok(true) if self.path.is_dir() => {
                Err(Failure::unasked(format!("{path} is a folder: name the {FILE} in it")))
            }
            Ok(true) => Ok(self),
            Ok(false) => Err(Failure::unasked(format!("{path}: there is no such file{}", self.why_not()))),
            Err(error) => Err(Failure::finding(&self.path, &error)),
        }
    }

    /// Why there is no state file, as far as the pipeline file tells.
    pub(super) fn why_not(&self) -> String {
        let pipeline = &self.pipeline;
        match &self.known {
            _ if pipeline.is_empty() => String::new(),
            Some(known) if !known.keeps_any() => format!(": pipeline `{pipeline}` has no durable edge"),
            _ => format!(": either pipeline `{pipeline}` has not run yet, or it ran with another --data-dir"),
        }
    }

    /// Opens it.
    pub(super) fn inspector(&self) -> Result<Inspector, Failure> {
        Inspector::open(&self.path).map_err(|error| Failure::state(&error))
    }

    /// An edge as a person would write it.
    pub(super) fn shown(&self, edge: &Backlog) -> String {
        shown(&edge.name, &self.pipeline)
    }

    /// The edge that is meant.
    pub(super) fn edge(&self, wanted: Option<&str>) -> Result<(Inspector, Backlog), Failure> {
        let inspector = self.inspector()?;
        let edges = inspector.edges().map_err(|error| Failure::state(&error))?;
        let path = self.path.display();
        if edges.is_empty() {
            return Err(Failure::no(format!("no edge has stored anything in {path}")));
        }
        let names: Vec<String> = edges.iter().map(|edge| self.shown(edge)).collect();
        let all = || {
            let list = listed(names.iter().map(String::as_str)).map(|names| format!("; there is {names}"));
            list.unwrap_or_else(|| "; `fieldflow queue ls` lists them".to_owned())
        };
        let Some(wanted) = wanted else {
            return Err(Failure::unasked(format!("which edge? name it behind the file{}", all())));
        };
        let meant = plain(wanted);
        let is_meant = |edge: &&Backlog| {
            let own = edge.name.strip_prefix(&self.pipeline).and_then(|rest| rest.strip_prefix('/'));
            edge.name == meant || own == Some(&meant) || plain(&self.shown(edge)) == meant
        };
        if let Some(edge) = edges.iter().find(is_meant) {
            return Ok((inspector, edge.clone()));
        }
        let near: Vec<String> = names.iter().map(|name| plain(name)).collect();
        let near = nearest(&meant, near.iter().map(String::as_str))
            .and_then(|found| names.iter().find(|name| plain(name) == found))
            .map(|name| format!("; did you mean `{name}`?"));
        Err(Failure::no(format!("no edge `{wanted}` has stored anything in {path}{}", near.unwrap_or_else(all))))
    }
}

/// `a -> b` as `a/b`.
fn plain(edge: &str) -> String {
    edge.replace("->", "/").split('/').map(str::trim).collect::<Vec<_>>().join("/")
}

/// Reads a pipeline file for its name and edges. What is wrong elsewhere in it, such as a password that only the service
/// knows, is no hindrance.
pub(in crate::cli) fn read(path: &Path, kinds: Kinds) -> Result<PipelineFile, Failure> {
    let mut report = Report::default();
    if let Some(file) = config::load(path, kinds, &ProcessEnv, &mut report).filter(|file| is_name(&file.name)) {
        return Ok(file);
    }
    output::message(report.render_human(output::coloured(&std::io::stderr())));
    Err(Failure::told(if report.is_unreadable() { Exit::Unasked } else { Exit::No }))
}
