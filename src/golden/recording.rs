//! What stands in the place of a sink: it keeps what it receives, in order, and how far the durable edges were taken.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Cause, Clock as _, Findings, Node, NodeError, Ports, Position, Prepared, Record,
    Sink, Timestamp,
};

use super::case::MOST_RECORDS;
use super::fault::{SinkFaults, Window};
use crate::runtime::TimerClock;

/// What a sink has received. It outlives a restart of the pipeline.
#[derive(Default)]
pub(super) struct Recording {
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    records: Vec<Record>,
    positions: Vec<Position>,
}

impl Recording {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All records, in the order in which they came.
    pub(super) fn take(&self) -> Vec<Record> {
        std::mem::take(&mut self.kept().records)
    }

    /// Keeps records and positions together, as a transaction would.
    fn keep(&self, batches: &[Batch], positions: &[Position]) {
        let mut kept = self.kept();
        kept.records.extend(batches.iter().flat_map(Batch::records).cloned());
        for position in positions {
            kept.positions.retain(|known| known.edge != position.edge);
            kept.positions.push(position.clone());
        }
    }
}

/// The stand-in as the graph holds it.
pub(super) struct Recorded {
    pub(super) recording: Arc<Recording>,
    pub(super) ports: Ports,
    pub(super) clock: TimerClock,
    pub(super) faults: SinkFaults,
}

impl Prepared for Recorded {
    fn ports(&self) -> Ports {
        self.ports.clone()
    }

    fn check(&self, _: &mut Findings) {}

    fn check_files(&self, _: &std::path::Path, _: &mut Findings) {}

    fn build(&self, _: &BuildContext) -> Result<Node, BuildError> {
        let (recording, faults) = (Arc::clone(&self.recording), self.faults.clone());
        Ok(Node::sink(Recorder { recording, faults, clock: self.clock }))
    }
}

struct Recorder {
    recording: Arc<Recording>,
    faults: SinkFaults,
    clock: TimerClock,
}

impl Recorder {
    fn reached(&self) -> Result<(), NodeError> {
        if any(&self.faults.down, self.clock.now()) {
            return Err(NodeError::Disconnected(Cause::new("case.yaml says that the sink is down")));
        }
        Ok(())
    }
}

fn any(windows: &[Window], now: Timestamp) -> bool {
    windows.iter().any(|window| window.has(now))
}

impl Sink for Recorder {
    async fn connect(&mut self) -> Result<(), NodeError> {
        self.reached()
    }

    async fn positions(&mut self) -> Result<Vec<Position>, NodeError> {
        Ok(self.recording.kept().positions.clone())
    }

    async fn write(&mut self, batches: &[Batch], positions: &[Position]) -> Result<(), NodeError> {
        let now = self.clock.now();
        if let Some((_, delay)) = self.faults.slow.iter().find(|(window, _)| window.has(now)) {
            tokio::time::sleep(*delay).await;
        }
        self.reached()?;
        if any(&self.faults.rejects, now) {
            return Err(NodeError::Rejected(Cause::new("case.yaml says that the sink refuses it")));
        }
        self.recording.keep(batches, positions);
        if MOST_RECORDS < self.recording.kept().records.len() {
            let message = format!(
                "more than {MOST_RECORDS} records in one case: is there a long gap between two times of the input?"
            );
            return Err(NodeError::Broken(Cause::new(message)));
        }
        Ok(())
    }
}
