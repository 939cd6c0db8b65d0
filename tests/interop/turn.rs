//! Who has the machine: a test that loads it or measures it is alone; those that mostly wait run beside each other.

use tokio::sync::{Semaphore, SemaphorePermit};

/// So many tests that mostly wait run beside each other: each has two or three processes, on two cores.
const PLACES: u32 = 3;

static FREE: Semaphore = Semaphore::const_new(PLACES as usize);

/// Held while it runs by a test that must be alone.
pub(crate) async fn alone() -> SemaphorePermit<'static> {
    FREE.acquire_many(PLACES).await.unwrap()
}

/// Held while it runs by a test that mostly waits.
pub(crate) async fn beside_others() -> SemaphorePermit<'static> {
    FREE.acquire().await.unwrap()
}
