//! Bytes to be read by the functions of the library, which call themselves for values in values.
//!
//! For two kinds of values nothing in the library ends that, and a message of some hundred kilobytes would take the stack, and
//! the process with it. Whoever reads byte by byte is asked here how deep he is.

use std::io::{self, Read};

/// How much of the stack may be used for reading a message. A thread has 2 MiB.
const DEEPEST: usize = 256 << 10;

/// Bytes, to be read from the depth at which this was made.
pub(super) struct Stream<'a> {
    rest: &'a [u8],
    top: usize,
}

impl<'a> Stream<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, top: depth() }
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if DEEPEST < self.top.abs_diff(depth()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "values lie too deep in each other"));
        }
        self.rest.read(buf)
    }
}

/// Where the stack is: the address of something on it.
#[inline(never)]
fn depth() -> usize {
    let mark = 0u8;
    std::ptr::from_ref(std::hint::black_box(&mark)).addr()
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{BinaryDecodable, ContextOwned, DiagnosticInfo, NamespaceMap, Variant};

    fn read<T: BinaryDecodable>(bytes: &[u8]) -> Result<T, String> {
        let context = ContextOwned::new_default(NamespaceMap::new(), super::super::dial::limits());
        let mut stream = Stream::new(bytes);
        T::decode(&mut stream, &context.context()).map_err(|error| error.to_string())
    }

    #[test]
    fn values_in_values_without_end_are_refused() {
        // A diagnostic info that has another one in it, and a data value in a variant in a data value.
        let diagnostics = vec![0x40; 200_000];
        assert!(read::<DiagnosticInfo>(&diagnostics).is_err());
        let values: Vec<u8> = [0x17, 0x01].repeat(200_000);
        assert!(read::<Variant>(&values).is_err());
        let variants = vec![0x18; 200_000];
        assert!(read::<Variant>(&variants).is_err());
    }

    #[test]
    fn what_is_not_deep_is_read() {
        let bytes = [vec![0x40; 20], vec![0x01, 7, 0, 0, 0]].concat();
        let read = read::<DiagnosticInfo>(&bytes).unwrap();
        let deepest = (0..20).fold(&read, |outer, _| outer.inner_diagnostic_info.as_ref().unwrap());
        assert_eq!(deepest.symbolic_id, Some(7));
    }
}
