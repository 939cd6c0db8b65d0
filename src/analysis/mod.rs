//! What follows from a pipeline before it runs: what each path keeps, who holds up whom, how much it takes and for how long.
//!
//! | file | works out |
//! |---|---|
//! | `net` | the graph by numbers, with what each node tells of itself |
//! | `rates` | records a second, node by node and edge by edge |
//! | `capacity` | memory and disk of each edge, and how long an outage it covers |
//! | `flash` | bytes written to the disk a day |
//! | `paths` | what becomes of records from a source to a sink |
//! | `stalls` | whom a sink that stops holds up |
//! | `tags` | which tags reach a node, and rules that name none of them |
//! | `order`, `owners` | transforms in the wrong order, edges smaller than a batch, things with two owners |
//! | `asks` | more than something takes of all who ask |
//! | `types` | values of a type that nothing behind their source works on |
//! | `across` | what is wrong between files |
//! | `require`, `budget` | what the file and the command line demand |
//! | `text`, `json` | the report for people and for programs |
//!
//! All of it is pure: it reads the graph and the facts of its nodes, and nothing else.

pub mod across;
mod asks;
mod budget;
mod capacity;
mod flash;
mod json;
mod net;
mod order;
mod owners;
mod paths;
mod rates;
mod require;
mod stalls;
mod tags;
#[cfg(test)]
mod tests;
mod text;
mod types;

use crate::config::PipelineFile;
use crate::diagnostics::Report;
use crate::graph::Graph;

pub use budget::Budget;
use capacity::Capacity;
use flash::Flash;
use net::Net;
use paths::Guarantee;
use rates::Rates;
use stalls::Stall;

/// What follows from a pipeline.
pub struct Analysis<'a> {
    net: Net<'a>,
    rates: Rates,
    capacity: Capacity,
    flash: Flash,
}

/// The most pairs of a source and a sink, and the most sinks, that a report tells of: a hostile file has millions.
const MOST_TOLD: usize = 200;

impl<'a> Analysis<'a> {
    /// Asks the nodes for what they can tell, and works out what flows.
    pub fn of(graph: &'a Graph) -> Self {
        let net = Net::of(graph);
        let rates = Rates::of(&net);
        let capacity = Capacity::of(&net, &rates);
        let flash = Flash::of(&net, &rates);
        Self { net, rates, capacity, flash }
    }

    /// Reports what is wrong: what is never meant so, what the file requires and has not, and what is beyond the budget.
    pub fn check(&self, file: &PipelineFile, budget: &Budget, report: &mut Report) {
        order::check(&self.net, file, report);
        tags::check(&self.net, file, report);
        owners::check(&self.net, file, report);
        asks::check(&self.net, file, report);
        require::check(&self.net, file, report);
        budget.check(self, file, report);
    }

    fn guarantees(&self) -> impl Iterator<Item = Guarantee> {
        self.net.pairs().take(MOST_TOLD).map(|(from, to)| Guarantee::of(&self.net, from, to))
    }

    fn stalls(&self) -> impl Iterator<Item = Stall> {
        self.net.sinks().take(MOST_TOLD).map(|sink| Stall::of(&self.net, &self.capacity, sink))
    }
}
