//! Snapshots as Prometheus text.

use std::sync::{Mutex, PoisonError};

use fieldflow_contract::{LinkState, Outcome};
use metrics::{Histogram, Key, Label, Level, Metadata, Recorder, Unit};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::catalogue::{self, Kind, METRICS, Metric};
use super::snapshot::{EdgeSnapshot, NodeSnapshot, NodeState, PipelineSnapshot};

const METADATA: Metadata<'static> = Metadata::new("fieldflow", Level::INFO, None);

/// From a fast disk's fsync to an hour of backlog.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0];

/// Keeps the histograms, and prints everything at a scrape.
pub struct Exporter {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// One scrape at a time: the figures of a scrape belong together.
    scrape: Mutex<()>,
}

impl Exporter {
    /// An exporter of its own, beside any other of the process.
    pub fn new() -> Result<Self, BuildError> {
        let mut builder = PrometheusBuilder::new();
        for metric in METRICS.iter().filter(|metric| metric.kind == Kind::Histogram) {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), SECONDS)?;
        }
        let recorder = builder.build_recorder();
        for metric in METRICS {
            let (name, help) = (metric.name.into(), metric.help.into());
            match metric.kind {
                Kind::Counter => recorder.describe_counter(name, None, help),
                Kind::Gauge | Kind::Seconds => recorder.describe_gauge(name, None, help),
                Kind::Histogram => recorder.describe_histogram(name, Some(Unit::Seconds), help),
            }
        }
        let handle = recorder.handle();
        Ok(Self { recorder, handle, scrape: Mutex::new(()) })
    }

    /// A histogram that the runtime feeds while it works.
    pub fn histogram(&self, metric: &Metric, labels: &[&str]) -> Histogram {
        self.recorder.register_histogram(&key(metric, labels), &METADATA)
    }

    /// All figures of these pipelines in Prometheus' text format.
    pub fn render(&self, pipelines: &[PipelineSnapshot]) -> String {
        let _one_at_a_time = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        for pipeline in pipelines {
            let name = pipeline.pipeline.as_str();
            pipeline.nodes.iter().for_each(|node| self.node(name, node));
            pipeline.edges.iter().for_each(|edge| self.edge(name, edge));
            self.gauge(&catalogue::UNACCOUNTED, &[name], pipeline.unaccounted() as f64);
        }
        self.handle.run_upkeep();
        METRICS.iter().filter(|metric| metric.kind == Kind::Seconds).fold(self.handle.render(), |text, metric| {
            // The library's counters are whole numbers, so seconds travel as gauges and are named for what they are here.
            text.replace(&format!("# TYPE {} gauge", metric.name), &format!("# TYPE {} counter", metric.name))
        })
    }

    fn node(&self, pipeline: &str, node: &NodeSnapshot) {
        let labels = [pipeline, node.name.as_str(), node.kind];
        let with = |last| [pipeline, node.name.as_str(), node.kind, last];
        if node.role != fieldflow_contract::Role::Source {
            self.counter(&catalogue::NODE_RECEIVED, &labels, node.received);
        }
        for (port, records) in &node.sent {
            self.counter(&catalogue::NODE_SENT, &with(port), *records);
        }
        for (reason, records) in &node.discarded {
            self.counter(&catalogue::NODE_DISCARDED, &with(reason), *records);
        }
        for (kind, times) in &node.errors {
            self.counter(&catalogue::NODE_ERRORS, &with(kind), *times);
        }
        for (name, value) in &node.gauges {
            self.gauge(&catalogue::NODE_GAUGE, &with(name), *value);
        }
        for state in NodeState::ALL {
            self.gauge(&catalogue::NODE_STATE, &with(state.word()), f64::from(u8::from(state == node.state)));
        }
        for (link, state) in node.links.iter().flat_map(|link| LinkState::ALL.map(|state| (link, state))) {
            let labels = [pipeline, node.name.as_str(), node.kind, link.name.as_str(), state.word()];
            self.gauge(&catalogue::LINK_STATE, &labels, f64::from(u8::from(state == link.state)));
        }
        self.gauge(&catalogue::NODE_BUSY, &labels, node.busy.as_secs_f64());
        if let Some(age) = node.last_record_age {
            self.gauge(&catalogue::NODE_LAST_RECORD_AGE, &labels, age.as_secs_f64());
        }
        if let Some(source) = node.source {
            self.counter(&catalogue::SOURCE_SENT, &labels, source.sent);
            for (outcome, batches) in Outcome::ALL.iter().zip(source.resolved) {
                self.counter(&catalogue::SOURCE_RESOLVED, &with(outcome.word()), batches);
            }
            self.gauge(&catalogue::SOURCE_OUTSTANDING, &labels, source.outstanding as f64);
        }
    }

    fn edge(&self, pipeline: &str, edge: &EdgeSnapshot) {
        let labels = [pipeline, edge.from.as_str(), edge.to.as_str()];
        self.gauge(&catalogue::EDGE_CAPACITY, &labels, edge.capacity as f64);
        self.counter(&catalogue::EDGE_ENTERED, &labels, edge.entered);
        self.counter(&catalogue::EDGE_LEFT, &labels, edge.left);
        for (reason, records) in &edge.dropped {
            self.counter(&catalogue::EDGE_DROPPED, &[pipeline, &edge.from, &edge.to, reason], *records);
        }
        self.gauge(&catalogue::EDGE_DEPTH, &labels, edge.depth as f64);
        self.gauge(&catalogue::EDGE_DEPTH_BYTES, &labels, edge.depth_bytes as f64);
        self.gauge(&catalogue::EDGE_HIGH_WATER, &labels, edge.high_water as f64);
        self.gauge(&catalogue::EDGE_BLOCKED, &labels, edge.blocked.as_secs_f64());
        self.gauge(&catalogue::EDGE_OLDEST_AGE, &labels, edge.oldest_age.as_secs_f64());
        if let (Some(records), Some(bytes)) = (edge.disk_records, edge.disk_bytes) {
            self.gauge(&catalogue::EDGE_DISK_RECORDS, &labels, records as f64);
            self.gauge(&catalogue::EDGE_DISK_BYTES, &labels, bytes as f64);
        }
    }

    fn counter(&self, metric: &Metric, labels: &[&str], value: u64) {
        self.recorder.register_counter(&key(metric, labels), &METADATA).absolute(value);
    }

    fn gauge(&self, metric: &Metric, labels: &[&str], value: f64) {
        self.recorder.register_gauge(&key(metric, labels), &METADATA).set(value);
    }
}

fn key(metric: &Metric, values: &[&str]) -> Key {
    debug_assert_eq!(metric.labels.len(), values.len(), "{}", metric.name);
    let labels = metric.labels.iter().zip(values).map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(metric.name, labels.collect::<Vec<_>>())
}
