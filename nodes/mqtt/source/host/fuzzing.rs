//! What edge nodes may send, as the fuzz target `sparkplug` of `tests/fuzz/` calls it. With the feature `fuzzing` only.

use fieldflow_contract::{Record, Tag, Tally, Timestamp};
use tokio::runtime::{Builder, Runtime};

use super::super::topics::Topics;
use super::Host;
use crate::mqtt::sparkplug::Payload;

/// So few that tables get full.
const MOST: usize = 8;
const TOPICS: [&str; 12] = [
    "spBv1.0/g/NBIRTH/n",
    "spBv1.0/g/NDATA/n",
    "spBv1.0/g/NDEATH/n",
    "spBv1.0/g/DBIRTH/n/d",
    "spBv1.0/g/DDATA/n/d",
    "spBv1.0/g/DDEATH/n/d",
    "spBv1.0/g/DBIRTH/n/e",
    "spBv1.0/g/DDATA/n/e",
    "spBv1.0/g/NBIRTH/m",
    "spBv1.0/g/NDATA/m",
    "spBv1.0/g/NCMD/n",
    "spBv1.0/STATE/h",
];

thread_local! {
    /// For its clock only.
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap_or_else(|_| unreachable!());
}

/// A conversation: each message a byte for its topic, two for its length, and its payload. What is read is written the same.
pub fn sparkplug(data: &[u8]) {
    RUNTIME.with(|runtime| runtime.block_on(async { talk(data) }));
}

fn talk(mut data: &[u8]) {
    let Ok(other) = Tag::new("fuzz/other") else { return };
    let tally = Tally::default();
    let (mut host, mut topics) = (Host::new(MOST, true, tally.clone()), Topics::new(MOST, other));
    while let Some(([topic, high, low], rest)) = data.split_first_chunk() {
        let (payload, rest) = rest.split_at(usize::from(u16::from_be_bytes([*high, *low])).min(rest.len()));
        data = rest;
        if let Ok(payload) = Payload::decode(payload.to_vec()) {
            // By its bytes, as NaN does not equal itself.
            let bytes = payload.encode();
            assert!(Payload::decode(bytes.clone()).is_ok_and(|again| again.encode() == bytes));
        }
        let topic = TOPICS.get(usize::from(*topic) % TOPICS.len()).copied().unwrap_or_default();
        let mut put = |record: Record, _| {
            assert!(record.tag.name().len() <= 1024);
        };
        let _ = host.take(topic, &payload.to_vec().into(), &mut topics, Timestamp(0), &mut put);
    }
    assert!(topics.known().count() <= MOST);
    assert!(host.nodes.len() <= MOST && host.devices <= MOST);
    assert!(host.asks().len() <= 2, "time stands still, so each node is asked once");
}
