//! `when_full: conflate`: the newest record of each tag is kept, what it replaces is given up.

use std::collections::HashSet;

use fieldflow_contract::{Ack, Batch, Delivery, Outcome};

/// The acks of a batch that waits in an edge.
pub(super) enum Shares {
    /// One for the whole batch, as it came.
    Whole(Ack),
    /// One for each record, after records of several batches were put together. So an ack whose last record is replaced is
    /// told at once, and there are never more of them than records.
    Each(Vec<Ack>),
}

impl Shares {
    /// One ack that speaks for the whole batch.
    pub(super) fn into_one(self) -> Ack {
        match self {
            Self::Whole(ack) => ack,
            Self::Each(acks) => Ack::join(acks),
        }
    }

    fn into_each(self, records: usize) -> Vec<Ack> {
        match self {
            Self::Each(acks) => acks,
            Self::Whole(ack) => {
                let acks = vec![ack.clone(); records];
                // The clones speak for the records; this one has no more to say.
                ack.resolve(Outcome::Delivered);
                acks
            }
        }
    }
}

/// One batch in the place of several, oldest first: the newest record of each tag, in order of arrival; and the acks of the
/// records that it replaced.
pub(super) fn conflate(waiting: Vec<(Batch, Shares)>, newest: Delivery) -> (Batch, Shares, Vec<Ack>) {
    let received = newest.batch.received();
    let fallback = newest.batch.clone();
    let (mut kept, mut acks, mut replaced) = (Vec::new(), Vec::new(), Vec::new());
    let mut expires = None;
    let mut seen = HashSet::new();
    let all = waiting.into_iter().chain([(newest.batch, Shares::Whole(newest.ack))]);
    for (batch, shares) in all.rev() {
        let (shares, ends) = (shares.into_each(batch.len()), batch.expires());
        for (record, ack) in batch.into_records().into_iter().zip(shares).rev() {
            if seen.insert(record.tag) {
                // The soonest, as a command that comes too late does more harm than one that does not come.
                expires = [expires, ends].into_iter().flatten().min();
                kept.push(record);
                acks.push(ack);
            } else {
                replaced.push(ack);
            }
        }
    }
    kept.reverse();
    acks.reverse();
    // The newest batch is never empty, so neither is what is kept of it.
    (Batch::new(kept, received).unwrap_or(fallback).expiring(expires), Shares::Each(acks), replaced)
}
