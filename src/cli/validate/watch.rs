//! Checks again at every save: looks at the times of the files, which costs nothing and works on every file system.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::{Args, files};
use crate::cli::{Exit, output};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Checks now and whenever a file has changed, until the process is ended.
pub(super) fn run(args: &Args, check: impl Fn() -> Exit) -> Exit {
    crate::cli::run::block_on(async {
        loop {
            // Taken before the check, so that what is saved meanwhile is not missed.
            let seen = stamps(args);
            check();
            output::message("waiting for the next save; Ctrl-C ends");
            while stamps(args) == seen {
                tokio::time::sleep(EVERY).await;
            }
        }
    })
}

/// When each of the files was last written, and how long it is. One that is not there has none of both.
fn stamps(args: &Args) -> Vec<(PathBuf, Option<(SystemTime, u64)>)> {
    let files = files::meant(&args.files).unwrap_or_default();
    let beside = files.iter().filter_map(|file| file.parent()).flat_map(tables);
    let mut all: Vec<PathBuf> = files.iter().cloned().chain(beside).collect();
    all.sort();
    all.dedup();
    let stamp = |path: PathBuf| {
        let seen = std::fs::metadata(&path).ok().and_then(|meta| Some((meta.modified().ok()?, meta.len())));
        (path, seen)
    };
    all.into_iter().map(stamp).collect()
}

/// Tables that a pipeline file may include.
fn tables(folder: &std::path::Path) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { std::path::Path::new(".") } else { folder };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "csv")).collect()
}
