//! From a path to text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use crate::diagnostics::{Diagnostic, Place, Report, SourceText, codes};

/// Largest pipeline file, in bytes.
const LARGEST: usize = 1 << 20;

/// The text of the file; `None` if it cannot be had, which is then reported.
pub(super) fn read(path: &Path, report: &mut Report) -> Option<Arc<SourceText>> {
    let shown = path.display().to_string();
    let mut bytes = Vec::new();
    let limited = File::open(path).and_then(|file| file.take(LARGEST as u64 + 1).read_to_end(&mut bytes));
    if let Err(error) = limited {
        let message = format!("`{shown}` cannot be read: {}", reason(&error));
        report.push(Diagnostic::new(&codes::UNREADABLE, message).help("check the path and the permissions"));
        return None;
    }
    if LARGEST < bytes.len() {
        let message = format!("`{shown}` is larger than 1 MiB");
        let help = "put a long list of tags into a file of its own and include it: `tags_from: map.csv`";
        report.push(Diagnostic::new(&codes::TOO_LARGE, message).help(help));
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => Some(Arc::new(SourceText::new(shown, text))),
        Err(error) => {
            let start = error.utf8_error().valid_up_to();
            let bytes = error.into_bytes();
            let text = String::from_utf8_lossy(&bytes);
            let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
            let source = Arc::new(SourceText::new(shown, text));
            let found = Diagnostic::new(&codes::NOT_UTF8, "the file is not UTF-8").at(Place::new(&source, start..end));
            let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
            let help = if utf16 { "it is UTF-16: save it as UTF-8" } else { "save it as UTF-8; it may be Latin-1" };
            report.push(found.help(help));
            None
        }
    }
}

/// Why a file could not be read, without the number of the error.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}
