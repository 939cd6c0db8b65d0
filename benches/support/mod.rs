//! Pipelines for the benches.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fieldflow::config::{self, ProcessEnv};
use fieldflow::diagnostics::Report;
use fieldflow::graph;
use fieldflow::runtime::{Environment, Plan};
use fieldflow::telemetry::Exporter;
use fieldflow_contract::{
    Batch, BuildContext, BuildError, Carries, Node, NodeError, NodeKind, NodeSpec, Ports, Position, Role, Sink,
    SystemClock,
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// A folder on the disk that the build is on: a temporary file system would measure no disk.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    exporter: Exporter,
    kinds: Vec<&'static dyn NodeKind>,
}

impl Bench {
    /// Knows the nodes of the house, a sink that forgets, and these.
    pub(crate) fn new(more: &[&'static dyn NodeKind]) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = tempfile::tempdir_in(target).expect("the target folder can be written");
        let nowhere: &'static dyn NodeKind = &Nowhere;
        let kinds = fieldflow_nodes::BUILTIN.iter().chain([&nowhere]).chain(more).copied().collect();
        Self { folder, exporter: Exporter::new().expect("an exporter"), kinds }
    }

    pub(crate) fn fresh(&self) -> PathBuf {
        tempfile::tempdir_in(&self.folder).expect("the bench's folder can be written").keep()
    }

    /// A pipeline of these nodes and edges, with its data in this folder.
    pub(crate) fn plan(&self, folder: &Path, body: &str) -> Plan {
        let path = folder.join("bench.yaml");
        std::fs::write(&path, format!("version: 1\nname: bench\n{body}")).expect("the file can be written");
        let mut report = Report::default();
        let graph = config::load(&path, &self.kinds, &ProcessEnv, &mut report)
            .and_then(|file| graph::check(&file, &mut report));
        let graph = graph.unwrap_or_else(|| panic!("{}", report.render_human(false)));
        let environment = Environment {
            data_dir: folder.to_owned(),
            clock: Arc::new(SystemClock),
            virtual_time: false,
            exporter: &self.exporter,
        };
        Plan::new(&graph, &environment).expect("a plan")
    }

    /// Runs a pipeline to the end of its input, or until it shall stop, and says how long that took, start and end included.
    pub(crate) fn run(&self, runtime: &Runtime, body: &str, stop: impl Future<Output = ()>) -> Duration {
        let folder = self.fresh();
        let plan = self.plan(&folder, body);
        let took = runtime.block_on(async {
            let began = Instant::now();
            let finished = plan.start().run_until(stop, Duration::from_secs(60)).await;
            assert!(finished.drained && finished.broken.is_none(), "{finished:?}");
            began.elapsed()
        });
        std::fs::remove_dir_all(&folder).expect("the folder can be removed");
        took
    }
}

/// As many as the box has cores.
pub(crate) fn two_workers() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

pub(crate) fn median<T: Ord + Copy>(mut figures: Vec<T>) -> T {
    figures.sort_unstable();
    figures[figures.len() / 2]
}

/// No options.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// A sink that forgets.
struct Nowhere;

impl NodeSpec for Nowhere {
    const TYPE: &'static str = "nowhere";
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

impl Sink for Nowhere {
    async fn connect(&mut self) -> Result<(), NodeError> {
        Ok(())
    }
    async fn write(&mut self, _: &[Batch], _: &[Position]) -> Result<(), NodeError> {
        Ok(())
    }
}
