//! How long to wait before the next try: longer each time, never the same for two, and never giving up.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
/// A device that is back is read again within this time.
const LONGEST: Duration = Duration::from_secs(4);

/// Doubles from 200 ms to 4 s, with jitter so that a plant's worth of gateways does not knock at once.
pub(super) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(super) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The wait before the next try: between half of the step and the whole of it.
    pub(super) fn step(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(LONGEST);
        step.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    /// It worked: the next trouble begins with a short wait again.
    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit_and_begin_anew() {
        let mut backoff = Backoff::new();
        let waits: Vec<Duration> = (0..50).map(|_| backoff.step()).collect();
        assert!(waits[0] <= FIRST && FIRST / 2 <= waits[0]);
        assert!(waits[10..].iter().all(|wait| LONGEST / 2 <= *wait && *wait <= LONGEST));
        assert!(waits[10..].iter().any(|wait| *wait != waits[10]), "without jitter all gateways knock at once");
        backoff.reset();
        assert!(backoff.step() <= FIRST);
    }
}
