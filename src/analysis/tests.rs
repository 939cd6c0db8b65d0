//! What is worked out, held against small pipelines: each says what it must come to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fieldflow_contract::{
    BuildContext, BuildError, Carries, Disk, Facts, Keeps, Node, NodeKind, NodeSpec, Ports, Role, Yield,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Analysis;
use super::paths::{Class, Guarantee};
use super::rates::Rate;
use super::stalls::Stall;
use super::text::length;
use crate::config::{Env, load};
use crate::diagnostics::Report;
use crate::graph::{self, Graph};

#[derive(Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

// `$again`: for a source, whether it resends; for a sink, whether it keeps its position.
macro_rules! kind {
    ($name:ident, $type:literal, $role:ident, $again:literal, $ports:expr, $facts:expr) => {
        struct $name;
        impl NodeSpec for $name {
            const TYPE: &'static str = $type;
            const ROLE: Role = Role::$role;
            const RESENDS: bool = $again && matches!(Role::$role, Role::Source);
            const KEEPS_POSITION: bool = $again && matches!(Role::$role, Role::Sink);
            const EXAMPLE: &'static str = "";
            type Config = Nothing;
            fn ports(_: &Nothing) -> Ports {
                $ports
            }
            fn facts(_: &Nothing, _: &Path) -> Facts {
                $facts
            }
            fn build(_: Nothing, _: &BuildContext) -> Result<Node, BuildError> {
                Err(BuildError("never built".to_owned()))
            }
        }
    };
}

kind!(
    Polled,
    "polled",
    Source,
    false,
    Ports::source(Carries::Values),
    Facts { yields: Yield::PerSecond(10.0), ..Facts::default() }
);
kind!(Queued, "queued", Source, true, Ports::source(Carries::Values), Facts::default());
kind!(
    Fast,
    "fast",
    Source,
    false,
    Ports::source(Carries::Values),
    Facts { yields: Yield::AsTaken, ..Facts::default() }
);
kind!(Pass, "pass", Transform, false, Ports::transform(Carries::Any, Carries::Same), Facts::passes(Yield::AtMost));
kind!(
    Sums,
    "sums",
    Transform,
    false,
    Ports::transform(Carries::Any, Carries::Same),
    Facts::passes(Yield::Each).forgets()
);
kind!(
    Exact,
    "exact",
    Sink,
    true,
    Ports::sink(Carries::Any).with_rejected(),
    Facts { keeps: Keeps::Power, ..Facts::default() }
);
kind!(
    Sent,
    "sent",
    Sink,
    false,
    Ports::sink(Carries::Any),
    Facts { keeps: Keeps::Confirmed, remote: true, ..Facts::default() }
);
kind!(Loose, "loose", Sink, false, Ports::sink(Carries::Any), Facts { keeps: Keeps::Process, ..Facts::default() });

const STORE: Disk =
    Disk { record: 30.0, written: 200.0, commit: Duration::from_secs(1), max_bytes: None, max_age: None };
kind!(
    Filed,
    "filed",
    Sink,
    true,
    Ports::sink(Carries::Any),
    Facts { keeps: Keeps::Power, disk: Some(STORE), ..Facts::default() }
);
kind!(
    Gathered,
    "gathered",
    Source,
    false,
    Ports::source(Carries::Values),
    Facts { yields: Yield::PerSecond(1000.0), batches: Some(2.0), ..Facts::default() }
);

const KINDS: &[&dyn NodeKind] = &[&Exact, &Fast, &Filed, &Gathered, &Loose, &Pass, &Polled, &Queued, &Sent, &Sums];

struct Empty;

