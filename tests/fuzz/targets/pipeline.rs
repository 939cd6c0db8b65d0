//! A pipeline file: read, checked, told about. None may take more than a second of the processor or 64 MiB of memory.
#![no_main]

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use fieldflow::analysis::{Analysis, Budget};
use fieldflow::config::{self, ProcessEnv};
use fieldflow::diagnostics::Report;
use fieldflow::graph;
use fieldflow_contract::Together;
use fieldflow_nodes::BUILTIN;
use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The most bytes that a file may take while it is looked at.
const MOST_BYTES: usize = 64 << 20;
/// The most milliseconds; of the processor, since others may want it too.
const MOST_MS: i64 = 1000;

/// A file in memory.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = PathBuf::from(format!("/dev/shm/fieldflow-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder in memory");
    folder.join("fuzz.yaml")
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    fs::write(&*FILE, data).expect("a file in memory");
    let now = || clock_gettime(ClockId::ThreadCPUTime);
    let (held, begun) = (MEMORY.current_usage(), now());
    MEMORY.reset_peak_usage();
    look();
    let (bytes, took) = (MEMORY.peak_usage().saturating_sub(held), now() - begun);
    let ms = took.tv_sec * 1000 + took.tv_nsec / 1_000_000;
    assert!(bytes <= MOST_BYTES, "{bytes} bytes for a file of {}", data.len());
    assert!(ms <= MOST_MS, "{ms} ms for a file of {} bytes", data.len());
});

/// All that `fieldflow validate --report --budget …` does.
fn look() {
    let mut report = Report::default();
    if let Some(file) = config::load(&FILE, BUILTIN, &ProcessEnv, &mut report)
        && let Some(graph) = graph::check(&file, &mut report)
    {
        let analysis = Analysis::of(&graph);
        let budget = Budget { memory: Some(1 << 20), disk: Some(1 << 20), writes: Some(1 << 20), outage: Some(std::time::Duration::from_secs(3600)) };
        analysis.check(&file, &budget, &mut report);
        analysis.render_text(&[]);
        analysis.render_json(&[]);
        for kind in BUILTIN {
            let nodes = graph.nodes().filter(|node| node.kind.type_name() == kind.type_name());
            let nodes = nodes.map(|node| (node.name.as_str(), &*node.prepared)).collect();
            kind.describe(&Together { nodes, base_dir: &graph.base_dir });
        }
    }
    report.render_human(false);
    report.render_json();
    report.render_sarif();
}
