//! Works on the records of a batch in place, and lets some of them go.

use fieldflow_contract::{Batch, Outputs, Record};

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It goes on, as it is now.
    Pass,
    /// It is let go on purpose, for this reason.
    Filter(&'static str),
    /// Nothing can be made of it, and it was not changed: it goes to `rejected`.
    Reject,
}

/// Gives each record from `first` on to `work`, which says what becomes of it, and emits what is left.
///
/// `fates` is room to work in, kept by the caller from batch to batch.
pub(super) fn edit(
    mut batch: Batch,
    first: usize,
    fates: &mut Vec<Fate>,
    out: &mut Outputs,
    mut work: impl FnMut(&mut Record) -> Fate,
) {
    fates.clear();
    fates.resize(first, Fate::Pass);
    fates.extend(batch.records_mut().iter_mut().skip(first).map(&mut work));
    if fates.iter().all(|fate| *fate == Fate::Pass) {
        return out.emit(batch);
    }
    count(fates, out);
    if fates.contains(&Fate::Reject)
        && let Some(batch) = only(batch.clone(), fates, |fate| fate == Fate::Reject)
    {
        out.reject(batch);
    }
    if let Some(batch) = only(batch, fates, |fate| fate == Fate::Pass) {
        out.emit(batch);
    }
}

fn only(batch: Batch, fates: &[Fate], wanted: impl Fn(Fate) -> bool) -> Option<Batch> {
    let mut fates = fates.iter();
    batch.filter(|_| fates.next().is_some_and(|fate| wanted(*fate)))
}

/// Counts what is let go, by reason; a batch seldom has more than one or two.
fn count(fates: &[Fate], out: &mut Outputs) {
    let mut counts: Vec<(&'static str, u64)> = Vec::new();
    for fate in fates {
        let Fate::Filter(reason) = fate else { continue };
        match counts.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((reason, 1)),
        }
    }
    for (reason, count) in counts {
        out.filtered(reason, count);
    }
}
