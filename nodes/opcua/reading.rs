//! Tags that are read, each group at its interval.

use std::time::Duration;

use opcua::types::{DataValue, Error, ReadValueId, StatusCode};
use tokio::time::Instant;

use super::session::value_of;
use super::source::Subscriber;

/// Tags that are read together.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) every: Duration,
    pub(super) due: Instant,
    /// By their place in the list of all.
    pub(super) items: Vec<usize>,
}

impl Subscriber {
    /// Reads what is due.
    pub(super) async fn read_due(&mut self, now: Instant) -> Result<(), Error> {
        for place in 0..self.readings.len() {
            let Some(reading) = self.readings.get_mut(place).filter(|reading| reading.due <= now) else { continue };
            let late = (now - reading.due).as_micros() / reading.every.as_micros().max(1);
            let missed = u32::try_from(late).unwrap_or(u32::MAX);
            reading.due += reading.every.saturating_mul(missed.saturating_add(1));
            let items = reading.items.clone();
            if 0 < missed {
                self.server.tally.add("missed_poll", u64::from(missed));
            }
            let values = self.values(&items).await?;
            self.tell_read(values).await?;
        }
        Ok(())
    }

    /// The values of these items. One that the server refuses has its reason in place of a value.
    pub(super) async fn values(&mut self, items: &[usize]) -> Result<Vec<(usize, DataValue)>, Error> {
        let mut values = Vec::with_capacity(items.len());
        let (mut places, mut asked) = (Vec::with_capacity(items.len()), Vec::with_capacity(items.len()));
        for place in items {
            let Some(item) = self.items.get(*place) else { continue };
            match &item.node {
                Some(node) => {
                    places.push(*place);
                    asked.push(ReadValueId { index_range: item.point.range(), ..value_of(node.clone()) });
                }
                None => values.push((*place, bad(item.refused.unwrap_or(StatusCode::BadNodeIdUnknown)))),
            }
        }
        if let Some(session) = &mut self.session {
            values.extend(places.into_iter().zip(session.read_all(&asked, |_| Ok(())).await?));
        }
        Ok(values)
    }
}

fn bad(status: StatusCode) -> DataValue {
    DataValue { status: Some(status), ..DataValue::default() }
}
