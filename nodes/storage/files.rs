//! The database as a file: made for its owner alone, and watched, because a file that is gone takes its rows with it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

/// Makes the file and its folder if they are not there, readable by nobody else.
pub(super) fn make(path: &Path) -> io::Result<()> {
    if path.try_exists()? {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let absent: Vec<&Path> = folder.ancestors().take_while(|up| *up != Path::new("") && !up.exists()).collect();
    let mut builder = DirBuilder::new();
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
        builder.mode(0o700);
        options.mode(0o600);
    }
    if !absent.is_empty() {
        builder.recursive(true).create(folder)?;
    }
    options.write(true).create(true).truncate(false).open(path)?;
    // SQLite syncs what is in the files. That the files are in their folders survives a power cut only so.
    sync(folder)?;
    absent.iter().filter_map(|made| made.parent()).try_for_each(sync)
}

#[cfg(unix)]
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(if folder == Path::new("") { Path::new(".") } else { folder })?.sync_all()
}

#[cfg(not(unix))]
pub(super) fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Bytes that are free for this user on the file system of a path.
#[cfg(unix)]
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    let system = rustix::fs::statvfs(path)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

/// Where the system is not asked: as many as can be.
#[cfg(not(unix))]
pub fn free_bytes(_: &Path) -> io::Result<u64> {
    Ok(u64::MAX)
}

/// Which file stands at a path: another one there has another identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity(u64, u64);

impl Identity {
    /// The identity of the file at this path.
    #[cfg(unix)]
    pub fn of(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(path).map(|file| Self(file.dev(), file.ino()))
    }

    /// Where the system gives files no identity: that there is a file.
    #[cfg(not(unix))]
    pub fn of(path: &Path) -> io::Result<Self> {
        fs::metadata(path).map(|_| Self(0, 0))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_folder_and_the_file_are_for_their_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/plant/plant.db");
        make(&path).unwrap();
        make(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&dir.path().join("data/plant")), 0o700);
        assert_eq!(mode(&dir.path().join("data")), 0o700);
    }

    #[test]
    fn a_file_in_the_place_of_another_is_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        make(&path).unwrap();
        let before = Identity::of(&path).unwrap();
        fs::rename(&path, dir.path().join("old.db")).unwrap();
        assert!(Identity::of(&path).is_err());
        make(&path).unwrap();
        assert_ne!(Identity::of(&path).unwrap(), before);
    }
}
