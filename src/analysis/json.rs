//! The report for programs. Sizes are in bytes, times in seconds; what is not known is null.

use serde_json::{Value, json};

use super::Analysis;
use super::paths::Class;
use super::rates::Rate;

impl Analysis<'_> {
    /// What follows from the pipeline, as one object.
    pub fn render_json(&self, lines: &[String]) -> Value {
        let net = &self.net;
        let names =
            |nodes: &[usize]| nodes.iter().take(super::MOST_TOLD).map(|node| net.name(*node)).collect::<Vec<_>>();
        let paths = self.guarantees().map(|path| {
            let word = match path.class {
                Class::AtMost => "at_most_once",
                Class::AtLeast => "at_least_once",
                Class::Exact => "exactly_once",
            };
            json!({
                "from": net.name(path.from), "to": net.name(path.to), "guarantee": word, "resends": path.resends,
                "words": path.words(net), "since": path.first_durable.iter().map(|edge| net.edges[*edge].name()).collect::<Vec<_>>(),
                "losses": path.losses.iter().map(|loss| &loss.why).collect::<Vec<_>>(),
                "power_cut": path.at_a_power_cut(net),
            })
        });
        let stalls = self.stalls().map(|stall| {
            let held = stall.held.iter().take(super::MOST_TOLD);
            json!({
                "sink": net.name(stall.sink), "starved": names(&stall.starved), "free": names(&stall.free),
                "held": held.map(|(source, after)| {
                    json!({ "source": net.name(*source), "after_seconds": after.map(|after| after.as_secs_f64()) })
                }).collect::<Vec<_>>(),
            })
        });
        let edges = net.edges.iter().enumerate().take(super::MOST_TOLD).map(|(number, hop)| {
            let (rate, edge) = (self.rates.edges[number], &self.capacity.edges[number]);
            json!({
                "from": hop.edge.origin(), "to": hop.edge.to.name, "records_per_second": rate.most(),
                "is_bound": matches!(rate, Rate::AtMost(_)), "as_taken": rate == Rate::Unbounded,
                "memory_bytes": edge.memory, "disk_bytes": edge.disk,
                "written_bytes_per_day": self.flash.edges[number],
                "covers_seconds": edge.covers.map(|covers| covers.as_secs_f64()),
            })
        });
        let stores = net.nodes.iter().enumerate().filter_map(|(node, (graph_node, facts))| {
            let disk = facts.disk?;
            let a_day = self.rates.into[node].most().map(|rate| rate * disk.record * 86_400.0);
            Some(json!({
                "node": graph_node.name, "bytes_per_day": a_day,
                "written_bytes_per_day": self.flash.nodes[node], "max_bytes": disk.max_bytes,
                "max_age_seconds": disk.max_age.map(|age| age.as_secs_f64()),
            }))
        });
        json!({
            "name": net.graph.name, "paths": paths.collect::<Vec<_>>(), "stalls": stalls.collect::<Vec<_>>(),
            "edges": edges.collect::<Vec<_>>(), "stores": stores.collect::<Vec<_>>(),
            "memory_bytes": self.capacity.memory(), "disk_bytes": self.capacity.disk(),
            "written_bytes_per_day": self.flash.all(), "devices": lines,
        })
    }
}
