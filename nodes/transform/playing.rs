//! For tests: a transform that is played records on a virtual clock.

use fieldflow_contract::{Batch, Outputs, Record, Timestamp, Transform};

/// What left, in order, and how many were let go.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Played {
    pub(super) left: Vec<Record>,
    pub(super) filtered: u64,
}

impl Played {
    /// What left of one tag.
    pub(super) fn of(&self, tag: fieldflow_contract::Tag) -> Vec<&Record> {
        self.left.iter().filter(|record| record.tag == tag).collect()
    }

    fn take(&mut self, mut out: Outputs) {
        self.left.extend(out.take_emissions().flat_map(|emission| emission.batch.into_records()));
        self.filtered += out.take_filtered().map(|(_, records)| records).sum::<u64>();
    }
}

/// Plays records as they would come live: each at its own time, and a tick whenever one is due on the way.
pub(super) fn live(transform: &mut impl Transform, records: &[Record]) -> Played {
    let mut played = Played::default();
    let mut now = Timestamp(i64::MIN);
    for record in records {
        while let Some(due) = transform.due().filter(|due| *due <= record.time) {
            let mut out = Outputs::default();
            now = now.max(due);
            transform.tick(now, &mut out);
            assert_ne!(transform.due(), Some(due), "what was due was done and is due once more");
            played.take(out);
        }
        now = now.max(record.time);
        let mut out = Outputs::default();
        transform.apply(Batch::one(record.clone(), now), &mut out).unwrap();
        played.take(out);
    }
    end(transform, now, played)
}

/// Plays records as they come after an outage: all at once, in batches of so many, with the clock far beyond.
pub(super) fn replayed(transform: &mut impl Transform, records: &[Record], at_once: usize) -> Played {
    let mut played = Played::default();
    let now = Timestamp(1 << 60);
    for records in records.chunks(at_once) {
        let mut out = Outputs::default();
        let batch = Batch::new(records.to_vec(), records[0].time).unwrap().replayed();
        transform.apply(batch, &mut out).unwrap();
        if transform.due().is_some_and(|due| due <= now) {
            transform.tick(now, &mut out);
        }
        played.take(out);
    }
    end(transform, now, played)
}

fn end(transform: &mut impl Transform, now: Timestamp, mut played: Played) -> Played {
    let mut out = Outputs::default();
    transform.finish(now, &mut out);
    played.take(out);
    played
}
