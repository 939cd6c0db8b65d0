//! What every test begins with: its turn, its seed, its folder, its figures; and how it waits and speaks.

use std::env;
use std::fmt::Display;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

static TURN: Mutex<()> = Mutex::new(());

/// A test that has the machine for itself.
pub(crate) struct Setup {
    name: &'static str,
    pub(crate) dice: fastrand::Rng,
    folder: Option<TempDir>,
    _turn: MutexGuard<'static, ()>,
}

impl Setup {
    /// Waits for its turn and says the seed. The folder is on the disk of the build.
    pub(crate) fn new(name: &'static str) -> Self {
        Self::within(name, Path::new(env!("CARGO_TARGET_TMPDIR")))
    }

    /// The same with a folder in memory, where the machine has one.
    pub(crate) fn in_memory(name: &'static str) -> Self {
        let shared = Path::new("/dev/shm");
        if shared.is_dir() { Self::within(name, shared) } else { Self::new(name) }
    }

    fn within(name: &'static str, place: &Path) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let seed = figure("FIELDFLOW_SEED", fastrand::u64(..));
        say(format_args!("{name}: FIELDFLOW_SEED={seed}"));
        let folder = tempfile::Builder::new().prefix("fieldflow-").tempdir_in(place).unwrap();
        Self { name, dice: fastrand::Rng::with_seed(seed), folder: Some(folder), _turn: turn }
    }

    /// A folder below the test's own.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.as_ref().unwrap().path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Says figures.
    pub(crate) fn says(&self, figures: impl Display) {
        say(format_args!("{}: {figures}", self.name));
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        if env::var_os("FIELDFLOW_KEEP").is_some() {
            let kept = self.folder.take().map(TempDir::keep);
            say(format_args!("{}: kept {kept:?}", self.name));
        }
    }
}

/// A figure that a variable of the environment can enlarge.
pub(crate) fn figure<T: FromStr>(name: &str, default: T) -> T {
    let set = env::var(name).ok();
    set.map_or(default, |set| set.parse().unwrap_or_else(|_| panic!("{name}={set} is not a number")))
}

/// Speaks on the real stderr, which a test that passes would keep to itself.
#[expect(clippy::explicit_write, reason = "`eprintln!` is what the harness captures")]
pub(crate) fn say(text: impl Display) {
    writeln!(std::io::stderr(), "{text}").unwrap();
}

/// Says that something is missing; fails where nothing may be missing.
pub(crate) fn skip(what: &str) {
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|set| set == value);
    assert!(!is("CI", "true") && !is("FIELDFLOW_PEERS", "required"), "{what}");
    say(format_args!("SKIPPED: {what}"));
}

/// Asks until there is an answer, or the time is over.
#[expect(clippy::disallowed_methods, reason = "what another process does can only be asked for again and again")]
pub(crate) fn wait_for<T>(limit: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if end <= Instant::now() {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Lets the other process work for so long.
#[expect(clippy::disallowed_methods, reason = "the moment of a kill is a moment in time")]
pub(crate) fn pass(time: Duration) {
    std::thread::sleep(time);
}
