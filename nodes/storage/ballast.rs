//! A file that only holds room: let go when the disk is full, so that SQLite can tidy up and nothing gets stuck.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::files::free_bytes;

/// A file of really allocated bytes beside a database.
///
/// On a disk without a free byte SQLite can neither take its log into the file nor delete a row. The ballast is the room that
/// was put by for that.
#[derive(Debug, Clone)]
pub struct Ballast {
    path: PathBuf,
    bytes: u64,
}

impl Ballast {
    /// A ballast of this size at this path; of no bytes for none. Touches nothing yet.
    pub fn new(path: impl Into<PathBuf>, bytes: u64) -> Self {
        Self { path: path.into(), bytes }
    }

    /// The ballast of a database: `<file>.ballast`.
    pub fn beside(database: &Path, bytes: u64) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push(".ballast");
        Self::new(path, bytes)
    }

    /// How much must be free before the ballast is made: itself, and as much again to work with.
    pub fn wanted(&self) -> u64 {
        self.bytes.saturating_mul(2)
    }

    /// Makes the ballast if it is not there and there is room for it; says whether it is there now.
    pub fn ensure(&self) -> io::Result<bool> {
        if self.is_whole() {
            return Ok(true);
        }
        self.release();
        if free_bytes(self.folder())? < self.wanted() {
            return Ok(false);
        }
        match self.allocate() {
            Ok(()) => Ok(true),
            Err(error) => {
                self.release();
                if error.kind() == io::ErrorKind::StorageFull { Ok(false) } else { Err(error) }
            }
        }
    }

    /// Gives the room back; says whether there was any.
    pub fn release(&self) -> bool {
        let was_there = fs::remove_file(&self.path).is_ok();
        if was_there {
            crate::crash_point("ballast.released");
        }
        was_there
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
    }

    fn is_whole(&self) -> bool {
        match fs::metadata(&self.path) {
            Ok(file) => file.len() == self.bytes && self.bytes <= allocated(&file),
            Err(_) => self.bytes == 0,
        }
    }

    fn allocate(&self) -> io::Result<()> {
        if self.bytes == 0 {
            return Ok(());
        }
        let mut options = OpenOptions::new();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.write(true).create(true).truncate(true).open(&self.path)?;
        fill(&mut file, self.bytes)?;
        crate::crash_point("ballast.filled");
        file.sync_all()
    }
}

/// Room by the file system's own means, else by zeros, which some file systems would not store.
fn fill(file: &mut fs::File, bytes: u64) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    match rustix::fs::fallocate(&*file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
        Err(rustix::io::Errno::OPNOTSUPP) => {}
        done => return Ok(done?),
    }
    io::copy(&mut io::Read::take(io::repeat(0), bytes), file).map(drop)
}

#[cfg(unix)]
fn allocated(file: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(file).saturating_mul(512)
}

#[cfg(not(unix))]
fn allocated(file: &fs::Metadata) -> u64 {
    file.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ballast_takes_real_room_and_gives_it_back() {
        let dir = tempfile::tempdir().unwrap();
        let ballast = Ballast::beside(&dir.path().join("plant.db"), 1 << 20);
        assert!(ballast.ensure().unwrap() && ballast.ensure().unwrap());
        let file = fs::metadata(dir.path().join("plant.db.ballast")).unwrap();
        assert_eq!(file.len(), 1 << 20);
        assert!(1 << 20 <= allocated(&file));
        assert!(ballast.release());
        assert!(!ballast.release());
    }

    #[test]
    fn a_ballast_of_another_size_or_with_holes_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("b");
        fs::File::create(&path).unwrap().set_len(1 << 20).unwrap();
        for bytes in [1 << 20, 1 << 16] {
            assert!(Ballast::new(&path, bytes).ensure().unwrap());
            let file = fs::metadata(&path).unwrap();
            assert!(file.len() == bytes && bytes <= allocated(&file));
        }
        assert!(Ballast::new(&path, 0).ensure().unwrap());
        assert!(!path.exists(), "none is wanted, none is left");
    }

    #[test]
    fn no_ballast_is_made_where_it_would_fill_the_disk_itself() {
        let dir = tempfile::tempdir().unwrap();
        let ballast = Ballast::new(dir.path().join("b"), 1 << 60);
        assert!(!ballast.ensure().unwrap());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
