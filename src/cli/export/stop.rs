//! Work that a signal can stop between two steps, so that nothing half done is left behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::Exit;
use crate::cli::run::{Signals, block_on};
use crate::cli::store::Failure;

/// Whether a signal has come.
pub(in crate::cli) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// An error once a signal has come: this was not written.
    pub(in crate::cli) fn check(&self, to: &str) -> Result<(), Failure> {
        if self.0.load(Ordering::Relaxed) {
            return Err(Failure::no(format!("stopped: {to} was not written")));
        }
        Ok(())
    }
}

/// Does the work on a thread of its own. It asks between two steps whether it shall stop.
pub(in crate::cli) fn stoppable<T: Send + 'static>(
    work: impl FnOnce(&Stop) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let mut ended = None;
    let exit = block_on(async {
        let mut signals = Signals::catch();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Stop(Arc::clone(&stop));
        let mut work = tokio::task::spawn_blocking(move || work(&stopped));
        let joined = tokio::select! {
            joined = &mut work => joined,
            () = signals.next() => {
                stop.store(true, Ordering::Relaxed);
                work.await
            }
        };
        ended = Some(joined.unwrap_or_else(|error| Err(Failure::unasked(format!("the export broke off: {error}")))));
        Exit::Well
    });
    // Without an end there was no beginning, which was told.
    ended.unwrap_or_else(|| Err(Failure::told(exit)))
}
