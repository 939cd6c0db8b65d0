//! The walk: from node to node along the references that make the tree, which may well be no tree.
//!
//! Whatever a server answers, the walk ends: a node is looked into once for each way in which the patterns fit there, and so many
//! references and so many bytes are taken of it and no more.

use std::collections::{HashSet, VecDeque};

use fieldflow_contract::Watch;
use opcua::types::{
    BrowseResult, ByteString, Error, ExpandedNodeId, NodeClass, NodeId, ObjectId, ReferenceDescription,
    ReferenceTypeId, StatusCode,
};

use super::pattern::{Fit, Patterns, written};
use crate::opcua::ids;
use crate::opcua::session::Session;
use crate::opcua::subscription::is_of_size;

/// Most references that are taken of a server, and most bytes of their names and ids.
const MOST_REFERENCES: usize = 500_000;
const MOST_BYTES: usize = 64 << 20;
/// Longest name, and longest id.
const LONGEST_NAME: usize = 512;
const LONGEST_ID: usize = 4096;

/// What was asked for.
pub(super) struct Wanted<'a> {
    pub(super) patterns: &'a Patterns,
    pub(super) depth: usize,
    pub(super) most: usize,
    pub(super) properties: bool,
    /// Most nodes in one request.
    pub(super) batch: usize,
    pub(super) watch: &'a Watch,
}

/// A variable that was found.
#[derive(Debug)]
pub(super) struct Variable {
    /// The browse names from the beginning of the walk on.
    pub(super) names: Vec<String>,
    pub(super) node: NodeId,
    /// Properties that say more of it.
    pub(super) unit: Option<NodeId>,
    pub(super) range: Option<NodeId>,
    pub(super) states: Option<NodeId>,
}

/// What was found, and what was not looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) variables: Vec<Variable>,
    /// Nodes that were looked into.
    pub(super) nodes: usize,
    /// Nodes that the server does not let be looked into, and the reason of the first.
    pub(super) refused: (usize, Option<StatusCode>),
    /// Nodes below the greatest depth.
    pub(super) too_deep: usize,
    /// References with names or ids that are too long, or that lead to another server.
    pub(super) strange: usize,
    /// Why it ended before the end.
    pub(super) ended: Option<String>,
}

/// A node that is to be looked into.
struct Place {
    node: NodeId,
    names: Vec<String>,
    fit: Fit,
    /// The variable that it is, if that was found wanted.
    variable: Option<usize>,
}

struct Walk<'a> {
    session: &'a Session,
    wanted: &'a Wanted<'a>,
    found: Found,
    waiting: VecDeque<Place>,
    looked_into: HashSet<(NodeId, Fit)>,
    listed: HashSet<NodeId>,
    references: usize,
    bytes: usize,
}

/// Walks from a node on.
pub(super) async fn walk(session: &Session, from: NodeId, wanted: &Wanted<'_>) -> Result<Found, Error> {
    let fit = wanted.patterns.start();
    let mut walk = Walk {
        session,
        wanted,
        found: Found::default(),
        waiting: VecDeque::from([Place { node: from.clone(), names: Vec::new(), fit, variable: None }]),
        looked_into: HashSet::from([(from, fit)]),
        listed: HashSet::new(),
        references: 0,
        bytes: 0,
    };
    let mut batch = wanted.batch.max(1);
    while !walk.waiting.is_empty() && walk.found.ended.is_none() {
        let places: Vec<Place> = walk.waiting.drain(..batch.min(walk.waiting.len())).collect();
        if wanted.watch.is_stopped() {
            return Err(Error::new(StatusCode::BadRequestInterrupted, "it was asked to end"));
        }
        let nodes = places.iter().map(|place| place.node.clone()).collect();
        let results = match session.browse(nodes).await {
            Ok(results) => results,
            Err(error) if is_of_size(error.status()) && 1 < batch => {
                batch /= 2;
                places.into_iter().rev().for_each(|place| walk.waiting.push_front(place));
                continue;
            }
            Err(error) => return Err(error),
        };
        let crowded = |result: &BrowseResult| result.status_code == StatusCode::BadNoContinuationPoints;
        if 1 < batch && results.iter().any(crowded) {
            batch /= 2;
        }
        walk.take_all(places, results).await?;
        let (nodes, variables) = (walk.found.nodes, walk.found.variables.len());
        wanted.watch.tell(&format!("{nodes} nodes looked into, {variables} variables found"));
    }
    Ok(walk.found)
}

