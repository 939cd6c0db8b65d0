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
}

/// The pipelines at this path: the file itself, every `*.yaml` of a folder and what is below it, or one case by its folder.
pub fn find(path: &Path) -> io::Result<Vec<Found>> {
    if fs::metadata(path)?.is_file() {
        return Ok(vec![Found { pipeline: path.to_owned(), cases: cases_of(path)? }]);
    }
    if let Some(pipeline) = path.parent().and_then(pipeline_of) {
        return Ok(vec![Found { pipeline, cases: vec![path.to_owned()] }]);
    }
    if let Some(pipeline) = pipeline_of(path) {
        return find(&pipeline);
    }
    let mut found = Vec::new();
    for entry in sorted(path)? {
        if entry.is_dir() {
            if pipeline_of(&entry).is_none() {
                found.extend(find(&entry)?);
            }
        } else if entry.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            found.extend(find(&entry)?);
        }
    }
    Ok(found)
}

/// The folder of a pipeline's cases.
pub(super) fn folder_of(pipeline: &Path) -> PathBuf {
    pipeline.with_extension("tests")
}

fn cases_of(pipeline: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = folder_of(pipeline);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    Ok(sorted(&folder)?.into_iter().filter(|entry| entry.is_dir()).collect())
}

/// The pipeline whose cases lie in this folder.
fn pipeline_of(folder: &Path) -> Option<PathBuf> {
    let is_cases = folder.extension().is_some_and(|end| end == "tests");
    let file = |end| Some(folder.with_extension(end)).filter(|file| file.is_file());
    is_cases.then(|| file("yaml").or_else(|| file("yml"))).flatten()
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .filter(|path| path.as_ref().map_or(true, |path| !is_hidden(path)))
        .collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_found_by_folder_by_file_and_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for folder in ["b.tests/two", "b.tests/one", "sub/c.tests/x", "stray.tests/y"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["a.yaml", "b.yaml", "sub/c.yml", "b.tests/notes.txt", "readme.md"] {
            fs::write(at(file), "").unwrap();
        }
        let b = Found { pipeline: at("b.yaml"), cases: vec![at("b.tests/one"), at("b.tests/two")] };
        let a = Found { pipeline: at("a.yaml"), cases: vec![] };
        let c = Found { pipeline: at("sub/c.yml"), cases: vec![at("sub/c.tests/x")] };
        assert_eq!(find(dir.path()).unwrap(), [a, b.clone(), c]);
        assert_eq!(find(&at("b.yaml")).unwrap(), std::slice::from_ref(&b));
        assert_eq!(find(&at("b.tests")).unwrap(), [b]);
        assert_eq!(
            find(&at("b.tests/two")).unwrap(),
            [Found { pipeline: at("b.yaml"), cases: vec![at("b.tests/two")] }]
        );
        assert!(find(&at("missing")).is_err());
    }
}
