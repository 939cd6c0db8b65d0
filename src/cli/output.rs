//! Where words go: data to stdout, messages to stderr, colour only on a terminal.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write as _};

/// Prints data to stdout. A reader that closed the pipe has seen enough, and is no error.
pub(super) fn data(text: impl Display) {
    let mut stdout = io::stdout().lock();
    let _ = write!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Prints a message to stderr, on a line of its own.
pub(super) fn message(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Prints why something could not be done.
pub(super) fn error(text: impl Display) {
    let (on, off) = if coloured(&io::stderr()) { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    message(format_args!("{on}error{off}: {text}"));
}

/// Prints what is not as it was meant, but can go on.
pub(super) fn warning(text: impl Display) {
    let (on, off) = if coloured(&io::stderr()) { ("\x1b[1;33m", "\x1b[0m") } else { ("", "") };
    message(format_args!("{on}warning{off}: {text}"));
}

/// Whether this stream wants colour: a terminal, unless `NO_COLOR` is set.
pub(super) fn coloured(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// `1234567` as `1,234,567`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at != 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_threes() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
