//! How far something that takes long is, in one line on a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use tokio::time::Instant;

use crate::cli::output::{self, grouped};
use crate::cli::store::Beat;

/// What takes no longer needs no progress.
const SILENT: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(250);

/// The line of progress on stderr.
pub(in crate::cli) struct Progress {
    wanted: bool,
    began: Instant,
    /// When the line was last written; `None` before it was.
    shown: Option<Instant>,
}

impl Progress {
    /// Begins to measure. Nothing is shown if stderr is no terminal, or if it is not wanted.
    pub(in crate::cli) fn new(wanted: bool) -> Self {
        Self { wanted: wanted && io::stderr().is_terminal(), began: Instant::now(), shown: None }
    }

    /// Shows how far it is, if it is time to.
    pub(in crate::cli) fn show(&mut self, beat: Beat) {
        self.put(|elapsed| line(beat, elapsed));
    }

    /// Shows this, if it is time to.
    pub(in crate::cli) fn tell(&mut self, how_far: &str) {
        self.put(|_| how_far.to_owned());
    }

    fn put(&mut self, line: impl FnOnce(Duration) -> String) {
        let due = self.shown.map_or(SILENT < self.began.elapsed(), |shown| EVERY < shown.elapsed());
        if self.wanted && due {
            self.shown = Some(Instant::now());
            // Back to the beginning of the line, and clear it.
            let _ = write!(io::stderr(), "\r\x1b[K{}", line(self.began.elapsed()));
        }
    }

    /// Says what was written, if somebody is looking.
    pub(in crate::cli) fn end(&self, rows: u64, to: &str) {
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        if self.wanted {
            let seconds = self.began.elapsed().as_secs_f64();
            output::message(format_args!("{to}: {} rows in {seconds:.1} s", grouped(rows)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // What is said next begins on a clean line.
        if self.shown.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(beat: Beat, elapsed: Duration) -> String {
    let rate = beat.samples as f64 / elapsed.as_secs_f64().max(0.001);
    format!("{} samples read  {:.0} %  {}/s", grouped(beat.samples), beat.part * 100.0, grouped(rate as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_how_much_how_far_and_how_fast() {
        let beat = Beat { samples: 3_000_000, part: 0.345 };
        assert_eq!(line(beat, Duration::from_secs(2)), "3,000,000 samples read  34 %  1,500,000/s");
    }
}
