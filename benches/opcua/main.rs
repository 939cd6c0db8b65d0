//! What hearing 10,000 values a second costs, and how long it takes to begin, beside a client of the library that only counts;
//! asyncua or node-opcua on the same box, in the same run.

mod bare;
mod node;
mod server;
#[path = "../support/mod.rs"]
mod support;

use std::time::Duration;

use tokio::time::{Instant, sleep};

use self::server::Server;
use self::support::median;

const ITEMS: usize = 10_000;
/// How often the server sends, and looks at its values.
const PUBLISHING: Duration = Duration::from_millis(500);
/// Most items that one request names.
const BATCH: usize = 1000;
const ROUNDS: usize = 3;
/// How long values are counted, once the first one of each item is there.
const STEADY: Duration = Duration::from_secs(15);

/// What a client took.
#[derive(Debug, Clone, Copy)]
struct Took {
    /// From nothing to the first value of each item.
    start: Duration,
    /// Values a second after that.
    rate: f64,
    /// Processor time a value.
    value: Duration,
}

fn main() {
    // `cargo test --benches` and `cargo clippy` build this file; only `cargo bench` shall run it.
    if std::env::args().any(|arg| arg == "--bench") {
        run();
    }
}

#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn run() {
    let bench = node::bench();
    println!(
        "{ITEMS} items that change once a second; subscribed to in batches of {BATCH}, published every {PUBLISHING:?}"
    );
    let Some(server) = fastest(&bench) else { return };
    let (mut bare, mut node) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(bare::run(&server.url, STEADY));
        node.push(node::run(&bench, &server.url, STEADY));
    }
    let of = |all: &[Took], figure: fn(&Took) -> Duration| median(all.iter().map(figure).collect());
    let slowest = bare.iter().chain(&node).map(|took| took.rate).fold(f64::MAX, f64::min);
    println!("  median of {ROUNDS}, in turn; at least {slowest:.0} values/s each");
    for (what, figure, most) in [
        ("processor time a value", (|took| took.value) as fn(&Took) -> Duration, 1.3),
        ("from nothing to the first value of each item", |took| took.start, 1.2),
    ] {
        let (bare, node) = (of(&bare, figure), of(&node, figure));
        println!("  {what}");
        println!("    a client that only counts  {bare:>12.2?}");
        println!("    opcua in a pipeline        {node:>12.2?}");
        println!("    ratio                      {:>12.2} (at most {most})", node.as_secs_f64() / bare.as_secs_f64());
    }
}

/// The server that feeds a client faster, of those that are there.
#[expect(clippy::print_stdout, reason = "printing is what a bench is for")]
fn fastest(bench: &support::Bench) -> Option<Server> {
    let mut fastest: Option<(f64, Server)> = None;
    for server in [Server::asyncua(), Server::node_opcua(&bench.fresh())].into_iter().flatten() {
        let before = server.processor_time();
        let took = bare::run(&server.url, STEADY);
        println!(
            "  {} feeds {:.0} values/s, in {:.1} s of its own",
            server.name,
            took.rate,
            server.processor_time() - before
        );
        if fastest.as_ref().is_none_or(|(rate, _)| *rate < took.rate) {
            fastest = Some((took.rate, server));
        }
    }
    fastest.map(|(_, server)| server)
}

/// Waits for the first values, and counts for so long after that.
async fn watch(began: Instant, count: impl Fn() -> u64, steady: Duration) -> Took {
    while count() < ITEMS as u64 {
        sleep(Duration::from_millis(5)).await;
    }
    let start = began.elapsed();
    let (steadily, before, used) = (Instant::now(), count(), processor_time());
    sleep(steady).await;
    let (used, came) = (processor_time().saturating_sub(used), count() - before);
    Took { start, rate: came as f64 / steadily.elapsed().as_secs_f64(), value: used / came.max(1) as u32 }
}

/// Processor time of all threads of this process: Linux counts it in nanoseconds.
fn processor_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").expect("Linux tells of its threads");
    let nanos = threads.filter_map(|thread| {
        // One that ends meanwhile is none of those that are measured.
        let line = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
