//! What may be used and what must be borne: `--budget memory=64MiB,disk=8GiB,writes=20GiB,outage=24h`.

use std::str::FromStr;
use std::time::Duration;

use fieldflow_contract::{ByteSize, Span};

use super::Analysis;
use super::capacity::{Capacity, EdgeCapacity, seconds};
use super::flash::Flash;
use super::net::Net;
use super::rates::Rates;
use super::text::{length, size};
use crate::config::PipelineFile;
use crate::diagnostics::{Diagnostic, Place, Report, codes};

/// A budget; what is not named is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budget {
    /// The most bytes that all edges together may hold in memory.
    pub memory: Option<u64>,
    /// The most bytes that durable edges and stores may take on disk.
    pub disk: Option<u64>,
    /// The most bytes that may be written to the local disk a day.
    pub writes: Option<u64>,
    /// How long what is behind an edge may be away without anything being dropped or held up.
    pub outage: Option<Duration>,
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut budget = Self::default();
        for part in text.split(',').filter(|part| !part.trim().is_empty()) {
            let (name, value) = part.split_once('=').ok_or(format!("`{part}` has no `=`; write memory=64MiB"))?;
            let (name, value) = (name.trim(), value.trim());
            let size = || ByteSize::from_str(value).map(|size| size.0).map_err(|error| format!("{name}: {error}"));
            match name {
                "memory" => budget.memory = Some(size()?),
                "disk" => budget.disk = Some(size()?),
                "writes" => budget.writes = Some(size()?),
                "outage" => {
                    let span = Span::from_str(value).map_err(|error| format!("{name}: {error}"))?;
                    budget.outage = Some(span.0);
                }
                _ => return Err(format!("`{name}` is none of memory, disk, writes and outage")),
            }
        }
        Ok(budget)
    }
}

impl Budget {
    pub(super) fn check(&self, analysis: &Analysis<'_>, file: &PipelineFile, report: &mut Report) {
        let Analysis { net, capacity, flash, .. } = analysis;
        if let Some(most) = self.memory {
            let largest = (0..net.edges.len()).max_by_key(|edge| capacity.edges[*edge].memory);
            let needs = capacity.memory();
            if let (true, Some(edge)) = (most < needs, largest) {
                let message = format!("the edges can hold {} of memory, the budget is {}", size(needs), ByteSize(most));
                let label = format!("{} of it", size(capacity.edges[edge].memory));
                let found = Diagnostic::new(&codes::BUDGET, message).at(place(file, edge)).label(label);
                report.push(found.help("lower `capacity` here, or for all edges under `defaults`, or set `max_bytes`"));
            }
        }
        if let Some(most) = self.disk {
            Self::disk(most, net, capacity, file, report);
        }
        if let Some(most) = self.writes {
            Self::writes(most, flash, file, report);
        }
        if let Some(outage) = self.outage {
            Self::outage(outage, net, capacity, file, report);
        }
    }

    fn disk(most: u64, net: &Net<'_>, capacity: &Capacity, file: &PipelineFile, report: &mut Report) {
        let (mut needs, rates) = (capacity.disk(), Rates::of(net));
        for (node, (graph_node, facts)) in net.nodes.iter().enumerate() {
            let Some(disk) = facts.disk else { continue };
            let Some(bytes) = disk.max_bytes else {
                let rate = rates.into[node].most();
                let full = rate.map(|rate| seconds(most as f64 / (rate * disk.record)));
                let after = full.map(|full| format!(": after {} it is larger than {}", length(full), ByteSize(most)));
                let message = format!("`{}` grows without a limit{}", graph_node.name, after.unwrap_or_default());
                let found = Diagnostic::new(&codes::BUDGET, message).at(file.nodes[node].place.clone());
                report.push(found.help("write `retention: { max_bytes: … }`"));
                continue;
            };
            needs = needs.saturating_add(bytes);
        }
        let largest = (0..net.edges.len()).max_by_key(|edge| capacity.edges[*edge].disk);
        if let (true, Some(edge)) = (most < needs, largest) {
            let message =
                format!("edges and stores can take {} of the disk, the budget is {}", size(needs), ByteSize(most));
            let label = format!("{} of it", size(capacity.edges[edge].disk));
            let found = Diagnostic::new(&codes::BUDGET, message).at(place(file, edge)).label(label);
            report.push(found.help("lower the `max_bytes` of edges, or the `retention` of stores"));
        }
    }

    fn writes(most: u64, flash: &Flash, file: &PipelineFile, report: &mut Report) {
        let edges = flash.edges.iter().enumerate().map(|(edge, bytes)| (*bytes, place(file, edge)));
        let nodes = flash.nodes.iter().zip(&file.nodes).map(|(bytes, node)| (*bytes, node.place.clone()));
        let (mut known, mut largest) = (0.0, None);
        for (bytes, place) in edges.chain(nodes) {
            let Some(bytes) = bytes else {
                let message = format!(
                    "nobody can tell whether at most {} are written a day: how many records come here is not known before the run",
                    ByteSize(most)
                );
                let help = "watch how much the disk is written to, as in /proc/diskstats";
                report.push(Diagnostic::new(&codes::BUDGET_UNKNOWN, message).at(place).help(help));
                continue;
            };
            known += bytes;
            if largest.as_ref().is_none_or(|(most, _)| *most < bytes) {
                largest = Some((bytes, place));
            }
        }
        if let (true, Some((bytes, place))) = ((most as f64) < known, largest) {
            let message =
                format!("up to {} are written to the disk a day, the budget is {}", size(known as u64), ByteSize(most));
            let found = Diagnostic::new(&codes::BUDGET, message).at(place);
            let found = found.label(format!("{} of it", size(bytes as u64)));
            report.push(
                found.help("read less often or in larger batches, store less often, or let go of what has not changed"),
            );
        }
    }

    fn outage(outage: Duration, net: &Net<'_>, capacity: &Capacity, file: &PipelineFile, report: &mut Report) {
        for (edge, hop) in net.edges.iter().enumerate() {
            let EdgeCapacity { disk, covers, .. } = capacity.edges[edge];
            if disk == 0 && !net.nodes[hop.to].1.remote {
                continue;
            }
            let name = hop.name();
            let found = match covers {
                Some(covers) if outage <= covers => continue,
                Some(covers) => {
                    let message = format!("`{name}` covers {}, the budget asks for {}", length(covers), Span(outage));
                    let help = if disk == 0 {
                        "make it durable: `durable: true`"
                    } else {
                        "raise its `max_bytes` or `max_age`"
                    };
                    Diagnostic::new(&codes::BUDGET, message).help(help)
                }
                None => {
                    let message = format!(
                        "nobody can tell whether `{name}` covers {}: how many records come is not known before the run",
                        Span(outage)
                    );
                    let help = "watch `fieldflow_edge_disk_bytes` and `fieldflow_edge_oldest_record_age_seconds`";
                    Diagnostic::new(&codes::BUDGET_UNKNOWN, message).help(help)
                }
            };
            report.push(found.at(place(file, edge)));
        }
    }
}

fn place(file: &PipelineFile, edge: usize) -> Place {
    file.edges[edge].place()
}
