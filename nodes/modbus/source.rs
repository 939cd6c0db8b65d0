//! The polling source: which tags are due, and when the device said what it says about them.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{Batch, Cause, Clock, Delivery, NodeError, Record, Source, Tally, Timestamp};
use tokio::time::{Instant, sleep_until};

use super::session::{Answer, Session};
use super::values::Read;

/// Polls one unit.
pub(super) struct Poller {
    pub(super) session: Session,
    /// Never empty; one for each interval.
    pub(super) groups: Vec<Group>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) tally: Tally,
    /// An error that came after some records of the same poll: they leave first.
    pub(super) pending: Option<NodeError>,
}

/// The tags of one interval.
pub(super) struct Group {
    /// The interval; not zero.
    pub(super) every: Duration,
    /// When it is polled next.
    pub(super) due: Instant,
    /// What to ask for.
    pub(super) requests: Vec<Read>,
}

impl Source for Poller {
    async fn connect(&mut self) -> Result<(), NodeError> {
        self.session.connect().await?;
        let now = Instant::now();
        self.groups.iter_mut().for_each(|group| group.due = now);
        Ok(())
    }

    async fn read(&mut self) -> Result<Delivery, NodeError> {
        loop {
            if let Some(error) = self.pending.take() {
                return Err(error);
            }
            let Some(group) = self.groups.iter_mut().min_by_key(|group| group.due) else {
                return Err(NodeError::Ended);
            };
            // A timer rounds up to the next millisecond; what is due already does not wait for that.
            if Instant::now() < group.due {
                sleep_until(group.due).await;
            }
            self.tally.add("missed_poll", group.begin(Instant::now()));
            let mut records = Vec::new();
            for read in &group.requests {
                let before = self.clock.now();
                match self.session.read(read.need).await {
                    Ok(answer) => {
                        let now = self.clock.now();
                        if matches!(answer, Answer::Exception(_)) {
                            self.tally.add("exception", 1);
                        }
                        // The device took the values somewhere between the two.
                        read.records(&answer, before + now.since(before) / 2, &mut records);
                    }
                    Err(error) => {
                        self.pending = Some(error);
                        break;
                    }
                }
            }
            if let Some(batch) = Batch::new(records, self.clock.now()) {
                return Ok(Delivery::unacked(batch));
            }
        }
    }

    fn outage(&mut self, cause: &Cause, now: Timestamp) -> Option<Batch> {
        let tags = self.groups.iter().flat_map(|group| &group.requests).flat_map(|read| &read.tags);
        Batch::new(tags.map(|place| Record::bad(place.tag, now, cause.quality)).collect(), now)
    }

    async fn close(&mut self) {
        self.session.close();
    }
}

impl Group {
    /// Sets when the group is due next, in step with its interval, and tells how many polls were missed before this one.
    fn begin(&mut self, now: Instant) -> u64 {
        let late = now.saturating_duration_since(self.due).as_nanos();
        let every = self.every.as_nanos().max(1);
        // Less than one interval, which is far below the 584 years of a u64.
        self.due = now + self.every - Duration::from_nanos((late % every) as u64);
        u64::try_from(late / every).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn missed_polls_are_counted_and_the_phase_is_kept() {
        let start = Instant::now();
        let mut group = Group { every: Duration::from_millis(100), due: start, requests: Vec::new() };
        for (now, missed, due) in
            [(0, 0, 100), (100, 0, 200), (299, 0, 300), (300, 0, 400), (755, 3, 800), (800, 0, 900)]
        {
            assert_eq!(group.begin(start + Duration::from_millis(now)), missed, "at {now} ms");
            assert_eq!(group.due, start + Duration::from_millis(due), "at {now} ms");
        }
    }
}
