//! Tags that are read, each group at its interval.

use std::time::Duration;

use opcua::types::{DataValue, Error, StatusCode};
use tokio::time::Instant;

use super::session::value_of;
use super::source::Subscriber;
use super::subscription::is_of_size;

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
        let mut rest = items;
        while !rest.is_empty() {
            let Some(session) = &mut self.session else { return Ok(values) };
            let (chunk, after) = rest.split_at(session.profile.reads.clamp(1, rest.len()));
            let mut asked = Vec::with_capacity(chunk.len());
            for place in chunk {
                let Some(item) = self.items.get(*place) else { continue };
                match &item.node {
                    Some(node) => {
                        let mut what = value_of(node.clone());
                        what.index_range = item.point.range();
                        asked.push((*place, what));
                    }
                    None => values.push((*place, bad(item.refused.unwrap_or(StatusCode::BadNodeIdUnknown)))),
                }
            }
            if !asked.is_empty() {
                let (places, what): (Vec<usize>, Vec<_>) = asked.into_iter().unzip();
                match session.read(what).await {
                    Ok(read) => values.extend(places.into_iter().zip(read)),
                    Err(error) if is_of_size(error.status()) && 1 < chunk.len() => {
                        session.profile.reads = chunk.len() / 2;
                        self.server.tally.add("batch_halved", 1);
                        values.retain(|(place, _)| !chunk.contains(place));
                        continue;
                    }
                    Err(error) => return Err(error),
                }
            }
            rest = after;
        }
        Ok(values)
    }
}

fn bad(status: StatusCode) -> DataValue {
    DataValue { status: Some(status), ..DataValue::default() }
}
