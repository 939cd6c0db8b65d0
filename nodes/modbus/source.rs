//! The polling source: which tags are due, what the device says about them, and when it said so.

use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{
    Batch, Cause, Clock, Delivery, NodeError, Quality, Record, Source, Tag, Tally, Timestamp, Value,
};
use tokio::time::{Instant, sleep_until};

use super::codec::Layout;
use super::plan::Need;
use super::session::{Answer, Session};

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

/// One request and the tags that are in its answer.
pub(super) struct Read {
    /// What to ask for.
    pub(super) need: Need,
    /// The tags.
    pub(super) tags: Vec<Place>,
}

/// Where in an answer a tag lies.
pub(super) struct Place {
    /// The tag.
    pub(super) tag: Tag,
    /// Its first register or bit in the answer.
    pub(super) offset: usize,
    /// How its registers are read.
    pub(super) layout: Layout,
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

impl Read {
    fn records(&self, answer: &Answer, time: Timestamp, records: &mut Vec<Record>) {
        for place in &self.tags {
            let (value, quality) = match answer {
                Answer::Exception(code) => (Value::Null, reason(*code)),
                Answer::Words(words) => {
                    let end = place.offset + usize::from(place.layout.registers);
                    place.layout.decode(words.get(place.offset..end).unwrap_or_default())
                }
                Answer::Bits(bits) => match bits.get(place.offset) {
                    Some(bit) => (Value::Bool(*bit), Quality::GOOD),
                    None => (Value::Null, Quality::BAD_DECODING),
                },
            };
            records.push(Record { tag: place.tag, quality, time, value });
        }
    }
}

/// What the exception code of a device says about the values that it did not give.
fn reason(code: u8) -> Quality {
    match code {
        0x01 => Quality::BAD_NOT_SUPPORTED,
        0x02 | 0x03 => Quality::BAD_CONFIGURATION,
        0x04 => Quality::BAD_DEVICE_FAILURE,
        0x05 | 0x06 => Quality::BAD_BUSY,
        0x0A | 0x0B => Quality::BAD_NO_COMMUNICATION,
        _ => Quality::BAD_COMMUNICATION,
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

    #[test]
    fn each_exception_has_its_reason() {
        let of = |code| reason(code).to_string();
        assert_eq!(
            [1, 2, 3, 4].map(of),
            ["bad:not_supported", "bad:configuration", "bad:configuration", "bad:device_failure"]
        );
        assert_eq!([5, 6, 8].map(of), ["bad:busy", "bad:busy", "bad:communication"]);
        assert_eq!([0x0A, 0x0B, 0x41].map(of), ["bad:no_communication", "bad:no_communication", "bad:communication"]);
    }
}
