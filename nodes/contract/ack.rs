//! Acknowledgements: what became of a batch and of everything that was derived from it.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use crate::Batch;

/// What became of a batch, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// Safe at every sink, or filtered on purpose.
    Delivered = 0,
    /// Thrown away by the policy of a full edge.
    Dropped = 1,
    /// Refused for good: it went to a `rejected` port or was counted as discarded.
    Rejected = 2,
    /// Lost on the way: the source must not acknowledge it upstream.
    Failed = 3,
}

impl Outcome {
    /// All outcomes, best first.
    pub const ALL: [Self; 4] = [Self::Delivered, Self::Dropped, Self::Rejected, Self::Failed];

    /// The word for it in metrics and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Dropped => "dropped",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }

    fn of(code: u8) -> Self {
        Self::ALL[usize::from(code.min(3))]
    }
}

/// A share of the duty to tell what became of a batch.
///
/// Clone it for every batch that is derived; each share is resolved once. When the last share is gone, the worst outcome is
/// told to whoever made the ack. A share that is dropped without being resolved has failed.
#[must_use = "an ack that is dropped counts as failed"]
pub struct Ack {
    shared: Option<Arc<Shared>>,
}

struct Shared {
    worst: AtomicU8,
    /// Why something was rejected, if it was: the first reason.
    reason: OnceLock<Box<str>>,
    tell: Option<Tell>,
}

type Tell = Box<dyn FnOnce(Outcome, Option<Box<str>>) + Send + Sync>;

impl Ack {
    /// An ack that calls `tell` once, with the worst outcome, when the last share is resolved.
    pub fn new(tell: impl FnOnce(Outcome) + Send + Sync + 'static) -> Self {
        Self::explained(|outcome, _| tell(outcome))
    }

    /// The same, for who wants to know why something was rejected, as it is told in the log.
    pub fn explained(tell: impl FnOnce(Outcome, Option<Box<str>>) + Send + Sync + 'static) -> Self {
        let worst = AtomicU8::new(Outcome::Delivered as u8);
        Self { shared: Some(Arc::new(Shared { worst, reason: OnceLock::new(), tell: Some(Box::new(tell)) })) }
    }

    /// An ack that nobody waits for: for sources that cannot acknowledge, such as a polled device.
    pub fn none() -> Self {
        Self { shared: None }
    }

    /// One ack in the place of several: its outcome counts for each of them.
    pub fn join(acks: Vec<Self>) -> Self {
        Self::explained(move |outcome, reason| {
            for ack in acks {
                if let Some(reason) = &reason {
                    ack.rejected(reason);
                }
                ack.resolve(outcome);
            }
        })
    }

    /// Notes an outcome without giving the share up: what is resolved later can only be worse.
    pub fn note(&self, outcome: Outcome) {
        if let Some(shared) = &self.shared {
            shared.worst.fetch_max(outcome as u8, Ordering::AcqRel);
        }
    }

    /// Notes that records were rejected, and why, without giving the share up.
    pub fn rejected(&self, reason: &str) {
        self.note(Outcome::Rejected);
        if let Some(shared) = &self.shared {
            shared.reason.get_or_init(|| reason.into());
        }
    }

    /// Tells what became of this share's batch.
    pub fn resolve(mut self, outcome: Outcome) {
        self.note(outcome);
        self.shared = None;
    }
}

impl Clone for Ack {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        // `resolve` has taken the share away; what is still here was forgotten by somebody.
        self.note(Outcome::Failed);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(tell) = self.tell.take() {
            tell(Outcome::of(*self.worst.get_mut()), self.reason.take());
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shared {
            Some(shared) => write!(f, "Ack(so far {:?})", Outcome::of(shared.worst.load(Ordering::Acquire))),
            None => f.write_str("Ack(none)"),
        }
    }
}

/// What travels on an edge: a batch, and the duty to tell what became of it.
#[derive(Debug)]
pub struct Delivery {
    /// The records.
    pub batch: Batch,
    /// The duty.
    pub ack: Ack,
}

