//! The figures that a case expects: a metric by its name and any of its labels.

use std::collections::BTreeMap;

use crate::graph::Graph;
use crate::telemetry::catalogue::{METRICS, Metric, NODE_DISCARDED};

/// A metric that a case names, and what it has to be at the end.
#[derive(Debug)]
pub(super) struct Counter {
    /// As it stands in the file.
    text: String,
    name: String,
    labels: Vec<(String, String)>,
    expected: f64,
}

impl Counter {
    /// Reads `name` or `name{label="value",…}`. A name, a label, a node or an edge that the pipeline does not have could never
    /// be anything but 0: that is an error.
    pub(super) fn read(text: &str, expected: f64, graph: &Graph) -> Result<Self, String> {
        let wrong = |reason: String| format!("case.yaml: expect.counters: `{text}`: {reason}");
        let (name, labels) = series(text).ok_or_else(|| {
            wrong("it is read as `name` or as `name{label=\"value\", …}`, with the values in double quotes".to_owned())
        })?;
        let metric = known(&name).ok_or_else(|| wrong(format!("there is no metric `{name}`")))?;
        for (label, value) in &labels {
            if !(metric.labels.contains(&label.as_str()) || label == "le" && name.ends_with("_bucket")) {
                return Err(wrong(format!("it has no label `{label}`, but {}", metric.labels.join(", "))));
            }
            let is_there = match label.as_str() {
                "pipeline" => *value == graph.name,
                "node" => graph.nodes().any(|node| node.name == *value),
                "from" => graph.edges().any(|edge| edge.origin() == *value),
                "to" => graph.edges().any(|edge| edge.to.name == *value),
                _ => true,
            };
            if !is_there {
                return Err(wrong(format!("the pipeline has no `{label}` named `{value}`")));
            }
        }
        Ok(Self { text: text.to_owned(), name, labels, expected })
    }

    /// What is wrong with the metric at the end; several that fit are summed.
    pub(super) fn check(&self, metrics: &BTreeMap<String, f64>) -> Option<String> {
        let fits = |known: &str| {
            let (name, has) = series(known).unwrap_or_default();
            name == self.name && self.labels.iter().all(|label| has.contains(label))
        };
        let got: f64 = metrics.iter().filter(|(known, _)| fits(known)).map(|(_, value)| value).sum();
        (got != self.expected).then(|| format!("{} is {got}, expected {}", self.text, self.expected))
    }

    /// Whether it speaks of the records that this node rejected with nobody wired to take them.
    pub(super) fn knows_of_rejected(&self, node: &str) -> bool {
        let has = |label: &str, value: &str| self.labels.iter().all(|(name, is)| name != label || is == value);
        self.name == NODE_DISCARDED.name && has("node", node) && has("reason", "rejected")
    }
}

/// The metric of a series; a histogram has three of them.
fn known(series: &str) -> Option<&'static Metric> {
    let name = ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end)).unwrap_or(series);
    METRICS.iter().find(|metric| metric.name == name || metric.name == series)
}

/// A series as Prometheus writes it.
fn series(text: &str) -> Option<(String, Vec<(String, String)>)> {
    let Some((name, rest)) = text.trim().split_once('{') else { return Some((text.trim().to_owned(), Vec::new())) };
    let mut rest = rest.trim().strip_suffix('}')?.trim();
    let mut labels = Vec::new();
    while !rest.is_empty() {
        let (label, value) = rest.split_once('=')?;
        let value = value.trim_start().strip_prefix('"')?;
        let (value, after) = value.split_once('"')?;
        labels.push((label.trim().to_owned(), value.to_owned()));
        rest = match after.trim_start() {
            "" => "",
            more => more.strip_prefix(',')?.trim_start(),
        };
    }
    Some((name.trim().to_owned(), labels))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: f64) -> Option<String> {
        let metrics = BTreeMap::from([
            (r#"fieldflow_node_errors_total{pipeline="p",node="a",type="x",kind="panic"}"#.to_owned(), 2.0),
            (r#"fieldflow_node_errors_total{pipeline="p",node="b",type="x",kind="panic"}"#.to_owned(), 3.0),
        ]);
        let (name, labels) = series(text).unwrap();
        Counter { text: text.to_owned(), name, labels, expected }.check(&metrics)
    }

    #[test]
    fn counters_are_found_by_any_of_their_labels() {
        assert_eq!(check("fieldflow_node_errors_total", 5.0), None);
        assert_eq!(check(r#"fieldflow_node_errors_total{node="b", kind="panic"}"#, 3.0), None);
        assert_eq!(check(r#"fieldflow_node_errors_total{node="c"}"#, 0.0), None, "what never happened is 0");
        assert!(check(r#"fieldflow_node_errors_total{node="a"}"#, 1.0).unwrap().ends_with("is 2, expected 1"));
    }

    #[test]
    fn labels_stand_in_quotes() {
        for text in ["m{a}", "m{a=b}", "m{a=\"b}", "m{a=\"b\"", "m{a=\"b\" c=\"d\"}"] {
            assert_eq!(series(text), None, "{text}");
        }
        let labels = vec![("a".to_owned(), "x, y".to_owned()), ("b".to_owned(), String::new())];
        assert_eq!(series("m{ a = \"x, y\" ,b=\"\"}"), Some(("m".to_owned(), labels)));
    }
}
