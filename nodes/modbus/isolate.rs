//! A request that was refused as a whole, in halves, until what is refused stands alone.
//!
//! One undefined register makes most devices refuse a whole block. Searched once, the others are read well from then on.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use fieldflow_contract::Timestamp;

use super::address::Table;
use super::line::Trouble;
use super::plan::Need;
use super::session::{Answer, Session};

/// A search and what it has found so far.
pub(super) struct Search<'a> {
    session: &'a Session,
    /// How many requests it may still make. The rest is searched at the next poll.
    budget: usize,
    /// The parts that were answered, the needs in each, and when.
    pub(super) answers: Vec<Answered>,
    /// What was refused alone, with the code.
    pub(super) refused: BTreeMap<Need, u8>,
    /// Where a request must not go on: both sides were answered, but not together.
    pub(super) cuts: BTreeSet<(Table, u16)>,
    /// The most places that were answered where more were not.
    pub(super) most: Option<u16>,
    /// What was not asked for, because the budget was used up.
    pub(super) left: Vec<Need>,
}

/// A part that was answered.
pub(super) struct Answered {
    pub(super) read: Need,
    pub(super) needs: Vec<Need>,
    pub(super) answer: Answer,
    pub(super) time: Timestamp,
}

/// Requests of one search. A value that is missing for a few polls is better than a line that is busy for a minute.
const BUDGET: usize = 64;
/// A block of so many places that is refused with "illegal data value" is taken to be too large; a smaller one is not.
const LARGE: u16 = 16;

/// The codes that mean that just this cannot be asked for.
pub(super) fn is_refusal(answer: &Answer) -> Option<u8> {
    match answer {
        Answer::Exception(code @ 1..=3) => Some(*code),
        _ => None,
    }
}

impl<'a> Search<'a> {
    /// A search that has found nothing yet.
    pub(super) fn new(session: &'a Session) -> Self {
        Self {
            session,
            budget: BUDGET,
            answers: Vec::new(),
            refused: BTreeMap::new(),
            cuts: BTreeSet::new(),
            most: None,
            left: Vec::new(),
        }
    }

    /// Searches these needs, sorted and of one table, which were refused together with this code. Tells whether it was found
    /// out why.
    pub(super) fn search<'b>(
        &'b mut self,
        needs: &'b [Need],
        code: u8,
    ) -> Pin<Box<dyn Future<Output = Result<bool, Trouble>> + Send + 'b>> {
        Box::pin(async move {
            let [first, rest @ ..] = needs else { return Ok(false) };
            if rest.is_empty() {
                self.refused.insert(*first, code);
                return Ok(true);
            }
            // A function that the device does not know is refused for each address alike.
            if code == 1 && self.ask(std::slice::from_ref(first)).await? == Some(1) {
                self.refused.extend(needs.iter().map(|need| (*need, code)));
                return Ok(true);
            }
            let (left, right) = needs.split_at(needs.len() / 2);
            let mut is_known = false;
            for half in [left, right] {
                if let Some(code) = self.ask(half).await? {
                    is_known |= self.search(half, code).await?;
                }
            }
            if is_known || needs.iter().any(|need| self.left.contains(need)) {
                return Ok(true);
            }
            // Both halves are read well, but not together.
            let most = span(left).count.max(span(right).count);
            if code == 3 && LARGE <= span(needs).count {
                self.most = self.most.max(Some(most));
            } else if let Some(next) = right.first() {
                self.cuts.insert((next.table, next.start));
            }
            Ok(true)
        })
    }

    /// Asks for these in one request; gives the code if it is refused.
    async fn ask(&mut self, needs: &[Need]) -> Result<Option<u8>, Trouble> {
        let read = span(needs);
        if self.budget == 0 {
            self.left.extend(needs);
            self.cuts.insert((read.table, read.start));
            return Ok(None);
        }
        self.budget -= 1;
        let (answer, time) = self.session.read(read).await?;
        if let Some(code) = is_refusal(&answer) {
            return Ok(Some(code));
        }
        self.answers.push(Answered { read, needs: needs.to_vec(), answer, time });
        Ok(None)
    }
}

/// The least that has all of these in it.
fn span(needs: &[Need]) -> Need {
    let first = needs.first().copied().unwrap_or(Need { table: Table::Holding, start: 0, count: 0 });
    let end = needs.iter().map(|need| need.end()).max().unwrap_or_default();
    Need { count: u16::try_from(end.saturating_sub(first.start.into())).unwrap_or(u16::MAX), ..first }
}
