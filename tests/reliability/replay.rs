//! What a disk can hold after a power cut: replays the log of the shim up to a moment and makes up what had not been synced.
//!
//! The model. A file's bytes are safe once a sync of it has returned; each write after that may be there, be missing, be torn
//! at sectors of 512 bytes, hold garbage where it was torn, or have come before an earlier one. That a file was made, renamed
//! or deleted is safe once its folder was synced; of what came after that, the disk keeps the first so many. Sub-folders are
//! taken as safe when they are made. The `-shm` file is never kept. A disk that lies about a sync is outside the model.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use fastrand::Rng;

use crate::journal::Journal;

const SECTOR: usize = 512;

/// What the shim saw, in order.
pub(crate) struct Log {
    bytes: Vec<u8>,
    folder: PathBuf,
}

/// One call.
enum Call<'a> {
    Create { inode: u64, path: &'a str },
    Write { inode: u64, offset: u64, data: Range<usize> },
    Truncate { inode: u64, length: u64 },
    Sync { inode: u64 },
    SyncFolder { inode: u64 },
    Unlink { path: &'a str },
    Rename { from: &'a str, to: &'a str },
}

impl Log {
    /// Reads a log; `folder` is what was watched.
    pub(crate) fn read(file: &Path, folder: &Path) -> Self {
        Self { bytes: fs::read(file).unwrap(), folder: folder.canonicalize().unwrap() }
    }

    fn calls(&self) -> impl Iterator<Item = Call<'_>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let head = self.bytes.get(at..at + 21)?;
            let word = |from: usize| u64::from_le_bytes(head[from..from + 8].try_into().unwrap());
            let (inode, offset) = (word(1), word(9));
            let length = u32::from_le_bytes(head[17..21].try_into().unwrap()) as usize;
            let data = at + 21..at + 21 + length;
            at = data.end;
            let text = || std::str::from_utf8(&self.bytes[data.clone()]).unwrap();
            Some(match head[0] {
                b'C' => Call::Create { inode, path: text() },
                b'W' => Call::Write { inode, offset, data },
                b'T' => Call::Truncate { inode, length: offset },
                b'S' => Call::Sync { inode },
                b'D' => Call::SyncFolder { inode },
                b'U' => Call::Unlink { path: text() },
                b'R' => {
                    let (from, to) = text().split_once('\n').unwrap();
                    Call::Rename { from, to }
                }
                other => panic!("the shim wrote {other}"),
            })
        })
    }

    /// How many calls there are.
    pub(crate) fn len(&self) -> usize {
        self.calls().count()
    }

    /// Cuts the power after each of these calls, in rising order, and shows what is left: an image in `place`, the journal up
    /// to then, and a number to repeat it by.
    pub(crate) fn cut(
        &self,
        moments: &[(usize, u64)],
        place: &Path,
        mut look: impl FnMut(&Path, &Journal, (usize, u64)),
    ) {
        let mut disk = Disk::new(&self.bytes, &self.folder);
        let mut moments = moments.iter().peekable();
        for (number, call) in self.calls().enumerate() {
            disk.take(call);
            while let Some(moment) = moments.next_if(|(at, _)| *at == number) {
                let mut dice = Rng::with_seed(moment.1);
                disk.write_image(&mut dice, place);
                look(place, &Journal::read(&disk.journal), *moment);
                fs::remove_dir_all(place).unwrap();
            }
        }
    }
}

/// The disk at one moment: what is safe, and what is on its way.
struct Disk<'a> {
    bytes: &'a [u8],
    folder: &'a Path,
    files: Vec<File>,
    /// The file that an inode stands for now: inodes are used again.
    by_inode: HashMap<u64, usize>,
    names: BTreeMap<PathBuf, usize>,
    /// Names changed since their folder was synced, in order.
    renamed: Vec<NameChange>,
    /// The names as the program sees them.
    seen: BTreeMap<PathBuf, usize>,
    journal: String,
    journal_inode: Option<u64>,
}

#[derive(Default)]
struct File {
    safe: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, data: Range<usize> },
    Truncate(usize),
}

enum NameChange {
    Put(PathBuf, usize),
    Gone(PathBuf),
}

impl NameChange {
    fn folder(&self) -> Option<&Path> {
        let (Self::Put(path, _) | Self::Gone(path)) = self;
        path.parent()
    }

    fn apply(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Put(path, file) => names.insert(path.clone(), *file),
            Self::Gone(path) => names.remove(path),
        };
    }
}

impl<'a> Disk<'a> {
    fn new(bytes: &'a [u8], folder: &'a Path) -> Self {
        Self {
            bytes,
            folder,
            files: Vec::new(),
            by_inode: HashMap::new(),
            names: BTreeMap::new(),
            renamed: Vec::new(),
            seen: BTreeMap::new(),
            journal: String::new(),
            journal_inode: None,
        }
    }

