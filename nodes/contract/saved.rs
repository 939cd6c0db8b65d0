//! What a node keeps over a restart: one small document, stored by the runtime.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a node keeps over a restart, such as the total of a counter.
///
/// A node that wants it says so in `build` by [`Saved::keep`]; what was stored is there before `connect` or the first `apply`.
/// [`Saved::store`] hands the newest document over without waiting; the runtime writes it within a second or so, together with
/// whatever else there is to write, and at the end. A power cut can take the last seconds of it, so store what can catch up.
///
/// It is found again by the name and the type of the node. Options may have changed meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Saved(Arc<Mutex<Document>>);

#[derive(Debug, Default)]
struct Document {
    wanted: bool,
    bytes: Option<Vec<u8>>,
    /// Not on disk yet.
    is_new: bool,
}

/// The document is larger than [`Saved::MOST`] bytes; what was stored before stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes to keep over a restart: at most {max} are", max = Saved::MOST)]
pub struct TooLarge(pub usize);

impl Saved {
    /// Most bytes of a document.
    pub const MOST: usize = 16 << 20;

    /// Says that this node keeps something. For `build`.
    pub fn keep(&self) {
        self.document().wanted = true;
    }

    /// What was stored last, by this process or by the one before it.
    pub fn load(&self) -> Option<Vec<u8>> {
        self.document().bytes.clone()
    }

    /// Stores a new document in the place of the last one.
    pub fn store(&self, bytes: Vec<u8>) -> Result<(), TooLarge> {
        if Self::MOST < bytes.len() {
            return Err(TooLarge(bytes.len()));
        }
        let mut document = self.document();
        document.is_new |= document.bytes.as_ref() != Some(&bytes);
        document.bytes = Some(bytes);
        Ok(())
    }

    /// For the runtime: whether the node keeps something.
    pub fn is_wanted(&self) -> bool {
        self.document().wanted
    }

    /// For the runtime: puts in what was found on disk, unless the node has stored something newer.
    pub fn found(&self, bytes: Vec<u8>) {
        let mut document = self.document();
        if !document.is_new {
            document.bytes = Some(bytes);
        }
    }

    /// For the runtime: whether there is something that is not on disk yet.
    pub fn is_new(&self) -> bool {
        self.document().is_new
    }

    /// For the runtime: what is not on disk yet. It counts as written from now on.
    pub fn take_new(&self) -> Option<Vec<u8>> {
        let mut document = self.document();
        std::mem::take(&mut document.is_new).then(|| document.bytes.clone()).flatten()
    }

    /// For the runtime: what was taken could not be written, and is to be taken again.
    pub fn not_written(&self) {
        let mut document = self.document();
        document.is_new = document.bytes.is_some();
    }

    fn document(&self) -> MutexGuard<'_, Document> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_document_is_taken_once_and_again_if_it_could_not_be_written() {
        let saved = Saved::default();
        saved.found(b"old".to_vec());
        assert_eq!((saved.load(), saved.take_new()), (Some(b"old".to_vec()), None));
        saved.store(b"new".to_vec()).unwrap();
        saved.found(b"old".to_vec());
        assert_eq!(saved.take_new().as_deref(), Some(b"new".as_slice()));
        assert_eq!(saved.take_new(), None);
        saved.not_written();
        assert_eq!(saved.take_new().as_deref(), Some(b"new".as_slice()));
        assert_eq!(saved.store(vec![0; Saved::MOST + 1]), Err(TooLarge(Saved::MOST + 1)));
        assert_eq!(saved.load().as_deref(), Some(b"new".as_slice()));
        saved.store(b"new".to_vec()).unwrap();
        assert!(!saved.is_new(), "the same again wears no disk");
    }
}
