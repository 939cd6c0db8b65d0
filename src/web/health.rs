//! `/health`: how each node is, for a person with `curl` and for a supervisor.

use fieldflow_contract::{LinkState, LinkStatus};
use serde::Serialize;

use crate::telemetry::{NodeSnapshot, NodeState, PipelineSnapshot};

/// `ok`: every node works. `degraded`: some try to. `broken`: one cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Ok,
    Degraded,
    Broken,
}

impl Verdict {
    /// A node is as well as its worst link.
    fn of_node(node: &NodeSnapshot) -> Self {
        let lost = node.links.iter().any(|link| link.state == LinkState::Reconnecting);
        Self::of(node.state).max(if lost { Self::Degraded } else { Self::Ok })
    }

    fn of(state: NodeState) -> Self {
        match state {
            NodeState::Running | NodeState::Stopped => Self::Ok,
            NodeState::Starting | NodeState::Reconnecting | NodeState::Restarting => Self::Degraded,
            NodeState::Broken => Self::Broken,
        }
    }
}

/// The answer of `/health`.
#[derive(Debug, Serialize)]
pub(super) struct Health {
    status: Verdict,
    pipelines: Vec<Pipeline>,
}

#[derive(Debug, Serialize)]
struct Pipeline {
    name: String,
    status: Verdict,
    nodes: Vec<Node>,
}

#[derive(Debug, Serialize)]
struct Node {
    name: String,
    r#type: &'static str,
    state: &'static str,
    /// Seconds since the last record; null before the first.
    last_record_age: Option<f64>,
    last_error: Option<String>,
    /// Where its links stand, for a node that has any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
    /// The last things that it had to say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notices: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Link {
    name: String,
    state: &'static str,
    trouble: Option<String>,
}

impl Health {
    pub(super) fn of(pipelines: &[PipelineSnapshot]) -> Self {
        let pipelines: Vec<Pipeline> = pipelines.iter().map(Pipeline::of).collect();
        Self { status: worst(pipelines.iter().map(|pipeline| pipeline.status)), pipelines }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.status == Verdict::Broken
    }
}

impl Pipeline {
    fn of(pipeline: &PipelineSnapshot) -> Self {
        Self {
            name: pipeline.pipeline.clone(),
            status: worst(pipeline.nodes.iter().map(Verdict::of_node)),
            nodes: pipeline.nodes.iter().map(Node::of).collect(),
        }
    }
}

impl Node {
    fn of(node: &NodeSnapshot) -> Self {
        Self {
            name: node.name.clone(),
            r#type: node.kind,
            state: node.state.word(),
            last_record_age: node.last_record_age.map(|age| age.as_secs_f64()),
            last_error: node.last_error.clone(),
            links: node.links.iter().map(Link::of).collect(),
            notices: node.notices.clone(),
        }
    }
}

impl Link {
    fn of(link: &LinkStatus) -> Self {
        Self { name: link.name.clone(), state: link.state.word(), trouble: link.trouble.clone() }
    }
}

fn worst(verdicts: impl Iterator<Item = Verdict>) -> Verdict {
    verdicts.max().unwrap_or(Verdict::Ok)
}
