//! The tags of one interval: when they are due, and by which requests they are read.

use std::time::Duration;

use fieldflow_contract::Record;
use tokio::time::Instant;

use super::learnt::Learnt;
use super::plan::{Limits, Need, plan};
use super::values::{Member, Read};

/// The tags of one interval.
pub(super) struct Group {
    /// The interval; not zero.
    pub(super) every: Duration,
    /// When it is polled next.
    pub(super) due: Instant,
    /// Where in the interval its polls are to be, from the first one on; gone once they are.
    pub(super) phase: Option<Duration>,
    /// What is read: the tags, and the factors of their values.
    pub(super) members: Vec<Member>,
    /// What to ask for, and the revision of what was learnt that it was planned by.
    pub(super) requests: Vec<Asking>,
    pub(super) planned: Option<u64>,
    /// The poll that goes on.
    pub(super) cycle: Option<Cycle>,
}

/// One request, and the members that it serves.
pub(super) struct Asking {
    pub(super) read: Read,
    pub(super) serves: Vec<usize>,
}

/// A poll that goes on.
#[derive(Default)]
pub(super) struct Cycle {
    /// The next request.
    pub(super) next: usize,
    /// What was read.
    pub(super) records: Vec<Record>,
}

impl Group {
    /// A group that is due now.
    pub(super) fn new(every: Duration, members: Vec<Member>, phase: Option<Duration>) -> Self {
        Self { every, due: Instant::now(), phase, members, requests: Vec::new(), planned: None, cycle: None }
    }

    /// When this poll should be over: the next one is due then.
    pub(super) fn deadline(&self) -> Instant {
        if self.cycle.is_some() { self.due } else { self.due + self.every }
    }

    /// Sets when the group is due next, in step with its interval, and tells how many polls were missed before this one.
    pub(super) fn begin(&mut self, now: Instant) -> u64 {
        let late = now.saturating_duration_since(self.due).as_nanos();
        let every = self.every.as_nanos().max(1);
        // Less than one interval, which is far below the 584 years of a u64.
        self.due = now + self.every - Duration::from_nanos((late % every) as u64);
        match self.phase.take() {
            // The first poll is at once; the second one is half an interval to one and a half later.
            Some(phase) if phase < self.every / 2 => self.due += phase,
            Some(phase) => self.due = now + phase,
            None => {}
        }
        u64::try_from(late / every).unwrap_or(u64::MAX)
    }

    /// Plans the requests anew, if something was learnt since the last time.
    pub(super) fn plan(&mut self, limits: Limits, holes: &[Need], learnt: &Learnt, revision: u64) {
        if self.planned.replace(revision) == Some(revision) {
            return;
        }
        let is_asked = |(_, member): &(usize, &Member)| !learnt.illegal.contains_key(&member.need);
        let asked: Vec<(usize, Need)> =
            self.members.iter().enumerate().filter(is_asked).map(|(index, member)| (index, member.need)).collect();
        let needs: Vec<Need> = asked.iter().map(|(_, need)| *need).collect();
        let requests = plan(&needs, learnt.limits(limits), &learnt.bounds(holes, &needs));
        self.requests = requests
            .into_iter()
            .map(|request| {
                let serves = request.serves.iter().filter_map(|index| asked.get(*index)).map(|(index, _)| *index);
                self.asking(request.read, serves.collect())
            })
            .collect();
        // No value waits for its factor.
        self.requests.sort_by_key(|asking| asking.read.factors.is_empty());
    }

    /// A request with the places of its tags in the answer.
    pub(super) fn asking(&self, need: Need, serves: Vec<usize>) -> Asking {
        let read = Read::of(need, serves.iter().filter_map(|index| self.members.get(*index)));
        Asking { read, serves }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn missed_polls_are_counted_and_the_phase_is_kept() {
        let start = Instant::now();
        let mut group = Group::new(Duration::from_millis(100), Vec::new(), None);
        for (now, missed, due) in
            [(0, 0, 100), (100, 0, 200), (299, 0, 300), (300, 0, 400), (755, 3, 800), (800, 0, 900)]
        {
            assert_eq!(group.begin(start + Duration::from_millis(now)), missed, "at {now} ms");
            assert_eq!(group.due, start + Duration::from_millis(due), "at {now} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_poll_is_at_once_and_the_others_are_in_phase() {
        for (phase, second) in [(0, 100), (20, 120), (49, 149), (50, 50), (99, 99)] {
            let start = Instant::now();
            let mut group = Group::new(Duration::from_millis(100), Vec::new(), Some(Duration::from_millis(phase)));
            group.begin(start);
            assert_eq!(group.due, start + Duration::from_millis(second));
            group.begin(group.due);
            assert_eq!(group.due, start + Duration::from_millis(second + 100));
        }
    }
}
