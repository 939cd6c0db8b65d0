//! Questions, to a person at a terminal; nobody else is asked.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

/// Who is asked.
pub(super) struct Person {
    is_there: bool,
}

impl Person {
    /// The one at the terminal, if there is one and may be asked.
    pub(super) fn new(silent: bool) -> Self {
        Self { is_there: !silent && io::stdin().is_terminal() && io::stderr().is_terminal() }
    }

    /// The answer, or what is usual where none is given.
    pub(super) fn asked(&mut self, what: &str, usual: &str) -> String {
        if !self.is_there {
            return usual.to_owned();
        }
        let mut answer = String::new();
        let _ = write!(io::stderr(), "{what} [{usual}]: ");
        // At the end of input nobody answers any more.
        self.is_there = io::stdin().lock().read_line(&mut answer).is_ok_and(|read| read != 0);
        match answer.trim() {
            "" => usual.to_owned(),
            answer => answer.to_owned(),
        }
    }
}
