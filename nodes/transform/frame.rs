//! What batches that are made of one batch take over from it.

use fieldflow_contract::{Batch, Outputs, PortName, Record, Timestamp};

/// When a batch was received, and whether it waited on disk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    received: Timestamp,
    replayed: bool,
}

impl Frame {
    pub(super) fn of(batch: &Batch) -> Self {
        Self { received: batch.received(), replayed: batch.is_replayed() }
    }

    /// A batch of these records, or `None` where there are none.
    pub(super) fn batch(self, records: Vec<Record>) -> Option<Batch> {
        let batch = Batch::new(records, self.received)?;
        Some(if self.replayed { batch.replayed() } else { batch })
    }

    /// Sends these records as one batch, if there are any.
    pub(super) fn emit_to(self, port: impl Into<PortName>, records: Vec<Record>, out: &mut Outputs) {
        if let Some(batch) = self.batch(records) {
            out.emit_to(port, batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fieldflow_contract::{Tag, Value};

    #[test]
    fn a_batch_made_of_one_that_waited_on_disk_has_waited_too() {
        let record = Record::good(Tag::new("frame").unwrap(), Timestamp(1), Value::Null);
        let made = Frame::of(&Batch::one(record.clone(), Timestamp(7)).replayed()).batch(vec![record]).unwrap();
        assert_eq!((made.received(), made.is_replayed()), (Timestamp(7), true));
    }
}
