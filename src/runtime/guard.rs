//! Catches the panic of a node, so that it takes nobody with it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt as _;

/// A node panicked; what it said.
#[derive(Debug)]
pub(super) struct Panicked(pub(super) String);

/// Runs a node's future; the node is not used again after a panic, so its broken state harms nobody.
pub(super) async fn guard<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    AssertUnwindSafe(future).catch_unwind().await.map_err(|payload| said(&*payload))
}

/// The same for a call that is not a future.
pub(super) fn guard_call<T>(call: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|payload| said(&*payload))
}

fn said(payload: &(dyn Any + Send)) -> Panicked {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    Panicked(text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned()))
}
