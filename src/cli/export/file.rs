//! A file that is there whole or not at all: written beside its place, synced, then renamed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Failure;

/// A file to be written. Dropped before it is finished, it leaves nothing.
pub(in crate::cli) struct WholeFile {
    path: PathBuf,
    begun: PathBuf,
}

impl WholeFile {
    /// A file at this path. What is there and cannot be meant to be replaced is refused.
    pub(in crate::cli) fn new(path: &Path, database: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        // A link stays a link: what it leads to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::canonicalize(database).is_ok_and(|database| database == path) {
            return Err(Failure::unasked(format!(
                "{shown} is the database that is read: name another file with --out"
            )));
        }
        if path.is_dir() {
            return Err(Failure::unasked(format!("{shown} is a folder: name a file in it with --out")));
        }
        if path.exists() && !path.is_file() {
            return Err(Failure::unasked(format!(
                "{shown} is no ordinary file: leave --out away, and redirect the output"
            )));
        }
        let Some(name) = path.file_name() else {
            return Err(Failure::unasked(format!("{shown} is not the name of a file")));
        };
        let mut begun = OsString::from(name);
        begun.push(".tmp");
        Ok(Self { begun: path.with_file_name(begun), path })
    }

    /// The file under the name that it has while it is not whole.
    pub(in crate::cli) fn begin(&self) -> Result<File, Failure> {
        File::create(&self.begun).map_err(|error| self.failed(&error))
    }

    /// Gives the file its name, once all of it is on the disk.
    pub(in crate::cli) fn finish(self) -> Result<(), Failure> {
        self.settle().map_err(|error| self.failed(&error))
    }

    fn settle(&self) -> io::Result<()> {
        File::options().write(true).open(&self.begun)?.sync_all()?;
        fs::rename(&self.begun, &self.path)?;
        // That it has this name survives a power cut only so.
        let folder = self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
        if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::writing(&self.path.display().to_string(), error)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        // Gone already, if it was finished.
        let _ = fs::remove_file(&self.begun);
    }
}