impl Delivery {
    /// A batch from a source that cannot acknowledge.
    pub fn unacked(batch: Batch) -> Self {
        Self { batch, ack: Ack::none() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Mutex;

    fn recorder() -> (Ack, Arc<Mutex<Vec<Outcome>>>) {
        let told = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&told);
        (Ack::new(move |outcome| sink.lock().unwrap().push(outcome)), told)
    }

    #[test]
    fn nothing_is_told_before_the_last_share_is_resolved() {
        let (ack, told) = recorder();
        let second = ack.clone();
        ack.resolve(Outcome::Delivered);
        assert!(told.lock().unwrap().is_empty());
        second.resolve(Outcome::Dropped);
        assert_eq!(*told.lock().unwrap(), [Outcome::Dropped]);
    }

    #[test]
    fn a_forgotten_share_has_failed() {
        let (ack, told) = recorder();
        drop(ack.clone());
        ack.resolve(Outcome::Delivered);
        assert_eq!(*told.lock().unwrap(), [Outcome::Failed]);
    }

    #[test]
    fn a_joined_ack_speaks_for_all_and_keeps_what_was_noted() {
        let ((one, told_one), (two, told_two)) = (recorder(), recorder());
        one.note(Outcome::Dropped);
        Ack::join(vec![one, two]).resolve(Outcome::Delivered);
        assert_eq!(*told_one.lock().unwrap(), [Outcome::Dropped]);
        assert_eq!(*told_two.lock().unwrap(), [Outcome::Delivered]);
    }

    #[test]
    fn the_first_reason_of_a_rejection_is_told_also_through_a_joined_ack() {
        let told = Arc::new(Mutex::new(None));
        let sink = Arc::clone(&told);
        let joined = Ack::join(vec![Ack::explained(move |outcome, why| *sink.lock().unwrap() = Some((outcome, why)))]);
        joined.rejected("too hot");
        joined.rejected("too late");
        joined.resolve(Outcome::Delivered);
        assert_eq!(*told.lock().unwrap(), Some((Outcome::Rejected, Some("too hot".into()))));
    }

    /// What a stretch of pipeline does with one share.
    #[derive(Debug, Clone)]
    enum Fate {
        Resolve(Outcome),
        Forget,
        Split(Vec<Fate>),
        NoteThenResolve(Outcome, Outcome),
    }

    fn fate() -> impl Strategy<Value = Fate> {
        let outcome = || prop::sample::select(Outcome::ALL.to_vec());
        let leaf = prop_oneof![
            outcome().prop_map(Fate::Resolve),
            Just(Fate::Forget),
            (outcome(), outcome()).prop_map(|(a, b)| Fate::NoteThenResolve(a, b)),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| prop::collection::vec(inner, 0..4).prop_map(Fate::Split))
    }

    /// The naive model: the worst of everything, and a share without children is delivered (filtered on purpose).
    fn model(fate: &Fate) -> Outcome {
        match fate {
            Fate::Resolve(outcome) => *outcome,
            Fate::Forget => Outcome::Failed,
            Fate::Split(fates) => fates.iter().map(model).max().unwrap_or(Outcome::Delivered),
            Fate::NoteThenResolve(a, b) => *a.max(b),
        }
    }

    fn live(ack: Ack, fate: &Fate) {
        match fate {
            Fate::Resolve(outcome) => ack.resolve(*outcome),
            Fate::Forget => drop(ack),
            Fate::Split(fates) => {
                for fate in fates {
                    live(ack.clone(), fate);
                }
                ack.resolve(Outcome::Delivered);
            }
            Fate::NoteThenResolve(a, b) => {
                ack.note(*a);
                ack.resolve(*b);
            }
        }
    }

    proptest! {
        #[test]
        fn an_ack_resolves_once_with_the_worst_outcome(fate in fate()) {
            let (ack, told) = recorder();
            live(ack, &fate);
            prop_assert_eq!(&*told.lock().unwrap(), &[model(&fate)]);
        }
    }
}
