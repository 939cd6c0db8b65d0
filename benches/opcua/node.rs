//! The node in a pipeline, into a sink that counts.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Node, NodeError, NodeSpec, Ports, Position, Role, Sink,
};
use tokio::time::Instant;

use super::support::{Bench, Nothing, two_workers};
use super::{BATCH, ITEMS, PUBLISHING, Took, watch};

/// Records that have come to the sink.
static CAME: AtomicU64 = AtomicU64::new(0);

pub(crate) fn bench() -> Bench {
    Bench::new(&[&Counting])
}

/// Runs the pipeline until the first value of each item is there, and counts for so long.
pub(crate) fn run(bench: &Bench, url: &str, steady: Duration) -> Took {
    CAME.store(0, Ordering::Relaxed);
    let mut tags = String::new();
    for index in 0..ITEMS {
        let _ = writeln!(tags, "      item{index}: {{ node: \"nsu=urn:plant;s=item{index}\" }}");
    }
    let publishing = PUBLISHING.as_millis();
    let body = format!(
        "nodes:\n  in:\n    type: opcua\n    url: {url}\n    security: {{ policy: None, allow_insecure: true }}\n    \
         publishing: {publishing}ms\n    batch: {BATCH}\n    tags:\n{tags}  out: {{ type: counting }}\nedges:\n  - in -> out\n"
    );
    let took = Mutex::new(None);
    let _ = bench.run(&two_workers(), &body, async {
        *took.lock().expect("nobody panicked") =
            Some(watch(Instant::now(), || CAME.load(Ordering::Relaxed), steady).await);
    });
    took.into_inner().expect("nobody panicked").expect("it was watched")
}

/// A sink that counts.
struct Counting;

impl NodeSpec for Counting {
    const TYPE: &'static str = "counting";
    const ROLE: Role = Role::Sink;
    const EXAMPLE: &'static str = "{}";
    type Config = Nothing;
    fn ports(_: &Nothing) -> Ports {
        Ports::sink(Carries::Any)
    }
    fn build(_: Nothing, _: &BuildContext) -> Result<Node, BuildError> {
        Ok(Node::sink(Self))
    }
}

impl Sink for Counting {
    async fn connect(&mut self) -> Result<(), NodeError> {
        Ok(())
    }
    async fn write(&mut self, batches: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        CAME.fetch_add(batches.iter().map(|batch| batch.len() as u64).sum(), Ordering::Relaxed);
        Ok(())
    }
}