impl Env for Empty {
    fn var(&self, _: &str) -> Option<String> {
        None
    }
    fn file(&self, _: &Path) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// A pipeline of the nodes that are named in its edges: `polled1` is of type `polled`.
fn graph(edges: &str) -> Arc<Graph> {
    let mut names: Vec<&str> = edges
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| {
            word.ends_with(|c: char| c.is_ascii_digit()) && word.starts_with(|c: char| c.is_ascii_alphabetic())
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    let kind = |name: &str| name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let nodes: String = names.iter().map(|name| format!("  {name}: {{ type: {} }}\n", kind(name))).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.yaml");
    std::fs::write(&path, format!("version: 1\nname: p\nnodes:\n{nodes}edges:\n{edges}")).unwrap();
    let mut report = Report::new();
    let file = load(&path, KINDS, &Empty, &mut report).unwrap();
    let graph = graph::check(&file, &mut report);
    Arc::new(graph.unwrap_or_else(|| panic!("{}", report.render_human(false))))
}

/// The guarantee from the first source to the first sink, in words, and what may be lost.
fn guarantee(edges: &str) -> (Class, String, Vec<String>) {
    let graph = graph(edges);
    let analysis = Analysis::of(&graph);
    let guarantee: Guarantee = analysis.guarantees().next().unwrap();
    let losses = guarantee.losses.iter().map(|loss| loss.why.clone()).collect();
    (guarantee.class, guarantee.words(&analysis.net), losses)
}

#[test]
fn a_source_that_cannot_send_again_needs_a_disk_on_each_way() {
    let (class, words, losses) = guarantee("  - polled1 -> pass1 -> exact1\n");
    assert_eq!((class, words.as_str(), losses.len()), (Class::AtMost, "at most once", 1));
    let (class, words, losses) = guarantee("  - polled1 -> pass1\n  - pass1 -> exact1: { durable: true }\n");
    assert_eq!((class, words.as_str()), (Class::Exact, "exactly once from `pass1 -> exact1` on"), "{losses:?}");
    let two_ways =
        "  - polled1 -> pass1\n  - polled1 -> pass2\n  - pass1 -> exact1: { durable: true }\n  - pass2 -> exact1\n";
    assert_eq!(guarantee(two_ways).0, Class::AtMost, "one way has no disk");
}

#[test]
fn only_the_last_edge_on_disk_into_a_sink_that_stores_how_far_it_is_is_exact() {
    let twice = "  - polled1 -> pass1: { durable: true }\n  - pass1 -> exact1: { durable: true }\n";
    assert_eq!(guarantee(twice).1, "at least once from `polled1 -> pass1` on");
    let sent = "  - polled1 -> sent1: { durable: true }\n";
    assert_eq!(guarantee(sent).1, "at least once from `polled1 -> sent1` on");
    let before = "  - polled1 -> pass1: { durable: true }\n  - pass1 -> exact1\n";
    assert_eq!(guarantee(before).1, "at least once from `polled1 -> pass1` on");
}

#[test]
fn a_source_that_sends_again_loses_nothing_without_a_disk() {
    assert_eq!(guarantee("  - queued1 -> exact1\n").1, "at least once");
    let durable = "  - queued1 -> exact1: { durable: true }\n";
    assert_eq!(guarantee(durable).1, "at least once, exactly once from `queued1 -> exact1` on");
}

#[test]
fn whatever_drops_forgets_or_does_not_confirm_is_named() {
    for (edges, why) in [
        ("  - queued1 -> exact1: { when_full: drop_oldest }\n", "`queued1 -> exact1` drops the oldest when it is full"),
        (
            "  - queued1 -> exact1: { when_full: conflate }\n",
            "`queued1 -> exact1` keeps only the newest record of each tag when it is full",
        ),
        (
            "  - queued1 -> exact1: { durable: true, max_age: 7d }\n",
            "`queued1 -> exact1` drops what waits for more than 7d",
        ),
        (
            "  - queued1 -> exact1: { when_full: spill, spill: { max_bytes: 1MiB, then: drop_newest } }\n",
            "`queued1 -> exact1` drops the newest when its 1MiB are used up",
        ),
        ("  - queued1 -> sums1 -> exact1\n", "`sums1` loses what it holds when the program is killed"),
        ("  - queued1 -> loose1\n", "`loose1` loses the last moments before a power cut: `durability: process`"),
    ] {
        let (class, _, losses) = guarantee(edges);
        assert_eq!((class, losses), (Class::AtMost, vec![why.to_owned()]), "{edges}");
    }
    let other_way = "  - queued1 -> exact1\n  - queued1 -> pass1: { when_full: drop_oldest }\n  - pass1 -> sent1\n";
    assert_eq!(guarantee(other_way).0, Class::AtLeast, "what another way drops is no loss of this one");
}

/// For each sink: whom it holds up after how many seconds, whom it does not, and who then gets nothing.
fn stalls(edges: &str) -> Vec<String> {
    let graph = graph(edges);
    let analysis = Analysis::of(&graph);
    let net = &analysis.net;
    let names = |nodes: &[usize]| nodes.iter().map(|node| net.name(*node)).collect::<Vec<_>>().join(" ");
    let told = |stall: Stall| {
        let held = stall.held.iter().map(|(node, after)| match after {
            Some(after) => format!("{} {}", net.name(*node), after.as_secs()),
            None => format!("{} ?", net.name(*node)),
        });
        format!(
            "{}: {} | {} | {}",
            net.name(stall.sink),
            held.collect::<Vec<_>>().join(" "),
            names(&stall.free),
            names(&stall.starved)
        )
    };
    analysis.stalls().map(told).collect()
}

#[test]
fn an_edge_that_blocks_holds_up_all_before_it_and_one_that_drops_nobody() {
    let edges = "  - polled1 -> pass1: { capacity: 100 }\n  - pass1 -> exact1: { capacity: 50 }\n  - pass1 -> sent1: { when_full: drop_oldest }\n  - queued1 -> sent1\n";
    assert_eq!(stalls(edges), ["exact1: polled1 15 |  | sent1", "sent1: queued1 ? | polled1 | "]);
    let disk = "  - polled1 -> sent1: { durable: true, max_bytes: 1MiB }\n";
    assert_eq!(
        stalls(disk),
        [format!("sent1: polled1 {} |  | ", (f64::from(1 << 20) / super::capacity::ON_DISK / 10.0) as u64)]
    );
    let two_ways = "  - polled1 -> exact1: { capacity: 1000 }\n  - polled1 -> pass1: { capacity: 10 }\n  - pass1 -> exact1: { capacity: 10 }\n";
    assert_eq!(stalls(two_ways), ["exact1: polled1 2 |  | "], "the narrower way is full first");
}

#[test]
fn rates_add_up_along_the_edges_and_what_is_not_known_stays_so() {
    let graph = graph(
        "  - polled1 -> pass1\n  - polled2 -> pass1\n  - pass1 -> exact1\n  - queued1 -> sent1\n  - polled1 -> sent1\n  - fast1 -> loose1\n  - exact1.rejected -> loose1\n",
    );
    let analysis = Analysis::of(&graph);
    let known = Rate::Known(10.0);
    assert_eq!(
        analysis.rates.edges,
        [known, known, Rate::AtMost(20.0), Rate::Unknown, known, Rate::Unbounded, Rate::AtMost(20.0)]
    );
}

/// Bytes a second that edges and nodes write; -1 where nobody knows.
fn written(edges: &str) -> (Vec<i64>, Vec<i64>) {
    let graph = graph(edges);
    let flash = Analysis::of(&graph).flash;
    let a_second = |all: Vec<Option<f64>>| all.into_iter().map(|a_day| a_day.map_or(-1, |day| (day / 86_400.0) as i64));
    (a_second(flash.edges).collect(), a_second(flash.nodes).collect())
}

#[test]
fn what_is_written_is_records_and_whole_pages_and_nothing_where_nothing_is_kept() {
    const PAGE: i64 = 4096 + 24;
    let nothing = written("  - gathered1 -> pass1 -> sent1\n");
    assert_eq!(nothing, (vec![0, 0], vec![0, 0, 0]));
    // Two batches a second: two pages each, and two more as it is stored later that each is done.
    let edge = written("  - gathered1 -> sent1: { durable: true }\n");
    assert_eq!(edge.0, [2 * 36 * 1000 + 2 * 4 * PAGE]);
    // Ten records a second of which each may come alone: they are stored as done with the next one.
    let alone = written("  - polled1 -> sent1: { durable: true }\n");
    assert_eq!(alone.0, [2 * 36 * 10 + 10 * 2 * PAGE]);
    let (edges, nodes) = written("  - gathered1 -> filed1\n");
    assert_eq!((edges, nodes[0]), (vec![0], 200 * 1000 + PAGE), "one commit a second");
    let (_, nodes) = written("  - gathered1 -> filed1: { durable: true }\n");
    assert_eq!(nodes[0], 200 * 1000 + 2 * PAGE, "and the place that the edge has come to");
}

#[test]
fn what_nobody_knows_is_not_told_as_nothing() {
    let graph = graph("  - queued1 -> pass1: { durable: true }\n  - polled1 -> pass1\n  - pass1 -> filed1\n");
    let analysis = Analysis::of(&graph);
    assert_eq!((analysis.flash.edges.as_slice(), analysis.flash.all()), (&[None, Some(0.0), Some(0.0)][..], None));
    let said = analysis.render_text(&[]);
    assert!(said.contains("written to this disk a day: unknown"), "{said}");
    assert!(said.contains("writes an unknown amount"), "{said}");
}

#[test]
fn a_length_of_time_is_never_told_too_long() {
    for (seconds, told) in [
        (0.0, "less than 1 ms"),
        (0.0015, "1 ms"),
        (1.999, "1999 ms"),
        (2.99, "2.9 s"),
        (119.0, "119 s"),
        (7199.0, "119 min"),
        (1e12, "over 100 years"),
    ] {
        assert_eq!(length(Duration::from_secs_f64(seconds)), told);
    }
}
