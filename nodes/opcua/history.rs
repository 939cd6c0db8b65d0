//! Holes are filled from the history that the server keeps, where it keeps one.
//!
//! Asked for is what was true from the last value on that was told. A history that begins with that very value has no hole; one
//! that does not is told as far as it goes, and the hole stays told as well.

use std::time::Duration;

use fieldflow_contract::{Batch, Delivery, Record};
use opcua::core::ResponseMessage;
use opcua::types::{
    AttributeId, ByteString, DataValue, DateTime, Error, ExtensionObject, HistoryData, HistoryReadRequest,
    HistoryReadResult, HistoryReadValueId, ReadRawModifiedDetails, TimestampsToReturn, Variant,
};

use super::channel::{good, unexpected};
use super::config::TimeOf;
use super::connection::is_of_link;
use super::item::Telling;
use super::session::{Session, ask, attribute_of, counted};
use super::source::Subscriber;

/// Nodes whose history is asked for at once, and values of each.
const AT_ONCE: (usize, u32) = (10, 1000);
/// Most values that are had to fill the holes of one loss. They wait in memory until they are taken.
const MOST: usize = 200_000;
/// Ticks of 100 ns.
const YEAR: i64 = 366 * 86_400 * 10_000_000;
/// The bit of an access level that says that there is a history to be read.
const HISTORY: u8 = 0x04;
/// The longest hole that is looked for; a server's clock may be wrong by less.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

impl Subscriber {
    /// Fills the holes of these items; those that stay are given back.
    pub(super) async fn fill_holes(&mut self, items: &[usize]) -> Result<Vec<usize>, Error> {
        let mut holes: Vec<usize> = items.to_vec();
        if self.time != TimeOf::Source {
            return Ok(holes);
        }
        let mut left = MOST;
        let oldest = self.server.clock.now() - LONGEST;
        let since = |item: &super::item::Item| {
            item.reached.filter(|time| super::values::time(time).is_some_and(|at| oldest < at))
        };
        let known: Vec<(usize, DateTime)> =
            items.iter().filter_map(|place| Some((*place, since(self.items.get(*place)?)?))).collect();
        let kept = match self.with_history(&known).await {
            Err(error) if !is_of_link(error.status()) => return Ok(holes),
            kept => kept?,
        };
        for chunk in kept.chunks(AT_ONCE.0) {
            let mut asked: Vec<(usize, DateTime, ByteString)> =
                chunk.iter().map(|(place, since)| (*place, *since, ByteString::null())).collect();
            while !asked.is_empty() && 0 < left {
                let Some(session) = &self.session else { return Ok(holes) };
                let wanted = asked.iter().filter_map(|(place, _, point)| {
                    let node_id = self.items.get(*place)?.node.clone()?;
                    Some(HistoryReadValueId {
                        node_id,
                        continuation_point: point.clone(),
                        ..HistoryReadValueId::default()
                    })
                });
                // The earliest of them: what is older than a tag's own is known.
                let Some(start) = asked.iter().map(|(_, since, _)| *since).min() else { break };
                let results = match session.history(start, wanted.collect()).await {
                    Err(error) if is_of_link(error.status()) => return Err(error),
                    Ok(results) if results.len() == asked.len() => results,
                    _ => break,
                };
                let mut more = Vec::new();
                let mut records: Vec<Record> = Vec::new();
                for ((place, since, point), result) in asked.into_iter().zip(results) {
                    let Some(values) = result.history_data.inner_as::<HistoryData>() else { continue };
                    let values = values.data_values.as_deref().unwrap_or_default();
                    left = left.saturating_sub(values.len());
                    let is_first = point.is_null_or_empty();
                    if self.tell_history(place, since, values, &mut records) && is_first {
                        holes.retain(|hole| *hole != place);
                    }
                    let last = values.last().and_then(|value| value.source_timestamp).filter(|last| since < *last);
                    if !result.continuation_point.is_null_or_empty() && !values.is_empty() {
                        more.push((place, since, result.continuation_point));
                    } else if let Some(last) = last.filter(|_| AT_ONCE.1 as usize <= values.len()) {
                        // Some servers say nothing of what they have left out.
                        more.push((place, last, ByteString::null()));
                    }
                }
                self.server.tally.add("history_value", records.len() as u64);
                let now = self.server.clock.now();
                self.ready.extend(Batch::new(records, now).map(Delivery::unacked));
                asked = more;
            }
            // What there was no room for is a hole.
            holes.extend(asked.iter().map(|(place, ..)| *place));
        }
        holes.sort_unstable();
        holes.dedup();
        Ok(holes)
    }

    /// Tells what is newer than what was told; whether the last value that was told is there too.
    fn tell_history(&mut self, place: usize, since: DateTime, values: &[DataValue], out: &mut Vec<Record>) -> bool {
        let telling = Telling { time: self.time, now: self.server.clock.now(), tally: &self.server.tally };
        let Some(item) = self.items.get_mut(place) else { return false };
        let (mut is_whole, before) = (false, out.len());
        for value in values {
            match value.source_timestamp {
                Some(time) if time == since => is_whole = true,
                Some(time) if since < time => item.tell(value, None, &telling, out),
                _ => {}
            }
        }
        if before < out.len() {
            item.filled = item.reached;
        }
        is_whole
    }

    /// Those of which the server says that it keeps a history.
    async fn with_history(&mut self, items: &[(usize, DateTime)]) -> Result<Vec<(usize, DateTime)>, Error> {
        let Some(session) = &self.session else { return Ok(Vec::new()) };
        let mut kept = Vec::new();
        for chunk in items.chunks(session.profile.reads.max(1)) {
            let there = chunk.iter().filter_map(|(place, since)| {
                let node = self.items.get(*place)?.node.clone()?;
                Some(((*place, *since), attribute_of(node, AttributeId::AccessLevel)))
            });
            let (there, asked): (Vec<_>, Vec<_>) = there.unzip();
            let levels = session.read(asked).await?.into_iter().map(|value| value.value);
            let has = |level: Option<Variant>| matches!(level, Some(Variant::Byte(level)) if level & HISTORY != 0);
            kept.extend(there.into_iter().zip(levels).filter_map(|(item, level)| has(level).then_some(item)));
        }
        Ok(kept)
    }
}

impl Session {
    /// What these nodes were from this time on, some values of each.
    async fn history(&self, start: DateTime, nodes: Vec<HistoryReadValueId>) -> Result<Vec<HistoryReadResult>, Error> {
        let asked = nodes.len();
        let details = ReadRawModifiedDetails {
            is_read_modified: false,
            start_time: start,
            // Some servers go back in time if there is no end.
            end_time: DateTime::from(start.checked_ticks().saturating_add(YEAR)),
            num_values_per_node: AT_ONCE.1,
            return_bounds: false,
        };
        let request = HistoryReadRequest {
            request_header: self.head(),
            history_read_details: ExtensionObject::from_message(details),
            timestamps_to_return: TimestampsToReturn::Both,
            release_continuation_points: false,
            nodes_to_read: Some(nodes),
        };
        let answer: Result<_, Error> = ask!(self, request, HistoryRead);
        counted(answer?.results, asked)
    }
}
