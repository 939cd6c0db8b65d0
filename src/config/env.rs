//! Where `${env:…}` and `${file:…}` get their values from.

use std::io::{self, Read};
use std::path::Path;

/// Largest file that `${file:…}` takes, in bytes.
pub(super) const LARGEST_SECRET: u64 = 64 * 1024;

/// The world outside the pipeline file, so that a test can make it up.
pub trait Env {
    /// The value of an environment variable, if it is set.
    fn var(&self, name: &str) -> Option<String>;
    /// The content of a file.
    fn file(&self, path: &Path) -> io::Result<String>;
}

/// The environment and the files of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProcessEnv;

impl Env for ProcessEnv {
    fn var(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        let mut text = String::new();
        let read = std::fs::File::open(path)?.take(LARGEST_SECRET + 1).read_to_string(&mut text)?;
        if LARGEST_SECRET < read as u64 {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 KiB"));
        }
        Ok(text)
    }
}