impl Walk<'_> {
    /// What was said of these nodes, and all that there is more of it.
    async fn take_all(&mut self, places: Vec<Place>, results: Vec<BrowseResult>) -> Result<(), Error> {
        let mut more: Vec<(Place, ByteString)> = Vec::new();
        let is_alone = places.len() == 1;
        for (place, result) in places.into_iter().zip(results) {
            if result.status_code == StatusCode::BadNoContinuationPoints && !is_alone {
                // There are too many of them under way: again, with fewer beside it.
                self.spend(0);
                self.waiting.push_back(place);
                continue;
            }
            self.found.nodes += 1;
            more.extend(self.take(place, result));
        }
        while !more.is_empty() {
            let is_over = self.found.ended.is_some() || self.wanted.watch.is_stopped();
            let points = more.iter().map(|(_, point)| point.clone()).collect();
            let results = self.session.browse_next(points, is_over).await?;
            if is_over {
                return Ok(());
            }
            let rest: Vec<(Place, ByteString)> = std::mem::take(&mut more);
            for ((place, _), result) in rest.into_iter().zip(results) {
                // Who has nothing more to say and yet says so would say so for ever.
                let is_empty = result.references.as_ref().is_none_or(Vec::is_empty);
                let went_on = self.take(place, result);
                if is_empty && let Some((_, point)) = went_on {
                    self.session.browse_next(vec![point], true).await?;
                } else {
                    more.extend(went_on);
                }
            }
        }
        Ok(())
    }

    /// Takes what was said of a node; how to go on, if that was not all.
    fn take(&mut self, place: Place, result: BrowseResult) -> Option<(Place, ByteString)> {
        if result.status_code.is_bad() {
            self.found.refused.0 += 1;
            self.found.refused.1.get_or_insert(result.status_code);
            return None;
        }
        for reference in result.references.into_iter().flatten() {
            if self.found.ended.is_some() {
                break;
            }
            self.follow(&place, &reference);
        }
        (!result.continuation_point.is_null_or_empty()).then_some((place, result.continuation_point))
    }

    fn follow(&mut self, from: &Place, reference: &ReferenceDescription) {
        let name = reference.browse_name.name.as_ref();
        let above: usize = from.names.iter().map(String::len).sum();
        self.spend(name.len().saturating_add(above));
        let Some(node) = self.target(&reference.node_id, name) else {
            self.found.strange += 1;
            return;
        };
        let is_variable = reference.node_class == NodeClass::Variable;
        if !is_variable && reference.node_class != NodeClass::Object {
            return;
        }
        let is_property = reference.reference_type_id == ReferenceTypeId::HasProperty;
        if is_property {
            if let Some(variable) = from.variable.and_then(|at| self.found.variables.get_mut(at))
                && reference.browse_name.namespace_index == 0
            {
                match name {
                    "EngineeringUnits" => variable.unit = Some(node.clone()),
                    "EURange" => variable.range = Some(node.clone()),
                    "EnumStrings" | "EnumValues" => variable.states = Some(node.clone()),
                    _ => {}
                }
            }
            if !self.wanted.properties {
                return;
            }
        }
        // What the server says of itself is asked for by its name.
        if node == ObjectId::Server {
            return;
        }
        let fit = self.wanted.patterns.next(from.fit, name);
        let mut variable = None;
        let goes_on = fit.goes_on(self.wanted.patterns);
        let names = || [from.names.as_slice(), &[written(name)]].concat();
        if is_variable && fit.is_whole(self.wanted.patterns) && !self.listed.contains(&node) {
            if self.wanted.most <= self.found.variables.len() {
                let most = self.wanted.most;
                self.found.ended = Some(format!(
                    "there are more than {most} variables: narrow it with --match or --from, or give --most"
                ));
                return;
            }
            self.listed.insert(node.clone());
            variable = Some(self.found.variables.len());
            let node = node.clone();
            self.found.variables.push(Variable { names: names(), node, unit: None, range: None, states: None });
        }
        if is_property || !(goes_on || variable.is_some()) {
            return;
        }
        let is_deepest = self.wanted.depth <= from.names.len() + 1;
        if is_deepest && variable.is_none() {
            self.found.too_deep += 1;
            return;
        }
        // Of a variable at the greatest depth the properties are looked at still.
        let fit = if is_deepest { Fit::NONE } else { fit };
        if self.looked_into.insert((node.clone(), fit)) {
            self.waiting.push_back(Place { node, names: names(), fit, variable });
        }
    }

    /// The node that a reference leads to, if it is one of this server and not too long.
    fn target(&self, id: &ExpandedNodeId, name: &str) -> Option<NodeId> {
        let node = if id.namespace_uri.is_empty() {
            id.node_id.clone()
        } else {
            let index = self.session.namespaces.iter().position(|uri| uri == id.namespace_uri.as_ref())?;
            NodeId { namespace: u16::try_from(index).ok()?, ..id.node_id.clone() }
        };
        let is_here = id.server_index == 0 && !node.is_null() && !name.is_empty();
        (is_here && name.len() <= LONGEST_NAME && ids::length(&node) <= LONGEST_ID).then_some(node)
    }

    /// A reference, of which so many bytes are kept.
    fn spend(&mut self, bytes: usize) {
        self.references += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        if MOST_REFERENCES < self.references || MOST_BYTES < self.bytes {
            let references = self.references;
            let ended = format!(
                "the server has more to look at than {references} references: narrow it with --match or --from"
            );
            self.found.ended.get_or_insert(ended);
        }
    }
}
