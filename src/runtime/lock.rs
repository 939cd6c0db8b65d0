//! One instance for one data folder: a second one refuses to start and says who is there.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// The lock on a pipeline's data folder, held for as long as this lives. The system lets go of it when the process ends,
/// however it ends.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// The data folder cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error(
        "{} is in use by process {holder}: the pipeline runs there already; stop it, or give this one another --data-dir",
        folder.display()
    )]
    Held {
        /// The folder.
        folder: PathBuf,
        /// The process that holds it, as it wrote itself down.
        holder: String,
    },
    /// The folder cannot be made or written.
    #[error("cannot use {} as data folder: {error}", folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl DirLock {
    /// Makes the folder if need be and takes its lock.
    pub fn take(folder: &Path) -> Result<Self, LockError> {
        let unusable = |error| LockError::Unusable { folder: folder.to_owned(), error };
        make_folder(folder).map_err(unusable)?;
        let path = folder.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {
                sign(&mut file).map_err(unusable)?;
                Ok(Self { _file: file })
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.take(32).read_to_string(&mut holder);
                Err(LockError::Held { folder: folder.to_owned(), holder })
            }
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }
}

/// Writes down who holds the lock, for whoever comes second.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

/// What the plant measures is nobody else's business: the folder is for the owner alone.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_instance_is_told_who_holds_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("data/demo");
        let first = DirLock::take(&folder).unwrap();
        let error = DirLock::take(&folder).unwrap_err().to_string();
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        DirLock::take(&folder).unwrap();
    }
}
