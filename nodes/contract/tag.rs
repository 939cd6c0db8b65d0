//! Tags: the interned names of measured things.
//!
//! A tag is an index into one table for the whole process, so it is copied and compared like an integer and its name is
//! read without a lock. The table only grows, and it is bounded: names that come from a payload cannot fill the memory.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

const CHUNK: usize = 1024;
const CHUNKS: usize = 1024;
/// Longest name of a tag, in bytes.
const LONGEST: usize = 1024;

type Chunk = Box<[OnceLock<Box<str>>]>;

static NAMES: [OnceLock<Chunk>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];
static INDEX: Mutex<Option<HashMap<&'static str, u32>>> = Mutex::new(None);

/// The identity of a measured thing, such as `press.temperature`; for raw messages the topic.
///
/// It has no order: that of the table depends on which names the process saw first, and would be another one each time. What
/// needs an order takes that of the names, or numbers what arrives.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(u32);

/// The name is too long, or the table of tags is full.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum TagTableFull {
    /// The table holds [`Tag::MOST`] names already.
    #[error("more than {} different tags: the table of tags is full", Tag::MOST)]
    Full,
    /// The name is longer than a name may be.
    #[error("a tag's name of {0} bytes: at most {LONGEST} are allowed")]
    TooLong(usize),
    /// The name is empty.
    #[error("a tag's name is empty")]
    Empty,
}

impl Tag {
    /// The most different tags that one process can know.
    pub const MOST: usize = CHUNK * CHUNKS;

    /// The tag of this name; the same name gives the same tag for as long as the process lives.
    pub fn new(name: &str) -> Result<Self, TagTableFull> {
        if name.is_empty() {
            return Err(TagTableFull::Empty);
        }
        if LONGEST < name.len() {
            return Err(TagTableFull::TooLong(name.len()));
        }
        let mut index = INDEX.lock().unwrap_or_else(PoisonError::into_inner);
        let index = index.get_or_insert_default();
        if let Some(&known) = index.get(name) {
            return Ok(Self(known));
        }
        let next = index.len();
        if next == Self::MOST {
            return Err(TagTableFull::Full);
        }
        let chunk = NAMES[next / CHUNK].get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        let name: &'static str = chunk[next % CHUNK].get_or_init(|| name.into());
        index.insert(name, next as u32);
        Ok(Self(next as u32))
    }

    /// The name that the tag was made of.
    pub fn name(self) -> &'static str {
        let index = self.index();
        NAMES[index / CHUNK].get().and_then(|chunk| chunk[index % CHUNK].get()).map_or("", |name| name)
    }

    /// A small number, dense over all tags of the process: made for [`TagMap`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// State per tag, found by index. Bounded by the table of tags.
#[derive(Debug, Clone)]
pub struct TagMap<T> {
    slots: Vec<Option<T>>,
}

impl<T> Default for TagMap<T> {
    fn default() -> Self {
        Self { slots: Vec::new() }
    }
}

impl<T> TagMap<T> {
    /// The state of a tag, if it has any yet.
    pub fn get(&self, tag: Tag) -> Option<&T> {
        self.slots.get(tag.index()).and_then(Option::as_ref)
    }

    /// The place where a tag's state stands, made if it is not there yet.
    pub fn slot(&mut self, tag: Tag) -> &mut Option<T> {
        if self.slots.len() <= tag.index() {
            self.slots.resize_with(tag.index() + 1, || None);
        }
        &mut self.slots[tag.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_the_same_tag() {
        let (one, two) = (Tag::new("press.temperature").unwrap(), Tag::new("press.temperature").unwrap());
        assert_eq!(one, two);
        assert_eq!(one.name(), "press.temperature");
        assert_ne!(one, Tag::new("press.pressure").unwrap());
    }

    #[test]
    fn names_that_cannot_be_stored_are_refused() {
        assert_eq!(Tag::new(""), Err(TagTableFull::Empty));
        assert_eq!(Tag::new(&"x".repeat(1025)), Err(TagTableFull::TooLong(1025)));
    }

    #[test]
    fn threads_agree_on_the_tags() {
        let names: Vec<String> = (0..3000).map(|n| format!("threads.{n}")).collect();
        let intern = || names.iter().map(|name| Tag::new(name).unwrap()).collect::<Vec<_>>();
        let [one, two] =
            std::thread::scope(|scope| [scope.spawn(intern), scope.spawn(intern)].map(|t| t.join().unwrap()));
        assert_eq!(one, two);
        assert!(one.iter().zip(&names).all(|(tag, name)| tag.name() == name));
    }
}
