//! The nodes of one type in a file, looked at together: what they do to something that they share.

use std::path::Path;

use crate::finding::{At, Finding};

/// The nodes of one type in a file, with which nothing is wrong as far as each goes by itself.
pub struct Together<'a, C: ?Sized> {
    /// The name and the options of each, in the order of the file.
    pub nodes: Vec<(&'a str, &'a C)>,
    /// The folder of the file, for what the options include.
    pub base_dir: &'a Path,
}

/// Something that is wrong between nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The node at which it is told, as its place in [`Together::nodes`].
    pub node: usize,
    /// What is wrong. Its paths are of that node's options.
    pub finding: Finding,
    /// The places of the other nodes that have to do with it, and what each is.
    pub others: Vec<(usize, At, String)>,
}
