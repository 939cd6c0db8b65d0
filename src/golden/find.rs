//! Which pipelines and cases there are below a path.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A pipeline file and its cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The pipeline file.
    pub pipeline: PathBuf,
    /// The folders of its cases, sorted.
    pub cases: Vec<PathBuf>,
    /// Whether these are all cases that it has.
    pub whole: bool,
}

/// The pipelines at this path: the file itself, every `*.yaml` of a folder and what is below it, or one case by its folder. A
/// folder of cases without a pipeline file is told as the pipeline that is missing.
pub fn find(path: &Path) -> Result<Vec<Found>, String> {
    let readable = |error: io::Error| format!("{}: {error}", path.display());
    // The folder before `.` can only be told from its real name.
    let real = if path.file_name().is_none() { fs::canonicalize(path).map_err(readable)? } else { path.to_owned() };
    if fs::metadata(path).map_err(readable)?.is_file() {
        let folder = folder_of(path);
        if folder.is_dir() {
            pipeline_of(&folder)?;
        }
        return Ok(vec![Found { pipeline: path.to_owned(), cases: cases_of(&folder)?, whole: true }]);
    }
    if let Some(folder) = real.parent().filter(|folder| is_cases(folder)) {
        return Ok(vec![Found { pipeline: pipeline_of(folder)?, cases: vec![real.clone()], whole: false }]);
    }
    if is_cases(&real) {
        return Ok(vec![Found { pipeline: pipeline_of(&real)?, cases: cases_of(&real)?, whole: true }]);
    }
    let mut found: Vec<Found> = Vec::new();
    for entry in sorted(path)? {
        // What a link points to is found where it is, and a link to a folder above would never end.
        let is_folder = fs::symlink_metadata(&entry).map_err(readable)?.is_dir();
        if is_folder || (is_yaml(&entry) && is_pipeline(&entry)) {
            found.extend(find(&entry)?);
        }
    }
    found.sort_by(|one, two| one.pipeline.cmp(&two.pipeline));
    // Found by its file, and by its folder of cases.
    found.dedup();
    Ok(found)
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "yaml" || end == "yml")
}

fn is_cases(folder: &Path) -> bool {
    folder.extension().is_some_and(|end| end == "tests")
}

/// Whether a YAML file that nobody named is a pipeline: other things are kept in YAML, too. What cannot be read is told later.
fn is_pipeline(path: &Path) -> bool {
    let begins = |line: &str| ["nodes", "edges", "'nodes", "\"nodes"].iter().any(|key| line.starts_with(key));
    folder_of(path).is_dir() || fs::read(path).map_or(true, |text| String::from_utf8_lossy(&text).lines().any(begins))
}

/// The folder of a pipeline's cases.
pub(super) fn folder_of(pipeline: &Path) -> PathBuf {
    pipeline.with_extension("tests")
}

/// The cases in a folder of cases; nothing else may lie in it.
fn cases_of(folder: &Path) -> Result<Vec<PathBuf>, String> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let (cases, strays): (Vec<_>, Vec<_>) = sorted(folder)?.into_iter().partition(|entry| entry.is_dir());
    let stray = strays.into_iter().find(|file| is_yaml(file) || file.extension().is_some_and(|end| end == "jsonl"));
    match stray {
        Some(stray) => {
            Err(format!("{}: a case is a folder; put it into {}/<case>/", stray.display(), folder.display()))
        }
        None => Ok(cases),
    }
}

/// The pipeline whose cases lie in this folder.
fn pipeline_of(folder: &Path) -> Result<PathBuf, String> {
    let [long, short] = ["yaml", "yml"].map(|ending| folder.with_extension(ending));
    match (long.is_file(), short.is_file()) {
        (true, true) => {
            Err(format!("{} and {} share {}: rename one of them", long.display(), short.display(), folder.display()))
        }
        (false, true) => Ok(short),
        _ => Ok(long),
    }
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let read = || {
        let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
        entries.filter(|path| path.as_ref().map_or(true, |path| !is_hidden(path))).collect::<io::Result<Vec<_>>>()
    };
    let mut entries = read().map_err(|error| format!("{}: {error}", folder.display()))?;
    entries.sort();
    Ok(entries)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(folders: &[&str], files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for folder in folders {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        for (file, text) in files {
            fs::write(dir.path().join(file), text).unwrap();
        }
        dir
    }

    #[test]
    fn cases_are_found_by_folder_by_file_and_by_name() {
        let folders = ["b.tests/two", "b.tests/one", "sub/c.tests/x", "stray.tests/y"];
        let files = [
            ("a.yaml", "nodes:"),
            ("b.yaml", ""),
            ("sub/c.yml", ""),
            ("b.tests/notes.txt", ""),
            ("other.yaml", "x: 1"),
        ];
        let dir = site(&folders, &files);
        std::os::unix::fs::symlink(dir.path(), dir.path().join("sub/round")).unwrap();
        let at = |path: &str| dir.path().join(path);
        let found = |pipeline: &str, cases: &[&str], whole| {
            let cases = cases.iter().map(|case| at(case)).collect();
            Found { pipeline: at(pipeline), cases, whole }
        };
        let b = found("b.yaml", &["b.tests/one", "b.tests/two"], true);
        let (a, c) = (found("a.yaml", &[], true), found("sub/c.yml", &["sub/c.tests/x"], true));
        // The pipeline of these cases is gone; that they no longer run is to be told.
        let stray = found("stray.yaml", &["stray.tests/y"], true);
        assert_eq!(find(dir.path()).unwrap(), [a, b.clone(), stray, c]);
        assert_eq!(find(&at("b.yaml")).unwrap(), std::slice::from_ref(&b));
        assert_eq!(find(&at("b.tests")).unwrap(), [b]);
        assert_eq!(find(&at("b.tests/two")).unwrap(), [found("b.yaml", &["b.tests/two"], false)]);
        assert!(find(&at("missing")).unwrap_err().contains("missing"));
    }

    #[test]
    fn what_would_never_run_is_told() {
        let two = site(&["a.tests/x"], &[("a.yaml", "nodes:"), ("a.yml", "nodes:")]);
        assert!(find(two.path()).unwrap_err().contains("rename one"));
        let beside = site(&["a.tests"], &[("a.yaml", "nodes:"), ("a.tests/plc.in.jsonl", "")]);
        assert!(find(beside.path()).unwrap_err().contains("a case is a folder"));
    }
}