    fn take(&mut self, call: Call<'_>) {
        match call {
            Call::Create { inode, path } if path.ends_with("/journal") => self.journal_inode = Some(inode),
            Call::Create { inode, path } => {
                self.files.push(File::default());
                self.by_inode.insert(inode, self.files.len() - 1);
                self.rename(NameChange::Put(path.into(), self.files.len() - 1));
            }
            Call::Write { inode, data, .. } if self.journal_inode == Some(inode) => {
                self.journal.push_str(std::str::from_utf8(&self.bytes[data]).unwrap());
            }
            Call::Write { inode, offset, data } => self.change(inode, Change::Write { offset: offset as usize, data }),
            Call::Truncate { inode, length } => self.change(inode, Change::Truncate(length as usize)),
            Call::Sync { inode } => {
                let Some(file) = self.by_inode.get(&inode).map(|at| &mut self.files[*at]) else { return };
                for change in std::mem::take(&mut file.pending) {
                    apply(&mut file.safe, &change, self.bytes);
                }
            }
            Call::SyncFolder { inode } => self.sync_folder(inode),
            Call::Unlink { path } => self.rename(NameChange::Gone(path.into())),
            Call::Rename { from, to } => {
                if let Some(file) = self.seen.get(Path::new(from)).copied() {
                    self.rename(NameChange::Put(to.into(), file));
                    self.rename(NameChange::Gone(from.into()));
                }
            }
        }
    }

    fn change(&mut self, inode: u64, change: Change) {
        if let Some(at) = self.by_inode.get(&inode) {
            self.files[*at].pending.push(change);
        }
    }

    fn rename(&mut self, change: NameChange) {
        change.apply(&mut self.seen);
        self.renamed.push(change);
    }

    /// The folders are still there when this runs, so an inode says which one it was.
    fn sync_folder(&mut self, inode: u64) {
        use std::os::unix::fs::MetadataExt as _;
        let is_it = |change: &NameChange| {
            change.folder().and_then(|folder| fs::metadata(folder).ok()).is_some_and(|folder| folder.ino() == inode)
        };
        for change in self.renamed.extract_if(.., |change| is_it(change)) {
            change.apply(&mut self.names);
        }
    }

    /// Writes down one of the states that the disk can be in if the power goes now.
    fn write_image(&self, dice: &mut Rng, place: &Path) {
        let mut names = self.names.clone();
        for change in &self.renamed[..dice.usize(..=self.renamed.len())] {
            change.apply(&mut names);
        }
        let mood = Mood::any(dice);
        fs::create_dir_all(place).unwrap();
        for (path, file) in names {
            if path.extension().is_some_and(|end| end == "db-shm") {
                continue;
            }
            let file = &self.files[file];
            let mut bytes = file.safe.clone();
            for change in mood.choose(dice, &file.pending) {
                match change {
                    (Change::Write { offset, data }, Fate::Torn) => self.tear(dice, &mut bytes, offset, data),
                    (change, _) => apply(&mut bytes, &change, self.bytes),
                }
            }
            let path = place.join(path.strip_prefix(self.folder).unwrap());
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Some sectors of a write came, some did not, and some hold neither the old nor the new.
    fn tear(&self, dice: &mut Rng, file: &mut Vec<u8>, offset: usize, data: Range<usize>) {
        let mut from = data.start;
        while from < data.end {
            let at = offset + from - data.start;
            let to = data.end.min(from + SECTOR - at % SECTOR);
            match dice.u8(..10) {
                0..5 => apply(file, &Change::Write { offset: at, data: from..to }, self.bytes),
                5..9 => {}
                _ => {
                    grow(file, at + to - from);
                    dice.fill(&mut file[at..at + to - from]);
                }
            }
            from = to;
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Kept,
    Torn,
}

/// How a disk treats what was not synced.
#[derive(Clone, Copy)]
enum Mood {
    Nothing,
    Everything,
    FirstFew,
    Some,
    SomeInAnyOrder,
}

impl Mood {
    fn any(dice: &mut Rng) -> Self {
        match dice.u8(..10) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2..4 => Self::FirstFew,
            4..7 => Self::Some,
            _ => Self::SomeInAnyOrder,
        }
    }

    fn choose(self, dice: &mut Rng, pending: &[Change]) -> Vec<(Change, Fate)> {
        let all = pending.iter().cloned();
        match self {
            Self::Nothing => Vec::new(),
            Self::Everything => all.map(|change| (change, Fate::Kept)).collect(),
            Self::FirstFew => {
                let kept = dice.usize(..=pending.len());
                let fate = |n| if n + 1 == kept { Fate::Torn } else { Fate::Kept };
                all.take(kept).enumerate().map(|(n, change)| (change, fate(n))).collect()
            }
            Self::Some | Self::SomeInAnyOrder => {
                let fated = |change| match dice.u8(..5) {
                    0..2 => None,
                    2 => Some((change, Fate::Torn)),
                    _ => Some((change, Fate::Kept)),
                };
                let mut chosen: Vec<_> = all.filter_map(fated).collect();
                if matches!(self, Self::SomeInAnyOrder) {
                    dice.shuffle(&mut chosen);
                }
                chosen
            }
        }
    }
}

fn apply(file: &mut Vec<u8>, change: &Change, bytes: &[u8]) {
    match change {
        Change::Write { offset, data } => {
            grow(file, offset + data.len());
            file[*offset..offset + data.len()].copy_from_slice(&bytes[data.clone()]);
        }
        Change::Truncate(length) => file.resize(*length, 0),
    }
}

fn grow(file: &mut Vec<u8>, length: usize) {
    if file.len() < length {
        file.resize(length, 0);
    }
}
